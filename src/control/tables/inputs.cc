#include "control/tables/inputs.h"

namespace sluice::control::tables {

Inputs::Inputs(Graph& graph)
    : objects(translate::Inputs::declare(graph)),
      refused(graph.input<ObjectKey, Refusal>("refused objects")),
      unusable(graph.input<ObjectKey, translate::Named>("unusable objects")),
      host_addresses(graph.input<std::string, translate::HostAddresses>("host addresses")),
      unserved(graph.input<XdsKey, translate::Unserved>("unserved sockets")),
      refused_clusters(graph.input<XdsKey, std::string>("refused clusters")),
      proxy_states(graph.input<ir::ProxyKey, ProxyState>("proxy states")),
      infrastructure(graph.input<std::string, infra::Settings>("settings of infrastructure")),
      installations(graph.input<ir::ProxyKey, translate::Installation>("installations")),
      node_addresses(graph.input<std::string, translate::NodeAddresses>("addresses of nodes")),
      module_changes(graph.input<std::string, std::uint64_t>("changes of modules")) {}

}  // namespace sluice::control::tables
