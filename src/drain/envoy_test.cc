// The end of a real Envoy, which is expected under build/ in the repository: long requests finish, and
// clients are told to connect elsewhere.
#include <csignal>
#include <filesystem>
#include <future>
#include <memory>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/spawn.h"
#include "drain/drainer.h"
#include "drain/testing.h"

namespace sluice::drain {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

json tcp(std::uint16_t port) {
  return {{"socket_address", {{"address", "127.0.0.1"}, {"port_value", port}}}};
}

std::uint16_t free_port() {
  return TcpServer([](const Descriptor&) {}).port();
}

// Sends the request, and what comes up to the end of its answer's headers and `end`.
std::string exchange(const Descriptor& socket, std::string_view path, std::string_view end) {
  const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", path);
  ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
  std::string response;
  while (!response.contains("\r\n\r\n") || !response.ends_with(end)) {
    const std::string piece = read_some(socket);
    if (piece.empty()) break;
    response += piece;
  }
  return response;
}

// RFC 9113: what a client begins with, and GET /short, complete.
using namespace std::string_view_literals;
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"sv;
constexpr std::string_view kShortRequest =
    "\0\0\x0d\1\5\0\0\0\1"  // 13 bytes of HEADERS on stream 1, the end of both
    "\x82\x86\4\6/short\x41\1a"sv;
constexpr char kGoAway = 7;

void send_http2(const Descriptor& socket, std::string_view bytes) {
  ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

// Whether a frame of this type comes before the end of the connection.
bool has_frame(const Descriptor& socket, char type) {
  constexpr std::size_t kHead = 9;
  std::string bytes;
  while (true) {
    while (bytes.size() < kHead) {
      const std::string piece = read_some(socket);
      if (piece.empty()) return false;
      bytes += piece;
    }
    if (bytes[3] == type) return true;
    const auto byte = [&bytes](std::size_t at) { return std::size_t{static_cast<unsigned char>(bytes[at])}; };
    const std::size_t size = kHead + (byte(0) << 16 | byte(1) << 8 | byte(2));
    while (bytes.size() < size) {
      const std::string piece = read_some(socket);
      if (piece.empty()) return false;
      bytes += piece;
    }
    bytes.erase(0, size);
  }
}

class EnvoyTest : public testing::Test {
 protected:
  // Answers once `released_` is.
  EnvoyTest()
      : backend_([this](Descriptor client) {
          const std::string request = read_some(client);
          ++requests_;
          released_.wait();
          constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlong";
          ::send(client.get(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL);
        }) {}

  void SetUp() override {
    const std::string envoy = std::filesystem::absolute("build/envoy/envoy");
    ASSERT_TRUE(std::filesystem::exists(envoy)) << "scripts/install.sh brings it";
    std::vector<std::string> words = {envoy,       "--config-yaml",        bootstrap(), "--drain-strategy",
                                      "immediate", "--log-level",          "warn",      "--concurrency",
                                      "1",         "--disable-hot-restart"};
    std::vector<std::string> environment;
    SpawnSettings settings(0);
    ASSERT_EQ(::posix_spawn(&pid_, envoy.c_str(), settings.actions(), settings.attributes(),
                            pointers_to(words).data(), pointers_to(environment).data()),
              0);
    ASSERT_TRUE(wait_until([this] { return get(admin_port_, "/ready").contains("LIVE"); }));
  }
  void TearDown() override {
    release();
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  std::string bootstrap() const {
    const std::string filters = "type.googleapis.com/envoy.extensions.filters.";
    const json router = {{"name", "router"},
                         {"typed_config", {{"@type", filters + "http.router.v3.Router"}}}};
    const json direct = {{"match", {{"path", "/short"}}},
                         {"direct_response", {{"status", 200}, {"body", {{"inline_string", "short"}}}}}};
    const json proxied = {{"match", {{"prefix", "/"}}},
                          {"route", {{"cluster", "backend"}, {"timeout", "0s"}}}};
    const json host = {{"name", "all"}, {"domains", {"*"}}, {"routes", {direct, proxied}}};
    const json http = {{"@type", filters + "network.http_connection_manager.v3.HttpConnectionManager"},
                       {"stat_prefix", "http"},
                       {"route_config", {{"virtual_hosts", json::array({host})}}},
                       {"http_filters", json::array({router})}};
    const json chain = {{"filters", json::array({{{"name", "http"}, {"typed_config", http}}})}};
    const json listener = {{"name", "all"}, {"address", tcp(port_)}, {"filter_chains", json::array({chain})}};
    const json endpoint = {
        {"lb_endpoints", json::array({{{"endpoint", {{"address", tcp(backend_.port())}}}}})}};
    const json cluster = {
        {"name", "backend"},
        {"load_assignment", {{"cluster_name", "backend"}, {"endpoints", json::array({endpoint})}}}};
    return json{
        {"admin", {{"address", tcp(admin_port_)}}},
        {"static_resources", {{"listeners", json::array({listener})}, {"clusters", json::array({cluster})}}}}
        .dump();
  }

  void begin_drain() {
    drainer_ = std::make_unique<Drainer>(
        loop_,
        DrainerOptions{.times = {.min_drain = milliseconds(0), .drain_timeout = kPatience},
                       .envoy_admin = fmt::format("127.0.0.1:{}", admin_port_),
                       .ignored_ports = {},
                       .door = own_door()},
        [this](End end, const std::string&) {
          ended_.set_value(end);
          loop_.quit();
        });
    thread_ = std::jthread([this] { loop_.run(); });
    ASSERT_TRUE(wait_until([this] { return get(admin_port_, "/ready").contains("DRAINING"); }));
  }
  void release() {
    if (!std::exchange(is_released_, true)) release_.set_value();
  }
  std::future<std::string> long_request() {
    auto answer = std::async(std::launch::async, [this] {
      const Descriptor socket = connect_to(port_);
      return exchange(socket, "/long", "long");
    });
    EXPECT_TRUE(wait_until([this] { return requests_ == 1; }));
    return answer;
  }

  std::promise<void> release_;
  std::shared_future<void> released_ = release_.get_future().share();
  bool is_released_ = false;
  std::atomic<int> requests_ = 0;
  TcpServer backend_;
  const std::uint16_t port_ = free_port();
  const std::uint16_t admin_port_ = free_port();
  pid_t pid_ = 0;
  std::promise<End> ended_;
  Loop loop_;
  std::unique_ptr<Drainer> drainer_;
  std::jthread thread_;
};

TEST_F(EnvoyTest, ALongRequestFinishesAndThenEnvoyHasDrained) {
  auto answer = long_request();
  begin_drain();
  auto ended = ended_.get_future();
  EXPECT_EQ(ended.wait_for(milliseconds(700)), std::future_status::timeout) << "it is connected";
  release();
  EXPECT_THAT(answer.get(), HasSubstr("200 OK"));
  EXPECT_EQ(ended.get(), End::kDrained);
}

TEST_F(EnvoyTest, ClientsAreToldToCloseTheirConnections) {
  auto held = long_request();
  Descriptor socket = connect_to(port_);
  EXPECT_THAT(exchange(socket, "/short", "short"), Not(HasSubstr("connection: close")));
  begin_drain();
  EXPECT_THAT(exchange(socket, "/short", "short"), HasSubstr("connection: close"));
  socket.reset();
  release();
  EXPECT_EQ(ended_.get_future().get(), End::kDrained);
  held.get();
}

TEST_F(EnvoyTest, ClientsOfHttp2AreToldToGoAway) {
  auto held = long_request();
  Descriptor socket = connect_to(port_);
  send_http2(socket, kPreface);
  begin_drain();
  send_http2(socket, kShortRequest);
  EXPECT_TRUE(has_frame(socket, kGoAway));
  socket.reset();
  release();
  EXPECT_EQ(ended_.get_future().get(), End::kDrained);
  held.get();
}

TEST_F(EnvoyTest, WhoComesLateIsServed) {
  auto held = long_request();
  begin_drain();
  EXPECT_THAT(exchange(connect_to(port_), "/short", "short"), HasSubstr("200 OK"));
  release();
  EXPECT_EQ(ended_.get_future().get(), End::kDrained);
  held.get();
}

}  // namespace
}  // namespace sluice::drain
