#include "ads/server.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "envoy/service/discovery/v3/ads.grpc.pb.h"

#include "ads/session.h"
#include "ads/store.h"
#include "ads/stream.h"
#include "ads/tls.h"
#include "ads/visitor.h"

namespace sluice::ads {
namespace {

constexpr int kMaxMessageBytes = 100 << 20;
constexpr std::chrono::milliseconds kShutdown{500};
// For a response that is being written when its stream is to end.
constexpr std::chrono::milliseconds kLastWrite{200};
// A vanished node is noticed after both.
constexpr int kPingMs = 20'000;
constexpr int kPongMs = 10'000;
// From a connection over TLS to the end of its handshake.
constexpr int kHandshakeMs = 10'000;
// A connection over TLS without a stream: an Envoy always has one, and opens another within seconds.
constexpr int kIdleMs = 60'000;
// Of a connection over TLS: Envoy has one, others are refused.
constexpr int kStreams = 16;
// Nodes whose memory is kept while they are away; more are met as new ones when they come back.
constexpr std::size_t kRememberedNodes = 1'000;

// The one thread that owns store and sessions.
class Loop {
 public:
  Loop(Options options, std::function<void(Event)> on_event)
      : options_(std::move(options)), on_event_(std::move(on_event)), thread_([this] { run(); }) {}

  Inbox& inbox() { return *inbox_; }
  void quit() {
    inbox_->post(Quit{});
    thread_.join();
  }

 private:
  struct Connection {
    Stream* stream = nullptr;
    Variant variant = Variant::kDelta;
    std::unique_ptr<Session> session;  // from the first request on
    std::string address;               // of the other end, for people
    std::optional<Account> account;    // who has shown a token
    bool writing = false;
    std::optional<grpc::Status> ending;  // finished once nothing is being written,
    Time cancel_at;                      // which is cancelled then
  };
  using Connections = std::map<std::uint64_t, Connection>;

  void run();
  void on(Opened message);
  void on(Reviewed message);
  void on(Received message);
  void on(Written message);
  void on(const Ended& message);
  void on(NewState message);
  void on(const Retry& message);
  void on(const Removed& message);
  void on(Closing message);
  void on(Quit message);

  // Why the node may not have what it asks for; OK: it may.
  grpc::Status refusal_of(const Connection& connection, const Node& node) const;
  void refuse(std::uint64_t number, Connection& connection, const grpc::Status& status);
  void open_session(Connection& connection, const Node& node);
  // The session has ended, the stream will.
  void close(std::uint64_t number, Connection& connection, const grpc::Status& status);
  void pump(Connection& connection);
  void emit(Session& session);

  const Options options_;
  const std::function<void(Event)> on_event_;
  // Shared with reviews of tokens, which may last longer than the server.
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  RefusalLog refusals_;

  Store store_;
  Connections connections_;
  std::map<std::pair<ir::ProxyKey, std::string>, Memory> memories_;  // of nodes that are away
  Time now_;
  std::set<ir::ProxyKey> changed_;   // proxies that had updates in this round
  std::set<std::uint64_t> touched_;  // connections with something to do in this round
  bool closing_ = false;
  bool quit_ = false;
  std::thread thread_;  // last: it uses the rest
};

void Loop::run() {
  while (!quit_) {
    std::optional<Time> wake;
    const auto by = [&](Time at) { wake = wake ? std::min(*wake, at) : at; };
    for (const auto& [number, connection] : connections_) {
      if (connection.ending) {
        by(connection.cancel_at);
      } else if (connection.session && !connection.writing) {
        if (auto at = connection.session->wake_at()) by(*at);
      }
    }
    std::vector<Message> messages = inbox_->take(wake);
    now_ = std::chrono::steady_clock::now();
    for (Message& message : messages) {
      std::visit([this](auto& m) { on(std::move(m)); }, message);
    }
    for (auto& [number, connection] : connections_) {
      if (connection.ending && connection.cancel_at <= now_) {
        connection.stream->cancel();
        connection.cancel_at = Time::max();
      }
      if (!connection.session) continue;
      if (changed_.contains(connection.session->proxy())) {
        connection.session->on_state(store_.find(connection.session->proxy()), now_);
        touched_.insert(number);
      }
      const std::optional<Time> at = connection.session->wake_at();
      if (at && *at <= now_) {
        connection.session->on_time(now_);
        touched_.insert(number);
      }
    }
    changed_.clear();
    for (std::uint64_t number : std::exchange(touched_, {})) {
      auto it = connections_.find(number);
      if (it != connections_.end()) pump(it->second);
    }
  }
}

void Loop::on(Opened message) {
  Connection connection;
  connection.stream = message.handle;
  connection.variant = message.variant;
  if (closing_) {
    connection.stream->finish({grpc::StatusCode::UNAVAILABLE, "closing"});
    return;
  }
  connection.address = std::move(message.proof.address);
  const std::uint64_t number = message.stream;
  Connection& added = connections_.emplace(number, std::move(connection)).first->second;
  switch (message.proof.kind) {
    case Proof::Kind::kOwner:
    case Proof::Kind::kCertificate:
      return added.stream->read();
    case Proof::Kind::kToken:
      if (options_.tokens.review) {
        return options_.tokens.review(
            std::move(message.proof.token),
            [inbox = std::weak_ptr(inbox_), number](std::expected<Account, TokenFault> account) {
              if (const auto open = inbox.lock()) open->post(Reviewed{number, std::move(account)});
            });
      }
      return refuse(number, added,
                    {grpc::StatusCode::UNAUTHENTICATED, "tokens are not taken here, only certificates"});
    case Proof::Kind::kNone:
      return refuse(number, added,
                    {grpc::StatusCode::UNAUTHENTICATED, "there is neither a certificate nor a token"});
  }
}

void Loop::on(Reviewed message) {
  auto it = connections_.find(message.stream);
  if (it == connections_.end() || it->second.ending) return;
  Connection& connection = it->second;
  if (message.account) {
    connection.account = *std::move(message.account);
    return connection.stream->read();
  }
  const TokenFault& fault = message.account.error();
  refuse(it->first, connection,
         {fault.is_refused ? grpc::StatusCode::UNAUTHENTICATED : grpc::StatusCode::UNAVAILABLE,
          fault.message});
}

grpc::Status Loop::refusal_of(const Connection& connection, const Node& node) const {
  if (!connection.account) return grpc::Status::OK;
  const Account& account = *connection.account;
  if (!account.pod.empty() && account.pod != node.id) {
    return {grpc::StatusCode::PERMISSION_DENIED,
            fmt::format("the token is of the pod `{}`, and the node is `{}`", account.pod, node.id)};
  }
  const auto access = options_.tokens.authorize ? options_.tokens.authorize(account, node.cluster)
                                                : Tokens::Access::kDenied;
  switch (access) {
    case Tokens::Access::kGranted:
      return grpc::Status::OK;
    case Tokens::Access::kUnknownYet:
      return {grpc::StatusCode::UNAVAILABLE,
              fmt::format("whose the proxy `{}` is, is not known yet", node.cluster)};
    case Tokens::Access::kDenied:
      break;
  }
  return {grpc::StatusCode::PERMISSION_DENIED,
          fmt::format("the proxy `{}` is not of the ServiceAccount {}/{}", node.cluster, account.name_space,
                      account.name)};
}

void Loop::refuse(std::uint64_t number, Connection& connection, const grpc::Status& status) {
  refusals_.refused(connection.address, status.error_message(), now_);
  close(number, connection, status);
}

void Loop::on(Received message) {
  auto it = connections_.find(message.stream);
  if (it == connections_.end() || it->second.ending) return;
  Connection& connection = it->second;
  if (!connection.session) {
    if (!message.node) {
      close(it->first, connection, {grpc::StatusCode::INVALID_ARGUMENT, "the first request has no node"});
      return;
    }
    if (const grpc::Status refusal = refusal_of(connection, *message.node); !refusal.ok()) {
      return refuse(it->first, connection, refusal);
    }
    open_session(connection, *message.node);
  }
  if (auto* delta = std::get_if<DeltaRequest>(&message.request)) connection.session->on_request(*delta, now_);
  if (auto* sotw = std::get_if<SotwRequest>(&message.request)) connection.session->on_request(*sotw, now_);
  connection.stream->read();
  touched_.insert(it->first);
}

void Loop::on(Written message) {
  auto it = connections_.find(message.stream);
  if (it == connections_.end()) return;
  Connection& connection = it->second;
  connection.writing = false;
  if (connection.ending) {
    connection.stream->finish(*connection.ending);
    connections_.erase(it);
    return;
  }
  touched_.insert(it->first);
}

void Loop::on(const Ended& message) {
  auto it = connections_.find(message.stream);
  if (it != connections_.end() && !it->second.ending) close(it->first, it->second, message.status);
}

void Loop::on(NewState message) {
  store_.apply(message.proxy, message.update);
  changed_.insert(std::move(message.proxy));
}

void Loop::on(const Retry& message) {
  for (auto& [number, connection] : connections_) {
    if (!connection.session || connection.session->proxy() != message.proxy) continue;
    connection.session->retry(message.type, message.name, now_);
    touched_.insert(number);
  }
  for (auto& [node, memory] : memories_) {
    if (node.first == message.proxy) memory.refusals.erase({message.type, message.name});
  }
}

void Loop::on(const Removed& message) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    auto& [number, connection] = *it++;
    if (connection.session && connection.session->proxy() == message.proxy) {
      close(number, connection, {grpc::StatusCode::UNAVAILABLE, "the proxy is gone"});
    }
  }
  std::erase_if(memories_, [&](const auto& memory) { return memory.first.first == message.proxy; });
  changed_.erase(message.proxy);
  store_.remove(message.proxy);
}

void Loop::on(Closing /*message*/) {
  closing_ = true;
  for (auto it = connections_.begin(); it != connections_.end();) {
    auto& [number, connection] = *it++;
    if (!connection.ending) close(number, connection, {grpc::StatusCode::UNAVAILABLE, "closing"});
  }
}

void Loop::on(Quit /*message*/) { quit_ = true; }

void Loop::open_session(Connection& connection, const Node& node) {
  Memory memory;
  if (auto known = memories_.find({node.cluster, node.id}); known != memories_.end()) {
    memory = std::move(known->second);
    memories_.erase(known);
  }
  connection.session =
      std::make_unique<Session>(connection.variant, node.cluster, node.id, options_, std::move(memory));
  on_event_(Connected{node.cluster, node.id});
  if (const ProxyState* state = store_.find(node.cluster)) connection.session->on_state(state, now_);
}

void Loop::close(std::uint64_t number, Connection& connection, const grpc::Status& status) {
  if (connection.session) {
    Session& session = *connection.session;
    emit(session);
    on_event_(Disconnected{session.proxy(), session.node()});
    Memory memory = session.take_memory();
    if (!memory.empty() && memories_.size() < kRememberedNodes) {
      memories_[{session.proxy(), session.node()}] = std::move(memory);
    }
    connection.session.reset();
  }
  if (connection.writing) {
    connection.ending = status;
    connection.cancel_at = now_ + kLastWrite;
    return;
  }
  connection.stream->finish(status);
  connections_.erase(number);
}

void Loop::pump(Connection& connection) {
  if (!connection.session) return;
  emit(*connection.session);
  if (connection.writing) return;
  if (const std::optional<Response> response = connection.session->next(now_)) {
    connection.stream->write(connection.variant == Variant::kDelta ? serialize_delta(*response)
                                                                   : serialize_sotw(*response));
    connection.writing = true;
    std::size_t bytes = 0;
    for (const ResourcePtr& resource : response->resources)
      bytes += resource->bytes ? resource->bytes->size() : 0;
    on_event_(Sent{connection.session->proxy(), connection.session->node(), response->type,
                   response->resources.size() + response->removed.size(), bytes});
  }
  emit(*connection.session);
}

void Loop::emit(Session& session) {
  for (Event& event : session.take_events()) on_event_(std::move(event));
}

using Ads = envoy::service::discovery::v3::AggregatedDiscoveryService;
using RawAds = Ads::WithRawCallbackMethod_StreamAggregatedResources<
    Ads::WithRawCallbackMethod_DeltaAggregatedResources<Ads::Service>>;

// One for each server of gRPC's, which takes no service that another has.
class Service final : public RawAds {
 public:
  Service(bool over_tls, Inbox* inbox, StreamCount* count, std::atomic<std::uint64_t>* streams)
      : over_tls_(over_tls), inbox_(inbox), count_(count), streams_(streams) {}

  using RawAds::DeltaAggregatedResources;
  using RawAds::StreamAggregatedResources;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StreamAggregatedResources(
      grpc::CallbackServerContext* context) override {
    return open(Variant::kSotw, context);
  }
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* DeltaAggregatedResources(
      grpc::CallbackServerContext* context) override {
    return open(Variant::kDelta, context);
  }

 private:
  Stream* open(Variant variant, grpc::CallbackServerContext* context) {
    Proof proof = over_tls_ ? proof_of(*context) : Proof{.kind = Proof::Kind::kOwner};
    return new Stream(variant, ++*streams_, context, std::move(proof), inbox_, count_);
  }

  const bool over_tls_;
  Inbox* const inbox_;
  StreamCount* const count_;
  std::atomic<std::uint64_t>* const streams_;
};

void set_limits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPongMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1'000);
}

class GrpcServer final : public Server {
 public:
  GrpcServer(const Options& options, std::function<void(Event)> on_event)
      : socket_path_(options.socket_path),
        tcp_address_(options.tcp_address),
        loop_(options, std::move(on_event)),
        service_(false, &loop_.inbox(), &count_, &streams_),
        tls_service_(true, &loop_.inbox(), &count_, &streams_) {}
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;
  ~GrpcServer() override;

  bool start();

  void update(const ir::ProxyKey& proxy, Update update) override {
    loop_.inbox().post(NewState{proxy, std::move(update)});
  }
  void retry(const ir::ProxyKey& proxy, xds::ResourceType type, const std::string& name) override {
    loop_.inbox().post(Retry{proxy, type, name});
  }
  void remove(const ir::ProxyKey& proxy) override { loop_.inbox().post(Removed{proxy}); }
  std::expected<void, Problem> set_credentials(pki::Credentials credentials) override;
  std::uint16_t tcp_port() const override { return tcp_port_; }

 private:
  bool start_tls(pki::Credentials credentials);

  const std::string socket_path_;
  const std::string tcp_address_;
  StreamCount count_;
  std::atomic<std::uint64_t> streams_ = 0;
  Loop loop_;
  Service service_;
  Service tls_service_;
  std::unique_ptr<grpc::Server> server_;

  std::mutex tls_mutex_;  // of these
  std::shared_ptr<TlsCredentials> tls_;
  std::unique_ptr<grpc::Server> tls_server_;  // null: not yet
  std::atomic<std::uint16_t> tcp_port_ = 0;
};

bool GrpcServer::start() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket_path_, grpc::InsecureServerCredentials());
  set_limits(builder);
  builder.RegisterService(&service_);
  // Born private; the mask is the process's, but a file that another thread makes meanwhile only gets more
  // private.
  const mode_t mask = umask(0177);
  server_ = builder.BuildAndStart();
  umask(mask);
  return server_ != nullptr;
}

bool GrpcServer::start_tls(pki::Credentials credentials) {
  take_over_grpc_log();
  tls_ = std::make_shared<TlsCredentials>(std::move(credentials));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(tcp_address_, tls_, &port);
  set_limits(builder);
  // Another sluice that listens there would get some of our Envoys, and we some of its; and see tls.h.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreams);
  builder.RegisterService(&tls_service_);
  tls_server_ = builder.BuildAndStart();
  tcp_port_ = tls_server_ == nullptr ? std::uint16_t{0} : static_cast<std::uint16_t>(port);
  return tls_server_ != nullptr;
}

std::expected<void, Problem> GrpcServer::set_credentials(pki::Credentials credentials) {
  Problem problem;
  if (std::string fault = pki::fault_of(credentials); !fault.empty()) {
    problem.code = "value/xds-certificate";
    problem.message = fmt::format("Envoys cannot be shown this certificate: {}", fault);
    return std::unexpected(std::move(problem));
  }
  const std::lock_guard lock(tls_mutex_);
  if (tls_server_ != nullptr) {
    tls_->replace(std::move(credentials));
    return {};
  }
  if (start_tls(std::move(credentials))) return {};
  problem.code = "value/xds-address";
  problem.message = fmt::format("cannot listen on `{}`", tcp_address_);
  problem.suggestion = "it has to be ADDRESS:PORT, and no other program may listen there";
  return std::unexpected(std::move(problem));
}

GrpcServer::~GrpcServer() {
  loop_.inbox().post(Closing{});
  const auto deadline = std::chrono::system_clock::now() + kShutdown;
  if (tls_server_) tls_server_->Shutdown(deadline);
  if (server_) server_->Shutdown(deadline);
  count_.wait_for_none();
  loop_.quit();
}

// Whether the path can be bound; removes what a dead server has left there.
bool make_way(const std::string& path, Problem* problem) {
  const auto fail = [&](const char* code, std::string message) {
    problem->code = code;
    problem->message = std::move(message);
    return false;
  };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return fail("value/socket-path", fmt::format("the path of a socket has 1 to {} bytes, `{}` has {}",
                                                 sizeof(address.sun_path) - 1, path, path.size()));
  }
  path.copy(address.sun_path, path.size());

  struct stat file{};
  if (lstat(path.c_str(), &file) != 0) {
    if (errno == ENOENT) return true;
    return fail("value/socket-path", fmt::format("`{}`: {}", path, std::strerror(errno)));
  }
  if (!S_ISSOCK(file.st_mode)) return fail("conflict/socket-path", fmt::format("`{}` is a file", path));
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return fail("value/socket-path", fmt::format("no socket: {}", std::strerror(errno)));
  const int result = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  ::close(probe);
  // Anything but a refusal is the sign of a listener, if perhaps of a busy one.
  if (result == 0 || error != ECONNREFUSED) {
    return fail("conflict/socket-path", fmt::format("another server listens on `{}`", path));
  }
  if (unlink(path.c_str()) != 0)
    return fail("value/socket-path", fmt::format("`{}`: {}", path, std::strerror(errno)));
  return true;
}

}  // namespace

std::unique_ptr<Server> start_server(const Options& options, std::function<void(Event)> on_event,
                                     Problem* problem) {
  if (!make_way(options.socket_path, problem)) return nullptr;
  auto server = std::make_unique<GrpcServer>(options, std::move(on_event));
  if (!server->start()) {
    problem->code = "value/socket-path";
    problem->message = fmt::format("cannot listen on `{}`", options.socket_path);
    return nullptr;
  }
  return server;
}

}  // namespace sluice::ads
