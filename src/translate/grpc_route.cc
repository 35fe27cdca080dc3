#include "translate/grpc_route.h"

#include <fmt/format.h>

namespace sluice::translate {
namespace {

// What the specification says that names consist of.
constexpr std::string_view kAnyService = R"((?i)\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*)";
constexpr std::string_view kAnyMethod = "[A-Za-z_][A-Za-z_0-9]*";

// So that it stays an expression of its own beside others.
std::string grouped(const std::string& regex) {
  return regex.contains('|') ? fmt::format("(?:{})", regex) : regex;
}

void add_method(const api::GRPCMethodMatch& match, ir::RouteMatch& out) {
  if (match.type == api::StringMatchType::kRegularExpression) {
    out.path = {.kind = ir::MatchKind::kRegex,
                .value = fmt::format("/{}/{}", grouped(match.service.value_or(std::string(kAnyService))),
                                     grouped(match.method.value_or(std::string(kAnyMethod))))};
  } else if (match.service && match.method) {
    out.path = {.kind = ir::MatchKind::kExact, .value = fmt::format("/{}/{}", *match.service, *match.method)};
  } else if (match.service) {
    out.path = {.kind = ir::MatchKind::kPrefix, .value = "/" + *match.service};
  } else if (match.method) {
    out.headers.push_back({.name = ":path", .kind = ir::MatchKind::kSuffix, .value = "/" + *match.method});
  }
}

ir::RouteMatch translate_match(const api::GRPCRouteMatch& match) {
  ir::RouteMatch out;
  out.headers = translate_values(match.headers, true);
  if (match.method) add_method(*match.method, out);
  return out;
}

}  // namespace

RouteResult translate_grpc_route(const NamespacedName& name, const api::GRPCRoute& route,
                                 const RouteEnvironment& environment, flow::Reads& reads) {
  RouteParts parts{.key = {.kind = api::kind_of<api::GRPCRoute>(), .name = name},
                   .creation_timestamp = route.metadata.creation_timestamp,
                   .parents = {route.spec.parent_refs, route.spec.use_default_gateways},
                   .hostnames = route.spec.hostnames,
                   .rules = {},
                   .grpc = true};
  for (const api::GRPCRouteRule& rule : route.spec.rules) {
    RouteRule& to = parts.rules.emplace_back(RouteRule{.name = rule.name.value_or(""),
                                                       .matches = {},
                                                       .path_field = "method",
                                                       .filters = rule.filters,
                                                       .backend_refs = rule.backend_refs,
                                                       .session = rule.session_persistence});
    for (const api::GRPCRouteMatch& match : rule.matches) to.matches.push_back(translate_match(match));
    if (to.matches.empty()) to.matches.emplace_back();
  }
  return translate_rules(parts, environment, reads);
}

}  // namespace sluice::translate
