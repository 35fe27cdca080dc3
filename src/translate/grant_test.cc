#include "translate/grant.h"

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "translate/testing.h"

namespace sluice::translate {
namespace {

// "path: message; suggestion [code]" of each problem, a line each.
std::string said(std::string_view from, std::string_view to) {
  const auto grant = object_of<api::ReferenceGrant>(
      fmt::format("apiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {{name: g}}\n"
                  "spec: {{from: [{}], to: [{}]}}\n",
                  from, to));
  std::string all;
  const auto found = check_grant({"default", "g"}, grant);
  if (!found) return all;
  for (const Problem& problem : found->problems) {
    EXPECT_EQ(problem.severity, Severity::kWarning);
    EXPECT_EQ(problem.object.to_string(), "ReferenceGrant default/g");
    all += text_of(problem) + "\n";
  }
  return all;
}

constexpr std::string_view kRoutes = "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: a}";
constexpr std::string_view kServices = "{group: '', kind: Service}";

TEST(CheckGrant, SaysNothingOfKindsThatThereAre) { EXPECT_EQ(said(kRoutes, kServices), ""); }

TEST(CheckGrant, SaysNothingOfKindsOfOthers) {
  EXPECT_EQ(
      said("{group: networking.istio.io, kind: Gateway, namespace: a}", "{group: apps, kind: Deployment}"),
      "");
}

TEST(CheckGrant, TellsTheNearestKind) {
  EXPECT_EQ(
      said("{group: gateway.networking.k8s.io, kind: HTTPRoutes, namespace: a}, {group: "
           "gateway.networking.k8s.io, kind: Httproute, namespace: a}",
           "{group: '', kind: Secrets}"),
      "spec.from[0].kind: there is no kind `gateway.networking.k8s.io/HTTPRoutes`: this permits nothing; "
      "did you mean `HTTPRoute`? [reference/kind]\n"
      "spec.from[1].kind: there is no kind `gateway.networking.k8s.io/Httproute`: this permits nothing; "
      "did you mean `HTTPRoute`? [reference/kind]\n"
      "spec.to[0].kind: there is no kind `Secrets`: this permits nothing; did you mean `Secret`? "
      "[reference/kind]\n");
}

TEST(CheckGrant, TellsTheGroupOfAKind) {
  EXPECT_EQ(
      said("{group: '', kind: HTTPRoute, namespace: a}", "{group: core, kind: Service}"),
      "spec.from[0].group: there is no kind `HTTPRoute`: this permits nothing; its group is "
      "gateway.networking.k8s.io [reference/kind]\n"
      "spec.to[0].group: there is no kind `core/Service`: this permits nothing; its group is `\"\"`, the "
      "core group [reference/kind]\n");
}

TEST(CheckGrant, TellsBothWhereBothAreWrong) {
  EXPECT_EQ(said("{group: gateway.network.k8s.io, kind: httproute, namespace: a}", kServices),
            "spec.from[0].kind: there is no kind `gateway.network.k8s.io/httproute`: this permits nothing; "
            "write `kind: HTTPRoute` and `group: gateway.networking.k8s.io` [reference/kind]\n");
}

}  // namespace
}  // namespace sluice::translate
