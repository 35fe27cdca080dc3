#include "extproc/socket.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace sluice::extproc {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr int kBacklog = 512;

Problem problem_of(std::string code, std::string message, std::string suggestion = "") {
  return {.code = std::move(code),
          .severity = Severity::kError,
          .where = {},
          .object = {},
          .path = "",
          .message = std::move(message),
          .suggestion = std::move(suggestion)};
}

std::expected<Listening, Problem> fail_to_listen(const std::string& address) {
  return std::unexpected(
      problem_of("value/address", fmt::format("cannot listen at {}: {}", address, std::strerror(errno))));
}

Descriptor new_socket(int family) {
  return Descriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

template <typename T>
const sockaddr* as_sockaddr(const T& address) {
  return reinterpret_cast<const sockaddr*>(&address);  // as the interface of sockets wants it
}

// A socket's file stays behind when its owner dies.
bool nobody_listens(const sockaddr_un& address) {
  const Descriptor probe = new_socket(AF_UNIX);
  return ::connect(probe.get(), as_sockaddr(address), sizeof address) != 0 && errno == ECONNREFUSED;
}

std::expected<Listening, Problem> listen_at_path(const std::string& address, std::uint32_t mode) {
  const std::string path = address.substr(kUnixPrefix.size());
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof name.sun_path) {
    return std::unexpected(problem_of(
        "value/address",
        fmt::format("the path of a Unix socket has 1 to {} bytes: {}", sizeof name.sun_path - 1, address)));
  }
  std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
  Descriptor socket = new_socket(AF_UNIX);
  if (nobody_listens(name)) ::unlink(path.c_str());
  if (::bind(socket.get(), as_sockaddr(name), sizeof name) != 0) return fail_to_listen(address);
  SocketFile file(path);
  // Nobody can connect before listen(), when the file has its mode.
  if (::chmod(path.c_str(), mode) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    return fail_to_listen(address);
  }
  return Listening{std::move(socket), address, std::move(file)};
}

std::expected<Listening, Problem> listen_at_port(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  const auto no_address = [&address] {
    return std::unexpected(problem_of("value/address",
                                      fmt::format("`{}` is no address to listen at", address),
                                      "use IP:PORT, [IPv6]:PORT or unix:PATH"));
  };
  if (colon == std::string::npos) return no_address();
  std::string host = address.substr(0, colon);
  std::uint16_t port = 0;
  const char* end = address.data() + address.size();
  if (const auto read = std::from_chars(address.data() + colon + 1, end, port);
      read.ec != std::errc() || read.ptr != end) {
    return no_address();
  }
  const bool v6 = host.starts_with('[') && host.ends_with(']');
  if (v6) host = host.substr(1, host.size() - 2);

  sockaddr_in6 name6{};
  sockaddr_in name4{};
  name6.sin6_family = AF_INET6;
  name4.sin_family = AF_INET;
  name6.sin6_port = name4.sin_port = htons(port);
  if (::inet_pton(v6 ? AF_INET6 : AF_INET, host.c_str(),
                  v6 ? static_cast<void*>(&name6.sin6_addr) : &name4.sin_addr) != 1) {
    return no_address();
  }
  Descriptor socket = new_socket(v6 ? AF_INET6 : AF_INET);
  const int one = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  const int bound = v6 ? ::bind(socket.get(), as_sockaddr(name6), sizeof name6)
                       : ::bind(socket.get(), as_sockaddr(name4), sizeof name4);
  if (bound != 0 || ::listen(socket.get(), kBacklog) != 0) return fail_to_listen(address);
  sockaddr_storage got{};
  socklen_t size = sizeof got;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&got), &size);
  in_port_t got_port = 0;  // at the same place in both
  std::memcpy(&got_port, reinterpret_cast<const char*>(&got) + offsetof(sockaddr_in, sin_port),
              sizeof got_port);
  return Listening{std::move(socket), fmt::format("{}:{}", address.substr(0, colon), ntohs(got_port))};
}

std::string tls_error() {
  std::array<char, 256> text{};
  const unsigned long error = ERR_get_error();
  ERR_error_string_n(error, text.data(), text.size());
  ERR_clear_error();
  return error == 0 ? "" : fmt::format(": {}", text.data());
}

int choose_h2(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
              unsigned in_size, void* /*argument*/) {
  static constexpr std::string_view kH2 = "\2h2";
  const auto* h2 = reinterpret_cast<const unsigned char*>(kH2.data());
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, h2, kH2.size(), in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

std::expected<Listening, Problem> listen_at(const std::string& address, std::uint32_t socket_mode) {
  return address.starts_with(kUnixPrefix) ? listen_at_path(address, socket_mode) : listen_at_port(address);
}

// ---- TLS -------------------------------------------------------------------------------------

void TlsContext::Free::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

std::expected<std::unique_ptr<TlsContext>, Problem> TlsContext::load(const TlsFiles& files) {
  std::unique_ptr<TlsContext> tls(new TlsContext(files));
  tls->stamps_ = tls->stamps();
  auto context = tls->read();
  if (!context) return std::unexpected(context.error());
  tls->context_ = std::move(*context);
  tls->looked_ = Clock::now();
  return tls;
}

std::expected<TlsContext::Context, Problem> TlsContext::read() const {
  const auto fail = [](const std::string& what, const std::string& file) {
    return std::unexpected(problem_of("value/tls", fmt::format("{} {}{}", what, file, tls_error())));
  };
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_h2, nullptr);
  // Every connection shows its certificate: there are few, and they last. (Without a context of its own for
  // sessions OpenSSL would end a connection that resumes one and had shown a certificate.)
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  if (SSL_CTX_use_certificate_chain_file(context.get(), files_.certificate_chain.c_str()) != 1) {
    return fail("cannot use the certificate", files_.certificate_chain);
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), files_.private_key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail("cannot use the private key", files_.private_key);
  }
  if (files_.client_ca.empty()) return context;
  if (SSL_CTX_load_verify_file(context.get(), files_.client_ca.c_str()) != 1) {
    return fail("cannot use the clients' CA", files_.client_ca);
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return context;
}

std::vector<TlsContext::Stamp> TlsContext::stamps() const {
  std::vector<Stamp> stamps;
  for (const std::string* file : {&files_.certificate_chain, &files_.private_key, &files_.client_ca}) {
    struct stat status{};
    if (::stat(file->c_str(), &status) != 0) status = {};
    stamps.push_back({status.st_mtim, status.st_ino});
  }
  return stamps;
}

SSL_CTX* TlsContext::current(const std::function<void(const Problem&)>& report) {
  const Clock::time_point now = Clock::now();
  if (now - looked_ < std::chrono::seconds(1)) return context_.get();
  looked_ = now;
  std::vector<Stamp> stamps = this->stamps();
  if (stamps == stamps_) return context_.get();
  stamps_ = std::move(stamps);
  if (auto context = read()) {
    context_ = std::move(*context);  // connections keep the one that they began with
  } else {
    report(context.error());
  }
  return context_.get();
}

// ---- connections -----------------------------------------------------------------------------

void Socket::Free::operator()(SSL* ssl) const { SSL_free(ssl); }

Socket::Socket(Descriptor descriptor, SSL_CTX* tls) : descriptor_(std::move(descriptor)) {
  const int one = 1;
  ::setsockopt(descriptor_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // fails on a Unix socket
  if (tls == nullptr) return;
  ssl_.reset(SSL_new(tls));
  SSL_set_fd(ssl_.get(), descriptor_.get());
  SSL_set_accept_state(ssl_.get());
}

Socket::~Socket() {
  if (ssl_ && SSL_is_init_finished(ssl_.get())) SSL_shutdown(ssl_.get());
}

Io Socket::result_of_tls(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  ERR_clear_error();
  wants_write_ = error == SSL_ERROR_WANT_WRITE;
  return error == SSL_ERROR_WANT_READ || wants_write_ ? Io::kAgain : Io::kClosed;
}

Io Socket::read(std::span<char> buffer, std::size_t* size, bool* more) {
  *more = false;
  if (ssl_) {
    const int result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), size);
    if (result != 1) return result_of_tls(result);
    wants_write_ = false;
    *more = true;  // a record may be in OpenSSL's hands already, which epoll knows nothing of
    return Io::kDone;
  }
  const ssize_t got = ::recv(descriptor_.get(), buffer.data(), buffer.size(), 0);
  if (got > 0) {
    *size = static_cast<std::size_t>(got);
    return Io::kDone;
  }
  return got < 0 && (errno == EAGAIN || errno == EINTR) ? Io::kAgain : Io::kClosed;
}

Io Socket::write(std::string_view bytes, std::size_t* size) {
  *size = 0;
  if (ssl_) {
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), size);
    return result == 1 ? Io::kDone : result_of_tls(result);
  }
  const ssize_t sent = ::send(descriptor_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) {
    *size = static_cast<std::size_t>(sent);
    return Io::kDone;
  }
  return errno == EAGAIN || errno == EINTR ? Io::kAgain : Io::kClosed;
}

}  // namespace sluice::extproc
