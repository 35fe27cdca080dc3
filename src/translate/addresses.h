// The addresses that a Gateway asks for.
//
// On a host they are what its sockets are bound to. In a cluster they are its Service's, and the sockets are
// bound to all.
#pragma once

#include <string>
#include <vector>

#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

// Reads `spec.addresses` into the plan. `host` is null where nobody knows the host: then every address counts
// as one of it.
void plan_addresses(const api::Gateway& gateway, const Settings& settings, const HostAddresses* host,
                    GatewayPlan& plan);

// What the sockets of a Gateway that is served are reached by.
std::vector<std::string> addresses_of(const GatewayPlan& plan, const HostAddresses* host);

// The address as the kernel writes it ("::1" for "0:0::1"), or as it is where it is none.
std::string canonical_address(const std::string& address);
// Whether it is an IP address.
bool is_ip_address(const std::string& text);

}  // namespace sluice::translate
