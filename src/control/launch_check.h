// What is wrong with how an EnvoyProxy has Envoys started: its changes of the bootstrap, and what of it does
// not count because arguments say something else.
//
// Threads: a pure function.
#pragma once

#include <string>
#include <vector>

#include "translate/rows.h"

namespace sluice::control {

// `envoy_args` are what every Envoy's command line has besides.
translate::PolicyProblems check_launch(const NamespacedName& name, const api::EnvoyProxy& envoy_proxy,
                                       const std::vector<std::string>& envoy_args);

}  // namespace sluice::control
