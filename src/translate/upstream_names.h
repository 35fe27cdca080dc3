// What Envoy Gateway calls the parts of a route table and the clusters of mirrors, for patches that find them
// by name: its names count rules, filters and matches. Nothing else has these names.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "translate/rows.h"

namespace sluice::translate {

// "httproute/default/web/rule/0-mirror-1", the cluster of the mirror that is the rule's second filter.
std::string upstream_mirror_name(const ObjectKey& route, std::size_t rule, std::size_t filter);

// "default/eg/http"; a listener of a ListenerSet is behind its Gateway: "default/eg/default/more/http".
std::string upstream_name(const GatewayPlan& gateway, const ListenerPlan& listener);

// "default/eg/http/www_example_com", after the listener of the route table that the host belongs to.
std::string upstream_host_name(const ProxyPlan& plan, std::string_view route_table, std::string_view host);

// "httproute/default/web/rule/0/match/1/www_example_com", of each route of the host in the order in which
// these are merged (virtual_host.h).
std::vector<std::string> upstream_route_names(
    const std::string& host, const std::vector<std::pair<ObjectKey, const Contribution*>>& contributions);

}  // namespace sluice::translate
