#include "explain/snapshot.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "translate/localities.h"
#include "translate/virtual_host.h"

namespace sluice::explain {

std::string Snapshot::Backend::to_string() const {
  return port ? fmt::format("{}, port {}", object.to_string(), *port) : object.to_string();
}

Snapshot::Snapshot(const control::Pipeline& pipeline) : pipeline_(pipeline) {
  for (const ir::ProxyKey& key : pipeline.proxies().sorted_keys()) {
    proxies_.push_back(pipeline.proxies().get(key));
  }
  for (const ObjectKey& key : pipeline.routes().sorted_keys()) {
    Route& route = routes_.emplace_back();
    route.key = key;
    route.result = pipeline.routes().get(key);
    if (const auto object = pipeline.object(key)) {
      std::visit(
          [&route](const auto& of_kind) {
            if constexpr (requires { of_kind->spec.hostnames; }) route.hostnames = of_kind->spec.hostnames;
            if constexpr (requires { of_kind->spec.rules; }) route.rules = of_kind->spec.rules.size();
          },
          *object);
    }
    for (const auto& [host, contribution] : route.result->contributions) {
      tables_[host.table][host.host].emplace_back(key, &contribution);
    }
  }
}

std::vector<const ir::Listener*> Snapshot::sockets(const ir::ProxyKey& proxy) const {
  std::vector<const ir::Listener*> sockets;
  for (const translate::SocketPlan& plan : pipeline_.proxies().get(proxy)->sockets) {
    sockets.push_back(&pipeline_.sockets().get({.proxy = proxy, .name = plan.listener.name})->listener);
  }
  return sockets;
}

const Snapshot::Route* Snapshot::route(const ObjectKey& key) const {
  const auto at = std::ranges::lower_bound(routes_, key, {}, &Route::key);
  return at == routes_.end() || at->key != key ? nullptr : &*at;
}

const Snapshot::Hosts& Snapshot::hosts(const std::string& table) const {
  static const auto* const none = new Hosts();
  const auto at = tables_.find(table);
  return at == tables_.end() ? *none : at->second;
}

const ir::VirtualHost& Snapshot::merged(const std::string& table, const std::string& host) const {
  const auto [at, fresh] = merged_.try_emplace({.table = table, .host = host});
  if (!fresh) return at->second;
  const Hosts& all = hosts(table);
  const auto contributions = all.find(host);
  if (contributions == all.end()) {
    at->second.host = host;
  } else {
    at->second = translate::merge_host(host, contributions->second).host;
  }
  return at->second;
}

Snapshot::Origin Snapshot::origin(const std::string& table, const std::string& host,
                                  const ir::Route& route) const {
  for (const auto& [key, contribution] : hosts(table).find(host)->second) {
    if (key != route.owner) continue;
    const std::vector<ir::Route>& routes = *contribution->routes;
    for (std::size_t i = 0; i < routes.size(); ++i) {
      if (routes[i].action != route.action || routes[i].match != route.match) continue;
      const std::uint32_t rule = (*contribution->rules)[i];
      std::size_t first = i;
      while (first > 0 && (*contribution->rules)[first - 1] == rule) --first;
      return {rule, static_cast<std::uint32_t>(i - first)};
    }
  }
  return {};
}

std::vector<translate::MissingExtension> Snapshot::missing_extensions(const std::string& table,
                                                                      const std::string& host,
                                                                      const ObjectKey& route,
                                                                      std::uint32_t rule) const {
  std::vector<translate::MissingExtension> of_rule;
  for (const auto& [key, contribution] : hosts(table).find(host)->second) {
    if (key != route || contribution->missing == nullptr) continue;
    std::ranges::copy_if(*contribution->missing, std::back_inserter(of_rule),
                         [rule](const translate::MissingExtension& each) { return each.rule == rule; });
  }
  return of_rule;
}

const translate::ClusterRow* Snapshot::cluster(const ir::ProxyKey& proxy, const std::string& name) const {
  return pipeline_.cluster_rows().get({.proxy = proxy, .name = name});
}

bool Snapshot::is_nobody(const translate::ClusterRow* cluster) const {
  return cluster == nullptr || (cluster->members.empty() && route(cluster->cluster.owner) != nullptr);
}

Snapshot::Backend Snapshot::backend(const translate::ClusterRow& cluster) const {
  Backend backend{.object = cluster.cluster.owner, .port = {}};
  if (!cluster.service_port) return backend;
  const auto& [service, port_name] = *cluster.service_port;
  const translate::ServiceView* view = pipeline_.services().get(service);
  if (view == nullptr) return backend;
  const auto port = std::ranges::find(view->ports, port_name, [](const translate::ServiceView::Port& p) {
    return translate::endpoint_port(p.name, p.protocol);
  });
  if (port != view->ports.end()) backend.port = port->port;
  return backend;
}

std::vector<ir::Locality> Snapshot::localities(const translate::ClusterRow& cluster) const {
  std::vector<ir::Locality> room;
  const auto localities = translate::localities_of(
      cluster, [&](const ObjectKey& service) { return pipeline_.endpoints_of_services().get(service); },
      room);
  return {localities.begin(), localities.end()};
}

}  // namespace sluice::explain
