#include "translate/http_route.h"

namespace sluice::translate {
namespace {

ir::MatchKind kind_of_match(api::PathMatchType type) {
  switch (type) {
    case api::PathMatchType::kExact:
      return ir::MatchKind::kExact;
    case api::PathMatchType::kPathPrefix:
      return ir::MatchKind::kPrefix;
    case api::PathMatchType::kRegularExpression:
      return ir::MatchKind::kRegex;
  }
  return ir::MatchKind::kExact;
}

ir::RouteMatch translate_match(const api::HTTPRouteMatch& match) {
  ir::RouteMatch out;
  out.path = {.kind = kind_of_match(match.path.type), .value = match.path.value};
  // "/a/" and "/a" are the same prefix: both are the segments of "/a".
  if (out.path.kind == ir::MatchKind::kPrefix) {
    while (out.path.value.size() > 1 && out.path.value.ends_with('/')) out.path.value.pop_back();
    if (out.path.value.empty()) out.path.value = "/";
  }
  out.method = match.method;
  out.headers = translate_values(match.headers, true);
  out.query_params = translate_values(match.query_params, false);
  return out;
}

}  // namespace

RouteResult translate_http_route(const NamespacedName& name, const api::HTTPRoute& route,
                                 const RouteEnvironment& environment, flow::Reads& reads) {
  RouteParts parts{.key = {.kind = api::kind_of<api::HTTPRoute>(), .name = name},
                   .creation_timestamp = route.metadata.creation_timestamp,
                   .parents = {route.spec.parent_refs, route.spec.use_default_gateways},
                   .hostnames = route.spec.hostnames,
                   .rules = {}};
  parts.rules.reserve(route.spec.rules.size());
  for (const api::HTTPRouteRule& rule : route.spec.rules) {
    RouteRule& to = parts.rules.emplace_back(RouteRule{.name = rule.name.value_or(""),
                                                       .matches = {},
                                                       .path_field = "path.value",
                                                       .filters = rule.filters,
                                                       .backend_refs = rule.backend_refs,
                                                       .session = rule.session_persistence,
                                                       .timeouts = rule.timeouts,
                                                       .retry = rule.retry});
    to.matches.reserve(rule.matches.size());
    for (const api::HTTPRouteMatch& match : rule.matches) to.matches.push_back(translate_match(match));
  }
  return translate_rules(parts, environment, reads);
}

}  // namespace sluice::translate
