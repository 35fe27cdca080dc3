#include "explain/explain.h"

#include <algorithm>
#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "explain/describe.h"
#include "explain/destination.h"
#include "explain/match.h"
#include "explain/near_misses.h"
#include "explain/route.h"
#include "explain/stream.h"
#include "translate/condition.h"

namespace sluice::explain {

namespace {

using translate::GatewayPlan;
using translate::ListenerPlan;
using translate::ProxyPlan;

bool served(const ListenerPlan& listener) {
  return listener.ready && !(listener.route_table.empty() && listener.stream.empty());
}

Place place_of(const ListenerPlan& listener) {
  return {.object = listener.owner, .path = fmt::format("spec.listeners[{}]", listener.index)};
}

// The domain that a virtual host stands for, or a server name: exact before wildcards, longer before shorter.
// Negative: it does not take the host.
int specificity(std::string_view pattern, std::string_view host) {
  if (pattern == host) return 1'000'000;
  if (pattern.empty() || pattern == "*") return 0;
  if (!pattern.starts_with("*.")) return -1;
  const std::string_view suffix = pattern.substr(1);
  return host.size() > suffix.size() && host.ends_with(suffix) ? static_cast<int>(suffix.size()) : -1;
}

// True for a field itself and for what is in it.
bool is_in(std::string_view path, std::string_view field) {
  return path.starts_with(field) && (path.size() == field.size() || path[field.size()] == '.');
}

// Of those on the socket that forward by server name, one whose hostname covers the name; null: none.
const ListenerPlan* listener_for_name(const ProxyPlan& plan, const ir::Listener& socket,
                                      std::string_view sni) {
  for (const GatewayPlan& gateway : plan.gateways) {
    for (const ListenerPlan& listener : gateway.listeners) {
      const bool here = served(listener) && listener.bind_port == socket.port && !listener.stream.empty();
      if (here && specificity(listener.hostname, sni) >= 0) return &listener;
    }
  }
  return nullptr;
}

// Only forwarded requests can become something else, and only this.
bool takes_upgrade(const ir::Route& route, std::string_view upgrade) {
  const auto* forward = std::get_if<ir::Forward>(&route.action->action);
  return forward != nullptr && !forward->grpc && upgrade == "websocket";
}

// The status in which gRPC clients are told of one of HTTP.
int grpc_status(std::uint16_t status) {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

class Explainer {
 public:
  Explainer(const Snapshot& snapshot, const Request& request) : snapshot_(snapshot) { e_.request = request; }

  // The way through one socket.
  Explanation through(const ProxyPlan& plan, const ir::Listener& socket);
  // No socket takes the connection.
  Explanation refused(const std::vector<const ProxyPlan*>& plans);

 private:
  bool choose_chain(const ProxyPlan& plan, const ir::Listener& socket);
  void choose_listener(const ProxyPlan& plan);
  bool choose_host(const ProxyPlan& plan);
  bool choose_route();
  void say_as_grpc();
  void close(std::string why);
  void blame(const ObjectKey& object, std::string_view field);
  void look_for_listener_sets_outside();
  std::string listener_name() const;

  const Snapshot& snapshot_;
  Explanation e_;
  Arrival arrival_;
  const ir::HttpChain* chain_ = nullptr;
  const ir::TcpChain* stream_ = nullptr;  // where this one is better
};

void Explainer::close(std::string why) {
  e_.outcome = Outcome::kClosed;
  e_.why = std::move(why);
}

std::string Explainer::listener_name() const {
  return fmt::format("listener {} of {}", e_.listener->name, e_.listener->place.object.to_string());
}

bool Explainer::choose_chain(const ProxyPlan& plan, const ir::Listener& socket) {
  const bool tls = e_.request.tls();
  int best = -1;
  const auto is_better = [&](const std::vector<std::string>& server_names) {
    int fits = server_names.empty() ? 0 : -1;
    for (const std::string& name : server_names) {
      if (!e_.request.sni.empty()) fits = std::max(fits, specificity(name, e_.request.sni));
    }
    if (fits <= best) return false;
    best = fits;
    return true;
  };
  for (const ir::HttpChain& chain : socket.chains) {
    if (chain.tls.has_value() == tls && is_better(chain.server_names)) chain_ = &chain;
  }
  for (const ir::TcpChain& chain : socket.tcp_chains) {
    if ((tls || !chain.tls) && is_better(chain.server_names)) stream_ = &chain;
  }
  if (best >= 0) return true;

  const bool speaks_tls =
      std::ranges::any_of(socket.chains, [](const ir::HttpChain& c) { return c.tls.has_value(); }) ||
      std::ranges::any_of(socket.tcp_chains,
                          [](const ir::TcpChain& c) { return c.tls || !c.server_names.empty(); });
  if (speaks_tls != tls) {
    close(fmt::format("port {} speaks {}, and the client {}", e_.request.port,
                      speaks_tls ? "TLS" : "plain HTTP", speaks_tls ? "does not" : "TLS"));
  } else if (const ListenerPlan* listener = listener_for_name(plan, socket, "");
             listener != nullptr && e_.request.sni.empty()) {
    close(
        fmt::format("the client names no server, and no route of listener {} does without", listener->name));
  } else if (e_.request.sni.empty()) {
    close(
        fmt::format("the client names no server, and no listener on port {} does without", e_.request.port));
  } else if (const ListenerPlan* covering = listener_for_name(plan, socket, e_.request.sni)) {
    close(fmt::format("no route of listener {} takes server name {}", covering->name, e_.request.sni));
  } else {
    close(fmt::format("no listener on port {} has server name {}", e_.request.port, e_.request.sni));
  }
  for (const GatewayPlan& gateway : plan.gateways) {
    for (const ListenerPlan& listener : gateway.listeners) {
      if (served(listener) && listener.bind_port == socket.port) {
        e_.there_are.push_back(describe_listener(listener));
      }
    }
  }
  if (tls) find_stream_misses(snapshot_, {.proxy = plan.proxy.key, .name = socket.name}, e_);
  return false;
}

// Plain listeners of a socket share their chain: a request belongs to the one with the narrowest hostname.
void Explainer::choose_listener(const ProxyPlan& plan) {
  int best = -1;
  const std::string& host = e_.request.http() ? arrival_.host : e_.request.sni;
  for (const GatewayPlan& gateway : plan.gateways) {
    for (const ListenerPlan& listener : gateway.listeners) {
      if (!served(listener) || listener.route_table != chain_->route_table) continue;
      const int fits = chain_->tls ? 0 : specificity(listener.hostname, host);
      if (fits <= best) continue;
      best = fits;
      e_.listener = {.name = listener.name,
                     .port = listener.port,
                     .protocol = listener.protocol,
                     .hostname = listener.hostname,
                     .place = place_of(listener)};
      e_.certificates.clear();
      for (const auto& [secret, certificate] : listener.certificates) e_.certificates.push_back(secret);
    }
  }
}

bool Explainer::choose_host(const ProxyPlan& plan) {
  const Snapshot::Hosts& hosts = snapshot_.hosts(chain_->route_table);
  const std::string* chosen = nullptr;
  int best = -1;
  const auto consider = [&](const std::string& host) {
    const int fits = specificity(host, arrival_.host);
    if (fits > best) {
      best = fits;
      chosen = &host;
    }
  };
  for (const auto& [host, contributions] : hosts) consider(host);
  const auto table =
      std::ranges::find(plan.route_tables, chain_->route_table, &translate::RouteTablePlan::name);
  std::span<const std::string> misdirected;
  if (table != plan.route_tables.end()) {
    std::ranges::for_each(table->reserved_hosts, consider);
    std::ranges::for_each(table->misdirected_hosts, consider);
    misdirected = table->misdirected_hosts;
  }
  if (chosen != nullptr && hosts.contains(*chosen)) {
    e_.virtual_host = *chosen;
    return true;
  }
  if (chosen != nullptr && std::ranges::find(misdirected, *chosen) != misdirected.end()) {
    e_.answer(421, fmt::format("host {} belongs to another listener of the port, and the connection to {}",
                               arrival_.host, listener_name()));
  } else if (!e_.listener) {
    e_.answer(404, fmt::format("no listener on port {} takes host {}", e_.request.port, arrival_.host));
  } else if (chosen != nullptr) {
    e_.answer(404, fmt::format("{} keeps the hosts of {} to itself, and no route serves them there",
                               listener_name(), *chosen));
  } else if (hosts.empty()) {
    e_.answer(404, fmt::format("{} has no routes", listener_name()));
  } else {
    e_.answer(404, fmt::format("{} has no route for host {}", listener_name(), arrival_.host));
  }
  for (const auto& [host, contributions] : hosts) e_.there_are.push_back(host);
  sort_by_nearness(arrival_.host, e_.there_are);
  return false;
}

bool Explainer::choose_route() {
  const ir::VirtualHost& host = snapshot_.merged(e_.route_table, *e_.virtual_host);
  e_.routes = host.routes.size();
  std::vector<const ir::Route*> shares;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < host.routes.size(); ++i) {
    if (!takes(host.routes[i].match, arrival_)) continue;
    shares.push_back(&host.routes[i]);
    positions.push_back(i);
    if (!host.routes[i].match.below) break;
  }
  if (shares.empty()) {
    e_.answer(404, *e_.virtual_host == "*"
                       ? fmt::format("{} has no route that matches", listener_name())
                       : fmt::format("host {} has no route that matches", *e_.virtual_host));
    return false;
  }
  const ir::Route& first = *shares.front();
  const Snapshot::Origin origin = snapshot_.origin(e_.route_table, *e_.virtual_host, first);
  ir::RouteMatch match = first.match;
  match.below.reset();
  e_.rule = {.positions = std::move(positions),
             .place = {.object = first.owner, .path = fmt::format("spec.rules[{}]", origin.rule)},
             .name = first.rule_name,
             .match = describe(match)};
  if (const Snapshot::Route* object = snapshot_.route(first.owner)) {
    for (const Problem& problem : object->result->problems) {
      if (is_in(problem.path, e_.rule->place.path)) e_.problems.push_back(problem);
    }
  }
  const auto missing =
      snapshot_.missing_extensions(e_.route_table, *e_.virtual_host, first.owner, origin.rule);
  if (!arrival_.upgrade.empty() && std::ranges::none_of(shares, [this](const ir::Route* route) {
        return takes_upgrade(*route, arrival_.upgrade);
      })) {
    e_.answer(403, fmt::format("the rule takes no upgrade to `{}`", arrival_.upgrade));
    return true;
  }
  follow_route(snapshot_, shares, missing, arrival_, e_);
  for (const translate::MissingExtension& each : missing) {
    blame({.kind = api::kind_of<api::EnvoyExtensionPolicy>(), .name = each.policy}, "spec." + each.place);
  }
  return true;
}

Explanation Explainer::through(const ProxyPlan& plan, const ir::Listener& socket) {
  e_.proxy = plan.proxy.key;
  if (!socket.udp && !choose_chain(plan, socket)) return std::move(e_);
  if (socket.udp || stream_ != nullptr) {
    follow_stream(snapshot_, plan, socket, stream_, e_);
    return std::move(e_);
  }
  e_.chain = chain_->name;
  e_.server_names = chain_->server_names;
  e_.route_table = chain_->route_table;
  if (chain_->tls && chain_->tls->client_validation) {
    const ir::ClientValidation& asked = *chain_->tls->client_validation;
    e_.client_certificates = !asked.required ? "the client may show a certificate"
                             : asked.accept_untrusted
                                 ? "the client has to show a certificate, of whomever"
                                 : "the client has to show a certificate that is trusted";
  }
  add_patches(snapshot_, xds::ResourceType::kListener, socket.name, "the listener", e_);
  if (e_.request.http()) arrival_ = arrive(e_.request);
  choose_listener(plan);
  if (!e_.request.http()) {
    e_.outcome = chain_->tls ? Outcome::kConnected : Outcome::kClosed;
    e_.why = chain_->tls ? "TLS ends here; what comes next are HTTP requests, which routes tell apart"
                         : fmt::format("port {} speaks HTTP", e_.request.port);
    return std::move(e_);
  }
  e_.path = arrival_.path;
  if (arrival_.status == 307) {
    e_.outcome = Outcome::kRedirected;
    e_.status = 307;
    e_.location = arrival_.location;
    e_.why = arrival_.why;
  } else if (arrival_.status != 0) {
    e_.answer(arrival_.status, arrival_.why);
  } else {
    add_patches(snapshot_, xds::ResourceType::kRoutes, e_.route_table, "the routes", e_);
    if (choose_host(plan)) choose_route();
    e_.near_misses = find_near_misses(snapshot_, plan, e_, arrival_);
  }
  if (arrival_.grpc) say_as_grpc();
  return std::move(e_);
}

// To a request of gRPC Envoy's own answers are 200, and the status is in a header.
void Explainer::say_as_grpc() {
  const auto told = [](std::uint16_t status) {
    return fmt::format(", which gRPC is told as status 200 with grpc-status {}", grpc_status(status));
  };
  if (e_.outcome == Outcome::kRedirected) {
    e_.answer(200, fmt::format("it is redirected to {}{}", e_.location, told(e_.status)));
  } else if (e_.outcome == Outcome::kAnswered && e_.status != 200) {
    e_.answer(200, e_.why + told(e_.status));
  }
  for (Destination& to : e_.destinations) {
    if (to.status == 0 || to.status == 200) continue;
    to.answer += told(to.status);
    to.status = 200;
  }
}

// What is wrong with that field of an object, and what is in it.
void Explainer::blame(const ObjectKey& object, std::string_view field) {
  for (const Problem& problem : snapshot_.pipeline().problems()) {
    if (problem.object == object && is_in(problem.path, field)) e_.problems.push_back(problem);
  }
}

// A ListenerSet that its Gateway does not let in is in no plan.
void Explainer::look_for_listener_sets_outside() {
  const control::Pipeline& pipeline = snapshot_.pipeline();
  for (const control::KindStatuses& kind : pipeline.statuses()) {
    if (kind.kind != api::kind_of<api::ListenerSet>()) continue;
    for (const NamespacedName& name : kind.table.sorted_keys()) {
      const ObjectKey key{.kind = kind.kind, .name = name};
      const std::optional<api::Object> object = pipeline.object(key);
      if (!object) continue;
      const auto& set = *std::get<std::shared_ptr<const api::ListenerSet>>(*object);
      const auto at = std::ranges::find(set.spec.listeners, e_.request.port, &api::Listener::port);
      if (at == set.spec.listeners.end()) continue;
      e_.why = fmt::format("listener {} of {} is not served", at->name, key.to_string());
      blame(key, "spec.parentRef");
    }
  }
}

Explanation Explainer::refused(const std::vector<const ProxyPlan*>& plans) {
  e_.outcome = Outcome::kRefused;
  e_.why = fmt::format("nothing listens on port {}", e_.request.port);
  bool planned = false;
  for (const ProxyPlan* plan : plans) {
    for (const GatewayPlan& gateway : plan->gateways) {
      if (e_.request.gateway && gateway.gateway != *e_.request.gateway) continue;
      for (const ListenerPlan& listener : gateway.listeners) {
        if (served(listener)) {
          e_.there_are.push_back(describe_listener(listener));
        } else if (listener.port == e_.request.port) {
          const Place place = place_of(listener);
          planned = true;
          e_.why = fmt::format("listener {} of {} is not served", listener.name, place.object.to_string());
          blame(place.object, place.path);
        }
      }
    }
  }
  if (!planned) look_for_listener_sets_outside();
  if (plans.empty()) {
    e_.why = e_.request.gateway
                 ? fmt::format("there is no Gateway {} of ours", e_.request.gateway->to_string())
                 : "there is no Gateway of ours";
  }
  return std::move(e_);
}

// The port as the user wrote it; the one that is bound may be another (in a cluster).
bool takes_port(const ProxyPlan& plan, const ir::Listener& socket, std::uint16_t port) {
  if (socket.port == port) return true;
  return std::ranges::any_of(plan.gateways, [&](const GatewayPlan& gateway) {
    return std::ranges::any_of(gateway.listeners, [&](const ListenerPlan& listener) {
      return served(listener) && listener.bind_port == socket.port && listener.port == port;
    });
  });
}

}  // namespace

void Explanation::answer(std::uint16_t with, std::string because) {
  outcome = Outcome::kAnswered;
  status = with;
  why = std::move(because);
}

bool Destination::has_endpoints() const {
  return names_itself ||
         std::ranges::any_of(localities, [](const ir::Locality& l) { return !l.endpoints.empty(); });
}

std::vector<Explanation> explain(const Snapshot& snapshot, const Request& request) {
  std::vector<const ProxyPlan*> plans;
  for (const ProxyPlan* plan : snapshot.proxies()) {
    const bool asked = !request.gateway || std::ranges::any_of(plan->gateways, [&](const GatewayPlan& g) {
      return g.gateway == *request.gateway;
    });
    if (asked) plans.push_back(plan);
  }
  std::vector<Explanation> explanations;
  for (const ProxyPlan* plan : plans) {
    for (const ir::Listener* socket : snapshot.sockets(plan->proxy.key)) {
      const bool datagrams = request.scheme == Scheme::kUdp;
      if (socket->udp.has_value() != datagrams || !takes_port(*plan, *socket, request.port)) continue;
      explanations.push_back(Explainer(snapshot, request).through(*plan, *socket));
    }
  }
  if (explanations.empty()) explanations.push_back(Explainer(snapshot, request).refused(plans));
  return explanations;
}

}  // namespace sluice::explain
