#include "control/tables/policies.h"

#include "translate/backend.h"
#include "translate/policy/backend_tls.h"

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

      backends(graph.map("backends", in.objects.backends,
                         [&](const NamespacedName& name, const api::Backend& backend, Reads& reads) {
                           return translate::read_backend(name, backend, settings, in.objects, projections,
                                                          reads);
                         })) {}

}  // namespace sluice::control::tables
