#include "picker/exchange/scraper.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/descriptor.h"
#include "picker/exchange/http_response.h"

namespace sluice::picker {
namespace {

constexpr std::size_t kBuffer = 128 * 1024;
constexpr std::size_t kMaxModelsBytes = 1 << 20;
// All servers are asked within this time where they are asked at once.
constexpr std::chrono::milliseconds kRound{50};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

std::optional<SocketAddress> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string host(text.substr(0, colon));
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0) return std::nullopt;
  SocketAddress address;
  if (host.starts_with('[') && host.ends_with(']')) {
    auto* const in6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &in6->sin6_addr) != 1)
      return std::nullopt;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    address.size = sizeof(sockaddr_in6);
  } else {
    auto* const in = reinterpret_cast<sockaddr_in*>(&address.storage);
    if (inet_pton(AF_INET, host.c_str(), &in->sin_addr) != 1) return std::nullopt;
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    address.size = sizeof(sockaddr_in);
  }
  return address;
}

std::string error_text(int code) { return std::error_code(code, std::generic_category()).message(); }

}  // namespace

bool is_address(std::string_view address) { return parse_address(address).has_value(); }

// A server, its connection, and what it is being asked.
class Scraper::Pod {
 public:
  Pod(Scraper& scraper, std::string address)
      : scraper_(scraper), socket_address_(parse_address(address)), page_(scraper.table_) {
    server_.address = std::move(address);
    const auto request = [this](const std::string& path, std::string_view accept) {
      return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nAccept: {}\r\nUser-Agent: sluice-picker\r\n\r\n",
                         path, server_.address, accept);
    };
    metrics_request_ = request(scraper.options_.metrics_path, "text/plain");
    models_request_ = request(scraper.options_.models_path, "application/json");
  }

  const Server& server() const { return server_; }
  bool tried() const { return server_.answers + server_.failures > 0; }

  void ask_after(std::chrono::milliseconds delay) {
    timer_ = scraper_.loop_.after(delay, [this] { ask(); });
  }
  // At once, unless it is being asked.
  void hurry(std::chrono::milliseconds delay) {
    if (!asking_ && failures_in_a_row_ == 0) ask_after(delay);
  }

 private:
  void ask() {
    asked_ = now();
    asking_ = true;
    is_retry_ = false;
    // Models after metrics: a server that has just come is first of all there.
    const std::chrono::milliseconds models = scraper_.options_.models_interval;
    for_models_ =
        server_.there && models.count() != 0 && (!models_asked_ || asked_ - *models_asked_ >= models);
    if (for_models_) models_asked_ = asked_;
    timer_ = scraper_.loop_.after(scraper_.options_.timeout,
                                  [this] { fail("it does not answer in time", false); });
    send();
  }

  void send() {
    response_.reset();
    size_ = 0;
    models_.clear();
    if (!descriptor_ && !connect()) return;
    if (!connecting_) write();
  }

  bool connect() {
    reused_ = false;
    if (!socket_address_) {
      fail("it is no address", true);
      return false;
    }
    descriptor_ = Descriptor(
        ::socket(socket_address_->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!descriptor_) {
      fail(error_text(errno), false);
      return false;
    }
    const int one = 1;
    ::setsockopt(descriptor_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const int result =
        ::connect(descriptor_.get(), reinterpret_cast<const sockaddr*>(&socket_address_->storage),
                  socket_address_->size);
    if (result != 0 && errno != EINPROGRESS) {
      fail(error_text(errno), true);
      return false;
    }
    connecting_ = true;
    watch_ = scraper_.loop_.watch(descriptor_.get(), EPOLLOUT, [this](std::uint32_t) { on_event(); });
    return true;
  }

  void on_event() {
    if (connecting_) {
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(descriptor_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) {
        fail(error_text(error), true);
        return;
      }
      connecting_ = false;
      watch_.set_events(EPOLLIN);
      write();
      return;
    }
    read();
  }

  // A request is short: it fits into the socket's buffer, for nothing else is in it.
  void write() {
    const std::string& request = for_models_ ? models_request_ : metrics_request_;
    const ssize_t size = ::send(descriptor_.get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (size != static_cast<ssize_t>(request.size())) broken(error_text(size < 0 ? errno : EPIPE));
  }

  void read() {
    while (true) {
      const ssize_t size = ::recv(descriptor_.get(), scraper_.buffer_.data(), scraper_.buffer_.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && errno == EAGAIN) return;
      if (size <= 0) {
        ended(size < 0 ? error_text(errno) : "it closes the connection");
        return;
      }
      if (!asking_) {  // nobody asked
        close();
        return;
      }
      const std::string_view bytes(scraper_.buffer_.data(), static_cast<std::size_t>(size));
      const HttpResponse::State state =
          response_.feed(bytes, [this](std::string_view piece) { on_body(piece); });
      if (state == HttpResponse::State::kBad) {
        fail("its answer is no HTTP", true);
        return;
      }
      if (size_ > scraper_.options_.max_page_bytes) {
        fail("its answer is too large", true);
        return;
      }
      if (state == HttpResponse::State::kDone) {
        answered();
        return;
      }
      if (bytes.size() < scraper_.buffer_.size()) return;
    }
  }

  void on_body(std::string_view piece) {
    size_ += piece.size();
    server_.bytes += piece.size();
    if (response_.status() != 200) return;
    if (!for_models_) {
      page_.feed(piece);
    } else if (models_.size() + piece.size() <= kMaxModelsBytes) {
      models_.append(piece);
    }
  }

  void ended(std::string reason) {
    if (!asking_) {
      close();
      return;
    }
    if (response_.begun() && response_.end() == HttpResponse::State::kDone) {
      answered();
      return;
    }
    broken(std::move(reason));
  }

  // A server may close a connection that was idle just when we use it again.
  void broken(std::string reason) {
    if (reused_ && !is_retry_ && !response_.begun()) {
      is_retry_ = true;
      close();
      send();
      return;
    }
    fail(std::move(reason), true);
  }

  void answered() {
    asking_ = false;
    reused_ = true;
    const unsigned status = response_.status();
    if (!response_.keep_alive()) close();
    if (for_models_) {
      schedule(scraper_.interval());
      // May lead to anything, and is the last that is done here.
      if (status == 200) scraper_.listener_.on_models(server_.address, read_models(models_));
      return;
    }
    Load load = page_.finish(asked_);
    if (status >= 500) {
      fail(fmt::format("it answers with {}", status), true);
      return;
    }
    ++server_.answers;
    server_.there = true;
    server_.last_answer = now();
    std::string lack;
    if (status != 200) {
      lack = fmt::format("{} is answered with {}", scraper_.options_.metrics_path, status);
    } else if (!page_.found()) {
      lack = fmt::format("none of its metrics is known at {}", scraper_.options_.metrics_path);
    }
    const bool fell_silent = !lack.empty() && server_.last_error != lack;
    server_.last_error = std::move(lack);
    failures_in_a_row_ = 0;
    schedule(scraper_.interval());
    scraper_.listener_.on_load(server_.address, load);
    if (fell_silent) scraper_.listener_.on_silent(server_.address, server_.last_error);
  }

  // `hard`: the server is not there, or not as it should be.
  void fail(std::string reason, bool hard) {
    asking_ = false;
    close();
    if (for_models_) {  // the next page says how the server is
      schedule(scraper_.interval());
      return;
    }
    page_.finish(asked_);  // what has been read of it does not count
    ++failures_in_a_row_;
    ++server_.failures;
    server_.last_error = std::move(reason);
    const std::chrono::milliseconds most =
        std::max(scraper_.options_.retry_interval, scraper_.options_.interval);
    const unsigned doublings = std::min(failures_in_a_row_, 16U);
    schedule(std::min(most, scraper_.options_.interval * (1U << doublings)));
    const bool was_there = server_.there;
    const bool stale = now() - server_.last_answer >= scraper_.options_.lost_after;
    if (was_there && !hard && !stale) return;
    server_.there = false;
    models_asked_.reset();
    if (was_there || server_.failures == 1) scraper_.listener_.on_lost(server_.address, server_.last_error);
  }

  void schedule(std::chrono::milliseconds interval) {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now() - asked_);
    ask_after(std::max(std::chrono::milliseconds(0), interval - since));
  }

  void close() {
    watch_.reset();
    descriptor_.reset();
    connecting_ = false;
    reused_ = false;
  }

  Scraper& scraper_;
  Server server_;
  std::optional<SocketAddress> socket_address_;
  std::string metrics_request_;
  std::string models_request_;

  Descriptor descriptor_;
  Loop::Watch watch_;
  Loop::Timer timer_;  // until it is asked, or until it should have answered
  bool connecting_ = false;
  bool reused_ = false;  // the connection has had an answer before
  bool is_retry_ = false;
  bool asking_ = false;
  bool for_models_ = false;
  Time asked_;
  std::optional<Time> models_asked_;
  std::size_t size_ = 0;  // of the body
  unsigned failures_in_a_row_ = 0;
  HttpResponse response_;
  MetricsReader page_;
  std::string models_;
};

Scraper::Scraper(Loop& loop, const ScrapeOptions& options, const SeriesTable& table, Listener& listener)
    : loop_(loop), options_(options), table_(table), listener_(listener), buffer_(kBuffer) {}

Scraper::~Scraper() { *self_ = nullptr; }

std::chrono::milliseconds Scraper::interval() {
  const Time last_busy{Duration(last_busy_)};
  if (!idle_ && now() - last_busy > options_.idle_after) idle_ = true;
  return idle_ ? std::max(options_.interval, options_.idle_interval) : options_.interval;
}

void Scraper::set_addresses(std::span<const std::string> addresses) {
  std::vector<std::unique_ptr<Pod>> before = std::exchange(pods_, {});
  const std::size_t count = std::max<std::size_t>(1, addresses.size());
  for (const std::string& address : addresses) {
    const auto same = [&address](const auto& pod) {
      return pod != nullptr && pod->server().address == address;
    };
    if (std::ranges::any_of(pods_, same)) continue;
    if (const auto at = std::ranges::find_if(before, same); at != before.end()) {
      pods_.push_back(std::move(*at));
      continue;
    }
    pods_.push_back(std::make_unique<Pod>(*this, address));
    pods_.back()->ask_after(std::min(options_.interval, kRound) * (pods_.size() - 1) / count);
  }
}

void Scraper::busy(Time now) {
  last_busy_ = now.time_since_epoch().count();
  if (!idle_ || !idle_.exchange(false)) return;
  loop_.post([self = self_] {
    if (*self != nullptr) (*self)->hurry();
  });
}

void Scraper::hurry() {
  for (std::size_t i = 0; i < pods_.size(); ++i)
    pods_[i]->hurry(std::min(options_.interval, kRound) * i / pods_.size());
}

bool Scraper::complete() const {
  return std::ranges::all_of(pods_, [](const auto& pod) { return pod->tried(); });
}

std::vector<Scraper::Server> Scraper::servers() const {
  std::vector<Server> servers;
  servers.reserve(pods_.size());
  for (const auto& pod : pods_) servers.push_back(pod->server());
  return servers;
}

}  // namespace sluice::picker
