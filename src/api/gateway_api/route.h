// What the declarations of HTTPRoute and GRPCRoute share. What all routes share is in shared.h.
//
// Threads: pure functions.
#pragma once

#include "api/gateway_api/shared.h"

namespace sluice::api {

schema::Type header_name();
schema::Type header_value();
schema::Type header_filter(schema::Type value);       // to HTTPHeaderFilter
schema::Type name_value_matches(schema::Type value);  // bound to a list of HTTPNameValueMatch

// Lists of HTTPRouteFilter: a GRPCRoute has fewer types of them.
schema::Type http_filters();
schema::Type grpc_filters();

schema::Type backend_refs(const schema::Type& filters);  // to a list of HTTPBackendRef
schema::Type session_persistence();                      // to SessionPersistence

// Of a list of at most kMaxRouteRules rules: together they have at most 128 matches. `matches_of_rule` is how
// many the rule at the index {0} has, in CEL.
inline constexpr int kMaxRouteRules = 16;
schema::Rule match_limit(const char* matches_of_rule);

}  // namespace sluice::api
