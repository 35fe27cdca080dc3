#include "control/tables/projections.h"

#include <memory>
#include <utility>

#include "translate/certificate.h"
#include "translate/gateway.h"
#include "translate/grant.h"

namespace sluice::control::tables {
namespace {

// One row for all: that there is one is all it says.
const std::shared_ptr<const translate::Named> kNamed = std::make_shared<const translate::Named>();

template <typename T>
auto names_of(Graph& graph, std::string name, const Input<NamespacedName, T>& objects) {
  const auto& names =
      graph.map(std::move(name), objects, [](const NamespacedName&, const T&) { return kNamed; });
  return flow::Part<NamespacedName, translate::Named, ObjectKey (*)(const NamespacedName&)>{names,
                                                                                            object_key<T>};
}

}  // namespace

Projections::Projections(Graph& graph, const translate::Settings& settings, const Inputs& in,
                         const translate::Projections& projections)
    : namespace_labels(
          graph.map("namespace labels", in.objects.namespaces,
                    [](const NamespacedName&, const api::Namespace& n) { return n.metadata.labels; })),
      grants_in(graph.index(
          "grants by namespace", in.objects.reference_grants,
          [](const NamespacedName& name, const api::ReferenceGrant&) { return name.namespace_.text(); })),
      problems_of_grants(graph.map("problems of grants", in.objects.reference_grants,
                                   [](const NamespacedName& name, const api::ReferenceGrant& grant) {
                                     return translate::check_grant(name, grant);
                                   })),
      certificates(graph.map(
          "certificates", in.objects.secrets,
          [](const NamespacedName&, const api::Secret& s) { return translate::read_certificate(s); })),

      all_names(
          graph.unite("names", names_of(graph, "names of GatewayClasses", in.objects.gateway_classes),
                      names_of(graph, "names of EnvoyProxies", in.objects.envoy_proxies),
                      names_of(graph, "names of Gateways", in.objects.gateways),
                      names_of(graph, "names of ListenerSets", in.objects.listener_sets),
                      names_of(graph, "names of Services", in.objects.services),
                      names_of(graph, "names of ServiceImports", in.objects.service_imports),
                      names_of(graph, "names of Backends", in.objects.backends),
                      names_of(graph, "names of XBackends", in.objects.x_backends),
                      names_of(graph, "names of InferencePools", in.objects.inference_pools),
                      names_of(graph, "names of HTTPRouteFilters", in.objects.http_route_filters),
                      names_of(graph, "names of Secrets", in.objects.secrets),
                      names_of(graph, "names of ConfigMaps", in.objects.config_maps),
                      names_of(graph, "names of ClusterTrustBundles", in.objects.cluster_trust_bundles))),
      names(graph.index("names by namespace", all_names,
                        [](const ObjectKey& object, const translate::Named&) {
                          using By = translate::NameGroup::By;
                          Groups<translate::NameGroup> groups;
                          groups.push_back({object.kind, By::kNamespace, object.name.namespace_});
                          groups.push_back({object.kind, By::kName, object.name.name});
                          return groups;
                        })),

      classes_of(graph.index(
          "classes by controller", in.objects.gateway_classes,
          [](const NamespacedName&, const api::GatewayClass& c) { return c.spec.controller_name; })),
      classes(graph.map(
          "classes", in.objects.gateway_classes,
          [&](const NamespacedName& name, const api::GatewayClass& gateway_class, Reads& reads) {
            return translate::translate_class(name, gateway_class, settings, in.objects, projections, reads);
          })) {}

}  // namespace sluice::control::tables
