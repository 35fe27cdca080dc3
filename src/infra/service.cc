#include "infra/service.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sluice::infra {

using nlohmann::json;

namespace {

// Named after protocol and port, as Envoy Gateway's: "https-443". Of several protocols on a port the first in
// the alphabet names it.
json ports_of(const std::vector<Socket>& sockets) {
  std::map<std::pair<std::uint16_t, bool>, const Socket*> by_port;  // of UDP, or of TCP
  for (const Socket& socket : sockets) {
    const Socket*& first = by_port[{socket.port, socket.protocol == "UDP"}];
    if (first == nullptr || socket.protocol < first->protocol) first = &socket;
  }
  json ports = json::array();
  for (const auto& [key, socket] : by_port) {
    std::string name = fmt::format("{}-{}", socket->protocol, socket->port);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    ports.push_back({{"name", name},
                     {"port", socket->port},
                     {"protocol", key.second ? "UDP" : "TCP"},
                     {"targetPort", socket->container_port}});
  }
  return ports;
}

std::vector<std::string> addresses_of(const Request& request) {
  std::vector<std::string> addresses;
  for (const Gateway& gateway : request.gateways) {
    for (const std::string& address : gateway.addresses) {
      if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
    }
  }
  return addresses;
}

}  // namespace

json service_of(const Request& request, const Provider& provider, const Identity& identity) {
  if (request.sockets.empty()) return nullptr;
  const Part& service = provider.service;
  const std::string type = service.text("type", "LoadBalancer");
  json spec = {{"type", type},
               {"sessionAffinity", "None"},
               {"ports", ports_of(request.sockets)},
               {"selector", identity.selector}};
  // So that Envoy sees the addresses of clients, and connections do not go over two nodes.
  if (type != "ClusterIP") spec["externalTrafficPolicy"] = service.text("externalTrafficPolicy", "Local");
  if (type == "LoadBalancer") {
    for (const char* const member : {"allocateLoadBalancerNodePorts", "loadBalancerClass", "loadBalancerIP",
                                     "loadBalancerSourceRanges"}) {
      const json value = service.find(member);
      if (!value.is_null()) spec[member] = value;
    }
  }
  if (const std::vector<std::string> addresses = addresses_of(request); !addresses.empty()) {
    if (type == "ClusterIP") {
      spec["clusterIP"] = addresses.front();  // a Service has one of a family
      spec["clusterIPs"] = json::array({addresses.front()});
    } else {
      spec["externalIPs"] = addresses;
    }
  }
  const auto family = request.envoy_proxy != nullptr ? request.envoy_proxy->spec.ip_family : std::nullopt;
  if (family == api::IPFamily::kIPv6) {
    spec["ipFamilies"] = json::array({"IPv6"});
    spec["ipFamilyPolicy"] = "SingleStack";
  } else if (family == api::IPFamily::kDualStack) {
    spec["ipFamilies"] = json::array({"IPv4", "IPv6"});
    spec["ipFamilyPolicy"] = "RequireDualStack";
  }
  return spec;
}

}  // namespace sluice::infra
