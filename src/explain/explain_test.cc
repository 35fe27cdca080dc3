#include "explain/explain.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "explain/diff.h"
#include "source/manifest.h"

namespace sluice::explain {
namespace {

constexpr std::string_view kGateway = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: eg}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec:
  gatewayClassName: eg
  listeners: [{name: http, protocol: HTTP, port: 8080}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: blue, namespace: default}
spec: {endpoints: [{ip: {address: 127.0.0.1, port: 3000}}]}
)";

std::unique_ptr<control::Pipeline> serve(const std::string& text) {
  auto pipeline = std::make_unique<control::Pipeline>(translate::Settings());
  const source::Manifest manifest = source::read_manifest(text, "in.yaml");
  EXPECT_TRUE(manifest.problems.empty()) << manifest.problems.front().message;
  for (const source::Manifest::Object& object : manifest.objects) pipeline->upsert(*object.bound);
  pipeline->commit();
  return pipeline;
}

// ---- an oracle ---------------------------------------------------------------------------------

// Routes by the words of the specification: every match of every route is looked at, and the best is kept.
struct Match {
  std::string kind;  // of the path
  std::string path;
  std::string method;
  std::vector<std::pair<std::string, std::string>> headers;

  std::string yaml() const {
    std::string text = fmt::format("{{path: {{type: {}, value: \"{}\"}}", kind, path);
    if (!method.empty()) text += ", method: " + method;
    if (!headers.empty()) {
      text += ", headers: [";
      for (const auto& [name, value] : headers)
        text += fmt::format("{{name: {}, value: \"{}\"}},", name, value);
      text += "]";
    }
    return text + "}";
  }
  bool takes(const Request& request) const {
    const bool exact = request.path == path;
    const bool below = path == "/" || exact || request.path.starts_with(path + "/");
    if (kind == "Exact" ? !exact : !below) return false;
    if (!method.empty() && method != request.method) return false;
    return std::ranges::all_of(headers, [&](const auto& wanted) {
      return std::ranges::any_of(request.headers, [&](const ir::Header& h) {
        return h.name == wanted.first && h.value == wanted.second;
      });
    });
  }
};

struct Route {
  std::string name;
  std::string created;
  std::vector<std::string> hosts;
  std::vector<std::vector<Match>> rules;

  std::string yaml() const {
    std::string text = fmt::format(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
        "metadata: {{name: {}, namespace: default{}}}\n"
        "spec:\n  parentRefs: [{{name: web}}]\n",
        name, created.empty() ? "" : fmt::format(", creationTimestamp: \"{}\"", created));
    if (!hosts.empty()) text += fmt::format("  hostnames: [\"{}\"]\n", fmt::join(hosts, "\", \""));
    text += "  rules:\n";
    for (const auto& matches : rules) {
      text += "    - matches:\n";
      for (const Match& match : matches) text += "        - " + match.yaml() + "\n";
      text += "      backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: blue}]\n";
    }
    return text;
  }
};

// Bigger is better.
int host_rank(const std::string& pattern, const std::string& host) {
  if (pattern == host) return 1000;
  if (pattern.empty()) return 1;
  const std::string suffix = pattern.substr(1);
  const bool below = pattern.front() == '*' && host.size() > suffix.size() && host.ends_with(suffix);
  return below ? 1 + static_cast<int>(suffix.size()) : 0;
}

// The route and the rule.
std::optional<std::pair<std::string, std::size_t>> oracle(const std::vector<Route>& routes,
                                                          const Request& request) {
  int host = 0;
  const auto hosts_of = [](const Route& route) {
    return route.hosts.empty() ? std::vector<std::string>{""} : route.hosts;
  };
  for (const Route& route : routes) {
    for (const std::string& pattern : hosts_of(route))
      host = std::max(host, host_rank(pattern, request.authority));
  }
  // Smaller is better: the specification's order, then age, name, and the place in the route.
  using Rank = std::tuple<int, int, int, int, std::string, std::string, std::size_t>;
  std::optional<std::pair<Rank, std::pair<std::string, std::size_t>>> best;
  for (const Route& route : routes) {
    const bool here = host > 0 && std::ranges::any_of(hosts_of(route), [&](const std::string& pattern) {
                        return host_rank(pattern, request.authority) == host;
                      });
    if (!here) continue;
    for (std::size_t rule = 0; rule < route.rules.size(); ++rule) {
      for (const Match& match : route.rules[rule]) {
        if (!match.takes(request)) continue;
        Rank rank{match.kind == "Exact" ? 0 : 1,
                  -static_cast<int>(match.path.size()),
                  match.method.empty() ? 1 : 0,
                  -static_cast<int>(match.headers.size()),
                  route.created,
                  route.name,
                  rule};
        if (!best || rank < best->first) best = {std::move(rank), {route.name, rule}};
      }
    }
  }
  if (!best) return std::nullopt;
  return best->second;
}

class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(engine_); }
  template <typename T>
  const T& of(const std::vector<T>& all) {
    return all[below(all.size())];
  }

 private:
  std::mt19937 engine_;
};

const std::vector<std::string> kPaths{"/", "/a", "/a/b", "/a/b/c", "/ab", "/b"};
const std::vector<std::string> kHosts{
    "", "*.example.com", "a.example.com", "b.a.example.com", "*.a.example.com", "x.net"};
const std::vector<std::string> kMethods{"", "GET", "POST"};

Match random_match(Dice& dice) {
  Match match{.kind = dice.below(3) == 0 ? "Exact" : "PathPrefix",
              .path = dice.of(kPaths),
              .method = dice.of(kMethods),
              .headers = {}};
  for (const char* name : {"x-a", "x-b"}) {
    if (dice.below(3) == 0) match.headers.emplace_back(name, std::to_string(dice.below(2)));
  }
  return match;
}

TEST(Explain, EqualsTheOracle) {
  Dice dice(7);
  int taken = 0;
  int asked = 0;
  for (int round = 0; round < 40; ++round) {
    std::vector<Route> routes;
    std::string text(kGateway);
    for (std::size_t r = 0; r < 1 + dice.below(6); ++r) {
      Route& route = routes.emplace_back();
      route.name = fmt::format("r{}", r);
      route.created = fmt::format("2026-01-0{}T00:00:00Z", 1 + dice.below(3));
      for (std::size_t h = 0; h < dice.below(3); ++h) {
        const std::string& host = dice.of(kHosts);
        if (!host.empty() && std::ranges::find(route.hosts, host) == route.hosts.end())
          route.hosts.push_back(host);
      }
      for (std::size_t rule = 0; rule < 1 + dice.below(3); ++rule) {
        auto& matches = route.rules.emplace_back();
        for (std::size_t m = 0; m < 1 + dice.below(2); ++m) matches.push_back(random_match(dice));
      }
      text += route.yaml();
    }
    const auto pipeline = serve(text);
    const Snapshot snapshot(*pipeline);
    for (int i = 0; i < 100; ++i) {
      Request request;
      request.port = 8080;
      request.method = dice.below(2) == 0 ? "GET" : "POST";
      request.authority = dice.of(std::vector<std::string>{
          "a.example.com", "b.a.example.com", "c.a.example.com", "c.example.com", "x.net", "y.net"});
      request.path =
          dice.of(std::vector<std::string>{"/", "/a", "/a/b", "/a/b/c/d", "/ab", "/abc", "/b", "/c"});
      for (const char* name : {"x-a", "x-b"}) {
        if (dice.below(2) == 0) request.headers.push_back({name, std::to_string(dice.below(2))});
      }
      const std::vector<Explanation> explanations = explain(snapshot, request);
      ASSERT_EQ(explanations.size(), 1U);
      const Explanation& e = explanations.front();
      const auto expected = oracle(routes, request);
      ++asked;
      if (!expected) {
        EXPECT_EQ(e.status, 404) << text << request.authority << request.path;
        continue;
      }
      ++taken;
      ASSERT_TRUE(e.rule) << text << request.authority << request.path;
      EXPECT_EQ(e.rule->place.object.name.name, expected->first) << text << request.authority << request.path;
      EXPECT_EQ(e.rule->place.path, fmt::format("spec.rules[{}]", expected->second)) << text;
      for (const NearMiss& miss : e.near_misses) EXPECT_FALSE(miss.reasons.empty());
    }
  }
  EXPECT_GT(taken, asked / 5) << "many requests have to meet a route";
  EXPECT_GT(asked - taken, asked / 20);
}

// ---- shares of a rule --------------------------------------------------------------------------

constexpr std::string_view kServices = R"(---
apiVersion: v1
kind: Service
metadata: {name: one, namespace: default}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: two, namespace: default}
spec: {ports: [{port: 80}]}
)";

// Of a rule with these backendRefs, asked for "/a".
Explanation explain_shares(std::string_view refs) {
  const auto pipeline = serve(fmt::format(R"({}{}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: shares, namespace: default}}
spec:
  parentRefs: [{{name: web}}]
  rules:
    - backendRefs:
{})",
                                          kGateway, kServices, refs));
  const Snapshot snapshot(*pipeline);
  Request request;
  request.port = 8080;
  request.authority = "a.example";
  request.path = "/a";
  return explain(snapshot, request).front();
}

constexpr std::string_view kOneMoved = R"(
        - name: one
          port: 80
          filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /1}}}]
)";
constexpr std::string_view kTwoMoved = R"(
        - name: two
          port: 80
          filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /2}}}]
)";
constexpr std::string_view kTwoRedirected = R"(
        - name: two
          port: 80
          filters:
            - type: RequestRedirect
              requestRedirect: {hostname: b.example, statusCode: 308}
)";

TEST(Explain, SharesWithoutAnyEndpointAreAnswered) {
  const Explanation e = explain_shares(fmt::format("{}{}", kOneMoved, kTwoMoved));
  ASSERT_EQ(e.destinations.size(), 2U);
  EXPECT_EQ(e.outcome, Outcome::kAnswered);
  EXPECT_EQ(e.status, 503);
}

TEST(Explain, AShareThatIsRedirectedTellsWhere) {
  const Explanation e = explain_shares(fmt::format("{}{}", kOneMoved, kTwoRedirected));
  EXPECT_EQ(e.outcome, Outcome::kForwarded) << "half of the requests are redirected, and that is no failure";
  ASSERT_EQ(e.destinations.size(), 2U);
  const Destination& redirected = e.destinations.back();
  EXPECT_EQ(redirected.status, 308);
  EXPECT_EQ(redirected.location, "http://b.example:8080/a");
  EXPECT_EQ(redirected.answer, "redirected with 308 to http://b.example:8080/a");
}

TEST(Explain, ARewriteOfAShareIsToldOnce) {
  const Explanation e = explain_shares(fmt::format("{}{}", R"(
        - group: gateway.envoyproxy.io
          kind: Backend
          name: blue
          filters:
            - type: URLRewrite
              urlRewrite: {hostname: c.example, path: {type: ReplaceFullPath, replaceFullPath: /c}}
)",
                                                   kTwoMoved));
  ASSERT_EQ(e.destinations.size(), 2U);
  std::vector<std::string> texts;
  for (const Step& step : e.destinations.front().steps) texts.push_back(step.text);
  EXPECT_EQ(texts, (std::vector<std::string>{"the path becomes /c", "the host becomes c.example"}));
}

// ---- services of extensions --------------------------------------------------------------------

// A route with these extensions.
std::unique_ptr<control::Pipeline> serve_with_extensions(std::string_view extensions) {
  return serve(fmt::format(R"({}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: judged, namespace: default}}
spec:
  parentRefs: [{{name: web}}]
  rules: [{{backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: blue}}]}}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {{name: p, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: judged}}]
  {}
)",
                           kGateway, extensions));
}

// What becomes of a request for its root.
Explanation explain_root(const control::Pipeline& pipeline) {
  Request request;
  request.port = 8080;
  request.authority = "a.example";
  request.path = "/";
  const Snapshot snapshot(pipeline);
  return explain(snapshot, request).front();
}

// A route whose requests two services are told of, the second as a fallback, with these settings.
std::unique_ptr<control::Pipeline> serve_with_services(std::string_view settings) {
  return serve_with_extensions(fmt::format(R"(extProc:
    - backendRefs:
        - {{group: gateway.envoyproxy.io, kind: Backend, name: blue}}
        - {{group: gateway.envoyproxy.io, kind: Backend, name: green}}
      backendSettings: {{{}}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: green, namespace: default}}
spec: {{fallback: true, endpoints: [{{ip: {{address: 127.0.0.1, port: 3001}}}}]}})",
                                           settings));
}

TEST(Explain, ServicesOfExtensionsAreToldWithTheirSettings) {
  const auto pipeline = serve_with_services(
      "healthCheck: {active: {type: GRPC, interval: 2s}}, circuitBreaker: {maxParallelRequests: 7}");
  const Explanation e = explain_root(*pipeline);
  std::vector<std::string> texts;
  for (const Step& step : e.steps) {
    if (step.kind == "extension-service") texts.push_back(step.text);
  }
  EXPECT_EQ(texts,
            (std::vector<std::string>{
                "ext_proc/default/p/0 asks Backend default/blue, Backend default/green as fallback",
                "ext_proc/default/p/0: health checks: by gRPC every 2s, each within 1s, out after 3 failed, "
                "back after 1 good",
                "ext_proc/default/p/0: limits: 1024 connections, 7 requests, 1024 that wait, 1024 retries"}));
}

// ---- extensions that are missing -------------------------------------------------------------------

// What becomes of a request whose route has these extensions.
Explanation explain_with(std::string_view extensions) {
  return explain_root(*serve_with_extensions(extensions));
}

constexpr std::string_view kLateModule =
    R"(code: {type: HTTP, http: {url: "https://modules.example/m.wasm"}})";

TEST(Explain, AnExtensionThatCannotBeUsedIsToldWithWhatIsWrongWithIt) {
  const Explanation e = explain_with(R"(lua: [{type: Inline, inline: "if"}])");
  EXPECT_EQ(e.outcome, Outcome::kAnswered);
  EXPECT_EQ(e.status, 500);
  EXPECT_EQ(e.why, "lua[0] of EnvoyExtensionPolicy default/p cannot be used");
  EXPECT_FALSE(e.as_wanted);
  ASSERT_EQ(e.problems.size(), 1U);
  EXPECT_EQ(e.problems[0].object.to_string() + " " + e.problems[0].path,
            "EnvoyExtensionPolicy default/p spec.lua[0].inline");
}

TEST(Explain, AnExtensionThatIsLateIsTold) {
  const Explanation e = explain_with(fmt::format("wasm: [{{{}}}]", kLateModule));
  EXPECT_EQ(e.outcome, Outcome::kAnswered);
  EXPECT_EQ(e.status, 503);
  EXPECT_EQ(e.why, "wasm[0] of EnvoyExtensionPolicy default/p is not there yet");
  EXPECT_FALSE(e.as_wanted);
}

TEST(Explain, AnExtensionThatFailsOpenIsToldAndTheRequestGoesOn) {
  const Explanation e = explain_with(fmt::format("wasm: [{{{}, failOpen: true}}]", kLateModule));
  EXPECT_EQ(e.outcome, Outcome::kForwarded);
  ASSERT_EQ(e.steps.size(), 1U);
  EXPECT_EQ(e.steps[0].text,
            "wasm[0] of EnvoyExtensionPolicy default/p is not there yet: it goes on without");
}

TEST(Diff, OfSettingsOfAServiceNamesThem) {
  const auto changes = [](std::string_view settings_before, std::string_view settings_after) {
    const auto before = serve_with_services(settings_before);
    const auto after = serve_with_services(settings_after);
    std::vector<std::string> texts;
    const Diff changed = diff(Snapshot(*before), {}, Snapshot(*after), {});
    for (const Section& section : changed.served) {
      for (const Change& change : section.changes) texts.push_back(section.title + ": " + change.what);
    }
    return texts;
  };
  EXPECT_EQ(changes("timeout: {tcp: {connectTimeout: 1s}}", "timeout: {tcp: {connectTimeout: 2s}}"),
            std::vector<std::string>{
                "service of ext_proc/default/p/0: connections: made within 1s → made within 2s"});
  EXPECT_EQ(changes("tcpKeepalive: {probes: 3}", "tcpKeepalive: {probes: 4}"),
            std::vector<std::string>{"service of ext_proc/default/p/0: other settings of its connections"});
  EXPECT_EQ(changes("tcpKeepalive: {probes: 3}", "tcpKeepalive: {probes: 3}"), std::vector<std::string>());
}

// ---- services that let requests pass ---------------------------------------------------------------

// A route whose rule asks Backend green by HTTP, and one of whose two backends is asked for by gRPC.
std::unique_ptr<control::Pipeline> serve_with_auth(std::string_view http) {
  const auto filter = [](std::string_view more) {
    return fmt::format(
        "{{type: ExternalAuth, externalAuth: {{backendRef: {{group: gateway.envoyproxy.io, kind: "
        "Backend, name: green}}, {}}}}}",
        more);
  };
  return serve(fmt::format(R"({}---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: green, namespace: default}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: 3001}}}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: judged, namespace: default}}
spec:
  parentRefs: [{{name: web}}]
  rules:
    - filters: [{}]
      backendRefs:
        - {{group: gateway.envoyproxy.io, kind: Backend, name: blue}}
        - {{group: gateway.envoyproxy.io, kind: Backend, name: blue, filters: [{}]}}
)",
                           kGateway, filter(fmt::format("protocol: HTTP, http: {}", http)),
                           filter("protocol: GRPC, grpc: {}")));
}

TEST(Explain, ServicesThatLetRequestsPassAreToldWhereTheyAreAsked) {
  const auto pipeline = serve_with_auth("{path: /check, allowedHeaders: [x-a]}");
  Request request;
  request.port = 8080;
  request.authority = "a.example";
  request.path = "/";
  const Snapshot snapshot(*pipeline);
  const Explanation e = explain(snapshot, request).front();
  const auto texts = [](const std::vector<Step>& steps) {
    std::vector<std::string> out;
    for (const Step& step : steps) {
      if (step.kind == "auth") out.push_back(step.text);
    }
    return out;
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(texts(e.steps),
            (Texts{"Backend default/green is asked whether it may pass, by HTTP, path behind /check, "
                   "shown x-a"}));
  ASSERT_EQ(e.destinations.size(), 2U);
  EXPECT_EQ(texts(e.destinations[0].steps), Texts());
  EXPECT_EQ(texts(e.destinations[1].steps),
            (Texts{"Backend default/green is asked whether it may pass, by gRPC"}));
}

TEST(Diff, OfWhoLetsRequestsPassSaysWhat) {
  const auto before = serve_with_auth("{path: /check}");
  const auto after = serve_with_auth("{path: /other}");
  const Diff changed = diff(Snapshot(*before), {}, Snapshot(*after), {});
  std::string all;
  const std::function<void(const Section&)> add = [&](const Section& section) {
    for (const Change& change : section.changes) {
      all += change.what + "\n";
      for (const std::string& detail : change.details) all += detail + "\n";
    }
    for (const Section& inner : section.sections) add(inner);
  };
  for (const Section& section : changed.served) add(section);
  EXPECT_NE(all.find("Backend default/green by HTTP, path behind /check"), std::string::npos) << all;
  EXPECT_EQ(all.find("ext_authz"), std::string::npos) << all;
}

// ---- what a request asks for besides ---------------------------------------------------------------

// A route that forwards /, redirects /moved, and answers /broken with an error.
Explanation explain_with(const std::vector<std::string>& headers, const std::string& path,
                         const std::string& host = "a.example") {
  const auto pipeline = serve(fmt::format(R"({}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r, namespace: default}}
spec:
  parentRefs: [{{name: web}}]
  hostnames: [a.example]
  rules:
    - matches: [{{path: {{value: /moved}}}}]
      filters: [{{type: RequestRedirect, requestRedirect: {{hostname: b.example, statusCode: 301}}}}]
    - matches: [{{path: {{value: /broken}}}}]
      backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: nobody}}]
    - matches: [{{path: {{value: /}}}}]
      backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: blue}}]
)",
                                          kGateway));
  Request request;
  request.port = 8080;
  request.authority = host;
  request.path = path;
  for (const std::string& header : headers) EXPECT_TRUE(add_header(header, request)) << header;
  return explain(Snapshot(*pipeline), request).front();
}

TEST(Explain, AnUpgradeThatTheRuleDoesNotTakeIsForbidden) {
  const auto asks_for = [](const std::string& upgrade, const std::string& path, const std::string& host) {
    const Explanation e = explain_with({"connection: upgrade", "upgrade: " + upgrade}, path, host);
    return e.outcome == Outcome::kForwarded ? "forwarded" : fmt::format("{} {}", e.status, e.why);
  };
  EXPECT_EQ(asks_for("foo", "/", "a.example"), "403 the rule takes no upgrade to `foo`");
  EXPECT_EQ(asks_for("WebSocket", "/", "a.example"), "forwarded");
  EXPECT_EQ(asks_for("websocket", "/moved", "a.example"), "403 the rule takes no upgrade to `websocket`")
      << "only what is forwarded can become something else";
  EXPECT_EQ(asks_for("foo", "/", "b.example"),
            "404 listener http of Gateway default/web has no route for host b.example");
}

TEST(Explain, AnswersToGrpcHaveTheirStatusInAHeader) {
  const auto answer = [](const std::string& path, const std::string& host) {
    const Explanation e = explain_with({"content-type: application/grpc"}, path, host);
    EXPECT_EQ(e.outcome, Outcome::kAnswered) << path;
    EXPECT_EQ(e.status, 200) << path;
    return e.why;
  };
  EXPECT_EQ(answer("/", "b.example"),
            "listener http of Gateway default/web has no route for host b.example, which gRPC is told as "
            "status 200 "
            "with grpc-status 12");
  EXPECT_EQ(answer("/broken", "a.example"),
            "the rule cannot be served, which gRPC is told as status 200 with grpc-status 2");
  EXPECT_EQ(
      answer("/moved", "a.example"),
      "it is redirected to http://b.example:8080/moved, which gRPC is told as status 200 with grpc-status 2");
  EXPECT_EQ(answer("/a%2Fb", "a.example"),
            "the path has escaped slashes, and gRPC clients cannot be sent to the plain path, which gRPC is "
            "told as "
            "status 200 with grpc-status 13");
}

TEST(Explain, AClientWithoutANameIsToldThatRoutesWantOne) {
  const auto pipeline = serve(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: eg}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec:
  gatewayClassName: eg
  listeners: [{name: tls, protocol: TLS, port: 8443, tls: {mode: Passthrough}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: r, namespace: default}
spec:
  parentRefs: [{name: web}]
  hostnames: [a.example]
  rules: [{backendRefs: [{name: a, port: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: default}
spec: {ports: [{port: 80}]}
)");
  Request request = read_url("tls://a.example:8443").value();
  request.sni.clear();
  const Explanation e = explain(Snapshot(*pipeline), request).front();
  EXPECT_EQ(e.outcome, Outcome::kClosed);
  EXPECT_EQ(e.why, "the client names no server, and no route of listener tls does without");
}

// ---- what a change does -----------------------------------------------------------------------------

// All that is served otherwise, a line each.
std::string changes(const std::string& before, const std::string& after) {
  const auto pipelines =
      std::pair(serve(std::string(kGateway) + before), serve(std::string(kGateway) + after));
  const Diff changed = diff(Snapshot(*pipelines.first), {}, Snapshot(*pipelines.second), {});
  std::string all;
  const std::function<void(const Section&)> add = [&](const Section& section) {
    for (const Change& change : section.changes) {
      all += change.what + "\n";
      for (const std::string& detail : change.details) all += "  " + detail + "\n";
    }
    for (const Section& inner : section.sections) add(inner);
  };
  for (const Section& section : changed.served) add(section);
  return all;
}

std::string route_with(std::string_view more) {
  return fmt::format(R"(---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r, namespace: default}}
spec:
  parentRefs: [{{name: web}}]
  rules:
    - backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: blue}}]
      {}
)",
                     more);
}

TEST(Diff, OfCorsSaysWhat) {
  const auto cors = [](std::string_view more) {
    return route_with(
        fmt::format("filters: [{{type: CORS, cors: {{allowOrigins: ['https://a.example'], {}}}}}]", more));
  };
  EXPECT_EQ(changes(cors("maxAge: 5"), cors("maxAge: 10")), "every path\n  CORS max age: 5s → 10s\n");
  EXPECT_EQ(changes(cors("allowHeaders: [x-a]"), cors("allowHeaders: [x-a, x-b]")),
            "every path\n  CORS headers: x-a → x-a, x-b\n");
  EXPECT_EQ(changes(cors("allowCredentials: false"), cors("allowCredentials: true")),
            "every path\n  CORS credentials: none → allowed\n");
  EXPECT_EQ(changes(cors("exposeHeaders: [x-a]"), cors("")),
            "every path\n  CORS exposed headers: x-a → none\n");
  EXPECT_EQ(changes(cors("allowMethods: [GET]"), cors("allowMethods: [PUT]")),
            "every path\n  CORS methods: GET → PUT\n");
}

TEST(Diff, OfASessionSaysWhat) {
  const auto session = [](std::string_view more) {
    return route_with(fmt::format("sessionPersistence: {{sessionName: s, {}}}", more));
  };
  EXPECT_EQ(changes(session("type: Cookie"), session("type: Header")),
            "every path\n  session: cookie s → header s\n");
}

TEST(Diff, OfACredentialSaysThatAndNotWhich) {
  const auto injected = [](std::string_view credential) {
    return fmt::format(
        R"({}---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {{name: f, namespace: default}}
spec: {{credentialInjection: {{credential: {{valueRef: {{name: c}}}}}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: c, namespace: default}}
stringData: {{credential: {}}}
)",
        route_with("filters: [{type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: "
                   "HTTPRouteFilter, name: f}}]"),
        credential);
  };
  EXPECT_EQ(changes(injected("one"), injected("two")), "every path\n  credential: its value is another\n");
  EXPECT_EQ(changes(injected("one"), injected("one")), "");
}

TEST(Diff, OfDatagramsThatGetNowhereSaysSo) {
  const auto served = [](std::string_view backend) {
    return fmt::format(R"(---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: udp, namespace: default}}
spec:
  gatewayClassName: eg
  listeners: [{{name: udp, protocol: UDP, port: 8053}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: {{name: u, namespace: default}}
spec:
  parentRefs: [{{name: udp}}]
  rules: [{{backendRefs: [{{name: {}, port: 53}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: dns, namespace: default}}
spec: {{ports: [{{port: 53, protocol: UDP}}]}}
)",
                       backend);
  };
  EXPECT_EQ(changes(served("dns"), served("nobody")),
            "backends: Service default/dns, port 53 → nothing (closed)\n");
}

TEST(Explain, FiveThousandRoutesInTime) {
  std::string text(kGateway);
  for (int r = 0; r < 5'000; ++r) {
    const Route route{
        .name = fmt::format("r{}", r),
        .created = "",
        .hosts = {"www.example.com"},
        .rules = {{{.kind = "PathPrefix", .path = fmt::format("/p{}", r), .method = "", .headers = {}}}}};
    text += route.yaml();
  }
  const auto pipeline = serve(text);
  const auto start = std::chrono::steady_clock::now();
  const Snapshot snapshot(*pipeline);
  Request request;
  request.port = 8080;
  request.authority = "www.example.com";
  request.path = "/p4999/x";
  const Explanation e = explain(snapshot, request).front();
  const auto took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(e.rule);
  EXPECT_EQ(e.rule->place.object.name.name, "r4999");
  std::printf("%d ms\n",
              static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
  // It takes milliseconds; were each route compared with each other, minutes.
  EXPECT_LT(took, std::chrono::seconds(20));
}

}  // namespace
}  // namespace sluice::explain
