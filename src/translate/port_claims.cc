#include "translate/port_claims.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

namespace sluice::translate {
namespace {

using Claim = std::pair<XdsKey, const PortClaim*>;

bool is_of_gateway(const ObjectKey& owner) { return owner.kind == api::kind_of<api::Gateway>(); }

// Lower is better.
auto rank(const Claim& claim) {
  const PortClaim& c = *claim.second;
  return std::tuple(!is_of_gateway(c.owner), c.creation_timestamp.empty(), c.creation_timestamp, c.gateway,
                    claim.first);
}

std::vector<std::string> addresses_of(const ir::Listener& socket) {
  std::vector<std::string> all = socket.more_addresses;
  all.push_back(socket.address);
  if (socket.dual_stack) all.emplace_back("0.0.0.0");
  std::ranges::sort(all);
  return all;
}

bool overlap(const PortClaim& a, const PortClaim& b) {
  return std::ranges::any_of(a.addresses, [&b](const std::string& address) {
    return std::ranges::binary_search(b.addresses, address);
  });
}

// The listener is not served, because of `winner`.
void refuse(const PortClaim& winner, GatewayPlan& gateway, ListenerPlan& listener) {
  const std::string other = fmt::format("{}/{}", winner.owner.name.to_string(), winner.listener);
  const std::string path = fmt::format("spec.listeners[{}]", listener.index);
  const std::string text = fmt::format(
      "port {} of this host is taken by listener {}, which another Envoy serves", listener.bind_port, other);
  gateway.problems.push_back(
      {.code = "conflict/listener",
       .severity = Severity::kError,
       .where = {},
       .object = listener.owner,
       .path = path,
       .message = text,
       .suggestion =
           "use another port, give the Gateways different `addresses`, or have one Envoy serve both "
           "(`mergeGateways`)",
       .also = {{.where = {},
                 .object = winner.owner,
                 .path = fmt::format("spec.listeners[{}]", winner.index),
                 .message = fmt::format("listener {} is here", other)}}});
  const std::string why = "PortUnavailable";
  set_condition(listener.conditions, {"Accepted", false, why, text});
  set_condition(listener.conditions,
                is_of_gateway(listener.owner)
                    ? Condition{"Programmed", false, "Invalid", "The other conditions say why"}
                    : Condition{"Programmed", false, why, text});
  listener.ready = false;
  listener.bind_port = 0;
  listener.socket.clear();
  listener.route_table.clear();
  listener.stream.clear();
  listener.sibling_hostnames.clear();
}

// The names of route tables and of secrets that the sockets use.
struct Used {
  std::set<std::string_view> route_tables;
  std::set<std::string_view> secrets;
};

Used used_by(const std::vector<SocketPlan>& sockets) {
  Used used;
  const auto add_tls = [&used](const std::optional<ir::DownstreamTls>& tls) {
    if (!tls) return;
    used.secrets.insert(tls->certificate_secrets.begin(), tls->certificate_secrets.end());
    if (tls->client_validation) used.secrets.insert(tls->client_validation->ca_secret);
  };
  for (const SocketPlan& socket : sockets) {
    for (const ir::HttpChain& chain : socket.listener.chains) {
      used.route_tables.insert(chain.route_table);
      add_tls(chain.tls);
    }
    for (const StreamPoint& stream : socket.streams) add_tls(stream.tls);
  }
  return used;
}

}  // namespace

std::vector<std::pair<XdsKey, PortClaim>> port_claims(const ir::ProxyKey& proxy, const ProxyPlan& plan) {
  std::vector<std::pair<XdsKey, PortClaim>> claims;
  for (const SocketPlan& socket : plan.sockets) {
    PortClaim claim;
    claim.port = {.port = socket.listener.port, .udp = socket.listener.udp.has_value()};
    claim.addresses = addresses_of(socket.listener);
    for (const GatewayPlan& gateway : plan.gateways) {  // oldest first
      for (const ListenerPlan& listener : gateway.listeners) {
        if (listener.socket != socket.listener.name) continue;
        const bool first = claim.listener.empty();
        if (!first && (is_of_gateway(claim.owner) || !is_of_gateway(listener.owner))) continue;
        claim.owner = listener.owner;
        claim.listener = listener.name;
        claim.index = listener.index;
        claim.gateway = gateway.gateway;
        claim.creation_timestamp = gateway.creation_timestamp;
      }
    }
    claims.emplace_back(XdsKey{proxy, socket.listener.name}, std::move(claim));
  }
  return claims;
}

LostPorts settle_port(const std::vector<Claim>& claims) {
  std::vector<Claim> ranked = claims;
  std::ranges::sort(ranked, {}, rank);
  LostPorts lost;
  std::vector<const PortClaim*> standing;
  for (const auto& [socket, claim] : ranked) {
    const auto in_way =
        std::ranges::find_if(standing, [&claim](const PortClaim* other) { return overlap(*claim, *other); });
    if (in_way == standing.end()) {
      standing.push_back(claim);
    } else {
      lost.emplace(socket, **in_way);
    }
  }
  return lost;
}

ProxyPlan give_way(ProxyPlan plan, const std::function<const PortClaim*(const SocketPlan&)>& lost) {
  std::map<std::string, const PortClaim*> winners;  // by the socket that gives way
  for (const SocketPlan& socket : plan.sockets) {
    if (const PortClaim* winner = lost(socket)) winners[socket.listener.name] = winner;
  }
  if (winners.empty()) return plan;
  for (GatewayPlan& gateway : plan.gateways) {
    for (ListenerPlan& listener : gateway.listeners) {
      const auto winner = winners.find(listener.socket);
      if (winner != winners.end()) refuse(*winner->second, gateway, listener);
    }
  }
  std::erase_if(plan.sockets,
                [&winners](const SocketPlan& socket) { return winners.contains(socket.listener.name); });
  const Used used = used_by(plan.sockets);
  std::erase_if(plan.route_tables,
                [&used](const RouteTablePlan& table) { return !used.route_tables.contains(table.name); });
  std::erase_if(plan.secrets,
                [&used](const ir::Secret& secret) { return !used.secrets.contains(secret.name); });
  std::set<std::uint16_t> ports;
  for (const SocketPlan& socket : plan.sockets) ports.insert(socket.listener.port);
  plan.proxy.ports.assign(ports.begin(), ports.end());
  return plan;
}

}  // namespace sluice::translate
