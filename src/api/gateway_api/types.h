// Gateway API v1.6.1, gateway.networking.k8s.io: GatewayClass, Gateway, HTTPRoute, GRPCRoute, TLSRoute,
// TCPRoute, UDPRoute, ReferenceGrant, BackendTLSPolicy; and gateway.networking.x-k8s.io: XBackend,
// XBackendTrafficPolicy.
//
// Types keep the names of the specification, fields turn mechanically: backendRefs is backend_refs. Defaults
// are those of the upstream schemas and are filled in by the binding, so a plain member always has a value
// and an optional one is a field that the user may leave out.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/meta.h"
#include "base/boxed.h"
#include "base/interned.h"

namespace sluice::api {

// GEP-2257 duration ("1h30m", "500ms").
using Duration = std::chrono::milliseconds;

// What references name most often, looked up once.
namespace words {
inline const Interned& gateway_api() {
  static const Interned text("gateway.networking.k8s.io");
  return text;
}
inline const Interned& gateway() {
  static const Interned text("Gateway");
  return text;
}
inline const Interned& service() {
  static const Interned text("Service");
  return text;
}
}  // namespace words

// ---- selectors and references ----------------------------------------------------------------

struct LabelSelectorRequirement {
  std::string key;
  std::string operator_;  // In | NotIn | Exists | DoesNotExist; others make the selector invalid
  std::vector<std::string> values;

  bool operator==(const LabelSelectorRequirement&) const = default;
};

struct LabelSelector {
  StringMap match_labels;
  std::vector<LabelSelectorRequirement> match_expressions;

  bool operator==(const LabelSelector&) const = default;
};

struct LocalParametersReference {
  std::string group;
  std::string kind;
  std::string name;

  bool operator==(const LocalParametersReference&) const = default;
};

struct ParametersReference {
  std::string group;
  std::string kind;
  std::string name;
  std::optional<std::string> namespace_;

  bool operator==(const ParametersReference&) const = default;
};

// A reference with defaults for group and kind (a Secret or a ConfigMap, by its field).
struct SecretObjectReference {
  std::string group;
  std::string kind = "Secret";
  std::string name;
  std::optional<std::string> namespace_;

  bool operator==(const SecretObjectReference&) const = default;
};

// A reference that names all of it (CA certificates).
struct ObjectReference {
  std::string group;
  std::string kind;
  std::string name;
  std::optional<std::string> namespace_;

  bool operator==(const ObjectReference&) const = default;
};

struct BackendObjectReference {
  Interned group;
  Interned kind = words::service();
  std::string name;
  std::optional<Interned> namespace_;
  std::optional<std::int32_t> port;

  bool operator==(const BackendObjectReference&) const = default;
};

struct ParentReference {
  Interned group = words::gateway_api();
  Interned kind = words::gateway();
  std::optional<Interned> namespace_;
  std::string name;
  std::optional<std::string> section_name;
  std::optional<std::int32_t> port;

  bool operator==(const ParentReference&) const = default;
  auto operator<=>(const ParentReference&) const = default;
};

// ---- GatewayClass ----------------------------------------------------------------------------

struct GatewayClassSpec {
  std::string controller_name;
  std::optional<ParametersReference> parameters_ref;
  std::string description;

  bool operator==(const GatewayClassSpec&) const = default;
};

struct GatewayClass {
  ObjectMeta metadata;
  GatewayClassSpec spec;

  bool operator==(const GatewayClass&) const = default;
};

// ---- Gateway ---------------------------------------------------------------------------------

enum class FromNamespaces : std::uint8_t { kAll, kSelector, kSame, kNone };

struct RouteNamespaces {
  FromNamespaces from = FromNamespaces::kSame;
  std::optional<LabelSelector> selector;

  bool operator==(const RouteNamespaces&) const = default;
};

struct RouteGroupKind {
  std::string group = "gateway.networking.k8s.io";
  std::string kind;

  bool operator==(const RouteGroupKind&) const = default;
};

struct AllowedRoutes {
  RouteNamespaces namespaces;
  std::vector<RouteGroupKind> kinds;

  bool operator==(const AllowedRoutes&) const = default;
};

enum class TLSMode : std::uint8_t { kTerminate, kPassthrough };

struct ListenerTLSConfig {
  TLSMode mode = TLSMode::kTerminate;
  std::vector<SecretObjectReference> certificate_refs;
  StringMap options;

  bool operator==(const ListenerTLSConfig&) const = default;
};

struct Listener {
  std::string name;
  std::optional<std::string> hostname;
  std::int32_t port = 0;
  std::string protocol;  // HTTP | HTTPS | TLS | TCP | UDP, or an implementation's own
  std::optional<ListenerTLSConfig> tls;
  AllowedRoutes allowed_routes;

  bool operator==(const Listener&) const = default;
};

struct GatewayAddress {
  std::string type = "IPAddress";
  std::string value;

  bool operator==(const GatewayAddress&) const = default;
};

struct GatewayInfrastructure {
  StringMap labels;
  StringMap annotations;
  std::optional<LocalParametersReference> parameters_ref;

  bool operator==(const GatewayInfrastructure&) const = default;
};

struct GatewayBackendTLS {
  std::optional<SecretObjectReference> client_certificate_ref;

  bool operator==(const GatewayBackendTLS&) const = default;
};

enum class FrontendValidationMode : std::uint8_t { kAllowValidOnly, kAllowInsecureFallback };

struct FrontendTLSValidation {
  std::vector<ObjectReference> ca_certificate_refs;
  FrontendValidationMode mode = FrontendValidationMode::kAllowValidOnly;

  bool operator==(const FrontendTLSValidation&) const = default;
};

struct FrontendTLSConfig {
  std::optional<FrontendTLSValidation> validation;

  bool operator==(const FrontendTLSConfig&) const = default;
};

struct FrontendTLSPort {
  std::int32_t port = 0;
  FrontendTLSConfig tls;

  bool operator==(const FrontendTLSPort&) const = default;
};

struct GatewayFrontendTLS {
  FrontendTLSConfig default_;
  std::vector<FrontendTLSPort> per_port;

  bool operator==(const GatewayFrontendTLS&) const = default;
};

struct GatewayTLSConfig {
  std::optional<GatewayBackendTLS> backend;
  std::optional<GatewayFrontendTLS> frontend;

  bool operator==(const GatewayTLSConfig&) const = default;
};

struct AllowedListeners {
  RouteNamespaces namespaces{.from = FromNamespaces::kNone, .selector = {}};

  bool operator==(const AllowedListeners&) const = default;
};

struct GatewaySpec {
  std::string gateway_class_name;
  std::vector<Listener> listeners;
  std::vector<GatewayAddress> addresses;
  std::optional<GatewayInfrastructure> infrastructure;
  std::optional<AllowedListeners> allowed_listeners;
  std::optional<GatewayTLSConfig> tls;
  std::string default_scope;  // All | None | empty

  bool operator==(const GatewaySpec&) const = default;
};

struct Gateway {
  ObjectMeta metadata;
  GatewaySpec spec;

  bool operator==(const Gateway&) const = default;
};

// ---- ListenerSet -----------------------------------------------------------------------------

struct ParentGatewayReference {
  std::string group = "gateway.networking.k8s.io";
  std::string kind = "Gateway";
  std::string name;
  std::optional<std::string> namespace_;

  bool operator==(const ParentGatewayReference&) const = default;
};

struct ListenerSetSpec {
  ParentGatewayReference parent_ref;
  std::vector<Listener> listeners;

  bool operator==(const ListenerSetSpec&) const = default;
};

struct ListenerSet {
  ObjectMeta metadata;
  ListenerSetSpec spec;

  bool operator==(const ListenerSet&) const = default;
};

// ---- HTTPRoute -------------------------------------------------------------------------------

enum class PathMatchType : std::uint8_t { kExact, kPathPrefix, kRegularExpression };
enum class StringMatchType : std::uint8_t { kExact, kRegularExpression };

struct HTTPPathMatch {
  PathMatchType type = PathMatchType::kPathPrefix;
  std::string value = "/";

  bool operator==(const HTTPPathMatch&) const = default;
};

// HTTPHeaderMatch and HTTPQueryParamMatch alike.
struct HTTPNameValueMatch {
  StringMatchType type = StringMatchType::kExact;
  std::string name;
  std::string value;

  bool operator==(const HTTPNameValueMatch&) const = default;
};

struct HTTPRouteMatch {
  HTTPPathMatch path;
  std::vector<HTTPNameValueMatch> headers;
  std::vector<HTTPNameValueMatch> query_params;
  Interned method;  // empty: any

  bool operator==(const HTTPRouteMatch&) const = default;
};

struct HTTPHeader {
  std::string name;
  std::string value;

  bool operator==(const HTTPHeader&) const = default;
};

struct HTTPHeaderFilter {
  std::vector<HTTPHeader> set;
  std::vector<HTTPHeader> add;
  std::vector<std::string> remove;

  bool operator==(const HTTPHeaderFilter&) const = default;
};

struct Fraction {
  std::int32_t numerator = 0;
  std::int32_t denominator = 100;

  bool operator==(const Fraction&) const = default;
};

struct HTTPRequestMirrorFilter {
  BackendObjectReference backend_ref;
  std::optional<std::int32_t> percent;
  std::optional<Fraction> fraction;

  bool operator==(const HTTPRequestMirrorFilter&) const = default;
};

enum class PathModifierType : std::uint8_t { kReplaceFullPath, kReplacePrefixMatch };

struct HTTPPathModifier {
  PathModifierType type = PathModifierType::kReplaceFullPath;
  std::optional<std::string> replace_full_path;
  std::optional<std::string> replace_prefix_match;

  bool operator==(const HTTPPathModifier&) const = default;
};

struct HTTPRequestRedirectFilter {
  std::string scheme;  // empty: the request's
  std::optional<std::string> hostname;
  std::optional<HTTPPathModifier> path;
  std::optional<std::int32_t> port;
  std::int32_t status_code = 302;

  bool operator==(const HTTPRequestRedirectFilter&) const = default;
};

struct HTTPURLRewriteFilter {
  std::optional<std::string> hostname;
  std::optional<HTTPPathModifier> path;

  bool operator==(const HTTPURLRewriteFilter&) const = default;
};

struct HTTPCORSFilter {
  std::vector<std::string> allow_origins;
  std::optional<bool> allow_credentials;
  std::vector<std::string> allow_methods;
  std::vector<std::string> allow_headers;
  std::vector<std::string> expose_headers;
  std::int32_t max_age = 5;  // seconds

  bool operator==(const HTTPCORSFilter&) const = default;
};

struct LocalObjectReference {
  std::string group;
  std::string kind;
  std::string name;

  bool operator==(const LocalObjectReference&) const = default;
};

enum class ExternalAuthProtocol : std::uint8_t { kHTTP, kGRPC };

struct GRPCAuthConfig {
  std::vector<std::string> allowed_headers;  // empty: all

  bool operator==(const GRPCAuthConfig&) const = default;
};

struct HTTPAuthConfig {
  std::string path;                                   // in front of the request's; empty: nothing
  std::vector<std::string> allowed_headers;           // besides those that always are
  std::vector<std::string> allowed_response_headers;  // empty: all

  bool operator==(const HTTPAuthConfig&) const = default;
};

struct ForwardBodyConfig {
  std::int64_t max_size = 0;  // bytes; 0: the body is not forwarded

  bool operator==(const ForwardBodyConfig&) const = default;
};

struct HTTPExternalAuthFilter {
  ExternalAuthProtocol protocol = ExternalAuthProtocol::kHTTP;
  BackendObjectReference backend_ref;
  std::optional<GRPCAuthConfig> grpc;
  std::optional<HTTPAuthConfig> http;
  std::optional<ForwardBodyConfig> forward_body;

  bool operator==(const HTTPExternalAuthFilter&) const = default;
};

enum class HTTPRouteFilterType : std::uint8_t {
  kRequestHeaderModifier,
  kResponseHeaderModifier,
  kRequestMirror,
  kExtensionRef,
  kRequestRedirect,
  kURLRewrite,
  kCORS,
  kExternalAuth,
};

// GRPCRouteFilter too, which has the first four types.
struct HTTPRouteFilter {
  HTTPRouteFilterType type = HTTPRouteFilterType::kRequestHeaderModifier;
  Boxed<HTTPHeaderFilter> request_header_modifier;
  Boxed<HTTPHeaderFilter> response_header_modifier;
  Boxed<HTTPRequestMirrorFilter> request_mirror;
  Boxed<HTTPRequestRedirectFilter> request_redirect;
  Boxed<HTTPURLRewriteFilter> url_rewrite;
  Boxed<HTTPCORSFilter> cors;
  Boxed<LocalObjectReference> extension_ref;
  Boxed<HTTPExternalAuthFilter> external_auth;

  bool operator==(const HTTPRouteFilter&) const = default;
};

// GRPCBackendRef too.
struct HTTPBackendRef {
  BackendObjectReference ref;  // its fields stand beside weight and filters in the text
  std::int32_t weight = 1;
  std::vector<HTTPRouteFilter> filters;

  bool operator==(const HTTPBackendRef&) const = default;
};

struct HTTPRouteTimeouts {
  std::optional<Duration> request;
  std::optional<Duration> backend_request;

  bool operator==(const HTTPRouteTimeouts&) const = default;
};

struct HTTPRouteRetry {
  std::vector<std::int32_t> codes;
  std::optional<std::int32_t> attempts;
  std::optional<Duration> backoff;

  bool operator==(const HTTPRouteRetry&) const = default;
};

enum class SessionPersistenceType : std::uint8_t { kCookie, kHeader };
enum class CookieLifetimeType : std::uint8_t { kPermanent, kSession };

struct SessionPersistence {
  std::optional<std::string> session_name;
  std::optional<Duration> absolute_timeout;
  SessionPersistenceType type = SessionPersistenceType::kCookie;
  CookieLifetimeType cookie_lifetime = CookieLifetimeType::kSession;

  bool operator==(const SessionPersistence&) const = default;
};

struct HTTPRouteRule {
  std::optional<std::string> name;
  std::vector<HTTPRouteMatch> matches;  // never empty once bound
  std::vector<HTTPRouteFilter> filters;
  std::vector<HTTPBackendRef> backend_refs;
  Boxed<HTTPRouteTimeouts> timeouts;
  Boxed<HTTPRouteRetry> retry;
  Boxed<SessionPersistence> session_persistence;

  bool operator==(const HTTPRouteRule&) const = default;
};

struct HTTPRouteSpec {
  std::vector<ParentReference> parent_refs;
  std::string use_default_gateways;  // All | None | empty
  std::vector<std::string> hostnames;
  std::vector<HTTPRouteRule> rules;

  bool operator==(const HTTPRouteSpec&) const = default;
};

struct HTTPRoute {
  ObjectMeta metadata;
  HTTPRouteSpec spec;

  bool operator==(const HTTPRoute&) const = default;
};

// ---- GRPCRoute -------------------------------------------------------------------------------

// At least one of service and method.
struct GRPCMethodMatch {
  StringMatchType type = StringMatchType::kExact;
  std::optional<std::string> service;
  std::optional<std::string> method;

  bool operator==(const GRPCMethodMatch&) const = default;
};

struct GRPCRouteMatch {
  std::optional<GRPCMethodMatch> method;
  std::vector<HTTPNameValueMatch> headers;

  bool operator==(const GRPCRouteMatch&) const = default;
};

struct GRPCRouteRule {
  std::optional<std::string> name;
  std::vector<GRPCRouteMatch> matches;  // empty: every call
  std::vector<HTTPRouteFilter> filters;
  std::vector<HTTPBackendRef> backend_refs;
  Boxed<SessionPersistence> session_persistence;

  bool operator==(const GRPCRouteRule&) const = default;
};

struct GRPCRouteSpec {
  std::vector<ParentReference> parent_refs;
  std::string use_default_gateways;  // All | None | empty
  std::vector<std::string> hostnames;
  std::vector<GRPCRouteRule> rules;

  bool operator==(const GRPCRouteSpec&) const = default;
};

struct GRPCRoute {
  ObjectMeta metadata;
  GRPCRouteSpec spec;

  bool operator==(const GRPCRoute&) const = default;
};

// ---- TLSRoute, TCPRoute, UDPRoute -------------------------------------------------------------

struct BackendRef {
  BackendObjectReference ref;  // its fields stand beside the weight in the text
  std::int32_t weight = 1;

  bool operator==(const BackendRef&) const = default;
};

// A rule of a route that forwards connections or datagrams as they are.
struct StreamRouteRule {
  std::optional<std::string> name;
  std::vector<BackendRef> backend_refs;

  bool operator==(const StreamRouteRule&) const = default;
};

struct TLSRouteSpec {
  std::vector<ParentReference> parent_refs;
  std::string use_default_gateways;    // All | None | empty
  std::vector<std::string> hostnames;  // of the TLS handshake (SNI)
  std::vector<StreamRouteRule> rules;

  bool operator==(const TLSRouteSpec&) const = default;
};

struct TLSRoute {
  ObjectMeta metadata;
  TLSRouteSpec spec;

  bool operator==(const TLSRoute&) const = default;
};

struct StreamRouteSpec {
  std::vector<ParentReference> parent_refs;
  std::string use_default_gateways;  // All | None | empty
  std::vector<StreamRouteRule> rules;

  bool operator==(const StreamRouteSpec&) const = default;
};

struct TCPRoute {
  ObjectMeta metadata;
  StreamRouteSpec spec;

  bool operator==(const TCPRoute&) const = default;
};

struct UDPRoute {
  ObjectMeta metadata;
  StreamRouteSpec spec;

  bool operator==(const UDPRoute&) const = default;
};

// ---- ReferenceGrant --------------------------------------------------------------------------

struct ReferenceGrantFrom {
  std::string group;
  std::string kind;
  std::string namespace_;

  bool operator==(const ReferenceGrantFrom&) const = default;
};

struct ReferenceGrantTo {
  std::string group;
  std::string kind;
  std::optional<std::string> name;

  bool operator==(const ReferenceGrantTo&) const = default;
};

struct ReferenceGrantSpec {
  std::vector<ReferenceGrantFrom> from;
  std::vector<ReferenceGrantTo> to;

  bool operator==(const ReferenceGrantSpec&) const = default;
};

struct ReferenceGrant {
  ObjectMeta metadata;
  ReferenceGrantSpec spec;

  bool operator==(const ReferenceGrant&) const = default;
};

// ---- BackendTLSPolicy ------------------------------------------------------------------------

// What a policy is about: an object in its own namespace, or a section of it (a port, a listener, a rule).
struct LocalPolicyTargetReference {
  std::string group;
  std::string kind;
  std::string name;
  std::optional<std::string> section_name;

  bool operator==(const LocalPolicyTargetReference&) const = default;
};

enum class SubjectAltNameType : std::uint8_t { kHostname, kURI };

struct SubjectAltName {
  SubjectAltNameType type = SubjectAltNameType::kHostname;
  std::string hostname;
  std::string uri;

  bool operator==(const SubjectAltName&) const = default;
};

struct BackendTLSPolicyValidation {
  std::vector<LocalObjectReference> ca_certificate_refs;
  std::string well_known_ca_certificates;  // "System", or empty
  std::string hostname;
  std::vector<SubjectAltName> subject_alt_names;

  bool operator==(const BackendTLSPolicyValidation&) const = default;
};

struct BackendTLSPolicySpec {
  std::vector<LocalPolicyTargetReference> target_refs;
  BackendTLSPolicyValidation validation;

  bool operator==(const BackendTLSPolicySpec&) const = default;
};

struct BackendTLSPolicy {
  ObjectMeta metadata;
  BackendTLSPolicySpec spec;

  bool operator==(const BackendTLSPolicy&) const = default;
};

// ---- XBackend --------------------------------------------------------------------------------

enum class XBackendProtocol : std::uint8_t { kTCP, kHTTP, kHTTP2, kHTTP11, kH2C, kMCP };
enum class BackendTLSMode : std::uint8_t { kNone, kServerOnly, kClientAndServer };

struct XBackendTLS {
  BackendTLSMode mode = BackendTLSMode::kNone;
  std::optional<SecretObjectReference> client_certificate_ref;
  std::optional<BackendTLSPolicyValidation> validation;

  bool operator==(const XBackendTLS&) const = default;
};

// Of type ExternalHostname, the only one that there is.
struct XBackendSpec {
  std::string hostname;
  std::int32_t port = 0;
  std::optional<XBackendProtocol> protocol;
  std::optional<XBackendTLS> tls;

  bool operator==(const XBackendSpec&) const = default;
};

struct XBackend {
  ObjectMeta metadata;
  XBackendSpec spec;

  bool operator==(const XBackend&) const = default;
};

// ---- XBackendTrafficPolicy -------------------------------------------------------------------

struct RequestRate {
  std::optional<std::int64_t> count;
  std::optional<Duration> interval;

  bool operator==(const RequestRate&) const = default;
};

// Of all requests to a backend, how many may be retries.
struct RetryConstraint {
  std::int64_t budget_percent = 20;
  Duration budget_interval{10'000};
  RequestRate min_retry_rate;

  bool operator==(const RetryConstraint&) const = default;
};

struct XBackendTrafficPolicySpec {
  std::vector<LocalPolicyTargetReference> target_refs;  // none has a section
  std::optional<RetryConstraint> retry_constraint;
  Boxed<SessionPersistence> session_persistence;

  bool operator==(const XBackendTrafficPolicySpec&) const = default;
};

struct XBackendTrafficPolicy {
  ObjectMeta metadata;
  XBackendTrafficPolicySpec spec;

  bool operator==(const XBackendTrafficPolicy&) const = default;
};

}  // namespace sluice::api
