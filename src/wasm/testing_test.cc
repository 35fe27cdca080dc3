#include "wasm/testing.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include <archive.h>
#include <archive_entry.h>
#include <arpa/inet.h>
#include <elf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sigpipe.h"
#include "wasm/digest.h"

namespace sluice::wasm {
namespace {

namespace fs = std::filesystem;

void run(const std::string& command) {
  if (std::system((command + " >/dev/null 2>&1").c_str()) != 0) std::abort();
}

std::string packed(bool tar, bool gzip, const std::vector<TarEntry>& entries) {
  std::size_t total = 1U << 20U;
  for (const TarEntry& entry : entries) total += entry.content.size() + 2048;
  std::string result(total, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  if (tar) {
    archive_write_set_format_ustar(writer);
  } else {
    archive_write_set_format_raw(writer);
  }
  if (gzip) archive_write_add_filter_gzip(writer);
  archive_write_open_memory(writer, result.data(), result.size(), &used);
  for (const TarEntry& entry : entries) {
    archive_entry* header = archive_entry_new();
    archive_entry_set_pathname(header, entry.name.c_str());
    archive_entry_set_filetype(header, AE_IFREG);
    archive_entry_set_perm(header, 0644);
    archive_entry_set_size(header, static_cast<la_int64_t>(entry.content.size()));
    archive_write_header(writer, header);
    archive_write_data(writer, entry.content.data(), entry.content.size());
    archive_entry_free(header);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  result.resize(used);
  return result;
}

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

constexpr std::string_view kBasic = "Basic dGVuYW50OnMzY3JldA==";  // tenant:s3cret

}  // namespace

std::string module_bytes(std::string_view note) {
  std::string bytes("\0asm\x01\0\0\0", 8);
  if (note.empty()) return bytes;
  // A custom section (0) of this size, with a name of one byte.
  std::string section = "\x01n" + std::string(note);
  bytes += '\0';
  auto size = section.size();
  do {
    bytes += static_cast<char>((size & 0x7fU) | (size > 0x7f ? 0x80U : 0U));
    size >>= 7U;
  } while (size > 0);
  return bytes + section;
}

std::string library_bytes(std::string_view note) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  header.e_type = ET_DYN;
#ifdef __aarch64__
  header.e_machine = EM_AARCH64;
#else
  header.e_machine = EM_X86_64;
#endif
  header.e_phoff = sizeof(Elf64_Ehdr);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr part{};
  part.p_type = PT_LOAD;
  part.p_filesz = sizeof(header) + sizeof(part) + note.size();
  std::string bytes(sizeof(header) + sizeof(part), '\0');
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::memcpy(bytes.data() + sizeof(header), &part, sizeof(part));
  return bytes.append(note);
}

std::string tar_of(const std::vector<TarEntry>& entries) { return packed(true, false, entries); }
std::string tar_gz_of(const std::vector<TarEntry>& entries) { return packed(true, true, entries); }
std::string gzip_of(std::string_view bytes) { return packed(false, true, {{"data", std::string(bytes)}}); }

Folder::Folder() : path_(fs::temp_directory_path() / "sluice-wasm-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) std::abort();
}
Folder::~Folder() {
  std::error_code error;
  fs::remove_all(path_, error);
}
std::vector<std::string> Folder::files() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Authority::Authority(const std::string& folder)
    : certificate_file(folder + "/server.pem"), key_file(folder + "/server.key") {
  std::ofstream(folder + "/ext") << "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
  const std::string key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes ";
  run("cd " + folder + " && openssl req -x509 " + key + "-days 2 -subj /CN=ca -keyout ca.key -out ca.pem");
  run("cd " + folder + " && openssl req " + key + "-subj /CN=server -keyout server.key -out server.csr");
  run("cd " + folder +
      " && openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2" +
      " -extfile ext -out server.pem");
  ca_pem = read_file(folder + "/ca.pem");
}

void Connection::send(std::string_view bytes) {
  while (!bytes.empty() && !closed_) {
    const auto size = std::min<std::size_t>(bytes.size(), 1U << 16U);
    const auto sent = tls_ != nullptr ? SSL_write(tls_, bytes.data(), static_cast<int>(size))
                                      : ::send(socket_, bytes.data(), size, MSG_NOSIGNAL);
    if (sent <= 0) return close();
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Connection::reply(int status, std::string_view body, const std::string& headers) {
  send(fmt::format("HTTP/1.1 {} Whatever\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), headers,
                   head_ ? "" : body));
}

void Connection::hang() {
  std::array<char, 256> bytes{};
  while (::recv(socket_, bytes.data(), bytes.size(), 0) > 0) {
  }
  close();
}

std::optional<Received> Connection::receive() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    std::array<char, 4096> bytes{};
    const auto got = tls_ != nullptr ? SSL_read(tls_, bytes.data(), static_cast<int>(bytes.size()))
                                     : ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (got <= 0) return std::nullopt;
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  }
  std::istringstream head(buffer_.substr(0, end));
  buffer_.erase(0, end + 4);
  Received request;
  std::string line;
  head >> request.method >> request.target;
  std::getline(head, line);
  while (std::getline(head, line)) {
    if (line.ends_with('\r')) line.pop_back();
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    request.headers[lower_case(line.substr(0, colon))] =
        line.substr(std::min(line.find_first_not_of(' ', colon + 1), line.size()));
  }
  head_ = request.method == "HEAD";
  return request;
}

TestServer::TestServer(Handler handler, const Authority* authority) : handler_(std::move(handler)) {
  if (authority != nullptr) {
    tls_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate_chain_file(tls_, authority->certificate_file.c_str());
    SSL_CTX_use_PrivateKey_file(tls_, authority->key_file.c_str(), SSL_FILETYPE_PEM);
  }
  listener_ = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), name, size) != 0 || ::listen(listener_.get(), 64) != 0) std::abort();
  ::getsockname(listener_.get(), name, &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

TestServer::~TestServer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }
  acceptor_.join();
  for (auto& [socket, thread] : connections_) thread.join();
  for (const int socket : sockets_) ::close(socket);
  SSL_CTX_free(tls_);
}

std::string TestServer::host() const { return fmt::format("127.0.0.1:{}", port_); }
std::string TestServer::url(const std::string& path) const {
  return fmt::format("{}://{}{}", tls_ != nullptr ? "https" : "http", host(), path);
}
std::vector<Received> TestServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void TestServer::accept_all() {
  while (true) {
    const int socket = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    const std::lock_guard lock(mutex_);
    sockets_.push_back(socket);
    if (stopping_) return;
    connections_.emplace(socket, std::thread([this, socket] { serve(socket); }));
  }
}

void TestServer::serve(int socket) {
  // Clients that do not like a certificate are gone while it is still spoken of.
  block_sigpipe();
  const std::unique_ptr<SSL, decltype(&SSL_free)> tls(tls_ != nullptr ? SSL_new(tls_) : nullptr, &SSL_free);
  if (tls) SSL_set_fd(tls.get(), socket);
  Connection connection(socket, tls.get());
  if (!tls || SSL_accept(tls.get()) == 1) {
    while (!connection.closed_) {
      const auto request = connection.receive();
      if (!request) break;
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(*request);
      }
      handler_(*request, connection);
    }
  }
  ::shutdown(socket, SHUT_RDWR);
}

TestRegistry::TestRegistry(Auth auth, const Authority* authority)
    : auth_(auth),
      server_([this](const Received& request, Connection& connection) { answer(request, connection); },
              authority) {}

std::string TestRegistry::add_blob(const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  std::string digest = sha256_of(bytes);
  blobs_[digest] = bytes;
  return digest;
}

void TestRegistry::lie_about_blob(const std::string& digest, const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  blobs_[digest] = bytes;
}

std::string TestRegistry::add_manifest(const std::string& repository, const std::string& tag,
                                       const std::string& json) {
  const std::lock_guard lock(mutex_);
  std::string digest = sha256_of(json);
  manifests_[repository + "/manifests/" + tag] = json;
  manifests_[repository + "/manifests/sha256:" + digest] = json;
  return digest;
}

std::string TestRegistry::add_image(const std::string& repository, const std::string& tag,
                                    const std::string& layer, const std::string& media_type) {
  add_blob(layer);
  return add_manifest(repository, tag, image_manifest({descriptor_of(media_type, layer)}));
}

std::size_t TestRegistry::count(const std::string& prefix) const {
  const auto all = requests();
  return static_cast<std::size_t>(std::ranges::count_if(
      all, [&](const Received& r) { return (r.method + " " + r.target).starts_with(prefix); }));
}

bool TestRegistry::allowed(const Received& request) const {
  const std::string authorization = request.header("authorization");
  switch (auth_) {
    case Auth::kNone:
      return true;
    case Auth::kBasic:
      return authorization == kBasic;
    case Auth::kToken:
      return authorization == "Bearer t0ken";
  }
  return false;
}

void TestRegistry::answer(const Received& request, Connection& connection) {
  if (down_) return connection.reply(503, "");
  if (request.target.starts_with("/token?")) {
    const bool known = request.header("authorization") == kBasic;
    return known ? connection.reply(200, R"({"token": "t0ken"})") : connection.reply(401, "");
  }
  if (!allowed(request)) {
    return connection.reply(
        401, R"({"errors": []})",
        auth_ == Auth::kBasic
            ? "WWW-Authenticate: Basic realm=\"here\"\r\n"
            : fmt::format("WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"here\","
                          "scope=\"repository:team/filter:pull\"\r\n",
                          server_.host()));
  }
  const std::lock_guard lock(mutex_);
  constexpr std::string_view kRoot = "/v2/";
  const std::string path = request.target.substr(std::min(kRoot.size(), request.target.size()));
  if (const auto manifest = manifests_.find(path); manifest != manifests_.end()) {
    return connection.reply(200, manifest->second,
                            "Docker-Content-Digest: sha256:" + sha256_of(manifest->second) + "\r\n");
  }
  const auto digest = path.find("/blobs/sha256:");
  if (digest != std::string::npos) {
    const auto blob = blobs_.find(path.substr(digest + 14));
    if (blob != blobs_.end()) return connection.reply(200, blob->second);
  }
  connection.reply(404, R"({"errors": [{"code": "MANIFEST_UNKNOWN"}]})");
}

std::string descriptor_of(const std::string& media_type, const std::string& bytes) {
  return fmt::format(R"({{"mediaType": "{}", "digest": "sha256:{}", "size": {}}})", media_type,
                     sha256_of(bytes), bytes.size());
}

std::string image_manifest(const std::vector<std::string>& layers, const std::string& media_type) {
  return fmt::format(R"({{"schemaVersion": 2, "mediaType": "{}", "layers": [{}]}})", media_type,
                     fmt::join(layers, ", "));
}

}  // namespace sluice::wasm
