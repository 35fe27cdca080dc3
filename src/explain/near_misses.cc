#include "explain/near_misses.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "explain/match.h"
#include "translate/condition.h"
#include "translate/hostname.h"

namespace sluice::explain {

namespace {

// Of each kind.
constexpr std::size_t kShown = 3;

// How far a route is from taking the request; smaller is nearer.
struct Distance {
  bool path = false;               // it is the path that differs
  std::ptrdiff_t unlike_path = 0;  // less what both paths begin with
  std::size_t mismatches = 0;
  std::size_t position = 0;

  auto operator<=>(const Distance&) const = default;
};

std::ptrdiff_t common_prefix(std::string_view a, std::string_view b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

class Finder {
 public:
  Finder(const Snapshot& snapshot, const translate::ProxyPlan& plan, const Explanation& explanation,
         const Arrival& arrival)
      : snapshot_(snapshot), plan_(plan), e_(explanation), arrival_(arrival) {}

  std::vector<NearMiss> find() {
    if (e_.virtual_host) {
      in_the_host();
      in_wider_hosts();
    }
    if (!e_.rule) {
      on_other_listeners();
    }
    detached();
    return std::move(found_);
  }

 private:
  NearMiss& add(NearMiss::Kind kind, const std::string& table, const std::string& host,
                const ir::Route& route) {
    const Snapshot::Origin origin = snapshot_.origin(table, host, route);
    return found_.emplace_back(
        NearMiss{.kind = kind,
                 .place = {.object = route.owner, .path = fmt::format("spec.rules[{}]", origin.rule)},
                 .rule_name = route.rule_name,
                 .match = describe(route.match),
                 .reasons = {}});
  }

  // Before the route that took it: those that do not match. After it: those that match too.
  void in_the_host() {
    const std::vector<ir::Route>& routes = snapshot_.merged(e_.route_table, *e_.virtual_host).routes;
    const std::size_t taken = e_.rule ? e_.rule->positions.front() : routes.size();
    std::vector<std::pair<Distance, std::vector<Mismatch>>> tried;
    for (std::size_t i = 0; i < taken; ++i) tried.push_back({distance(routes[i], i), {}});
    std::ranges::sort(tried, {}, &std::pair<Distance, std::vector<Mismatch>>::first);
    std::size_t shown = 0;
    for (const auto& [distance, none] : tried) {
      if (shown == kShown) break;
      // Where something took the request, routes for quite other paths are of no interest.
      if (e_.rule && distance.path && -distance.unlike_path < 2) continue;
      const ir::Route& route = routes[distance.position];
      NearMiss& miss = add(NearMiss::Kind::kDiffers, e_.route_table, *e_.virtual_host, route);
      for (Mismatch& mismatch : mismatches(route.match, arrival_)) {
        miss.reasons.push_back(std::move(mismatch.text));
      }
      ++shown;
    }
    shown = 0;
    for (std::size_t i = taken + 1; i < routes.size() && shown < kShown; ++i) {
      if (!takes(routes[i].match, arrival_)) continue;
      // The matches of one rule do the same: which of them took it does not matter.
      if (routes[i].owner == routes[taken].owner && rule_of(routes[i]) == rule_of(routes[taken])) continue;
      NearMiss& miss = add(NearMiss::Kind::kLater, e_.route_table, *e_.virtual_host, routes[i]);
      miss.reasons.push_back(why_first(routes[taken], routes[i]));
      ++shown;
    }
  }

  std::uint32_t rule_of(const ir::Route& route) const {
    return snapshot_.origin(e_.route_table, *e_.virtual_host, route).rule;
  }

  Distance distance(const ir::Route& route, std::size_t position) const {
    const std::vector<Mismatch> all = mismatches(route.match, arrival_);
    const bool path = std::ranges::any_of(all, &Mismatch::path);
    return {.path = path,
            .unlike_path = path ? -common_prefix(route.match.path.value, arrival_.path) : 0,
            .mismatches = all.size(),
            .position = position};
  }

  std::string why_first(const ir::Route& first, const ir::Route& second) const {
    const auto contribution = [&](const ir::Route& route) -> const translate::Contribution* {
      for (const auto& [key, c] : snapshot_.hosts(e_.route_table).find(*e_.virtual_host)->second) {
        if (key == route.owner) return c;
      }
      return nullptr;
    };
    const translate::Contribution* a = contribution(first);
    const translate::Contribution* b = contribution(second);
    const bool ranked = a != nullptr && b != nullptr && !a->keep_order && !b->keep_order;
    if (std::string why = ranked ? why_before(first.match, second.match) : ""; !why.empty()) return why;
    if (first.owner == second.owner) {
      return ranked ? "an earlier rule of the same route comes first"
                    : "the route keeps the order of its rules";
    }
    if (a != nullptr && b != nullptr && a->creation_timestamp != b->creation_timestamp) {
      return fmt::format("{} is older", first.owner.to_string());
    }
    return fmt::format("of routes of the same age {} comes first by name", first.owner.to_string());
  }

  // Envoy looks into one host only.
  void in_wider_hosts() {
    std::size_t shown = 0;
    for (const auto& [host, contributions] : snapshot_.hosts(e_.route_table)) {
      if (host == *e_.virtual_host || !translate::covers(host, arrival_.host) || shown == kShown) continue;
      for (const ir::Route& route : snapshot_.merged(e_.route_table, host).routes) {
        if (!takes(route.match, arrival_)) continue;
        NearMiss& miss = add(NearMiss::Kind::kHost, e_.route_table, host, route);
        miss.reasons.push_back(fmt::format(
            "host {} is more specific than {}, and only its routes are looked at", *e_.virtual_host, host));
        ++shown;
        break;
      }
    }
  }

  void on_other_listeners() {
    std::size_t shown = 0;
    for (const translate::GatewayPlan& gateway : plan_.gateways) {
      for (const translate::ListenerPlan& listener : gateway.listeners) {
        if (!listener.ready || listener.route_table == e_.route_table) continue;
        for (const auto& [host, contributions] : snapshot_.hosts(listener.route_table)) {
          if (!translate::covers(host, arrival_.host)) continue;
          for (const ir::Route& route : snapshot_.merged(listener.route_table, host).routes) {
            if (!takes(route.match, arrival_) || shown == kShown) continue;
            NearMiss& miss = add(NearMiss::Kind::kListener, listener.route_table, host, route);
            miss.reasons.push_back(fmt::format("it is on listener {} of {}, port {} ({})", listener.name,
                                               listener.owner.to_string(), listener.port, listener.protocol));
            ++shown;
            break;
          }
        }
      }
    }
  }

  // Routes that want this host from one of these Gateways, and do not get it.
  void detached() {
    std::size_t shown = 0;
    for (const Snapshot::Route& route : snapshot_.routes()) {
      const bool wants =
          route.hostnames.empty() || std::ranges::any_of(route.hostnames, [&](const std::string& host) {
            return translate::covers(host, arrival_.host);
          });
      if (!wants || (e_.rule && e_.rule->place.object == route.key)) continue;
      for (const translate::ParentStatus& parent : route.result->parents) {
        const translate::Condition* accepted = translate::find_condition(parent.conditions, "Accepted");
        const bool here = std::ranges::find(plan_.gateways, parent.gateway,
                                            &translate::GatewayPlan::gateway) != plan_.gateways.end();
        if (!here || accepted == nullptr || accepted->status || shown == kShown) continue;
        found_.push_back(
            {.kind = NearMiss::Kind::kDetached,
             .place = {.object = route.key,
                       .path = parent.by_default ? "spec.useDefaultGateways" : "spec.parentRefs"},
             .rule_name = "",
             .match = "",
             .reasons = {accepted->message}});
        ++shown;
      }
    }
  }

  const Snapshot& snapshot_;
  const translate::ProxyPlan& plan_;
  const Explanation& e_;
  const Arrival& arrival_;
  std::vector<NearMiss> found_;
};

}  // namespace

std::vector<NearMiss> find_near_misses(const Snapshot& snapshot, const translate::ProxyPlan& plan,
                                       const Explanation& explanation, const Arrival& arrival) {
  return Finder(snapshot, plan, explanation, arrival).find();
}

}  // namespace sluice::explain
