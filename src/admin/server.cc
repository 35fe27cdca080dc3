#include "admin/server.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "base/letter_case.h"
#include "base/log.h"

namespace sluice::admin {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Protocol = asio::generic::stream_protocol;
using Error = boost::system::error_code;

constexpr std::uint32_t kMaxHeader = 16 * 1024;
constexpr std::chrono::milliseconds kAcceptAgain{100};
// For so long what a client still sends is read away, so that it gets to read the answer.
constexpr std::chrono::seconds kLinger{1};

// A page cannot be put into another's frame, and runs and loads nothing but what is in it.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kHeaders{{
    {"Cache-Control", "no-store"},
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
     "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Server", "sluice"},
}};

class Door;

// One connection: reads a request, has it answered, writes the answer, and again.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Door& door, Protocol::socket socket)
      : door_(door), stream_(std::move(socket)), answer_timer_(stream_.get_executor()) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  void read();
  void close() {
    answer_timer_.cancel();
    stream_.close();
  }

 private:
  void on_read(const Error& error);
  void handle();
  void on_answer(std::uint64_t request, const Answer& answer);
  void write(Response response);
  void linger();
  void refuse(unsigned status, std::string why, bool last = false) {
    last_ = last_ || last;
    write({.status = status, .body = std::move(why) + "\n"});
  }

  Door& door_;
  beast::basic_stream<Protocol> stream_;
  beast::flat_buffer buffer_{2 * kMaxHeader};
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> response_;
  asio::steady_timer answer_timer_;
  std::uint64_t requests_ = 0;
  bool waiting_ = false;  // for the answer
  bool last_ = false;     // nothing is read after this request
};

// A socket that listens, and its connections.
class Door {
 public:
  Door(asio::io_context& loop, const Options& all, bool checks)
      : options(all), check_host(checks), acceptor_(loop), again_(loop) {}

  Error listen(const Protocol::endpoint& at) {
    Error error;
    acceptor_.open(at.protocol(), error);
    if (!error && at.protocol().family() != AF_UNIX) {
      acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    }
    if (!error) acceptor_.bind(at, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    return error;
  }
  void accept() {
    acceptor_.async_accept(
        [this](const Error& error, Protocol::socket socket) { on_accept(error, std::move(socket)); });
  }
  void close() {
    Error ignored;
    acceptor_.close(ignored);
    again_.cancel();
    // A connection that ends leaves the set.
    const std::set<Connection*> open = connections_;
    for (Connection* connection : open) connection->close();
  }
  void forget(Connection* connection) { connections_.erase(connection); }
  Protocol::endpoint address() const { return acceptor_.local_endpoint(); }

  const Options& options;
  const bool check_host;

 private:
  void on_accept(const Error& error, Protocol::socket socket) {
    if (!acceptor_.is_open()) return;
    if (error) {  // no descriptors are left, for instance
      again_.expires_after(kAcceptAgain);
      again_.async_wait([this](const Error& cancelled) {
        if (!cancelled) accept();
      });
      return;
    }
    // One too many is closed at once.
    if (connections_.size() < options.max_connections) {
      const auto connection = std::make_shared<Connection>(*this, std::move(socket));
      connections_.insert(connection.get());
      connection->read();
    }
    accept();
  }

  asio::basic_socket_acceptor<Protocol> acceptor_;
  asio::steady_timer again_;
  std::set<Connection*> connections_;
};

Connection::~Connection() { door_.forget(this); }

void Connection::read() {
  parser_.emplace();
  parser_->header_limit(kMaxHeader);
  stream_.expires_after(door_.options.timeout);
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](const Error& error, std::size_t) { self->on_read(error); });
}

void Connection::on_read(const Error& error) {
  ++requests_;
  if (!error) return handle();
  last_ = true;
  if (error == http::error::unexpected_body) {
    if (parser_->get().method() != http::verb::get) return handle();
    return refuse(400, "a request has no body here");
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return refuse(431, fmt::format("a request has at most {} bytes here", kMaxHeader));
  }
  // It has ended, been idle for too long, or what has come is no HTTP.
  if (error.category() == http::make_error_code(http::error::end_of_stream).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    return refuse(400, "this is no HTTP request");
  }
  close();
}

void Connection::handle() {
  const auto& request = parser_->get();
  last_ = last_ || !request.keep_alive();
  if (request.method() != http::verb::get) return refuse(405, "only GET is answered here");
  if (door_.check_host) {
    const std::string_view host = request[http::field::host];
    if (!is_our_host(host, door_.options.host_names)) {
      return refuse(
          403,
          "the Host of this request is not one of ours: ask by IP address or as localhost, or name it "
          "with --admin-host",
          true);
    }
  }
  const std::string_view target = request.target();
  const std::size_t mark = std::min(target.find('?'), target.size());
  const Request asked{.path = std::string(target.substr(0, mark)),
                      .query = std::string(target.substr(std::min(mark + 1, target.size()))),
                      .if_none_match = std::string(request[http::field::if_none_match])};
  const auto at = door_.options.handlers.find(asked.path);
  const Handler& handler = at == door_.options.handlers.end() ? door_.options.otherwise : at->second;
  if (!handler) {
    std::string there = "there is no such page; there are";
    for (const auto& [path, each] : door_.options.handlers) there += " " + path;
    return refuse(404, std::move(there));
  }
  waiting_ = true;
  stream_.expires_never();
  answer_timer_.expires_after(door_.options.answer_timeout);
  answer_timer_.async_wait([self = shared_from_this()](const Error& cancelled) {
    if (cancelled || !self->waiting_) return;
    self->waiting_ = false;
    self->refuse(503, "sluice is busy and has no answer yet: try again");
  });
  handler(asked,
          [weak = weak_from_this(), executor = stream_.get_executor(), number = requests_](Answer answer) {
            asio::post(executor, [weak, number, answer = std::move(answer)] {
              if (const auto self = weak.lock()) self->on_answer(number, answer);
            });
          });
}

void Connection::on_answer(std::uint64_t request, const Answer& answer) {
  if (!waiting_ || request != requests_) return;
  waiting_ = false;
  answer_timer_.cancel();
  // A page that cannot be made must not end what serves the proxies.
  try {
    write(answer());
  } catch (const std::exception& error) {
    log(Level::kError, "a page could not be made", {{"error", error.what()}});
    refuse(500, "this page could not be made; the log says why");
  }
}

void Connection::write(Response response) {
  response_ = {};
  response_.result(response.status);
  response_.version(11);
  for (const auto& [name, value] : kHeaders)
    response_.set(beast::string_view(name), beast::string_view(value));
  if (response.status == 405) response_.set(http::field::allow, "GET");
  response_.set(http::field::content_type, response.content_type);
  if (!response.etag.empty()) response_.set(http::field::etag, response.etag);
  response_.body() = std::move(response.body);
  response_.keep_alive(!last_);
  response_.prepare_payload();
  stream_.expires_after(door_.options.timeout);
  http::async_write(stream_, response_, [self = shared_from_this()](const Error& error, std::size_t) {
    self->response_.body() = {};
    if (error) return self->close();
    if (!self->last_) return self->read();
    Error ignored;
    self->stream_.socket().shutdown(Protocol::socket::shutdown_send, ignored);
    self->stream_.expires_after(kLinger);
    self->linger();
  });
}

// A socket that is closed with unread bytes takes back what the client has not read yet.
void Connection::linger() {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(kMaxHeader),
                          [self = shared_from_this()](const Error& error, std::size_t) {
                            if (!error) self->linger();
                          });
}

Problem problem(std::string message, std::string suggestion = {}) {
  return {.code = "value/admin-address", .message = std::move(message), .suggestion = std::move(suggestion)};
}

// "127.0.0.1:80", "[::1]:80".
std::optional<asio::ip::tcp::endpoint> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::string_view port = text.substr(colon + 1);
  unsigned number = 0;
  const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (failed != std::errc() || end != port.data() + port.size() || number > 65'535) return std::nullopt;
  Error error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error || address.is_v6() != bracketed) return std::nullopt;
  return asio::ip::tcp::endpoint(address, static_cast<unsigned short>(number));
}

std::string to_text(const Protocol::endpoint& at) {
  asio::ip::tcp::endpoint tcp;
  tcp.resize(at.size());
  std::copy_n(reinterpret_cast<const char*>(at.data()), at.size(), reinterpret_cast<char*>(tcp.data()));
  const std::string address = tcp.address().to_string();
  return fmt::format(fmt::runtime(tcp.address().is_v6() ? "[{}]:{}" : "{}:{}"), address, tcp.port());
}

class BeastServer final : public Server {
 public:
  explicit BeastServer(Options options) : options_(std::move(options)) {}
  BeastServer(const BeastServer&) = delete;
  BeastServer& operator=(const BeastServer&) = delete;
  ~BeastServer() override {
    if (thread_.joinable()) {
      asio::post(loop_, [this] {
        unix_.close();
        tcp_.close();
      });
      thread_.join();  // the loop ends when nothing is open any more
    }
    if (!options_.socket_path.empty()) ::unlink(options_.socket_path.c_str());
  }

  std::optional<Problem> listen_at_path() {
    try {
      const asio::local::stream_protocol::endpoint path(options_.socket_path);  // throws if it is too long
      ::unlink(options_.socket_path.c_str());
      // Born private; the mask is the process's, but a file that another thread makes meanwhile only gets
      // more private.
      const mode_t mask = ::umask(0177);
      const Error error = unix_.listen(path);
      ::umask(mask);
      if (error)
        return problem(fmt::format("cannot listen on `{}`: {}", options_.socket_path, error.message()));
    } catch (const boost::system::system_error& error) {
      return problem(fmt::format("cannot listen on `{}`: {}", options_.socket_path, error.what()));
    }
    return std::nullopt;
  }

  std::optional<Problem> start() {
    if (!options_.socket_path.empty()) {
      if (auto failed = listen_at_path()) return failed;
      unix_.accept();
    }
    if (!options_.tcp_address.empty()) {
      const auto address = parse_address(options_.tcp_address);
      if (!address) {
        return problem(fmt::format("`{}` is no address to listen on", options_.tcp_address),
                       "an IP address and a port, as 127.0.0.1:9901 or [::1]:0, or none");
      }
      if (const Error error = tcp_.listen(*address)) {
        return problem(fmt::format("cannot listen on `{}`: {}", options_.tcp_address, error.message()),
                       "use another port, or 0 for any that is free");
      }
      tcp_address_ = to_text(tcp_.address());
      tcp_.accept();
    }
    thread_ = std::thread([this] { loop_.run(); });
    return std::nullopt;
  }

  std::string tcp_address() const override { return tcp_address_; }

 private:
  const Options options_;
  asio::io_context loop_{1};
  Door unix_{loop_, options_, false};
  Door tcp_{loop_, options_, true};
  std::string tcp_address_;
  std::thread thread_;
};

}  // namespace

bool is_our_host(std::string_view host, const std::vector<std::string>& host_names) {
  std::string_view name = host;
  if (const std::size_t colon = name.rfind(':'); colon != name.npos && !name.ends_with(']')) {
    name = name.substr(0, colon);
  }
  const bool bracketed = name.starts_with('[') && name.ends_with(']');
  if (bracketed) name = name.substr(1, name.size() - 2);
  Error error;
  const asio::ip::address address = asio::ip::make_address(name, error);
  if (!error) return address.is_v6() == bracketed;
  const auto is_it = [name](std::string_view each) { return equal_but_for_case(each, name); };
  return is_it("localhost") || std::ranges::any_of(host_names, is_it);
}

std::expected<std::unique_ptr<Server>, Problem> start_server(Options options) {
  auto server = std::make_unique<BeastServer>(std::move(options));
  if (std::optional<Problem> failed = server->start()) return std::unexpected(*std::move(failed));
  return server;
}

}  // namespace sluice::admin
