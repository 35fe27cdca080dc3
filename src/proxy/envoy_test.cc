// The runner with the real Envoy, which is expected under build/ in the repository.
#include <atomic>
#include <filesystem>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/file.h"
#include "proxy/admin_call.h"
#include "proxy/record.h"
#include "proxy/supervisor.h"
#include "proxy/testing.h"

namespace sluice::proxy {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kKey[] = "default/web";

sockaddr_in local(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::uint16_t free_port() {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = local(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

Descriptor connect_to(std::uint16_t port) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const sockaddr_in address = local(port);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    socket.reset();
  return socket;
}

// The whole response to a GET, empty if there is none. Does not wait for the end of the connection: Envoy
// leaves the closing to us for a second.
std::string get(std::uint16_t port) {
  const Descriptor socket = connect_to(port);
  if (!socket) return {};
  constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  if (::send(socket.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) return {};
  std::string response;
  char buffer[4096];
  while (true) {
    const ssize_t n = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (n <= 0) return {};
    response.append(buffer, static_cast<std::size_t>(n));
    if (parse_answer(response)) return response;
  }
}

class EnvoyTest : public RunnerTest {
 protected:
  void SetUp() override {
    options_.envoy_path = std::filesystem::absolute("build/envoy/envoy");
    ASSERT_TRUE(std::filesystem::exists(options_.envoy_path)) << "scripts/install.sh brings it";
    options_.xds_socket = folder_.file("xds");
    options_.extra_args = {"--log-level", "warn"};
    options_.render = [this](const ir::Proxy& proxy, const xds::BootstrapPlaces& places) {
      return std::expected<std::string, Problem>(bootstrap(proxy.bootstrap, places));
    };
    start();
  }

  // Answers every request with `answer`; "broken" and "elsewhere" are bootstraps that do not work, one at
  // reading it, one at its listener.
  std::string bootstrap(const std::string& answer, const xds::BootstrapPlaces& places) const {
    using nlohmann::json;
    const std::string v3 = ".v3.";
    const std::string filters = "type.googleapis.com/envoy.extensions.filters.";
    const json router = {{"name", "router"},
                         {"typed_config", {{"@type", filters + "http.router" + v3 + "Router"}}}};
    const json route = {{"match", {{"prefix", "/"}}},
                        {"direct_response", {{"status", 200}, {"body", {{"inline_string", answer}}}}}};
    const json host = {{"name", "all"}, {"domains", {"*"}}, {"routes", json::array({route})}};
    const json http = {{"@type", filters + "network.http_connection_manager" + v3 +
                                     (answer == "broken" ? "Nothing" : "HttpConnectionManager")},
                       {"stat_prefix", "http"},
                       {"route_config", {{"virtual_hosts", json::array({host})}}},
                       {"http_filters", json::array({router})}};
    const json chain = {{"filters", json::array({{{"name", "http"}, {"typed_config", http}}})}};
    const json socket = {{"address", answer == "elsewhere" ? "192.0.2.1" : "127.0.0.1"},
                         {"port_value", port_}};
    const json listener = {
        {"name", "all"}, {"address", {{"socket_address", socket}}}, {"filter_chains", json::array({chain})}};
    const json document = {
        {"node", {{"id", places.node_id}, {"cluster", "test"}}},
        {"admin", {{"address", {{"pipe", {{"path", places.admin_socket}, {"mode", 0600}}}}}}},
        {"static_resources", {{"listeners", json::array({listener})}}}};
    return document.dump();
  }

  static ir::Proxy proxy(const std::string& answer) {
    return {.key = kKey,
            .concurrency = 1,
            .drain_timeout = milliseconds(1'000),
            .min_drain = milliseconds(0),
            .bootstrap = answer};
  }

  int start_ready(const std::string& answer) {
    const int from = events_.size();
    runner_->ensure(proxy(answer));
    return events_.at(events_.wait(State::kReady, from)).pid;
  }
  int wait_for_message(const std::string& part, int from = 0) const {
    return events_.wait([&](const Event& event) { return event.message.find(part) != event.message.npos; },
                        from);
  }
  bool shared_memory_exists(const std::string& base_id) const {
    return std::filesystem::exists(fmt::format("/dev/shm/envoy_shared_memory_{}0", base_id));
  }
  ProxyRecord record() const {
    return decode_record(read_file(run_dir() + "/" + short_name(kKey) + ".state").value_or(""))
        .value_or(ProxyRecord{});
  }

  const std::uint16_t port_ = free_port();
};

TEST_F(EnvoyTest, StartsServesAndStops) {
  const int pid = start_ready("hello");
  EXPECT_THAT(get(port_), HasSubstr("hello"));
  ASSERT_EQ(record().processes.size(), 1u);
  const std::string base_id = fmt::to_string(record().processes[0].base_id);
  EXPECT_TRUE(shared_memory_exists(base_id));
  stop();
  EXPECT_FALSE(alive(pid));
  EXPECT_FALSE(shared_memory_exists(base_id));
  EXPECT_EQ(get(port_), "");
  for (const auto& entry : std::filesystem::directory_iterator(run_dir())) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(name == "lock" || name.ends_with(".log")) << name;
  }
}

TEST_F(EnvoyTest, ServesAgainAfterItWasKilled) {
  const int pid = start_ready("hello");
  const auto killed = std::chrono::steady_clock::now();
  ::kill(pid, SIGKILL);
  const int exited = events_.wait(State::kExited);
  const int started = events_.wait(State::kStarting, exited);
  EXPECT_LT(std::chrono::steady_clock::now() - killed, milliseconds(1'000)) << "it is started again at once";
  EXPECT_NE(events_.at(events_.wait(State::kReady, started)).pid, pid);
  EXPECT_THAT(get(port_), HasSubstr("hello"));
}

TEST_F(EnvoyTest, SaysWhyItDoesNotStart) {
  runner_->ensure(proxy("broken"));
  EXPECT_THAT(events_.at(events_.wait(State::kExited)).message, HasSubstr("could not find"));
}

TEST_F(EnvoyTest, AHotRestartLosesNoRequest) {
  const int old = start_ready("first");
  std::atomic<bool> end = false;
  std::atomic<int> first = 0;
  std::atomic<int> second = 0;
  std::vector<std::string> failures;
  std::thread client([&] {
    while (!end) {
      const std::string response = get(port_);
      if (response.find("first") != response.npos) {
        ++first;
      } else if (response.find("second") != response.npos) {
        ++second;
      } else {
        failures.push_back(response);
      }
      std::this_thread::sleep_for(milliseconds(2));
    }
  });
  EXPECT_TRUE(wait_until([&] { return first > 100; }));
  runner_->ensure(proxy("second"));
  EXPECT_GE(wait_for_message("epoch 1 took over"), 0);
  // The old one goes by itself, and is served beside until then.
  EXPECT_GE(wait_for_message(fmt::format("epoch 0 (pid {}) has drained: exited with status 0", old)), 0);
  EXPECT_FALSE(alive(old));
  EXPECT_TRUE(wait_until([&] { return second > 100; }));
  end = true;
  client.join();
  EXPECT_THAT(failures, ElementsAre());
}

TEST_F(EnvoyTest, AnEpochThatFailsLeavesTheOldOneServing) {
  const int pid = start_ready("first");
  int from = 0;
  for (const char* broken : {"broken", "elsewhere"}) {
    runner_->ensure(proxy(broken));
    from = wait_for_message("hot restart failed, epoch 0 goes on", from);
    EXPECT_EQ(events_.at(from).pid, pid);
    EXPECT_THAT(get(port_), HasSubstr("first"));
    ++from;
  }
  // Envoy would refuse this for ever: "previous envoy process is still initializing".
  runner_->ensure(proxy("second"));
  EXPECT_GE(wait_for_message("epoch 1 took over", from), 0);
  EXPECT_THAT(get(port_), HasSubstr("second"));
}

TEST_F(EnvoyTest, IsAdoptedAndHotRestartedByTheNextRunner) {
  const int pid = start_ready("first");
  abandon();
  EXPECT_THAT(get(port_), HasSubstr("first"));
  start();
  EXPECT_THAT(runner_->adopted(), ElementsAre(kKey));
  EXPECT_GE(wait_for_message("adopted"), 0);
  runner_->ensure(proxy("first"));
  runner_->ensure(proxy("second"));
  EXPECT_NE(events_.at(wait_for_message("epoch 1 took over")).pid, pid);
  EXPECT_THAT(get(port_), HasSubstr("second"));
}

TEST_F(EnvoyTest, StopWaitsForOpenConnections) {
  start_ready("hello");
  Descriptor client = connect_to(port_);
  ASSERT_TRUE(client);
  // So that it has been accepted.
  EXPECT_THAT(get(port_), HasSubstr("hello"));
  ir::Proxy patient = proxy("hello");
  patient.drain_timeout = kPatience;
  runner_->ensure(patient);
  ASSERT_GE(wait_for_message("took over"), 0);
  Descriptor other = connect_to(port_);
  ASSERT_TRUE(other);
  EXPECT_THAT(get(port_), HasSubstr("hello"));
  client.reset();
  std::thread later([&] {
    std::this_thread::sleep_for(milliseconds(500));
    other.reset();
  });
  const auto began = std::chrono::steady_clock::now();
  stop();
  const auto took = std::chrono::steady_clock::now() - began;
  later.join();
  EXPECT_GE(took, milliseconds(500));
  EXPECT_LT(took, kPatience / 2);
}

}  // namespace
}  // namespace sluice::proxy
