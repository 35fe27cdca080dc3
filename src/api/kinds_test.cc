#include "api/kinds.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tree/parse.h"

namespace sluice::api {
namespace {

ReadObject read(std::string_view text, Trust trust = Trust::kCheck) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text, "", &problems);
  EXPECT_TRUE(problems.empty()) << problems[0].message;
  EXPECT_EQ(documents.size(), 1u);
  return documents.empty() ? ReadObject() : read_object(documents[0].tree, trust);
}

template <typename T>
T bound(std::string_view text, Trust trust = Trust::kCheck) {
  const ReadObject result = read(text, trust);
  for (const Problem& problem : result.problems) {
    // Fields without effect are as good as others here.
    if (problem.code != "support/no-effect") ADD_FAILURE() << problem.path << ": " << problem.message;
  }
  if (!result.bound) return T();
  EXPECT_EQ(result.bound->key.kind, kind_of<T>());
  return *std::get<std::shared_ptr<const T>>(result.bound->object);
}

// "line:column path code: message (suggestion)" of each problem, one a line.
std::string problems_of(std::string_view text, Trust trust = Trust::kCheck) {
  const ReadObject result = read(text, trust);
  std::string all;
  for (const Problem& problem : result.problems) {
    EXPECT_EQ(problem.object, result.key);
    EXPECT_TRUE(problem.where.file.empty());
    EXPECT_EQ(result.bound.has_value(), false);
    if (!all.empty()) all += '\n';
    all += fmt::format("{}:{} {} {}: {}", problem.where.line, problem.where.column, problem.path,
                       problem.code, problem.message);
    if (!problem.suggestion.empty()) all += fmt::format(" ({})", problem.suggestion);
  }
  return all;
}

constexpr std::string_view kRoute =
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: web}\nspec:\n";
constexpr std::string_view kGateway =
    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw}\nspec:\n  "
    "gatewayClassName: c\n";

std::string with(std::string_view head, std::string_view rest) {
  return std::string(head) + std::string(rest);
}

TEST(ReadObject, Heads) {
  EXPECT_EQ(problems_of("- a"),
            "1:1  schema/wrong-type: the document is no object: expected a map with `apiVersion` and `kind` "
            "(write `---` between objects, or put them into `items` of a `List`)");
  EXPECT_EQ(
      problems_of("replicas: 1\n"),
      "1:1  schema/required: the document is no object: it has neither `apiVersion` nor `kind` (leave the "
      "file out if it is something else)");
  EXPECT_EQ(problems_of("kind: Service\nmetadata: {name: a}\n"),
            "1:1 apiVersion schema/required: missing field `apiVersion` (add `apiVersion: v1`)");
  EXPECT_EQ(
      problems_of("kind: Deployment\nmetadata: {name: a}\n"),
      "1:1 apiVersion schema/required: missing field `apiVersion` (add `apiVersion`, as in `apiVersion: "
      "gateway.networking.k8s.io/v1`)");
  EXPECT_EQ(problems_of("apiVersion: v1\n"),
            "1:1 kind schema/required: missing field `kind` (add `kind`: of `v1` there are `Namespace`, "
            "`Service`, `Secret`, `ConfigMap`, `Pod`)");
  EXPECT_EQ(problems_of("apiVersion: apps/v1\n"),
            "1:1 kind schema/required: missing field `kind` (add `kind`)");
  EXPECT_EQ(problems_of("apiVersion: v1\nKind: Service\n"),
            "1:1 kind schema/required: missing field `kind` (write `kind` instead of `Kind`)");
  EXPECT_EQ(problems_of("apiversion: v1\nkind: Service\n"),
            "1:1 apiVersion schema/required: missing field `apiVersion` (write `apiVersion` instead of "
            "`apiversion`)");
  EXPECT_EQ(problems_of("apiVersion: 1\nkind: Service\n"),
            "1:13 apiVersion schema/wrong-type: `apiVersion` is no string (write it in quotes)");
  EXPECT_EQ(
      problems_of("apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: HTTPRoute\nmetadata: {name: a}\n"),
      "1:13 apiVersion schema/unserved-version: HTTPRoute is not served in version `v1alpha2` (write "
      "`apiVersion: gateway.networking.k8s.io/v1` or `gateway.networking.k8s.io/v1beta1`)");
  EXPECT_EQ(problems_of("apiVersion: v2\nkind: Service\nmetadata: {name: a}\n"),
            "1:13 apiVersion schema/unserved-version: Service is not served in version `v2` (write "
            "`apiVersion: v1`)");
}

std::string problem_of_head(std::string_view api_version, std::string_view kind) {
  return problems_of(fmt::format("apiVersion: {}\nkind: {}\nmetadata: {{name: a}}\n", api_version, kind));
}

TEST(ReadObject, ANamespaceOfWhatIsInNoneIsAWarning) {
  const ReadObject result = read(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: a, namespace: "
      "b}\nspec: "
      "{controllerName: example.com/a}\n");
  ASSERT_EQ(result.problems.size(), 1u);
  EXPECT_EQ(result.problems[0].severity, Severity::kWarning);
  EXPECT_EQ(result.problems[0].code, "support/no-effect");
  EXPECT_EQ(result.problems[0].path, "metadata.namespace");
  EXPECT_EQ(result.problems[0].where.column, 32U);
  EXPECT_EQ(result.problems[0].message, "a GatewayClass is in no namespace");
  ASSERT_TRUE(result.bound);
  EXPECT_EQ(result.bound->key.name.namespace_, "");
}

TEST(ReadObject, KindsOfOthersAreWarnings) {
  const ReadObject result =
      read("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: b}\n");
  ASSERT_EQ(result.problems.size(), 1u);
  EXPECT_EQ(result.problems[0].severity, Severity::kWarning);
  EXPECT_EQ(result.key.to_string(), "Deployment b/a");
  EXPECT_FALSE(result.bound.has_value());
  constexpr std::pair<const char*, const char*> kOthers[] = {
      {"apps/v1", "Deployment"},
      {"networking.istio.io/v1", "Gateway"},
      {"serving.knative.dev/v1", "Service"},
      {"specs.smi-spec.io/v1alpha4", "TCPRoute"},
      {"gateway.networking.x-k8s.io/v1alpha1", "XListenerSet"},
      {"gateway.networking.k8s.io/v1alpha2", "BackendLBPolicy"},
      {"multicluster.x-k8s.io/v1alpha1", "ServiceExport"},
      {"aigateway.envoyproxy.io/v1alpha1", "AIGatewayRoute"},
      {"inference.networking.x-k8s.io/v1alpha1", "InferencePoolImport"},
      {"v1", "PodTemplate"},
      {"v1", "Config"},
      {"networking.k8s.io/v1", "IngressClass"},
  };
  for (const auto& [api_version, kind] : kOthers) {
    EXPECT_EQ(problem_of_head(api_version, kind),
              fmt::format("2:7 kind support/unknown-kind: kind `{}` of `{}` is not known and left out", kind,
                          api_version));
  }
}

TEST(ReadObject, AKindThatIsNearlyOneOfOursIsAnError) {
  struct Row {
    const char* api_version;
    const char* kind;
    const char* place;
    const char* suggestion;
  };
  constexpr Row kRows[] = {
      {"gateway.networking.k8s.io/v1", "HttpRoute", "2:7 kind", "write `kind: HTTPRoute`"},
      {"gateway.networking.k8s.io/v1", "httproute", "2:7 kind", "write `kind: HTTPRoute`"},
      {"gateway.networking.k8s.io/v1", "HTTPRoutes", "2:7 kind", "write `kind: HTTPRoute`"},
      {"gateway.networking.k8s.io/v1", "Gatway", "2:7 kind", "write `kind: Gateway`"},
      {"v1", "Services", "2:7 kind", "write `kind: Service`"},
      {"gateway.network.k8s.io/v1", "HTTPRoute", "1:13 apiVersion",
       "write `apiVersion: gateway.networking.k8s.io/v1`"},
      {"gateway.networking.k8s.io", "HTTPRoute", "1:13 apiVersion",
       "write `apiVersion: gateway.networking.k8s.io/v1`"},
      {"networking.k8s.io/v1beta1", "Gateway", "1:13 apiVersion",
       "write `apiVersion: gateway.networking.k8s.io/v1beta1`"},
      {"v1", "HTTPRoute", "1:13 apiVersion", "write `apiVersion: gateway.networking.k8s.io/v1`"},
      {"gateway.networking.k8s.io/v1", "Backend", "1:13 apiVersion",
       "write `apiVersion: gateway.envoyproxy.io/v1alpha1`"},
      {"gateway.envoyproxy.io/v1alpha1", "HTTPRoute", "1:13 apiVersion",
       "write `apiVersion: gateway.networking.k8s.io/v1`"},
      {"core/v1", "Service", "1:13 apiVersion", "write `apiVersion: v1`"},
      {"gateway.network.k8s.io/v1", "HttpRoute", "2:7 kind",
       "write `kind: HTTPRoute` and `apiVersion: gateway.networking.k8s.io/v1`"},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(problem_of_head(row.api_version, row.kind),
              fmt::format("{} schema/kind: `{}` has no kind `{}` ({})", row.place, row.api_version, row.kind,
                          row.suggestion));
  }
}

TEST(ReadObject, AMisspeltKindIsAProblemOfTheObjectThatWasMeant) {
  const ReadObject result =
      read("apiVersion: gateway.networking.k8s.io/v1\nkind: httproute\nmetadata: {name: a}\n");
  ASSERT_EQ(result.problems.size(), 1u);
  EXPECT_EQ(result.problems[0].severity, Severity::kError);
  EXPECT_EQ(result.key, (ObjectKey{kind_of<HTTPRoute>(), {"default", "a"}}));
  EXPECT_EQ(read("apiVersion: v1\nkind: GatewayClass\nmetadata: {name: a}\n").key,
            (ObjectKey{kind_of<GatewayClass>(), {"", "a"}}));
}

TEST(ReadObject, DeprecatedVersionsAreRead) {
  const ReadObject result = read(
      "apiVersion: gateway.networking.k8s.io/v1alpha3\nkind: BackendTLSPolicy\nmetadata: {name: a}\n"
      "spec:\n  targetRefs: [{group: '', kind: Service, name: s}]\n"
      "  validation: {hostname: a.example.com, wellKnownCACertificates: System}\n");
  ASSERT_EQ(result.problems.size(), 1u);
  EXPECT_EQ(result.problems[0].code, "support/deprecated-version");
  EXPECT_EQ(result.problems[0].severity, Severity::kWarning);
  EXPECT_EQ(result.problems[0].message, "version `v1alpha3` of BackendTLSPolicy is deprecated");
  EXPECT_EQ(result.problems[0].suggestion, "write `apiVersion: gateway.networking.k8s.io/v1`");
  ASSERT_TRUE(result.bound.has_value());
  const auto& policy = *std::get<std::shared_ptr<const BackendTLSPolicy>>(result.bound->object);
  EXPECT_EQ(policy.spec.target_refs.front().name, "s");
  EXPECT_EQ(policy.spec.validation.well_known_ca_certificates, "System");
}

TEST(ReadObject, BackendTLSPolicyRules) {
  const auto policy = [](std::string_view spec) {
    return problems_of(
        with("apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\n"
             "metadata: {name: a}\nspec:\n",
             spec));
  };
  EXPECT_EQ(policy("  targetRefs: [{group: '', kind: Service, name: s}]\n  validation: {hostname: a.b}\n"),
            "6:15 spec.validation schema/ca-certificates: nothing says which CA certificates to trust (add "
            "`caCertificateRefs`, or `wellKnownCACertificates: System`)");
  EXPECT_EQ(policy("  targetRefs:\n  - {group: '', kind: Service, name: s}\n"
                   "  - {group: '', kind: Service, name: s, sectionName: http}\n"
                   "  validation: {hostname: a.b, wellKnownCACertificates: System}\n"),
            "6:5 spec.targetRefs[0] schema/target-section: of several references to one target each needs a "
            "`sectionName` (add `sectionName`, the name of a port)");
  EXPECT_EQ(
      policy("  targetRefs:\n  - {group: '', kind: Service, name: s, sectionName: http}\n"
             "  - {group: '', kind: Service, name: s, sectionName: http}\n"
             "  validation:\n    hostname: a.b\n    wellKnownCACertificates: System\n"
             "    subjectAltNames: [{type: URI, hostname: c.d}]\n"),
      "7:5 spec.targetRefs[1] schema/target-section: an earlier reference has the same target and "
      "`sectionName` (remove one of the two)\n"
      "11:45 spec.validation.subjectAltNames[0].hostname schema/subject-alt-name: `hostname` is set, and the "
      "type of the name is not `Hostname` (remove it, or make another name of it)\n"
      "11:30 spec.validation.subjectAltNames[0].type schema/subject-alt-name: a name of type `URI` needs "
      "`uri` "
      "(add `uri`)");
}

TEST(ReadObject, Names) {
  EXPECT_EQ(read("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n").key.to_string(),
            "Service default/a");
  EXPECT_EQ(bound<Service>("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n").metadata.namespace_,
            "default");
  EXPECT_EQ(bound<Namespace>("apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}\n")
                .metadata.namespace_,
            "");
  EXPECT_EQ(read("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n").key.to_string(), "Namespace a");
  EXPECT_EQ(problems_of("apiVersion: v1\nkind: ConfigMap\n"),
            "1:1 metadata schema/required: missing field `metadata`");
  EXPECT_EQ(problems_of("apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: a}\n"),
            "3:1 metadata.name schema/required: missing field `name` in `metadata`");
  EXPECT_EQ(problems_of("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_b}\n"),
            "3:18 metadata.name schema/pattern: invalid value `A_b`: expected a DNS name: lower-case "
            "letters, digits, "
            "`-` and `.`, a letter or digit at both ends of each label (did you mean `a-b`?)");
  EXPECT_EQ(problems_of("apiVersion: v1\nkind: Service\nmetadata: {name: a.b}\n"),
            "3:18 metadata.name schema/pattern: invalid value `a.b`: expected a DNS label: lower-case "
            "letters, digits "
            "and `-`, a letter or digit at both ends");
  EXPECT_EQ(
      problems_of("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {x: true}}\n"),
      "3:33 metadata.labels.x schema/wrong-type: expected a string, found the boolean `true` (write it in "
      "quotes: `\"true\"`)");
}

TEST(ReadObject, Metadata) {
  const auto map = bound<ConfigMap>(
      "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: b\n  labels: {l: v}\n"
      "  annotations: {example.com/x: y}\n  creationTimestamp: 2026-01-31T12:00:00Z\n  generation: 3\n"
      "  managedFields: [{}]\n  uid: x\n  resourceVersion: '1'\n  ownerReferences: []\n  finalizers: [f]\n");
  EXPECT_EQ(map.metadata.labels.at("l"), "v");
  EXPECT_EQ(map.metadata.annotations.at("example.com/x"), "y");
  EXPECT_EQ(map.metadata.creation_timestamp, "2026-01-31T12:00:00Z");
  EXPECT_EQ(map.metadata.generation, 3);
}

TEST(ReadObject, GRPCRoute) {
  const std::string head =
      "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: {name: shop}\nspec:\n";
  const auto route = bound<GRPCRoute>(head + R"(
  rules:
  - matches:
    - method: {method: Get}
    - method: {type: RegularExpression, service: "shop[.].*"}
    filters:
    - {type: ExtensionRef, extensionRef: {group: g.io, kind: K, name: n}}
    backendRefs: [{name: a, port: 80, filters: [{type: RequestMirror, requestMirror: {backendRef: {name: b, port: 1}}}]}]
    sessionPersistence: {type: Header}
  - {}
)");
  ASSERT_EQ(route.spec.rules.size(), 2u);
  const GRPCRouteRule& rule = route.spec.rules[0];
  EXPECT_EQ(rule.matches[0].method->type, StringMatchType::kExact);
  EXPECT_EQ(rule.matches[0].method->method, "Get");
  EXPECT_EQ(rule.matches[1].method->type, StringMatchType::kRegularExpression);
  EXPECT_EQ(rule.filters[0].type, HTTPRouteFilterType::kExtensionRef);
  EXPECT_EQ(rule.backend_refs[0].filters[0].type, HTTPRouteFilterType::kRequestMirror);
  EXPECT_EQ(rule.session_persistence->type, SessionPersistenceType::kHeader);
  EXPECT_TRUE(route.spec.rules[1].matches.empty());

  EXPECT_EQ(
      problems_of(head + "  rules: [{matches: [{method: {}}]}]"),
      "5:31 spec.rules[0].matches[0].method schema/method: neither `service` nor `method` is set (set one "
      "of them, or leave out the whole match to match every call)");
  EXPECT_EQ(problems_of(head + "  rules: [{matches: [{method: {service: a/b, method: a-b}}]}]"),
            "5:41 spec.rules[0].matches[0].method.service schema/method: the name of a service consists of "
            "letters, digits and `_` between dots, as in `shop.v1.Orders` (write it without a slash; type "
            "`RegularExpression` matches several)\n"
            "5:54 spec.rules[0].matches[0].method.method schema/method: the name of a method consists of "
            "letters, digits and `_`, no digit at the front (use type `RegularExpression` to match several)");
  EXPECT_EQ(problems_of(head + "  rules: [{filters: [{type: CORS}]}]"),
            "5:29 spec.rules[0].filters[0].type schema/enum: unknown value `CORS`: expected "
            "`RequestHeaderModifier`, `ResponseHeaderModifier`, `RequestMirror` or `ExtensionRef` (HTTPRoute "
            "takes it, and GRPCRoute does not)");
}

TEST(ReadObject, RouteDefaults) {
  const auto route = bound<HTTPRoute>(with(kRoute, "  parentRefs: [{name: gw}]\n"));
  ASSERT_EQ(route.spec.parent_refs.size(), 1u);
  EXPECT_EQ(route.spec.parent_refs[0].kind, "Gateway");
  ASSERT_EQ(route.spec.rules.size(), 1u);
  ASSERT_EQ(route.spec.rules[0].matches.size(), 1u);
  EXPECT_EQ(route.spec.rules[0].matches[0].path.value, "/");
  const auto empty = bound<HTTPRoute>(with(kRoute, "  rules: [{matches: []}, {matches: [{}]}, {}]\n"));
  for (const HTTPRouteRule& rule : empty.spec.rules) {
    ASSERT_EQ(rule.matches.size(), 1u);
    EXPECT_EQ(rule.matches[0], HTTPRouteMatch());
  }
}

TEST(ReadObject, XBackends) {
  const auto backend = bound<XBackend>(R"(
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackend
metadata: {name: a}
spec:
  type: ExternalHostname
  externalHostname: {hostname: a.example}
  port: {port: 443, name: https}
  protocol: HTTP11
  tls: {mode: ClientAndServer, clientCertificateRef: {name: c}, validation: {hostname: b, wellKnownCACertificates: System}}
)");
  EXPECT_EQ(backend.spec.hostname, "a.example");
  EXPECT_EQ(backend.spec.port, 443);
  EXPECT_EQ(backend.spec.protocol, XBackendProtocol::kHTTP11);
  EXPECT_EQ(backend.spec.tls->mode, BackendTLSMode::kClientAndServer);
  EXPECT_EQ(backend.spec.tls->client_certificate_ref->name, "c");
  EXPECT_EQ(backend.spec.tls->validation->hostname, "b");

  constexpr std::string_view kPolicy = R"(
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackendTrafficPolicy
metadata: {name: a}
spec:
  targetRefs: [{group: "", kind: Service, name: web}]
)";
  const auto bare = bound<XBackendTrafficPolicy>(std::string(kPolicy));
  EXPECT_EQ(bare.spec.target_refs.at(0).name, "web");
  EXPECT_FALSE(bare.spec.retry_constraint || bare.spec.session_persistence);
  const auto full = bound<XBackendTrafficPolicy>(
      std::string(kPolicy) +
      "  retryConstraint: {budget: {percent: 5}}\n  sessionPersistence: {type: Header}\n");
  EXPECT_EQ(full.spec.retry_constraint->budget_percent, 5);
  EXPECT_EQ(full.spec.retry_constraint->budget_interval.count(), 10'000);
  EXPECT_EQ(full.spec.retry_constraint->min_retry_rate.count, 10);
  EXPECT_EQ(full.spec.retry_constraint->min_retry_rate.interval->count(), 1'000);
  EXPECT_EQ(full.spec.session_persistence->type, SessionPersistenceType::kHeader);
}

TEST(ReadObject, Route) {
  const auto route = bound<HTTPRoute>(with(kRoute, R"(
  hostnames: [a.example.com, "*.example.com"]
  useDefaultGateways: All
  rules:
  - name: one
    matches:
    - path: {type: RegularExpression, value: "/a.*"}
      headers: [{name: X, value: y, type: RegularExpression}]
      queryParams: [{name: q, value: "1"}]
      method: GET
    filters:
    - type: RequestMirror
      requestMirror: {backendRef: {name: m, port: 80}, fraction: {numerator: 5}}
    - type: URLRewrite
      urlRewrite: {hostname: x.y, path: {type: ReplaceFullPath, replaceFullPath: /z}}
    - type: ExternalAuth
      externalAuth: {protocol: HTTP, http: {path: /a}, backendRef: {name: a, port: 1}}
    backendRefs:
    - {name: a, port: 80, namespace: n, weight: 0}
    - {group: gateway.envoyproxy.io, kind: Backend, name: b, filters: [{type: CORS, cors: {allowOrigins: ["*"]}}]}
    timeouts: {request: 10s, backendRequest: 1s500ms}
    retry: {codes: [503], attempts: 3, backoff: 25ms}
    sessionPersistence: {sessionName: s, absoluteTimeout: 1h, cookieConfig: {lifetimeType: Permanent}}
status: {parents: []}
)"));
  ASSERT_EQ(route.spec.rules.size(), 1u);
  const HTTPRouteRule& rule = route.spec.rules[0];
  EXPECT_EQ(rule.matches[0].path.type, PathMatchType::kRegularExpression);
  EXPECT_EQ(rule.matches[0].headers[0].type, StringMatchType::kRegularExpression);
  EXPECT_EQ(rule.matches[0].query_params[0].type, StringMatchType::kExact);
  EXPECT_EQ(rule.matches[0].method, "GET");
  EXPECT_EQ(rule.filters[0].type, HTTPRouteFilterType::kRequestMirror);
  EXPECT_EQ(rule.filters[0].request_mirror->backend_ref.port, 80);
  EXPECT_EQ(rule.filters[0].request_mirror->fraction->denominator, 100);
  EXPECT_EQ(rule.filters[1].url_rewrite->path->replace_full_path, "/z");
  EXPECT_EQ(rule.filters[2].type, HTTPRouteFilterType::kExternalAuth);
  EXPECT_EQ(rule.filters[2].external_auth->http->path, "/a");
  EXPECT_EQ(rule.filters[2].external_auth->backend_ref.port, 1);
  EXPECT_EQ(route.spec.use_default_gateways, "All");
  EXPECT_EQ(rule.backend_refs[0].ref.namespace_, "n");
  EXPECT_EQ(rule.backend_refs[0].weight, 0);
  EXPECT_EQ(rule.backend_refs[1].weight, 1);
  EXPECT_EQ(rule.backend_refs[1].ref.kind, "Backend");
  EXPECT_EQ(rule.backend_refs[1].filters[0].cors->max_age, 5);
  EXPECT_EQ(rule.timeouts->backend_request->count(), 1500);
  EXPECT_EQ(rule.retry->codes, std::vector<std::int32_t>{503});
  EXPECT_EQ(rule.retry->backoff->count(), 25);
  EXPECT_EQ(rule.session_persistence->cookie_lifetime, CookieLifetimeType::kPermanent);
}

TEST(ReadObject, RouteRules) {
  const auto rule_problem = [](std::string_view rule) {
    return problems_of(with(kRoute, with("  rules:\n  - ", rule)));
  };
  EXPECT_EQ(rule_problem("backendRefs: [{name: a}]"),
            "6:19 spec.rules[0].backendRefs[0] schema/missing-port: a reference to a Service needs a port "
            "(add `port`, "
            "the number of a port of the Service)");
  EXPECT_EQ(rule_problem("filters: [{type: CORS, urlRewrite: {}}]"),
            "6:40 spec.rules[0].filters[0].urlRewrite schema/filter-type: `urlRewrite` is set, and the "
            "filter's type "
            "is not `URLRewrite` (set `type: URLRewrite`, or remove `urlRewrite`)\n"
            "6:22 spec.rules[0].filters[0].type schema/filter-type: a filter of type `CORS` needs the field "
            "`cors` (add `cors`)");
  EXPECT_EQ(rule_problem("filters: [{type: URLRewrite, urlRewrite: {}}, {type: URLRewrite, urlRewrite: {}}]"),
            "6:51 spec.rules[0].filters[1] schema/filter-repeated: a second filter of type `URLRewrite`, at "
            "most one is "
            "allowed (put all of it into one filter)");
  EXPECT_EQ(rule_problem("matches: [{path: {value: a}}]"),
            "6:30 spec.rules[0].matches[0].path.value schema/path: a path must begin with `/` (write a `/` "
            "in front of "
            "it)");
  EXPECT_EQ(rule_problem("matches: [{path: {value: /a//b}}]"),
            "6:30 spec.rules[0].matches[0].path.value schema/path: a path cannot contain `//` (no request "
            "matches it: "
            "remove one `/`)");
  EXPECT_EQ(rule_problem("matches: [{path: {type: Exact, value: \"/a b\"}}]"),
            "6:43 spec.rules[0].matches[0].path.value schema/path: a path can only consist of letters, "
            "digits, %XX and "
            "any of -/._~!$&'()*+,;=:@ (write other characters as %XX, or use type `RegularExpression`)");
  EXPECT_EQ(rule_problem("timeouts: {request: 1s, backendRequest: 2s}"),
            "6:45 spec.rules[0].timeouts.backendRequest schema/timeouts: `backendRequest` is longer than "
            "`request`, of "
            "which it is a part");
  EXPECT_EQ(rule_problem("timeouts: {request: 0s, backendRequest: 2s}"), "");
  EXPECT_EQ(
      rule_problem("matches: [{path: {value: /a}}, {path: {value: /b}}]\n    filters: [{type: URLRewrite, "
                   "urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /c}}}]"),
      "6:5 spec.rules[0] schema/prefix-match: `urlRewrite.path.replacePrefixMatch` needs exactly one match, "
      "of "
      "path type `PathPrefix` (make a rule of its own for each match)");
  EXPECT_EQ(problems_of(with(kRoute, "  parentRefs: [{name: a}, {name: b}, {name: a}]\n")),
            "5:38 spec.parentRefs[2] schema/parent-refs: an earlier reference names the same parent (remove "
            "one, or "
            "give them different values of `sectionName` or `port`)");
}

TEST(ReadObject, Gateway) {
  const auto gateway = bound<Gateway>(with(kGateway, R"(
  listeners:
  - {name: http, port: 80, protocol: HTTP, hostname: "*.example.com"}
  - name: https
    port: 443
    protocol: HTTPS
    tls: {certificateRefs: [{name: c}]}
    allowedRoutes:
      namespaces: {from: Selector, selector: {matchLabels: {a: b}, matchExpressions: [{key: k, operator: Exists}]}}
      kinds: [{kind: HTTPRoute}]
  addresses: [{value: 10.0.0.1}, {type: Hostname, value: a.b}]
  infrastructure: {labels: {a: b}, parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: p}}
  allowedListeners: {namespaces: {from: All}}
  tls:
    backend: {clientCertificateRef: {name: client}}
    frontend:
      default: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}}
      perPort: [{port: 443, tls: {}}]
)"));
  ASSERT_EQ(gateway.spec.listeners.size(), 2u);
  EXPECT_EQ(gateway.spec.listeners[0].allowed_routes.namespaces.from, FromNamespaces::kSame);
  EXPECT_FALSE(gateway.spec.listeners[0].tls.has_value());
  EXPECT_EQ(gateway.spec.listeners[1].tls->mode, TLSMode::kTerminate);
  EXPECT_EQ(gateway.spec.listeners[1].tls->certificate_refs[0].kind, "Secret");
  EXPECT_EQ(gateway.spec.listeners[1].allowed_routes.namespaces.selector->match_labels.at("a"), "b");
  EXPECT_EQ(gateway.spec.listeners[1].allowed_routes.kinds[0].group, "gateway.networking.k8s.io");
  EXPECT_EQ(gateway.spec.addresses[0].type, "IPAddress");
  EXPECT_EQ(gateway.spec.infrastructure->parameters_ref->kind, "EnvoyProxy");
  EXPECT_EQ(gateway.spec.allowed_listeners->namespaces.from, FromNamespaces::kAll);
  EXPECT_EQ(gateway.spec.tls->backend->client_certificate_ref->name, "client");
  EXPECT_EQ(gateway.spec.tls->frontend->default_.validation->ca_certificate_refs[0].name, "ca");
  EXPECT_EQ(gateway.spec.tls->frontend->per_port[0].port, 443);
}

TEST(ReadObject, GatewayRules) {
  const auto listener_problem = [](std::string_view listeners) {
    return problems_of(with(kGateway, with("  listeners:\n", listeners)));
  };
  EXPECT_EQ(
      listener_problem("  - {name: a, port: 80, protocol: HTTP}\n  - {name: b, port: 80, protocol: HTTP}\n"),
      "8:5 spec.listeners[1] schema/listener-conflict: an earlier listener has the same port, protocol and "
      "hostname (give one of them another port or hostname)");
  EXPECT_EQ(
      listener_problem("  - {name: a, port: 80, protocol: HTTP, tls: {certificateRefs: [{name: c}]}}\n"),
      "7:46 spec.listeners[0].tls schema/listener-tls: a listener of protocol HTTP, TCP or UDP cannot have "
      "`tls` "
      "(use protocol `HTTPS` or `TLS`, or remove `tls`)");
  EXPECT_EQ(listener_problem("  - {name: a, port: 80, protocol: HTTPS, tls: {}}\n"),
            "7:47 spec.listeners[0].tls schema/missing-certificate: a listener that terminates TLS needs a "
            "certificate: there is no `certificateRefs` (add `certificateRefs`)");
  EXPECT_EQ(listener_problem("  - {name: a, port: 80, protocol: TLS}\n"),
            "7:5 spec.listeners[0] schema/listener-tls-mode: a listener of protocol TLS needs `tls` with a "
            "mode (add "
            "`tls: {mode: Passthrough}`, or `Terminate` with `certificateRefs`)");
  EXPECT_EQ(problems_of(with(kGateway,
                             "  listeners: [{name: a, port: 80, protocol: HTTP}]\n  addresses: [{value: "
                             "a.b}]\n")),
            "7:23 spec.addresses[0].value schema/address: the value of an address of type `IPAddress` must "
            "be an IPv4 "
            "or IPv6 address (for a name, use type `Hostname`)");
}

TEST(ReadObject, Backend) {
  const auto backend = bound<Backend>(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: b}
spec:
  endpoints: [{ip: {address: "2001:db8::a:1", port: 0}, zone: z}, {unix: {path: /run/x}, hostname: h}]
  appProtocols: [gateway.envoyproxy.io/h2c]
  fallback: true
  tls: {insecureSkipVerify: true, minVersion: "1.3"}
)");
  EXPECT_EQ(backend.spec.endpoints[0].ip->host, "2001:db8::a:1");
  EXPECT_EQ(backend.spec.endpoints[0].zone, "z");
  EXPECT_EQ(backend.spec.endpoints[1].unix_path, "/run/x");
  EXPECT_FALSE(backend.spec.endpoints[1].ip.has_value());
  EXPECT_TRUE(backend.spec.tls->insecure_skip_verify);
  EXPECT_EQ(backend.spec.tls->settings.min_version, TLSVersion::k1_3);
  EXPECT_FALSE(backend.spec.tls->settings.alpn_protocols.has_value());
  EXPECT_EQ(
      problems_of("apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: Backend\nmetadata: {name: b}\nspec:\n  "
                  "endpoints: [{}]\n"),
      "5:15 spec.endpoints[0] schema/endpoint-address: an endpoint needs an address (add `fqdn`, `ip` or "
      "`unix`)");
}

TEST(ReadObject, EnvoyProxy) {
  const auto proxy = bound<EnvoyProxy>(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: p}
spec:
  provider: {type: Kubernetes, kubernetes: {envoyDeployment: {replicas: 2}}}
  logging: {level: {default: debug}}
  bootstrap: {type: JSONPatch, jsonPatches: [{op: add, path: /a, value: {x: 1}}]}
  shutdown: {drainTimeout: 5s}
  routingType: Service
  ipFamily: DualStack
  telemetry: {metrics: {prometheus: {disable: true}, matches: [{value: a}]}}
)");
  EXPECT_EQ(proxy.spec.provider_type, "Kubernetes");
  EXPECT_EQ(proxy.spec.logging.level.at("default"), "debug");
  EXPECT_EQ(proxy.spec.bootstrap->type, BootstrapType::kJSONPatch);
  EXPECT_EQ(proxy.spec.bootstrap->json_patches->items().size(), 1u);
  EXPECT_EQ(proxy.spec.shutdown->drain_timeout->count(), 5000);
  EXPECT_EQ(proxy.spec.routing_type, RoutingType::kService);
  EXPECT_EQ(proxy.spec.ip_family, IPFamily::kDualStack);
  EXPECT_TRUE(proxy.spec.telemetry.metrics.prometheus->at("disable")->as_bool());
  EXPECT_EQ(proxy.spec.telemetry.metrics.matches->items().size(), 1u);
  const auto bare = bound<EnvoyProxy>(
      "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyProxy\nmetadata: {name: p}\nspec: {}\n");
  EXPECT_EQ(bare.spec, EnvoyProxySpec());
}

constexpr std::string_view kEnvoyProxy =
    "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyProxy\nmetadata: {name: p}\nspec:\n";

// Nothing of it means anything on a host, and a mistake in it is one all the same.
TEST(ReadObject, ChecksWhatAClusterWouldReadOfAnEnvoyProxy) {
  EXPECT_EQ(
      problems_of(with(kEnvoyProxy, R"(
  provider:
    type: Kubernetes
    kubernetes:
      envoyDeployment:
        container: {resources: {limits: {cpu: 500m, memory: 1 Gi}}}
        pod: {tolerations: [{key: edge, operater: Exists}], volumes: [{emptyDir: {}}]}
)")),
      "10:61 spec.provider.kubernetes.envoyDeployment.container.resources.limits.memory schema/pattern: "
      "invalid value `1 Gi`: expected a quantity as in `2`, `500m` or `1Gi`\n"
      "11:41 spec.provider.kubernetes.envoyDeployment.pod.tolerations[0].operater schema/unknown-field: "
      "unknown field `operater` (did you mean `operator`?)\n"
      "11:71 spec.provider.kubernetes.envoyDeployment.pod.volumes[0].name schema/required: missing field "
      "`name` in `spec.provider.kubernetes.envoyDeployment.pod.volumes[0]`");
  EXPECT_TRUE(
      read(with(kEnvoyProxy, "  provider: {type: Kubernetes, kubernetes: {envoyHpa: {maxReplicas: 3}}}\n"))
          .problems.empty());
}

TEST(ReadObject, ChecksTheBackendsOfTelemetry) {
  EXPECT_EQ(
      problems_of(with(kEnvoyProxy, R"(
  telemetry:
    tracing:
      provider:
        backendRefs: [{kind: ServiceImport, name: collector, port: 4317}]
        backendSettings: {connection: {bufferLimit: 1.5Mi}, circuitBreaker: {maxConnections: -1}}
)")),
      "10:53 spec.telemetry.tracing.provider.backendSettings.connection.bufferLimit schema/pattern: "
      "invalid value `1.5Mi`: expected a number of bytes as in `65536`, `32Ki` or `1M`\n"
      "10:94 spec.telemetry.tracing.provider.backendSettings.circuitBreaker.maxConnections schema/range: "
      "-1 is too small: at least 0 is allowed\n"
      "9:30 spec.telemetry.tracing.provider.backendRefs[0].kind schema/backends: a backend is a `Service` "
      "or a `Backend`");
}

TEST(ReadObject, CoreKinds) {
  const auto service = bound<Service>(R"(
apiVersion: v1
kind: Service
metadata: {name: s}
spec:
  type: LoadBalancer
  clusterIP: None
  selector: {app: a}
  sessionAffinity: None
  ports:
  - {name: http, port: 80, targetPort: web, appProtocol: kubernetes.io/h2c, nodePort: 30000}
  - {name: dns, port: 53, protocol: UDP, targetPort: 5353}
)");
  EXPECT_EQ(service.spec.cluster_ip, "None");
  EXPECT_EQ(service.spec.ports[0].protocol, "TCP");
  EXPECT_EQ(service.spec.ports[1].port, 53);

  const auto slice = bound<EndpointSlice>(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s, labels: {kubernetes.io/service-name: s}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], conditions: {ready: false}, nodeName: n, zone: z, targetRef: {kind: Pod}}]
ports: [{name: http, port: 80}]
)");
  EXPECT_EQ(slice.endpoints[0].addresses[0], "10.0.0.1");
  EXPECT_EQ(slice.endpoints[0].conditions.ready, false);
  EXPECT_FALSE(slice.endpoints[0].conditions.serving.has_value());
  EXPECT_EQ(slice.ports[0].port, 80);
}

TEST(ReadObject, Secrets) {
  const auto secret = bound<Secret>(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: Opaque\ndata: {a: aGk=, b: aGk=}\n"
      "stringData: {b: plain, c: c}\n");
  EXPECT_EQ(secret.data, (StringMap{{"a", "hi"}, {"b", "plain"}, {"c", "c"}}));
  EXPECT_EQ(
      problems_of("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  a: hunter2!\n  b: 12345\n"
                  "stringData: hunter2\npasswd: hunter2\n"),
      "5:6 data.a schema/format: the value is no base64 (encode it, or put it into `stringData` as it is)\n"
      "6:6 data.b schema/wrong-type: expected a string, found an integer (write it in quotes)\n"
      "7:13 stringData schema/wrong-type: expected a map, found a string\n"
      "8:1 passwd schema/unknown-field: unknown field `passwd`");
  EXPECT_EQ(problems_of("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: hunter2}\n",
                        Trust::kFromServer),
            "4:11 data.a schema/wrong-type: a string of a form that this version does not know");
}

TEST(ReadObject, ConfigMaps) {
  const auto map = bound<ConfigMap>(
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata: {a.b-c_D: x}\nbinaryData: {b: aGk=}\n"
      "immutable: true\n");
  EXPECT_EQ(map.data.at("a.b-c_D"), "x");
  EXPECT_EQ(map.binary_data.at("b"), "hi");
  EXPECT_EQ(
      problems_of("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata: {a: 1}\n"),
      "4:11 data.a schema/wrong-type: expected a string, found the number `1` (write it in quotes: `\"1\"`)");
}

TEST(ReadObject, FromServerPassesOverWhatItDoesNotKnow) {
  const auto route = bound<HTTPRoute>(with(kRoute, "  future: 1\n  rules: [{backendRefs: [{name: a}]}]\n"),
                                      Trust::kFromServer);
  EXPECT_EQ(route.spec.rules[0].backend_refs[0].ref.name, "a");
  EXPECT_EQ(problems_of(with(kRoute, "  rules: [{filters: [{type: Later}]}]\n"), Trust::kFromServer),
            "5:29 spec.rules[0].filters[0].type schema/wrong-type: a string of a form that this version does "
            "not know");
}

TEST(Kinds, Scopes) {
  EXPECT_TRUE(is_namespaced(kind_of<HTTPRoute>()));
  EXPECT_FALSE(is_namespaced(kind_of<GatewayClass>()));
  EXPECT_FALSE(is_namespaced(kind_of<Namespace>()));
  EXPECT_TRUE(is_namespaced(GroupKind("example.com", "Other")));
  EXPECT_EQ(kind_of<EndpointSlice>(), GroupKind("discovery.k8s.io", "EndpointSlice"));
}

// ---- TLSRoute, TCPRoute, UDPRoute ----------------------------------------------------------------

TEST(ReadObject, TLSRoute) {
  const TLSRoute route = bound<TLSRoute>(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: mail}
spec:
  parentRefs: [{name: gw, sectionName: tls}]
  hostnames: ["*.example.com"]
  rules:
  - name: all
    backendRefs: [{name: a, port: 993}, {name: b, namespace: other, port: 993, weight: 3}]
)");
  EXPECT_EQ(route.spec.parent_refs[0].section_name, "tls");
  EXPECT_EQ(route.spec.hostnames, std::vector<std::string>{"*.example.com"});
  ASSERT_EQ(route.spec.rules.size(), 1u);
  EXPECT_EQ(route.spec.rules[0].name, "all");
  ASSERT_EQ(route.spec.rules[0].backend_refs.size(), 2u);
  EXPECT_EQ(route.spec.rules[0].backend_refs[0].ref.kind, "Service");
  EXPECT_EQ(route.spec.rules[0].backend_refs[0].weight, 1);
  EXPECT_EQ(route.spec.rules[0].backend_refs[1].ref.namespace_, "other");
  EXPECT_EQ(route.spec.rules[0].backend_refs[1].weight, 3);
}

// v1 has one rule and at least one hostname; v1alpha2 many and none.
TEST(ReadObject, StreamRouteVersionsDiffer) {
  const auto text = [](std::string_view kind, std::string_view version, std::string_view hostnames) {
    return fmt::format(
        "apiVersion: gateway.networking.k8s.io/{}\nkind: {}\nmetadata: {{name: a}}\nspec:\n{}"
        "  rules:\n  - backendRefs: [{{name: a, port: 1}}]\n  - backendRefs: [{{name: b, port: 1}}]\n",
        version, kind, hostnames);
  };
  for (const std::string_view kind : {"TLSRoute", "TCPRoute", "UDPRoute"}) {
    EXPECT_EQ(problems_of(text(kind, "v1alpha2", "")), "") << kind;
  }
  EXPECT_EQ(bound<TCPRoute>(text("TCPRoute", "v1alpha2", "")).spec.rules.size(), 2u);
  EXPECT_EQ(problems_of(text("TCPRoute", "v1", "")),
            "6:3 spec.rules schema/items: 2 items, at most 1 is allowed");
  for (const std::string_view version : {"v1", "v1alpha3"}) {
    EXPECT_EQ(problems_of(text("TLSRoute", version, "  hostnames: [a.example, 10.0.0.1]\n")),
              "5:26 spec.hostnames[1] schema/hostname: an IP address is no hostname: a TLS handshake names a "
              "host (use the name that clients ask for)\n"
              "7:3 spec.rules schema/items: 2 items, at most 1 is allowed")
        << version;
    EXPECT_NE(problems_of(text("TLSRoute", version, "")).find("spec.hostnames schema/required"),
              std::string::npos)
        << version;
  }
  EXPECT_EQ(problems_of(text("UDPRoute", "v1alpha3", "")),
            "1:13 apiVersion schema/unserved-version: UDPRoute is not served in version `v1alpha3` (write "
            "`apiVersion: gateway.networking.k8s.io/v1` or `gateway.networking.k8s.io/v1alpha2`)");
}

}  // namespace
}  // namespace sluice::api
