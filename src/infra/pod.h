// The pods of a proxy: Envoy, and beside it the shutdown manager, which lets connections end before Envoy
// does.
//
// When a pod is to go, Kubernetes runs both containers' preStop hooks. The shutdown manager's is `sluice
// envoy shutdown`: it has Envoy drain its listeners and waits for connections to end, between the least and
// the longest time of the EnvoyProxy's `shutdown`. Envoy's asks the shutdown manager on its port, which
// answers as soon as that is so (drain/manager.h). The shutdown manager writes no files.
//
// Threads: pure functions.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "infra/names.h"
#include "infra/objects.h"
#include "infra/provider.h"

namespace sluice::infra {

// spec.template of a Deployment or DaemonSet. `bootstrap` is what Envoy starts with (infra/bootstrap.h).
nlohmann::json pod_template(const Request& request, const Settings& settings, const Provider& provider,
                            const Identity& identity, const std::string& bootstrap);

}  // namespace sluice::infra
