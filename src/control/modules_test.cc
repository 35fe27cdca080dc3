#include "control/modules.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "control/testing.h"

namespace sluice::control {
namespace {

// Fetches nothing: tests say what became of a URL.
class FakeStore : public wasm::Store {
 public:
  void want(std::vector<wasm::Source> sources) override {
    wanted.clear();
    for (wasm::Source& source : sources) want_also(std::move(source));
    ++times;
  }
  void want_also(wasm::Source source) override { wanted.push_back(std::get<wasm::HttpSource>(source).url); }
  wasm::State state(const wasm::Source& source) const override {
    const auto at = states.find(std::get<wasm::HttpSource>(source).url);
    return at == states.end() ? wasm::State() : at->second;
  }

  std::vector<std::string> wanted;
  int times = 0;  // that it was told all of them
  std::map<std::string, wasm::State> states;
};

class ModulesTest : public YamlPipeline {
 protected:
  ModulesTest() {
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec:
  gatewayClassName: class
  listeners: [{name: a, port: 8001, protocol: HTTP}]
)");
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: default}
spec:
  parentRefs: [{name: gw}]
  rules: [{backendRefs: [{name: blue, port: 80}]}]
)");
    feed(
        "{apiVersion: v1, kind: Service, metadata: {name: blue, namespace: default}, spec: {ports: [{port: "
        "80}]}}");
  }

  void policy(const std::string& url) { policy("p", url); }
  void policy(const std::string& name, const std::string& url) {
    feed(fmt::format(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {{name: {}, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw}}]
  wasm: [{{code: {{type: HTTP, http: {{url: "{}"}}}}}}]
)",
                     name, url));
  }

  // Commits; the file of the module that the listener has then, or the status of the answer that the route
  // gives in place of one.
  std::string served() {
    pipeline_.commit();
    modules_.follow();
    const translate::RouteResult* web =
        pipeline_.routes().get({api::kind_of<api::HTTPRoute>(), {"default", "web"}});
    const ir::Route& route = web->contributions.at(0).second.routes->at(0);
    if (const auto* answer = std::get_if<ir::DirectResponse>(&route.action->action)) {
      return fmt::format("{}", answer->status);
    }
    if (web->extensions.empty()) return "";
    const auto& filter = web->extensions.at(0).second->filter;
    if (const auto* wasm = std::get_if<ir::Wasm>(&filter)) return wasm->path;
    return std::get<ir::DynamicModule>(filter).path;
  }

  static wasm::Ready at(const std::string& path) { return {.path = path, .sha256 = "", .warning = ""}; }

  std::unique_ptr<FakeStore> owned_ = std::make_unique<FakeStore>();
  FakeStore& store_ = *owned_;
  Modules modules_{pipeline_, [this] { return std::move(owned_); }};
};

TEST_F(ModulesTest, AModuleIsServedOnceItIsThere) {
  policy("https://modules.example/a.wasm");
  EXPECT_EQ(served(), "503");
  EXPECT_EQ(store_.wanted, std::vector<std::string>{"https://modules.example/a.wasm"});
  EXPECT_FALSE(modules_.look());

  store_.states["https://modules.example/a.wasm"] = at("/a");
  EXPECT_TRUE(modules_.look());
  EXPECT_EQ(served(), "/a");
}

TEST_F(ModulesTest, AModuleThatCannotBeHadIsAnswered500) {
  store_.states["https://modules.example/a.wasm"] =
      wasm::Failed{.failure = {wasm::Reason::kNotFound, "there is none"}, .retry_at = {}};
  policy("https://modules.example/a.wasm");
  EXPECT_EQ(served(), "500");
}

TEST_F(ModulesTest, TheModuleBeforeStandsInUntilTheNextOneIsThere) {
  store_.states["https://modules.example/a.wasm"] = at("/a");
  policy("https://modules.example/a.wasm");
  EXPECT_EQ(served(), "/a");

  policy("https://modules.example/b.wasm");
  EXPECT_EQ(served(), "/a");
  EXPECT_EQ(store_.wanted,
            (std::vector<std::string>{"https://modules.example/b.wasm", "https://modules.example/a.wasm"}));

  store_.states["https://modules.example/b.wasm"] = at("/b");
  EXPECT_TRUE(modules_.look());
  EXPECT_EQ(served(), "/b");
  EXPECT_EQ(store_.wanted, std::vector<std::string>{"https://modules.example/b.wasm"});
}

TEST_F(ModulesTest, TheModuleBeforeStandsInForOneThatCannotBeHad) {
  store_.states["https://modules.example/a.wasm"] = at("/a");
  policy("https://modules.example/a.wasm");
  EXPECT_EQ(served(), "/a");
  store_.states["https://modules.example/b.wasm"] =
      wasm::Failed{.failure = {wasm::Reason::kNotFound, "there is none"}, .retry_at = {}};
  policy("https://modules.example/b.wasm");
  EXPECT_EQ(served(), "/a");
}

TEST_F(ModulesTest, OneMoreModuleDoesNotNameThoseBefore) {
  for (int i = 0; i < 5; ++i) {
    policy(fmt::format("p{}", i), fmt::format("https://modules.example/{}.wasm", i));
  }
  served();
  policy("q", "https://modules.example/q.wasm");
  served();
  EXPECT_EQ(store_.wanted.size(), 6);
  EXPECT_EQ(store_.times, 0);
}

TEST_F(ModulesTest, AStoreThatCannotBeOpenedIsTriedAgainEverMoreRarely) {
  store_.states["https://modules.example/a.wasm"] = at("/a");
  bool full = true;
  int attempts = 0;
  Modules modules(pipeline_, [&]() -> wasm::Result<std::unique_ptr<wasm::Store>> {
    ++attempts;
    if (full) return wasm::fail(wasm::Reason::kStorage, "the disk is full");
    return std::move(owned_);
  });
  EXPECT_EQ(modules.retry_at(), std::nullopt);
  policy("https://modules.example/a.wasm");
  EXPECT_EQ(served(), "503");
  EXPECT_FALSE(modules.retry(Modules::Clock::now())) << "it is not due";
  std::chrono::milliseconds delay = Modules::kFirstRetry;
  for (int i = attempts; i < 12; ++i, delay = std::min(2 * delay, Modules::kLongestRetry)) {
    const auto due = *modules.retry_at();
    modules.retry(due);
    EXPECT_EQ(*modules.retry_at() - due, std::min(2 * delay, Modules::kLongestRetry));
  }
  EXPECT_EQ(served(), "503");
  full = false;
  EXPECT_TRUE(modules.retry(*modules.retry_at()));
  EXPECT_EQ(modules.retry_at(), std::nullopt);
  EXPECT_EQ(served(), "/a");
}

TEST_F(ModulesTest, WithoutAPolicyNothingIsWanted) {
  policy("https://modules.example/a.wasm");
  EXPECT_EQ(served(), "503");
  pipeline_.erase({api::kind_of<api::EnvoyExtensionPolicy>(), {"default", "p"}});
  EXPECT_EQ(served(), "");
  EXPECT_EQ(store_.wanted, std::vector<std::string>());
}

// ---- libraries that an EnvoyProxy registers ---------------------------------------------------------------

class LibrariesTest : public ModulesTest {
 protected:
  LibrariesTest() { feed_gateway_with_proxy(); }

  void policy() {
    feed(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {name: p, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]
  dynamicModule: [{name: model, filterName: model}]
)");
  }
};

TEST_F(LibrariesTest, ALibraryIsFetchedOnceItIsRegisteredAndServedOnceItIsThere) {
  feed_library("https://modules.example/a.so");
  EXPECT_EQ(served(), "");
  EXPECT_EQ(store_.wanted, std::vector<std::string>{"https://modules.example/a.so"});
  policy();
  EXPECT_EQ(served(), "503");
  EXPECT_FALSE(modules_.are_there({"default", "p"}));

  store_.states["https://modules.example/a.so"] = at("/a");
  EXPECT_TRUE(modules_.look());
  EXPECT_EQ(served(), "/a");
  EXPECT_TRUE(modules_.are_there({"default", "p"}));
}

TEST_F(LibrariesTest, TheLibraryBeforeStandsInUntilTheNextOneIsThere) {
  store_.states["https://modules.example/a.so"] = at("/a");
  feed_library("https://modules.example/a.so");
  policy();
  EXPECT_EQ(served(), "/a");

  feed_library("https://modules.example/b.so");
  EXPECT_EQ(served(), "/a");
  EXPECT_FALSE(modules_.are_there({"default", "p"}));
  store_.states["https://modules.example/b.so"] = at("/b");
  EXPECT_TRUE(modules_.look());
  EXPECT_EQ(served(), "/b");
  EXPECT_EQ(store_.wanted, std::vector<std::string>{"https://modules.example/b.so"});
}

TEST_F(LibrariesTest, OneThatNoGatewayHasIsNotFetched) {
  feed_library("https://modules.example/a.so");
  pipeline_.erase({.kind = api::kind_of<api::Gateway>(), .name = {"default", "gw"}});
  pipeline_.commit();
  modules_.follow();
  EXPECT_EQ(store_.wanted, std::vector<std::string>{});
}

}  // namespace
}  // namespace sluice::control
