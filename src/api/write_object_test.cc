// What is written reads back: objects by hand, objects of every bound field at random, real objects.

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "api/declarations.h"
#include "api/kinds.h"
#include "base/base64.h"
#include "tree/parse.h"

namespace sluice::api {
namespace {

Tree tree_of(const std::string& text) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text, "", &problems);
  EXPECT_TRUE(problems.empty()) << problems[0].message;
  EXPECT_EQ(documents.size(), 1u);
  return documents.empty() ? Tree() : documents[0].tree;
}

bool is_equal(const Object& left, const Object& right) {
  return left.index() == right.index() && std::visit(
                                              [&right](const auto& one) {
                                                using Pointer = std::decay_t<decltype(one)>;
                                                return *one == *std::get<Pointer>(right);
                                              },
                                              left);
}

// Also: under the same key, and written again it is the same text.
void expect_round_trip(const BoundObject& object) {
  const std::string text = write_object(object.object);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const ReadObject again = read_object(tree_of(text), Trust::kFromServer);
  ASSERT_TRUE(again.bound.has_value()) << text;
  EXPECT_EQ(again.key, object.key);
  EXPECT_EQ(again.bound->api_version, api_version_of(object.key.kind));
  EXPECT_TRUE(is_equal(again.bound->object, object.object)) << text;
  EXPECT_EQ(write_object(again.bound->object), text);
}

// The object in the text, written.
std::string written(const std::string& text) {
  const ReadObject read = read_object(tree_of(text), Trust::kCheck);
  for (const Problem& problem : read.problems) {
    // Fields without effect are as good as others here.
    if (problem.code != "support/no-effect") ADD_FAILURE() << problem.path << ": " << problem.message;
  }
  if (!read.bound) return "";
  expect_round_trip(*read.bound);
  return write_object(read.bound->object);
}

// A text of one line, which stands here on several.
std::string joined(std::string text) {
  std::erase(text, '\n');
  return text;
}

// ---- by hand -------------------------------------------------------------------------------------

std::string route(std::string_view spec) {
  return "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: HTTPRoute\nmetadata: {name: web}\nspec:\n" +
         std::string(spec);
}

TEST(WriteObject, Metadata) {
  EXPECT_EQ(written(R"(
apiVersion: v1
kind: Namespace
metadata:
  name: n
  labels: {a.b/c: d, e: ""}
  annotations: {text: "two\nlines, \"quoted\""}
  creationTimestamp: 2026-01-02T03:04:05Z
  generation: 7
  resourceVersion: "1"
)"),
            joined(R"(
{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n","labels":{"a.b/c":"d","e":""},
"annotations":{"text":"two\nlines, \"quoted\""},"creationTimestamp":"2026-01-02T03:04:05Z",
"generation":7}}
)"));
}

TEST(WriteObject, GatewayClass) {
  EXPECT_EQ(written(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: c}
spec:
  controllerName: a.b/c
  description: d
  parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: p, namespace: n}
status: {}
)"),
            joined(R"(
{"apiVersion":"gateway.networking.k8s.io/v1","kind":"GatewayClass","metadata":{"name":"c"},
"spec":{"controllerName":"a.b/c","description":"d","parametersRef":{"group":"gateway.envoyproxy.io",
"kind":"EnvoyProxy","name":"p","namespace":"n"}}}
)"));
}

TEST(WriteObject, Gateway) {
  EXPECT_EQ(written(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: n}
spec:
  gatewayClassName: c
  listeners:
  - {name: http, port: 80, protocol: HTTP, hostname: "*.example.com"}
  - name: https
    port: 443
    protocol: HTTPS
    tls: {certificateRefs: [{name: c, namespace: m}], options: {a: b}}
    allowedRoutes:
      namespaces:
        from: Selector
        selector: {matchLabels: {a: b}, matchExpressions: [{key: k, operator: In, values: [v]}]}
      kinds: [{kind: HTTPRoute}]
  - {name: tls, port: 444, protocol: TLS, tls: {mode: Passthrough}, allowedRoutes: {namespaces: {from: All}}}
  addresses: [{value: 10.0.0.1}, {type: Hostname}]
  infrastructure:
    labels: {a: b}
    annotations: {c: d}
    parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: p}
  allowedListeners: {}
  tls:
    backend: {clientCertificateRef: {name: client}}
    frontend:
      default: {validation: {mode: AllowInsecureFallback, caCertificateRefs: [{group: "", kind: ConfigMap, name: a}]}}
      perPort: [{port: 443, tls: {}}]
  defaultScope: All
)"),
            joined(R"(
{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","metadata":{"name":"gw",
"namespace":"n"},"spec":{"gatewayClassName":"c","listeners":[{"name":"http",
"hostname":"*.example.com","port":80,"protocol":"HTTP",
"allowedRoutes":{"namespaces":{"from":"Same"}}},{"name":"https","port":443,"protocol":"HTTPS",
"tls":{"certificateRefs":[{"group":"","kind":"Secret","name":"c","namespace":"m"}],
"mode":"Terminate","options":{"a":"b"}},
"allowedRoutes":{"kinds":[{"group":"gateway.networking.k8s.io","kind":"HTTPRoute"}],
"namespaces":{"from":"Selector","selector":{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"k",
"operator":"In","values":["v"]}]}}}},{"name":"tls","port":444,"protocol":"TLS",
"tls":{"mode":"Passthrough"},"allowedRoutes":{"namespaces":{"from":"All"}}}],
"addresses":[{"type":"IPAddress","value":"10.0.0.1"},{"type":"Hostname"}],
"infrastructure":{"annotations":{"c":"d"},"labels":{"a":"b"},
"parametersRef":{"group":"gateway.envoyproxy.io","kind":"EnvoyProxy","name":"p"}},
"allowedListeners":{"namespaces":{"from":"None"}},
"tls":{"backend":{"clientCertificateRef":{"group":"","kind":"Secret","name":"client"}},
"frontend":{"default":{"validation":{"caCertificateRefs":[{"group":"","kind":"ConfigMap",
"name":"a"}],"mode":"AllowInsecureFallback"}},"perPort":[{"port":443,"tls":{}}]}},
"defaultScope":"All"}}
)"));
}

// The fields of a backend's reference stand beside its weight; cookieConfig is there where it says something.
TEST(WriteObject, HTTPRoute) {
  EXPECT_EQ(written(route(R"(
  parentRefs: [{name: gw, sectionName: s}, {name: svc, namespace: n, group: "", kind: Service, port: 80}]
  hostnames: ["*.example.com"]
  rules:
  - name: one
    matches:
    - path: {type: RegularExpression, value: "/a.*"}
      headers: [{name: X, value: y, type: RegularExpression}]
      queryParams: [{name: q, value: "1"}]
      method: GET
    backendRefs:
    - {name: a, port: 80, namespace: n, weight: 0}
    - {group: gateway.envoyproxy.io, kind: Backend, name: b, filters: [{type: CORS, cors: {allowOrigins: ["*"]}}]}
    timeouts: {request: 0s, backendRequest: 1s500ms}
    retry: {codes: [503], attempts: 3, backoff: 25ms}
    sessionPersistence: {sessionName: s, absoluteTimeout: 90m, cookieConfig: {lifetimeType: Permanent}}
  - sessionPersistence: {type: Header}
    retry: {}
)")),
            joined(R"(
{"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"web",
"namespace":"default"},"spec":{"parentRefs":[{"group":"gateway.networking.k8s.io","kind":"Gateway",
"name":"gw","sectionName":"s"},{"group":"","kind":"Service","namespace":"n","name":"svc",
"port":80}],"hostnames":["*.example.com"],"rules":[{"name":"one",
"matches":[{"path":{"type":"RegularExpression","value":"/a.*"},
"headers":[{"type":"RegularExpression","name":"X","value":"y"}],"queryParams":[{"type":"Exact",
"name":"q","value":"1"}],"method":"GET"}],"backendRefs":[{"group":"","kind":"Service","name":"a",
"namespace":"n","port":80,"weight":0},{"group":"gateway.envoyproxy.io","kind":"Backend","name":"b",
"weight":1,"filters":[{"type":"CORS","cors":{"allowOrigins":["*"],"maxAge":5}}]}],
"timeouts":{"request":"0s","backendRequest":"1s500ms"},"retry":{"codes":[503],"attempts":3,
"backoff":"25ms"},"sessionPersistence":{"sessionName":"s","absoluteTimeout":"1h30m","type":"Cookie",
"cookieConfig":{"lifetimeType":"Permanent"}}},{"matches":[{"path":{"type":"PathPrefix",
"value":"/"}}],"retry":{},"sessionPersistence":{"type":"Header"}}]}}
)"));
}

TEST(WriteObject, Filters) {
  EXPECT_EQ(written(route(R"(
  rules:
  - filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}], remove: [c]}}
    - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: a, value: b}]}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: m, port: 80}, fraction: {numerator: 5}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: m, port: 80}, percent: 0}}
    - {type: URLRewrite, urlRewrite: {hostname: x.y, path: {type: ReplacePrefixMatch, replacePrefixMatch: ""}}}
    - {type: ExtensionRef, extensionRef: {group: g, kind: K, name: n}}
    - type: CORS
      cors: {allowOrigins: [https://a.b], allowCredentials: false, allowMethods: [GET], allowHeaders: [a],
             exposeHeaders: [b], maxAge: 9}
  - filters:
    - type: RequestRedirect
      requestRedirect: {scheme: https, hostname: a.b, port: 8443, statusCode: 301,
                        path: {type: ReplaceFullPath, replaceFullPath: /a}}
)")),
            joined(R"(
{"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"web",
"namespace":"default"},"spec":{"rules":[{"matches":[{"path":{"type":"PathPrefix","value":"/"}}],
"filters":[{"type":"RequestHeaderModifier","requestHeaderModifier":{"set":[{"name":"a",
"value":"b"}],"remove":["c"]}},{"type":"ResponseHeaderModifier",
"responseHeaderModifier":{"add":[{"name":"a","value":"b"}]}},{"type":"RequestMirror",
"requestMirror":{"backendRef":{"group":"","kind":"Service","name":"m","port":80},
"fraction":{"numerator":5,"denominator":100}}},{"type":"RequestMirror",
"requestMirror":{"backendRef":{"group":"","kind":"Service","name":"m","port":80},"percent":0}},
{"type":"URLRewrite","urlRewrite":{"hostname":"x.y","path":{"type":"ReplacePrefixMatch",
"replacePrefixMatch":""}}},{"type":"ExtensionRef","extensionRef":{"group":"g","kind":"K",
"name":"n"}},{"type":"CORS","cors":{"allowOrigins":["https://a.b"],"allowCredentials":false,
"allowMethods":["GET"],"allowHeaders":["a"],"exposeHeaders":["b"],"maxAge":9}}]},
{"matches":[{"path":{"type":"PathPrefix","value":"/"}}],"filters":[{"type":"RequestRedirect",
"requestRedirect":{"scheme":"https","hostname":"a.b","path":{"type":"ReplaceFullPath",
"replaceFullPath":"/a"},"port":8443,"statusCode":301}}]}]}}
)"));
}

// An empty list of matches is bound as one match.
TEST(WriteObject, MatchesOfARouteWithoutAny) {
  const std::string one = R"({"matches":[{"path":{"type":"PathPrefix","value":"/"}}]})";
  const std::string head = R"({"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute",)"
                           R"("metadata":{"name":"web","namespace":"default"},"spec":{"rules":[)";
  EXPECT_EQ(written(route("  rules: [{matches: []}, {}]\n")), head + one + "," + one + "]}}");
  EXPECT_EQ(written(route("  {}\n")), head + one + "]}}");
}

TEST(WriteObject, GRPCRoute) {
  EXPECT_EQ(
      written(R"(apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: shop}
spec:
  rules:
  - matches: [{method: {service: shop.v1.Orders}}, {headers: [{name: a, value: b}]}]
    filters: [{type: ExtensionRef, extensionRef: {group: g.io, kind: K, name: n}}]
  - {name: rest}
)"),
      joined(R"({"apiVersion":"gateway.networking.k8s.io/v1","kind":"GRPCRoute","metadata":{"name":"shop",
"namespace":"default"},"spec":{"rules":[{"matches":[{"method":{"type":"Exact","service":"shop.v1.Orders"}},
{"headers":[{"type":"Exact","name":"a","value":"b"}]}],
"filters":[{"type":"ExtensionRef","extensionRef":{"group":"g.io","kind":"K","name":"n"}}]},
{"name":"rest"}]}})"));
}

TEST(WriteObject, ReferenceGrant) {
  EXPECT_EQ(written(R"(
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: n}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: m}]
  to: [{group: "", kind: Service}, {group: "", kind: Secret, name: s}]
)"),
            joined(R"(
{"apiVersion":"gateway.networking.k8s.io/v1","kind":"ReferenceGrant","metadata":{"name":"g",
"namespace":"n"},"spec":{"from":[{"group":"gateway.networking.k8s.io","kind":"HTTPRoute",
"namespace":"m"}],"to":[{"group":"","kind":"Service"},{"group":"","kind":"Secret","name":"s"}]}}
)"));
}

TEST(WriteObject, Backend) {
  EXPECT_EQ(written(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: b}
spec:
  endpoints:
  - {ip: {address: 10.0.0.1, port: 80}, zone: z}
  - {unix: {path: /run/a.sock}, hostname: a.b}
  - {ip: {address: "fe80::1", port: 0}}
  appProtocols: [gateway.envoyproxy.io/h2c]
  fallback: true
  tls: {sni: a.b, alpnProtocols: []}
)"),
            joined(R"(
{"apiVersion":"gateway.envoyproxy.io/v1alpha1","kind":"Backend","metadata":{"name":"b",
"namespace":"default"},"spec":{"type":"Endpoints","endpoints":[{"ip":{"address":"10.0.0.1",
"port":80},"zone":"z"},{"hostname":"a.b","unix":{"path":"/run/a.sock"}},{"ip":{"address":"fe80::1",
"port":0}}],"appProtocols":["gateway.envoyproxy.io/h2c"],"fallback":true,"tls":{"alpnProtocols":[],
"insecureSkipVerify":false,"sni":"a.b"}}}
)"));
  EXPECT_EQ(written(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: b}
spec: {endpoints: [{fqdn: {hostname: a.b., port: 80}}]}
)"),
            joined(R"(
{"apiVersion":"gateway.envoyproxy.io/v1alpha1","kind":"Backend","metadata":{"name":"b",
"namespace":"default"},"spec":{"type":"Endpoints","endpoints":[{"fqdn":{"hostname":"a.b.",
"port":80}}]}}
)"));
  EXPECT_EQ(written(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: b}
spec: {type: DynamicResolver}
)"),
            joined(R"(
{"apiVersion":"gateway.envoyproxy.io/v1alpha1","kind":"Backend","metadata":{"name":"b",
"namespace":"default"},"spec":{"type":"DynamicResolver"}}
)"));
}

TEST(WriteObject, EnvoyProxy) {
  EXPECT_EQ(written(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: p}
spec:
  provider: {type: Host}
  logging: {level: {}}
  mergeGateways: true
  concurrency: 0
  shutdown: {drainTimeout: 1m, minDrainDuration: 500ms, healthCheckFailureDelay: 0s}
  bootstrap: {type: JSONPatch, jsonPatches: [{op: add, path: /a, value: [1, 2.5, null]}]}
  extraArgs: [-l, debug]
  ipFamily: DualStack
  routingType: Service
  preserveRouteOrder: true
  telemetry: {metrics: {prometheus: {disable: true}}}
)"),
            joined(R"(
{"apiVersion":"gateway.envoyproxy.io/v1alpha1","kind":"EnvoyProxy","metadata":{"name":"p",
"namespace":"default"},"spec":{"bootstrap":{"type":"JSONPatch","jsonPatches":[{"op":"add",
"path":"/a","value":[1,2.5,null]}]},"concurrency":0,"extraArgs":["-l","debug"],
"ipFamily":"DualStack","logging":{"level":{}},"mergeGateways":true,"preserveRouteOrder":true,
"provider":{"type":"Host"},"routingType":"Service","shutdown":{"drainTimeout":"1m",
"healthCheckFailureDelay":"0s","minDrainDuration":"500ms"},
"telemetry":{"metrics":{"prometheus":{"disable":true}}}}}
)"));
  EXPECT_EQ(written(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: p}
spec: {routingType: Other, bootstrap: {value: "admin: {}\n"}}
)"),
            joined(R"(
{"apiVersion":"gateway.envoyproxy.io/v1alpha1","kind":"EnvoyProxy","metadata":{"name":"p",
"namespace":"default"},"spec":{"bootstrap":{"type":"Replace","value":"admin: {}\n"},
"logging":{"level":{"default":"warn"}},"routingType":"Endpoint"}}
)"));
}

TEST(WriteObject, Service) {
  EXPECT_EQ(written(R"(
apiVersion: v1
kind: Service
metadata: {name: s}
spec:
  type: ExternalName
  clusterIP: None
  clusterIPs: [None]
  externalName: a.b
  ports:
  - {name: a, port: 80, protocol: UDP, appProtocol: kubernetes.io/h2c, targetPort: 8080}
  - {name: b, port: 81, targetPort: http}
  trafficDistribution: PreferClose
  publishNotReadyAddresses: true
  selector: {a: b}
)"),
            joined(R"(
{"apiVersion":"v1","kind":"Service","metadata":{"name":"s","namespace":"default"},
"spec":{"type":"ExternalName","clusterIP":"None","externalName":"a.b",
"ports":[{"name":"a","protocol":"UDP","appProtocol":"kubernetes.io/h2c","port":80},{"name":"b","protocol":"TCP","port":81}],
"trafficDistribution":"PreferClose","publishNotReadyAddresses":true}}
)"));
  EXPECT_EQ(written("apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"), joined(R"(
{"apiVersion":"v1","kind":"Service","metadata":{"name":"s","namespace":"default"}}
)"));
}

TEST(WriteObject, EndpointSlice) {
  EXPECT_EQ(written(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s}
addressType: IPv4
endpoints:
- {addresses: [10.0.0.1], conditions: {ready: false, serving: true, terminating: true}}
- {addresses: [10.0.0.2], hostname: h, nodeName: n, zone: z, targetRef: {name: pod}}
ports: [{name: a, port: 80, appProtocol: x}, {protocol: SCTP}]
)"),
            joined(R"(
{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"s",
"namespace":"default"},"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],
"conditions":{"ready":false,"serving":true,"terminating":true}},{"addresses":["10.0.0.2"],
"zone":"z"}],"ports":[{"name":"a","protocol":"TCP","appProtocol":"x",
"port":80},{"protocol":"SCTP"}]}
)"));
}

// Both data, which is base64, and stringData, which is not.
TEST(WriteObject, Secret) {
  EXPECT_EQ(written(R"(
apiVersion: v1
kind: Secret
metadata: {name: s}
type: kubernetes.io/tls
data: {bytes: AP//, replaced: YQ==, empty: ""}
stringData: {replaced: b, text: "ü\n"}
)"),
            joined(R"(
{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"default"},
"type":"kubernetes.io/tls","data":{"bytes":"AP//","empty":"","replaced":"Yg==","text":"w7wK"}}
)"));
}

TEST(WriteObject, ConfigMap) {
  EXPECT_EQ(written(R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {a: b, c: ""}
binaryData: {bytes: AP//}
)"),
            joined(R"(
{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"default"},"data":{"a":"b",
"c":""},"binaryData":{"bytes":"AP//"}}
)"));
}

TEST(ApiVersionOf, TheVersionToWrite) {
  EXPECT_EQ(api_version_of(kind_of<GatewayClass>()), "gateway.networking.k8s.io/v1");
  EXPECT_EQ(api_version_of(kind_of<Gateway>()), "gateway.networking.k8s.io/v1");
  EXPECT_EQ(api_version_of(kind_of<HTTPRoute>()), "gateway.networking.k8s.io/v1");
  EXPECT_EQ(api_version_of(kind_of<ReferenceGrant>()), "gateway.networking.k8s.io/v1");
  EXPECT_EQ(api_version_of(kind_of<Backend>()), "gateway.envoyproxy.io/v1alpha1");
  EXPECT_EQ(api_version_of(kind_of<EnvoyProxy>()), "gateway.envoyproxy.io/v1alpha1");
  EXPECT_EQ(api_version_of(kind_of<Namespace>()), "v1");
  EXPECT_EQ(api_version_of(kind_of<Service>()), "v1");
  EXPECT_EQ(api_version_of(kind_of<EndpointSlice>()), "discovery.k8s.io/v1");
  EXPECT_EQ(api_version_of(kind_of<Secret>()), "v1");
  EXPECT_EQ(api_version_of(kind_of<ConfigMap>()), "v1");
}

TEST(ApiVersionOf, NothingForKindsThatAreNotOurs) {
  EXPECT_EQ(api_version_of(GroupKind("gateway.networking.k8s.io", "MeshRoute")), "");
  EXPECT_EQ(api_version_of(GroupKind("", "Gateway")), "");
  EXPECT_EQ(api_version_of(GroupKind()), "");
}

// ---- at random -----------------------------------------------------------------------------------

// Documents that bind, of the fields that are bound, and of values that check() would not all take: a field
// that is declared tomorrow is tested tomorrow.
class Documents {
 public:
  explicit Documents(std::uint32_t seed) : random_(seed) {}

  Tree object(const schema::Type& type, const GroupKind& kind) {
    std::vector<Tree::Member> members = fields(type);
    std::erase_if(members, [](const Tree::Member& member) { return member.key == "metadata"; });
    members.push_back({.key = "apiVersion", .value = Tree::string(api_version_of(kind))});
    members.push_back({.key = "kind", .value = Tree::string(kind.kind())});
    std::vector<Tree::Member> metadata = fields(*type.find("metadata")->type);
    std::erase_if(metadata, [](const Tree::Member& member) { return member.key == "name"; });
    metadata.push_back({.key = "name", .value = Tree::string("web")});
    members.push_back({.key = "metadata", .value = Tree::map(std::move(metadata))});
    return Tree::map(std::move(members));
  }

 private:
  std::size_t below(std::size_t limit) { return random_() % limit; }

  std::vector<Tree::Member> fields(const schema::Type& type) {
    std::vector<Tree::Member> members;
    for (const schema::Field& field : type.fields) {
      if (field.codec == nullptr || below(3) == 0) continue;
      members.push_back({.key = field.name, .value = value(*field.codec, *field.type)});
    }
    return members;
  }

  Tree value(const schema::Codec& codec, const schema::Type& type) {
    using Kind = schema::Codec::Kind;
    switch (codec.kind) {
      case Kind::kScalar:
        return scalar(codec, type);
      case Kind::kStruct:
        return Tree::map(fields(type));
      case Kind::kList: {
        std::vector<Tree> items;
        for (std::size_t n = below(4); n > 0; --n) items.push_back(value(*codec.item, *type.item));
        return Tree::list(std::move(items));
      }
      case Kind::kMap: {
        std::map<std::string, Tree> members;
        for (std::size_t n = below(4); n > 0; --n) {
          members[text()] = below(8) == 0 ? Tree() : value(*codec.item, *type.item);
        }
        return map_of(members);
      }
    }
    return {};
  }

  Tree scalar(const schema::Codec& codec, const schema::Type& type) {
    if (!type.values.empty()) return Tree::string(type.values[below(type.values.size())]);
    if (codec.store == schema::store_duration) return Tree::string(duration());
    if (codec.store == schema::store_bool) return Tree::boolean(below(2) == 0);
    if (codec.store == schema::store_int32) return Tree::integer(int32());
    if (codec.store == schema::store_int64) return Tree::integer(int64());
    if (codec.store == schema::store_double) return Tree::number(real());
    if (codec.store == schema::store_tree) return any(3);
    if (codec.store == schema::store_int_or_string && below(2) == 0) return Tree::integer(int32());
    return Tree::string(type.format == "byte" ? encode_base64(bytes()) : text());
  }

  Tree any(std::size_t depth) {
    switch (below(depth == 0 ? 5 : 7)) {
      case 0:
        return {};
      case 1:
        return Tree::boolean(below(2) == 0);
      case 2:
        return Tree::integer(int64());
      case 3:
        return Tree::number(real());
      case 4:
        return Tree::string(text());
      case 5: {
        std::vector<Tree> items;
        for (std::size_t n = below(4); n > 0; --n) items.push_back(any(depth - 1));
        return Tree::list(std::move(items));
      }
      default: {
        std::map<std::string, Tree> members;
        for (std::size_t n = below(4); n > 0; --n) members[text()] = any(depth - 1);
        return map_of(members);
      }
    }
  }

  static Tree map_of(const std::map<std::string, Tree>& members) {
    std::vector<Tree::Member> result;
    for (const auto& [key, value] : members) result.push_back({.key = key, .value = value});
    return Tree::map(std::move(result));
  }

  std::string duration() {
    static constexpr std::array kUnits{"h", "m", "s", "ms"};
    std::string result;
    for (std::size_t n = 1 + below(4); n > 0; --n) {
      result += std::to_string(below(below(2) == 0 ? 100 : 100'000)) + kUnits[below(kUnits.size())];
    }
    return result;
  }

  std::string text() {
    static constexpr std::array kPieces{"a",
                                        "B",
                                        "-",
                                        ".",
                                        "/",
                                        "\"",
                                        "\\",
                                        "\n",
                                        " ",
                                        "\t",
                                        "\x01",
                                        "\x7f",
                                        "null",
                                        "{}",
                                        "#",
                                        "ü",
                                        "\xF0\x9F\x98\x80"};
    std::string result;
    for (std::size_t n = below(4); n > 0; --n) result += kPieces[below(kPieces.size())];
    return result;
  }

  std::string bytes() {
    std::string result;
    for (std::size_t n = below(6); n > 0; --n) result.push_back(static_cast<char>(below(256)));
    return result;
  }

  std::int32_t int32() {
    using Limits = std::numeric_limits<std::int32_t>;
    static constexpr std::array kValues{0, 1, -1, 5, 80, 100, 302, Limits::min(), Limits::max()};
    return kValues[below(kValues.size())];
  }

  std::int64_t int64() {
    using Limits = std::numeric_limits<std::int64_t>;
    static constexpr std::array<std::int64_t, 5> kValues{0, 1, -1, Limits::min() + 1, Limits::max()};
    return kValues[below(kValues.size())];
  }

  double real() {
    static constexpr std::array kValues{0.0, 0.1, -2.5, 3.0, 1e22, 1e300, 5e-324};
    return kValues[below(kValues.size())];
  }

  std::mt19937 random_;
};

TEST(WriteObject, AtRandom) {
  using Declared = std::pair<schema::Type, GroupKind>;
  const Declared kinds[] = {
      {gateway_class_type(), kind_of<GatewayClass>()},
      {gateway_type(), kind_of<Gateway>()},
      {listener_set_type(), kind_of<ListenerSet>()},
      {http_route_type(), kind_of<HTTPRoute>()},
      {grpc_route_type(), kind_of<GRPCRoute>()},
      {tls_route_type(), kind_of<TLSRoute>()},
      {tcp_route_type(), kind_of<TCPRoute>()},
      {udp_route_type(), kind_of<UDPRoute>()},
      {reference_grant_type(), kind_of<ReferenceGrant>()},
      {backend_tls_policy_type(), kind_of<BackendTLSPolicy>()},
      {backend_type(), kind_of<Backend>()},
      {envoy_proxy_type(), kind_of<EnvoyProxy>()},
      {envoy_extension_policy_type(), kind_of<EnvoyExtensionPolicy>()},
      {envoy_patch_policy_type(), kind_of<EnvoyPatchPolicy>()},
      {http_route_filter_type(), kind_of<ExtendedRouteFilter>()},
      {namespace_type(), kind_of<Namespace>()},
      {service_type(), kind_of<Service>()},
      {endpoint_slice_type(), kind_of<EndpointSlice>()},
      {secret_type(), kind_of<Secret>()},
      {config_map_type(), kind_of<ConfigMap>()},
      {cluster_trust_bundle_type(), kind_of<ClusterTrustBundle>()},
      {service_import_type(), kind_of<ServiceImport>()},
      {pod_type(), kind_of<Pod>()},
      {inference_pool_type(), kind_of<InferencePool>()},
      {inference_objective_type(), kind_of<InferenceObjective>()},
      {inference_model_rewrite_type(), kind_of<InferenceModelRewrite>()},
      {x_backend_type(), kind_of<XBackend>()},
      {x_backend_traffic_policy_type(), kind_of<XBackendTrafficPolicy>()},
  };
  static_assert(std::size(kinds) == std::variant_size_v<Object>);
  for (const auto& [type, kind] : kinds) {
    for (std::uint32_t seed = 0; seed < 300 && !HasFailure(); ++seed) {
      const ReadObject read = read_object(Documents(seed).object(type, kind), Trust::kFromServer);
      ASSERT_TRUE(read.bound.has_value()) << kind.kind() << " " << seed << " " << read.problems[0].path;
      expect_round_trip(*read.bound);
    }
  }
}

// ---- real objects --------------------------------------------------------------------------------

TEST(WriteObject, RealObjects) {
  const std::filesystem::path cases = "../shared/parity/cases";
  if (!std::filesystem::exists(cases)) {
    std::puts("write_object_test: no recorded inputs here, only objects of our own");
    return;
  }
  std::size_t bound = 0;
  for (const auto& entry : std::filesystem::directory_iterator(cases)) {
    const std::filesystem::path path = entry.path() / "in.yaml";
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    std::vector<Problem> problems;
    for (const Document& document : parse(text.str(), path.string(), &problems)) {
      const ReadObject read = read_object(document.tree, Trust::kFromServer);
      if (!read.bound) continue;
      ++bound;
      SCOPED_TRACE(path.string() + " " + read.key.to_string());
      expect_round_trip(*read.bound);
    }
    EXPECT_TRUE(problems.empty()) << path;
  }
  EXPECT_GT(bound, 1000u);
}

}  // namespace
}  // namespace sluice::api
