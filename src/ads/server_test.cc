// The server with real clients on its socket, and with the real Envoy.
#include "ads/server.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"

#include "ads/channel_test.h"
#include "ads/protocol.h"

namespace sluice::ads {
namespace {

using namespace std::chrono_literals;
using envoy::service::discovery::v3::AggregatedDiscoveryService;
using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using ::testing::HasSubstr;
using Type = xds::ResourceType;

constexpr auto kPatience = 20s;

// Events, as they come on the server's thread.
class Events {
 public:
  void add(Event event) {
    std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    added_.notify_all();
  }
  void clear() {
    std::lock_guard lock(mutex_);
    events_.clear();
  }
  // Waits for an event of the type that fits.
  template <typename E, typename Fits>
  std::optional<E> wait(Fits fits) {
    std::unique_lock lock(mutex_);
    std::optional<E> found;
    added_.wait_for(lock, kPatience, [&] {
      for (const Event& event : events_) {
        if (const E* e = std::get_if<E>(&event); e && fits(*e)) found = *e;
      }
      return found.has_value();
    });
    return found;
  }
  template <typename E>
  std::optional<E> wait() {
    return wait<E>([](const E&) { return true; });
  }
  bool acknowledged(std::uint64_t commit) {
    return wait<Acknowledged>([&](const Acknowledged& a) { return a.commit == commit; }).has_value();
  }

 private:
  std::mutex mutex_;
  std::condition_variable added_;
  std::vector<Event> events_;
};

Resource resource(Type type, std::string name, std::string bytes, std::vector<std::string> clusters = {}) {
  Resource r{.type = type, .name = std::move(name), .version = xds::content_hash(bytes)};
  r.bytes = std::make_shared<const std::string>(std::move(bytes));
  r.clusters = std::move(clusters);
  return r;
}

// What a node says first on a stream.
template <typename Request>
Request first_request(Type type) {
  Request request;
  request.mutable_node()->set_id("node");
  request.mutable_node()->set_cluster("proxy");
  request.set_type_url(std::string(xds::type_url(type)));
  return request;
}

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ads-XXXXXX").string();
    dir_ = mkdtemp(pattern.data());
    options_.socket_path = dir_ / "xds.sock";
  }
  ~ServerTest() override {
    server_.reset();
    std::filesystem::remove_all(dir_);
  }

  std::unique_ptr<Server> start() {
    problem_ = {};
    return start_server(options_, [this](Event event) { events_.add(std::move(event)); }, &problem_);
  }
  std::unique_ptr<AggregatedDiscoveryService::Stub> stub() {
    return AggregatedDiscoveryService::NewStub(unix_channel(options_.socket_path));
  }

  std::filesystem::path dir_;
  Options options_;
  Events events_;  // outlives the server
  Problem problem_;
  std::unique_ptr<Server> server_;
};

// ---- the socket --------------------------------------------------------------------------------

TEST_F(ServerTest, TheSocketIsTheOwnersAlone) {
  server_ = start();
  ASSERT_TRUE(server_);
  struct stat file{};
  ASSERT_EQ(stat(options_.socket_path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777U, 0600U);
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(options_.socket_path));
}

TEST_F(ServerTest, ALiveServerKeepsItsSocket) {
  server_ = start();
  ASSERT_TRUE(server_);
  EXPECT_FALSE(start());
  EXPECT_EQ(problem_.code, "conflict/socket-path");
  EXPECT_EQ(problem_.message, fmt::format("another server listens on `{}`", options_.socket_path));
}

TEST_F(ServerTest, ADeadServersSocketIsTaken) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  options_.socket_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::close(fd);
  ASSERT_TRUE(std::filesystem::exists(options_.socket_path));
  server_ = start();
  EXPECT_TRUE(server_) << problem_.message;
}

TEST_F(ServerTest, WhatIsNoSocketIsNotTouched) {
  std::ofstream(options_.socket_path) << "mine";
  EXPECT_FALSE(start());
  EXPECT_EQ(problem_.message, fmt::format("`{}` is a file", options_.socket_path));
  EXPECT_TRUE(std::filesystem::exists(options_.socket_path));
}

TEST_F(ServerTest, APathMustFitAndItsFolderExist) {
  options_.socket_path = (dir_ / std::string(120, 'x')).string();
  EXPECT_FALSE(start());
  EXPECT_THAT(problem_.message, HasSubstr("1 to 107 bytes"));
  options_.socket_path = (dir_ / "none" / "xds.sock").string();
  EXPECT_FALSE(start());
  EXPECT_EQ(problem_.code, "value/socket-path");
}

// ---- clients -----------------------------------------------------------------------------------

TEST_F(ServerTest, ADeltaClientIsServed) {
  server_ = start();
  ASSERT_TRUE(server_);
  server_->update("proxy", {1, {resource(Type::kCluster, "a", "A"), resource(Type::kCluster, "b", "B")}, {}});
  const auto ads = stub();
  grpc::ClientContext context;
  const auto stream = ads->DeltaAggregatedResources(&context);
  auto request = first_request<DeltaDiscoveryRequest>(Type::kCluster);
  ASSERT_TRUE(stream->Write(request));

  DeltaDiscoveryResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.type_url(), xds::type_url(Type::kCluster));
  ASSERT_EQ(response.resources_size(), 2);
  EXPECT_EQ(response.resources(0).name(), "a");
  EXPECT_EQ(response.resources(0).version(), version_text(xds::content_hash("A")));
  EXPECT_EQ(response.resources(0).resource().type_url(), xds::type_url(Type::kCluster));
  EXPECT_EQ(response.resources(0).resource().value(), "A");

  DeltaDiscoveryRequest listeners;
  listeners.set_type_url(std::string(xds::type_url(Type::kListener)));
  ASSERT_TRUE(stream->Write(listeners));
  DeltaDiscoveryRequest unknown;
  unknown.set_type_url("type.googleapis.com/envoy.service.runtime.v3.Runtime");
  ASSERT_TRUE(stream->Write(unknown));
  request.clear_node();
  request.set_response_nonce(response.nonce());
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));  // no listeners
  listeners.set_response_nonce(response.nonce());
  ASSERT_TRUE(stream->Write(listeners));
  EXPECT_TRUE(events_.wait<Connected>());
  EXPECT_TRUE(events_.acknowledged(1));

  server_->update("proxy", {2, {resource(Type::kCluster, "a", "A2")}, {}});
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_EQ(response.resources_size(), 1);
  EXPECT_EQ(response.resources(0).resource().value(), "A2");

  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  const auto gone = events_.wait<Disconnected>();
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->node, "node");
  EXPECT_EQ(gone->proxy, "proxy");
}

TEST_F(ServerTest, AStateOfTheWorldClientIsServed) {
  server_ = start();
  ASSERT_TRUE(server_);
  server_->update("proxy", {1, {resource(Type::kCluster, "a", "A"), resource(Type::kCluster, "b", "B")}, {}});
  const auto ads = stub();
  auto request = first_request<DiscoveryRequest>(Type::kCluster);
  DiscoveryResponse response;
  {
    grpc::ClientContext context;
    const auto stream = ads->StreamAggregatedResources(&context);
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_EQ(response.resources_size(), 2);
    EXPECT_EQ(response.resources(1).value(), "B");
    context.TryCancel();
  }
  ASSERT_TRUE(events_.wait<Disconnected>());

  // With the version it has, it gets only what is new.
  grpc::ClientContext context;
  const auto stream = ads->StreamAggregatedResources(&context);
  const std::string version = response.version_info();
  request.set_version_info(version);
  ASSERT_TRUE(stream->Write(request));
  DiscoveryRequest routes;
  routes.set_type_url(std::string(xds::type_url(Type::kRoutes)));
  routes.add_resource_names("web");
  ASSERT_TRUE(stream->Write(routes));
  server_->update("proxy", {2, {resource(Type::kRoutes, "web", "W")}, {}});
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.type_url(), xds::type_url(Type::kRoutes));
  server_->update("proxy", {3, {resource(Type::kCluster, "c", "C")}, {}});
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.resources_size(), 3);
  EXPECT_NE(response.version_info(), version);
  context.TryCancel();
}

TEST_F(ServerTest, ALargeRouteTableArrivesWhole) {
  server_ = start();
  ASSERT_TRUE(server_);
  std::string bytes;
  for (int i = 0; bytes.size() < (20U << 20U); ++i) bytes += fmt::format("{} ", i);
  server_->update("proxy",
                  {1, {resource(Type::kRoutes, "web", bytes), resource(Type::kRoutes, "api", "small")}, {}});
  const auto ads = stub();
  grpc::ClientContext context;
  const auto stream = ads->DeltaAggregatedResources(&context);
  auto request = first_request<DeltaDiscoveryRequest>(Type::kRoutes);
  request.add_resource_names_subscribe("web");
  request.add_resource_names_subscribe("api");
  ASSERT_TRUE(stream->Write(request));
  DeltaDiscoveryResponse response;
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_EQ(response.resources_size(), 2);
  EXPECT_EQ(response.resources(0).resource().value(), "small");
  EXPECT_TRUE(response.resources(1).resource().value() == bytes);
  context.TryCancel();
}

TEST_F(ServerTest, AClientWithoutANodeIsSentAway) {
  server_ = start();
  ASSERT_TRUE(server_);
  const auto ads = stub();
  grpc::ClientContext context;
  const auto stream = ads->DeltaAggregatedResources(&context);
  ASSERT_TRUE(stream->Write(DeltaDiscoveryRequest()));
  DeltaDiscoveryResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServerTest, ARemovedProxysStreamsEnd) {
  server_ = start();
  ASSERT_TRUE(server_);
  server_->update("proxy", {1, {}, {}});
  const auto ads = stub();
  grpc::ClientContext context;
  const auto stream = ads->DeltaAggregatedResources(&context);
  auto request = first_request<DeltaDiscoveryRequest>(Type::kCluster);
  ASSERT_TRUE(stream->Write(request));
  DeltaDiscoveryResponse response;
  ASSERT_TRUE(stream->Read(&response));
  server_->remove("proxy");
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(events_.wait<Disconnected>());
  // The number of a proxy's commits starts again.
  server_->update("proxy", {1, {}, {}});
}

TEST_F(ServerTest, AClientThatDoesNotReadHoldsUpNobody) {
  server_ = start();
  ASSERT_TRUE(server_);
  server_->update("proxy", {1, {resource(Type::kCluster, "a", std::string(30U << 20U, 'x'))}, {}});
  const auto ads = stub();
  grpc::ClientContext context;
  const auto stuck = ads->DeltaAggregatedResources(&context);
  DeltaDiscoveryRequest request;
  request.mutable_node()->set_id("stuck");
  request.mutable_node()->set_cluster("proxy");
  request.set_type_url(std::string(xds::type_url(Type::kCluster)));
  ASSERT_TRUE(stuck->Write(request));

  const auto other = stub();
  grpc::ClientContext other_context;
  const auto stream = other->DeltaAggregatedResources(&other_context);
  request.mutable_node()->set_id("node");
  ASSERT_TRUE(stream->Write(request));
  DeltaDiscoveryResponse response;
  EXPECT_TRUE(stream->Read(&response));

  // And the server can close.
  const auto start = std::chrono::steady_clock::now();
  server_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 1s);
}

// ---- Envoy -------------------------------------------------------------------------------------

template <typename Message>
std::string from_json(const std::string& json) {
  Message message;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &message);
  EXPECT_TRUE(status.ok()) << status.ToString() << "\n" << json;
  return message.SerializeAsString();
}

Resource envoy_cluster(const std::string& name, const std::string& timeout = "1s") {
  return resource(Type::kCluster, name,
                  from_json<envoy::config::cluster::v3::Cluster>(fmt::format(
                      R"({{"name": "{}", "type": "EDS", "connect_timeout": "{}",
           "eds_cluster_config": {{"eds_config": {{"ads": {{}}, "resource_api_version": "V3"}}}}}})",
                      name, timeout)));
}

Resource envoy_endpoints(const std::string& name, const std::string& pipe) {
  return resource(Type::kEndpoints, name,
                  from_json<envoy::config::endpoint::v3::ClusterLoadAssignment>(fmt::format(
                      R"({{"cluster_name": "{}", "endpoints": [{{"lb_endpoints": [
           {{"endpoint": {{"address": {{"pipe": {{"path": "{}"}}}}}}}}]}}]}})",
                      name, pipe)));
}

// `extra` is more of the filter chain, as JSON that ends with a comma.
Resource envoy_listener(const std::string& name, const std::string& table, const std::string& extra = "") {
  return resource(
      Type::kListener, name,
      from_json<envoy::config::listener::v3::Listener>(fmt::format(
          R"({{"name": "{}", "address": {{"socket_address": {{"address": "127.0.0.1", "port_value": 0}}}},
           "filter_chains": [{{{} "filters": [{{"name": "envoy.filters.network.http_connection_manager",
             "typed_config": {{
               "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
               "stat_prefix": "http",
               "rds": {{"route_config_name": "{}", "config_source": {{"ads": {{}}, "resource_api_version": "V3"}}}},
               "http_filters": [{{"name": "envoy.filters.http.router", "typed_config": {{
                 "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}}}]
             }}}}]}}]}})",
          name, extra, table)));
}

// Path → cluster; everything is rewritten to /ready.
Resource envoy_routes(const std::string& name, const std::vector<std::pair<std::string, std::string>>& paths,
                      const std::string& domains = R"("*")") {
  std::string json;
  std::vector<std::string> clusters;
  for (const auto& [path, cluster] : paths) {
    json += fmt::format(
        R"({}{{"match": {{"path": "{}"}}, "route": {{"cluster": "{}", "prefix_rewrite": "/ready"}}}})",
        json.empty() ? "" : ",", path, cluster);
    clusters.push_back(cluster);
  }
  std::ranges::sort(clusters);
  return resource(
      Type::kRoutes, name,
      from_json<envoy::config::route::v3::RouteConfiguration>(fmt::format(
          R"({{"name": "{}", "virtual_hosts": [{{"name": "all", "domains": [{}], "routes": [{}]}}]}})", name,
          domains, json)),
      clusters);
}

class EnvoyTest : public ServerTest, public ::testing::WithParamInterface<Variant> {
 protected:
  ~EnvoyTest() override {
    server_.reset();
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    if (HasFailure()) {
      std::ifstream log(dir_ / "envoy.log");
      std::cerr << log.rdbuf();
    }
  }

  void start_envoy() {
    std::ofstream(dir_ / "envoy.json") << fmt::format(
        R"({{"node": {{"id": "node", "cluster": "proxy"}},
             "admin": {{"address": {{"pipe": {{"path": "{0}/admin.sock", "mode": 384}}}}}},
             "dynamic_resources": {{
               "ads_config": {{"api_type": "{1}", "transport_api_version": "V3",
                 "grpc_services": [{{"envoy_grpc": {{"cluster_name": "xds",
                   "retry_policy": {{"retry_back_off": {{"base_interval": "0.1s", "max_interval": "0.5s"}}}}}}}}]}},
               "cds_config": {{"ads": {{}}, "resource_api_version": "V3"}},
               "lds_config": {{"ads": {{}}, "resource_api_version": "V3"}}}},
             "static_resources": {{"clusters": [{{"name": "xds", "type": "STATIC", "connect_timeout": "1s",
               "typed_extension_protocol_options": {{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {{
                 "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                 "explicit_http_config": {{"http2_protocol_options": {{}}}}}}}},
               "load_assignment": {{"cluster_name": "xds", "endpoints": [{{"lb_endpoints": [
                 {{"endpoint": {{"address": {{"pipe": {{"path": "{2}"}}}}}}}}]}}]}}}}]}}}})",
        dir_.string(), GetParam() == Variant::kDelta ? "DELTA_GRPC" : "GRPC", options_.socket_path);
    const std::string config = dir_ / "envoy.json";
    const std::string log = dir_ / "envoy.log";
    pid_ = fork();
    if (pid_ == 0) {
      const int out = open(log.c_str(), O_WRONLY | O_CREAT, 0600);
      dup2(out, 1);
      dup2(out, 2);
      execl("build/envoy/envoy", "envoy", "-c", config.c_str(), "--concurrency", "1", "--disable-hot-restart",
            "-l", "warning", nullptr);
      _exit(127);
    }
  }

  // The answer's status line, headers and body; empty when nobody listens.
  static std::string http(int fd, const sockaddr* address, socklen_t size, const std::string& path) {
    std::string answer;
    if (connect(fd, address, size) == 0) {
      const std::string request =
          fmt::format("GET {} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n", path);
      if (::write(fd, request.data(), request.size()) > 0) {
        char buffer[4096];
        for (ssize_t n; (n = ::read(fd, buffer, sizeof(buffer))) > 0;)
          answer.append(buffer, static_cast<std::size_t>(n));
      }
    }
    ::close(fd);
    return answer;
  }
  std::string admin(const std::string& path) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (dir_ / "admin.sock").string().copy(address.sun_path, sizeof(address.sun_path) - 1);
    return http(socket(AF_UNIX, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&address), sizeof(address),
                path);
  }
  std::string get(const std::string& path) const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return http(socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&address), sizeof(address),
                path);
  }
  // Tries until the text is there.
  template <typename Ask>
  static std::string until(Ask ask, const std::string& text) {
    std::string answer;
    for (int i = 0; i < 200; ++i) {
      answer = ask();
      if (answer.find(text) != std::string::npos) break;
      std::this_thread::sleep_for(50ms);
    }
    return answer;
  }
  void find_port() {
    const std::string text = "http::127.0.0.1:";
    const std::string answer = until([&] { return admin("/listeners"); }, text);
    const std::size_t at = answer.find(text);
    ASSERT_NE(at, std::string::npos) << answer;
    port_ = static_cast<std::uint16_t>(std::stoi(answer.substr(at + text.size())));
  }
  std::string stat(const std::string& name) const {
    std::istringstream lines(admin("/stats"));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(name + ": ")) return line.substr(name.size() + 2);
    }
    return "none";
  }

  pid_t pid_ = 0;
  std::uint16_t port_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Variants, EnvoyTest, ::testing::Values(Variant::kDelta, Variant::kSotw),
                         [](const auto& param) { return param.param == Variant::kDelta ? "Delta" : "Sotw"; });

TEST_P(EnvoyTest, IsServedFromStartToReconnection) {
  const std::string pipe = dir_ / "admin.sock";  // Envoy's own admin interface is the backend
  options_.removal_grace = 300ms;
  server_ = start();
  ASSERT_TRUE(server_);
  const std::vector<Resource> first = {envoy_cluster("a"), envoy_endpoints("a", pipe),
                                       envoy_listener("http", "web"), envoy_routes("web", {{"/a", "a"}})};
  server_->update("proxy", {1, first, {}});
  start_envoy();
  ASSERT_TRUE(events_.acknowledged(1));
  find_port();
  EXPECT_THAT(until([&] { return get("/a"); }, "LIVE"), HasSubstr("LIVE"));

  // A bad route table: Envoy keeps the old one and says why.
  server_->update("proxy", {2, {envoy_routes("web", {{"/a", "a"}}, R"("*", "*")")}, {}});
  const auto rejected = events_.wait<Rejected>();
  ASSERT_TRUE(rejected);
  EXPECT_EQ(rejected->name, "web");
  EXPECT_EQ(rejected->commit, 2U);
  EXPECT_FALSE(rejected->message.empty());
  ASSERT_TRUE(events_.acknowledged(2));
  EXPECT_THAT(get("/a"), HasSubstr("LIVE"));

  // A new cluster and its route.
  server_->update("proxy", {3,
                            {envoy_cluster("b"), envoy_endpoints("b", pipe),
                             envoy_routes("web", {{"/a", "a"}, {"/b", "b"}})},
                            {}});
  ASSERT_TRUE(events_.acknowledged(3));
  EXPECT_THAT(until([&] { return get("/b"); }, "LIVE"), HasSubstr("LIVE"));

  // A cluster changes in place: without its endpoints Envoy would wait 15 seconds.
  const auto start_time = std::chrono::steady_clock::now();
  server_->update("proxy", {4, {envoy_cluster("a", "2s")}, {}});
  ASSERT_TRUE(events_.acknowledged(4));
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, 5s);
  EXPECT_THAT(get("/a"), HasSubstr("LIVE"));

  // A cluster without endpoints is warm, too.
  server_->update("proxy", {5,
                            {envoy_cluster("c"), envoy_routes("web", {{"/a", "a"}, {"/c", "c"}})},
                            {{Type::kCluster, "b"}, {Type::kEndpoints, "b"}}});
  ASSERT_TRUE(events_.acknowledged(5));
  EXPECT_THAT(until([&] { return get("/c"); }, "503"), HasSubstr("503"));
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, 10s);
  // After the grace b is gone.
  std::string clusters;
  for (int i = 0; i < 100; ++i) {
    clusters = admin("/clusters");
    if (clusters.find("b::") == std::string::npos) break;
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_EQ(clusters.find("b::"), std::string::npos) << clusters;

  // A bad cluster and a good one: the good one lives.
  const Resource bad = resource(Type::kCluster, "bad",
                                from_json<envoy::config::cluster::v3::Cluster>(
                                    R"({"name": "bad", "type": "STATIC", "connect_timeout": "-1s"})"));
  events_.clear();
  server_->update("proxy", {6,
                            {bad, envoy_cluster("d"), envoy_endpoints("d", pipe),
                             envoy_routes("web", {{"/a", "a"}, {"/d", "d"}})},
                            {{Type::kCluster, "c"}}});
  const auto rejected_cluster = events_.wait<Rejected>();
  ASSERT_TRUE(rejected_cluster);
  EXPECT_EQ(rejected_cluster->name, "bad");
  ASSERT_TRUE(events_.acknowledged(6));
  EXPECT_THAT(until([&] { return get("/d"); }, "LIVE"), HasSubstr("LIVE"));

  // The server restarts without a memory: nothing is pushed that Envoy has.
  std::vector<Resource> all = {envoy_cluster("a", "2s"),
                               envoy_endpoints("a", pipe),
                               envoy_cluster("d"),
                               envoy_endpoints("d", pipe),
                               envoy_listener("http", "web"),
                               envoy_routes("web", {{"/a", "a"}, {"/d", "d"}})};
  server_->update("proxy", {7, {}, {{Type::kCluster, "bad"}}});
  ASSERT_TRUE(events_.acknowledged(7));
  for (int i = 0; i < 100 && admin("/clusters").find("c::") != std::string::npos; ++i)
    std::this_thread::sleep_for(50ms);
  const std::string cds = stat("cluster_manager.cds.update_success");
  const std::string lds = stat("listener_manager.lds.update_success");
  const std::string rds = stat("http.http.rds.web.update_success");
  server_.reset();
  events_.clear();
  server_ = start();
  ASSERT_TRUE(server_);
  server_->update("proxy", {1, all, {}});
  ASSERT_TRUE(events_.acknowledged(1));
  EXPECT_EQ(stat("cluster_manager.cds.update_success"), cds);
  EXPECT_EQ(stat("listener_manager.lds.update_success"), lds);
  EXPECT_EQ(stat("http.http.rds.web.update_success"), rds);
  EXPECT_THAT(get("/d"), HasSubstr("LIVE"));
  server_->update("proxy", {2, {envoy_routes("web", {{"/e", "a"}})}, {}});
  ASSERT_TRUE(events_.acknowledged(2));
  EXPECT_THAT(until([&] { return get("/e"); }, "LIVE"), HasSubstr("LIVE"));
}

TEST_P(EnvoyTest, WhatDoesNotExistHoldsUpNoListener) {
  server_ = start();
  ASSERT_TRUE(server_);
  server_->update("proxy", {1, {envoy_listener("http", "none")}, {}});
  start_envoy();
  ASSERT_TRUE(events_.acknowledged(1));
  find_port();
  EXPECT_THAT(until([&] { return get("/"); }, "404"), HasSubstr("404"));

  if (GetParam() == Variant::kSotw) return;  // it cannot say that a secret does not exist
  const std::string tls = R"("transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
      "common_tls_context": {"tls_certificate_sds_secret_configs": [
        {"name": "none", "sds_config": {"ads": {}, "resource_api_version": "V3"}}]}}},)";
  const auto start_time = std::chrono::steady_clock::now();
  server_->update("proxy", {2, {envoy_listener("https", "none", tls)}, {}});
  ASSERT_TRUE(events_.acknowledged(2));
  EXPECT_THAT(until([&] { return admin("/listeners"); }, "https::"), HasSubstr("https::"));
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, 5s);
}

}  // namespace
}  // namespace sluice::ads
