#include "control/tables/policies.h"

#include "translate/backend.h"
#include "translate/policy/backend_tls.h"
#include "translate/policy/traffic.h"
#include "translate/x_backend.h"

namespace sluice::control::tables {

Policies::Policies(Graph& graph, const translate::Settings& settings, const Inputs& in,
                   const translate::Projections& projections)
    : backend_tls(
          graph.map("backend TLS policies", in.objects.backend_tls_policies,
                    [&](const NamespacedName& name, const api::BackendTLSPolicy& policy, Reads& reads) {
                      return translate::read_backend_tls_policy(name, policy, in.objects, projections, reads);
                    })),
      backend_tls_of(graph.index("backend TLS policies by target", backend_tls,
                                 [](const NamespacedName&, const translate::BackendTlsPolicyRow& row) {
                                   return translate::objects_of(row.targets);
                                 })),
      backend_tls_targets(
          graph.map("targets of backend TLS policies", backend_tls,
                    [&](const NamespacedName& name, const translate::BackendTlsPolicyRow& row, Reads& reads) {
                      return translate::check_backend_tls_policy(name, row, in.objects, projections, reads);
                    })),

      traffic(graph.map("traffic policies", in.objects.x_backend_traffic_policies,
                        [](const NamespacedName& name, const api::XBackendTrafficPolicy& policy) {
                          return translate::read_traffic_policy(name, policy);
                        })),
      traffic_of(graph.index("traffic policies by target", traffic,
                             [](const NamespacedName&, const translate::TrafficPolicyRow& row) {
                               return translate::objects_of(row.targets);
                             })),
      traffic_targets(
          graph.map("targets of traffic policies", traffic,
                    [&](const NamespacedName& name, const translate::TrafficPolicyRow& row, Reads& reads) {
                      return translate::check_traffic_policy(name, row, in.objects, projections, reads);
                    })),

      backends(graph.map("backends", in.objects.backends,
                         [&](const NamespacedName& name, const api::Backend& backend, Reads& reads) {
                           return translate::read_backend(name, backend, settings, in.objects, projections,
                                                          reads);
                         })),
      x_backends(graph.map("XBackends", in.objects.x_backends,
                           [&](const NamespacedName& name, const api::XBackend& backend, Reads& reads) {
                             return translate::read_x_backend(name, backend, in.objects, projections, reads);
                           })) {}

}  // namespace sluice::control::tables
