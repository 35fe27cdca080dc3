// What the data plane should do, in its own words: no Gateway API, no protobuf.
//
// Translation makes these values from resources; src/xds renders them. A proxy (the Envoys of one Gateway, or
// of all merged ones) serves Listeners; an HTTP filter chain of a listener names a route table; a route table
// is a set of VirtualHosts; their routes name Clusters; a cluster's Endpoints come by EDS unless they are
// names to resolve.
//
// Every value compares with ==, holds no positions of the user's lists, and names nothing after an index or a
// weight: equal inputs make equal values, whatever order they were written in.
//
// Threads: plain values.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/boxed.h"
#include "base/interned.h"
#include "base/object_key.h"
#include "ir/cluster_settings.h"
#include "ir/duration.h"
#include "ir/extension.h"
#include "ir/telemetry.h"

namespace sluice::ir {

// The key of a proxy: "<namespace>/<gateway>", or the class's name where gateways are merged.
using ProxyKey = std::string;

// ---- clusters and endpoints ------------------------------------------------------------------

// Exactly one of: an IP address or a DNS name with a port, or a Unix socket's path.
struct Endpoint {
  std::string address;
  std::uint16_t port = 0;
  std::string unix_path;
  std::string hostname;  // sent as Host when the route asks for it (auto host rewrite); may be empty

  bool operator==(const Endpoint&) const = default;
  auto operator<=>(const Endpoint&) const = default;
};

// Endpoints of one zone and priority. Sorted by (priority, zone) in a cluster, endpoints sorted inside.
struct Locality {
  std::string region;  // tells the backends of a cluster of several apart
  std::string zone;
  std::uint32_t priority = 0;
  std::uint32_t weight = 1;
  std::string tls;  // the name of the cluster's TLS that the endpoints ask for, if it has several
  std::vector<Endpoint> endpoints;

  bool operator==(const Locality&) const = default;
};

enum class UpstreamProtocol : std::uint8_t {
  kHttp1,          // Envoy's default: no explicit protocol options
  kHttp1Explicit,  // "ws" and "wss": never HTTP/2
  kHttp2,          // "h2c" and gRPC
};

// kDynamic: each request says where it goes, by its host, or each connection by its server name. Such a
// cluster has no endpoints. kNone has none either, ever.
enum class Discovery : std::uint8_t { kEds, kDns, kDynamic, kNone };

// The cluster of whatever is forwarded nowhere, where something does: of kNone. Its connections are closed,
// its datagrams dropped. The name is Envoy Gateway's.
inline constexpr char kNowhere[] = "EmptyCluster";

// Versions that a TLS connection may have, and with what.
struct TlsParameters {
  enum class Version : std::uint8_t { kAuto, k1_0, k1_1, k1_2, k1_3 };
  Version min = Version::kAuto;
  Version max = Version::kAuto;
  std::vector<std::string> ciphers;
  std::vector<std::string> curves;
  std::vector<std::string> signature_algorithms;

  bool operator==(const TlsParameters&) const = default;
};

// Exact.
struct SubjectAltName {
  enum class Kind : std::uint8_t { kDns, kUri };
  Kind kind = Kind::kDns;
  std::string value;

  bool operator==(const SubjectAltName&) const = default;
};

struct UpstreamTls {
  std::string sni;  // empty: the Host of the request is sent, and checked against the certificate
  bool sni_from_endpoint = false;                 // ... or the hostname of the endpoint
  std::string validation_secret;                  // SDS name of the CA; empty: no verification
  std::optional<std::string> certificate_secret;  // SDS name of the client certificate
  std::vector<SubjectAltName> subject_alt_names;  // one of them has to be in the certificate
  std::vector<std::string> alpn;
  TlsParameters parameters{.min = TlsParameters::Version::k1_2, .max = TlsParameters::Version::k1_3};
  // The rule sends to plaintext backends too: then the protocol is not negotiated, it is the same for all.
  bool beside_plaintext = false;

  bool operator==(const UpstreamTls&) const = default;
};

struct Cluster {
  std::string name;
  Discovery discovery = Discovery::kEds;
  UpstreamProtocol protocol = UpstreamProtocol::kHttp1;
  Boxed<UpstreamTls> tls;
  // Of a cluster of several backends: those of each, by name, in place of `tls`.
  std::vector<std::pair<std::string, UpstreamTls>> tls_by_name;
  // Of a kDns cluster: names (and addresses) to resolve; empty for kEds, whose endpoints are a resource of
  // their own.
  std::vector<Locality> dns_localities;
  bool prefer_local_zone = false;  // Service trafficDistribution PreferClose/PreferSameZone
  bool ipv6_preferred = false;     // DNS family of an IPv6 proxy
  Boxed<ClusterSettings> settings;
  Boxed<Extension> credential;  // a CredentialInjector for all that goes there
  std::string stat_name;        // what it is called in statistics; empty: its name
  // Who it is there for; shown in metadata, found again when Envoy rejects it.
  ObjectKey owner;

  bool operator==(const Cluster&) const = default;
};

// ---- HTTP routes -----------------------------------------------------------------------------

enum class MatchKind : std::uint8_t { kExact, kPrefix, kRegex, kSuffix };

// kPrefix matches whole path segments: "/a" is "/a" and "/a/b", not "/ab"; "/" is everything.
struct PathMatch {
  MatchKind kind = MatchKind::kPrefix;
  std::string value = "/";

  bool operator==(const PathMatch&) const = default;
};

// A header or query parameter; kExact, kRegex (of the whole value, RE2) or kSuffix.
struct ValueMatch {
  std::string name;
  MatchKind kind = MatchKind::kExact;
  std::string value;

  bool operator==(const ValueMatch&) const = default;
};

struct Fraction {
  std::uint32_t numerator = 0;
  std::uint32_t denominator = 1;

  bool operator==(const Fraction&) const = default;
};

struct RouteMatch {
  PathMatch path;
  Interned method;  // empty: any
  std::vector<ValueMatch> headers;
  std::vector<ValueMatch> query_params;
  std::vector<ValueMatch> cookies;
  // Only of requests whose random number, the same for all routes, is below this. Routes of equal matches
  // with rising fractions, the last without one, share the requests.
  std::optional<Fraction> below;

  bool operator==(const RouteMatch&) const = default;
};

struct Header {
  std::string name;
  std::string value;

  bool operator==(const Header&) const = default;
};

struct HeaderChanges {
  std::vector<Header> set;
  std::vector<Header> add;
  std::vector<std::string> remove;

  bool empty() const { return set.empty() && add.empty() && remove.empty(); }
  bool operator==(const HeaderChanges&) const = default;
};

// Nothing, where they change nothing.
inline Boxed<HeaderChanges> boxed(HeaderChanges changes) {
  return changes.empty() ? Boxed<HeaderChanges>() : Boxed<HeaderChanges>(std::move(changes));
}

// RE2 pattern and what replaces the match, with \1 for a group.
struct RegexRewrite {
  std::string pattern;
  std::string substitution;

  bool operator==(const RegexRewrite&) const = default;
};

// At most one of the three.
struct PathRewrite {
  std::optional<std::string> full;
  std::optional<std::string> prefix;  // replaces the prefix that the route matched
  std::optional<RegexRewrite> regex;

  bool operator==(const PathRewrite&) const = default;
};

// At most one of the four for the host.
struct Rewrite {
  std::optional<std::string> host;
  std::optional<std::string> host_header;  // the value of this header
  bool host_of_endpoint = false;           // Endpoint::hostname, or the name that was resolved
  std::optional<RegexRewrite> host_from_path;
  bool append_x_forwarded_host =
      true;  // the old host goes into X-Forwarded-Host (of the rule's rewrite only)
  std::optional<PathRewrite> path;

  bool operator==(const Rewrite&) const = default;
};

struct Mirror {
  std::string cluster;
  std::uint32_t numerator = 100;
  std::uint32_t denominator = 100;

  bool operator==(const Mirror&) const = default;
};

struct WeightedCluster {
  std::string cluster;  // empty: an invalid reference, its share is answered with 500
  std::uint32_t weight = 1;
  Boxed<HeaderChanges> request_headers;  // made by boxed(), as the other
  Boxed<HeaderChanges> response_headers;
  Boxed<Rewrite> rewrite;

  bool operator==(const WeightedCluster&) const = default;
};

struct Retry {
  std::uint32_t attempts = 2;
  bool only_unsent = false;  // only of what no endpoint has got: nothing is done twice
  std::vector<std::uint32_t> codes;
  std::optional<Duration> backoff;
  std::optional<Duration> per_try_timeout;

  bool operator==(const Retry&) const = default;
};

// Requests of one session go to the endpoint that answered the first: a cookie or header names it.
struct Session {
  enum class Kind : std::uint8_t { kCookie, kHeader };
  Kind kind = Kind::kCookie;
  std::string name;
  std::optional<Duration> lifetime;  // of the cookie; none: until the browser ends

  bool operator==(const Session&) const = default;
};

struct Forward {
  std::vector<WeightedCluster> clusters;  // at least one, weights not all 0
  Boxed<Rewrite> rewrite;
  std::vector<Mirror> mirrors;
  std::optional<Duration> timeout;  // 0: none
  std::optional<Duration> idle_timeout;
  Boxed<Retry> retry;
  Boxed<Session> session;
  // A cluster, maybe of a mirror, is kDynamic: the host that the request names must not be the proxy's own
  // machine.
  bool dynamic = false;
  // No HTTP/1.1 upgrades to WebSocket; where a cluster is missing the call is UNAVAILABLE.
  bool grpc = false;
  // Where a cluster is missing the answer is 500, not 503. It is 500 anyway with an invalid reference among
  // the clusters or with changes of their own.
  bool missing_is_500 = false;
  // None of the clusters has an endpoint, and none is asked: the answer is 503.
  bool nobody_ready = false;
  // How many bytes a filter may keep of a request's body; 0: as many as of all of a connection.
  std::uint64_t body_limit = 0;

  bool operator==(const Forward&) const = default;
};

struct Redirect {
  std::string scheme;
  std::optional<std::string> host;
  Boxed<PathRewrite> path;
  std::optional<std::uint16_t> port;  // none: the one that the Host of the request has, if any
  bool without_port = false;          // not that either; only where there is no `port`
  std::uint16_t status = 302;

  bool operator==(const Redirect&) const = default;
};

struct DirectResponse {
  std::uint16_t status = 500;
  std::string body;          // with Envoy's %COMMANDS%
  std::string content_type;  // may be empty

  bool operator==(const DirectResponse&) const = default;
};

// Which pages of other origins may read the answers (https://fetch.spec.whatwg.org/#http-cors-protocol).
struct Cors {
  std::vector<std::string> origins;  // "https://a.example", "https://*.b.example", "*"
  std::vector<std::string> methods;
  std::vector<std::string> headers;
  std::vector<std::string> exposed_headers;
  bool credentials = false;
  std::chrono::seconds max_age{5};  // for which a preflight's answer holds

  bool operator==(const Cors&) const = default;
};

struct RouteAction {
  std::variant<Forward, Redirect, DirectResponse> action;
  Boxed<HeaderChanges> request_headers;  // made by boxed(), as the other
  Boxed<HeaderChanges> response_headers;
  Boxed<Cors> cors;
  Boxed<std::vector<ExtensionUse>> extensions;  // those that are on for it, sorted

  bool operator==(const RouteAction&) const = default;
};

// One match of one rule.
struct Route {
  RouteMatch match;
  std::shared_ptr<const RouteAction> action;  // shared by the matches of a rule; never null
  ObjectKey owner;
  std::string rule_name;  // the user's, may be empty

  bool operator==(const Route& other) const {
    return match == other.match && owner == other.owner && rule_name == other.rule_name &&
           (action == other.action || *action == *other.action);
  }
};

// One host of a route table, its routes in the order in which they are tried.
struct VirtualHost {
  std::string host;  // "*", "*.example.com", "example.com"
  std::vector<Route> routes;
  bool counted = false;  // there are statistics of its requests

  bool operator==(const VirtualHost&) const = default;
};

// ---- listeners -------------------------------------------------------------------------------

// A certificate and its key, served by SDS; or a CA bundle; or a credential.
struct Secret {
  std::string name;
  std::string certificate_pem;
  std::string private_key_pem;
  std::string ocsp_staple;  // DER, may be empty
  std::string ca_pem;       // inline CA, for validation
  std::string ca_file;      // or a file the proxy can read
  std::string credential;   // the value of a header

  bool operator==(const Secret&) const = default;
};

// Certificates of clients: asked for, and verified with a CA.
struct ClientValidation {
  std::string ca_secret;  // SDS name
  bool required = true;
  bool accept_untrusted = false;

  bool operator==(const ClientValidation&) const = default;
};

struct DownstreamTls {
  std::vector<std::string> certificate_secrets;  // SDS names, at least one
  std::vector<std::string> alpn;
  TlsParameters parameters;
  std::optional<ClientValidation> client_validation;

  bool operator==(const DownstreamTls&) const = default;
};

// HTTP filters that are there because some route needs them.
enum class RouteFilter : std::uint8_t { kCors, kSession, kGrpc, kLoopbackGuard };

// One way a connection can go. Without server names it is the listener's default chain.
struct HttpChain {
  std::string name;
  std::vector<std::string> server_names;  // SNI; sorted
  std::optional<DownstreamTls> tls;
  std::string route_table;
  std::set<RouteFilter> filters;         // of the routes in the table
  std::vector<ExtensionPtr> extensions;  // of the routes in the table; sorted by index and name
  std::vector<FilterMove> filter_order;  // changes of the default, one after the other
  std::string stat_prefix;
  AccessLogs access_logs;
  Boxed<Tracing> tracing;
  std::optional<RequestId> request_id;  // none: Envoy's way
  std::optional<bool> grpc_stats;       // none: where there are routes of gRPC

  bool operator==(const HttpChain& o) const {
    const auto same = [](const ExtensionPtr& a, const ExtensionPtr& b) { return a == b || *a == *b; };
    return name == o.name && server_names == o.server_names && tls == o.tls && route_table == o.route_table &&
           filters == o.filters && std::ranges::equal(extensions, o.extensions, same) &&
           filter_order == o.filter_order && stat_prefix == o.stat_prefix && access_logs == o.access_logs &&
           tracing == o.tracing && request_id == o.request_id && grpc_stats == o.grpc_stats;
  }
};

// A part of what a chain forwards. Without a cluster it is an invalid reference: its connections are closed.
struct StreamShare {
  std::string cluster;
  std::uint32_t weight = 1;

  bool operator==(const StreamShare&) const = default;
};

// One way a connection can go that nobody looks into: its bytes are forwarded.
struct TcpChain {
  std::string name;
  std::vector<std::string> server_names;  // SNI; sorted
  std::optional<DownstreamTls> tls;       // ended here; without, TLS passes through as it is
  std::vector<StreamShare> shares;        // none: every connection is closed
  // The cluster is kDynamic: the server name that a connection asks for must not be the proxy's own machine.
  bool dynamic = false;
  std::string stat_prefix;
  AccessLogs access_logs;

  bool operator==(const TcpChain&) const = default;
};

// Datagrams, forwarded.
struct UdpForward {
  std::string cluster;  // empty: they are dropped
  AccessLogs access_logs;

  bool operator==(const UdpForward&) const = default;
};

// One socket.
struct Listener {
  std::string name;
  std::string address;  // "0.0.0.0" or "::" for all
  std::vector<std::string> more_addresses;
  bool dual_stack = false;
  std::uint16_t port = 0;
  std::vector<HttpChain> chains;     // sorted by name
  std::vector<TcpChain> tcp_chains;  // sorted by name
  std::optional<UdpForward> udp;     // the socket is one of UDP, without chains
  AccessLogs access_logs;
  std::vector<ObjectKey> owners;

  bool operator==(const Listener&) const = default;
};

// What the process of a proxy is started with.
struct Proxy {
  ProxyKey key;
  std::optional<std::uint32_t> concurrency;
  std::vector<std::pair<std::string, std::string>> log_levels;  // component, level; sorted
  std::vector<std::string> extra_args;
  Duration drain_timeout{60'000};
  Duration min_drain{10'000};
  // Bootstrap of the user's: "" or a whole one, or one to merge over ours, or JSON patches for ours, as JSON
  // text (whoever makes this value turns the user's YAML into JSON).
  enum class BootstrapChange : std::uint8_t { kNone, kMerge, kReplace, kJsonPatch };
  BootstrapChange bootstrap_change = BootstrapChange::kNone;
  std::string bootstrap;
  // For whatever runs it where that has labels and annotations; of several Gateways the oldest one's come
  // first.
  std::map<std::string, std::string, std::less<>> labels;
  std::map<std::string, std::string, std::less<>> annotations;
  // Ports it listens on, for messages.
  std::vector<std::uint16_t> ports;
  // Whom it sends its metrics. The endpoints of the clusters come by ADS under their names, as do those of
  // others.
  struct MetricsSink {
    Cluster cluster;
    GrpcCall call;
    TextMap resource;
    bool counter_deltas = false;
    bool histogram_deltas = false;

    bool operator==(const MetricsSink&) const = default;
  };
  std::vector<MetricsSink> metrics_sinks;

  bool operator==(const Proxy&) const = default;
};

}  // namespace sluice::ir
