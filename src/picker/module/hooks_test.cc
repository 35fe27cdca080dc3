// The module as Envoy sees it: by the names of the ABI.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "module_abi/envoy_module.h"
#include "picker/module/fake_envoy.h"
#include "picker/module/pools.h"

extern "C" {
const char* envoy_dynamic_module_on_program_init();
void* envoy_dynamic_module_on_http_filter_config_new(void*, envoy::Bytes name, envoy::Bytes config);
void envoy_dynamic_module_on_http_filter_config_destroy(void*);
void* envoy_dynamic_module_on_http_filter_new(void* config, envoy::Filter);
void envoy_dynamic_module_on_http_filter_destroy(void*);
void* envoy_dynamic_module_on_bootstrap_extension_config_new(void*, envoy::Bytes name, envoy::Bytes config);
void envoy_dynamic_module_on_bootstrap_extension_config_destroy(void*);
void envoy_dynamic_module_on_bootstrap_extension_server_initialized(void*, void*);
void envoy_dynamic_module_on_bootstrap_extension_config_scheduled(void*, void*, std::uint64_t);
void envoy_dynamic_module_on_bootstrap_extension_shutdown(void*, void*, void (*)(void*), void*);
std::uint32_t envoy_dynamic_module_on_bootstrap_extension_admin_request(void*, void*, envoy::Bytes,
                                                                        envoy::Bytes, envoy::Bytes);
}

namespace sluice::picker {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

envoy::Bytes bytes(std::string_view text) { return {text.data(), text.size()}; }
void* filter_config(std::string_view json, std::string_view name = "picker") {
  return envoy_dynamic_module_on_http_filter_config_new(nullptr, bytes(name), bytes(json));
}
void* extension(fake::Bootstrap& envoy, std::string_view json) {
  return envoy_dynamic_module_on_bootstrap_extension_config_new(&envoy, bytes("picker"), bytes(json));
}
bool within_seconds(const std::function<bool()>& happens) {
  for (int i = 0; i < 2000 && !happens(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return happens();
}
// Nobody listens there.
constexpr std::string_view kNobody = R"({"pool": "p", "endpoints": ["127.0.0.1:1"]})";

class Module : public testing::Test {
 protected:
  Module() { fake::take_log(); }
  ~Module() override { EXPECT_EQ(fake::schedulers(), 0U); }
};

TEST_F(Module, IsForThisVersionOfTheAbi) { EXPECT_STREQ(envoy_dynamic_module_on_program_init(), "v0.2.0"); }

TEST_F(Module, RefusesAConfigurationAndSaysWhy) {
  EXPECT_EQ(filter_config(R"({"pool": 1})"), nullptr);
  EXPECT_THAT(fake::take_log(), ElementsAre(HasSubstr("sluice picker: config:1:10: pool: ")));
  EXPECT_EQ(filter_config("{}", "piker"), nullptr);
  EXPECT_THAT(fake::take_log(), ElementsAre(HasSubstr("nothing by the name of `piker`")));
  EXPECT_EQ(filter_config(R"({"pool": "p"})"), nullptr);
  EXPECT_THAT(fake::take_log(), ElementsAre(HasSubstr("there is no pool `p`; write its `endpoints`")));
  EXPECT_EQ(filter_config(R"({"pool": "p", "endpointsFile": "/there/is/none"})"), nullptr);
  EXPECT_THAT(fake::take_log(),
              ElementsAre(HasSubstr("/there/is/none: the file of endpoints cannot be read")));
}

TEST_F(Module, GoesOnWithAPoolWhenAConfigurationIsReplaced) {
  void* const before = filter_config(R"({"pool": "p", "endpoints": ["127.0.0.1:1"]})");
  ASSERT_NE(before, nullptr);
  EXPECT_THAT(Pools::instance().metrics(), HasSubstr(R"(endpoint_up{pool="p",endpoint="127.0.0.1:1"} 0)"));
  fake::Headers headers{{":path", "/v1/completions"}};
  std::vector<Problem> problems;
  const PoolSettings reference{.name = "p", .is_reference = true};
  const auto pool = Pools::instance().get(reference, &problems);
  ASSERT_NE(pool, nullptr);
  {
    fake::Stream stream(pool->pool());
    stream.request_headers(headers, true);
    EXPECT_EQ(pool->pool().counts().picked, 1U);
    void* const after =
        filter_config(R"({"pool": "p", "endpoints": ["127.0.0.1:2"], "readResponses": false})");
    EXPECT_EQ(Pools::instance().get(reference, &problems), pool);
    void* const other = filter_config(R"({"pool": "p", "endpoints": [], "refuseUnknown": true})");
    EXPECT_NE(Pools::instance().get(reference, &problems), pool);
    for (void* const config : {before, after, other})
      envoy_dynamic_module_on_http_filter_config_destroy(config);
  }
  EXPECT_THAT(problems, ElementsAre());
}

TEST_F(Module, GoesOnWithAPoolWhenItIsToldOfOtherServers) {
  void* const before =
      filter_config(R"({"pool": "p", "contents": {"servers": [{"address": "127.0.0.1:1"}]}})");
  ASSERT_NE(before, nullptr);
  std::vector<Problem> problems;
  const PoolSettings reference{.name = "p", .is_reference = true};
  const auto pool = Pools::instance().get(reference, &problems);
  ASSERT_NE(pool, nullptr);
  void* const after = filter_config(
      R"({"pool": "p", "contents": {"servers": [{"address": "127.0.0.1:1"}, {"address": "127.0.0.1:2"}]}})");
  ASSERT_NE(after, nullptr);
  envoy_dynamic_module_on_http_filter_config_destroy(before);
  EXPECT_EQ(Pools::instance().get(reference, &problems), pool);
  EXPECT_EQ(pool->servers().size(), 2U);
  envoy_dynamic_module_on_http_filter_config_destroy(after);
}

TEST_F(Module, FollowsTheFileOfAPool) {
  const std::string file = testing::TempDir() + "/module_pool.json";
  const auto write = [&](std::string_view text) {
    std::ofstream(file + ".new") << text;
    std::filesystem::rename(file + ".new", file);
  };
  const auto is_up = [](std::string_view address) {
    return Pools::instance().metrics().contains(
        fmt::format("endpoint_up{{pool=\"p\",endpoint=\"{}\"}}", address));
  };
  const std::string json = fmt::format(R"({{"pool": "p", "poolFile": "{}"}})", file);
  std::filesystem::remove(file);
  EXPECT_EQ(filter_config(json), nullptr);
  EXPECT_THAT(fake::take_log(),
              ElementsAre(HasSubstr("module_pool.json: the file of the pool cannot be read")));

  write(R"({"servers": [{"address": "127.0.0.1:1"}], "objectives": {"batch": -1}})");
  void* const config = filter_config(json);
  ASSERT_NE(config, nullptr);
  std::vector<Problem> problems;
  const auto pool = Pools::instance().get({.name = "p", .is_reference = true}, &problems);
  EXPECT_TRUE(is_up("127.0.0.1:1"));
  EXPECT_EQ(pool->pool().priority("batch"), -1);

  write(R"({"servers": [{"address": "127.0.0.1:2"}], "objectives": {"batch": 3}})");
  EXPECT_TRUE(within_seconds([&] { return is_up("127.0.0.1:2"); }));
  EXPECT_FALSE(is_up("127.0.0.1:1"));
  EXPECT_EQ(pool->pool().priority("batch"), 3);

  // What is no good changes nothing, and neither does a file that is gone.
  fake::take_log();
  std::vector<std::string> log;
  const auto says = [&](std::string_view what) {
    std::ranges::move(fake::take_log(), std::back_inserter(log));
    return std::ranges::any_of(log, [&](const std::string& line) { return line.contains(what); });
  };
  write(R"({"servers": 1})");
  EXPECT_TRUE(within_seconds([&] { return says("module_pool.json:1:13: servers: "); }));
  std::filesystem::remove(file);
  EXPECT_TRUE(within_seconds([&] { return says("cannot be read"); }));
  EXPECT_TRUE(is_up("127.0.0.1:2"));
  write("{}");
  EXPECT_TRUE(within_seconds([&] { return !is_up("127.0.0.1:2"); }));
  envoy_dynamic_module_on_http_filter_config_destroy(config);
}

// What who connects to the socket of a pool in this process gets.
std::string answer_at(const std::string& path, std::string_view request) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return "nobody";
  (void)::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
  std::string answer;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::recv(socket.get(), buffer, sizeof buffer, 0)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(n));
  return answer;
}

TEST_F(Module, GivesThePagesOfAPoolThatHasAFileBesideIt) {
  const std::string file = testing::TempDir() + "/module_door.json";
  const std::string door = fmt::format("{}.{}", file, ::getpid());
  std::ofstream(file) << R"({"servers": [{"address": "127.0.0.1:1"}]})";
  const std::string json = fmt::format(R"({{"pool": "p", "poolFile": "{}"}})", file);
  void* const config = filter_config(json);
  ASSERT_NE(config, nullptr);
  void* const again = filter_config(json);  // a listener that is replaced
  envoy_dynamic_module_on_http_filter_config_destroy(config);
  const std::string get = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(answer_at(door, get), AllOf(HasSubstr("200 OK\r\n"),
                                            HasSubstr("endpoint_up{pool=\"p\",endpoint=\"127.0.0.1:1\"}")));
  }
  EXPECT_EQ(answer_at(door, std::string(10'000, 'x')), "") << "it is no request";
  envoy_dynamic_module_on_http_filter_config_destroy(again);
  EXPECT_EQ(answer_at(door, get), "nobody");
  EXPECT_FALSE(std::filesystem::exists(door));
  std::filesystem::remove(file);
}

TEST_F(Module, EndsItsThreadWithItsLastPool) {
  void* const config = filter_config(kNobody);
  envoy_dynamic_module_on_http_filter_config_destroy(config);
  EXPECT_EQ(Pools::instance().metrics().find("endpoint="), std::string::npos);
}

TEST_F(Module, ServesFiltersThatOutliveNothing) {
  void* const config = filter_config(kNobody);
  fake::Headers none;
  int stream = 0;
  void* const filter = envoy_dynamic_module_on_http_filter_new(config, &stream);
  ASSERT_NE(filter, nullptr);
  envoy_dynamic_module_on_http_filter_destroy(filter);
  envoy_dynamic_module_on_http_filter_config_destroy(config);
}

TEST_F(Module, TellsEnvoyWhenAllServersHaveBeenAsked) {
  fake::Bootstrap envoy;
  void* const made = extension(envoy, R"({"pools": [{"pool": "p", "endpoints": ["127.0.0.1:1"]}]})");
  ASSERT_NE(made, nullptr);
  EXPECT_TRUE(within_seconds([&] { return envoy.scheduled == 1; }));
  EXPECT_EQ(envoy.initialized, 0U);
  envoy_dynamic_module_on_bootstrap_extension_config_scheduled(&envoy, made, 0);
  EXPECT_EQ(envoy.initialized, 1U);
  EXPECT_THAT(fake::take_log(), testing::Contains(HasSubstr("the model server 127.0.0.1:1 is lost")));
  // A filter may name its pool.
  void* const config = filter_config(R"({"pool": "p"})");
  EXPECT_NE(config, nullptr);
  envoy_dynamic_module_on_http_filter_config_destroy(config);
  envoy_dynamic_module_on_bootstrap_extension_config_destroy(made);
}

TEST_F(Module, WithoutPoolsKeepsNobodyWaiting) {
  fake::Bootstrap envoy;
  void* const made = extension(envoy, R"({"pools": []})");
  EXPECT_EQ(envoy.initialized, 1U);
  envoy_dynamic_module_on_bootstrap_extension_config_destroy(made);
}

TEST_F(Module, ShowsItsMetricsAndEndsWithEnvoy) {
  fake::Bootstrap envoy;
  void* const made = extension(envoy, R"({"pools": [{"pool": "a\"b", "endpoints": ["127.0.0.1:1"]}]})");
  envoy_dynamic_module_on_bootstrap_extension_server_initialized(nullptr, made);
  EXPECT_EQ(envoy.admin_path, "/sluice_picker/metrics");
  const auto page = [&] {
    EXPECT_EQ(envoy_dynamic_module_on_bootstrap_extension_admin_request(&envoy, made, {}, {}, {}), 200U);
    return envoy.admin_body;
  };
  EXPECT_THAT(page(), HasSubstr("sluice_picker_requests_total{pool=\"a\\\"b\",outcome=\"picked\"} 0\n"));
  bool done = false;
  envoy_dynamic_module_on_bootstrap_extension_shutdown(
      nullptr, made, [](void* context) { *static_cast<bool*>(context) = true; }, &done);
  EXPECT_TRUE(done);
  EXPECT_THAT(page(), HasSubstr("sluice_picker_endpoint_up"));
  envoy_dynamic_module_on_bootstrap_extension_config_destroy(made);
}

}  // namespace
}  // namespace sluice::picker
