#include "proxy/admin_call.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace sluice::proxy {
namespace {

constexpr std::size_t kMaxResponse = 64u << 20;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The value of a header, empty if it is not there; `headers` are lines that end in CR LF, after the status
// line.
std::string_view header(std::string_view headers, std::string_view name) {
  while (!headers.empty()) {
    const std::size_t end = std::min(headers.find("\r\n"), headers.size());
    const std::string_view line = headers.substr(0, end);
    headers.remove_prefix(std::min(end + 2, headers.size()));
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    if (!std::ranges::equal(line.substr(0, colon), name, {}, lower, lower)) continue;
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    return value;
  }
  return {};
}

// Its size; 0 where the text is no such address.
socklen_t fill_ipv4(const std::string& address, sockaddr_in* to) {
  const std::size_t colon = address.find(':');
  if (colon == address.npos) return 0;
  std::uint16_t port = 0;
  const char* const end = address.data() + address.size();
  const auto [at, error] = std::from_chars(address.data() + colon + 1, end, port);
  if (error != std::errc() || at != end) return 0;
  to->sin_family = AF_INET;
  to->sin_port = htons(port);
  return ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to->sin_addr) == 1 ? sizeof *to : 0;
}

std::optional<std::string> join_chunks(std::string_view chunks) {
  std::string body;
  while (true) {
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(chunks.data(), chunks.data() + chunks.size(), size, 16);
    if (error != std::errc()) return std::nullopt;
    const std::size_t line = chunks.find("\r\n");
    if (line == chunks.npos) return std::nullopt;
    if (size == 0) return body;
    chunks.remove_prefix(line + 2);
    if (chunks.size() < size || chunks.size() - size < 2) return std::nullopt;
    body += chunks.substr(0, size);
    chunks.remove_prefix(size + 2);
  }
}

}  // namespace

std::optional<AdminAnswer> parse_answer(std::string_view response) {
  const std::size_t split = response.find("\r\n\r\n");
  if (split == response.npos || !response.starts_with("HTTP/1.")) return std::nullopt;
  const std::string_view head = response.substr(0, split + 2);
  const std::string_view body = response.substr(split + 4);
  AdminAnswer answer;
  const std::size_t space = head.find(' ');
  if (space == head.npos) return std::nullopt;
  const auto status = std::from_chars(head.data() + space + 1, head.data() + head.size(), answer.status);
  if (status.ec != std::errc()) return std::nullopt;

  const std::string_view headers = head.substr(head.find("\r\n") + 2);
  if (header(headers, "transfer-encoding") == "chunked") {
    std::optional<std::string> joined = join_chunks(body);
    if (!joined) return std::nullopt;
    answer.body = *std::move(joined);
  } else if (const std::string_view length = header(headers, "content-length"); !length.empty()) {
    std::size_t size = 0;
    const auto parsed = std::from_chars(length.data(), length.data() + length.size(), size);
    if (parsed.ec != std::errc() || body.size() < size) return std::nullopt;
    answer.body = body.substr(0, size);
  } else {
    answer.body = body;
  }
  return answer;
}

AdminCall::AdminCall(Loop& loop, const std::string& address, std::string_view method, std::string_view target,
                     std::chrono::milliseconds timeout, std::function<void(std::optional<AdminAnswer>)> done)
    : request_(fmt::format("{} {} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                           method, target)),
      done_(std::move(done)) {
  const bool connected = connect(address);
  timeout_ = loop.after(connected ? timeout : std::chrono::milliseconds(0), [this] { finish(std::nullopt); });
  if (connected)
    watch_ = loop.watch(socket_.get(), EPOLLIN | EPOLLOUT | EPOLLET, [this](auto) { proceed(); });
}

bool AdminCall::connect(const std::string& address) {
  sockaddr_storage at{};
  socklen_t size = 0;
  if (!address.starts_with('/')) {
    size = fill_ipv4(address, reinterpret_cast<sockaddr_in*>(&at));
  } else if (address.size() < sizeof sockaddr_un::sun_path) {
    auto* const path = reinterpret_cast<sockaddr_un*>(&at);
    path->sun_family = AF_UNIX;
    std::memcpy(path->sun_path, address.data(), address.size());
    size = sizeof *path;
  }
  if (size == 0) return false;
  socket_ = Descriptor(::socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Over a Unix socket a connection is there at once, or (a full queue too) not at all. Over TCP, writing
  // tells.
  return socket_ && (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&at), size) == 0 ||
                     errno == EINPROGRESS);
}

void AdminCall::proceed() {
  while (sent_ < request_.size()) {
    const ssize_t n =
        ::send(socket_.get(), request_.data() + sent_, request_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return;
      return finish(std::nullopt);
    }
    sent_ += static_cast<std::size_t>(n);
  }
  std::array<char, 16'384> buffer;
  while (true) {
    const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n == 0) return finish(parse_answer(response_));
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return;
      return finish(std::nullopt);
    }
    response_.append(buffer.data(), static_cast<std::size_t>(n));
    if (response_.size() > kMaxResponse) return finish(std::nullopt);
  }
}

void AdminCall::finish(std::optional<AdminAnswer> answer) {
  watch_.reset();
  timeout_.reset();
  const auto done = std::move(done_);
  done(std::move(answer));  // `this` may be gone now
}

}  // namespace sluice::proxy
