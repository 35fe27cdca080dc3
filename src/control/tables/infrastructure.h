// The objects that run the proxies of a cluster. There are none where Envoys are processes of this host.
#pragma once

#include "control/tables/gateways.h"
#include "control/tables/inputs.h"

namespace sluice::control::tables {

struct Infrastructure {
  Infrastructure(Graph& graph, const Inputs& in, const Gateways& gateways);

  const Table<ir::ProxyKey, ProxyObjects>& objects;
};

}  // namespace sluice::control::tables
