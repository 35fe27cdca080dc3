#include "explain/stream.h"

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include "explain/destination.h"
#include "ir/loopback.h"

namespace sluice::explain {

namespace {

using translate::ListenerPlan;
using translate::StreamContribution;

std::string names_of(const StreamContribution& brings) {
  return brings.server_names.empty() ? std::string("every connection")
                                     : fmt::format("server name {}", fmt::join(brings.server_names, ", "));
}

void set_listener(const translate::ProxyPlan& plan, const std::string& stream, Explanation& e) {
  for (const translate::GatewayPlan& gateway : plan.gateways) {
    for (const ListenerPlan& listener : gateway.listeners) {
      if (listener.stream != stream) continue;
      e.listener = {
          .name = listener.name,
          .port = listener.port,
          .protocol = listener.protocol,
          .hostname = listener.hostname,
          .place = {.object = listener.owner, .path = fmt::format("spec.listeners[{}]", listener.index)}};
      for (const auto& [secret, certificate] : listener.certificates) e.certificates.push_back(secret);
    }
  }
}

// The backends of all rules are one list. Where there are several rules, no one of them is the way.
Place place_of(const Snapshot::Route& route) {
  return {.object = route.key, .path = route.rules == 1 ? "spec.rules[0]" : "spec.rules"};
}

void forward(const Snapshot& snapshot, const StreamContribution& brings, Explanation& e) {
  e.outcome = Outcome::kForwarded;
  std::uint64_t weights = 0;
  for (const ir::StreamShare& share : brings.shares) weights += share.weight;
  for (const ir::StreamShare& share : brings.shares) {
    Destination to;
    to.weight = share.weight;
    to.weights = weights;
    const translate::ClusterRow* cluster =
        share.cluster.empty() ? nullptr : snapshot.cluster(*e.proxy, share.cluster);
    if (snapshot.is_nobody(cluster)) {
      to.answer = "closed: the reference is invalid";
      e.destinations.push_back(std::move(to));
    } else {
      add_destinations(snapshot, *cluster, std::move(to), e.destinations);
      add_cluster_patches(snapshot, share.cluster, e);
      e.destinations.back().names_itself = brings.dynamic;
    }
  }
  for (Destination& to : e.destinations) to.protocol.clear();  // nobody speaks HTTP here
  if (brings.dynamic && (e.request.sni.empty() || RE2::FullMatch(e.request.sni, ir::kLoopbackHost))) {
    e.outcome = Outcome::kClosed;
    e.why = e.request.sni.empty()
                ? "the backend is whatever server the client names, and it names none"
                : "the backend is whatever server the client names, but never the proxy's own machine";
    return;
  }
  if (std::ranges::any_of(e.destinations, &Destination::has_endpoints)) return;
  e.outcome = Outcome::kClosed;
  const auto no_backend = [](const Problem& problem) { return problem.code == "value/no-backend"; };
  const bool none = std::ranges::any_of(e.problems, no_backend);
  if (none) e.destinations.clear();
  e.why = none ? "the route has no backend that gets any of it" : "no backend has an endpoint that is ready";
}

// A route of the socket that does not take the connection.
using Other = std::pair<const Snapshot::Route*, const StreamContribution*>;

// How many characters at the ends of the names are the same, of the nearest of them.
std::size_t likeness(const Other& other, std::string_view sni) {
  std::size_t best = 0;
  for (const std::string& name : other.second->server_names) {
    const auto [a, b] = std::mismatch(sni.rbegin(), sni.rend(), name.rbegin(), name.rend());
    best = std::max(best, static_cast<std::size_t>(a - sni.rbegin()));
  }
  return best;
}

// Of many, those whose names are nearest.
void add_misses(std::vector<Other> others, Explanation& e) {
  constexpr std::size_t kShown = 3;
  std::ranges::stable_sort(others, std::greater(),
                           [&e](const Other& other) { return likeness(other, e.request.sni); });
  if (others.size() > kShown) others.resize(kShown);
  for (const auto& [route, brings] : others) {
    NearMiss miss{.kind = NearMiss::Kind::kDiffers,
                  .place = place_of(*route),
                  .rule_name = "",
                  .match = names_of(*brings),
                  .reasons = {}};
    if (brings->server_names.empty() || (e.rule && e.request.sni.empty())) {
      miss.reasons.emplace_back("another route of the listener is more precise, older, or first by name");
    } else {
      miss.reasons.push_back(e.request.sni.empty() ? "the client names no server"
                                                   : fmt::format("the server name is {}", e.request.sni));
    }
    e.near_misses.push_back(std::move(miss));
  }
}

}  // namespace

void follow_stream(const Snapshot& snapshot, const translate::ProxyPlan& plan, const ir::Listener& socket,
                   const ir::TcpChain* chain, Explanation& e) {
  const translate::XdsKey here{.proxy = plan.proxy.key, .name = socket.name};
  std::vector<Other> others;
  if (chain != nullptr) {
    e.chain = chain->name;
    e.server_names = chain->server_names;
    // A chain without a route keeps its listener's hostname from wider ones.
    set_listener(plan, chain->name, e);
  }
  add_patches(snapshot, xds::ResourceType::kListener, socket.name, "the listener", e);
  for (const Snapshot::Route& route : snapshot.routes()) {
    for (const auto& [key, brings] : route.result->streams) {
      if (key != here) continue;
      const bool taken = chain != nullptr
                             ? chain->name == fmt::format("{} {}", brings.stream, route.key.to_string())
                             : !brings.shares.empty() && brings.shares.front().cluster == socket.udp->cluster;
      if (!taken || e.rule) {
        others.emplace_back(&route, &brings);
        continue;
      }
      set_listener(plan, brings.stream, e);
      e.rule = {.positions = {},
                .place = place_of(route),
                .name = "",
                .match = chain == nullptr ? "every datagram" : names_of(brings)};
      e.problems = route.result->problems;
      if (chain != nullptr && (chain->dynamic || !chain->server_names.empty())) {
        e.steps.push_back({"tls", chain->tls ? "TLS ends here, what is in it is forwarded"
                                             : "TLS passes through as it is"});
      }
      forward(snapshot, brings, e);
    }
  }
  if (!e.rule) {
    e.outcome = Outcome::kClosed;
    e.why = chain == nullptr ? "no route takes the datagrams" : "no route takes the connection";
  }
  add_misses(std::move(others), e);
}

void find_stream_misses(const Snapshot& snapshot, const translate::XdsKey& socket, Explanation& e) {
  std::vector<Other> others;
  for (const Snapshot::Route& route : snapshot.routes()) {
    for (const auto& [key, brings] : route.result->streams) {
      if (key == socket) others.emplace_back(&route, &brings);
    }
  }
  add_misses(std::move(others), e);
}

}  // namespace sluice::explain
