// The rules of an HTTPRoute or GRPCRoute → routes on hosts, clusters, conditions: what is the same for both.
// The kinds differ in their matches, which come here as those of requests.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/boxed.h"
#include "translate/attach.h"
#include "translate/tables.h"

namespace sluice::translate {

struct RouteRule {
  std::string name;  // the user's, may be empty
  std::vector<ir::RouteMatch> matches;
  std::string_view path_field;  // what the path of a match is called in the route: "path.value"
  const std::vector<api::HTTPRouteFilter>& filters;
  const std::vector<api::HTTPBackendRef>& backend_refs;
  const Boxed<api::SessionPersistence>& session;
  Boxed<api::HTTPRouteTimeouts> timeouts = {};
  Boxed<api::HTTPRouteRetry> retry = {};
};

struct RouteParts {
  ObjectKey key;
  const std::string& creation_timestamp;
  WantedParents parents;
  const std::vector<std::string>& hostnames;
  std::vector<RouteRule> rules;
  bool grpc = false;
};

// One route against the listeners of its parents. Reads what it refers to, never endpoints.
// A rule that cannot be translated harms only itself: it is answered with 500, or dropped where not even its
// match is valid, and the conditions say so.
RouteResult translate_rules(const RouteParts& route, const RouteEnvironment& environment, flow::Reads& reads);

// Whether it is the question of browsers that stands beside a match of a rule with CORS. Rules of different
// methods have the same.
bool is_preflight(const ir::RouteMatch& match);

// Of several matches of one name the first counts (the specification's rule).
std::vector<ir::ValueMatch> translate_values(const std::vector<api::HTTPNameValueMatch>& matches,
                                             bool fold_case);

}  // namespace sluice::translate
