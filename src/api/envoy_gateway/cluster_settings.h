// How Envoy treats backends: the settings that every place of this group has where it names some.
//
// Threads: pure functions.
#pragma once

#include <vector>

#include "schema/type.h"

namespace sluice::api {

// A kind that has the settings among its own fields takes the two apart; `backendSettings` has nothing else.
std::vector<schema::Field> cluster_settings_fields();
std::vector<schema::Rule> cluster_settings_rules();

// health_check.cc
schema::Type health_check();
schema::Type health_check_log();

// load_balancer.cc
schema::Type load_balancer();

// backendRefs, backendSettings, and backendRef, which no object may have any more.
std::vector<schema::Field> backend_fields();
std::vector<schema::Rule> backend_rules();

}  // namespace sluice::api
