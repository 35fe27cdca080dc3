#include "translate/refusal.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace sluice::translate {
namespace {

constexpr std::string_view kReason = "RejectedByProxy";

Problem problem(const ObjectKey& object, const std::string& message) {
  return {.code = "value/rejected",
          .severity = Severity::kError,
          .where = {},
          .object = object,
          .path = "",
          .message = "the proxy rejected it: " + message,
          .suggestion = ""};
}

}  // namespace

RouteResult in_place_of(const RouteResult& refused, const RouteResult* last_good, const std::string& message) {
  RouteResult result;
  result.parents = refused.parents;
  result.problems = refused.problems;
  for (const auto& [host, contribution] : refused.contributions) {
    if (contribution.routes->empty()) continue;
    result.problems.push_back(problem(contribution.routes->front().owner, message));
    break;
  }
  if (last_good != nullptr) {
    result.contributions = last_good->contributions;
    result.clusters = last_good->clusters;
  } else {
    const auto internal_error = std::make_shared<const ir::RouteAction>(
        ir::RouteAction{.action = ir::DirectResponse{.status = 500, .body = ""}, .request_headers = {}, .response_headers = {}});
    std::map<const std::vector<ir::Route>*, std::shared_ptr<const std::vector<ir::Route>>> answered;
    for (const auto& [host, contribution] : refused.contributions) {
      auto& routes = answered[contribution.routes.get()];
      if (routes == nullptr) {
        std::vector<ir::Route> all;
        // A match may be what the proxy refused; only paths that it cannot refuse are kept.
        for (ir::Route route : *contribution.routes) {
          const auto is_regex = [](const ir::ValueMatch& m) { return m.kind == ir::MatchKind::kRegex; };
          if (route.match.path.kind == ir::MatchKind::kRegex || std::ranges::any_of(route.match.headers, is_regex) ||
              std::ranges::any_of(route.match.query_params, is_regex)) {
            continue;
          }
          route.action = internal_error;
          all.push_back(std::move(route));
        }
        routes = std::make_shared<const std::vector<ir::Route>>(std::move(all));
      }
      Contribution instead = contribution;
      instead.routes = routes;
      result.contributions.emplace_back(host, std::move(instead));
    }
  }
  for (ParentStatus& parent : result.parents) {
    if (last_good != nullptr) {
      set_condition(parent.conditions, {"PartiallyInvalid", true, std::string(kReason),
                                        fmt::format("Fall Back to the last good version: the proxy rejected this one: {}", message)});
    } else {
      set_condition(parent.conditions,
                    {"Accepted", false, std::string(kReason), fmt::format("The proxy rejected the route: {}", message)});
    }
  }
  return result;
}

GatewayPlan in_place_of(const GatewayPlan& refused, const GatewayPlan* last_good, const std::string& message) {
  GatewayPlan plan = last_good != nullptr ? *last_good : refused;
  plan.problems = refused.problems;
  plan.problems.push_back(
      problem({.kind = api::kind_of<api::Gateway>(), .name = refused.gateway}, message));
  plan.conditions = refused.conditions;
  set_condition(plan.conditions, {"Programmed", false, std::string(kReason),
                                  fmt::format("The proxy rejected the Gateway{}: {}",
                                              last_good != nullptr ? ", its last good version is served" : "", message)});
  if (last_good == nullptr) plan.accepted = false;
  return plan;
}

}  // namespace sluice::translate
