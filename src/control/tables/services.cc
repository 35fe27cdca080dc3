#include "control/tables/services.h"

#include <vector>

#include "translate/backend.h"

namespace sluice::control::tables {

Services::Services(Graph& graph, const Inputs& in)
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
      endpoints_of(graph.group("endpoints of services", slices_of,
                               [this](const ObjectKey& service, Reads& reads) {
                                 std::vector<const api::EndpointSlice*> slices;
                                 for (const auto& [name, slice] : reads.group(slices_of, service)) {
                                   slices.push_back(&slice);
                                 }
                                 const translate::ServiceView* view = reads.get(services, service);
                                 return translate::join_slices(slices,
                                                               view != nullptr && view->prefer_local_zone,
                                                               view != nullptr && view->publish_not_ready);
                               })),
      readiness(graph.map("readiness of services", endpoints_of,
                          [](const ObjectKey&, const translate::ServiceEndpoints& of_service) {
                            translate::ServiceReadiness row{
                                .ports = {}, .addresses = of_service.addresses, .names = of_service.names};
                            for (const auto& [port, localities] : of_service.by_port) row.ports.insert(port);
                            return row;
                          })),
      problems_of_slices(graph.map("problems of slices", in.objects.endpoint_slices,
                                   [](const NamespacedName& name, const api::EndpointSlice& slice) {
                                     return translate::check_slice(name, slice);
                                   })) {}

}  // namespace sluice::control::tables
