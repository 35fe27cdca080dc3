#include "control/tables/services.h"

#include <vector>

#include "translate/backend.h"
#include "translate/inference_pool.h"

namespace sluice::control::tables {
namespace {

ObjectKey as_it_is(const ObjectKey& key) { return key; }

}  // namespace

Services::Services(Graph& graph, const Inputs& in, const translate::Projections& projections)
    : own_services(
          graph.map("own services", in.objects.services,
                    [](const NamespacedName&, const api::Service& s) { return translate::view_service(s); })),
      imported_services(graph.map(
          "imported services", in.objects.service_imports,
          [](const NamespacedName&, const api::ServiceImport& i) { return translate::view_import(i); })),
      services(graph.unite("services", flow::Part{own_services, object_key<api::Service>},
                           flow::Part{imported_services, object_key<api::ServiceImport>})),

      slices_of(graph.index(
          "slices by service", in.objects.endpoint_slices,
          [](const NamespacedName&, const api::EndpointSlice& s) { return translate::services_of(s); })),
      endpoints_of_services(graph.group("endpoints of services", slices_of,
                                        [this](const ObjectKey& service, Reads& reads) {
                                          std::vector<const api::EndpointSlice*> slices;
                                          for (const auto& [name, slice] : reads.group(slices_of, service)) {
                                            slices.push_back(&slice);
                                          }
                                          const translate::ServiceView* view = reads.get(services, service);
                                          return translate::join_slices(
                                              slices, view != nullptr && view->prefer_local_zone,
                                              view != nullptr && view->publish_not_ready);
                                        })),
      pods_by_label(graph.index(
          "pods by label", in.objects.pods,
          [](const NamespacedName&, const api::Pod& pod) { return translate::label_groups(pod); })),
      endpoints_of_pools(
          graph.map("endpoints of pools", in.objects.inference_pools,
                    [this](const NamespacedName& name, const api::InferencePool& pool, Reads& reads) {
                      return translate::join_pods(pool.spec, pods_near(name, pool, reads));
                    })),
      endpoints_of(graph.unite("endpoints of backends", flow::Part{endpoints_of_services, as_it_is},
                               flow::Part{endpoints_of_pools, object_key<api::InferencePool>})),
      readiness(graph.map("readiness of services", endpoints_of,
                          [](const ObjectKey&, const translate::ServiceEndpoints& of_service) {
                            translate::ServiceReadiness row{
                                .ports = {}, .addresses = of_service.addresses, .names = of_service.names};
                            for (const auto& [port, localities] : of_service.by_port) row.ports.insert(port);
                            return row;
                          })),
      problems_of_slices(graph.map(
          "problems of slices", in.objects.endpoint_slices,
          [&projections](const NamespacedName& name, const api::EndpointSlice& slice, Reads& reads) {
            return translate::check_slice(name, slice, projections, reads);
          })),
      problems_of_pods(graph.map(
          "problems of pods", in.objects.pods,
          [](const NamespacedName& name, const api::Pod& pod) { return translate::check_pod(name, pod); })) {}

std::vector<const api::Pod*> Services::pods_near(const NamespacedName& name, const api::InferencePool& pool,
                                                 Reads& reads) const {
  std::vector<const api::Pod*> pods;
  for (const auto& [pod, row] : reads.group(pods_by_label, translate::label_group(name, pool.spec))) {
    pods.push_back(&row);
  }
  return pods;
}

}  // namespace sluice::control::tables
