// The parts of an EnvoyProxy that have files of their own.
//
// Threads: pure functions.
#pragma once

#include "schema/type.h"

namespace sluice::api {

schema::Type kubernetes_provider();  // kubernetes_provider.cc
schema::Type telemetry();            // telemetry.cc

}  // namespace sluice::api
