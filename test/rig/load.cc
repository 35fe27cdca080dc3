// load: requests at a steady rate, whatever becomes of them, and a record of every answer.
//
//   load --rate 500 --seconds 10 --new 0.2 --output answers.csv
//        --target 'a http://127.0.0.1:8080/a a.example' --target 'b https://127.0.0.1:8443/ b.example'
//
// A target is an id, a URL whose host is an address, and the Host (and SNI) to ask for. Which target is next
// and whether it gets a connection of its own is drawn from --seed. A request is sent once: nothing is ever
// retried, not even on a kept connection that turns out to be closed. The load is open: a slow answer delays
// no other request.
//
// One line an answer, in the order in which they end:
//
//   start,end,connected,target,status,backend,serial,new,error
//
// start: the request was due and its connection was looked for; end: its last byte arrived, or the error;
// connected: its connection was begun; all in ns of CLOCK_MONOTONIC. backend is the answer's x-backend,
// serial that of the certificate, in hex. new is 1 for the first request on a connection. error is empty, or
// "connect", "tls", "closed" (before the answer), "cut" (within it), "bad" (no HTTP), "timeout", "overload"
// (never sent).
//
// Ends after --seconds, after --requests, or with --until-eof when standard input does; then waits for what
// is under way. Prints one line of totals. Certificates are not verified. One thread.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/bn.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo/http1.h"

namespace sluice::load {
namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using std::chrono::nanoseconds;

struct Options {
  double rate = 100;
  double seconds = 10;
  std::uint64_t requests = UINT64_MAX;
  double new_share = 0.2;
  std::size_t connections = 4;
  std::size_t max_open = 2000;
  double timeout = 10;
  std::uint64_t seed = 1;
  bool until_eof = false;
  std::string output;
  std::vector<std::string> targets;
};

struct Target {
  std::string id;
  bool tls = false;
  sockaddr_in address{};
  std::string path;
  std::string host;
  std::string pool;  // requests of the same pool can share a connection
};

// "ID http[s]://ADDRESS:PORT/PATH HOST", or what is wrong with it.
std::optional<Target> parse_target(const std::string& text) {
  Target target;
  std::istringstream words(text);
  std::string url;
  if (!(words >> target.id >> url >> target.host)) return std::nullopt;
  target.tls = url.starts_with("https://");
  if (!target.tls && !url.starts_with("http://")) return std::nullopt;
  const std::size_t begin = target.tls ? 8 : 7;
  const std::size_t slash = std::min(url.find('/', begin), url.size());
  const std::size_t colon = url.rfind(':', slash);
  target.path = slash == url.size() ? "/" : url.substr(slash);
  std::uint16_t port = 0;
  if (colon < begin || std::from_chars(&url[colon + 1], url.data() + slash, port).ptr != url.data() + slash) {
    return std::nullopt;
  }
  target.address = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, url.substr(begin, colon - begin).c_str(), &target.address.sin_addr) != 1)
    return std::nullopt;
  target.pool = url.substr(0, slash) + (target.tls ? " " + target.host : "");
  return target;
}

struct Answer {
  Time start;
  Time connected;
  const Target* target = nullptr;
  int status = 0;
  std::string_view backend;
  std::string_view serial;
  bool is_new = false;
  std::string_view error;
};

class Record {
 public:
  explicit Record(const std::string& path) : file_(path == "-" ? stdout : std::fopen(path.c_str(), "w")) {
    if (file_ == nullptr) {
      std::perror(path.c_str());
      std::exit(1);
    }
    fmt::print(file_, "start,end,connected,target,status,backend,serial,new,error\n");
  }
  ~Record() { std::fclose(file_); }
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  void add(const Answer& answer, Time end) {
    const auto ns = [](Time time) { return nanoseconds(time.time_since_epoch()).count(); };
    fmt::print(file_, "{},{},{},{},{},{},{},{},{}\n", ns(answer.start), ns(end), ns(answer.connected),
               answer.target->id, answer.status, answer.backend, answer.serial, answer.is_new ? 1 : 0,
               answer.error);
    ++answers_;
    if (!answer.error.empty()) ++errors_;
  }
  std::uint64_t answers() const { return answers_; }
  std::uint64_t errors() const { return errors_; }

 private:
  std::FILE* file_;
  std::uint64_t answers_ = 0;
  std::uint64_t errors_ = 0;
};

// One connection and the request that is under way on it, if any.
class Connection {
 public:
  enum class Step : std::uint8_t { kConnecting, kHandshake, kSending, kReceiving, kIdle, kOver };

  Connection(const Target& target, SSL_CTX* tls, Time now) : pool_(target.pool), connected_(now) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (target.tls) {
      ssl_ = SSL_new(tls);
      SSL_set_fd(ssl_, fd_);
      // SSL_set_tlsext_host_name, which is a macro with an old-style cast.
      std::string name = target.host;
      SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
    }
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto* address = reinterpret_cast<const sockaddr*>(&target.address);
    if (fd_ < 0 || (connect(fd_, address, sizeof target.address) != 0 && errno != EINPROGRESS))
      fail("connect");
  }
  ~Connection() {
    SSL_free(ssl_);
    if (fd_ >= 0) close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends a request for the target as soon as the connection can; `last` asks for its end afterwards.
  void start(const Target& target, bool last, Time now) {
    target_ = &target;
    start_ = now;
    out_ = fmt::format("GET {} HTTP/1.1\r\nhost: {}\r\n{}\r\n", target.path, target.host,
                       last ? "connection: close\r\n" : "");
    if (step_ == Step::kIdle) step_ = Step::kSending;
  }

  // Goes as far as it can without waiting. Afterwards step() is kIdle (its answer is complete), kOver
  // (complete, or an error, and the connection is of no use any more), or it waits for events().
  void advance() {
    if (step_ == Step::kConnecting) connect_further();
    if (step_ == Step::kHandshake) shake_hands();
    if (step_ == Step::kSending) send();
    if (step_ == Step::kReceiving || step_ == Step::kIdle) receive();
  }

  void fail(std::string_view error) {
    error_ = error;
    step_ = Step::kOver;
  }

  Answer answer() const {
    const bool complete = error_.empty();
    return {.start = start_,
            .connected = connected_,
            .target = target_,
            .status = complete ? reader_.status() : 0,
            .backend = complete ? reader_.header("x-backend") : std::string_view(),
            .serial = serial_,
            .is_new = requests_ == 0,
            .error = error_};
  }
  // The answer has been taken.
  void finish() {
    target_ = nullptr;
    ++requests_;
    reader_.reset();
  }

  bool busy() const { return target_ != nullptr; }
  Step step() const { return step_; }
  int fd() const { return fd_; }
  const std::string& pool() const { return pool_; }
  Time start_time() const { return start_; }
  std::uint32_t events() const {
    return step_ == Step::kConnecting || step_ == Step::kSending || wants_write_ ? EPOLLOUT : EPOLLIN;
  }

 private:
  void connect_further() {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (getpeername(fd_, reinterpret_cast<sockaddr*>(&peer), &size) == 0) {
      step_ = ssl_ != nullptr ? Step::kHandshake : Step::kSending;
      return;
    }
    int error = 0;
    size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) fail("connect");
  }

  void shake_hands() {
    const int result = SSL_connect(ssl_);
    if (result == 1) {
      step_ = Step::kSending;
      serial_ = serial_of_peer();
    } else if (!waits(result)) {
      fail("tls");
    }
  }

  std::string serial_of_peer() const {
    X509* certificate = SSL_get1_peer_certificate(ssl_);
    if (certificate == nullptr) return "";
    BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
    char* text = BN_bn2hex(number);
    std::string serial = text;
    OPENSSL_free(text);
    BN_free(number);
    X509_free(certificate);
    return serial;
  }

  void send() {
    while (!out_.empty()) {
      const int n = ssl_ != nullptr ? SSL_write(ssl_, out_.data(), static_cast<int>(out_.size()))
                                    : static_cast<int>(::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL));
      if (n <= 0) {
        if (!waits(n)) fail("closed");
        return;
      }
      out_.erase(0, static_cast<std::size_t>(n));
    }
    step_ = Step::kReceiving;
  }

  void receive() {
    char buffer[16 * 1024];
    for (;;) {
      const int n = ssl_ != nullptr ? SSL_read(ssl_, buffer, sizeof buffer)
                                    : static_cast<int>(recv(fd_, buffer, sizeof buffer, 0));
      if (n <= 0) {
        if (waits(n)) return;
        on_end(n);
        return;
      }
      std::string_view bytes(buffer, static_cast<std::size_t>(n));
      if (target_ == nullptr) {
        step_ = Step::kOver;  // an answer to nothing
        return;
      }
      switch (reader_.read(&bytes)) {
        case http1::State::kBad:
          fail("bad");
          return;
        case http1::State::kDone:
          step_ = reader_.last() || !bytes.empty() ? Step::kOver : Step::kIdle;
          return;
        default:
          break;
      }
    }
  }

  void on_end(int result) {
    const bool in_order =
        ssl_ != nullptr ? SSL_get_error(ssl_, result) == SSL_ERROR_ZERO_RETURN : result == 0;
    if (target_ == nullptr) {
      step_ = Step::kOver;
    } else if (reader_.untouched()) {
      fail("closed");
    } else if (in_order && reader_.read_end() == http1::State::kDone) {
      step_ = Step::kOver;
    } else {
      fail("cut");
    }
  }

  // Whether a call that returned `result` only needs to be made again later.
  bool waits(int result) {
    if (ssl_ == nullptr) return result < 0 && (errno == EAGAIN || errno == EINTR);
    const int error = SSL_get_error(ssl_, result);
    wants_write_ = error == SSL_ERROR_WANT_WRITE;
    return wants_write_ || error == SSL_ERROR_WANT_READ;
  }

  std::string pool_;
  Time connected_;
  int fd_ = -1;
  SSL* ssl_ = nullptr;
  Step step_ = Step::kConnecting;
  bool wants_write_ = false;
  std::string serial_;
  std::uint64_t requests_ = 0;

  const Target* target_ = nullptr;
  Time start_;
  std::string out_;
  http1::Reader reader_{http1::Side::kResponses};
  std::string_view error_;
};

class Load {
 public:
  Load(const Options& options, std::vector<Target> targets)
      : options_(options), targets_(std::move(targets)), random_(options.seed), record_(options.output) {
    SSL_CTX_set_session_cache_mode(tls_, SSL_SESS_CACHE_OFF);
    static constexpr unsigned char kHttp11[] = "\x08http/1.1";
    SSL_CTX_set_alpn_protos(tls_, kHttp11, sizeof kHttp11 - 1);
  }
  ~Load() {
    connections_.clear();
    SSL_CTX_free(tls_);
    close(epoll_);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void run() {
    if (options_.until_eof) {
      epoll_event event{.events = EPOLLIN, .data = {.fd = STDIN_FILENO}};
      epoll_ctl(epoll_, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    }
    const Time begin = Clock::now();
    const Time end = begin + to_ns(options_.seconds);
    const auto due = [&] { return begin + to_ns(static_cast<double>(sent_) / options_.rate); };
    for (bool sending = true; sending || busy_ > 0;) {
      const Time now = Clock::now();
      sending = sending && !ended_ && sent_ < options_.requests && now < end;
      while (sending && due() <= now && sent_ < options_.requests) send_next(now);
      if (now >= next_check_) give_up_late_ones(now);
      wait_until(sending ? std::min(due(), next_check_) : next_check_);
    }
    fmt::print(stderr, "load: {} answers, {} errors, {:.1f} s\n", record_.answers(), record_.errors(),
               std::chrono::duration<double>(Clock::now() - begin).count());
  }

 private:
  static nanoseconds to_ns(double seconds) { return nanoseconds(static_cast<std::int64_t>(seconds * 1e9)); }

  struct Pool {
    std::deque<Connection*> idle;
    std::size_t connections = 0;  // idle or busy
  };

  void send_next(Time now) {
    const Target& target = targets_[random_() % targets_.size()];
    const bool own = static_cast<double>(random_() % 1'000'000) < options_.new_share * 1e6;
    ++sent_;
    Pool& pool = pools_[target.pool];
    Connection* connection = nullptr;
    if (!own && pool.connections >= options_.connections && !pool.idle.empty()) {
      connection = pool.idle.front();
      pool.idle.pop_front();
    } else if (connections_.size() >= options_.max_open) {
      record_.add({.start = now, .connected = now, .target = &target, .error = "overload"}, now);
      return;
    } else {
      auto opened = std::make_unique<Connection>(target, tls_, now);
      connection = opened.get();
      epoll_event event{.events = EPOLLOUT, .data = {.fd = connection->fd()}};
      epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->fd(), &event);
      connections_[connection->fd()] = std::move(opened);
      ++pool.connections;
    }
    ++busy_;
    connection->start(target, own, now);
    advance(connection);
  }

  void advance(Connection* connection) {
    connection->advance();
    settle(connection);
  }

  // Records what is complete, keeps or closes the connection, or lets it wait.
  void settle(Connection* connection) {
    const Connection::Step step = connection->step();
    const bool over = step == Connection::Step::kOver;
    if (connection->busy() && (over || step == Connection::Step::kIdle)) {
      record_.add(connection->answer(), Clock::now());
      connection->finish();
      --busy_;
      if (!over) pools_[connection->pool()].idle.push_back(connection);
    }
    if (over) {
      Pool& pool = pools_[connection->pool()];
      --pool.connections;
      std::erase(pool.idle, connection);
      connections_.erase(connection->fd());
      return;
    }
    epoll_event event{.events = connection->events(), .data = {.fd = connection->fd()}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection->fd(), &event);
  }

  void give_up_late_ones(Time now) {
    next_check_ = now + std::chrono::milliseconds(100);
    std::vector<Connection*> late;
    for (const auto& [fd, connection] : connections_) {
      if (connection->busy() && now - connection->start_time() > to_ns(options_.timeout)) {
        late.push_back(connection.get());
      }
    }
    for (Connection* connection : late) {
      connection->fail("timeout");
      settle(connection);
    }
  }

  void wait_until(Time time) {
    const nanoseconds left = std::max(nanoseconds(0), nanoseconds(time - Clock::now()));
    const timespec timeout{.tv_sec = left.count() / 1'000'000'000, .tv_nsec = left.count() % 1'000'000'000};
    epoll_event events[256];
    const int n = epoll_pwait2(epoll_, events, 256, &timeout, nullptr);
    for (int i = 0; i < n; ++i) {
      const int fd = events[i].data.fd;
      if (fd == STDIN_FILENO) {
        char buffer[256];
        ended_ = ended_ || read(STDIN_FILENO, buffer, sizeof buffer) <= 0;
        if (ended_) epoll_ctl(epoll_, EPOLL_CTL_DEL, STDIN_FILENO, nullptr);
      } else if (const auto found = connections_.find(fd); found != connections_.end()) {
        advance(found->second.get());
      }
    }
  }

  Options options_;
  std::vector<Target> targets_;
  std::mt19937_64 random_;
  Record record_;
  SSL_CTX* tls_ = SSL_CTX_new(TLS_client_method());
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;  // by file descriptor
  std::map<std::string, Pool, std::less<>> pools_;
  std::uint64_t sent_ = 0;
  std::size_t busy_ = 0;
  bool ended_ = false;
  Time next_check_ = Clock::now();
};

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Requests at a steady rate, and a record of every answer.");
  app.add_option("--rate", options.rate, "requests a second")->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "ends after");
  app.add_option("--requests", options.requests, "ends after");
  app.add_flag("--until-eof", options.until_eof, "ends when standard input does, too");
  app.add_option("--new", options.new_share, "share of the requests that get a connection of their own")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--connections", options.connections, "kept ones, for each address (and host, with TLS)");
  app.add_option("--max-open", options.max_open, "connections at most");
  app.add_option("--timeout", options.timeout, "of a request, in seconds");
  app.add_option("--seed", options.seed, "of what is drawn");
  app.add_option("--output", options.output, "CSV file, - for standard output")->required();
  app.add_option("--target", options.targets, "'ID http[s]://ADDRESS:PORT/PATH HOST'")->required();
  CLI11_PARSE(app, argc, argv);

  std::vector<Target> targets;
  for (const std::string& text : options.targets) {
    std::optional<Target> target = parse_target(text);
    if (!target) {
      fmt::print(stderr, "load: {}: expected 'ID http[s]://ADDRESS:PORT/PATH HOST'\n", text);
      return 2;
    }
    targets.push_back(std::move(*target));
  }
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  Load(options, std::move(targets)).run();
  return 0;
}

}  // namespace
}  // namespace sluice::load

int main(int argc, char** argv) { return sluice::load::run(argc, argv); }
