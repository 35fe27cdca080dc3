#include "translate/upstream_names.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "translate/hostname.h"
#include "translate/virtual_host.h"

namespace sluice::translate {
namespace {

std::string underscored(std::string_view host) {
  std::string text(host);
  std::ranges::replace(text, '.', '_');
  return text;
}

// Apart from how routes of one match share requests.
bool same_match(ir::RouteMatch a, ir::RouteMatch b) {
  a.below.reset();
  b.below.reset();
  return a == b;
}

// It stands behind the route of the match that it asks about.
bool is_preflight(const ir::Route& route) {
  return route.action->cors && route.match.method == "OPTIONS" && !route.match.headers.empty() &&
         route.match.headers.back().name == "access-control-request-method";
}

std::string_view upstream_kind(const ObjectKey& route) {
  return route.kind == api::kind_of<api::GRPCRoute>() ? "grpcroute" : "httproute";
}

// A GRPCRoute's rule without matches.
bool matches_all(const ir::Route& route) {
  return route.owner.kind == api::kind_of<api::GRPCRoute>() && same_match(route.match, {});
}

// The same contribution, each of whose routes has its name in place of its rule's.
Contribution named(const Contribution& contribution, const std::string& host) {
  std::vector<ir::Route> routes = *contribution.routes;
  std::map<std::uint32_t, int> matches;  // so far, by rule
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const std::uint32_t rule = (*contribution.rules)[i];
    const ir::Route& route = (*contribution.routes)[i];
    const bool same_rule = i > 0 && (*contribution.rules)[i - 1] == rule;
    const bool again =
        same_rule && (is_preflight(route) || same_match(route.match, (*contribution.routes)[i - 1].match));
    if (!again) ++matches[rule];
    routes[i].rule_name =
        fmt::format("{}/{}/rule/{}/match/{}/{}", upstream_kind(route.owner), route.owner.name.to_string(),
                    rule, matches_all(route) ? -1 : matches[rule] - 1, host);
  }
  Contribution result = contribution;
  result.routes = std::make_shared<const std::vector<ir::Route>>(std::move(routes));
  return result;
}

}  // namespace

std::string upstream_mirror_name(const ObjectKey& route, std::size_t rule, std::size_t filter) {
  return fmt::format("{}/{}/rule/{}-mirror-{}", upstream_kind(route), route.name.to_string(), rule, filter);
}

std::string upstream_name(const GatewayPlan& gateway, const ListenerPlan& listener) {
  const bool own = listener.owner.kind == api::kind_of<api::Gateway>();
  return own ? fmt::format("{}/{}", gateway.gateway.to_string(), listener.name)
             : fmt::format("{}/{}/{}", gateway.gateway.to_string(), listener.owner.name.to_string(),
                           listener.name);
}

std::string upstream_host_name(const ProxyPlan& plan, std::string_view route_table, std::string_view host) {
  const ListenerPlan* nearest = nullptr;
  std::string name(route_table);
  for (const GatewayPlan& gateway : plan.gateways) {
    for (const ListenerPlan& listener : gateway.listeners) {
      if (listener.route_table != route_table) continue;
      const bool fits =
          listener.hostname.empty() || listener.hostname == host || covers(listener.hostname, host);
      const bool nearer = nearest == nullptr || listener.hostname.size() > nearest->hostname.size();
      if (!fits || !nearer) continue;
      nearest = &listener;
      name = upstream_name(gateway, listener);
    }
  }
  return fmt::format("{}/{}", name, underscored(host));
}

std::vector<std::string> upstream_route_names(
    const std::string& host, const std::vector<std::pair<ObjectKey, const Contribution*>>& contributions) {
  std::deque<Contribution> room;
  std::vector<std::pair<ObjectKey, const Contribution*>> renamed;
  for (const auto& [route, contribution] : contributions) {
    renamed.emplace_back(route, &room.emplace_back(named(*contribution, underscored(host))));
  }
  std::vector<std::string> names;
  for (const ir::Route& route : merge_host(host, renamed).host.routes) names.push_back(route.rule_name);
  return names;
}

}  // namespace sluice::translate
