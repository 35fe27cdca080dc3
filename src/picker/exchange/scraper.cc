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
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/descriptor.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/socket_address.h"
#include "picker/exchange/http_response.h"

namespace sluice::picker {
namespace {

constexpr std::size_t kBuffer = 128 * 1024;
constexpr std::size_t kMaxModelsBytes = 1 << 20;
// All servers are asked within this time where they are asked at once.
constexpr std::chrono::milliseconds kRound{50};
// Certificates in files are replaced before they run out; who connects after this time uses what is there
// then.
constexpr std::chrono::seconds kFilesAgain{10};

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

// A connection to a server, with or without TLS: made when it is wanted, and kept.
class Scraper::Link {
 public:
  // What is called is told of once it is connected, of bytes that have come, and of why there is no
  // connection; each may close the link.
  Link(Scraper& scraper, std::function<void()> on_ready, std::function<void()> on_readable,
       std::function<void(std::string)> on_fault)
      : scraper_(scraper),
        on_ready_(std::move(on_ready)),
        on_readable_(std::move(on_readable)),
        on_fault_(std::move(on_fault)) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() = default;

  bool open() const { return static_cast<bool>(descriptor_); }
  bool ready() const { return open() && !connecting_ && !shaking_hands_; }
  // It has had an answer before.
  bool reused() const { return reused_; }
  void answered() { reused_ = true; }

  void close() {
    watch_.reset();
    ssl_.reset();
    descriptor_.reset();
    connecting_ = shaking_hands_ = reused_ = false;
  }

  // Of a link that is closed. What comes of it is told later, but for errors that there are at once.
  std::optional<std::string> connect(const SocketAddress& address, const std::string& host, Asked& asked) {
    if (asked.source.tls) {
      SSL_CTX* const context = scraper_.context_of(asked);
      if (context == nullptr) return asked.fault;
      ssl_.reset(SSL_new(context));
      if (!ssl_ || !tls::expect_server(ssl_.get(), host, asked.source.verify))
        return "no TLS for this address";
    }
    descriptor_ =
        Descriptor(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!descriptor_) return error_text(errno);
    const int one = 1;
    ::setsockopt(descriptor_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const int result =
        ::connect(descriptor_.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size);
    if (result != 0 && errno != EINPROGRESS) return error_text(errno);
    connecting_ = true;
    watch_ = scraper_.loop_.watch(descriptor_.get(), EPOLLOUT, [this](std::uint32_t) { on_event(); });
    return std::nullopt;
  }

  // A request is short: it fits into the socket's buffer, for nothing else is in it. Else why not.
  std::optional<std::string> write(std::string_view request) {
    if (ssl_) {
      std::size_t written = 0;
      ERR_clear_error();
      if (SSL_write_ex(ssl_.get(), request.data(), request.size(), &written) == 1) return std::nullopt;
      ERR_clear_error();
      return error_text(EPIPE);
    }
    const ssize_t size = ::send(descriptor_.get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (size == static_cast<ssize_t>(request.size())) return std::nullopt;
    return error_text(size < 0 ? errno : EPIPE);
  }

  struct Got {
    std::size_t size = 0;
    bool more = false;   // there may be more at once
    bool again = false;  // nothing, for now
    std::string end;     // why nothing comes any more
  };
  Got read(std::span<char> buffer) {
    Got got;
    if (ssl_) {
      ERR_clear_error();
      const int result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &got.size);
      got.more = result == 1;  // OpenSSL may have another record, of which epoll knows nothing
      if (result == 1) return got;
      const int error = SSL_get_error(ssl_.get(), result);
      ERR_clear_error();
      got.again = error == SSL_ERROR_WANT_READ;
      if (!got.again) got.end = "it closes the connection";
      return got;
    }
    while (true) {
      const ssize_t size = ::recv(descriptor_.get(), buffer.data(), buffer.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      got.again = size < 0 && errno == EAGAIN;
      if (size > 0) got.size = static_cast<std::size_t>(size);
      if (size <= 0 && !got.again) got.end = size < 0 ? error_text(errno) : "it closes the connection";
      got.more = got.size == buffer.size();
      return got;
    }
  }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  void on_event() {
    if (connecting_) {
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(descriptor_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) {
        on_fault_(error_text(error));
        return;
      }
      connecting_ = false;
      watch_.set_events(EPOLLIN);
      if (!ssl_) {
        on_ready_();
        return;
      }
      SSL_set_fd(ssl_.get(), descriptor_.get());
      shaking_hands_ = true;
    }
    if (shaking_hands_) {
      shake_hands();
      return;
    }
    on_readable_();
  }

  void shake_hands() {
    ERR_clear_error();
    const int result = SSL_connect(ssl_.get());
    if (result == 1) {
      shaking_hands_ = false;
      watch_.set_events(EPOLLIN);
      on_ready_();
      return;
    }
    const int error = SSL_get_error(ssl_.get(), result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      watch_.set_events(error == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
      return;
    }
    const std::string why = tls::why_not_trusted(ssl_.get());
    on_fault_(why.empty() ? "it speaks no TLS, or none that we do"
                          : fmt::format("its certificate is not trusted: {}", why));
  }

  Scraper& scraper_;
  Descriptor descriptor_;
  std::unique_ptr<SSL, Free> ssl_;
  Loop::Watch watch_;
  bool connecting_ = false;
  bool shaking_hands_ = false;
  bool reused_ = false;
  const std::function<void()> on_ready_;
  const std::function<void()> on_readable_;
  const std::function<void(std::string)> on_fault_;
};

// A server, its connections, and what it is being asked.
class Scraper::Pod {
 public:
  Pod(Scraper& scraper, std::string address) : scraper_(scraper), page_(scraper.table_) {
    server_.address = std::move(address);
    prepare();
  }

  // The scraper has others now.
  void sources_changed() {
    metrics_.close();
    models_.close();
    prepare();
    failures_in_a_row_ = 0;
    models_asked_.reset();
    ask_after(std::chrono::milliseconds(0));
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
  struct Question {
    std::optional<SocketAddress> address;
    std::string request;
  };

  void prepare() {
    const std::size_t colon = server_.address.rfind(':');
    host_ = server_.address.substr(0, colon);
    if (host_.starts_with('[') && host_.ends_with(']')) host_ = host_.substr(1, host_.size() - 2);
    const Source& metrics = scraper_.metrics_.source;
    const Source& models = scraper_.models_.source;
    about_load_ = question(metrics, "text/plain");
    about_models_ = question(models, "application/json");
    one_link_ = !metrics.tls && !models.tls && metrics.port == models.port;
  }
  Question question(const Source& source, std::string_view accept) const {
    const std::string at = source.port == 0 ? server_.address : host_and_port(host_, source.port);
    return {.address = parse_address(at),
            .request = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nAccept: {}\r\n"
                                   "User-Agent: sluice-picker\r\n\r\n",
                                   source.path, at, accept)};
  }

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
    models_page_.clear();
    Link& link = this->link();
    if (link.ready()) {
      write();
      return;
    }
    if (link.open()) return;
    const Question& question = for_models_ ? about_models_ : about_load_;
    if (!question.address) {
      fail("it is no address", true);
      return;
    }
    if (auto fault =
            link.connect(*question.address, host_, for_models_ ? scraper_.models_ : scraper_.metrics_)) {
      fail(*std::move(fault), true);
    }
  }

  Link& link() { return for_models_ && !one_link_ ? models_ : metrics_; }

  void write() {
    if (!asking_) return;
    if (auto fault = link().write((for_models_ ? about_models_ : about_load_).request))
      broken(*std::move(fault));
  }

  void read(Link& from) {
    while (true) {
      const Link::Got got = from.read(scraper_.buffer_);
      if (got.again) return;
      if (!asking_ || &from != &link()) {  // nobody asked
        from.close();
        return;
      }
      if (!got.end.empty()) {
        ended(got.end);
        return;
      }
      const std::string_view bytes(scraper_.buffer_.data(), got.size);
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
      if (!got.more) return;
    }
  }

  void on_body(std::string_view piece) {
    size_ += piece.size();
    server_.bytes += piece.size();
    if (response_.status() != 200) return;
    if (!for_models_) {
      page_.feed(piece);
    } else if (models_page_.size() + piece.size() <= kMaxModelsBytes) {
      models_page_.append(piece);
    }
  }

  void ended(std::string reason) {
    if (response_.begun() && response_.end() == HttpResponse::State::kDone) {
      answered();
      return;
    }
    broken(std::move(reason));
  }

  // A server may close a connection that was idle just when we use it again.
  void broken(std::string reason) {
    if (link().reused() && !is_retry_ && !response_.begun()) {
      is_retry_ = true;
      link().close();
      send();
      return;
    }
    fail(std::move(reason), true);
  }

  void answered() {
    asking_ = false;
    link().answered();
    const unsigned status = response_.status();
    // Models are asked for now and then: nobody keeps a connection that long.
    if (!response_.keep_alive() || &link() == &models_) link().close();
    if (for_models_) {
      schedule(scraper_.interval());
      // May lead to anything, and is the last that is done here.
      if (status == 200) scraper_.listener_.on_models(server_.address, read_models(models_page_));
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
      lack = fmt::format("{} is answered with {}", scraper_.metrics_.source.path, status);
    } else if (!page_.found()) {
      lack = fmt::format("none of its metrics is known at {}", scraper_.metrics_.source.path);
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
    link().close();
    if (for_models_) {  // the next page says how the server is
      schedule(scraper_.interval());
      return;
    }
    page_.finish(asked_);  // what has been read of it does not count
    ++failures_in_a_row_;
    ++server_.failures;
    server_.last_error = std::move(reason);
    const std::chrono::milliseconds least = scraper_.busy_interval();
    const std::chrono::milliseconds most = std::max(scraper_.options_.retry_interval, least);
    const unsigned doublings = std::min(failures_in_a_row_, 16U);
    schedule(std::min(most, least * (1U << doublings)));
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

  Scraper& scraper_;
  Server server_;
  std::string host_;
  Question about_load_;
  Question about_models_;
  bool one_link_ = true;  // metrics_ is for both

  Link metrics_{scraper_, [this] { write(); }, [this] { read(metrics_); },
                [this](std::string why) { fail(std::move(why), true); }};
  Link models_{scraper_, [this] { write(); }, [this] { read(models_); },
               [this](std::string why) { fail(std::move(why), true); }};
  Loop::Timer timer_;  // until it is asked, or until it should have answered
  bool is_retry_ = false;
  bool asking_ = false;
  bool for_models_ = false;
  Time asked_;
  std::optional<Time> models_asked_;
  std::size_t size_ = 0;  // of the body
  unsigned failures_in_a_row_ = 0;
  HttpResponse response_;
  MetricsReader page_;
  std::string models_page_;
};

Scraper::Scraper(Loop& loop, const ScrapeOptions& options, const SeriesTable& table, Listener& listener)
    : loop_(loop),
      options_(options),
      table_(table),
      listener_(listener),
      metrics_{.source = options.sources.metrics},
      models_{.source = options.sources.models},
      buffer_(kBuffer) {}

Scraper::~Scraper() { *self_ = nullptr; }

void Scraper::set_sources(const Sources& sources) {
  if (sources.metrics == metrics_.source && sources.models == models_.source) return;
  metrics_ = {.source = sources.metrics};
  models_ = {.source = sources.models};
  for (const auto& pod : pods_) pod->sources_changed();
}

SSL_CTX* Scraper::context_of(Asked& asked) {
  const Time at = now();
  if ((asked.context || !asked.fault.empty()) && at - asked.made < kFilesAgain) return asked.context.get();
  asked.made = at;
  asked.fault.clear();
  tls::ClientOptions options{.verify = asked.source.verify};
  const auto read = [&](const std::string& file, std::string& into) {
    if (file.empty()) return;
    if (std::optional<std::string> text = read_file(file)) {
      into = *std::move(text);
    } else {
      asked.fault = fmt::format("{} cannot be read", quote(file));
    }
  };
  if (options.verify) read(asked.source.authorities, options.authorities);
  read(asked.source.certificate, options.certificate);
  read(asked.source.key, options.key);
  if (asked.fault.empty()) {
    auto context = tls::make_client_context(options);
    if (context) {
      asked.context = *std::move(context);  // connections keep the one that they began with
      return asked.context.get();
    }
    asked.fault = std::move(context.error());
  }
  asked.context.reset();
  return nullptr;
}

std::chrono::milliseconds Scraper::busy_interval() const {
  return metrics_.source.interval.count() > 0 ? metrics_.source.interval : options_.interval;
}

std::chrono::milliseconds Scraper::interval() {
  const Time last_busy{Duration(last_busy_)};
  if (!idle_ && now() - last_busy > options_.idle_after) idle_ = true;
  return idle_ ? std::max(busy_interval(), options_.idle_interval) : busy_interval();
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
    pods_.back()->ask_after(std::min(busy_interval(), kRound) * (pods_.size() - 1) / count);
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
    pods_[i]->hurry(std::min(busy_interval(), kRound) * i / pods_.size());
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
