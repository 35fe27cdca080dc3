// What becomes of a cluster or a secret that a proxy refuses: no object is held back, and everybody is told.
#include "control/verdicts.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "control/testing.h"
#include "source/files.h"
#include "source/scratch_folder.h"

namespace sluice::control {
namespace {

class RefusedCluster : public YamlPipeline {
 protected:
  RefusedCluster() {
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec: {gatewayClassName: class, listeners: [{name: a, port: 8001, protocol: HTTP}]}
)");
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: judge, port: 80}]}]}
)");
    feed("{apiVersion: v1, kind: Service, metadata: {name: judge}, spec: {ports: [{port: 80}]}}");
    feed_policy("{}");
    commit();
  }

  void feed_policy(const std::string& settings) {
    feed(fmt::format(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {{name: p}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw}}]
  extProc: [{{backendRefs: [{{name: judge, port: 80}}], backendSettings: {}, processingMode: {{request: {{}}}}}}]
)",
                     settings));
  }
  void commit() {
    pipeline_.commit();
    verdicts_.committed(++commit_);
    pipeline_.commit();  // what that has put into the pipeline
  }
  void reject(const std::string& node, const std::string& message) {
    const Rendered* cluster = pipeline_.resources(xds::ResourceType::kCluster).get({"default/gw", kCluster});
    ASSERT_NE(cluster, nullptr);
    verdicts_.rejected({.proxy = "default/gw",
                        .node = node,
                        .type = xds::ResourceType::kCluster,
                        .name = kCluster,
                        .version = cluster->version,
                        .message = message,
                        .commit = commit_});
    verdicts_.conclude();
    pipeline_.commit();
  }
  // The message of the policy's condition where it is refused.
  std::string told() const {
    const auto* its = status(api::kind_of<api::EnvoyExtensionPolicy>(), {"default", "p"});
    const auto* accepted = translate::find_condition(its->ancestors.at(0).second, "Accepted");
    return accepted->status ? "" : accepted->reason + ": " + accepted->message;
  }
  // "object path" of each.
  std::string problems() const {
    std::string all;
    for (const Problem& problem : problems_.all()) {
      all += fmt::format("{} {};", problem.object.to_string(), problem.path);
    }
    return all;
  }

  static constexpr char kCluster[] = "envoyextensionpolicy/default/p/extproc/0";
  static constexpr char kOne[] =
      "RejectedByProxy: extProc[0]: the proxy rejected the way to its service: one";

  source::ScratchFolder folder_;
  ProblemLog problems_;
  Verdicts verdicts_{
      folder_ / "",
      pipeline_,
      problems_,
      {.is_whole = [](const ObjectKey&) { return true; }, .held_back = [](const ObjectKey&) {}}};
  std::uint64_t commit_ = 0;
};

TEST_F(RefusedCluster, OfAServiceIsToldByItsPolicyAndByAProblemOfItsExtension) {
  reject("1", "one");
  EXPECT_EQ(told(), kOne);
  EXPECT_EQ(problems(), "EnvoyExtensionPolicy default/p spec.extProc[0];");
}

TEST_F(RefusedCluster, HoldsNobodyBack) {
  reject("1", "one");
  EXPECT_EQ(verdicts_.count_held_back(), 0U);
}

TEST_F(RefusedCluster, IsForgottenWithItsVersion) {
  reject("1", "one");
  feed_policy("{tcpKeepalive: {probes: 3}}");
  commit();
  EXPECT_EQ(told(), "");
  EXPECT_EQ(problems(), "");
}

TEST_F(RefusedCluster, IsForgottenWhenItsNodeGoes) {
  reject("1", "one");
  verdicts_.disconnected({.proxy = "default/gw", .node = "1"});
  pipeline_.commit();
  EXPECT_EQ(told(), "");
  EXPECT_EQ(problems(), "");
}

TEST_F(RefusedCluster, IsToldAsLongAsANodeRefusesIt) {
  reject("1", "one");
  reject("2", "two");
  verdicts_.disconnected({.proxy = "default/gw", .node = "2"});
  pipeline_.commit();
  EXPECT_EQ(told(), kOne);
}

TEST_F(RefusedCluster, IsToldOnceThoughItsNodeSaysItAgain) {
  reject("1", "one");
  reject("1", "one");
  verdicts_.disconnected({.proxy = "default/gw", .node = "1"});
  pipeline_.commit();
  EXPECT_EQ(told(), "");
  EXPECT_EQ(problems(), "");
}

// ---- secrets --------------------------------------------------------------------------------------

// The Gateway there has the certificates `shop` and `api`.
class RefusedSecret : public testing::Test {
 protected:
  RefusedSecret() {
    source::Batch batch;
    source::read_files({"test/golden/cases/https/in.yaml"}, &batch);
    for (const api::BoundObject& object : batch.upserted) pipeline_.upsert(object);
    commit();
    const auto& secrets = pipeline_.resources(xds::ResourceType::kSecret);
    for (const translate::XdsKey& key : secrets.sorted_keys()) {
      if (key.name == "secret/default/api") key_ = key;
    }
    verdicts_.rejected({.proxy = key_.proxy,
                        .node = "1",
                        .type = xds::ResourceType::kSecret,
                        .name = key_.name,
                        .version = secrets.get(key_)->version,
                        .message = "no",
                        .commit = 1});
    pipeline_.commit();
    pipeline_.forget_changes();
  }

  void commit() {
    pipeline_.commit();
    verdicts_.committed(++commit_);
  }
  // The Secret gets a longer chain.
  void change(const std::string& name) {
    const ObjectKey key{.kind = api::kind_of<api::Secret>(), .name = {"default", name}};
    api::Secret secret = *std::get<std::shared_ptr<const api::Secret>>(pipeline_.object(key).value());
    secret.data["tls.crt"] += secret.data["tls.crt"];
    pipeline_.upsert(
        {.key = key, .api_version = "v1", .object = std::make_shared<const api::Secret>(secret)});
    commit();
  }

  Pipeline pipeline_{translate::Settings()};
  source::ScratchFolder folder_;
  ProblemLog problems_;
  Verdicts verdicts_{
      folder_ / "",
      pipeline_,
      problems_,
      {.is_whole = [](const ObjectKey&) { return true; }, .held_back = [](const ObjectKey&) {}}};
  translate::XdsKey key_;
  std::uint64_t commit_ = 0;
};

TEST_F(RefusedSecret, IsAProblemOfItsObject) {
  ASSERT_EQ(problems_.all().size(), 1U);
  const Problem problem = problems_.all().front();
  EXPECT_EQ(problem.object.to_string(), "Secret default/api");
  EXPECT_EQ(problem.message, "the proxy rejected secret/default/api: no");
}

TEST_F(RefusedSecret, IsForgottenWithItsVersion) {
  change("api");
  EXPECT_TRUE(problems_.all().empty());
}

TEST_F(RefusedSecret, IsTriedAgainWhenAnotherOneOfItsProxyHasChanged) {
  EXPECT_TRUE(verdicts_.secrets_to_retry().empty());
  change("shop");
  EXPECT_EQ(verdicts_.secrets_to_retry(), std::vector<translate::XdsKey>{key_});
}

TEST_F(RefusedSecret, IsForgottenWhenItsNodeTakesIt) {
  verdicts_.recovered(
      {.proxy = key_.proxy, .node = "2", .type = xds::ResourceType::kSecret, .name = key_.name});
  EXPECT_EQ(problems_.all().size(), 1U);
  verdicts_.recovered(
      {.proxy = key_.proxy, .node = "1", .type = xds::ResourceType::kSecret, .name = key_.name});
  EXPECT_TRUE(problems_.all().empty());
}

// ---- last good versions -------------------------------------------------------------------------

class LastGood : public RefusedCluster {
 protected:
  void route(const std::string& value) {
    feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web}}
spec:
  parentRefs: [{{name: gw}}]
  rules:
  - filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: x-a, value: "{}"}}]}}}}]
    backendRefs: [{{name: judge, port: 80}}]
)",
                     value));
    commit();
  }
  void accept() {
    verdicts_.acknowledged({kTable, "default/gw"}, commit_);
    verdicts_.conclude();
  }
  void refuse() {
    EXPECT_TRUE(verdicts_.rejected(kTable, commit_, "no"));
    verdicts_.conclude();
    pipeline_.commit();
  }
  bool serves(const std::string& value) const {
    return pipeline_.resources(xds::ResourceType::kRoutes)
        .get({"default/gw", kTable})
        ->bytes->contains(value);
  }

  static constexpr char kTable[] = "default/gw:8001";
};

TEST_F(LastGood, IsNoneInWhichAllRulesFailed) {
  route("the first");
  accept();
  route("%BOGUS%");  // is answered 500, which proxies take
  EXPECT_FALSE(serves("the first"));
  accept();
  route("%CEL(1 +)%");
  EXPECT_TRUE(serves("%CEL(1 +)%"));
  refuse();
  EXPECT_TRUE(serves("the first"));
  for (const Problem& problem : pipeline_.problems()) EXPECT_FALSE(problem.message.contains("BOGUS"));
}

}  // namespace
}  // namespace sluice::control
