#include "drain/manager.h"

#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error_text.h"
#include "base/log.h"
#include "drain/address.h"

namespace sluice::drain {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds kAdminTimeout{2'000};
// Until an answer has been sent. Nobody waits for this but a pod that is about to end.
constexpr milliseconds kLinger{300};
// Beyond the longest drain: the server's own word for whom it has no answer would be a wrong one.
constexpr std::chrono::hours kAnswerTimeout{24};
constexpr std::size_t kMostConnections = 256;

admin::Handler at_once(admin::Response response) {
  return [response = std::move(response)](const admin::Request&, const admin::Respond& respond) {
    respond([response] { return response; });
  };
}

// One of this container, or root. The other containers of the pod have no say.
bool may_drain(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == ::geteuid() || peer.uid == 0);
}

}  // namespace

std::expected<std::unique_ptr<Manager>, Problem> Manager::start(Loop& loop, ManagerOptions options) {
  std::unique_ptr<Manager> manager(new Manager(loop, std::move(options)));
  if (auto listening = manager->listen(); !listening) return std::unexpected(std::move(listening).error());
  return manager;
}

Manager::Manager(Loop& loop, ManagerOptions options) : loop_(loop), options_(std::move(options)) {}

Manager::~Manager() { *alive_ = false; }

std::expected<void, Problem> Manager::listen() {
  door_ = listen_at_door(options_.door);
  if (!door_) {
    return std::unexpected(Problem{.code = "value/shutdown-manager",
                                   .message = error_text("the socket for `sluice envoy shutdown`", errno),
                                   .suggestion = "one shutdown manager is enough for a pod"});
  }
  knocks_ = loop_.watch(door_.get(), EPOLLIN, [this](auto) { accept(); });
  admin::Options server{.socket_path = {},
                        .tcp_address = options_.address,
                        .host_names = {},
                        .handlers = {{kHealthPath, at_once({.body = "ok\n"})},
                                     {kReadyPath,
                                      [this, alive = alive_](const admin::Request&, admin::Respond respond) {
                                        loop_.post([this, alive, respond = std::move(respond)]() mutable {
                                          if (*alive) wait(std::move(respond));
                                        });
                                      }}},
                        .otherwise = {},
                        .max_connections = kMostConnections,
                        .answer_timeout = kAnswerTimeout};
  auto started = admin::start_server(std::move(server));
  if (!started) return std::unexpected(std::move(started).error());
  server_ = *std::move(started);
  pass_health_checks();
  return {};
}

// Of an Envoy that is not there yet there is no answer, nor does it need to be told.
void Manager::pass_health_checks() {
  call_ = std::make_unique<proxy::AdminCall>(loop_, options_.envoy_admin, "POST", "/healthcheck/ok",
                                             kAdminTimeout, [](const auto&) {});
}

void Manager::accept() {
  while (true) {
    Descriptor socket(::accept4(door_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    if (!may_drain(socket.get())) continue;
    const auto drainer = drainers_.emplace(drainers_.end());
    drainer->socket = std::move(socket);
    drainer->watch = loop_.watch(drainer->socket.get(), EPOLLIN, [this, drainer](auto) { read(drainer); });
  }
}

void Manager::read(std::list<Drainer>::iterator drainer) {
  while (true) {
    std::array<char, kLongestMessage> buffer;
    const ssize_t n = ::recv(drainer->socket.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) break;
    const std::string_view message(buffer.data(), static_cast<std::size_t>(n));
    if (message == kEnded) {
      has_drained();
    } else {
      log(Level::kInfo, message);
    }
  }
  drainers_.erase(drainer);  // and with it this call's function
  if (drainers_.empty()) gave_up();
  end_if_idle();
}

void Manager::wait(admin::Respond respond) {
  const auto waiting = waiting_.emplace(waiting_.end());
  waiting->respond = std::move(respond);
  if (drained_) return answer(waiting, true);
  waiting->timeout = loop_.after(options_.ready_timeout, [this, waiting] {
    waiting->is_late = true;
    if (drainers_.empty()) gave_up();
  });
}

void Manager::answer(std::list<Waiting>::iterator waiting, bool drained) {
  waiting->respond([drained] {
    return drained ? admin::Response{.body = "Envoy has drained\n"}
                   : admin::Response{.status = 503, .body = "nobody has drained Envoy in time\n"};
  });
  answered_ = true;
  waiting_.erase(waiting);
}

void Manager::has_drained() {
  drained_ = true;
  while (!waiting_.empty()) answer(waiting_.begin(), true);
}

// Those whose time is over wait for nobody.
void Manager::gave_up() {
  for (auto each = waiting_.begin(); each != waiting_.end();) {
    const auto waiting = each++;
    if (waiting->is_late) answer(waiting, false);
  }
}

void Manager::end(std::function<void()> ended) {
  ended_ = std::move(ended);
  accept();  // who came just before
  for (auto each = drainers_.begin(); each != drainers_.end();) read(each++);
  end_if_idle();
}

void Manager::end_if_idle() {
  if (!ended_ || !drainers_.empty()) return;
  while (!waiting_.empty()) answer(waiting_.begin(), drained_);
  linger_ = loop_.after(answered_ ? kLinger : milliseconds(0), [this] { ended_(); });
}

}  // namespace sluice::drain
