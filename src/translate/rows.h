// The rows of translation's tables. What each is made from, and what is made of it, is in control/tables.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/kinds.h"
#include "base/interned.h"
#include "base/problem.h"
#include "ir/ir.h"
#include "translate/condition.h"
#include "translate/policy/target.h"
#include "wasm/source.h"
#include "wasm/state.h"

namespace sluice::translate {

// ---- classes and proxies ---------------------------------------------------------------------

// A Gateway whose class does not exist.
struct ClasslessGateway {
  std::vector<Problem> problems;

  bool operator==(const ClasslessGateway&) const = default;
};

// A GatewayClass as we see it.
struct ClassRow {
  bool ours = false;  // names our controller
  std::optional<NamespacedName> envoy_proxy;
  Conditions conditions;
  std::vector<Problem> problems;

  bool operator==(const ClassRow&) const = default;
};

// The addresses of the host that the proxies run on, as far as they are known.
struct HostAddresses {
  std::vector<std::string> all;      // that a socket can be bound to, sorted
  std::vector<std::string> primary;  // by which others reach it; its loopback where it has no others

  bool operator==(const HostAddresses&) const = default;
};

// ---- certificates ----------------------------------------------------------------------------

// A Secret read as a certificate and its key. Kept apart from the Secret so that a listener does not depend
// on the rest of it.
struct CertificateRow {
  std::string error;  // why it cannot be served, without the secret's name; empty: it can
  std::string certificate_pem;
  std::string private_key_pem;
  std::string ocsp_staple;             // DER, may be empty
  std::vector<std::string> dns_names;  // SANs of the leaf, sorted
  // Of the leaf, in seconds of Unix time. Translation has no clock to compare them with.
  std::int64_t not_before = 0;
  std::int64_t not_after = 0;

  bool operator==(const CertificateRow&) const = default;
};

// ---- TLS to backends -------------------------------------------------------------------------

// CA certificates by name; what they are is in the proxy's secrets only.
struct Authorities {
  bool system = false;             // those of the machine
  std::vector<ObjectKey> objects;  // ConfigMaps, Secrets, ClusterTrustBundles

  bool empty() const { return !system && objects.empty(); }
  bool operator==(const Authorities&) const = default;
};

// Whom to trust on connections to a backend.
struct TlsTrust {
  std::string sni;                 // empty: the host of the request
  bool sni_from_endpoint = false;  // ... or the hostname of the endpoint
  std::vector<ir::SubjectAltName> subject_alt_names;
  Authorities authorities;
  bool verify = true;

  bool operator==(const TlsTrust&) const = default;
};

// How to speak TLS to backends, besides whom to trust. What is absent is for others to say.
struct TlsTerms {
  std::optional<NamespacedName> certificate;  // of the client: a Secret
  std::string certificate_error;              // ... why it cannot be used
  std::optional<ir::TlsParameters::Version> min_version;
  std::optional<ir::TlsParameters::Version> max_version;
  std::vector<std::string> ciphers;
  std::vector<std::string> curves;
  std::vector<std::string> signature_algorithms;
  std::optional<std::vector<std::string>> alpn;

  bool operator==(const TlsTerms&) const = default;
  auto operator<=>(const TlsTerms&) const = default;
};

// How a proxy reaches backends, as far as its Gateway says.
struct BackendAccess {
  api::RoutingType routing = api::RoutingType::kEndpoint;
  TlsTerms tls;

  bool operator==(const BackendAccess&) const = default;
  auto operator<=>(const BackendAccess&) const = default;
};

// What the way of a proxy to backends and its EnvoyProxy make of extensions: policies are read once for all
// proxies that agree in this.
struct ExtensionTerms {
  BackendAccess access;
  api::LuaSettings lua;
  std::vector<api::DynamicModuleEntry> modules;
  // That registers them, where some are to be fetched: they are its own.
  std::optional<NamespacedName> envoy_proxy;

  // The one that is registered under this name, or null.
  const api::DynamicModuleEntry* module(std::string_view name) const {
    const auto at = std::ranges::find(modules, name, &api::DynamicModuleEntry::name);
    return at == modules.end() ? nullptr : &*at;
  }
  bool operator==(const ExtensionTerms&) const = default;
};

// A BackendTLSPolicy by itself.
struct BackendTlsPolicyRow {
  std::string creation_timestamp;
  std::vector<PolicyTarget> targets;  // in the user's order
  TlsTrust trust;
  Conditions conditions;  // at every ancestor, unless another policy is in its way there
  std::vector<Problem> problems;

  // Nobody can be trusted: no connection is made.
  bool usable() const { return !trust.authorities.empty(); }
  bool operator==(const BackendTlsPolicyRow&) const = default;
};

// What is wrong with a policy's targets.
struct PolicyProblems {
  std::vector<Problem> problems;

  bool operator==(const PolicyProblems&) const = default;
};

// A policy, or an XBackend, that a route met on its way to a backend.
struct PolicyUse {
  ObjectKey policy;
  api::ParentReference ancestor;            // the route's parent
  std::optional<NamespacedName> beaten_by;  // the policy that counts in its place

  bool operator==(const PolicyUse&) const = default;
};

// ---- names -----------------------------------------------------------------------------------

// That an object exists, and nothing else of it.
struct Named {
  bool operator==(const Named&) const = default;
};

// Objects of a kind: of one namespace, or of one name.
struct NameGroup {
  enum class By : std::uint8_t { kNamespace, kName };
  GroupKind kind;
  By by = By::kNamespace;
  std::string text;

  bool operator==(const NameGroup&) const = default;
  auto operator<=>(const NameGroup&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const NameGroup& g) {
    return H::combine(std::move(h), g.kind.hash(), g.by, g.text);
  }
};

// ---- certificates of clients -----------------------------------------------------------------

// How the certificates of clients are verified.
struct ClientCheck {
  std::string secret;              // SDS name of the certificates of authorities
  std::string ca_pem;              // empty: there is none that is good, and nobody may come in
  bool insecure_fallback = false;  // whatever clients show, they come in
  // What is wrong with a reference to authorities; empty: nothing is.
  std::string reason;
  std::string message;

  bool operator==(const ClientCheck&) const = default;
};

// A Gateway's, for the listeners that end TLS: a port has its own, even if it is none, or the default.
struct ClientChecks {
  std::optional<ClientCheck> by_default;
  std::map<std::uint16_t, std::optional<ClientCheck>> by_port;

  bool operator==(const ClientChecks&) const = default;
};

// ---- gateways and their listeners -----------------------------------------------------------

struct ListenerPlan {
  ObjectKey owner;        // the Gateway or ListenerSet that it is of
  std::size_t index = 0;  // its place there, for paths of problems
  std::string name;
  std::string protocol;
  std::string hostname;         // empty: every host
  std::uint16_t port = 0;       // the user's
  std::uint16_t bind_port = 0;  // the proxy's
  std::vector<api::RouteGroupKind> supported_kinds;
  api::RouteNamespaces namespaces;
  bool ends_tls = false;
  std::vector<std::pair<NamespacedName, CertificateRow>> certificates;  // those that can be served
  std::optional<ClientCheck> client_check;
  Conditions conditions;
  // Set by the proxy's plan:
  bool ready = false;                          // it is served
  std::string socket;                          // the name of the ir::Listener that it is part of
  std::string route_table;                     // of HTTP and HTTPS
  std::string stream;                          // of the others: the name of their StreamPoint
  std::vector<std::string> sibling_hostnames;  // below its own, of other listeners on the socket; sorted

  bool operator==(const ListenerPlan&) const = default;
};

struct GatewayPlan {
  NamespacedName gateway;
  std::string creation_timestamp;
  ir::ProxyKey proxy;
  std::shared_ptr<const api::EnvoyProxy> envoy_proxy;  // may be null
  std::optional<NamespacedName> own_envoy_proxy;       // where the Gateway itself names it
  // Its own in the user's order, then those of its ListenerSets, which the proxy's plan gets.
  std::vector<ListenerPlan> listeners;
  std::vector<NamespacedName> listener_sets;  // in order of precedence
  ClientChecks client_checks;
  bool every_address = true;           // its sockets are bound to all addresses
  std::vector<std::string> addresses;  // else to these, sorted
  TlsTerms backend_tls;                // of connections to all backends
  // For what runs the proxy (spec.infrastructure).
  api::StringMap labels;
  api::StringMap annotations;
  bool takes_defaults = false;  // routes that ask for default Gateways attach to it
  Conditions conditions;
  std::vector<Problem> problems;
  bool accepted = true;  // false: nothing of it is served

  bool operator==(const GatewayPlan& o) const {
    return gateway == o.gateway && own_envoy_proxy == o.own_envoy_proxy &&
           creation_timestamp == o.creation_timestamp && proxy == o.proxy &&
           (envoy_proxy == o.envoy_proxy ||
            (envoy_proxy && o.envoy_proxy && *envoy_proxy == *o.envoy_proxy)) &&
           listeners == o.listeners && backend_tls == o.backend_tls && listener_sets == o.listener_sets &&
           client_checks == o.client_checks && every_address == o.every_address && addresses == o.addresses &&
           labels == o.labels && annotations == o.annotations && takes_defaults == o.takes_defaults &&
           conditions == o.conditions && problems == o.problems && accepted == o.accepted;
  }
};

// Which ListenerSets a Gateway of ours lets in.
struct ListenerDoor {
  api::RouteNamespaces namespaces;

  bool operator==(const ListenerDoor&) const = default;
};

// A ListenerSet by itself.
struct ListenerSetPlan {
  NamespacedName set;
  std::string creation_timestamp;
  NamespacedName gateway;
  bool attached = false;                // the Gateway lets it in
  std::vector<ListenerPlan> listeners;  // in the user's order; none unless attached
  Conditions conditions;                // what keeps it from being served
  std::vector<Problem> problems;

  bool operator==(const ListenerSetPlan&) const = default;
};

// A ListenerSet as part of its Gateway, after conflicts.
struct ServedListenerSet {
  ir::ProxyKey proxy;
  bool gateway_accepted = true;
  std::vector<ListenerPlan> listeners;

  bool operator==(const ServedListenerSet&) const = default;
};

// The route tables of a proxy and the hosts that each keeps for its listeners though no route is there (so
// that a request for them is a 404 and does not fall through to a wider listener); and the hosts that belong
// to other listeners: a request for them came over the wrong connection, and is told so with 421.
struct RouteTablePlan {
  std::string name;
  std::vector<std::string> reserved_hosts;     // sorted
  std::vector<std::string> misdirected_hosts;  // sorted

  bool operator==(const RouteTablePlan&) const = default;
};

// A listener that forwards what it does not look into, of protocol TLS, TCP or UDP: routes bring the chains.
struct StreamPoint {
  std::string name;      // unique in the proxy: the listener's with its owner's
  std::string hostname;  // empty: every server name
  std::optional<ir::DownstreamTls> tls;
  std::string stat_prefix;

  bool operator==(const StreamPoint&) const = default;
};

// A socket before its routes.
struct SocketPlan {
  ir::Listener listener;             // with the chains that depend on no route
  std::vector<StreamPoint> streams;  // sorted by name

  bool operator==(const SocketPlan&) const = default;
};

// All Gateways that one proxy serves, after conflicts between their listeners.
struct ProxyPlan {
  ir::Proxy proxy;
  std::vector<GatewayPlan> gateways;  // oldest first
  std::vector<SocketPlan> sockets;
  std::vector<ir::Secret> secrets;  // sorted by name
  std::vector<RouteTablePlan> route_tables;

  bool operator==(const ProxyPlan&) const = default;
};

// What a route may see of a listener: enough to decide whether and where it attaches.
struct AttachPoint {
  std::string name;
  std::uint16_t port = 0;
  std::string hostname;
  std::vector<api::RouteGroupKind> supported_kinds;
  api::RouteNamespaces namespaces;
  bool ready = false;
  bool ends_tls = false;
  bool passes_tls = false;  // TLS is ended by backends
  std::string socket;
  Interned route_table;
  std::string stream;
  std::vector<std::string> sibling_hostnames;

  bool operator==(const AttachPoint&) const = default;
};

// What an object with listeners, a Gateway or a ListenerSet, offers to routes.
struct AttachPoints {
  Interned proxy;          // an ir::ProxyKey
  NamespacedName gateway;  // itself, or that of the ListenerSet
  ExtensionTerms terms;
  bool preserve_route_order = false;
  bool merges_backends = false;   // the EnvoyProxy has `mergeBackends` for all Services
  std::string cluster_stat_name;  // of the EnvoyProxy's telemetry; empty: clusters are called by their names
  std::vector<AttachPoint> listeners;

  bool operator==(const AttachPoints&) const = default;
};

// ---- resources of a proxy --------------------------------------------------------------------

// A cluster, listener, route table or secret of one proxy, by its name in xDS.
struct XdsKey {
  Interned proxy;  // an ir::ProxyKey
  std::string name;

  bool operator==(const XdsKey&) const = default;
  auto operator<=>(const XdsKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const XdsKey& k) {
    return H::combine(std::move(h), k.proxy, k.name);
  }
};

// ---- ports of a host -------------------------------------------------------------------------

// What sockets compete for.
struct HostPort {
  std::uint16_t port = 0;
  bool udp = false;

  bool operator==(const HostPort&) const = default;
  auto operator<=>(const HostPort&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const HostPort& p) {
    return H::combine(std::move(h), p.port, p.udp);
  }
};

// That a socket wants a port, and of whom (translate/port_claims.h).
struct PortClaim {
  HostPort port;
  std::vector<std::string> addresses;  // sorted
  // The first in order of precedence of the listeners that the socket is for, and its Gateway.
  ObjectKey owner;
  std::string listener;
  std::size_t index = 0;  // its place in its owner
  NamespacedName gateway;
  std::string creation_timestamp;  // of the Gateway

  bool operator==(const PortClaim&) const = default;
};

// Sockets that do not get a port, and the claim that is in the way of each.
using LostPorts = std::map<XdsKey, PortClaim>;

// Why a proxy does not serve a socket, though that is no object's fault (translate/unserved.h).
struct Unserved {
  std::string address;   // that it could not bind, with the port; empty: for another reason
  std::string words;     // the system's, or else the proxy's
  bool another = false;  // it serves another version of the socket

  bool operator==(const Unserved&) const = default;
};

// What is wrong with a socket beside what is wrong with its objects.
struct SocketProblems {
  std::vector<Problem> problems;

  bool operator==(const SocketProblems&) const = default;
};

// ---- backends --------------------------------------------------------------------------------

// Why a reference leads nowhere: the reason of the ResolvedRefs condition, and the Problem for the user.
struct ReferenceFailure {
  std::string reason;
  std::string code;   // of the Problem
  std::string field;  // below the reference: "port", "name", "" …
  std::string message;
  std::string suggestion;
  bool accepted = false;  // the Accepted condition says it, not ResolvedRefs
  std::vector<Related> also = {};

  bool operator==(const ReferenceFailure&) const = default;
};

// What routes read of a Service or ServiceImport: never its endpoints.
struct ServiceView {
  struct Port {
    std::string name;
    std::string protocol;
    std::string app_protocol;
    std::uint16_t port = 0;

    bool operator==(const Port&) const = default;
  };
  std::vector<Port> ports;
  std::string external_name;  // of an ExternalName Service
  bool headless = false;
  std::string cluster_ip;
  bool prefer_local_zone = false;
  bool publish_not_ready = false;

  bool operator==(const ServiceView&) const = default;
};

// The key of a Service's port among its endpoints: ports of TCP and UDP may have one name.
inline std::string endpoint_port(std::string_view name, std::string_view protocol) {
  return protocol == "UDP" ? std::string(name) + "/UDP" : std::string(name);
}

// Endpoints of a Service that may get requests, by endpoint_port(). A port all of whose endpoints are gone is
// absent.
struct ServiceEndpoints {
  // Where endpoints are that are one locality, for clusters to which it matters though the Service does not
  // say so: the names of zones, and for each endpoint which of them.
  struct Zones {
    std::vector<std::string> names;  // sorted
    std::vector<std::uint16_t> of;

    bool operator==(const Zones&) const = default;
  };

  std::map<std::string, std::vector<ir::Locality>, std::less<>> by_port;
  std::map<std::string, Zones, std::less<>> zones;  // by port, where any endpoint has one
  bool addresses = false;                           // some slice is of IP addresses
  bool names = false;                               // some slice is of names to resolve (addressType FQDN)

  bool operator==(const ServiceEndpoints&) const = default;
};

// What routes may know of a Service's endpoints: for which ports there are any, and how they are found.
struct ServiceReadiness {
  std::set<std::string, std::less<>> ports;
  bool addresses = false;
  bool names = false;

  bool operator==(const ServiceReadiness&) const = default;
};

// What is in a Backend or XBackend besides its endpoints.
struct BackendRow {
  std::optional<ReferenceFailure> refused;      // no route may use it, and its status says so
  std::optional<ReferenceFailure> tls_failure;  // no route that would speak TLS on the Backend's own account
  std::optional<TlsTrust> trust;                // it asks for TLS
  TlsTerms terms;
  std::vector<Problem> problems;

  bool operator==(const BackendRow&) const = default;
};

// An XBackendTrafficPolicy by itself.
struct TrafficPolicyRow {
  std::string creation_timestamp;
  std::vector<PolicyTarget> targets;  // in the user's order
  std::optional<ir::RetryBudget> retry_budget;
  Boxed<api::SessionPersistence> session;
  std::vector<Problem> problems;

  bool operator==(const TrafficPolicyRow&) const = default;
};

// What routes read of an InferencePool: never its pods.
struct PoolView {
  api::PoolProtocol protocol = api::PoolProtocol::kHttp;
  std::optional<api::EndpointPickerRef> picker;  // none: ours
  // Why that leads nowhere: nobody can be asked. The problem is the pool's, not the routes'.
  std::optional<ReferenceFailure> no_picker;
  bool inside = false;  // ours, in Envoy's own process
  std::vector<Problem> problems;

  bool operator==(const PoolView&) const = default;
};

// What is wrong with a pool's pods, or with one of them.
struct PodProblems {
  std::vector<Problem> problems;

  bool operator==(const PodProblems&) const = default;
};

// What an InferenceObjective or InferenceModelRewrite is for.
struct PoolExtraRow {
  NamespacedName pool;
  std::string creation_timestamp;
  Conditions conditions;
  std::vector<Problem> problems;

  bool accepted() const {
    return std::ranges::none_of(problems,
                                [](const Problem& problem) { return problem.severity == Severity::kError; });
  }
  bool operator==(const PoolExtraRow&) const = default;
};

// Our own picker, for the pool that has no other: where it is and what it is told.
struct PickerPlan {
  struct Server {
    std::string address;  // "10.0.0.1:8000"
    api::StringMap labels;

    bool operator==(const Server&) const = default;
  };

  // Beside Envoy: the path of the Unix socket at which it listens. Else empty.
  std::string socket;
  // Inside Envoy: the path of the file from which it has what follows. Else empty. Both are, where proxies
  // are elsewhere: these are sent it.
  std::string file;
  std::vector<Server> servers;                         // sorted by address
  std::map<std::string, int, std::less<>> priorities;  // by InferenceObjective
  std::vector<api::ModelRewriteRule> rewrites;         // the first that matches counts
  // The EndpointPickerConfig that it decides by, as JSON; empty: its default. Nothing: the one that is wanted
  // is no good, and it goes on by the one that it has.
  std::optional<std::string> config = std::string();
  // Where servers are asked for metrics, as picker::parse_source() has it, unless the config says it; empty:
  // as usual.
  std::string metrics = {};
  // Whether it may see bodies of answers, if it needs them.
  bool reads_answers = true;

  bool operator==(const PickerPlan&) const = default;
};

// A secret of a cluster: where its contents are.
struct SecretSource {
  std::string name;                           // in SDS
  std::optional<NamespacedName> certificate;  // a Secret with a certificate and its key; or
  Authorities authorities;
  std::optional<NamespacedName> credential = {};  // or a Secret with a credential

  bool operator==(const SecretSource&) const = default;
};

// A cluster, and where its endpoints come from.
struct ClusterRow {
  ir::Cluster cluster;
  // At most one: the Service's port (its endpoint_port()) whose EndpointSlices it follows, or endpoints of
  // its own (of a cluster that resolves names: in the cluster). These are one locality a zone.
  std::optional<std::pair<ObjectKey, std::string>> service_port;
  std::vector<ir::Locality> fixed;
  // Or those of other clusters, by weight. The members are no clusters of their own.
  struct Member {
    std::uint32_t weight = 1;
    std::uint32_t priority = 0;  // those of 0 are used while they are up
    std::shared_ptr<const ClusterRow> row;

    bool operator==(const Member& o) const {
      return weight == o.weight && priority == o.priority && *row == *o.row;
    }
  };
  std::vector<Member> members;
  std::vector<SecretSource> secrets;

  bool operator==(const ClusterRow&) const = default;
};

// ---- telemetry -------------------------------------------------------------------------------

// What a proxy tells of its requests, by the EnvoyProxy of its oldest Gateway.
struct TelemetryRow {
  ir::AccessLogs access_logs{ir::AccessLog()};
  Boxed<ir::Tracing> tracing;
  std::optional<ir::RequestId> request_id;
  std::optional<bool> grpc_stats;
  bool counts_hosts = false;
  ir::ClusterReport of_clusters;
  std::vector<ir::Proxy::MetricsSink> metrics_sinks;
  std::vector<std::shared_ptr<const ClusterRow>> clusters;  // of whom it is told
  std::optional<NamespacedName> envoy_proxy;                // that says so
  std::vector<PolicyUse> policies_met;                      // on the way to these
  std::string error;  // what of it cannot be, for the condition; it does without
  std::vector<Problem> problems;

  bool operator==(const TelemetryRow& o) const {
    const auto same = [](const auto& a, const auto& b) { return a == b || *a == *b; };
    return access_logs == o.access_logs && tracing == o.tracing && request_id == o.request_id &&
           grpc_stats == o.grpc_stats && counts_hosts == o.counts_hosts && of_clusters == o.of_clusters &&
           metrics_sinks == o.metrics_sinks && std::ranges::equal(clusters, o.clusters, same) &&
           envoy_proxy == o.envoy_proxy && policies_met == o.policies_met && error == o.error &&
           problems == o.problems;
  }
};

// ---- filters of routes -----------------------------------------------------------------------

// An HTTPRouteFilter by itself: what it makes of the rules that refer to it.
struct ExtendedFilterRow {
  // Why no rule can be like that. Then only `cookies` is something.
  std::optional<ReferenceFailure> failure;
  bool matches_nothing = false;  // ... and nobody knows which requests it would be for
  // Cookies that a request has to have, all of one of these; none: it needs no cookies.
  std::vector<std::vector<ir::ValueMatch>> cookies;
  Boxed<ir::Rewrite> rewrite;
  std::optional<bool> append_x_forwarded_host;  // for whatever rewrites the host
  Boxed<ir::DirectResponse> response;
  ir::HeaderChanges response_headers;     // of `response`
  ir::ExtensionPtr credential;            // an ir::CredentialInjector; may be null
  std::optional<SecretSource> of_secret;  // of `credential`
  std::vector<Problem> problems;

  bool operator==(const ExtendedFilterRow& o) const {
    const bool same_credential =
        credential == o.credential || (credential && o.credential && *credential == *o.credential);
    return failure == o.failure && matches_nothing == o.matches_nothing && cookies == o.cookies &&
           rewrite == o.rewrite && append_x_forwarded_host == o.append_x_forwarded_host &&
           response == o.response && response_headers == o.response_headers && same_credential &&
           of_secret == o.of_secret && problems == o.problems;
  }
};

// ---- extensions ------------------------------------------------------------------------------

enum class ExtensionKind : std::uint8_t { kLua, kExtProc, kWasm, kDynamicModule };
inline constexpr std::size_t kExtensionKinds = 4;

// One extension of a policy.
struct PolicyExtension {
  ir::ExtensionPtr filter;                    // null: it cannot be used
  std::shared_ptr<const ClusterRow> cluster;  // of its service; null: it has none
  bool fail_open = false;                     // requests do without it where it cannot be used
  bool pending = false;                       // it will be there in a moment

  bool operator==(const PolicyExtension& o) const {
    const auto same = [](const auto& a, const auto& b) { return a == b || (a && b && *a == *b); };
    return same(filter, o.filter) && same(cluster, o.cluster) && fail_open == o.fail_open &&
           pending == o.pending;
  }
};

// The extensions of a policy under some terms.
struct ExtensionSet {
  std::array<std::vector<PolicyExtension>, kExtensionKinds> by_kind;  // each in the user's order
  std::vector<std::string> errors;                                    // of those that cannot be used
  bool pending = false;                                               // some are not there yet
  std::vector<std::string> libraries;           // slots of what the EnvoyProxy has fetched for them
  std::vector<PolicyUse> backend_tls_policies;  // met on the way to services

  bool operator==(const ExtensionSet&) const = default;
};

// An EnvoyExtensionPolicy by itself.
struct ExtensionPolicyRow {
  std::string creation_timestamp;
  std::vector<PolicyTarget> targets;  // named ones in the user's order, then those that selectors select
  std::vector<std::string> paths;     // of the field that each is from
  bool merges = false;                // into the policy of the parent, list by list
  std::vector<std::pair<ExtensionTerms, std::shared_ptr<const ExtensionSet>>>
      sets;                          // for all terms there are
  std::optional<Condition> refusal;  // a proxy refused this version: at each ancestor that uses it
  std::vector<Problem> problems;

  // Null for terms that no proxy has.
  const ExtensionSet* under(const ExtensionTerms& terms) const {
    const auto at = std::ranges::find_if(sets, [&terms](const auto& set) { return set.first == terms; });
    return at == sets.end() ? nullptr : at->second.get();
  }
  bool operator==(const ExtensionPolicyRow& o) const {
    const auto same = [](const auto& a, const auto& b) {
      return a.first == b.first && (a.second == b.second || *a.second == *b.second);
    };
    return creation_timestamp == o.creation_timestamp && targets == o.targets && paths == o.paths &&
           merges == o.merges && std::ranges::equal(sets, o.sets, same) && refusal == o.refusal &&
           problems == o.problems;
  }
};

// A policy that is attached to a route itself and is in force there.
struct OwnPolicy {
  NamespacedName policy;
  std::string rule;     // it is for; empty: all that have none of their own
  bool merges = false;  // into those of the route's parents

  bool operator==(const OwnPolicy&) const = default;
};

// Where policies may be attached: objects of a kind in a namespace, or in all.
struct TargetGroup {
  GroupKind kind;
  std::string namespace_;  // empty: all

  bool operator==(const TargetGroup&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const TargetGroup& g) {
    return H::combine(std::move(h), g.kind.hash(), g.namespace_);
  }
};

// What became of a module that a policy wants, or an EnvoyProxy. Each place for one is a slot:
// "<namespace>/<policy>/wasm/0", "<namespace>/<EnvoyProxy>/dynamicModules/<name>".
struct ModuleState {
  wasm::State state;
  // What was in the slot before, for as long as the new module is not there.
  std::optional<wasm::Ready> stand_in;

  bool operator==(const ModuleState&) const = default;
};

// ---- routes ----------------------------------------------------------------------------------

// One parentRef of a route, or default Gateway, that is ours.
struct ParentStatus {
  api::ParentReference parent_ref;
  bool by_default = false;  // nobody wrote the ref
  ObjectKey parent;
  NamespacedName gateway;                       // the parent, or that of the ListenerSet
  std::vector<std::string> attached_listeners;  // names
  std::vector<Interned> route_tables;           // of those that are served
  Conditions conditions;

  bool operator==(const ParentStatus&) const = default;
};

// A host of a route table.
struct HostKey {
  Interned table;
  std::string host;

  bool operator==(const HostKey&) const = default;
  auto operator<=>(const HostKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const HostKey& k) {
    return H::combine(std::move(h), k.table, k.host);
  }
};

// An extension that a rule should have and has not: it cannot be used, or is late.
struct MissingExtension {
  std::uint32_t rule = 0;  // its index
  NamespacedName policy;
  std::string place;       // in its spec: "wasm[0]"
  bool fail_open = false;  // requests do without it; else the rule answers an error
  bool pending = false;    // it is late

  bool operator==(const MissingExtension&) const = default;
};

// What a route brings to one host.
struct Contribution {
  std::string creation_timestamp;
  bool keep_order = false;                               // EnvoyProxy preserveRouteOrder
  std::shared_ptr<const std::vector<ir::Route>> routes;  // in the order of the route's rules and matches
  // Of each of these, the index of the rule that it is from; for people who want to see the place.
  std::shared_ptr<const std::vector<std::uint32_t>> rules;
  std::shared_ptr<const std::vector<MissingExtension>> missing = {};  // null: none is

  bool operator==(const Contribution& o) const {
    const auto same = [](const auto& a, const auto& b) { return a == b || (a && b && *a == *b); };
    return creation_timestamp == o.creation_timestamp && keep_order == o.keep_order &&
           same(routes, o.routes) && same(rules, o.rules) && same(missing, o.missing);
  }
};

// What a TLSRoute, TCPRoute or UDPRoute brings to a StreamPoint.
struct StreamContribution {
  std::string stream;  // the point's name
  std::string creation_timestamp;
  std::vector<std::string> server_names;  // sorted; empty: every one
  std::vector<ir::StreamShare> shares;    // sorted by cluster; none: nothing to forward to
  bool dynamic = false;                   // connections go to the server name that they ask for

  bool operator==(const StreamContribution&) const = default;
};

// Everything that comes of one route, of whatever kind. Its status is a column like the others: delete the
// route and it is gone.
struct RouteResult {
  std::vector<ParentStatus> parents;
  std::vector<std::pair<HostKey, Contribution>> contributions;
  std::vector<std::pair<XdsKey, StreamContribution>> streams;  // by socket; sorted by it and the stream
  std::vector<std::pair<XdsKey, std::shared_ptr<const ClusterRow>>> clusters;
  std::set<ir::RouteFilter> filters;  // that the listeners of its route tables need for it
  std::vector<std::pair<std::string, ir::ExtensionPtr>> extensions;  // that its route tables need; sorted
  std::vector<std::pair<XdsKey, SecretSource>> secrets;              // credentials; sorted by key
  std::vector<NamespacedName> extended_filters;                      // HTTPRouteFilters that it read; sorted
  std::vector<NamespacedName> pools;  // InferencePools that it refers to, there or not; sorted
  std::vector<OwnPolicy> extension_policies;
  std::vector<PolicyUse> policies_met;  // and XBackends, on the way to backends
  std::vector<Problem> problems;

  bool operator==(const RouteResult& o) const {
    const auto same = [](const auto& a, const auto& b) {
      return a.first == b.first && (a.second == b.second || *a.second == *b.second);
    };
    return parents == o.parents && contributions == o.contributions && streams == o.streams &&
           std::ranges::equal(clusters, o.clusters, same) && filters == o.filters &&
           std::ranges::equal(extensions, o.extensions, same) && secrets == o.secrets &&
           extended_filters == o.extended_filters && pools == o.pools &&
           extension_policies == o.extension_policies && policies_met == o.policies_met &&
           problems == o.problems;
  }
};

// The other routes that claim a match that a route claims too, by route. Of many for one match, some.
using Overlaps = std::map<ObjectKey, std::set<ObjectKey>>;

// A match of a rule that an earlier rule has too, of its own route or of another: the requests are that
// one's.
struct LostMatch {
  std::uint32_t rule = 0;
  ObjectKey winner;
  std::uint32_t winning_rule = 0;
  bool older = false;  // the winner is, and not only the first by name

  bool operator==(const LostMatch&) const = default;
  auto operator<=>(const LostMatch&) const = default;
};

// Those of one route on one host; sorted.
struct LostMatches {
  std::vector<LostMatch> matches;

  bool operator==(const LostMatches&) const = default;
};

// A route on a host.
struct HostRoute {
  HostKey host;
  ObjectKey route;

  bool operator==(const HostRoute&) const = default;
  auto operator<=>(const HostRoute&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const HostRoute& k) {
    return H::combine(std::move(h), k.host, k.route);
  }
};

// A listener that a route is attached to.
struct ListenerKey {
  ObjectKey owner;  // a Gateway or ListenerSet
  std::string listener;

  bool operator==(const ListenerKey&) const = default;
  auto operator<=>(const ListenerKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const ListenerKey& k) {
    return H::combine(std::move(h), k.owner, k.listener);
  }
};

// ---- statuses --------------------------------------------------------------------------------

struct ListenerStatus {
  std::string name;
  std::vector<api::RouteGroupKind> supported_kinds;
  std::size_t attached_routes = 0;
  Conditions conditions;

  bool operator==(const ListenerStatus&) const = default;
};

// The status of an object of any kind; a kind uses what it has.
struct ObjectStatus {
  std::int64_t generation = 0;
  Conditions conditions;
  std::vector<ListenerStatus> listeners;                               // Gateway, ListenerSet
  std::size_t attached_listener_sets = 0;                              // Gateway
  std::vector<std::string> addresses;                                  // Gateway
  std::vector<std::pair<api::ParentReference, Conditions>> parents;    // routes
  std::vector<std::pair<api::ParentReference, Conditions>> ancestors;  // policies, EnvoyProxy
  bool is_policy = false;  // ancestors are told, even if there are none

  bool operator==(const ObjectStatus&) const = default;
};

}  // namespace sluice::translate
