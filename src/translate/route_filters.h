// The filters of a rule or of one of its backendRefs → what is done to its requests.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "translate/route_backends.h"

namespace sluice::translate {

// True where the rewrite makes another host.
bool rewrites_host(const ir::Rewrite& rewrite);

struct RouteFilters {
  ir::HeaderChanges request_headers;
  ir::HeaderChanges response_headers;
  Boxed<ir::Redirect> redirect;
  Boxed<ir::Rewrite> rewrite;
  std::vector<ir::Mirror> mirrors;
  bool mirrors_anywhere = false;  // to whatever host the request names
  Boxed<ir::Cors> cors;
  std::vector<ir::ExtensionPtr> auths;  // ir::ExtAuthz: who has to let requests pass, in this order
  Boxed<ir::DirectResponse> response;   // counts before a redirect
  // Cookies that requests need besides, all of one of these; none: they need none.
  std::vector<std::vector<ir::ValueMatch>> cookies;
  const ExtendedFilterRow* credential = nullptr;  // whose it is
  bool failed = false;                            // requests are answered with 500
  bool matches_nothing = false;                   // ... but nobody knows which
};

// Why no rule may be like that: the Accepted condition says it.
struct RuleFailure {
  std::string reason;
  std::string message;
};

// Of a rule: what is wrong with a filter is a problem, and besides either a failure of the rule or, for
// references, in the conditions of `backends`. A rule that has clusters of its own (`own_rule`, its index)
// has them for its mirrors, too.
RouteFilters read_rule_filters(const std::vector<api::HTTPRouteFilter>& filters, const Place& rule,
                               RouteBackends& backends, std::vector<RuleFailure>& failures,
                               std::optional<std::size_t> own_rule = std::nullopt);

// Of a backendRef, with fewer types. All that is wrong is in the conditions of `backends`.
RouteFilters read_backend_filters(const std::vector<api::HTTPRouteFilter>& filters, const Place& backend,
                                  RouteBackends& backends);

}  // namespace sluice::translate
