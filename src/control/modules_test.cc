#include "control/modules.h"

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
    return std::get<ir::Wasm>(web->extensions.at(0).second->filter).path;
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

TEST_F(ModulesTest, WithoutAStoreNoModuleCanBeHad) {
  Modules without(pipeline_, [] { return wasm::fail(wasm::Reason::kStorage, "the disk is gone"); });
  policy("https://modules.example/a.wasm");
  EXPECT_EQ(served(), "500");
}

TEST_F(ModulesTest, WithoutAPolicyNothingIsWanted) {
  policy("https://modules.example/a.wasm");
  EXPECT_EQ(served(), "503");
  pipeline_.erase({api::kind_of<api::EnvoyExtensionPolicy>(), {"default", "p"}});
  EXPECT_EQ(served(), "");
  EXPECT_EQ(store_.wanted, std::vector<std::string>());
}

}  // namespace
}  // namespace sluice::control
