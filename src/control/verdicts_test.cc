// What becomes of a cluster that a proxy refuses: no object is held back, and everybody is told.
#include "control/verdicts.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "control/testing.h"
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

}  // namespace
}  // namespace sluice::control
