#include "kube/client.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/socket_address.h"
#include "kube/credential.h"
#include "kube/response.h"
#include "tls/client.h"

namespace sluice::kube {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using Error = boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Reason = Failure::Reason;

constexpr std::size_t kReadSize = std::size_t{16} << 10;  // a record of TLS

// TCP's: the first probe after so many seconds without a byte, the next ones after so many, and how many.
constexpr int kProbeAfter = 15;
constexpr int kProbeEach = 5;
constexpr int kProbes = 3;

void watch_over(tcp::socket& socket) {
  Error ignored;
  ignored = socket.set_option(tcp::no_delay(true), ignored);
  ignored = socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const int fd = socket.native_handle();
  const int vanished = static_cast<int>(std::chrono::milliseconds(Client::kVanished).count());
  for (const auto& [option, value] : {std::pair(TCP_KEEPIDLE, kProbeAfter),
                                      {TCP_KEEPINTVL, kProbeEach},
                                      {TCP_KEEPCNT, kProbes},
                                      {TCP_USER_TIMEOUT, vanished}}) {
    ::setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value);
  }
}

// Whom it is to be connected to, and how.
struct Destination {
  const Access& access;
  std::string place;  // for people
};

// One TCP connection, with or without TLS. It is closed when its time is up.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::io_context& loop, std::set<Connection*>& all)
      : socket_(loop), resolver_(loop), timer_(loop), all_(all) {
    all_.insert(this);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { all_.erase(this); }

  bool used = false;  // a request was answered on it

  void expire_at(Clock::time_point time) {
    timer_.expires_at(time);
    timer_.async_wait([weak = weak_from_this()](const Error& cancelled) {
      const auto self = weak.lock();
      // The handler may have been on its way when the time was changed.
      if (cancelled || !self || self->timer_.expiry() > Clock::now()) return;
      self->timed_out_ = true;
      self->close();
    });
  }
  void never_expire() { timer_.cancel(); }
  void close() {
    Error ignored;
    timer_.cancel();
    resolver_.cancel();
    ignored = socket_.close(ignored);
  }
  bool is_open() const { return socket_.is_open(); }

  // Nobody has closed it, and nothing has come that nobody asked for.
  bool is_quiet() {
    pollfd look{socket_.native_handle(), POLLIN | POLLRDHUP, 0};
    return socket_.is_open() && ::poll(&look, 1, 0) == 0;
  }

  awaitable<std::optional<Failure>> connect(const Destination& to, SSL_CTX* tls);
  awaitable<std::optional<Failure>> exchange(const Destination& to, std::string_view head,
                                             std::string_view body, Response& response,
                                             const Response::Body& take, const std::function<bool()>& go_on);

 private:
  Failure failure(const Destination& to, Reason reason, std::string_view what, const Error& error) const {
    if (timed_out_) return {Reason::kTimeout, fmt::format("`{}` has not answered in time", to.place)};
    return {reason, fmt::format(fmt::runtime(what), to.place) + ": " + error.message()};
  }
  awaitable<Error> open(const std::string& host, std::uint16_t port);
  awaitable<std::optional<Failure>> pass_proxy(const Destination& to);
  awaitable<std::optional<Failure>> shake_hands(const Destination& to, SSL_CTX* context);
  awaitable<std::size_t> read_some(Error& error);
  awaitable<Error> write(std::string_view head, std::string_view body);

  tcp::socket socket_;
  std::optional<asio::ssl::stream<tcp::socket&>> tls_;
  tcp::resolver resolver_;
  asio::steady_timer timer_;
  bool timed_out_ = false;
  std::array<char, kReadSize> buffer_;
  std::set<Connection*>& all_;
};

awaitable<Error> Connection::open(const std::string& host, std::uint16_t port) {
  Error error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (!error) {
    const tcp::endpoint endpoint(address, port);
    error = socket_.open(endpoint.protocol(), error);
    if (!error) co_await socket_.async_connect(endpoint, redirect_error(use_awaitable, error));
    co_return error;
  }
  const std::string service = std::to_string(port);
  const tcp::resolver::results_type found =
      co_await resolver_.async_resolve(host, service, redirect_error(use_awaitable, error));
  if (!error) co_await asio::async_connect(socket_, found, redirect_error(use_awaitable, error));
  co_return error;
}

awaitable<std::optional<Failure>> Connection::connect(const Destination& to, SSL_CTX* tls) {
  const Access& access = to.access;
  const bool by_proxy = access.proxy.has_value();
  const Error error =
      co_await open(by_proxy ? access.proxy->host : access.host, by_proxy ? access.proxy->port : access.port);
  if (error) {
    co_return failure(to, Reason::kUnreachable,
                      by_proxy ? "the proxy to `{}` does not answer" : "nobody answers at `{}`", error);
  }
  watch_over(socket_);
  if (by_proxy) {
    std::optional<Failure> failed = co_await pass_proxy(to);
    if (failed) co_return failed;
  }
  if (tls == nullptr) co_return std::nullopt;
  std::optional<Failure> failed = co_await shake_hands(to, tls);
  co_return failed;
}

awaitable<std::optional<Failure>> Connection::pass_proxy(const Destination& to) {
  const std::string server = host_and_port(to.access.host, to.access.port);
  std::string ask = fmt::format("CONNECT {} HTTP/1.1\r\nHost: {}\r\n", server, server);
  const std::string& authorization = to.access.proxy->authorization;
  if (!authorization.empty()) ask += fmt::format("Proxy-Authorization: {}\r\n", authorization);
  ask += "\r\n";
  Error error = co_await write(ask, {});
  Response response;
  const Response::Body ignore = [](std::string_view) {};
  // What it agrees to begins after the head: the answer has no body, though it may look as if it had one.
  while (!error && !response.has_head()) {
    const std::size_t size = co_await read_some(error);
    if (!error && response.feed({buffer_.data(), size}, ignore) == Response::State::kBad) break;
  }
  if (error) co_return failure(to, Reason::kUnreachable, "the proxy to `{}` has hung up", error);
  if (!response.has_head() || response.status() / 100 != 2) {
    co_return Failure{Reason::kUnreachable,
                      response.has_head() ? fmt::format("the proxy to `{}` answers with status {}", to.place,
                                                        response.status())
                                          : fmt::format("the proxy to `{}` does not speak HTTP", to.place)};
  }
  co_return std::nullopt;
}

awaitable<std::optional<Failure>> Connection::shake_hands(const Destination& to, SSL_CTX* context) {
  SSL* const ssl = SSL_new(context);
  if (ssl == nullptr) co_return Failure{Reason::kTls, "OpenSSL has no memory for another connection"};
  tls_.emplace(socket_, ssl);  // owns it
  if (!tls::expect_server(ssl, to.access.server_name, !to.access.insecure)) {
    co_return Failure{Reason::kTls, fmt::format("`{}` is no name of a server", to.access.server_name)};
  }
  Error error;
  co_await tls_->async_handshake(asio::ssl::stream_base::client, redirect_error(use_awaitable, error));
  if (!error) co_return std::nullopt;
  const std::string why = tls::why_not_trusted(ssl);
  if (!timed_out_ && !why.empty()) {
    co_return Failure{Reason::kTls, fmt::format("the certificate of `{}` is not trusted: {}", to.place, why)};
  }
  co_return failure(to, Reason::kTls, "there is no TLS connection to `{}`", error);
}

awaitable<std::size_t> Connection::read_some(Error& error) {
  const asio::mutable_buffer buffer = asio::buffer(buffer_);
  std::size_t size = 0;
  if (tls_) {
    size = co_await tls_->async_read_some(buffer, redirect_error(use_awaitable, error));
  } else {
    size = co_await socket_.async_read_some(buffer, redirect_error(use_awaitable, error));
  }
  co_return size;
}

awaitable<Error> Connection::write(std::string_view head, std::string_view body) {
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
  Error error;
  if (tls_) {
    co_await asio::async_write(*tls_, buffers, redirect_error(use_awaitable, error));
  } else {
    co_await asio::async_write(socket_, buffers, redirect_error(use_awaitable, error));
  }
  co_return error;
}

// Sends a request and reads its answer; `go_on` is asked after each piece whether there is to be more.
awaitable<std::optional<Failure>> Connection::exchange(const Destination& to, std::string_view head,
                                                       std::string_view body, Response& response,
                                                       const Response::Body& take,
                                                       const std::function<bool()>& go_on) {
  constexpr std::string_view kBroken = "the connection to `{}` broke";
  const Error unsent = co_await write(head, body);
  if (unsent) co_return failure(to, Reason::kBroken, kBroken, unsent);
  Response::State state = Response::State::kMore;
  while (state == Response::State::kMore) {
    Error error;
    const std::size_t size = co_await read_some(error);
    if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
      state = response.end();
      if (state == Response::State::kBad) co_return failure(to, Reason::kBroken, kBroken, error);
    } else if (error) {
      co_return failure(to, Reason::kBroken, kBroken, error);
    } else {
      state = response.feed({buffer_.data(), size}, take);
    }
    if (!go_on()) co_return std::nullopt;
  }
  if (state == Response::State::kDone) co_return std::nullopt;
  co_return Failure{Reason::kProtocol, fmt::format("what `{}` sends is no HTTP", to.place)};
}

}  // namespace

struct Client::Stream::State {
  StreamCall call;
  StreamEvents events;
  bool cancelled = false;
  std::weak_ptr<Connection> connection;
  std::string partial;  // a line whose end has not come

  // False where a line is too long.
  bool take(std::string_view piece, std::size_t max_line) {
    while (!piece.empty() && !cancelled) {
      const std::size_t end = piece.find('\n');
      if (end == piece.npos) {
        partial.append(piece);
        return partial.size() <= max_line;
      }
      if (partial.size() + end > max_line) return false;
      if (partial.empty()) {
        events.line(piece.substr(0, end));
      } else {
        partial.append(piece.substr(0, end));
        events.line(std::exchange(partial, {}));
      }
      piece.remove_prefix(end + 1);
    }
    return true;
  }
};

Client::Stream& Client::Stream::operator=(Stream&& other) noexcept {
  Stream old(std::move(*this));  // ended when this returns
  state_ = std::move(other.state_);
  return *this;
}

Client::Stream::~Stream() {
  if (!state_) return;
  state_->cancelled = true;
  if (const auto connection = state_->connection.lock()) connection->close();
}

class Client::Impl {
 public:
  Impl(Access access, Options options)
      : access_(std::move(access)),
        options_(std::move(options)),
        to_{access_, access_.url()},
        keeper_(access_.exec.has_value()) {
    plugin_done_.expires_at(Clock::time_point::max());
    thread_ = std::thread([this] { loop_.run(); });
  }

  struct Pending {
    Call call;
    Done done;
    Clock::time_point deadline;
  };

  // An answer as it is read.
  struct Receiver {
    Clock::time_point deadline;
    const std::shared_ptr<Stream::State> stream;  // or none: a call
    Answer answer;
    bool opened = false;
    bool too_large = false;

    bool cancelled() const { return stream && stream->cancelled; }
  };

  // ---- on the client's thread ------------------------------------------------------------------------

  void submit(std::shared_ptr<Pending> pending) {
    if (stopping_) return;
    if (!pending->call.urgent && running_ >= options_.max_calls) {
      waiting_.push_back(std::move(pending));
      return;
    }
    if (!pending->call.urgent) ++running_;
    asio::co_spawn(loop_, run_call(std::move(pending)), asio::detached);
  }

  awaitable<void> run_call(std::shared_ptr<Pending> pending) {
    Receiver receiver{.deadline = pending->deadline, .stream = nullptr};
    std::optional<Failure> failed = co_await perform(pending->call, receiver);
    if (stopping_) co_return;
    if (!pending->call.urgent) --running_;
    if (failed) {
      pending->done(std::unexpected(*std::move(failed)));
    } else {
      pending->done(std::move(receiver.answer));
    }
    if (waiting_.empty() || running_ >= options_.max_calls) co_return;
    std::shared_ptr<Pending> next = std::move(waiting_.front());
    waiting_.pop_front();
    submit(std::move(next));
  }

  awaitable<void> run_stream(std::shared_ptr<Stream::State> stream) {
    const Call call{.target = stream->call.target};
    Receiver receiver{.deadline = Clock::now() + stream->call.head_timeout, .stream = stream};
    std::optional<Failure> failed = co_await perform(call, receiver);
    if (stopping_ || stream->cancelled) co_return;
    if (failed) {
      stream->events.ended(std::unexpected(*std::move(failed)));
    } else {
      stream->events.ended(std::move(receiver.answer));
    }
  }

  // The whole way to an answer: who we are, a connection, the exchange; and again where that makes sense.
  awaitable<std::optional<Failure>> perform(const Call& call, Receiver& receiver) {
    bool asked_again = false;  // after 401
    bool fresh = false;        // no kept connection will do
    while (true) {
      std::expected<Credential, std::string> credential = co_await credential_now();
      if (!credential) co_return Failure{Reason::kCredential, std::move(credential.error())};
      if (stopping_ || receiver.cancelled()) co_return Failure{Reason::kBroken, "nobody wants it any more"};

      std::shared_ptr<Connection> connection = fresh ? nullptr : take_idle(*credential);
      const bool kept = connection != nullptr;
      if (!kept) {
        std::optional<Failure> failed = co_await connect(*credential, receiver, connection);
        if (failed && failed->reason == Reason::kTls) doubt_certificate(*credential);
        if (failed) co_return failed;
      }
      if (receiver.stream) receiver.stream->connection = connection;
      connection->expire_at(receiver.deadline);

      Response response;
      const std::string head = head_of(call, *credential);
      std::optional<Failure> failed = co_await receive(*connection, head, call.body, response, receiver);
      connection->never_expire();
      if (receiver.stream) receiver.stream->connection.reset();  // it may be another's from now on
      if (stopping_ || receiver.cancelled()) co_return failed;
      if (failed) {
        // What has become of one connection has become of the others, as far as anybody knows.
        idle_.clear();
        if (!kept && !response.begun()) doubt_certificate(*credential);
        // The server has closed it while nothing was asked. A POST may have been done all the same.
        if (!kept || response.begun() || failed->reason != Reason::kBroken || call.method == "POST")
          co_return failed;
        fresh = true;
        continue;
      }
      connection->used = true;
      if (response.keep_alive()) give_back(std::move(connection));
      if (receiver.answer.status != 401 || asked_again) co_return std::nullopt;
      asked_again = true;
      if (!keeper_.refused(*credential, std::chrono::system_clock::now())) co_return std::nullopt;
      std::expected<Credential, std::string> again = co_await credential_now();
      if (!again || *again == *credential) co_return std::nullopt;
      receiver.answer = {};
    }
  }

  awaitable<std::optional<Failure>> connect(const Credential& credential, const Receiver& receiver,
                                            std::shared_ptr<Connection>& connection) {
    if (!use(credential)) co_return Failure{Reason::kTls, tls_fault_};
    connection = std::make_shared<Connection>(loop_, connections_);
    if (receiver.stream) receiver.stream->connection = connection;
    connection->expire_at(std::min(receiver.deadline, Clock::now() + options_.connect_timeout));
    std::optional<Failure> failed = co_await connection->connect(to_, tls_.get());
    co_return failed;
  }

  awaitable<std::optional<Failure>> receive(Connection& connection, const std::string& head,
                                            const std::string& body, Response& response, Receiver& receiver) {
    const Response::Body take = [&](std::string_view piece) {
      if (receiver.stream && response.status() == 200) {
        open(receiver);
        if (!receiver.stream->take(piece, options_.max_line)) receiver.too_large = true;
      } else if (piece.size() > options_.max_body - receiver.answer.body.size()) {
        receiver.too_large = true;
      } else {
        receiver.answer.body.append(piece);
      }
    };
    const std::function<bool()> go_on = [&] {
      if (receiver.stream && response.has_head() && response.status() == 200) {
        open(receiver);
        if (!receiver.stream->cancelled) connection.expire_at(Clock::now() + receiver.stream->call.silence);
      }
      return !stopping_ && !receiver.cancelled() && !receiver.too_large;
    };
    std::optional<Failure> failed = co_await connection.exchange(to_, head, body, response, take, go_on);
    if (!failed && receiver.too_large) {
      connection.close();
      failed =
          Failure{Reason::kTooLarge, fmt::format("what `{}` sends is larger than {} bytes", to_.place,
                                                 receiver.opened ? options_.max_line : options_.max_body)};
    }
    if (response.has_head()) {
      receiver.answer.status = response.status();
      if (const auto seconds = response.retry_after())
        receiver.answer.retry_after = std::chrono::seconds(*seconds);
    }
    co_return failed;
  }

  static void open(Receiver& receiver) {
    if (std::exchange(receiver.opened, true) || receiver.cancelled()) return;
    if (receiver.stream->events.opened) receiver.stream->events.opened();
  }

  std::string head_of(const Call& call, const Credential& credential) const {
    std::string head = fmt::format(
        "{} {}{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nAccept: application/json\r\n"
        "Accept-Encoding: identity\r\n",
        call.method, access_.path, call.target, host_and_port(access_.host, access_.port),
        options_.user_agent);
    if (!credential.token.empty()) head += fmt::format("Authorization: Bearer {}\r\n", credential.token);
    for (const auto& [name, value] : access_.headers) head += fmt::format("{}: {}\r\n", name, value);
    if (!call.content_type.empty()) head += fmt::format("Content-Type: {}\r\n", call.content_type);
    if (call.method != "GET") head += fmt::format("Content-Length: {}\r\n", call.body.size());
    head += "\r\n";
    return head;
  }

  // ---- who we are ------------------------------------------------------------------------------------

  awaitable<std::expected<Credential, std::string>> credential_now() {
    const auto now = std::chrono::system_clock::now();
    if (const Credential* kept = keeper_.current(now)) co_return *kept;
    if (!access_.exec) {
      std::expected<Credential, std::string> read = read_credential(access_);
      if (read) keeper_.fetched(*read, now);
      co_return read;
    }
    if (!plugin_runs_ && now - plugin_failed_ < Keeper::kPluginAgain)
      co_return std::unexpected(plugin_fault_);
    if (!plugin_runs_) start_plugin();
    Error ignored;
    co_await plugin_done_.async_wait(redirect_error(use_awaitable, ignored));
    if (const Credential* kept = keeper_.current(now)) co_return *kept;
    co_return std::unexpected(plugin_fault_);
  }

  void start_plugin() {
    plugin_runs_ = true;
    plugin_ = std::jthread([this](const std::stop_token& stop) {
      auto result = run_plugin(access_, options_.plugin_timeout, stop);
      asio::post(loop_, [this, result = std::move(result)]() mutable {
        const auto now = std::chrono::system_clock::now();
        plugin_runs_ = false;
        if (result) {
          keeper_.fetched(*std::move(result), now);
        } else {
          plugin_fault_ = std::move(result.error());
          plugin_failed_ = now;
        }
        plugin_done_.cancel();
      });
    });
  }

  // Makes tls_ fit the credential. Files may have changed: those who connect from now on see what is there
  // now.
  bool use(const Credential& credential) {
    if (!access_.tls) return true;
    std::expected<std::string, std::string> authorities = access_.authorities.read();
    if (!authorities) {
      tls_fault_ = std::move(authorities.error());
      return false;
    }
    if (tls_ && *authorities == tls_authorities_ && shows_same(credential)) return true;
    std::expected<tls::Context, std::string> made =
        tls::make_client_context({.authorities = *authorities,
                                  .verify = !access_.insecure,
                                  .certificate = credential.certificate,
                                  .key = credential.key});
    if (!made) {
      tls_fault_ = std::move(made.error());
      return false;
    }
    tls_ = *std::move(made);
    tls_authorities_ = *std::move(authorities);
    tls_credential_ = credential;
    idle_.clear();
    return true;
  }
  bool shows_same(const Credential& credential) const {
    return credential.certificate == tls_credential_.certificate && credential.key == tls_credential_.key;
  }

  // A server that does not take a client's certificate ends the connection, in TLS 1.3 after the handshake.
  // The certificate may have been replaced.
  void doubt_certificate(const Credential& credential) {
    if (!access_.tls || credential.certificate.empty()) return;
    keeper_.refused(credential, std::chrono::system_clock::now());
  }

  // ---- connections that are kept ---------------------------------------------------------------------

  std::shared_ptr<Connection> take_idle(const Credential& credential) {
    if (access_.tls && !shows_same(credential)) idle_.clear();
    while (!idle_.empty()) {
      Idle last = std::move(idle_.back());  // the one that was used last is the likeliest to live
      idle_.pop_back();
      if (Clock::now() - last.since < options_.idle && last.connection->is_quiet()) return last.connection;
    }
    return nullptr;
  }

  void give_back(std::shared_ptr<Connection> connection) {
    if (!connection->is_open()) return;
    std::erase_if(idle_, [&](const Idle& each) { return Clock::now() - each.since >= options_.idle; });
    if (idle_.size() < options_.max_calls) idle_.push_back({std::move(connection), Clock::now()});
  }

  // ---- from any thread -------------------------------------------------------------------------------

  void later(std::chrono::milliseconds delay, std::function<void()> work) {
    if (stopping_) return;
    const auto timer = std::make_shared<asio::steady_timer>(loop_, delay);
    timers_.insert(timer);
    timer->async_wait([this, timer, work = std::move(work)](const Error& cancelled) {
      timers_.erase(timer);
      if (!cancelled && !stopping_) work();
    });
  }

  void stop() {
    if (!thread_.joinable()) return;
    asio::post(loop_, [this] {
      stopping_ = true;
      for (Connection* connection : connections_) connection->close();
      for (const auto& timer : timers_) timer->cancel();
      plugin_.request_stop();
      plugin_done_.cancel();
      waiting_.clear();
      idle_.clear();
      work_.reset();
    });
    thread_.join();  // the loop ends when nothing is under way any more
    if (plugin_.joinable()) plugin_.join();
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    // What was posted too late, which somebody may wait for.
    loop_.restart();
    loop_.poll();
  }

  void run(const std::function<void()>& work) {
    if (std::this_thread::get_id() == thread_id()) return work();
    bool done = false;
    std::condition_variable finished;
    std::mutex mutex;
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return work();
      asio::post(loop_, [&] {
        work();
        const std::lock_guard inner(mutex);
        done = true;
        finished.notify_one();
      });
    }
    std::unique_lock lock(mutex);
    finished.wait(lock, [&] { return done; });
  }
  std::thread::id thread_id() const { return thread_.get_id(); }

 private:
  friend class Client;

  struct Idle {
    std::shared_ptr<Connection> connection;
    Clock::time_point since;
  };

  const Access access_;
  const Options options_;
  const Destination to_;
  std::set<Connection*> connections_;  // all that exist
  asio::io_context loop_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{loop_.get_executor()};
  std::atomic<bool> stopping_ = false;

  std::size_t running_ = 0;
  std::deque<std::shared_ptr<Pending>> waiting_;
  std::vector<Idle> idle_;
  std::set<std::shared_ptr<asio::steady_timer>> timers_;

  Keeper keeper_;
  bool plugin_runs_ = false;
  asio::steady_timer plugin_done_{loop_};
  std::string plugin_fault_;
  std::chrono::system_clock::time_point plugin_failed_;
  tls::Context tls_;
  std::string tls_authorities_;
  Credential tls_credential_;
  std::string tls_fault_;

  std::mutex mutex_;
  bool stopped_ = false;
  std::jthread plugin_;
  std::thread thread_;
};

Client::Client(Access access, Options options)
    : impl_(std::make_unique<Impl>(std::move(access), std::move(options))) {}

Client::~Client() { stop(); }

const Access& Client::access() const { return impl_->access_; }

void Client::post(std::function<void()> work) { asio::post(impl_->loop_, std::move(work)); }

void Client::after(std::chrono::milliseconds delay, std::function<void()> work) {
  asio::post(impl_->loop_, [impl = impl_.get(), delay, work = std::move(work)]() mutable {
    impl->later(delay, std::move(work));
  });
}

void Client::run(const std::function<void()>& work) { impl_->run(work); }

void Client::call(Call call, Done done) {
  const Clock::time_point deadline = Clock::now() + call.timeout;
  auto pending = std::make_shared<Impl::Pending>(Impl::Pending{std::move(call), std::move(done), deadline});
  asio::post(impl_->loop_, [impl = impl_.get(), pending = std::move(pending)]() mutable {
    impl->submit(std::move(pending));
  });
}

Client::Stream Client::open(StreamCall call, StreamEvents events) {
  Stream stream;
  stream.state_ = std::make_shared<Stream::State>();
  stream.state_->call = std::move(call);
  stream.state_->events = std::move(events);
  if (!impl_->stopping_) asio::co_spawn(impl_->loop_, impl_->run_stream(stream.state_), asio::detached);
  return stream;
}

void Client::stop() { impl_->stop(); }

}  // namespace sluice::kube
