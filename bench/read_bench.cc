// What reading a file costs, from text to bound objects.
//
//   BM_Parse/N     text → trees, N documents of some 700 bytes: HTTPRoutes, Services and EndpointSlices
//   BM_Check/N     trees → problems and structs
//   BM_Bind/N      trees → structs, as for objects from an API server
//   BM_Read/N      all of it
//   BM_ReadJson/N  the same objects as JSON
//
// The bytes per second are those of the text. The budget for 7 000 documents (5 MB) is 0.6 s for BM_Read.
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include <fmt/format.h>

#include "api/kinds.h"
#include "tree/parse.h"

namespace sluice {
namespace {

std::string route(int i) {
  return fmt::format(R"(apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: route-{0}
  namespace: production
  labels:
    app.kubernetes.io/name: service-{0}
    app.kubernetes.io/part-of: shop
  annotations:
    example.com/owner: "team {1}"
spec:
  parentRefs:
  - name: gateway
    namespace: infrastructure
    sectionName: https
  hostnames:
  - host-{0}.example.com
  rules:
  - matches:
    - path:
        type: PathPrefix
        value: /api/v1/{0}
      headers:
      - name: x-version
        value: "2"
    - path:
        type: Exact
        value: /health
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        set:
        - name: x-route
          value: route-{0}
    backendRefs:
    - name: service-{0}
      port: 8080
      weight: 90
    - name: service-{0}-canary
      port: 8080
      weight: 10
    timeouts:
      request: 30s
)",
                     i, i % 17);
}

std::string service(int i) {
  return fmt::format(R"(apiVersion: v1
kind: Service
metadata:
  name: service-{0}
  namespace: production
  labels:
    app.kubernetes.io/name: service-{0}
    app.kubernetes.io/part-of: shop
spec:
  type: ClusterIP
  clusterIP: 10.{1}.{2}.{3}
  clusterIPs:
  - 10.{1}.{2}.{3}
  selector:
    app.kubernetes.io/name: service-{0}
  sessionAffinity: None
  ipFamilyPolicy: SingleStack
  ipFamilies:
  - IPv4
  ports:
  - name: http
    port: 8080
    targetPort: http
    appProtocol: kubernetes.io/h2c
  - name: metrics
    port: 9090
    protocol: TCP
    targetPort: 9090
)",
                     i, 96 + i / 65536, i / 256 % 256, i % 256);
}

std::string slice(int i) {
  std::string text = fmt::format(R"(apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: service-{0}-x7k2p
  namespace: production
  labels:
    kubernetes.io/service-name: service-{0}
addressType: IPv4
ports:
- name: http
  port: 8080
  protocol: TCP
endpoints:
)",
                                 i);
  for (int j = 0; j < 3; ++j) {
    text += fmt::format(R"(- addresses:
  - 10.{0}.{1}.{2}
  conditions:
    ready: true
    serving: true
    terminating: false
  nodeName: node-{2}
  zone: zone-{2}
)",
                        i / 256 % 256, i % 256, j);
  }
  return text;
}

std::string text_of(std::int64_t documents) {
  std::string text;
  for (int i = 0; i < documents; ++i) {
    text += i % 3 == 0 ? route(i / 3) : i % 3 == 1 ? service(i / 3) : slice(i / 3);
    text += "---\n";
  }
  return text;
}

// The tree as compact JSON; what the generated objects need of it.
void print_json(const Tree& tree, std::string* out) {
  switch (tree.type()) {
    case Tree::Type::kNull:
      *out += "null";
      break;
    case Tree::Type::kBool:
      *out += tree.as_bool() ? "true" : "false";
      break;
    case Tree::Type::kInt:
    case Tree::Type::kFloat:
      *out += fmt::format("{}", tree.as_float());
      break;
    case Tree::Type::kString:
      *out += '"' + tree.as_string() + '"';
      break;
    case Tree::Type::kList: {
      const char* separator = "[";
      for (const Tree& item : tree.items()) {
        *out += separator;
        print_json(item, out);
        separator = ",";
      }
      *out += ']';
      break;
    }
    case Tree::Type::kMap: {
      const char* separator = "{";
      for (const Tree::Member& member : tree.members()) {
        *out += fmt::format("{}\"{}\":", separator, member.key);
        print_json(member.value, out);
        separator = ",";
      }
      *out += '}';
      break;
    }
  }
}

std::vector<Document> parse_good(benchmark::State& state, const std::string& text) {
  std::vector<Problem> problems;
  std::vector<Document> documents = parse(text, "", &problems);
  if (!problems.empty()) state.SkipWithError(problems[0].message.c_str());
  return documents;
}

void read_all(benchmark::State& state, const std::vector<Document>& documents, api::Trust trust) {
  std::vector<api::ReadObject> objects;
  for (const Document& document : documents) {
    objects.push_back(api::read_object(document.tree, trust));
    if (!objects.back().bound) state.SkipWithError(objects.back().problems[0].message.c_str());
  }
  benchmark::DoNotOptimize(objects.data());
}

void count(benchmark::State& state, const std::string& text) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void BM_Parse(benchmark::State& state) {
  const std::string text = text_of(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(parse_good(state, text).data());
  count(state, text);
}
BENCHMARK(BM_Parse)->Arg(7000)->Unit(benchmark::kMillisecond);

void read_trees(benchmark::State& state, api::Trust trust) {
  const std::string text = text_of(state.range(0));
  const std::vector<Document> documents = parse_good(state, text);
  for (auto _ : state) read_all(state, documents, trust);
  count(state, text);
}
void BM_Check(benchmark::State& state) { read_trees(state, api::Trust::kCheck); }
BENCHMARK(BM_Check)->Arg(7000)->Unit(benchmark::kMillisecond);
void BM_Bind(benchmark::State& state) { read_trees(state, api::Trust::kFromServer); }
BENCHMARK(BM_Bind)->Arg(7000)->Unit(benchmark::kMillisecond);

void read_text(benchmark::State& state, const std::string& text) {
  for (auto _ : state) read_all(state, parse_good(state, text), api::Trust::kCheck);
  count(state, text);
}
void BM_Read(benchmark::State& state) { read_text(state, text_of(state.range(0))); }
BENCHMARK(BM_Read)->Arg(7000)->Unit(benchmark::kMillisecond);
void BM_ReadJson(benchmark::State& state) {
  std::string json;
  for (const Document& document : parse_good(state, text_of(state.range(0)))) {
    print_json(document.tree, &json);
    json += '\n';
  }
  read_text(state, json);
}
BENCHMARK(BM_ReadJson)->Arg(7000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice

BENCHMARK_MAIN();
