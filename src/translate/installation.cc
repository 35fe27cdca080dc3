#include "translate/installation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "translate/addresses.h"
#include "translate/status.h"

namespace sluice::translate {
namespace {

using Addresses = std::vector<std::string>;

void append(Addresses& to, const Addresses& from) {
  for (const std::string& address : from) {
    if (std::ranges::find(to, address) == to.end()) to.push_back(address);
  }
}

// Where the Service is reached, unless somebody asks for something else.
Addresses given(const ServiceState& service, const NodeAddresses* nodes) {
  if (service.type == "LoadBalancer") return service.ingress;
  if (service.type == "ClusterIP") return service.cluster_ips;
  Addresses all;
  if (nodes == nullptr) return all;
  if (service.ipv4) append(all, nodes->ipv4);
  if (service.ipv6) append(all, nodes->ipv6);
  return all;
}

struct Reach {
  Addresses addresses;
  Addresses unusable;  // asked for in vain
};

Reach reach_of(const api::Gateway& gateway, const std::optional<ServiceState>& service,
               const NodeAddresses* nodes) {
  Reach reach;
  Addresses asked;
  for (const api::GatewayAddress& address : gateway.spec.addresses) {
    if (!address.value.empty()) asked.push_back(canonical_address(address.value));
  }
  if (asked.empty()) {
    if (service) reach.addresses = given(*service, nodes);
    return reach;
  }
  Addresses usable;
  if (service) {
    for (const std::string& address : service->external_ips) usable.push_back(canonical_address(address));
    for (const std::string& address : given(*service, nodes)) usable.push_back(canonical_address(address));
  }
  // IP addresses are what the Service is to get: they are told before it has them, as Envoy Gateway does.
  for (const std::string& address : asked) {
    const bool has = std::ranges::find(usable, address) != usable.end();
    if (has || is_ip_address(address)) reach.addresses.push_back(address);
    if (!has) reach.unusable.push_back(address);
  }
  return reach;
}

Condition programmed(const GatewayPlan& plan, const Reach& reach, const Installation& installation,
                     const std::string& fault) {
  const auto not_programmed = [](const char* reason, std::string message) {
    return Condition{"Programmed", false, reason, std::move(message)};
  };
  const bool serves_any = std::ranges::any_of(plan.listeners, &ListenerPlan::ready);
  if (!reach.unusable.empty()) {
    return not_programmed(
        "AddressNotUsable",
        fmt::format("The Service does not get {}: see `spec.addresses`{}{}", fmt::join(reach.unusable, ", "),
                    installation.fault.empty() ? "" : ". ", installation.fault));
  }
  if (reach.addresses.empty()) {
    std::string message = "No address has been assigned to the Service yet";
    if (!serves_any) message = "There is no Service: no listener can be served";
    if (!installation.fault.empty()) message = installation.fault;
    return not_programmed("AddressNotAssigned", std::move(message));
  }
  if (installation.available == 0) {
    return not_programmed("NoResources",
                          installation.fault.empty() ? "No Envoy is available yet" : installation.fault);
  }
  if (!fault.empty()) return not_programmed("Pending", fault);
  return {"Programmed", true, "Programmed", "The Gateway has an address, and Envoys that serve it"};
}

}  // namespace

void add_installation(ObjectStatus& status, const api::Gateway& gateway, const GatewayPlan& plan,
                      const Installation* installation, const NodeAddresses* nodes,
                      const std::string& fault) {
  add_acceptance(status);
  Condition condition{"Programmed", false, "Invalid", "The Gateway is not accepted"};
  if (plan.accepted && installation == nullptr) {
    condition = {"Programmed", false, "Pending", "What runs its Envoys is not known yet"};
  } else if (plan.accepted) {
    Reach reach = reach_of(gateway, installation->service, nodes);
    condition = programmed(plan, reach, *installation, fault);
    if (reach.addresses.size() > kMaxAddresses) reach.addresses.resize(kMaxAddresses);
    status.addresses = std::move(reach.addresses);
  }
  if (find_condition(status.conditions, "Programmed") == nullptr) {
    status.conditions.push_back(std::move(condition));
  }
}

}  // namespace sluice::translate
