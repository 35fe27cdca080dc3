#include "explain/stream.h"

#include <algorithm>
#include <string>
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

void forward(const Snapshot& snapshot, const ObjectKey& route, const StreamContribution& brings,
             Explanation& e) {
  e.outcome = Outcome::kForwarded;
  std::uint64_t weights = 0;
  for (const ir::StreamShare& share : brings.shares) weights += share.weight;
  for (const ir::StreamShare& share : brings.shares) {
    Destination to;
    to.weight = share.weight;
    to.weights = weights;
    const translate::ClusterRow* cluster =
        share.cluster.empty() ? nullptr : snapshot.cluster(*e.proxy, share.cluster);
    const bool nobody = cluster == nullptr || (cluster->cluster.owner == route && cluster->members.empty());
    if (nobody) {
      to.answer = "closed: the reference is invalid";
      e.destinations.push_back(std::move(to));
    } else {
      add_destinations(snapshot, *cluster, std::move(to), e.destinations);
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
  e.why = "no backend has an endpoint that is ready";
}

}  // namespace

void follow_stream(const Snapshot& snapshot, const translate::ProxyPlan& plan, const ir::Listener& socket,
                   const ir::TcpChain* chain, Explanation& e) {
  const translate::XdsKey here{.proxy = plan.proxy.key, .name = socket.name};
  std::vector<std::pair<const Snapshot::Route*, const StreamContribution*>> others;
  if (chain != nullptr) {
    e.chain = chain->name;
    e.server_names = chain->server_names;
    // A chain without a route keeps its listener's hostname from wider ones.
    set_listener(plan, chain->name, e);
  }
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
                .place = {.object = route.key, .path = "spec.rules[0]"},
                .name = "",
                .match = chain == nullptr ? "every datagram" : names_of(brings)};
      e.problems = route.result->problems;
      if (chain != nullptr && (chain->dynamic || !chain->server_names.empty())) {
        e.steps.push_back({"tls", chain->tls ? "TLS ends here, what is in it is forwarded"
                                             : "TLS passes through as it is"});
      }
      forward(snapshot, route.key, brings, e);
    }
  }
  if (!e.rule) {
    e.outcome = Outcome::kClosed;
    e.why = chain == nullptr ? "no route takes the datagrams" : "no route takes the connection";
  }
  for (const auto& [route, brings] : others) {
    NearMiss miss{.kind = NearMiss::Kind::kDiffers,
                  .place = {.object = route->key, .path = "spec.rules[0]"},
                  .rule_name = "",
                  .match = names_of(*brings),
                  .reasons = {}};
    if (e.request.sni.empty() || brings->server_names.empty()) {
      miss.reasons.emplace_back("another route of the listener is more precise, older, or first by name");
    } else {
      miss.reasons.push_back(fmt::format("the server name is {}", e.request.sni));
    }
    e.near_misses.push_back(std::move(miss));
  }
}

}  // namespace sluice::explain
