#include <string>
#include <utility>

#include "api/declarations.h"
#include "api/gateway_api/route.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

Type budget() {
  const Type interval =
      gateway_duration().with({.name = "retry-interval",
                               .cel = "!(duration(self) < duration('1s') || duration(self) > duration('1h'))",
                               .message = "the interval of a budget is between one second and one hour"});
  return object({
      field<&RetryConstraint::budget_interval>("interval", interval)
          .defaults_to("10s")
          .doc("The time over which requests are counted."),
      field<&RetryConstraint::budget_percent>("percent", integer().range(0, 100))
          .defaults_to(20)
          .doc("How many of a hundred requests may be retries."),
  });
}

Type request_rate() {
  const Type interval = gateway_duration().with(
      {.name = "retry-interval",
       .cel = "!(duration(self) == duration('0s') || duration(self) > duration('1h'))",
       .message = "the interval of a rate is more than nothing, and at most one hour"});
  return object({
      field<&RequestRate::count>("count", integer().range(1, 1'000'000)).doc("So many retries ..."),
      field<&RequestRate::interval>("interval", interval).doc("... in so much time. By default `1s`."),
  });
}

Type retry_constraint() {
  return object({
      flattened("budget", budget())
          .defaults_to(Tree::map({{.key = "interval", .value = Tree::string("10s")},
                                  {.key = "percent", .value = Tree::integer(20)}}))
          .doc("Which share of the requests may be retries."),
      field<&RetryConstraint::min_retry_rate>("minRetryRate", request_rate())
          .defaults_to(Tree::map({{.key = "count", .value = Tree::integer(10)},
                                  {.key = "interval", .value = Tree::string("1s")}}))
          .doc("How many there may be in any case, where requests are few."),
  });
}

Type target_refs() {
  const Type ref = object({
      field<&LocalPolicyTargetReference::group>("group", group_name()).required(),
      field<&LocalPolicyTargetReference::kind>("kind", kind_name()).required(),
      field<&LocalPolicyTargetReference::name>("name", object_name()).required(),
  });
  return list(ref).items(1, 16).keyed_by({"group", "kind", "name"});
}

}  // namespace

Type x_backend_traffic_policy_type() {
  const Type spec = object({
      field<&XBackendTrafficPolicySpec::retry_constraint>("retryConstraint", retry_constraint())
          .doc("How many of the requests to the backend may be retries."),
      field<&XBackendTrafficPolicySpec::session_persistence>("sessionPersistence", session_persistence())
          .doc("Keeps clients at one endpoint, where the rule of a route says nothing of it."),
      field<&XBackendTrafficPolicySpec::target_refs>("targetRefs", target_refs())
          .required()
          .doc("The backends for which the policy is."),
  });
  return resource<XBackendTrafficPolicy>(metadata_type(kSubdomain, 253), spec,
                                         field("status", policy_status()))
      .doc("How requests to a backend are repeated, and which stay together, whatever route they come by.");
}

}  // namespace sluice::api
