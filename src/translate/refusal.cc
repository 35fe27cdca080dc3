#include "translate/refusal.h"

#include <algorithm>
#include <map>
#include <utility>

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

RouteResult served_instead(RouteResult last_good, const ObjectKey& route, const std::string& message,
                           bool guilty) {
  if (guilty) last_good.problems.push_back(problem(route, message));
  for (ParentStatus& parent : last_good.parents) {
    set_condition(
        parent.conditions,
        {"PartiallyInvalid", true, std::string(kReason),
         fmt::format("Fall Back to the last good version, the proxy rejected this one: {}", message)});
  }
  return last_good;
}

RouteResult served_hardly(RouteResult refused, const ObjectKey& route, const std::string& message,
                          bool guilty) {
  if (guilty) refused.problems.push_back(problem(route, message));
  const auto error = std::make_shared<const ir::RouteAction>(ir::RouteAction{
      .action = ir::DirectResponse{.status = 500}, .request_headers = {}, .response_headers = {}});
  // All its matches stay, so that no request of them goes to another route: what a proxy could refuse of a
  // match is a regular expression, and those have been compiled (translate/regex.h).
  std::map<const std::vector<ir::Route>*, std::shared_ptr<const std::vector<ir::Route>>> by_original;
  for (auto& [host, contribution] : refused.contributions) {
    auto& instead = by_original[contribution.routes.get()];
    if (instead == nullptr) {
      std::vector<ir::Route> routes = *contribution.routes;
      for (ir::Route& each : routes) each.action = error;
      instead = std::make_shared<const std::vector<ir::Route>>(std::move(routes));
    }
    contribution.routes = instead;
  }
  refused.streams.clear();
  refused.clusters.clear();
  for (ParentStatus& parent : refused.parents) {
    set_condition(parent.conditions, {"Accepted", false, std::string(kReason),
                                      fmt::format("The proxy rejected the route: {}", message)});
  }
  return refused;
}

std::optional<GatewayPlan> served_instead(std::optional<GatewayPlan> last_good, const ObjectKey& gateway,
                                          const std::string& message, bool guilty) {
  if (!last_good) return last_good;
  if (guilty) last_good->problems.push_back(problem(gateway, message));
  set_condition(last_good->conditions,
                {"Programmed", false, std::string(kReason),
                 fmt::format("The last good version is served, the proxy rejected this one: {}", message)});
  return last_good;
}

std::optional<GatewayPlan> served_hardly(std::optional<GatewayPlan> refused, const ObjectKey& gateway,
                                         const std::string& message, bool guilty) {
  if (!refused) return refused;
  if (guilty) refused->problems.push_back(problem(gateway, message));
  set_condition(refused->conditions, {"Programmed", false, std::string(kReason),
                                      fmt::format("The proxy rejected the Gateway: {}", message)});
  refused->accepted = false;
  return refused;
}

std::optional<ListenerSetPlan> served_instead(std::optional<ListenerSetPlan> last_good, const ObjectKey& set,
                                              const std::string& message, bool guilty) {
  if (!last_good) return last_good;
  if (guilty) last_good->problems.push_back(problem(set, message));
  set_condition(last_good->conditions,
                {"Programmed", false, std::string(kReason),
                 fmt::format("The last good version is served, the proxy rejected this one: {}", message)});
  return last_good;
}

std::optional<ListenerSetPlan> served_hardly(std::optional<ListenerSetPlan> refused, const ObjectKey& set,
                                             const std::string& message, bool guilty) {
  if (!refused) return refused;
  if (guilty) refused->problems.push_back(problem(set, message));
  for (const std::string_view type : {"Accepted", "Programmed"}) {
    set_condition(refused->conditions, {std::string(type), false, std::string(kReason),
                                        fmt::format("The proxy rejected the ListenerSet: {}", message)});
  }
  refused->listeners.clear();
  return refused;
}

ExtensionPolicyRow served_instead(ExtensionPolicyRow last_good, const ObjectKey& policy,
                                  const std::string& message, bool guilty) {
  if (guilty) last_good.problems.push_back(problem(policy, message));
  last_good.refusal = {
      "Accepted", false, std::string(kReason),
      fmt::format("The last good version is served, the proxy rejected this one: {}", message)};
  return last_good;
}

ExtensionPolicyRow served_hardly(ExtensionPolicyRow refused, const ObjectKey& policy,
                                 const std::string& message, bool guilty) {
  if (guilty) refused.problems.push_back(problem(policy, message));
  refused.refusal = {"Accepted", false, std::string(kReason),
                     fmt::format("The proxy rejected the policy: {}", message)};
  for (auto& [terms, set] : refused.sets) {
    auto without = std::make_shared<ExtensionSet>(*set);
    for (auto& list : without->by_kind) {
      for (PolicyExtension& extension : list) {
        extension = {
            .filter = nullptr, .cluster = nullptr, .fail_open = extension.fail_open, .pending = false};
      }
    }
    set = std::move(without);
  }
  return refused;
}

ExtendedFilterRow served_instead(ExtendedFilterRow last_good, const ObjectKey& filter,
                                 const std::string& message, bool guilty) {
  if (guilty) last_good.problems.push_back(problem(filter, message));
  return last_good;
}

ExtendedFilterRow served_hardly(ExtendedFilterRow refused, const ObjectKey& filter,
                                const std::string& message, bool guilty) {
  ExtendedFilterRow row;
  row.failure =
      ReferenceFailure{.reason = std::string(kReason),
                       .code = "reference/filter",
                       .field = "extensionRef.name",
                       .message = fmt::format("the proxy rejected {}: {}", filter.to_string(), message),
                       .suggestion = "see what is wrong with the filter",
                       .accepted = true};
  row.matches_nothing = !refused.cookies.empty();
  row.problems = std::move(refused.problems);
  if (guilty) row.problems.push_back(problem(filter, message));
  return row;
}

}  // namespace sluice::translate
