#include "explain/explain.h"

#include <algorithm>
#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include "explain/describe.h"
#include "explain/destination.h"
#include "explain/match.h"
#include "explain/near_misses.h"
#include "explain/rewrite.h"
#include "explain/stream.h"
#include "ir/loopback.h"
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
  // A part of the requests, with what is done to them before the destination.
  struct Share {
    std::uint64_t part = 1;
    std::uint64_t whole = 1;
    std::vector<Step> steps;
  };
  bool is_preflight() const;
  void follow(const std::vector<const ir::Route*>& shares);
  void share_out(const std::vector<const ir::Route*>& shares);
  void add_forward_steps(const ir::Forward& forward, const ir::Route& route, std::vector<Step>& steps) const;
  void split(const ir::Forward& forward, const ir::Route& route, const Share& share);
  void judge_destinations(const ir::Forward& forward);
  void answer(std::uint16_t status, std::string why);
  void close(std::string why);
  std::string listener_name() const;

  const Snapshot& snapshot_;
  Explanation e_;
  Arrival arrival_;
  const ir::HttpChain* chain_ = nullptr;
  const ir::TcpChain* stream_ = nullptr;  // where this one is better
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
  } else if (e_.request.sni.empty()) {
    close(
        fmt::format("the client names no server, and no listener on port {} does without", e_.request.port));
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
  std::vector<const ir::Route*> shares;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < host.routes.size(); ++i) {
    if (!takes(host.routes[i].match, arrival_)) continue;
    shares.push_back(&host.routes[i]);
    positions.push_back(i);
    if (!host.routes[i].match.below) break;
  }
  if (shares.empty()) {
    answer(404, *e_.virtual_host == "*" ? fmt::format("{} has no route that matches", listener_name())
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
  follow(shares);
  return true;
}

// A question of a browser's, which the CORS filter answers whatever comes after it.
bool Explainer::is_preflight() const {
  const auto has = [&](std::string_view name) {
    const auto header = arrival_.headers.find(name);
    return header != arrival_.headers.end() && !header->second.front().empty();
  };
  return arrival_.method == "OPTIONS" && has("origin") && has("access-control-request-method");
}

void Explainer::follow(const std::vector<const ir::Route*>& shares) {
  const ir::RouteAction& action = *shares.front()->action;
  if (action.cors) {
    if (is_preflight()) {
      answer(200, "CORS answers preflights itself");
      return;
    }
    e_.steps.push_back({"cors", fmt::format("CORS lets pages of {} read the answers",
                                            fmt::join(action.cors->origins, ", "))});
  }
  if (shares.size() > 1) {
    share_out(shares);
  } else if (const auto* redirect = std::get_if<ir::Redirect>(&action.action)) {
    e_.outcome = Outcome::kRedirected;
    e_.status = redirect->status;
    e_.location = location(*redirect, shares.front()->match.path, e_.request, arrival_);
  } else if (const auto* response = std::get_if<ir::DirectResponse>(&action.action)) {
    answer(response->status, e_.problems.empty() ? "the rule answers so" : "the rule cannot be served");
  } else {
    const auto& forward = std::get<ir::Forward>(action.action);
    add_forward_steps(forward, *shares.front(), e_.steps);
    split(forward, *shares.front(), {.part = 1, .whole = 1, .steps = {}});
    judge_destinations(forward);
  }
  add_header_steps("response-headers", action.response_headers, e_.response_steps);
}

// Routes of one match with rising fractions, the last without one.
void Explainer::share_out(const std::vector<const ir::Route*>& shares) {
  const std::uint32_t whole = shares.front()->match.below->denominator;
  std::uint32_t before = 0;
  for (const ir::Route* route : shares) {
    const std::uint32_t end = route->match.below ? route->match.below->numerator : whole;
    Share share{.part = end - before, .whole = whole, .steps = {}};
    before = end;
    if (const auto* forward = std::get_if<ir::Forward>(&route->action->action)) {
      add_forward_steps(*forward, *route, share.steps);
      split(*forward, *route, share);
      continue;
    }
    Destination& to = e_.destinations.emplace_back();
    to.weight = share.part;
    to.weights = share.whole;
    if (const auto* redirect = std::get_if<ir::Redirect>(&route->action->action)) {
      to.answer = fmt::format("redirected with {} to {}", redirect->status,
                              location(*redirect, route->match.path, e_.request, arrival_));
    } else {
      to.answer = fmt::format("answered with {}", std::get<ir::DirectResponse>(route->action->action).status);
    }
  }
  e_.outcome = Outcome::kForwarded;
}

void Explainer::add_forward_steps(const ir::Forward& forward, const ir::Route& route,
                                  std::vector<Step>& steps) const {
  if (forward.session) {
    const bool header = forward.session->kind == ir::Session::Kind::kHeader;
    steps.push_back({"session", fmt::format("a request with the {} `{}` goes to the endpoint that it names",
                                            header ? "header" : "cookie", forward.session->name)});
  }
  add_header_steps("request-headers", route.action->request_headers, steps);
  if (forward.rewrite) add_rewrite_steps(*forward.rewrite, route.match.path, arrival_, steps);
  for (const ir::Mirror& mirror : forward.mirrors) {
    const translate::ClusterRow* cluster = snapshot_.cluster(*e_.proxy, mirror.cluster);
    if (cluster == nullptr) continue;
    steps.push_back({"mirror", fmt::format("{} of the requests go to {} too, whose answers are dropped",
                                           share(mirror.numerator, mirror.denominator),
                                           snapshot_.backend(*cluster).to_string())});
  }
  add_limit_steps(forward, steps);
}

void Explainer::split(const ir::Forward& forward, const ir::Route& route, const Share& share) {
  std::uint64_t weights = 0;
  for (const ir::WeightedCluster& part : forward.clusters) weights += part.weight;
  for (const ir::WeightedCluster& part : forward.clusters) {
    Destination to{.backend = {}, .answer = {}, .protocol = {}, .steps = share.steps, .localities = {}};
    to.weight = share.part * part.weight;
    to.weights = share.whole * weights;
    add_header_steps("request-headers", part.request_headers, to.steps);
    if (part.rewrite) add_rewrite_steps(*part.rewrite, route.match.path, arrival_, to.steps);
    add_header_steps("response-headers", part.response_headers, to.steps);
    const translate::ClusterRow* cluster =
        part.cluster.empty() ? nullptr : snapshot_.cluster(*e_.proxy, part.cluster);
    if (cluster == nullptr) {
      to.answer = fmt::format("answered with {}: the reference is invalid", forward.grpc ? 503 : 500);
      e_.destinations.push_back(std::move(to));
    } else {
      add_destinations(snapshot_, *cluster, std::move(to), e_.destinations);
      e_.destinations.back().names_itself = forward.dynamic;
    }
  }
}

// Where nobody can answer, Envoy does.
void Explainer::judge_destinations(const ir::Forward& forward) {
  e_.outcome = Outcome::kForwarded;
  if (forward.dynamic && RE2::FullMatch(arrival_.host, ir::kLoopbackHost)) {
    answer(403, "the backend is whatever host the request names, but never the proxy's own machine");
    return;
  }
  const auto is_there = [](const Destination& to) { return to.backend.has_value(); };
  if (std::ranges::any_of(e_.destinations, &Destination::has_endpoints)) return;
  const auto lost = std::ranges::find_if_not(e_.destinations, is_there);
  if (lost == e_.destinations.end() || std::ranges::any_of(e_.destinations, is_there)) {
    answer(503, "no backend has an endpoint that is ready");
  } else {
    answer(lost->answer.find("503") != std::string::npos ? 503 : 500,
           "every backend is an invalid reference");
  }
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
