#include "translate/proxy_plan.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "translate/client_validation.h"
#include "translate/filter_order.h"
#include "translate/host_index.h"
#include "translate/hostname.h"
#include "translate/listener.h"
#include "tree/parse.h"
#include "tree/write.h"

namespace sluice::translate {
namespace {

// True where no condition says that the listener cannot be served.
bool may_serve(const ListenerPlan& listener) {
  const Condition* programmed = find_condition(listener.conditions, "Programmed");
  return listener.conditions.empty() || (programmed != nullptr && programmed->status);
}

struct Ref {
  GatewayPlan* gateway;
  ListenerPlan* listener;

  std::string to_string() const {
    return fmt::format("{}/{}", listener->owner.name.to_string(), listener->name);
  }
};

// Whether ports that only root may bind are bound elsewhere.
bool shifts_ports(const api::EnvoyProxy* envoy_proxy, const Settings& settings) {
  if (settings.on_host) return false;
  if (envoy_proxy == nullptr || !envoy_proxy->spec.kubernetes) return true;
  const Tree* const as_they_are = envoy_proxy->spec.kubernetes->find("useListenerPortAsContainerPort");
  return as_they_are == nullptr || as_they_are->type() != Tree::Type::kBool || !as_they_are->as_bool();
}

// Where the proxy binds a listener.
std::uint16_t bind_port_of(const ListenerPlan& listener, bool shifts) {
  const bool shifted = shifts && listener.port < kFirstUnprivilegedPort;
  return static_cast<std::uint16_t>(listener.port + (shifted ? kPrivilegedPortShift : 0));
}

// A message names so many other listeners at most: where thousands stand in each other's way, names of all in
// the messages of all would be millions.
constexpr std::size_t kMaxNamed = 16;

// Which listeners cannot stand side by side on one socket. Those of a ListenerSet give way to the Gateways'
// and to those of the sets before it, which never notice (GEP-1713), and those of a Gateway to those of older
// ones that share the proxy. Those of one object are refused all of them: which one the user meant, nobody
// knows.
class Conflicts {
 public:
  explicit Conflicts(bool shifts_ports) : shifts_ports_(shifts_ports) {}

  // `listeners` are in order of precedence.
  void find(const std::vector<Ref>& listeners) {
    std::map<std::pair<std::uint16_t, std::string_view>, std::vector<Ref>> by_port;
    for (const Ref& ref : listeners) {
      if (const Protocol* p = protocol_named(ref.listener->protocol)) {
        by_port[{bind_port_of(*ref.listener, shifts_ports_), p->transport}].push_back(ref);
      }
    }
    for (const auto& [port, here] : by_port) {
      Standing standing;
      for (auto from = here.begin(); from != here.end();) {
        const auto to = std::find_if(from, here.end(), [&](const Ref& r) { return !equals(*from, r); });
        for (const Ref& good : among_equals(beside(standing, {from, to}))) standing.add(good);
        from = to;
      }
    }
  }

 private:
  // Why listeners of one socket cannot be served, and the condition that says it.
  struct Reason {
    std::string_view type;
    bool status;
    std::string_view reason;
    std::string_view message;
    std::string_view suggestion;
  };
  // Their clients could not be told apart: nothing in a request says which port its sender meant.
  static constexpr Reason kPort{"Accepted", false, "PortUnavailable",
                                "ports below 1024 are bound 10000 higher, where another listener is too",
                                "give one of them another port"};
  static constexpr Reason kProtocol{"Conflicted", true, "ProtocolConflict",
                                    "the listeners of one port need compatible protocols",
                                    "give those of one protocol another port"};
  static constexpr Reason kHostname{"Conflicted", true, "HostnameConflict",
                                    "the listeners of one port need different hostnames",
                                    "give one of them another hostname or port, or remove it"};

  // HTTPS and TLS share a socket by server name; HTTP and TCP have one each.
  static std::string_view family(const Ref& ref) {
    return ref.listener->protocol == "TLS" ? std::string_view("HTTPS") : ref.listener->protocol;
  }
  static bool is_of_set(const Ref& ref) {
    return ref.listener->owner.kind == api::kind_of<api::ListenerSet>();
  }
  // Listeners that can stand side by side: of one port, one family, and different hosts.
  struct Standing {
    std::vector<Ref> all;
    std::map<std::string_view, Ref> by_host;

    void add(const Ref& ref) {
      all.push_back(ref);
      by_host.emplace(ref.listener->hostname, ref);
    }
  };

  // Neither comes before the other.
  static bool equals(const Ref& a, const Ref& b) { return a.listener->owner == b.listener->owner; }
  static bool same_port(const Ref& a, const Ref& b) { return a.listener->port == b.listener->port; }
  static bool same_family(const Ref& a, const Ref& b) { return family(a) == family(b); }

  // Those that can stand beside what stands already.
  static std::vector<Ref> beside(const Standing& standing, const std::vector<Ref>& fresh) {
    if (standing.all.empty()) return fresh;
    const Ref& any = standing.all.front();
    std::vector<Ref> good;
    for (const Ref& ref : fresh) {
      if (!same_port(any, ref)) {
        refuse(standing.all, ref, kPort);
      } else if (!same_family(any, ref)) {
        refuse(standing.all, ref, kProtocol);
      } else if (const auto same = standing.by_host.find(ref.listener->hostname);
                 same != standing.by_host.end()) {
        refuse({same->second}, ref, kHostname);
      } else {
        good.push_back(ref);
      }
    }
    return good;
  }

  static std::vector<Ref> among_equals(const std::vector<Ref>& all) {
    const auto differ = [&](const auto& same) {
      return std::ranges::any_of(all, [&](const Ref& r) { return !same(r, all.front()); });
    };
    const bool ports = differ(same_port);
    const bool families = differ(same_family);
    std::map<std::string_view, std::vector<Ref>> by_host;
    for (const Ref& ref : all) by_host[ref.listener->hostname].push_back(ref);
    std::vector<Ref> good;
    for (const Ref& ref : all) {
      const std::vector<Ref>& same = by_host[ref.listener->hostname];
      if (ports) {
        refuse(all, ref, kPort);
      } else if (families) {
        refuse(all, ref, kProtocol);
      } else if (same.size() > 1) {
        refuse(same, ref, kHostname);
      } else {
        good.push_back(ref);
      }
    }
    return good;
  }

  // For `all`, which may have it among them.
  static void refuse(const std::vector<Ref>& all, const Ref& ref, const Reason& reason) {
    std::vector<Ref> others;
    bool more = false;
    for (const Ref& other : all) {
      if (other.listener == ref.listener) continue;
      more = others.size() == kMaxNamed;
      if (more) break;
      others.push_back(other);
    }
    std::vector<std::string> names{ref.to_string()};
    for (const Ref& other : others) names.push_back(other.to_string());
    std::ranges::sort(names);
    const std::string text =
        fmt::format("{}: {}{}", reason.message, fmt::join(names, ", "), more ? " and others" : "");
    std::vector<Related> also;
    for (const Ref& other : others) {
      also.push_back({.where = {},
                      .object = other.listener->owner,
                      .path = fmt::format("spec.listeners[{}]", other.listener->index),
                      .message = fmt::format("listener {} is here", other.to_string())});
    }
    ref.gateway->problems.push_back({.code = "conflict/listener",
                                     .severity = Severity::kError,
                                     .where = {},
                                     .object = ref.listener->owner,
                                     .path = fmt::format("spec.listeners[{}]", ref.listener->index),
                                     .message = text,
                                     .suggestion = std::string(reason.suggestion),
                                     .also = std::move(also)});
    const std::string why(reason.reason);
    set_condition(ref.listener->conditions, {std::string(reason.type), reason.status, why, text});
    if (!is_of_set(ref)) return;
    set_condition(ref.listener->conditions, {"Accepted", false, why, text});
    set_condition(ref.listener->conditions, {"Programmed", false, why, text});
  }

  const bool shifts_ports_;
};

// A host of a listener, or of its certificates, and one of another listener's that it overlaps.
struct HostOverlap {
  std::size_t other;
  std::string_view mine;
  std::string_view theirs;
};

// The first other listener that each listener overlaps with, by the hosts that each has.
std::vector<std::optional<HostOverlap>> first_overlaps(
    const std::vector<std::vector<std::string_view>>& hosts_of) {
  std::vector<std::pair<std::string_view, std::size_t>> all;
  for (std::size_t i = 0; i < hosts_of.size(); ++i) {
    for (const std::string_view host : hosts_of[i]) all.emplace_back(host, i);
  }
  const HostIndex index(all);
  std::vector<std::optional<HostOverlap>> overlaps(hosts_of.size());
  for (std::size_t i = 0; i < hosts_of.size(); ++i) {
    std::size_t other = HostIndex::kNobody;
    std::string_view mine;
    for (const std::string_view host : hosts_of[i]) {
      const std::size_t first = index.first(host, i);
      if (first < other) mine = host;
      other = std::min(other, first);
    }
    if (other == HostIndex::kNobody) continue;
    const auto theirs = std::ranges::find_if(
        hosts_of[other], [mine](std::string_view host) { return covers(mine, host) || covers(host, mine); });
    overlaps[i] = {.other = other, .mine = mine, .theirs = *theirs};
  }
  return overlaps;
}

// RFC 9113, section 9.1.1: a client may send requests for another host over a connection whose certificate
// covers it. Those that meet the wrong listener are answered with 421 (see misdirected_hosts), and come
// again.
void find_overlaps(const std::vector<Ref>& listeners, bool merged) {
  std::map<std::uint16_t, std::vector<Ref>> by_port;
  for (const Ref& ref : listeners) {
    if (ref.listener->protocol == "HTTPS" && may_serve(*ref.listener)) {
      by_port[ref.listener->port].push_back(ref);
    }
  }
  for (const auto& [port, https] : by_port) {
    const auto note = [&](const Ref& on, const HostOverlap& overlap, std::string_view what,
                          std::string reason) {
      if (find_condition(on.listener->conditions, "OverlappingTLSConfig") != nullptr) return;
      const Ref& other = https[overlap.other];
      set_condition(on.listener->conditions,
                    {"OverlappingTLSConfig", true, std::move(reason),
                     fmt::format("The {} {} overlaps with {} of listener {}{}", what, overlap.mine,
                                 overlap.theirs, other.listener->name,
                                 merged ? " of Gateway " + other.gateway->gateway.to_string() : "")});
    };
    std::vector<std::vector<std::string_view>> names(https.size());
    std::vector<std::vector<std::string_view>> hosts(https.size());
    for (std::size_t i = 0; i < https.size(); ++i) {
      for (const auto& [secret, certificate] : https[i].listener->certificates) {
        names[i].insert(names[i].end(), certificate.dns_names.begin(), certificate.dns_names.end());
      }
      hosts[i] = {https[i].listener->hostname.empty() ? "*" : std::string_view(https[i].listener->hostname)};
    }
    const auto by_name = first_overlaps(names);
    const auto by_host = first_overlaps(hosts);
    for (std::size_t i = 0; i < https.size(); ++i) {
      if (by_name[i]) note(https[i], *by_name[i], "certificate's name", "OverlappingCertificates");
      if (by_host[i]) note(https[i], *by_host[i], "hostname", "OverlappingHostnames");
    }
  }
}

// Conditions that a listener always has, after all that is wrong has been said.
void finish_conditions(ListenerPlan& listener) {
  const bool of_set = listener.owner.kind == api::kind_of<api::ListenerSet>();
  const bool overlaps_only = listener.conditions.size() == 1 &&
                             find_condition(listener.conditions, "OverlappingTLSConfig") != nullptr;
  if (listener.conditions.empty() || overlaps_only) {
    set_condition(listener.conditions,
                  {"Programmed", true, "Programmed", "The listener's configuration is being served"});
    set_condition(listener.conditions, {"Accepted", true, "Accepted", "The listener is accepted"});
    if (of_set) {
      set_condition(listener.conditions,
                    {"Conflicted", false, "NoConflicts", "It stands in no other listener's way"});
    }
  }
  if (find_condition(listener.conditions, "Programmed") == nullptr) {
    set_condition(listener.conditions, {"Programmed", false, of_set ? "ListenersNotValid" : "Invalid",
                                        "The other conditions say why"});
  }
  if (find_condition(listener.conditions, "ResolvedRefs") == nullptr) {
    set_condition(listener.conditions,
                  {"ResolvedRefs", true, "ResolvedRefs", "All references of the listener lead somewhere"});
  }
  listener.ready = find_condition(listener.conditions, "Programmed")->status;
}

bool can_bind(const GatewayPlan& gateway) { return gateway.every_address || !gateway.addresses.empty(); }

// Makes the socket one of the Gateway too. Where Gateways share it, it is reached by the addresses of all.
void bind(const GatewayPlan& gateway, api::IPFamily family, ir::Listener& socket) {
  const std::string every = family == api::IPFamily::kIPv4 ? "0.0.0.0" : "::";
  if (socket.address == every) return;
  if (gateway.every_address) {
    socket.address = every;
    socket.dual_stack = family == api::IPFamily::kDualStack;
    socket.more_addresses.clear();
    return;
  }
  std::set<std::string> all(gateway.addresses.begin(), gateway.addresses.end());
  if (!socket.address.empty()) all.insert(socket.address);
  all.insert(socket.more_addresses.begin(), socket.more_addresses.end());
  socket.address = *all.begin();
  socket.more_addresses.assign(std::next(all.begin()), all.end());
}

// Of a listener that has chains of its own. A ListenerSet may be called as a Gateway is.
std::string full_name(const ListenerPlan& listener) {
  const bool of_set = listener.owner.kind == api::kind_of<api::ListenerSet>();
  return fmt::format("{}{}/{}", of_set ? "listenerset/" : "", listener.owner.name.to_string(), listener.name);
}

std::string secret_name(const NamespacedName& secret) {
  return std::string(kListenerCertificates) + secret.to_string();
}

// The certificates that the listener ends TLS with; they join the proxy's secrets.
ir::DownstreamTls downstream_tls(const ListenerPlan& listener, std::map<std::string, ir::Secret>& secrets) {
  ir::DownstreamTls tls;
  for (const auto& [name, certificate] : listener.certificates) {
    const std::string sds = secret_name(name);
    tls.certificate_secrets.push_back(sds);
    secrets[sds] = {.name = sds,
                    .certificate_pem = certificate.certificate_pem,
                    .private_key_pem = certificate.private_key_pem,
                    .ocsp_staple = certificate.ocsp_staple,
                    .ca_pem = "",
                    .ca_file = ""};
  }
  return tls;
}

// How a StreamPoint counts in the statistics.
std::string stream_stat_prefix(const ListenerPlan& listener) {
  const std::string_view what = listener.protocol == "TCP"   ? "tcp"
                                : listener.protocol == "UDP" ? "udp"
                                : listener.ends_tls          ? "tls-terminate"
                                                             : "tls-passthrough";
  return fmt::format("{}-{}", what, listener.bind_port);
}

// The host by which a listener is known among those of its socket.
std::string_view host_of(const ListenerPlan& listener) {
  return listener.hostname.empty() ? std::string_view("*") : listener.hostname;
}

// Whose requests a listener of HTTPS gets by server name, and what they may ask for there (Gateway API,
// Listener.hostname; GEP-3567). What belongs to another listener of the port, by its hostname, is
// misdirected; what is its own and has no route is not found.
void separate_hosts(const std::vector<ListenerPlan*>& https, std::map<std::string, RouteTablePlan>& tables) {
  for (ListenerPlan* a : https) {
    RouteTablePlan& table = tables[a->route_table];
    const std::string_view mine = host_of(*a);
    for (const ListenerPlan* b : https) {
      if (a == b || a->socket != b->socket) continue;
      const std::string_view theirs = host_of(*b);
      table.misdirected_hosts.emplace_back(theirs);
      if (covers(mine, theirs)) a->sibling_hostnames.emplace_back(theirs);
      if (covers(theirs, mine)) table.reserved_hosts = {std::string(mine)};
    }
    std::ranges::sort(table.misdirected_hosts);
    std::ranges::sort(a->sibling_hostnames);
  }
}

// Who shares a socket with whom, of the listeners of HTTP: for listener isolation.
void separate_plain_hosts(const std::vector<ListenerPlan*>& plain,
                          std::map<std::string, RouteTablePlan>& tables) {
  std::map<std::string_view, std::set<std::string_view>> hosts_by_socket;
  for (const ListenerPlan* listener : plain) hosts_by_socket[listener->socket].insert(listener->hostname);
  for (ListenerPlan* listener : plain) {
    const std::set<std::string_view>& hosts = hosts_by_socket[listener->socket];
    if (hosts.size() == 1) continue;
    if (!listener->hostname.empty())
      tables[listener->route_table].reserved_hosts.push_back(listener->hostname);
    for (const std::string_view other : hosts) {
      if (other.empty() || other == listener->hostname || !covers(host_of(*listener), other)) continue;
      listener->sibling_hostnames.emplace_back(other);
    }
  }
}

// The server names of a TLS listener are less those of the listeners beside it that are more precise, of
// HTTPS too.
void separate_server_names(const std::vector<Ref>& listeners) {
  std::map<std::string_view, std::set<std::string_view>> hosts_by_socket;
  for (const Ref& ref : listeners) {
    if (!ref.listener->hostname.empty()) hosts_by_socket[ref.listener->socket].insert(ref.listener->hostname);
  }
  for (const Ref& ref : listeners) {
    ListenerPlan& listener = *ref.listener;
    if (listener.stream.empty() || listener.protocol != "TLS") continue;
    for (const std::string_view other : hosts_by_socket[listener.socket]) {
      if (other == listener.hostname || !covers(host_of(listener), other)) continue;
      listener.sibling_hostnames.emplace_back(other);
    }
  }
}

// The user's changes to the bootstrap, as JSON. What is no YAML is a problem, and changes nothing.
void read_bootstrap(const api::EnvoyProxy& envoy_proxy, ir::Proxy& proxy, std::vector<Problem>& problems) {
  using Change = ir::Proxy::BootstrapChange;
  const api::ProxyBootstrap& bootstrap = *envoy_proxy.spec.bootstrap;
  if (bootstrap.type == api::BootstrapType::kJSONPatch) {
    if (!bootstrap.json_patches) return;
    proxy.bootstrap_change = Change::kJsonPatch;
    proxy.bootstrap = to_json(*bootstrap.json_patches);
    return;
  }
  if (!bootstrap.value) return;
  std::vector<Problem> syntax;
  const std::vector<Document> documents = parse(*bootstrap.value, "", &syntax);
  if (!syntax.empty() || documents.size() != 1) {
    problems.push_back({.code = "value/bootstrap",
                        .severity = Severity::kError,
                        .where = {},
                        .object = {.kind = api::kind_of<api::EnvoyProxy>(),
                                   .name = {envoy_proxy.metadata.namespace_, envoy_proxy.metadata.name}},
                        .path = "spec.bootstrap.value",
                        .message = syntax.empty()
                                       ? "a bootstrap is one YAML document"
                                       : fmt::format("line {} of the bootstrap: {}",
                                                     syntax.front().where.line, syntax.front().message),
                        .suggestion = ""});
    return;
  }
  proxy.bootstrap_change = bootstrap.type == api::BootstrapType::kMerge ? Change::kMerge : Change::kReplace;
  proxy.bootstrap = to_json(documents.front().tree);
}

}  // namespace

ir::Proxy proxy_of(const ir::ProxyKey& key, const api::EnvoyProxy* envoy_proxy,
                   std::vector<Problem>& problems) {
  ir::Proxy proxy;
  proxy.key = key;
  if (envoy_proxy == nullptr) {
    proxy.log_levels = {{"default", "warn"}};
    return proxy;
  }
  const api::EnvoyProxySpec& spec = envoy_proxy->spec;
  if (spec.concurrency) proxy.concurrency = static_cast<std::uint32_t>(*spec.concurrency);
  proxy.log_levels.assign(spec.logging.level.begin(), spec.logging.level.end());
  proxy.extra_args = spec.extra_args;
  if (spec.shutdown) {
    proxy.drain_timeout = spec.shutdown->drain_timeout.value_or(proxy.drain_timeout);
    proxy.min_drain = spec.shutdown->min_drain_duration.value_or(proxy.min_drain);
  }
  if (spec.bootstrap) read_bootstrap(*envoy_proxy, proxy, problems);
  return proxy;
}

bool is_older(const GatewayPlan& a, const GatewayPlan& b) {
  const auto age = [](const GatewayPlan& g) {
    return std::tuple(g.creation_timestamp.empty(), std::string_view(g.creation_timestamp),
                      std::cref(g.gateway));
  };
  const auto [a_timeless, a_time, a_name] = age(a);
  const auto [b_timeless, b_time, b_name] = age(b);
  return std::tie(a_timeless, a_time, a_name.get()) < std::tie(b_timeless, b_time, b_name.get());
}

ProxyPlan plan_proxy(const ir::ProxyKey& key, std::vector<GatewayPlan> gateways,
                     const TelemetryRow& telemetry, const Settings& settings) {
  ProxyPlan plan;
  std::ranges::sort(gateways, is_older);
  plan.gateways = std::move(gateways);
  const api::EnvoyProxy* envoy_proxy = plan.gateways.front().envoy_proxy.get();
  std::vector<Problem> of_envoy_proxy;  // it has them itself (control/launch_check.h)
  plan.proxy = proxy_of(key, envoy_proxy, of_envoy_proxy);
  for (const GatewayPlan& gateway : plan.gateways) {
    plan.proxy.labels.insert(gateway.labels.begin(), gateway.labels.end());
    plan.proxy.annotations.insert(gateway.annotations.begin(), gateway.annotations.end());
  }
  plan.proxy.metrics_sinks = telemetry.metrics_sinks;
  if (!telemetry.error.empty()) {
    for (GatewayPlan& gateway : plan.gateways) {
      set_condition(gateway.conditions, {"Accepted", false, "InvalidParameters", telemetry.error});
    }
  }

  std::vector<Ref> listeners;
  for (GatewayPlan& gateway : plan.gateways) {
    for (ListenerPlan& listener : gateway.listeners) {
      take_client_check(gateway.client_checks, listener);
      if (!can_bind(gateway)) {
        set_condition(listener.conditions,
                      {"Programmed", false, "Invalid", "None of the Gateway's addresses can be used"});
      }
      listeners.push_back({&gateway, &listener});
    }
  }
  // The Gateways' own before those of any ListenerSet.
  std::ranges::stable_partition(
      listeners, [](const Ref& ref) { return ref.listener->owner.kind == api::kind_of<api::Gateway>(); });
  const bool shifts = shifts_ports(envoy_proxy, settings);
  Conflicts(shifts).find(listeners);
  find_overlaps(listeners, plan.gateways.size() > 1);

  const std::vector<ir::FilterMove> filter_order =
      envoy_proxy != nullptr ? filter_moves(envoy_proxy->spec.filter_order) : std::vector<ir::FilterMove>();
  const api::IPFamily family = envoy_proxy != nullptr
                                   ? envoy_proxy->spec.ip_family.value_or(api::IPFamily::kIPv4)
                                   : api::IPFamily::kIPv4;
  std::map<std::string, SocketPlan> sockets;
  std::map<std::string, RouteTablePlan> tables;
  std::map<std::string, ir::Secret> secrets;
  std::set<std::uint16_t> ports;
  std::vector<ListenerPlan*> plain;  // of HTTP, on shared chains
  std::vector<ListenerPlan*> https;
  for (const Ref& ref : listeners) {
    ListenerPlan& listener = *ref.listener;
    finish_conditions(listener);
    const Protocol* protocol = protocol_named(listener.protocol);
    if (protocol == nullptr || !listener.ready || !ref.gateway->accepted) continue;
    listener.bind_port = bind_port_of(listener, shifts);
    ports.insert(listener.bind_port);

    const bool udp = protocol->transport == "UDP";
    listener.socket = fmt::format("{}:{}{}", key, listener.bind_port, udp ? "/udp" : "");
    SocketPlan& socket = sockets[listener.socket];
    ir::Listener& on = socket.listener;
    if (on.name.empty()) {
      on.name = listener.socket;
      on.port = listener.bind_port;
      on.access_logs = telemetry.access_logs;
      if (udp) on.udp = ir::UdpForward{.cluster = "", .access_logs = telemetry.access_logs};
    }
    if (std::ranges::find(on.owners, listener.owner) == on.owners.end()) on.owners.push_back(listener.owner);
    bind(*ref.gateway, family, on);

    const std::string own_name = full_name(listener);
    if (listener.protocol != "HTTP" && listener.protocol != "HTTPS") {
      listener.stream = own_name;
      StreamPoint& stream = socket.streams.emplace_back();
      stream.name = own_name;
      stream.hostname = listener.hostname;
      stream.stat_prefix = stream_stat_prefix(listener);
      if (listener.ends_tls) stream.tls = downstream_tls(listener, secrets);
      continue;
    }

    // Plain listeners of one socket share a chain and its routes, told apart by host; each TLS listener has
    // its own, told apart by server name.
    const bool tls = listener.protocol == "HTTPS";
    listener.route_table = tls ? own_name : on.name;
    (tls ? https : plain).push_back(&listener);
    if (!tables.try_emplace(listener.route_table).second) continue;
    ir::HttpChain& chain = on.chains.emplace_back();
    chain.name = listener.route_table;
    chain.route_table = listener.route_table;
    chain.stat_prefix = fmt::format("{}-{}", tls ? "https" : "http", listener.bind_port);
    chain.access_logs = telemetry.access_logs;
    chain.tracing = telemetry.tracing;
    chain.request_id = telemetry.request_id;
    chain.grpc_stats = telemetry.grpc_stats;
    chain.filter_order = filter_order;
    if (tls) {
      if (!listener.hostname.empty()) chain.server_names = {listener.hostname};
      chain.tls = downstream_tls(listener, secrets);
      chain.tls->alpn = {"h2", "http/1.1"};
    }
    if (chain.tls && listener.client_check) {
      const ClientCheck& check = *listener.client_check;
      chain.tls->client_validation = ir::ClientValidation{.ca_secret = check.secret,
                                                          .required = !check.insecure_fallback,
                                                          .accept_untrusted = check.insecure_fallback};
      secrets[check.secret] = {.name = check.secret,
                               .certificate_pem = "",
                               .private_key_pem = "",
                               .ocsp_staple = "",
                               .ca_pem = check.ca_pem,
                               .ca_file = ""};
    }
  }

  separate_plain_hosts(plain, tables);
  separate_hosts(https, tables);
  separate_server_names(listeners);
  for (auto& [name, socket] : sockets) {
    std::ranges::sort(socket.listener.chains, {}, &ir::HttpChain::name);
    std::ranges::sort(socket.listener.owners);
    std::ranges::sort(socket.streams, {}, &StreamPoint::name);
    plan.sockets.push_back(std::move(socket));
  }
  for (auto& [name, secret] : secrets) plan.secrets.push_back(std::move(secret));
  for (auto& [name, table] : tables) {
    table.name = name;
    std::ranges::sort(table.reserved_hosts);
    plan.route_tables.push_back(std::move(table));
  }
  plan.proxy.ports.assign(ports.begin(), ports.end());
  return plan;
}

ObjectKey configured_by(const ProxyPlan& plan) {
  const GatewayPlan& oldest = plan.gateways.front();
  if (oldest.envoy_proxy == nullptr) return {.kind = api::kind_of<api::Gateway>(), .name = oldest.gateway};
  const api::ObjectMeta& metadata = oldest.envoy_proxy->metadata;
  return {.kind = api::kind_of<api::EnvoyProxy>(), .name = {metadata.namespace_, metadata.name}};
}

}  // namespace sluice::translate
