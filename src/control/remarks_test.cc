#include "control/remarks.h"

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "control/testing.h"

namespace sluice::control {
namespace {

class RemarksTest : public YamlPipeline {
 protected:
  RemarksTest() {
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec: {gatewayClassName: class, listeners: [{name: a, port: 8001, protocol: HTTP}]}
)");
  }

  // A route of the Gateway of that name.
  ObjectKey route_of(std::string_view gateway) {
    return feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web, namespace: default}}
spec: {{parentRefs: [{{name: {}}}], rules: [{{}}]}}
)",
                            gateway));
  }
  void commit() {
    pipeline_.commit();
    remarks_.committed();
    pipeline_.forget_changes();
  }
  static Problem remark(const ObjectKey& object) {
    return {.code = "support/no-effect",
            .severity = Severity::kWarning,
            .object = object,
            .path = "spec.x",
            .message = "in vain"};
  }

  ProblemLog log_;
  Remarks remarks_{pipeline_, log_};
};

TEST_F(RemarksTest, AreToldOfARouteOfOurs) {
  const ObjectKey route = route_of("gw");
  remarks_.set(route, {remark(route)});
  commit();
  EXPECT_EQ(log_.all(), std::vector{remark(route)});
}

TEST_F(RemarksTest, AreNotToldOfARouteOfOthers) {
  const ObjectKey route = route_of("theirs");
  remarks_.set(route, {remark(route)});
  commit();
  EXPECT_EQ(log_.all(), std::vector<Problem>());
}

TEST_F(RemarksTest, ComeAndGoWithWhoseItIs) {
  const ObjectKey route = route_of("theirs");
  remarks_.set(route, {remark(route)});
  commit();
  route_of("gw");
  commit();
  EXPECT_EQ(log_.all(), std::vector{remark(route)});
  route_of("theirs");
  commit();
  EXPECT_EQ(log_.all(), std::vector<Problem>());
}

TEST_F(RemarksTest, OfAKindWithoutStatusesAreToldAlways) {
  const ObjectKey filter{api::kind_of<api::ExtendedRouteFilter>(), {"default", "filter"}};
  remarks_.set(filter, {remark(filter)});
  commit();
  EXPECT_EQ(log_.all(), std::vector{remark(filter)});
}

TEST_F(RemarksTest, GoWhenTheObjectSaysItNoLonger) {
  const ObjectKey route = route_of("gw");
  remarks_.set(route, {remark(route)});
  commit();
  EXPECT_TRUE(remarks_.set(route, {}));
  EXPECT_EQ(log_.all(), std::vector<Problem>());
}

TEST_F(RemarksTest, ThatAreTheSameAreNoNews) {
  const ObjectKey route = route_of("gw");
  EXPECT_TRUE(remarks_.set(route, {remark(route)}));
  EXPECT_FALSE(remarks_.set(route, {remark(route)}));
}

}  // namespace
}  // namespace sluice::control
