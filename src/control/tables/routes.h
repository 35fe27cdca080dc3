// Routes: each kind by itself, then all as one table. What follows reads only that one.
#pragma once

#include "control/tables/extensions.h"
#include "control/tables/gateways.h"
#include "control/tables/patches.h"
#include "translate/attach.h"

namespace sluice::control::tables {

struct Routes {
  using Results = Table<NamespacedName, translate::RouteResult>;

  Routes(Graph& graph, const translate::Settings& settings, const Inputs& in,
         const translate::Projections& projections, const Gateways& gateways, const Patches& patches,
         const Extensions& extensions);

  const translate::RouteEnvironment environment;
  const Results& http;
  const Results& grpc;
  const Results& tls;
  const Results& tcp;
  const Results& udp;
  const Table<ObjectKey, translate::RouteResult>& all;
};

}  // namespace sluice::control::tables
