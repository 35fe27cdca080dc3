#include "control/tables/infrastructure.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "infra/names.h"

namespace sluice::control::tables {

using translate::GatewayPlan;
using translate::ListenerPlan;
using translate::ProxyPlan;

namespace {

std::string uid_of(const auto* object) {
  return object == nullptr || !object->metadata.uid ? std::string() : *object->metadata.uid;
}

Tree metrics_of(const api::EnvoyProxySpec& spec) {
  std::vector<Tree::Member> members;
  const api::Metrics& metrics = spec.telemetry.metrics;
  if (metrics.prometheus) members.push_back({.key = "prometheus", .value = *metrics.prometheus});
  if (metrics.matches) members.push_back({.key = "matches", .value = *metrics.matches});
  return Tree::map(std::move(members));
}

infra::Request request_of(const ProxyPlan& plan, const Inputs& in, Reads& reads) {
  infra::Request request{.proxy = plan.proxy};
  for (const GatewayPlan& gateway : plan.gateways) {
    const api::Gateway* const object = reads.get(in.objects.gateways, gateway.gateway);
    infra::Gateway& one = request.gateways.emplace_back();
    one.name = gateway.gateway;
    one.uid = uid_of(object);
    if (object != nullptr) {
      if (request.gateway_class.empty()) request.gateway_class = object->spec.gateway_class_name;
      for (const api::GatewayAddress& address : object->spec.addresses) {
        if (address.type == "IPAddress" && !address.value.empty()) one.addresses.push_back(address.value);
      }
    }
    for (const ListenerPlan& listener : gateway.listeners) {
      if (listener.socket.empty()) continue;
      request.sockets.push_back(
          {.protocol = listener.protocol, .port = listener.port, .container_port = listener.bind_port});
    }
  }
  request.class_uid =
      uid_of(reads.get(in.objects.gateway_classes, NamespacedName{"", request.gateway_class}));
  request.is_merged = plan.proxy.key == request.gateway_class;
  request.envoy_proxy = plan.gateways.front().envoy_proxy;
  if (request.envoy_proxy != nullptr) request.metrics = metrics_of(request.envoy_proxy->spec);
  return request;
}

}  // namespace

Infrastructure::Infrastructure(Graph& graph, const Inputs& in, const Gateways& gateways)
    : objects(graph.map(
          "objects of proxies", gateways.proxies,
          [&in](const ir::ProxyKey&, const ProxyPlan& plan, Reads& reads) -> std::optional<ProxyObjects> {
            const infra::Settings* const settings = reads.get(in.infrastructure, Inputs::kInstalled);
            if (settings == nullptr) return std::nullopt;
            const infra::Request request = request_of(plan, in, reads);
            infra::Identity identity = infra::identity_of(request, *settings);
            infra::Result made = infra::make_objects(request, *settings);
            ProxyObjects row{.owner = std::move(identity.selector),
                             .objects = std::move(made.objects),
                             .withheld = std::move(made.withheld),
                             .problems = std::move(made.problems)};
            // Envoys that nobody can reach are not started; those that run stay, for an address that is lost
            // does not come back.
            if (!request.sockets.empty()) return row;
            for (const infra::Object& object : row.objects) row.withheld.push_back(object.key);
            row.objects.clear();
            return row;
          })) {}

}  // namespace sluice::control::tables
