#include "translate/socket.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "translate/hostname.h"

namespace sluice::translate {
namespace {

using Route = std::pair<ObjectKey, const StreamContribution*>;

// Server names that a message shows; of more it says so.
constexpr std::size_t kMaxNames = 4;

// What a route gets of a listener.
struct Claim {
  const Route* route;
  std::vector<std::string> server_names;  // "*" is every one
};

// The names of a contribution, "*" where there are none.
std::vector<std::string> names_of(const StreamContribution& brings) {
  return brings.server_names.empty() ? std::vector<std::string>{"*"} : brings.server_names;
}

// What a route loses of a listener, and to whom: by the route that has it, the server names.
using Losses = std::map<const Route*, std::vector<std::string>>;

// The route gets something of the listener all the same, or nothing.
void report(const Route& route, const Losses& losses, bool gets_some, const std::string& stream,
            std::vector<Problem>& problems) {
  for (const auto& [first, names] : losses) {
    const bool all = names == std::vector<std::string>{"*"};
    const std::string path = all ? "spec.parentRefs" : "spec.hostnames";
    const bool same_age = route.second->creation_timestamp == first->second->creation_timestamp;
    std::string lost = "all that comes";
    if (!all) {
      const std::vector<std::string> shown(names.begin(), names.begin() + std::min(names.size(), kMaxNames));
      lost = fmt::format("`{}`{}", fmt::join(shown, "`, `"), names.size() > kMaxNames ? " and others" : "");
    }
    problems.push_back(
        {.code = "conflict/route",
         .severity = Severity::kWarning,
         .where = {},
         .object = route.first,
         .path = path,
         .message =
             fmt::format("listener {} forwards {} to {}, {}: this route gets {} of it", stream, lost,
                         first->first.to_string(), same_age ? "whose name comes first" : "which is older",
                         gets_some ? "the rest" : "nothing"),
         .suggestion = "attach it to another listener, or put the backends into one route",
         .also = {{.where = {}, .object = first->first, .path = path, .message = "this one gets it"}}});
  }
}

// Which server names each route of one listener gets, the oldest first.
std::vector<Claim> claims_on(const StreamPoint& point, const std::vector<const Route*>& by_age,
                             std::vector<Problem>& problems) {
  std::vector<Claim> claims;
  std::map<std::string, const Route*> owners;
  for (const Route* route : by_age) {
    if (route->second->stream != point.name) continue;
    Claim claim{.route = route, .server_names = {}};
    Losses losses;
    for (std::string& name : names_of(*route->second)) {
      const auto [owner, fresh] = owners.try_emplace(name, route);
      (fresh ? claim.server_names : losses[owner->second]).push_back(std::move(name));
    }
    report(*route, losses, !claim.server_names.empty(), point.name, problems);
    if (!claim.server_names.empty()) claims.push_back(std::move(claim));
  }
  return claims;
}

ir::TcpChain chain_of(const StreamPoint& point, const ir::Listener& on, std::string name,
                      std::vector<std::string> server_names) {
  ir::TcpChain chain;
  chain.name = std::move(name);
  if (server_names != std::vector<std::string>{"*"}) chain.server_names = std::move(server_names);
  chain.tls = point.tls;
  chain.stat_prefix = point.stat_prefix;
  chain.access_logs = on.access_logs;
  return chain;
}

// True where a chain takes connections for names like these, though not for this one by itself.
template <typename Chains>
bool falls_through(const Chains& chains, const std::string& name) {
  return std::ranges::any_of(chains, [&name](const auto& chain) {
    return chain.server_names.empty() ||
           std::ranges::any_of(chain.server_names, [&name](const auto& wide) { return covers(wide, name); });
  });
}

std::vector<std::string> clusters_of(const ir::Listener& listener) {
  std::set<std::string> clusters;
  const auto add = [&clusters](const std::string& cluster) {
    clusters.insert(cluster.empty() ? ir::kNowhere : cluster);
  };
  for (const ir::TcpChain& chain : listener.tcp_chains) {
    if (chain.shares.empty()) add("");
    for (const ir::StreamShare& share : chain.shares) add(share.cluster);
  }
  if (listener.udp) add(listener.udp->cluster);
  // Chains have the logs of their listener.
  for (const ir::AccessLog& log : listener.access_logs) {
    if (const auto* service = std::get_if<ir::LogService>(&log.sink)) add(service->call.cluster);
    if (const auto* collector = std::get_if<ir::LogCollector>(&log.sink)) add(collector->call.cluster);
  }
  if (!listener.chains.empty() && listener.chains.front().tracing) {
    const ir::Tracing& tracing = *listener.chains.front().tracing;
    if (const auto* collector = std::get_if<ir::TraceCollector>(&tracing.provider))
      add(collector->call.cluster);
    if (const auto* zipkin = std::get_if<ir::Zipkin>(&tracing.provider)) add(zipkin->cluster);
    if (const auto* datadog = std::get_if<ir::Datadog>(&tracing.provider)) add(datadog->cluster);
  }
  return {clusters.begin(), clusters.end()};
}

}  // namespace

SocketRow assemble_socket(const SocketPlan& plan, const std::vector<Route>& routes) {
  SocketRow row;
  row.listener = plan.listener;
  if (plan.streams.empty()) {
    row.clusters = clusters_of(row.listener);
    return row;
  }
  std::vector<const Route*> by_age;
  by_age.reserve(routes.size());
  for (const Route& route : routes) by_age.push_back(&route);
  std::ranges::sort(by_age, {}, [](const Route* r) {
    return std::tuple(r->second->creation_timestamp.empty(), std::string_view(r->second->creation_timestamp),
                      std::cref(r->first).get());
  });

  std::vector<ir::TcpChain> chains;
  for (const StreamPoint& point : plan.streams) {
    for (Claim& claim : claims_on(point, by_age, row.problems)) {
      const auto& [route, brings] = *claim.route;
      if (row.listener.udp) {
        row.listener.udp->cluster = brings->shares.empty() ? "" : brings->shares.front().cluster;
        continue;
      }
      ir::TcpChain& chain = chains.emplace_back(chain_of(point, row.listener,
                                                         fmt::format("{} {}", point.name, route.to_string()),
                                                         std::move(claim.server_names)));
      chain.shares = brings->shares;
      chain.dynamic = brings->dynamic;
    }
  }
  if (row.listener.udp) {
    row.clusters = clusters_of(row.listener);
    return row;
  }

  std::vector<ir::TcpChain> kept;
  for (const StreamPoint& point : plan.streams) {
    const bool served = std::ranges::any_of(chains, [&point](const ir::TcpChain& chain) {
      return std::ranges::find(chain.server_names, point.hostname) != chain.server_names.end();
    });
    if (point.hostname.empty() || served) continue;
    if (falls_through(chains, point.hostname) || falls_through(row.listener.chains, point.hostname)) {
      kept.push_back(chain_of(point, row.listener, point.name, {point.hostname}));
    }
  }
  chains.insert(chains.end(), std::make_move_iterator(kept.begin()), std::make_move_iterator(kept.end()));
  // A socket has a chain, or Envoy refuses it: connections are accepted, and closed.
  if (chains.empty() && row.listener.chains.empty()) {
    ir::TcpChain& nowhere = chains.emplace_back();
    nowhere.name = row.listener.name;
    nowhere.stat_prefix = fmt::format("tcp-{}", row.listener.port);
    nowhere.access_logs = row.listener.access_logs;
  }
  std::ranges::sort(chains, {}, &ir::TcpChain::name);
  row.listener.tcp_chains = std::move(chains);
  row.clusters = clusters_of(row.listener);
  return row;
}

}  // namespace sluice::translate
