// The only file that sees Boost: it takes half a minute to compile.
#include "server.h"

#include <csignal>
#include <utility>
#include <variant>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace sluice::vllmsim {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::uint64_t kMaxBody = 16 << 20;

// A pod with the timer that drives it.
class Driven {
 public:
  Driven(asio::io_context& context, std::unique_ptr<Pod> pod) : pod_(std::move(pod)), timer_(context) {}
  Pod& operator*() { return *pod_; }
  Pod* operator->() { return pod_.get(); }

  // To be called after what may have changed when the pod is due.
  void schedule() {
    const auto due = pod_->due();
    if (!due) return;
    timer_.expires_at(*due);
    timer_.async_wait([this](error_code error) {
      if (error) return;
      pod_->advance(Pod::Clock::now());
      schedule();
    });
  }

 private:
  std::unique_ptr<Pod> pod_;
  asio::steady_timer timer_;
};

class Connection {
 public:
  Connection(tcp::socket socket, std::shared_ptr<Driven> pod)
      : socket_(std::move(socket)), pod_(std::move(pod)), progress_(socket_.get_executor()) {}

  asio::awaitable<void> serve() {
    error_code error;
    socket_.set_option(tcp::no_delay(true), error);
    boost::beast::flat_buffer buffer;
    for (;;) {
      http::request_parser<http::string_body> parser;
      parser.body_limit(kMaxBody);
      co_await http::async_read(socket_, buffer, parser, token(&error));
      if (error) co_return;
      const auto request = parser.release();
      keep_alive_ = request.keep_alive();
      const bool alive = co_await answer(request);
      if (!alive || !keep_alive_) break;
    }
    socket_.shutdown(tcp::socket::shutdown_send, error);
  }

 private:
  using Request = http::request<http::string_body>;

  static asio::redirect_error_t<asio::use_awaitable_t<>> token(error_code* error) {
    return asio::redirect_error(asio::use_awaitable, *error);
  }

  // False if the connection is of no use any more.
  asio::awaitable<bool> answer(const Request& request) {
    const std::string target(request.target().substr(0, request.target().find('?')));
    const bool get = request.method() == http::verb::get;
    const bool chat = target == "/v1/chat/completions";
    if (chat || target == "/v1/completions") {
      if (request.method() == http::verb::post) {
        const auto began = Pod::Clock::now();
        int status = 0;
        const bool alive = co_await complete(request.body(), chat, &status);
        (*pod_)->answered(target, status, std::chrono::duration<double>(Pod::Clock::now() - began).count());
        co_return alive;
      }
    }
    int status = 200;
    std::string body;
    std::string type = "application/json";
    if (get && target == "/health") {
      type = "text/plain";
    } else if (get && target == "/v1/models") {
      body = (*pod_)->models();
    } else if (get && target == "/metrics") {
      type = "text/plain; version=0.0.4; charset=utf-8";
      body = (*pod_)->metrics();
    } else {
      status = 404;
      body = error_body({404, "NotFoundError", "Not Found"});
    }
    const bool alive = co_await send(status, body, type);
    co_return alive;
  }

  asio::awaitable<bool> complete(const std::string& body, bool chat, int* status) {
    const auto read = read_ask(body, chat);
    Error error;
    std::shared_ptr<Pod::Running> running;
    if (std::holds_alternative<Error>(read)) {
      error = std::get<Error>(read);
    } else {
      const auto submitted = (*pod_)->submit(std::get<Ask>(read), Pod::Clock::now());
      pod_->schedule();
      if (std::holds_alternative<Error>(submitted)) {
        error = std::get<Error>(submitted);
      } else {
        running = std::get<std::shared_ptr<Pod::Running>>(submitted);
      }
    }
    if (running == nullptr) {
      *status = error.status;
      const std::string text = error_body(error);
      const std::string type = "application/json";
      const bool alive = co_await send(error.status, text, type);
      co_return alive;
    }
    *status = 200;
    const Ask& ask = std::get<Ask>(read);
    progress_.expires_at(asio::steady_timer::time_point::max());
    running->progressed = [this] { progress_.cancel(); };
    watch_for_close();
    // g++ 12 destroys temporaries of co_await twice where a conditional chooses between them: names for all.
    bool alive = false;
    if (ask.stream) {
      alive = co_await stream(ask, running);
    } else {
      alive = co_await whole(ask, running);
    }
    running->progressed = nullptr;
    watching_ = false;
    error_code ignored;
    socket_.cancel(ignored);
    if (!running->finished()) {
      (*pod_)->abort(*running);
      pod_->schedule();
    }
    co_return alive;
  }

  asio::awaitable<bool> whole(const Ask& ask, const std::shared_ptr<Pod::Running>& running) {
    while (!running->finished()) {
      const bool alive = co_await progressed();
      if (!alive) co_return false;
    }
    watching_ = false;
    const std::string text = whole_answer(ask, *running);
    const std::string type = "application/json";
    const bool alive = co_await send(200, text, type);
    co_return alive;
  }

  asio::awaitable<bool> stream(const Ask& ask, const std::shared_ptr<Pod::Running>& running) {
    error_code error;
    http::response<http::empty_body> response(http::status::ok, 11);
    response.set(http::field::content_type, "text/event-stream; charset=utf-8");
    response.chunked(true);
    response.keep_alive(keep_alive_);
    http::response_serializer<http::empty_body> serializer(response);
    co_await http::async_write_header(socket_, serializer, token(&error));
    if (error) co_return false;
    std::uint32_t sent = 0;
    while (sent < running->output_tokens) {
      if (sent == running->generated) {
        const bool alive = co_await progressed();
        if (!alive) co_return false;
        continue;
      }
      std::string events;
      if (sent == 0 && ask.chat) events = first_chunk(*running);
      events += chunk(ask, *running, sent, running->generated);
      sent = running->generated;
      if (sent == running->output_tokens) {
        if (ask.include_usage) events += usage_chunk(ask, *running);
        events += "data: [DONE]\n\n";
      }
      const auto framed = http::make_chunk(asio::buffer(events));
      co_await asio::async_write(socket_, framed, token(&error));
      if (error) co_return false;
    }
    watching_ = false;
    const auto last = http::make_chunk_last();
    co_await asio::async_write(socket_, last, token(&error));
    co_return !error;
  }

  // Waits for more tokens; false if the client is gone.
  asio::awaitable<bool> progressed() {
    if (closed_) co_return false;
    error_code error;
    progress_.expires_at(asio::steady_timer::time_point::max());
    co_await progress_.async_wait(token(&error));
    co_return !closed_;
  }

  // A client that closes while it waits is to cost no more. What it sends early is left for the next request.
  void watch_for_close() {
    watching_ = true;
    socket_.async_wait(tcp::socket::wait_read, [this](error_code error) {
      if (error || !watching_) return;
      error_code ignored;
      if (socket_.available(ignored) != 0) return;
      closed_ = true;
      progress_.cancel();
    });
  }

  asio::awaitable<bool> send(int status, const std::string& body, const std::string& type) {
    error_code error;
    http::response<http::string_body> response(static_cast<http::status>(status), 11);
    response.set(http::field::content_type, type);
    response.keep_alive(keep_alive_);
    response.body() = body;
    response.prepare_payload();
    co_await http::async_write(socket_, response, token(&error));
    co_return !error;
  }

  tcp::socket socket_;
  std::shared_ptr<Driven> pod_;
  asio::steady_timer progress_;
  bool keep_alive_ = true;
  bool watching_ = false;
  bool closed_ = false;
};

asio::awaitable<void> serve(tcp::socket socket, std::shared_ptr<Driven> pod) {
  // On the heap: callbacks know its address.
  const auto connection = std::make_unique<Connection>(std::move(socket), std::move(pod));
  co_await connection->serve();
}

asio::awaitable<void> accept(tcp::acceptor acceptor, std::shared_ptr<Driven> pod) {
  for (;;) {
    error_code error;
    tcp::socket socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      // No descriptors left: some will be soon.
      asio::steady_timer pause(acceptor.get_executor(), std::chrono::milliseconds(50));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    const auto executor = socket.get_executor();
    asio::co_spawn(executor, serve(std::move(socket), pod), asio::detached);
  }
}

}  // namespace

struct Server::State {
  asio::io_context context{1};
};

Server::Server() : state_(std::make_unique<State>()) {}
Server::~Server() = default;

std::uint16_t Server::add(std::unique_ptr<Pod> pod, const std::string& address, std::uint16_t port,
                          std::string* problem) {
  error_code error;
  const auto ip = asio::ip::make_address_v4(address, error);
  tcp::acceptor acceptor(state_->context);
  const tcp::endpoint endpoint(ip, port);
  if (!error) acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  const std::uint16_t bound = error ? std::uint16_t{0} : acceptor.local_endpoint(error).port();
  if (error) {
    *problem = error.message();
    return 0;
  }
  asio::co_spawn(state_->context,
                 accept(std::move(acceptor), std::make_shared<Driven>(state_->context, std::move(pod))),
                 asio::detached);
  return bound;
}

void Server::run() {
  asio::signal_set signals(state_->context, SIGTERM, SIGINT);
  signals.async_wait([&](error_code, int) { state_->context.stop(); });
  state_->context.run();
}

}  // namespace sluice::vllmsim
