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
#include "explain/match.h"
#include "explain/near_misses.h"
#include "explain/rewrite.h"
#include "translate/condition.h"

namespace sluice::explain {

namespace {

using translate::GatewayPlan;
using translate::ListenerPlan;
using translate::ProxyPlan;

bool served(const ListenerPlan& listener) { return listener.ready && !listener.route_table.empty(); }

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
  void follow(const ir::Route& route);
  void forward(const ir::Forward& forward, const ir::Route& route);
  void answer(std::uint16_t status, std::string why);
  void close(std::string why);
  std::string listener_name() const;

  const Snapshot& snapshot_;
  Explanation e_;
  Arrival arrival_;
  const ir::HttpChain* chain_ = nullptr;
};

void Explainer::answer(std::uint16_t status, std::string why) {
  e_.outcome = Outcome::kAnswered;
  e_.status = status;
  e_.why = std::move(why);
}

void Explainer::close(std::string why) {
  e_.outcome = Outcome::kClosed;
  e_.why = std::move(why);
}

std::string Explainer::listener_name() const {
  return fmt::format("listener {} of {}", e_.listener->name, e_.listener->place.object.to_string());
}

bool Explainer::choose_chain(const ProxyPlan& plan, const ir::Listener& socket) {
  const bool tls =
      std::ranges::any_of(socket.chains, [](const ir::HttpChain& c) { return c.tls.has_value(); });
  if (tls != e_.request.tls()) {
    close(fmt::format("port {} speaks {}, and the client {}", e_.request.port, tls ? "TLS" : "plain HTTP",
                      tls ? "does not" : "TLS"));
    for (const GatewayPlan& gateway : plan.gateways) {
      for (const ListenerPlan& listener : gateway.listeners) {
        if (served(listener) && listener.bind_port == socket.port) {
          e_.there_are.push_back(describe_listener(listener));
        }
      }
    }
    return false;
  }
  int best = -1;
  for (const ir::HttpChain& chain : socket.chains) {
    int fits = chain.server_names.empty() ? 0 : -1;
    for (const std::string& name : chain.server_names) {
      if (!e_.request.sni.empty()) fits = std::max(fits, specificity(name, e_.request.sni));
    }
    if (fits > best) {
      best = fits;
      chain_ = &chain;
    }
  }
  if (chain_ != nullptr) return true;
  close(e_.request.sni.empty()
            ? fmt::format("the client names no server, and no listener on port {} does without",
                          e_.request.port)
            : fmt::format("no listener on port {} has server name {}", e_.request.port, e_.request.sni));
  for (const GatewayPlan& gateway : plan.gateways) {
    for (const ListenerPlan& listener : gateway.listeners) {
      if (served(listener) && listener.bind_port == socket.port) {
        e_.there_are.push_back(describe_listener(listener));
      }
    }
  }
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
    answer(421, fmt::format("host {} belongs to another listener of the port, and the connection to {}",
                            arrival_.host, listener_name()));
  } else if (!e_.listener) {
    answer(404, fmt::format("no listener on port {} takes host {}", e_.request.port, arrival_.host));
  } else if (chosen != nullptr) {
    answer(404, fmt::format("{} keeps the hosts of {} to itself, and no route serves them there",
                            listener_name(), *chosen));
  } else if (hosts.empty()) {
    answer(404, fmt::format("{} has no routes", listener_name()));
  } else {
    answer(404, fmt::format("{} has no route for host {}", listener_name(), arrival_.host));
  }
  for (const auto& [host, contributions] : hosts) e_.there_are.push_back(host);
  sort_by_nearness(arrival_.host, e_.there_are);
  return false;
}

bool Explainer::choose_route() {
  const ir::VirtualHost& host = snapshot_.merged(e_.route_table, *e_.virtual_host);
  e_.routes = host.routes.size();
  const auto route =
      std::ranges::find_if(host.routes, [&](const ir::Route& r) { return takes(r.match, arrival_); });
  if (route == host.routes.end()) {
    answer(404, fmt::format("host {} has no route that matches", *e_.virtual_host));
    return false;
  }
  const Snapshot::Origin origin = snapshot_.origin(e_.route_table, *e_.virtual_host, *route);
  e_.rule = {.position = static_cast<std::size_t>(route - host.routes.begin()),
             .place = {.object = route->owner, .path = fmt::format("spec.rules[{}]", origin.rule)},
             .name = route->rule_name,
             .match = describe(route->match)};
  follow(*route);
  return true;
}

void Explainer::follow(const ir::Route& route) {
  const ir::RouteAction& action = *route.action;
  if (const Snapshot::Route* object = snapshot_.route(route.owner)) {
    for (const Problem& problem : object->result->problems) {
      if (is_in(problem.path, e_.rule->place.path)) e_.problems.push_back(problem);
    }
  }
  if (route.match.below) {
    e_.steps.push_back(
        {"share", fmt::format("so it is with {} of the requests, the others meet another backend",
                              share(route.match.below->numerator, route.match.below->denominator))});
  }
  if (action.cors) {
    e_.steps.push_back({"cors", fmt::format("preflights are answered here; pages of {} may read the answers",
                                            fmt::join(action.cors->origins, ", "))});
  }
  if (const auto* redirect = std::get_if<ir::Redirect>(&action.action)) {
    e_.outcome = Outcome::kRedirected;
    e_.status = redirect->status;
    e_.location = location(*redirect, route.match.path, e_.request, arrival_);
  } else if (const auto* response = std::get_if<ir::DirectResponse>(&action.action)) {
    answer(response->status, e_.problems.empty() ? "the rule answers so" : "the rule cannot be served");
  } else {
    forward(std::get<ir::Forward>(action.action), route);
  }
  add_header_steps("response-headers", action.response_headers, e_.response_steps);
}

void Explainer::forward(const ir::Forward& forward, const ir::Route& route) {
  e_.outcome = Outcome::kForwarded;
  if (forward.session) {
    const bool header = forward.session->kind == ir::Session::Kind::kHeader;
    e_.steps.push_back(
        {"session", fmt::format("a request with the {} `{}` goes to the endpoint that it names",
                                header ? "header" : "cookie", forward.session->name)});
  }
  add_header_steps("request-headers", route.action->request_headers, e_.steps);
  if (forward.rewrite) add_rewrite_steps(*forward.rewrite, route.match.path, arrival_, e_.steps);
  for (const ir::Mirror& mirror : forward.mirrors) {
    const translate::ClusterRow* cluster = snapshot_.cluster(*e_.proxy, mirror.cluster);
    if (cluster == nullptr) continue;
    e_.steps.push_back({"mirror", fmt::format("{} of the requests go to {} too, whose answers are dropped",
                                              share(mirror.numerator, mirror.denominator),
                                              snapshot_.backend(*cluster).to_string())});
  }
  add_limit_steps(forward, e_.steps);

  std::uint32_t weights = 0;
  for (const ir::WeightedCluster& part : forward.clusters) weights += part.weight;
  for (const ir::WeightedCluster& part : forward.clusters) {
    Destination& to = e_.destinations.emplace_back();
    to.weight = part.weight;
    to.weights = weights;
    add_header_steps("request-headers", part.request_headers, to.steps);
    if (part.rewrite) add_rewrite_steps(*part.rewrite, route.match.path, arrival_, to.steps);
    add_header_steps("response-headers", part.response_headers, to.steps);
    const translate::ClusterRow* cluster =
        part.cluster.empty() ? nullptr : snapshot_.cluster(*e_.proxy, part.cluster);
    if (cluster == nullptr) continue;
    to.backend = snapshot_.backend(*cluster);
    to.protocol = describe_protocol(cluster->cluster);
    to.localities = snapshot_.localities(*cluster);
  }
  if (std::ranges::any_of(e_.destinations, [](const Destination& d) { return d.has_endpoints(); })) return;
  const bool any =
      std::ranges::any_of(e_.destinations, [](const Destination& d) { return d.backend.has_value(); });
  answer(any ? 503 : 500,
         any ? "no backend has an endpoint that is ready" : "every backend is an invalid reference");
}

Explanation Explainer::through(const ProxyPlan& plan, const ir::Listener& socket) {
  e_.proxy = plan.proxy.key;
  if (!choose_chain(plan, socket)) return std::move(e_);
  e_.chain = chain_->name;
  e_.server_names = chain_->server_names;
  e_.route_table = chain_->route_table;
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
    answer(arrival_.status, arrival_.why);
  } else {
    if (choose_host(plan)) choose_route();
    e_.near_misses = find_near_misses(snapshot_, plan, e_, arrival_);
  }
  return std::move(e_);
}

Explanation Explainer::refused(const std::vector<const ProxyPlan*>& plans) {
  e_.outcome = Outcome::kRefused;
  e_.why = fmt::format("nothing listens on port {}", e_.request.port);
  for (const ProxyPlan* plan : plans) {
    for (const GatewayPlan& gateway : plan->gateways) {
      if (e_.request.gateway && gateway.gateway != *e_.request.gateway) continue;
      for (const ListenerPlan& listener : gateway.listeners) {
        if (served(listener)) {
          e_.there_are.push_back(describe_listener(listener));
        } else if (listener.port == e_.request.port) {
          const Place place = place_of(listener);
          e_.why = fmt::format("listener {} of Gateway {} is not served", listener.name,
                               gateway.gateway.to_string());
          for (const Problem& problem : gateway.problems) {
            if (is_in(problem.path, place.path)) e_.problems.push_back(problem);
          }
        }
      }
    }
  }
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

bool Destination::has_endpoints() const {
  return std::ranges::any_of(localities, [](const ir::Locality& l) { return !l.endpoints.empty(); });
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
    for (const translate::SocketPlan& socket : plan->sockets) {
      if (socket.listener.chains.empty() || !takes_port(*plan, socket.listener, request.port)) continue;
      explanations.push_back(Explainer(snapshot, request).through(*plan, socket.listener));
    }
  }
  if (explanations.empty()) explanations.push_back(Explainer(snapshot, request).refused(plans));
  return explanations;
}

}  // namespace sluice::explain
