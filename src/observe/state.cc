#include "observe/state.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "status/document.h"
#include "version.h"

namespace sluice::observe {
namespace {

using nlohmann::ordered_json;

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// "Gateway web/eg#http", where the namespace is left out if it is that of the object.
std::string name_of(const api::ParentReference& ref, const std::string& own_namespace) {
  std::string text = ref.kind + " ";
  if (ref.namespace_ && *ref.namespace_ != own_namespace) text += *ref.namespace_ + "/";
  text += ref.name;
  if (ref.section_name) text += "#" + *ref.section_name;
  if (ref.port) text += fmt::format(":{}", *ref.port);
  return text;
}

ordered_json conditions_of(const translate::Conditions& conditions) {
  ordered_json list = ordered_json::array();
  for (const translate::Condition& c : conditions) {
    list.push_back({{"type", c.type}, {"status", c.status}, {"reason", c.reason}, {"message", c.message}});
  }
  return list;
}

ordered_json status_of(const translate::ObjectStatus& status, const std::string& own_namespace) {
  ordered_json out = ordered_json::object();
  if (!status.conditions.empty()) out["conditions"] = conditions_of(status.conditions);
  for (const auto* references : {&status.parents, &status.ancestors}) {
    for (const auto& [ref, conditions] : *references) {
      out["parents"].push_back(
          {{"parent", name_of(ref, own_namespace)}, {"conditions", conditions_of(conditions)}});
    }
  }
  return out;
}

std::string text_of(const ir::PathMatch& path) {
  switch (path.kind) {
    case ir::MatchKind::kExact:
      return "= " + path.value;
    case ir::MatchKind::kPrefix:
      return path.value == "/" ? "/*" : path.value + "/*";
    case ir::MatchKind::kSuffix:
      return "*" + path.value;
    case ir::MatchKind::kRegex:
      return "~ " + path.value;
  }
  return path.value;
}

// "GET /a/*, header x-user = jo"
std::string text_of(const ir::RouteMatch& match) {
  std::string text = match.method.empty() ? "" : match.method + " ";
  text += text_of(match.path);
  const auto add = [&text](std::string_view what, const std::vector<ir::ValueMatch>& values) {
    for (const ir::ValueMatch& value : values) {
      const std::string_view how = value.kind == ir::MatchKind::kRegex    ? "~ "
                                   : value.kind == ir::MatchKind::kSuffix ? "= *"
                                                                          : "= ";
      text += fmt::format(", {} {} {}{}", what, value.name, how, value.value);
    }
  };
  add("header", match.headers);
  add("query", match.query_params);
  add("cookie", match.cookies);
  return text;
}

ordered_json rule_of(const ir::RouteAction& action) {
  ordered_json rule;
  std::visit(Overloaded{[&](const ir::Forward& forward) {
                          ordered_json& backends = rule["backends"] = ordered_json::array();
                          for (const ir::WeightedCluster& to : forward.clusters) {
                            backends.push_back({{"cluster", to.cluster}, {"weight", to.weight}});
                          }
                          for (const ir::Mirror& mirror : forward.mirrors) {
                            backends.push_back({{"cluster", mirror.cluster}, {"mirror", true}});
                          }
                        },
                        [&](const ir::Redirect& redirect) {
                          rule["does"] = fmt::format("redirects with {}", redirect.status);
                        },
                        [&](const ir::DirectResponse& response) {
                          rule["does"] = fmt::format("answers {}", response.status);
                        }},
             action.action);
  return rule;
}

// What a route does for its hosts. It does the same for each.
void add_http(const translate::RouteResult& result, ordered_json& out) {
  std::set<std::string> hosts;
  for (const auto& [host, contribution] : result.contributions) hosts.insert(host.host);
  if (hosts.empty()) return;
  out["hosts"] = hosts;
  ordered_json& rules = out["rules"] = ordered_json::array();
  const auto& routes = *result.contributions.front().second.routes;
  const ir::RouteAction* last = nullptr;
  for (const ir::Route& route : routes) {
    if (route.action.get() != last) {
      rules.push_back(rule_of(*route.action));
      if (!route.rule_name.empty()) rules.back()["name"] = route.rule_name;
      last = route.action.get();
    }
    rules.back()["matches"].push_back(text_of(route.match));
  }
}

// The same for connections and datagrams: a rule for each way in which they are told apart.
void add_streams(const translate::RouteResult& result, ordered_json& out) {
  std::set<std::string> names;
  for (const auto& [socket, stream] : result.streams) {
    names.insert(stream.server_names.begin(), stream.server_names.end());
    ordered_json rule;
    rule["backends"] = ordered_json::array();
    for (const ir::StreamShare& share : stream.shares) {
      rule["backends"].push_back({{"cluster", share.cluster}, {"weight", share.weight}});
    }
    if (stream.shares.empty()) rule["does"] = "closes it: there is nothing to forward to";
    rule["matches"] = {stream.server_names.empty()
                           ? std::string("every connection")
                           : fmt::format("server name {}", fmt::join(stream.server_names, ", "))};
    ordered_json& rules = out["rules"];
    if (std::ranges::find(rules, rule) == rules.end()) rules.push_back(std::move(rule));
  }
  if (!names.empty()) out["hosts"] = names;
}

using StatusOf = std::map<ObjectKey, const translate::ObjectStatus*>;

const translate::ObjectStatus* find(const StatusOf& statuses, const ObjectKey& object) {
  const auto at = statuses.find(object);
  return at == statuses.end() ? nullptr : at->second;
}

ordered_json listener_of(const translate::ListenerPlan& listener, const StatusOf& statuses) {
  const bool own = listener.owner.kind == api::kind_of<api::Gateway>();
  ordered_json row{{"name", own ? listener.name : listener.owner.to_string() + " " + listener.name},
                   {"protocol", listener.protocol},
                   {"hostname", listener.hostname},
                   {"port", listener.bind_port}};
  if (const translate::ObjectStatus* status = find(statuses, listener.owner)) {
    const auto at = std::ranges::find(status->listeners, listener.name, &translate::ListenerStatus::name);
    if (at != status->listeners.end()) {
      row["routes"] = at->attached_routes;
      row["conditions"] = conditions_of(at->conditions);
    }
  }
  return row;
}

// With the listeners of their ListenerSets.
ordered_json gateways_of(const Snapshot& snapshot, const StatusOf& statuses) {
  ordered_json list = ordered_json::array();
  for (const auto& plan : snapshot.proxies) {
    for (const translate::GatewayPlan& gateway : plan->gateways) {
      ordered_json row{{"name", gateway.gateway.to_string()}, {"proxy", gateway.proxy}};
      if (const auto* status = find(statuses, {api::kind_of<api::Gateway>(), gateway.gateway})) {
        row["conditions"] = conditions_of(status->conditions);
      }
      ordered_json& listeners = row["listeners"] = ordered_json::array();
      for (const translate::ListenerPlan& listener : gateway.listeners) {
        listeners.push_back(listener_of(listener, statuses));
      }
      list.push_back(std::move(row));
    }
  }
  return list;
}

ordered_json routes_of(const Snapshot& snapshot, const StatusOf& statuses) {
  ordered_json list = ordered_json::array();
  for (const auto& [key, result] : snapshot.routes) {
    ordered_json row{{"kind", key.kind.kind()}, {"name", key.name.to_string()}};
    if (const auto* status = find(statuses, key)) row.update(status_of(*status, key.name.namespace_));
    add_http(*result, row);
    add_streams(*result, row);
    std::set<std::string> proxies;
    for (const auto& [cluster, each] : result->clusters) proxies.insert(cluster.proxy);
    if (!proxies.empty()) row["proxies"] = proxies;
    list.push_back(std::move(row));
  }
  return list;
}

ordered_json health_of(const Live& live) {
  ordered_json out = ordered_json::object();
  for (const auto& [proxy, health] : live.health) {
    if (health == nullptr) continue;
    ordered_json& clusters = out[proxy] = ordered_json::object();
    for (const auto& [cluster, endpoints] : *health) {
      ordered_json& list = clusters[cluster] = ordered_json::array();
      for (const EndpointHealth& endpoint : endpoints) {
        ordered_json row{{"address", endpoint.address}};
        if (!endpoint.healthy) row["unhealthy"] = endpoint.why;
        list.push_back(std::move(row));
      }
    }
  }
  return out;
}

ordered_json problem_list(const std::vector<Problem>& problems) {
  ordered_json list = ordered_json::array();
  for (const Problem& problem : problems) list.push_back(status::problem(problem));
  return list;
}

template <typename Rows>
Rows sorted(Rows rows) {
  std::ranges::sort(rows, {}, [](const auto& row) -> const auto& { return row.first; });
  return rows;
}

// From when on nobody has served all of it. Of two Envoys, as in a hot restart, one that does is enough.
std::optional<Time> behind_since(const Fleet::Proxy& proxy) {
  std::optional<Time> since;
  for (const Fleet::Node& node : proxy.nodes) {
    if (!node.behind_since) return std::nullopt;
    since = std::max(since.value_or(*node.behind_since), *node.behind_since);
  }
  return since;
}

}  // namespace

std::vector<std::string> missing(std::uint64_t commit, const std::vector<Fleet::Proxy>& proxies, Time now) {
  std::vector<std::string> list;
  if (commit == 0) list.emplace_back("nothing has been read yet");
  for (const Fleet::Proxy& proxy : proxies) {
    if (proxy.state != proxy::State::kReady) {
      list.push_back(fmt::format("proxy {} is {}{}{}", proxy.key, state_name(proxy.state),
                                 proxy.message.empty() ? "" : ": ", proxy.message));
    } else if (!proxy.serves) {
      list.push_back(fmt::format("proxy {} has not acknowledged anything yet", proxy.key));
    } else if (const auto since = behind_since(proxy); since && now - *since > kLags) {
      list.push_back(fmt::format("proxy {} has not acknowledged what it was sent for {} s", proxy.key,
                                 std::chrono::duration_cast<std::chrono::seconds>(now - *since).count()));
    }
  }
  return list;
}

ordered_json proxy_states(const std::vector<Fleet::Proxy>& proxies, Time now) {
  ordered_json list = ordered_json::array();
  for (const Fleet::Proxy& proxy : proxies) {
    ordered_json nodes = ordered_json::array();
    for (const Fleet::Node& node : proxy.nodes) {
      nodes.push_back({{"name", node.name},
                       {"acknowledged", node.acknowledged},
                       {"commits_behind", node.commits_behind},
                       {"seconds_behind", node.behind_since ? seconds(now - *node.behind_since) : 0.0}});
    }
    list.push_back({{"name", proxy.key},
                    {"state", state_name(proxy.state)},
                    {"ready", proxy.ready()},
                    {"pid", proxy.pid},
                    {"message", proxy.message},
                    {"ports", proxy.ports},
                    {"failures", proxy.failures},
                    {"commit", proxy.commit},
                    {"nodes", std::move(nodes)}});
  }
  return list;
}

ordered_json page_state(const Snapshot& snapshot, const Live& live) {
  StatusOf statuses;
  for (const Snapshot::Statuses& kind : snapshot.statuses) {
    for (const auto& [name, status] : kind.rows) statuses.emplace(ObjectKey{kind.kind, name}, status.get());
  }
  std::set<ObjectKey> shown;
  Snapshot by_name = snapshot;
  by_name.routes = sorted(std::move(by_name.routes));
  ordered_json routes = routes_of(by_name, statuses);
  for (const auto& [key, result] : by_name.routes) shown.insert(key);
  ordered_json others = ordered_json::array();
  for (const auto& [key, status] : statuses) {
    if (shown.contains(key) || key.kind == api::kind_of<api::Gateway>()) continue;
    ordered_json row{{"kind", key.kind.kind()}, {"name", key.name.to_string()}};
    row.update(status_of(*status, key.name.namespace_));
    others.push_back(std::move(row));
  }
  return {{"version", kSluiceVersion},
          {"envoy", kEnvoyVersion},
          {"commit", snapshot.commit},
          {"missing", missing(snapshot.commit, live.proxies, live.now)},
          {"proxies", proxy_states(live.proxies, live.now)},
          {"gateways", gateways_of(snapshot, statuses)},
          {"routes", std::move(routes)},
          {"objects", std::move(others)},
          {"clusters", health_of(live)},
          {"problems", problem_list(*snapshot.problems)}};
}

ordered_json object_statuses(const Snapshot& snapshot) {
  ordered_json objects = ordered_json::array();
  for (const Snapshot::Statuses& kind : snapshot.statuses) {
    for (const auto& [name, status] : sorted(kind.rows)) {
      objects.emplace_back(status::document({kind.kind, name}, *status, snapshot.controller_name));
    }
  }
  return {{"commit", snapshot.commit},
          {"objects", std::move(objects)},
          {"problems", problem_list(*snapshot.problems)}};
}

}  // namespace sluice::observe
