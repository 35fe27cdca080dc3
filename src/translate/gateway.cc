#include "translate/gateway.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "translate/hostname.h"
#include "translate/reference.h"
#include "tree/parse.h"
#include "tree/write.h"

namespace sluice::translate {
namespace {

constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";
constexpr std::string_view kEnvoyProxyGroup = "gateway.envoyproxy.io";

// What a listener of each protocol may carry.
struct Protocol {
  std::string_view name;
  std::vector<std::string_view> route_kinds;
  std::string_view transport;  // what shares a socket number
  bool served;                 // we render it
};

const Protocol* protocol_named(std::string_view name) {
  static const auto* const protocols = new std::vector<Protocol>{
      {"HTTP", {"HTTPRoute", "GRPCRoute"}, "TCP", true},
      {"HTTPS", {"HTTPRoute", "GRPCRoute"}, "TCP", true},
      {"TLS", {"TLSRoute"}, "TCP", false},
      {"TCP", {"TCPRoute"}, "TCP", false},
      {"UDP", {"UDPRoute"}, "UDP", false},
  };
  const auto it = std::ranges::find(*protocols, name, &Protocol::name);
  return it == protocols->end() ? nullptr : &*it;
}

// Reads one listener by itself.
class ListenerReader {
 public:
  ListenerReader(const NamespacedName& gateway, std::size_t index, const api::Listener& listener,
                 const Projections& tables, flow::Reads& reads, std::vector<Problem>& problems)
      : gateway_(gateway),
        index_(index),
        listener_(listener),
        tables_(tables),
        reads_(reads),
        problems_(problems) {
    plan_.name = listener.name;
    plan_.protocol = listener.protocol;
    plan_.hostname = listener.hostname.value_or("");
    plan_.port = static_cast<std::uint16_t>(listener.port);
    plan_.namespaces = listener.allowed_routes.namespaces;
  }

  ListenerPlan read() {
    const Protocol* protocol = protocol_named(listener_.protocol);
    if (protocol == nullptr) {
      fail("Accepted", "UnsupportedProtocol", "value/protocol", "protocol",
           fmt::format("`{}` is no protocol of a listener", listener_.protocol),
           "use HTTP, HTTPS, TLS, TCP or UDP");
      return std::move(plan_);
    }
    if (!protocol->served) {
      problems_.push_back(
          {.code = "support/protocol",
           .severity = Severity::kWarning,
           .where = {},
           .object = {.kind = api::kind_of<api::Gateway>(), .name = gateway_},
           .path = fmt::format("spec.listeners[{}].protocol", index_),
           .message = fmt::format("listeners of protocol {} are not served yet", protocol->name),
           .suggestion = ""});
    }
    read_kinds(*protocol);
    read_namespaces();
    read_tls();
    return std::move(plan_);
  }

 private:
  void fail(std::string type, std::string reason, std::string code, const std::string& field,
            std::string message, std::string suggestion = "") {
    problems_.push_back({.code = std::move(code),
                         .severity = Severity::kError,
                         .where = {},
                         .object = {.kind = api::kind_of<api::Gateway>(), .name = gateway_},
                         .path = fmt::format("spec.listeners[{}].{}", index_, field),
                         .message = message,
                         .suggestion = std::move(suggestion)});
    set_condition(plan_.conditions, {std::move(type), false, std::move(reason), std::move(message)});
  }

  void read_kinds(const Protocol& protocol) {
    if (listener_.allowed_routes.kinds.empty()) {
      for (const std::string_view kind : protocol.route_kinds) {
        plan_.supported_kinds.push_back({std::string(kGatewayGroup), std::string(kind)});
      }
      return;
    }
    for (std::size_t i = 0; i < listener_.allowed_routes.kinds.size(); ++i) {
      const api::RouteGroupKind& wanted = listener_.allowed_routes.kinds[i];
      const std::string field = fmt::format("allowedRoutes.kinds[{}]", i);
      if (wanted.group != kGatewayGroup) {
        fail("ResolvedRefs", "InvalidRouteKinds", "value/route-kind", field + ".group",
             fmt::format("no routes of group `{}` exist", wanted.group),
             fmt::format("use {}", kGatewayGroup));
      } else if (std::ranges::find(protocol.route_kinds, wanted.kind) == protocol.route_kinds.end()) {
        fail("ResolvedRefs", "InvalidRouteKinds", "value/route-kind", field + ".kind",
             fmt::format("a listener of protocol {} carries no {}", listener_.protocol, wanted.kind),
             fmt::format("use {}", fmt::join(protocol.route_kinds, " or ")));
      } else {
        plan_.supported_kinds.push_back(wanted);
      }
    }
  }

  void read_namespaces() {
    const api::RouteNamespaces& namespaces = listener_.allowed_routes.namespaces;
    if (namespaces.from != api::FromNamespaces::kSelector) return;
    if (!namespaces.selector) {
      fail("Programmed", "Invalid", "value/selector", "allowedRoutes.namespaces",
           "`from: Selector` needs a `selector`");
    } else if (const auto good = check_selector(*namespaces.selector); !good) {
      fail("Programmed", "Invalid", "value/selector", "allowedRoutes.namespaces.selector", good.error());
    }
  }

  void read_tls() {
    if (listener_.protocol != "HTTPS") return;
    if (!listener_.tls) {
      fail("Programmed", "Invalid", "value/tls", "protocol", "a listener of protocol HTTPS needs `tls`",
           "add `tls.certificateRefs`");
      return;
    }
    if (listener_.tls->mode != api::TLSMode::kTerminate) {
      fail("Accepted", "UnsupportedTLSMode", "value/tls", "tls.mode",
           "HTTPS ends TLS here: its mode is Terminate", "use protocol TLS to pass it through");
      return;
    }
    read_certificates();
  }

  void read_certificates() {
    const auto& refs = listener_.tls->certificate_refs;
    if (refs.empty()) {
      fail("ResolvedRefs", "InvalidCertificateRef", "value/tls", "tls",
           "a listener that ends TLS needs a certificate", "add `certificateRefs`");
      return;
    }
    std::vector<std::string> messages;
    std::string reason = "InvalidCertificateRef";
    bool malformed_kind = false;
    const auto bad = [&](std::size_t i, std::string code, std::string message) {
      problems_.push_back({.code = std::move(code),
                           .severity = Severity::kError,
                           .where = {},
                           .object = {.kind = api::kind_of<api::Gateway>(), .name = gateway_},
                           .path = fmt::format("spec.listeners[{}].tls.certificateRefs[{}]", index_, i),
                           .message = message,
                           .suggestion = ""});
      messages.push_back(std::move(message));
    };
    for (std::size_t i = 0; i < refs.size(); ++i) {
      const api::SecretObjectReference& ref = refs[i];
      if (!ref.group.empty() || ref.kind != "Secret") {
        malformed_kind = true;
        bad(i, "reference/kind", fmt::format("a certificate is in a Secret, not in a {}", ref.kind));
        continue;
      }
      const NamespacedName secret{ref.namespace_.value_or(gateway_.namespace_), ref.name};
      if (!permitted({api::kind_of<api::Gateway>(), gateway_.namespace_}, api::kind_of<api::Secret>(), secret,
                     tables_, reads_)) {
        reason = "RefNotPermitted";
        not_permitted_ = true;
        bad(i, "reference/not-permitted",
            fmt::format("no ReferenceGrant in namespace {} lets Gateways of {} use Secret {}",
                        secret.namespace_, gateway_.namespace_, secret.name));
        continue;
      }
      const CertificateRow* certificate = reads_.get(tables_.certificates, secret);
      if (certificate == nullptr) {
        bad(i, "reference/not-found", fmt::format("there is no Secret {}", secret.to_string()));
      } else if (!certificate->error.empty()) {
        bad(i, "reference/certificate", fmt::format("Secret {} {}", secret.to_string(), certificate->error));
      } else {
        plan_.certificates.emplace_back(secret, *certificate);
      }
    }
    if (messages.empty()) return;
    const bool some = !plan_.certificates.empty();
    if (some) reason = "PartiallyInvalidCertificateRef";
    if (malformed_kind && !some) reason = "InvalidCertificateRef";
    set_condition(plan_.conditions,
                  {"ResolvedRefs", false, reason, fmt::format("{}", fmt::join(messages, "; "))});
    // The listener itself is fine; only what it refers to is not (GEP-3159 as Envoy Gateway reads it).
    if (!not_permitted_ || some) {
      set_condition(plan_.conditions, {"Accepted", true, "Accepted", "The listener is accepted"});
    }
    if (some) {
      set_condition(plan_.conditions, {"Programmed", true, "Programmed",
                                       "The listener is served with the certificates that are valid"});
    }
  }

  const NamespacedName& gateway_;
  std::size_t index_;
  const api::Listener& listener_;
  const Projections& tables_;
  flow::Reads& reads_;
  std::vector<Problem>& problems_;
  ListenerPlan plan_;
  bool not_permitted_ = false;
};

// True where no condition says that the listener cannot be served.
bool may_serve(const ListenerPlan& listener) {
  const Condition* programmed = find_condition(listener.conditions, "Programmed");
  return listener.conditions.empty() || (programmed != nullptr && programmed->status);
}

struct Ref {
  GatewayPlan* gateway;
  ListenerPlan* listener;

  std::string to_string() const { return fmt::format("{}/{}", gateway->gateway.to_string(), listener->name); }
};

// Listeners that cannot stand side by side on one socket are refused, all of them: which one the user meant,
// nobody knows (Gateway API, Gateway.spec.listeners).
void find_conflicts(std::vector<Ref>& listeners, std::vector<Problem>& problems) {
  std::map<std::pair<std::uint16_t, std::string_view>, std::vector<Ref>> by_port;
  for (const Ref& ref : listeners) {
    if (const Protocol* p = protocol_named(ref.listener->protocol)) {
      by_port[{ref.listener->port, p->transport}].push_back(ref);
    }
  }
  const auto refuse = [&problems](const std::vector<Ref>& all, const Ref& ref, std::string reason,
                                  std::string_view message) {
    std::vector<std::string> names;
    for (const Ref& other : all) names.push_back(other.to_string());
    std::ranges::sort(names);
    std::string text = fmt::format("{}: {}", message, fmt::join(names, ", "));
    const auto index = static_cast<std::size_t>(ref.listener - ref.gateway->listeners.data());
    problems.push_back({.code = "conflict/listener",
                        .severity = Severity::kError,
                        .where = {},
                        .object = {.kind = api::kind_of<api::Gateway>(), .name = ref.gateway->gateway},
                        .path = fmt::format("spec.listeners[{}]", index),
                        .message = text,
                        .suggestion = ""});
    set_condition(ref.listener->conditions, {"Conflicted", true, std::move(reason), std::move(text)});
  };
  // HTTPS and TLS share a socket by server name; HTTP and TCP have one each.
  const auto family = [](std::string_view protocol) {
    return protocol == "TLS" ? std::string_view("HTTPS") : protocol;
  };
  for (auto& [port, here] : by_port) {
    if (here.size() < 2) continue;
    const bool mixed = std::ranges::any_of(here, [&](const Ref& r) {
      return family(r.listener->protocol) != family(here.front().listener->protocol);
    });
    std::map<std::string, std::vector<Ref>> by_host;
    for (const Ref& ref : here) by_host[ref.listener->hostname].push_back(ref);
    for (const Ref& ref : here) {
      const std::vector<Ref>& same_host = by_host[ref.listener->hostname];
      if (mixed && family(ref.listener->protocol) != "UDP") {
        refuse(here, ref, "ProtocolConflict", "the listeners of one port need compatible protocols");
      } else if (same_host.size() > 1 && ref.listener->protocol != "UDP") {
        refuse(same_host, ref, "HostnameConflict", "the listeners of one port need different hostnames");
      }
    }
  }
}

// RFC 9113, section 9.1.1: a client may send requests for another host over a connection whose certificate
// covers it. They would meet the wrong listener, so neither speaks HTTP/2.
void find_overlaps(std::vector<Ref>& listeners, bool merged) {
  std::vector<Ref> https;
  for (const Ref& ref : listeners) {
    if (ref.listener->protocol == "HTTPS" && may_serve(*ref.listener)) https.push_back(ref);
  }
  const auto note = [merged](const Ref& on, const Ref& other, std::string_view what, const std::string& mine,
                             const std::string& theirs, std::string reason) {
    if (find_condition(on.listener->conditions, "OverlappingTLSConfig") != nullptr) return;
    set_condition(
        on.listener->conditions,
        {"OverlappingTLSConfig", true, std::move(reason),
         fmt::format("The {} {} overlaps with {} of listener {}{}", what, mine, theirs, other.listener->name,
                     merged ? " of Gateway " + other.gateway->gateway.to_string() : "")});
  };
  const auto overlap = [](const std::string& a, const std::string& b) {
    return covers(a, b) || covers(b, a);
  };
  for (const Ref& a : https) {
    for (const Ref& b : https) {
      if (a.listener == b.listener || a.listener->port != b.listener->port) continue;
      for (const auto& [secret_a, cert_a] : a.listener->certificates) {
        for (const auto& [secret_b, cert_b] : b.listener->certificates) {
          for (const std::string& x : cert_a.dns_names) {
            for (const std::string& y : cert_b.dns_names) {
              if (!overlap(x, y)) continue;
              a.listener->http1_only = true;
              note(a, b, "certificate's name", x, y, "OverlappingCertificates");
            }
          }
        }
      }
    }
  }
  for (const Ref& a : https) {
    for (const Ref& b : https) {
      if (a.listener == b.listener || a.listener->port != b.listener->port) continue;
      const std::string mine = a.listener->hostname.empty() ? "*" : a.listener->hostname;
      const std::string theirs = b.listener->hostname.empty() ? "*" : b.listener->hostname;
      if (overlap(mine, theirs)) note(a, b, "hostname", mine, theirs, "OverlappingHostnames");
    }
  }
}

// Conditions that a listener always has, after all that is wrong has been said.
void finish_conditions(ListenerPlan& listener) {
  const bool overlaps_only = listener.conditions.size() == 1 &&
                             find_condition(listener.conditions, "OverlappingTLSConfig") != nullptr;
  if (listener.conditions.empty() || overlaps_only) {
    set_condition(listener.conditions,
                  {"Programmed", true, "Programmed", "The listener's configuration is being served"});
    set_condition(listener.conditions, {"Accepted", true, "Accepted", "The listener is accepted"});
  }
  if (find_condition(listener.conditions, "Programmed") == nullptr) {
    set_condition(listener.conditions, {"Programmed", false, "Invalid", "The other conditions say why"});
  }
  if (find_condition(listener.conditions, "ResolvedRefs") == nullptr) {
    set_condition(listener.conditions,
                  {"ResolvedRefs", true, "ResolvedRefs", "All references of the listener lead somewhere"});
  }
  listener.ready = find_condition(listener.conditions, "Programmed")->status;
}

std::string secret_name(const NamespacedName& secret) { return "secret/" + secret.to_string(); }

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

}  // namespace

ClassRow translate_class(const NamespacedName& name, const api::GatewayClass& gateway_class,
                         const Settings& settings) {
  ClassRow row;
  row.ours = gateway_class.spec.controller_name == settings.controller_name;
  if (!row.ours) return row;
  row.conditions = {{"Accepted", true, "Accepted", "Valid GatewayClass"}};
  if (const auto& ref = gateway_class.spec.parameters_ref) {
    if (ref->group == kEnvoyProxyGroup && ref->kind == "EnvoyProxy" && ref->namespace_) {
      row.envoy_proxy = NamespacedName{*ref->namespace_, ref->name};
    } else {
      const std::string message =
          "parametersRef must name an EnvoyProxy of group gateway.envoyproxy.io with its namespace";
      row.conditions = {{"Accepted", false, "InvalidParameters", message}};
      row.problems.push_back({.code = "reference/kind",
                              .severity = Severity::kError,
                              .where = {},
                              .object = {.kind = api::kind_of<api::GatewayClass>(), .name = name},
                              .path = "spec.parametersRef",
                              .message = message,
                              .suggestion = ""});
    }
  }
  return row;
}

std::optional<GatewayPlan> plan_gateway(const NamespacedName& name, const api::Gateway& gateway,
                                        const Settings& settings, const Inputs& inputs,
                                        const Projections& tables, flow::Reads& reads) {
  const std::string& class_name = gateway.spec.gateway_class_name;
  const ClassRow* gateway_class = reads.get(tables.classes, NamespacedName{"", class_name});
  const bool implied = class_name == settings.implied_class;
  if (!implied && (gateway_class == nullptr || !gateway_class->ours)) return std::nullopt;

  GatewayPlan plan;
  plan.gateway = name;
  plan.creation_timestamp = gateway.metadata.creation_timestamp;

  const auto problem = [&](std::string code, std::string path, std::string message) {
    plan.problems.push_back({.code = std::move(code),
                             .severity = Severity::kError,
                             .where = {},
                             .object = {.kind = api::kind_of<api::Gateway>(), .name = name},
                             .path = std::move(path),
                             .message = std::move(message),
                             .suggestion = ""});
  };

  // The Gateway's own EnvoyProxy, else its class's.
  if (gateway.spec.infrastructure && gateway.spec.infrastructure->parameters_ref) {
    const api::LocalParametersReference& ref = *gateway.spec.infrastructure->parameters_ref;
    if (ref.group == kEnvoyProxyGroup && ref.kind == "EnvoyProxy") {
      plan.envoy_proxy = reads.get_shared(inputs.envoy_proxies, NamespacedName{name.namespace_, ref.name});
    }
    if (plan.envoy_proxy != nullptr) {
      plan.own_envoy_proxy = NamespacedName{name.namespace_, ref.name};
    } else {
      problem("reference/not-found", "spec.infrastructure.parametersRef",
              fmt::format("there is no {} {}/{}; the settings of the class count", ref.kind, name.namespace_,
                          ref.name));
    }
  }
  const std::optional<NamespacedName> of_class = gateway_class != nullptr && gateway_class->envoy_proxy
                                                     ? gateway_class->envoy_proxy
                                                     : settings.class_envoy_proxy;
  std::shared_ptr<const api::EnvoyProxy> class_proxy;
  if (of_class) class_proxy = reads.get_shared(inputs.envoy_proxies, *of_class);
  if (plan.envoy_proxy == nullptr) plan.envoy_proxy = class_proxy;

  const bool merged = settings.merge_gateways || (class_proxy != nullptr && class_proxy->spec.merge_gateways);
  plan.proxy = merged ? class_name : name.to_string();

  for (std::size_t i = 0; i < gateway.spec.addresses.size(); ++i) {
    const api::GatewayAddress& address = gateway.spec.addresses[i];
    if (address.type == "IPAddress" || address.type == "Hostname") continue;
    const std::string message = fmt::format("addresses of type `{}` are not supported", address.type);
    problem("support/address", fmt::format("spec.addresses[{}].type", i), message);
    if (plan.accepted) set_condition(plan.conditions, {"Accepted", false, "UnsupportedAddress", message});
    plan.accepted = false;
  }
  for (std::size_t i = 0; i < gateway.spec.listeners.size(); ++i) {
    ListenerReader reader(name, i, gateway.spec.listeners[i], tables, reads, plan.problems);
    plan.listeners.push_back(reader.read());
  }
  return plan;
}

ProxyPlan plan_proxy(const ir::ProxyKey& key, std::vector<GatewayPlan> gateways, const Settings& settings) {
  ProxyPlan plan;
  std::ranges::sort(gateways, {}, [](const GatewayPlan& g) {
    return std::tuple(g.creation_timestamp.empty(), g.creation_timestamp, g.gateway);
  });
  plan.gateways = std::move(gateways);
  const api::EnvoyProxy* envoy_proxy = plan.gateways.front().envoy_proxy.get();
  plan.proxy = proxy_of(key, envoy_proxy, plan.gateways.front().problems);

  std::vector<Ref> listeners;
  for (GatewayPlan& gateway : plan.gateways) {
    for (ListenerPlan& listener : gateway.listeners) listeners.push_back({&gateway, &listener});
  }
  std::vector<Problem> conflicts;
  find_conflicts(listeners, conflicts);
  for (Problem& conflict : conflicts) {
    const auto of = std::ranges::find(plan.gateways, conflict.object.name, &GatewayPlan::gateway);
    of->problems.push_back(std::move(conflict));
  }
  find_overlaps(listeners, plan.gateways.size() > 1);

  const api::IPFamily family = envoy_proxy != nullptr
                                   ? envoy_proxy->spec.ip_family.value_or(api::IPFamily::kIPv4)
                                   : api::IPFamily::kIPv4;
  std::map<std::uint16_t, ir::Listener> sockets;
  std::map<std::string, std::set<std::string>> reserved;  // by route table
  std::map<std::string, ir::Secret> secrets;
  std::set<std::uint16_t> ports;
  for (const Ref& ref : listeners) {
    ListenerPlan& listener = *ref.listener;
    finish_conditions(listener);
    const Protocol* protocol = protocol_named(listener.protocol);
    if (protocol == nullptr || !protocol->served || !listener.ready || !ref.gateway->accepted) continue;
    const bool tls = listener.protocol == "HTTPS";
    const bool shifted = !settings.on_host && listener.port < 1024;
    listener.bind_port = static_cast<std::uint16_t>(listener.port + (shifted ? kPrivilegedPortShift : 0));
    ports.insert(listener.bind_port);

    ir::Listener& socket = sockets[listener.bind_port];
    if (socket.name.empty()) {
      socket.name = fmt::format("{}:{}", key, listener.bind_port);
      socket.address = family == api::IPFamily::kIPv4 ? "0.0.0.0" : "::";
      socket.dual_stack = family == api::IPFamily::kDualStack;
      socket.port = listener.bind_port;
      socket.access_log = ir::AccessLog{};
    }
    const ObjectKey owner{.kind = api::kind_of<api::Gateway>(), .name = ref.gateway->gateway};
    if (std::ranges::find(socket.owners, owner) == socket.owners.end()) socket.owners.push_back(owner);

    // Plain listeners of one socket share a chain and its routes, told apart by host; each TLS listener has
    // its own, told apart by server name.
    listener.route_table =
        tls ? fmt::format("{}/{}", ref.gateway->gateway.to_string(), listener.name) : socket.name;
    reserved[listener.route_table].insert(listener.hostname);
    const auto chain_at = std::ranges::find(socket.chains, listener.route_table, &ir::HttpChain::name);
    if (chain_at != socket.chains.end()) continue;
    ir::HttpChain chain;
    chain.name = listener.route_table;
    chain.route_table = listener.route_table;
    chain.stat_prefix = fmt::format("{}-{}", tls ? "https" : "http", listener.bind_port);
    chain.access_log = ir::AccessLog{};
    if (tls) {
      if (!listener.hostname.empty()) chain.server_names = {listener.hostname};
      chain.tls.emplace();
      chain.tls->alpn = listener.http1_only ? std::vector<std::string>{"http/1.1"}
                                            : std::vector<std::string>{"h2", "http/1.1"};
      for (const auto& [name, certificate] : listener.certificates) {
        const std::string sds = secret_name(name);
        chain.tls->certificate_secrets.push_back(sds);
        secrets[sds] = {.name = sds,
                        .certificate_pem = certificate.certificate_pem,
                        .private_key_pem = certificate.private_key_pem,
                        .ocsp_staple = certificate.ocsp_staple,
                        .ca_pem = "",
                        .ca_file = ""};
      }
    }
    socket.chains.push_back(std::move(chain));
  }

  // Who shares a socket with whom, for listener isolation.
  for (const Ref& a : listeners) {
    if (a.listener->route_table.empty() || a.listener->protocol != "HTTP") continue;
    for (const std::string& hostname : reserved[a.listener->route_table]) {
      if (hostname != a.listener->hostname && !hostname.empty())
        a.listener->sibling_hostnames.push_back(hostname);
    }
  }
  for (auto& [port, socket] : sockets) {
    std::ranges::sort(socket.chains, {}, &ir::HttpChain::name);
    std::ranges::sort(socket.owners);
    plan.listeners.push_back(std::move(socket));
  }
  for (auto& [name, secret] : secrets) plan.secrets.push_back(std::move(secret));
  for (auto& [table, hosts] : reserved) {
    RouteTablePlan& row = plan.route_tables.emplace_back();
    row.name = table;
    if (hosts.size() > 1) {
      for (const std::string& host : hosts) {
        if (!host.empty()) row.reserved_hosts.push_back(host);
      }
    }
  }
  plan.proxy.ports.assign(ports.begin(), ports.end());
  return plan;
}

AttachPoints attach_points(const GatewayPlan& plan, const Settings& settings) {
  AttachPoints points;
  points.proxy = plan.proxy;
  points.routing =
      settings.endpoint_routing_disabled ? api::RoutingType::kService : api::RoutingType::kEndpoint;
  if (plan.envoy_proxy != nullptr) {
    points.routing = plan.envoy_proxy->spec.routing_type.value_or(points.routing);
    points.preserve_route_order = plan.envoy_proxy->spec.preserve_route_order;
  }
  for (const ListenerPlan& listener : plan.listeners) {
    points.listeners.push_back({.name = listener.name,
                                .port = listener.port,
                                .hostname = listener.hostname,
                                .supported_kinds = listener.supported_kinds,
                                .namespaces = listener.namespaces,
                                .ready = listener.ready && !listener.route_table.empty(),
                                .route_table = listener.route_table,
                                .sibling_hostnames = listener.sibling_hostnames});
  }
  return points;
}

}  // namespace sluice::translate
