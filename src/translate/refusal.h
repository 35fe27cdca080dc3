// What is served in place of an object that a proxy refused: its last good version, else as little as it can be.
#pragma once

#include <string>

#include "translate/rows.h"

namespace sluice::translate {

// `last_good` may be null: then the route's matches are answered with 500.
RouteResult in_place_of(const RouteResult& refused, const RouteResult* last_good, const std::string& message);

// `last_good` may be null: then the Gateway has no listeners that serve.
GatewayPlan in_place_of(const GatewayPlan& refused, const GatewayPlan* last_good, const std::string& message);

}  // namespace sluice::translate
