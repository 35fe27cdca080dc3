// What several declarations of the group share.
//
// Threads: pure functions.
#pragma once

#include <vector>

#include "schema/type.h"

namespace sluice::api {

// The TLS settings of a connection to a backend: BackendTLSConfig. Bound nowhere: they stay a Tree.
std::vector<schema::Field> tls_settings_fields();
std::vector<schema::Rule> tls_settings_rules();

}  // namespace sluice::api
