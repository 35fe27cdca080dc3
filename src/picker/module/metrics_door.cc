#include "picker/module/metrics_door.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error_text.h"

namespace sluice::picker {
namespace {

constexpr std::size_t kMaxVisitors = 8;
constexpr std::size_t kMaxRequest = 4096;
constexpr std::chrono::milliseconds kPatience{1'000};

bool listen_at(int socket, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  ::unlink(path.c_str());
  return ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
         ::listen(socket, static_cast<int>(kMaxVisitors)) == 0;
}

}  // namespace

struct MetricsDoor::Visitor {
  Descriptor socket;
  std::string request;
  std::string answer;  // once the request is there: what has not been sent of it
  Loop::Watch watch = {};
  Loop::Timer patience = {};
};

MetricsDoor::MetricsDoor(Loop& loop, std::function<std::string()> page)
    : loop_(loop), page_(std::move(page)) {}

std::unique_ptr<MetricsDoor> MetricsDoor::open(Loop& loop, std::string path,
                                               std::function<std::string()> page, std::string* problem) {
  std::unique_ptr<MetricsDoor> door(new MetricsDoor(loop, std::move(page)));
  door->socket_ = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!door->socket_ || !listen_at(door->socket_.get(), path)) {
    *problem = error_text(path, errno);
    return nullptr;
  }
  door->file_ = SocketFile(std::move(path));
  door->watch_ = loop.watch(door->socket_.get(), EPOLLIN, [raw = door.get()](auto) { raw->accept(); });
  return door;
}

MetricsDoor::~MetricsDoor() = default;

void MetricsDoor::accept() {
  Descriptor socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket && (errno == EMFILE || errno == ENFILE)) {
    // Whoever comes stays there, and would be told of over and over.
    watch_.set_events(0);
    pause_ = loop_.after(kPatience, [this] { watch_.set_events(EPOLLIN); });
  }
  if (!socket || visitors_.size() >= kMaxVisitors) return;
  Visitor& visitor = visitors_.emplace_back(std::move(socket));
  visitor.watch = loop_.watch(visitor.socket.get(), EPOLLIN, [this, &visitor](auto) { proceed(visitor); });
  visitor.patience = loop_.after(kPatience, [this, &visitor] { end(visitor); });
}

void MetricsDoor::proceed(Visitor& visitor) {
  if (visitor.answer.empty()) {
    std::array<char, kMaxRequest> buffer;
    const ssize_t n = ::recv(visitor.socket.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return end(visitor);
    visitor.request.append(buffer.data(), static_cast<std::size_t>(n));
    if (visitor.request.size() > kMaxRequest) return end(visitor);
    if (!visitor.request.contains("\r\n\r\n")) return;
    const std::string page = page_();
    visitor.answer = fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: "
        "close\r\n\r\n{}",
        page.size(), page);
    visitor.watch.set_events(EPOLLOUT);
  }
  while (!visitor.answer.empty()) {
    const ssize_t n =
        ::send(visitor.socket.get(), visitor.answer.data(), visitor.answer.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) break;
    visitor.answer.erase(0, static_cast<std::size_t>(n));
  }
  end(visitor);
}

void MetricsDoor::end(Visitor& visitor) {
  visitors_.remove_if([&visitor](const Visitor& each) { return &each == &visitor; });
}

}  // namespace sluice::picker
