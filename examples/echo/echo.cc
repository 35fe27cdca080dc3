// echo: HTTP backends that say who they are, for examples and tests.
//
//   echo --listen 127.0.0.1:3000=blue --listen 127.0.0.1:3001=green --unix /tmp/red.sock=red [--h2c]
//
// Every request is answered with JSON, {"backend": …, "method": …, "path": …, "host": …, "protocol": …,
// "headers": {…}, "body": bytes}, and the header "x-backend". A port 0 is any free one. "NAME ADDRESS" is
// printed for each as soon as all of them listen. HTTP/1.1 with kept connections; with --h2c also HTTP/2 with
// prior knowledge, and gRPC: a call is answered with one message, which is the same JSON, and status 0.
//
// Two request headers change the answer: "x-echo-status: 503" its status, "x-echo-delay: 250" when it is
// sent, in milliseconds.
//
// One thread, one epoll. Ends on SIGTERM and SIGINT, without draining.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "echo/http1.h"

namespace sluice::echo {
namespace {

using Clock = std::chrono::steady_clock;
using http1::Header;

// ---- what is asked and answered ------------------------------------------------------------------

struct Request {
  std::string method;
  std::string path;
  std::string host;
  std::string_view protocol;
  std::vector<Header> headers;
  std::uint64_t body_size = 0;
};

struct Answer {
  int status = 200;
  std::chrono::milliseconds delay{0};
  std::string body;
};

void append_json(std::string_view text, std::string* out) {
  out->push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (byte < 0x20 || byte >= 0x7f) {
      fmt::format_to(std::back_inserter(*out), "\\u{:04x}", byte);  // header values are Latin-1
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

int number(const std::vector<Header>& headers, std::string_view name, int otherwise) {
  const auto found = std::ranges::find(headers, name, &Header::name);
  int value = otherwise;
  if (found != headers.end()) {
    std::from_chars(found->value.data(), found->value.data() + found->value.size(), value);
  }
  return value;
}

Answer answer_to(const Request& request, std::string_view backend) {
  Answer answer;
  answer.status = std::clamp(number(request.headers, "x-echo-status", 200), 200, 599);
  answer.delay = std::chrono::milliseconds(std::max(0, number(request.headers, "x-echo-delay", 0)));
  std::string& out = answer.body;
  const auto field = [&](std::string_view name, std::string_view value) {
    append_json(name, &out);
    out += ": ";
    append_json(value, &out);
    out += ", ";
  };
  out += "{";
  field("backend", backend);
  field("method", request.method);
  field("path", request.path);
  field("host", request.host);
  field("protocol", request.protocol);
  // A header that came several times is one, with all its values.
  std::map<std::string_view, std::string> headers;
  for (const Header& header : request.headers) {
    const auto [entry, first] = headers.try_emplace(header.name, header.value);
    if (!first) entry->second += ", " + header.value;
  }
  out += "\"headers\": {";
  std::string_view separator;
  for (const auto& [name, value] : headers) {
    out += separator;
    separator = ", ";
    append_json(name, &out);
    out += ": ";
    append_json(value, &out);
  }
  fmt::format_to(std::back_inserter(out), "}}, \"body\": {}}}\n", request.body_size);
  return answer;
}

// ---- the loop --------------------------------------------------------------------------------------

// Something epoll watches.
class Watched {
 public:
  explicit Watched(int fd) : fd_(fd) {}
  virtual ~Watched() { close(fd_); }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  int fd() const { return fd_; }
  // False when it has come to its end.
  virtual bool on_events(std::uint32_t events) = 0;

 private:
  int fd_;
};

class Loop {
 public:
  Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
  ~Loop() { close(epoll_); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void watch(std::shared_ptr<Watched> watched) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = watched->fd()}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, watched->fd(), &event);
    watched_[watched->fd()] = std::move(watched);
  }
  void set_events(int fd, std::uint32_t events) const {
    epoll_event event{.events = events, .data = {.fd = fd}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
  }
  void end(int fd) { watched_.erase(fd); }
  void after(std::chrono::milliseconds delay, std::function<void()> what) {
    timers_.emplace(Clock::now() + delay, std::move(what));
  }

  [[noreturn]] void run() {
    for (;;) {
      epoll_event events[256];
      const int n = epoll_wait(epoll_, events, 256, milliseconds_to_next_timer());
      for (int i = 0; i < n; ++i) {
        const auto found = watched_.find(events[i].data.fd);
        if (found == watched_.end()) continue;
        const std::shared_ptr<Watched> watched = found->second;
        if (!watched->on_events(events[i].events)) end(watched->fd());
      }
      while (!timers_.empty() && timers_.begin()->first <= Clock::now()) {
        const auto what = std::move(timers_.extract(timers_.begin()).mapped());
        what();
      }
    }
  }

 private:
  int milliseconds_to_next_timer() const {
    if (timers_.empty()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - Clock::now());
    return static_cast<int>(std::max<std::int64_t>(0, left.count()));
  }

  int epoll_;
  std::unordered_map<int, std::shared_ptr<Watched>> watched_;
  std::multimap<Clock::time_point, std::function<void()>> timers_;
};

// ---- protocols -------------------------------------------------------------------------------------

// What a protocol may do with its connection. After close_when_sent() nothing more is received.
class Wire {
 public:
  virtual ~Wire() = default;
  virtual void send(std::string_view bytes) = 0;
  virtual void close_when_sent() = 0;
  // Runs `what` later, unless the connection has gone by then.
  virtual void after(std::chrono::milliseconds delay, std::function<void()> what) = 0;
};

class Session {
 public:
  virtual ~Session() = default;
  virtual void receive(std::string_view bytes) = 0;
};

class Http1Session final : public Session {
 public:
  Http1Session(Wire* wire, std::string_view backend) : wire_(wire), backend_(backend) {}

  void receive(std::string_view bytes) override {
    waiting_.append(bytes);
    advance();
  }

 private:
  // Reads and answers one request after the other, as far as they have arrived.
  void advance() {
    std::string_view left = waiting_;
    while (!answering_ && !left.empty()) {
      const http1::State state = reader_.read(&left);
      if (state == http1::State::kBody && !continued_ && reader_.header("expect") == "100-continue") {
        continued_ = true;
        wire_->send("HTTP/1.1 100 Continue\r\n\r\n");
      } else if (state == http1::State::kBad) {
        answering_ = true;
        wire_->send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        wire_->close_when_sent();
      } else if (state == http1::State::kDone) {
        on_request();
      }
    }
    waiting_.erase(0, waiting_.size() - left.size());
  }

  void on_request() {
    const Answer answer = answer_to({.method = reader_.start(0),
                                     .path = reader_.start(1),
                                     .host = std::string(reader_.header("host")),
                                     .protocol = "HTTP/1.1",
                                     .headers = reader_.headers(),
                                     .body_size = reader_.body_size()},
                                    backend_);
    if (answer.delay.count() == 0) {
      send(answer);
      return;
    }
    answering_ = true;
    wire_->after(answer.delay, [this, answer] {
      send(answer);
      advance();
    });
  }

  void send(const Answer& answer) {
    const bool has_body = answer.status != 204 && answer.status != 304;
    std::string text = fmt::format("HTTP/1.1 {} Echo\r\nx-backend: {}\r\n", answer.status, backend_);
    if (has_body) {
      fmt::format_to(std::back_inserter(text), "content-type: application/json\r\ncontent-length: {}\r\n",
                     answer.body.size());
    }
    text += reader_.last() ? "connection: close\r\n\r\n" : "\r\n";
    if (has_body && reader_.start(0) != "HEAD") text += answer.body;
    wire_->send(text);
    if (reader_.last()) wire_->close_when_sent();
    answering_ = reader_.last();
    continued_ = false;
    reader_.reset();
  }

  Wire* wire_;
  std::string_view backend_;
  http1::Reader reader_{http1::Side::kRequests};
  std::string waiting_;     // not read yet: the requests behind one whose answer is delayed
  bool answering_ = false;  // reads no further
  bool continued_ = false;
};

class Http2Session final : public Session {
 public:
  Http2Session(Wire* wire, std::string_view backend) : wire_(wire), backend_(backend) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    // A proxy cancels as many requests as its clients do; that is no attack.
    nghttp2_option_set_stream_reset_rate_limit(option, 1'000'000, 1'000'000);
    nghttp2_session_server_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  }
  ~Http2Session() override { nghttp2_session_del(session_); }
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  void receive(std::string_view bytes) override {
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    if (nghttp2_session_mem_recv(session_, data, bytes.size()) < 0) {
      wire_->close_when_sent();
      return;
    }
    flush();
    if (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0) {
      wire_->close_when_sent();
    }
  }

 private:
  struct Stream {
    Request request;
    std::string body;  // of the answer
    std::size_t sent = 0;
    bool grpc = false;
  };

  static Http2Session& self(void* user_data) { return *static_cast<Http2Session*>(user_data); }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                       void* user_data) {
    Header header{std::string(reinterpret_cast<const char*>(name), name_size),
                  std::string(reinterpret_cast<const char*>(value), value_size)};
    Request& request = self(user_data).streams_[frame->hd.stream_id].request;
    if (header.name == ":method") {
      request.method = header.value;
    } else if (header.name == ":path") {
      request.path = header.value;
    } else if (header.name == ":authority") {
      request.host = header.value;
    } else if (!header.name.starts_with(':')) {
      request.headers.push_back(std::move(header));
    }
    return 0;
  }

  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t*, std::size_t size,
                     void* user_data) {
    self(user_data).streams_[id].request.body_size += size;
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    const bool carries_request = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (carries_request && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      self(user_data).on_request(frame->hd.stream_id);
    }
    return 0;
  }

  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* user_data) {
    self(user_data).streams_.erase(id);
    return 0;
  }

  void on_request(std::int32_t id) {
    Request& request = streams_[id].request;
    request.protocol = "HTTP/2";
    const Answer answer = answer_to(request, backend_);
    if (answer.delay.count() == 0) {
      submit(id, answer);
      return;
    }
    wire_->after(answer.delay, [this, id, answer] {
      submit(id, answer);
      flush();
    });
  }

  void submit(std::int32_t id, const Answer& answer) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;  // reset meanwhile
    Stream& stream = found->second;
    const bool has_body = stream.request.method != "HEAD" && answer.status != 204 && answer.status != 304;
    stream.grpc = is_grpc(stream.request);
    stream.body = stream.grpc ? grpc_message(answer.body) : answer.body;
    const std::string status = fmt::format("{}", answer.status);
    const nghttp2_nv headers[] = {
        field(":status", status), field("x-backend", backend_),
        field("content-type", stream.grpc ? "application/grpc" : "application/json")};
    nghttp2_data_provider provider{.source = {.ptr = this}, .read_callback = read_body};
    nghttp2_submit_response(session_, id, headers, std::size(headers), has_body ? &provider : nullptr);
  }

  static bool is_grpc(const Request& request) {
    return std::ranges::any_of(request.headers, [](const Header& header) {
      return header.name == "content-type" && header.value.starts_with("application/grpc");
    });
  }

  // Not compressed, its length in four bytes.
  static std::string grpc_message(std::string_view text) {
    std::string message(1, '\0');
    for (int shift = 24; shift >= 0; shift -= 8) message += static_cast<char>(text.size() >> shift & 0xffU);
    return message.append(text);
  }

  // nghttp2 copies both and changes neither.
  static nghttp2_nv field(std::string_view name, std::string_view value) {
    const auto bytes = [](std::string_view text) {
      return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
  }

  static ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t* out, std::size_t size,
                           std::uint32_t* flags, nghttp2_data_source* source, void*) {
    Stream& stream = self(source->ptr).streams_[id];
    const std::size_t n = std::min(size, stream.body.size() - stream.sent);
    std::memcpy(out, stream.body.data() + stream.sent, n);
    stream.sent += n;
    if (stream.sent == stream.body.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (stream.grpc) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const nghttp2_nv status = field("grpc-status", "0");
        nghttp2_submit_trailer(session, id, &status, 1);
      }
    }
    return static_cast<ssize_t>(n);
  }

  void flush() {
    const std::uint8_t* data = nullptr;
    while (true) {
      const ssize_t n = nghttp2_session_mem_send(session_, &data);
      if (n <= 0) return;
      wire_->send({reinterpret_cast<const char*>(data), static_cast<std::size_t>(n)});
    }
  }

  Wire* wire_;
  std::string_view backend_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<std::int32_t, Stream> streams_;
};

// ---- sockets ---------------------------------------------------------------------------------------

class Connection final : public Watched, public Wire, public std::enable_shared_from_this<Connection> {
 public:
  Connection(int fd, Loop* loop, std::string_view backend, bool h2c)
      : Watched(fd), loop_(loop), backend_(backend), h2c_(h2c) {}

  bool on_events(std::uint32_t events) override {
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !closing_ && !receive()) return false;
    return flush();
  }

  void send(std::string_view bytes) override { out_.append(bytes); }
  void close_when_sent() override { closing_ = true; }
  void after(std::chrono::milliseconds delay, std::function<void()> what) override {
    loop_->after(delay, [weak = weak_from_this(), what = std::move(what)] {
      const std::shared_ptr<Connection> self = weak.lock();
      if (self == nullptr) return;
      what();
      if (!self->flush()) self->loop_->end(self->fd());
    });
  }

 private:
  static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

  bool receive() {
    char buffer[16 * 1024];
    const ssize_t n = recv(fd(), buffer, sizeof buffer, 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    const std::string_view bytes(buffer, static_cast<std::size_t>(n));
    if (session_ != nullptr) {
      session_->receive(bytes);
      return true;
    }
    opening_.append(bytes);
    if (h2c_ && opening_.starts_with(kPreface)) {
      session_ = std::make_unique<Http2Session>(this, backend_);
    } else if (!h2c_ || !kPreface.starts_with(opening_)) {
      session_ = std::make_unique<Http1Session>(this, backend_);
    }
    if (session_ != nullptr) session_->receive(std::exchange(opening_, {}));
    return true;
  }

  // False when the connection is over.
  bool flush() {
    while (!out_.empty()) {
      const ssize_t n = ::send(fd(), out_.data(), out_.size(), MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (n < 0 && errno == EAGAIN) break;
      if (n > 0) out_.erase(0, static_cast<std::size_t>(n));
    }
    // A peer that does not read is not read from either.
    const std::uint32_t events = out_.empty() ? EPOLLIN : EPOLLOUT;
    if (events != std::exchange(events_, events)) loop_->set_events(fd(), events);
    return !out_.empty() || !closing_;
  }

  Loop* loop_;
  std::string_view backend_;
  bool h2c_;
  std::string opening_;  // the first bytes, until they tell the protocol
  std::unique_ptr<Session> session_;
  std::string out_;
  std::uint32_t events_ = EPOLLIN;
  bool closing_ = false;
};

class Listener final : public Watched {
 public:
  Listener(int fd, Loop* loop, std::string name, bool h2c)
      : Watched(fd), loop_(loop), name_(std::move(name)), h2c_(h2c) {}

  bool on_events(std::uint32_t) override {
    for (;;) {
      const int fd = accept4(this->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return true;
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      loop_->watch(std::make_shared<Connection>(fd, loop_, name_, h2c_));
    }
  }

  const std::string& name() const { return name_; }

 private:
  Loop* loop_;
  std::string name_;
  bool h2c_;
};

// ---- the command line ------------------------------------------------------------------------------

[[noreturn]] void fail(std::string_view message) {
  fmt::print(stderr, "echo: {}\n", message);
  std::exit(2);
}

union SocketAddress {
  sockaddr any;
  sockaddr_in ipv4;
  sockaddr_in6 ipv6;
  sockaddr_un path;
};

int listen_on(const SocketAddress& address, socklen_t size, std::string_view text) {
  const int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (fd < 0 || bind(fd, &address.any, size) != 0 || listen(fd, SOMAXCONN) != 0) {
    fail(fmt::format("cannot listen on {}: {}", text, std::strerror(errno)));
  }
  return fd;
}

// "127.0.0.1:3000" or "[::1]:3000".
int listen_tcp(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) fail(fmt::format("{}: expected ADDRESS:PORT", text));
  std::string host(text.substr(0, colon));
  std::uint16_t port = 0;
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) fail(fmt::format("{}: no port", text));
  SocketAddress address{};
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    address.ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET6, host.c_str(), &address.ipv6.sin6_addr) != 1)
      fail(fmt::format("{}: no address", text));
    return listen_on(address, sizeof address.ipv6, text);
  }
  address.ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, host.c_str(), &address.ipv4.sin_addr) != 1)
    fail(fmt::format("{}: no address", text));
  return listen_on(address, sizeof address.ipv4, text);
}

int listen_unix(std::string_view path) {
  SocketAddress address{};
  address.path.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.path.sun_path) fail(fmt::format("{}: the path is too long", path));
  path.copy(address.path.sun_path, path.size());
  unlink(address.path.sun_path);  // of an echo that was killed
  return listen_on(address, sizeof address.path, path);
}

std::string address_of(int fd) {
  SocketAddress address{};
  socklen_t size = sizeof address;
  getsockname(fd, &address.any, &size);
  char host[INET6_ADDRSTRLEN] = "";
  if (address.any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &address.ipv4.sin_addr, host, sizeof host);
    return fmt::format("{}:{}", host, ntohs(address.ipv4.sin_port));
  }
  if (address.any.sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &address.ipv6.sin6_addr, host, sizeof host);
    return fmt::format("[{}]:{}", host, ntohs(address.ipv6.sin6_port));
  }
  return address.path.sun_path;
}

int run(const std::vector<std::string_view>& args) {
  const bool h2c = std::ranges::find(args, "--h2c") != args.end();
  Loop loop;
  std::vector<std::shared_ptr<Listener>> listeners;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--h2c") continue;
    const bool tcp = args[i] == "--listen";
    if (!tcp && args[i] != "--unix") fail(fmt::format("unknown argument {}", args[i]));
    if (++i == args.size()) fail(fmt::format("{} wants a value", args[i - 1]));
    const std::size_t equals = args[i].rfind('=');
    if (equals == std::string_view::npos) fail(fmt::format("{}: expected ADDRESS=NAME", args[i]));
    const std::string_view address = args[i].substr(0, equals);
    const int fd = tcp ? listen_tcp(address) : listen_unix(address);
    listeners.push_back(std::make_shared<Listener>(fd, &loop, std::string(args[i].substr(equals + 1)), h2c));
  }
  if (listeners.empty()) fail("usage: echo [--h2c] --listen ADDRESS:PORT=NAME… --unix PATH=NAME…");
  for (const auto& listener : listeners) {
    fmt::print("{} {}\n", listener->name(), address_of(listener->fd()));
    loop.watch(listener);
  }
  std::fflush(stdout);
  loop.run();
}

}  // namespace
}  // namespace sluice::echo

int main(int argc, char** argv) { return sluice::echo::run({argv + 1, argv + argc}); }
