#include "extproc/connection.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>

namespace sluice::extproc {
namespace {

constexpr std::string_view kProcessPath = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";
// Flow control windows: a prompt of some hundred kilobytes arrives without a stop.
constexpr std::int32_t kStreamWindow = 1 << 20;
constexpr std::int32_t kConnectionWindow = 16 << 20;
// So much is handed to the kernel at a time.
constexpr std::size_t kWriteSize = 64 * 1024;
// Streams that have ended are kept for others, with so much memory for what is sent.
constexpr std::size_t kSpareStreams = 256;
constexpr std::size_t kSpareBytes = 8 * 1024;
constexpr std::chrono::milliseconds kDrainNotice{100};
// Of one event; then others have their turn.
constexpr int kReadsPerEvent = 16;
// nghttp2 ends a connection whose client resets more streams than 1000 at once or 33 a second, against a
// known attack. Envoy resets a stream with each request that a client gives up, so our bound is what one
// Envoy can do.
constexpr std::uint64_t kResetBurst = 100'000;
constexpr std::uint64_t kResetRate = 50'000;

nghttp2_nv header(std::string_view name, std::string_view value) {
  // nghttp2 copies both, and changes neither.
  const auto bytes = [](std::string_view s) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(s.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// grpc-message is percent-encoded.
std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

// ---- streams ---------------------------------------------------------------------------------

class Connection::Stream final : public Exchange {
 public:
  enum class Kind : std::uint8_t { kNone, kProcess, kHealthCheck, kHealthWatch };

  explicit Stream(Connection& connection) : connection_(connection) {}

  void send(const Response& response) override { send_message(response); }
  void send(const ImmediateResponse& response) override { send_message(response); }
  void finish() override { end(GrpcStatus::kOk, ""); }
  void fail(GrpcStatus status, std::string_view message) override { end(status, message); }
  std::pmr::memory_resource& memory() override { return arena_; }
  Loop& loop() override { return connection_.shared_.loop; }

  void send_bytes(std::string_view message) {
    if (ended_) return;
    const std::size_t before = out_.size();
    const std::size_t frame = begin_frame(out_);
    out_.append(message);
    end_frame(out_, frame);
    queued(before);
  }

  // To be as new, for another stream of HTTP/2.
  void begin(std::int32_t id) {
    id_ = id;
    kind = Kind::kNone;
    ended_ = responded_ = half_closed = false;
    path.clear();
    content_type.clear();
    status_.clear();
    message_.clear();
  }
  void clear() {
    handler.reset();
    frames.reset();
    connection_.stream_bytes_ -= out_.size() - taken_;
    out_.clear();
    if (out_.capacity() > kSpareBytes) out_.shrink_to_fit();
    taken_ = 0;
    arena_.release();
  }

  bool ended() const { return ended_; }
  std::int32_t id() const { return id_; }

  // nghttp2 asks for what goes into the next DATA frame.
  ssize_t take(std::uint8_t* buffer, std::size_t size, std::uint32_t* flags) {
    const std::size_t taken = std::min(size, out_.size() - taken_);
    std::memcpy(buffer, out_.data() + taken_, taken);
    taken_ += taken;
    connection_.stream_bytes_ -= taken;
    if (taken_ == out_.size()) {
      out_.clear();
      taken_ = 0;
    }
    if (!out_.empty()) return static_cast<ssize_t>(taken);
    if (ended_) {
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const std::array trailers{header("grpc-status", status_), header("grpc-message", message_)};
      nghttp2_submit_trailer(connection_.session_.get(), id_, trailers.data(), message_.empty() ? 1 : 2);
    } else if (taken == 0) {
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(taken);
  }

  Kind kind = Kind::kNone;
  bool half_closed = false;  // the client has said all
  std::string path;
  std::string content_type;
  std::string watched;  // the health service, of kHealthWatch
  FrameReader frames;
  std::unique_ptr<Handler> handler;

  // An answer that is no gRPC.
  void refuse(std::string_view http_status) {
    ended_ = true;
    const std::array headers{header(":status", http_status)};
    nghttp2_submit_response(connection_.session_.get(), id_, headers.data(), headers.size(), nullptr);
    connection_.wants_to_write();
  }

 private:
  template <typename T>
  void send_message(const T& response) {
    if (ended_) return;
    const std::size_t before = out_.size();
    const std::size_t frame = begin_frame(out_);
    encode(response, out_);
    end_frame(out_, frame);
    queued(before);
  }

  void queued(std::size_t before) {
    connection_.stream_bytes_ += out_.size() - before;
    if (connection_.stream_bytes_ <= connection_.shared_.limits.max_unsent_bytes) return resume();
    // The client asks on and takes no answers.
    ended_ = true;
    nghttp2_submit_rst_stream(connection_.session_.get(), NGHTTP2_FLAG_NONE, id_, NGHTTP2_ENHANCE_YOUR_CALM);
    connection_.wants_to_write();
  }

  void end(GrpcStatus status, std::string_view message) {
    if (ended_) return;
    ended_ = true;
    status_ = fmt::format("{}", static_cast<int>(status));
    message_ = percent_encode(message);
    resume();
  }

  void resume() {
    nghttp2_session* session = connection_.session_.get();
    if (responded_) {
      nghttp2_session_resume_data(session, id_);
    } else {
      responded_ = true;
      const std::array headers{header(":status", "200"), header("content-type", "application/grpc")};
      nghttp2_data_provider provider{};
      provider.source.ptr = this;
      provider.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t* buffer, std::size_t size,
                                  std::uint32_t* flags, nghttp2_data_source* source, void*) {
        return static_cast<Stream*>(source->ptr)->take(buffer, size, flags);
      };
      nghttp2_submit_response(session, id_, headers.data(), headers.size(), &provider);
    }
    connection_.wants_to_write();
  }

  Connection& connection_;
  std::int32_t id_ = 0;
  bool ended_ = false;      // by us
  bool responded_ = false;  // headers have gone
  std::string out_;         // frames that nghttp2 has not taken
  std::size_t taken_ = 0;   // of out_
  std::string status_;
  std::string message_;
  std::array<std::byte, 1024> memory_;
  std::pmr::monotonic_buffer_resource arena_{memory_.data(), memory_.size()};
};

// ---- nghttp2's callbacks ---------------------------------------------------------------------

struct Connection::Callbacks {
  static Connection& self(void* user) { return *static_cast<Connection*>(user); }
  static Stream* stream(nghttp2_session* session, std::int32_t id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    Connection& c = self(user);
    std::unique_ptr<Stream> fresh;
    if (c.spare_.empty()) {
      fresh = std::make_unique<Stream>(c);
    } else {
      fresh = std::move(c.spare_.back());
      c.spare_.pop_back();
    }
    fresh->begin(frame->hd.stream_id);
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, fresh.get());
    c.streams_[frame->hd.stream_id] = std::move(fresh);
    return 0;
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                       std::uint8_t /*flags*/, void* /*user*/) {
    Stream* const s = stream(session, frame->hd.stream_id);
    if (s == nullptr) return 0;
    const auto text = [](const std::uint8_t* bytes, std::size_t size) {
      return std::string_view(reinterpret_cast<const char*>(bytes), size);
    };
    const std::string_view key = text(name, name_size);
    if (key == ":path") s->path = text(value, value_size);
    if (key == "content-type") s->content_type = text(value, value_size);
    return 0;
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Connection& c = self(user);
    c.greeted_ = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    Stream* const s = stream(session, frame->hd.stream_id);
    if (s == nullptr) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) c.on_headers(*s);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) c.on_end_of_stream(*s);
    return 0;
  }

  static int on_data_chunk(nghttp2_session* session, std::uint8_t /*flags*/, std::int32_t id,
                           const std::uint8_t* data, std::size_t size, void* user) {
    Stream* const s = stream(session, id);
    if (s != nullptr) self(user).on_data(*s, {reinterpret_cast<const char*>(data), size});
    return 0;
  }

  static int on_stream_close(nghttp2_session* /*session*/, std::int32_t id, std::uint32_t /*error*/,
                             void* user) {
    Connection& c = self(user);
    const auto at = c.streams_.find(id);
    if (at == c.streams_.end()) return 0;
    std::unique_ptr<Stream> stream = std::move(at->second);
    c.streams_.erase(at);
    c.health_watchers_.erase(stream.get());
    c.partial_bytes_ -= stream->frames.partial_bytes();
    stream->clear();
    if (c.spare_.size() < kSpareStreams) c.spare_.push_back(std::move(stream));
    return 0;
  }

  static const nghttp2_session_callbacks* get() {
    static const nghttp2_session_callbacks* const callbacks = [] {
      nghttp2_session_callbacks* made = nullptr;
      nghttp2_session_callbacks_new(&made);
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin_headers);
      nghttp2_session_callbacks_set_on_header_callback(made, on_header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data_chunk);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, on_stream_close);
      return made;
    }();
    return callbacks;
  }

  static const nghttp2_option* options() {
    static const nghttp2_option* const options = [] {
      nghttp2_option* made = nullptr;
      nghttp2_option_new(&made);
      nghttp2_option_set_stream_reset_rate_limit(made, kResetBurst, kResetRate);
      // Envoy's health checks, and streams without an `authority`, ask for the name of the cluster, which may
      // have slashes; nghttp2 takes no such authority. Of the headers only two are read here, so that none of
      // its rules for them is missed.
      nghttp2_option_set_no_http_messaging(made, 1);
      // It would keep as many streams that have ended as there may be at a time, for priorities that Envoy
      // does not set: 4 MB a connection.
      nghttp2_option_set_no_closed_streams(made, 1);
      return made;
    }();
    return options;
  }
};

void Connection::FreeSession::operator()(nghttp2_session* session) const { nghttp2_session_del(session); }

// ---- the connection --------------------------------------------------------------------------

Connection::Connection(Socket socket, Shared& shared, std::function<void(Connection*)> closed)
    : socket_(std::move(socket)), shared_(shared), closed_(std::move(closed)) {
  nghttp2_session* session = nullptr;
  nghttp2_session_server_new2(&session, Callbacks::get(), this, Callbacks::options());
  session_.reset(session);
  const std::array settings{
      nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, shared_.limits.max_streams},
      nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow}};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  handshake_ = shared_.loop.after(shared_.limits.handshake_timeout, [this] {
    if (!greeted_) close();
  });
  events_ = EPOLLIN;
  watch_ = shared_.loop.watch(socket_.descriptor(), events_, [this](std::uint32_t) { on_event(); });
}

Connection::~Connection() {
  for (auto& [id, stream] : streams_) stream->clear();
}

void Connection::on_event() {
  in_event_ = true;
  read();
  in_event_ = false;
  flush();
}

void Connection::read() {
  for (int i = 0; i < kReadsPerEvent && !closing_; ++i) {
    std::size_t size = 0;
    bool more = false;
    const Io result = socket_.read(shared_.read_buffer, &size, &more);
    if (result == Io::kAgain) return;
    if (result == Io::kClosed) return close();
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(shared_.read_buffer.data());
    if (nghttp2_session_mem_recv(session_.get(), bytes, size) < 0) return close();
    if (!more && size < shared_.read_buffer.size()) return;
  }
  // OpenSSL may hold bytes that no event will tell of.
  again_ = shared_.loop.after(std::chrono::milliseconds(0), [this] { on_event(); });
}

void Connection::wants_to_write() {
  // Not now: whoever says something may be a handler in a callback of its own, and it may be gone when all is
  // written.
  if (in_event_ || again_.pending()) return;
  again_ = shared_.loop.after(std::chrono::milliseconds(0), [this] { flush(); });
}

void Connection::flush() {
  in_event_ = true;
  bool full = false;
  while (!closing_ && !full) {
    while (unsent_.size() - sent_ < kWriteSize) {
      const std::uint8_t* bytes = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_.get(), &bytes);
      if (size < 0) close();
      if (size <= 0) break;
      unsent_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
    if (closing_ || unsent_.empty()) break;
    std::size_t size = 0;
    const Io result = socket_.write(std::string_view(unsent_).substr(sent_), &size);
    if (result == Io::kClosed) close();
    full = result == Io::kAgain;
    sent_ += size;
    if (sent_ == unsent_.size()) {
      unsent_.clear();
      sent_ = 0;
    }
  }
  in_event_ = false;
  if (closing_) return;
  if (unsent_.empty() && nghttp2_session_want_read(session_.get()) == 0 &&
      nghttp2_session_want_write(session_.get()) == 0) {
    return close();
  }
  // A peer that takes nothing is not listened to. (TLS may have to read to be able to write.)
  const std::uint32_t events =
      (full && !socket_.is_tls() ? 0U : EPOLLIN) | (full || socket_.wants_write() ? EPOLLOUT : 0U);
  if (events != events_) watch_.set_events(events_ = events);
}

void Connection::close() {
  if (closing_) return;
  closing_ = true;
  watch_.reset();
  // Not now: a handler or nghttp2 may be at work above us.
  again_ = shared_.loop.after(std::chrono::milliseconds(0), [this] { closed_(this); });
}

void Connection::drain() {
  if (closing_) return;
  nghttp2_submit_shutdown_notice(session_.get());
  wants_to_write();
  // Streams that were under way when the client read this are still taken (RFC 9113, section 6.8).
  goaway_ = shared_.loop.after(kDrainNotice, [this] {
    const std::int32_t last = nghttp2_session_get_last_proc_stream_id(session_.get());
    nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
    flush();
  });
}

// ---- what streams bring ----------------------------------------------------------------------

void Connection::on_headers(Stream& stream) {
  if (!stream.content_type.starts_with("application/grpc")) return stream.refuse("415");
  if (stream.path == kProcessPath) {
    stream.kind = Stream::Kind::kProcess;
  } else if (stream.path == kHealthCheckPath) {
    stream.kind = Stream::Kind::kHealthCheck;
  } else if (stream.path == kHealthWatchPath) {
    stream.kind = Stream::Kind::kHealthWatch;
  } else {
    stream.fail(GrpcStatus::kUnimplemented, fmt::format("there is no method {}", stream.path));
  }
}

void Connection::on_data(Stream& stream, std::string_view chunk) {
  while (!chunk.empty() && !stream.ended()) {
    partial_bytes_ -= stream.frames.partial_bytes();
    std::string_view message;
    const auto result = stream.frames.next(chunk, shared_.limits.max_message_bytes, message);
    partial_bytes_ += stream.frames.partial_bytes();
    switch (result) {
      case FrameReader::Result::kMessage:
        on_message(stream, message);
        break;
      case FrameReader::Result::kMore:
        if (partial_bytes_ <= shared_.limits.max_partial_bytes) break;
        stream.fail(GrpcStatus::kResourceExhausted, "too many messages wait for their end");
        break;
      case FrameReader::Result::kTooLarge:
        stream.fail(GrpcStatus::kResourceExhausted,
                    fmt::format("a message is larger than {} bytes", shared_.limits.max_message_bytes));
        break;
      case FrameReader::Result::kCompressed:
        stream.fail(GrpcStatus::kUnimplemented, "messages must not be compressed");
        break;
    }
  }
}

void Connection::on_end_of_stream(Stream& stream) {
  if (stream.frames.partial_bytes() > 0) {
    stream.fail(GrpcStatus::kInvalidArgument, "the stream ended within a message");
  } else if (stream.kind == Stream::Kind::kProcess) {
    stream.finish();
  }
}

void Connection::on_message(Stream& stream, std::string_view message) {
  if (stream.kind != Stream::Kind::kProcess) return on_health_request(stream, message);
  if (!decode(message, shared_.request)) {
    return stream.fail(GrpcStatus::kInvalidArgument, "this is no ProcessingRequest that says a part");
  }
  if (stream.handler == nullptr) stream.handler = shared_.service.start(stream);
  stream.handler->on_request(shared_.request);
}

void Connection::on_health_request(Stream& stream, std::string_view message) {
  const auto service = decode_health_request(message);
  if (!service) return stream.fail(GrpcStatus::kInvalidArgument, "this is no HealthCheckRequest");
  const ServingStatus status = shared_.health.status(*service);
  if (stream.kind == Stream::Kind::kHealthCheck) {
    if (status == ServingStatus::kServiceUnknown) {
      return stream.fail(GrpcStatus::kNotFound, fmt::format("nothing is known of `{}`", *service));
    }
    stream.send_bytes(encode_health_response(status));
    stream.finish();
    return;
  }
  stream.watched = *service;
  health_watchers_.insert(&stream);
  stream.send_bytes(encode_health_response(status));
}

void Connection::health_changed(std::string_view service) {
  for (Stream* const stream : health_watchers_) {
    if (stream->watched == service) {
      stream->send_bytes(encode_health_response(shared_.health.status(service)));
    }
  }
}

}  // namespace sluice::extproc
