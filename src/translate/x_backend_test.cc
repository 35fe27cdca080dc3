// XBackends as backends of routes, and what XBackendTrafficPolicies make of clusters and rules.
#include "translate/x_backend.h"

#include <string>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "translate/backend.h"
#include "translate/http_route.h"
#include "translate/status.h"
#include "translate/testing.h"

namespace sluice::translate {
namespace {

class XBackends : public StageTest {
 protected:
  std::expected<BackendPtr, ReferenceFailure> resolve(std::string_view name, std::optional<int> port = {}) {
    const GroupKind& from = api::kind_of<api::HTTPRoute>();
    const std::string namespace_ = "default";
    const BackendAccess access;
    const BackendReader reader{from, namespace_, access, settings_, inputs_, tables_};
    const api::BackendObjectReference ref{.group = "gateway.networking.x-k8s.io",
                                          .kind = "XBackend",
                                          .name = std::string(name),
                                          .namespace_ = {},
                                          .port = port};
    uses_.clear();
    return run([&](flow::Reads& reads) { return resolve_backend(ref, reader, reads, uses_); });
  }

  std::vector<PolicyUse> uses_;
};

constexpr std::string_view kPlain =
    "{type: ExternalHostname, externalHostname: {hostname: api.example}, port: {port: 8080}}";

TEST_F(XBackends, AreNamesToResolve) {
  add_x_backend("api", kPlain);
  const auto backend = resolve("api");
  ASSERT_TRUE(backend.has_value());
  const ir::Cluster& cluster = (*backend)->row.cluster;
  EXPECT_EQ(cluster.name, "xbackend/default/api");
  EXPECT_EQ(cluster.discovery, ir::Discovery::kDns);
  EXPECT_EQ(cluster.protocol, ir::UpstreamProtocol::kHttp1);
  EXPECT_FALSE(cluster.tls);
  const ir::Endpoint& endpoint = cluster.dns_localities.at(0).endpoints.at(0);
  EXPECT_EQ(endpoint.address, "api.example");
  EXPECT_EQ(endpoint.port, 8080);
  ASSERT_EQ(uses_.size(), 1U) << "for its status";
  EXPECT_EQ(uses_[0].policy.to_string(), "XBackend default/api");
}

TEST_F(XBackends, SpeakWhatTheySay) {
  const auto protocol = [this](std::string_view name) {
    add_x_backend("api",
                  fmt::format("{{type: ExternalHostname, externalHostname: {{hostname: api.example}}, port: "
                              "{{port: 80}}, protocol: {}}}",
                              name));
    return resolve("api").value()->row.cluster.protocol;
  };
  EXPECT_EQ(protocol("HTTP"), ir::UpstreamProtocol::kHttp1);
  EXPECT_EQ(protocol("TCP"), ir::UpstreamProtocol::kHttp1);
  EXPECT_EQ(protocol("MCP"), ir::UpstreamProtocol::kHttp1);
  EXPECT_EQ(protocol("HTTP11"), ir::UpstreamProtocol::kHttp1Explicit);
  EXPECT_EQ(protocol("HTTP2"), ir::UpstreamProtocol::kHttp2);
  EXPECT_EQ(protocol("H2C"), ir::UpstreamProtocol::kHttp2);
}

TEST_F(XBackends, TrustTheMachinesAuthoritiesForTheirNameUnlessTheySayOtherwise) {
  add_x_backend("api",
                "{type: ExternalHostname, externalHostname: {hostname: api.example}, port: {port: 443}, tls: "
                "{mode: ServerOnly}}");
  const auto backend = resolve("api");
  const ir::UpstreamTls& tls = *(*backend)->row.cluster.tls;
  EXPECT_EQ(tls.sni, "api.example");
  EXPECT_EQ(tls.validation_secret, "backend-ca/system");
  ASSERT_EQ(tls.subject_alt_names.size(), 1U);
  EXPECT_EQ(tls.subject_alt_names[0].value, "api.example");
  EXPECT_TRUE((*backend)->cluster().starts_with("xbackend/default/api/tls-"));

  add_x_backend("api",
                "{type: ExternalHostname, externalHostname: {hostname: api.example}, port: {port: 443}, tls: "
                "{mode: ServerOnly, validation: {hostname: inside.example, wellKnownCACertificates: System, "
                "subjectAltNames: [{type: URI, uri: 'spiffe://a/b'}]}}}");
  const ir::UpstreamTls other = *resolve("api").value()->row.cluster.tls;
  EXPECT_EQ(other.sni, "inside.example");
  EXPECT_EQ(other.subject_alt_names.at(0).value, "spiffe://a/b");
}

TEST_F(XBackends, WithoutAnybodyToTrustGetNoRequests) {
  add_x_backend(
      "api",
      "{type: ExternalHostname, externalHostname: {hostname: api.example}, port: {port: 443}, tls: "
      "{mode: ServerOnly, validation: {hostname: api.example, caCertificateRefs: [{group: '', kind: "
      "ConfigMap, name: none}]}}}");
  EXPECT_EQ(resolve("api").error().message, "XBackend default/api has no CA certificates to trust");
}

TEST_F(XBackends, AreNoAddresses) {
  add_x_backend("api", "{type: ExternalHostname, externalHostname: {hostname: 10.0.0.1}, port: {port: 443}}");
  EXPECT_EQ(resolve("api").error().code, "value/address");
}

TEST_F(XBackends, HaveOnePort) {
  add_x_backend("api", kPlain);
  EXPECT_TRUE(resolve("api", 8080).has_value());
  EXPECT_EQ(resolve("api", 80).error().message, "XBackend default/api has port 8080 only");
}

TEST_F(XBackends, HaveToBeThere) { EXPECT_EQ(resolve("none").error().reason, "BackendNotFound"); }

// ---- policies --------------------------------------------------------------------------------------

class TrafficPolicies : public StageTest {
 protected:
  // HTTPRoute default/web with this rule.
  RouteResult translate(std::string_view rule) {
    add_service("blue");
    add_service("green");
    AttachPoint listener;
    listener.name = "http";
    listener.port = 8080;
    listener.supported_kinds = {{"gateway.networking.k8s.io", "HTTPRoute"}};
    listener.ready = true;
    listener.socket = listener.route_table = "default/gw:8080";
    attach_points_.set(
        {api::kind_of<api::Gateway>(), {"default", "gw"}},
        AttachPoints{
            .proxy = "default/gw", .gateway = {"default", "gw"}, .terms = {}, .listeners = {listener}});
    const auto route = object_of<api::HTTPRoute>(fmt::format(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: web}}\nspec: "
        "{{parentRefs: [{{name: gw}}], rules: [{}]}}\n",
        rule));
    return run([&](flow::Reads& reads) {
      return translate_http_route({"default", "web"}, route, environment_, reads);
    });
  }

  static const ir::Forward& forward(const RouteResult& result) {
    return std::get<ir::Forward>(result.contributions.at(0).second.routes->at(0).action->action);
  }

  static std::string session(const RouteResult& result) {
    const auto& made = forward(result).session;
    if (!made) return "";
    const bool is_header = made->kind == ir::Session::Kind::kHeader;
    return fmt::format("{} {}{}", is_header ? "header" : "cookie", made->name,
                       made->lifetime ? fmt::format(" {}ms", made->lifetime->count()) : "");
  }
};

std::string for_services(std::string_view names, std::string_view more) {
  std::string targets;
  for (const char name : names) {
    targets += fmt::format("{{group: '', kind: Service, name: {}}}, ", name == 'b' ? "blue" : "green");
  }
  return fmt::format("{{targetRefs: [{}], {}}}", targets, more);
}

constexpr std::string_view kBlue = "{backendRefs: [{name: blue, port: 80}]}";
constexpr std::string_view kBoth = "{backendRefs: [{name: blue, port: 80}, {name: green, port: 80}]}";

TEST_F(TrafficPolicies, LimitTheRetriesOfClusters) {
  const auto budget = [this](std::string_view constraint) {
    add_traffic_policy("p", for_services("b", fmt::format("retryConstraint: {}", constraint)));
    const RouteResult result = translate(kBlue);
    const ir::RetryBudget& made =
        *result.clusters.at(0).second->cluster.settings->circuit_breakers->retry_budget;
    return fmt::format("{} % in {}, {} at least", made.percent, made.interval->count(), made.min);
  };
  EXPECT_EQ(budget("{}"), "20 % in 10000, 10 at least");
  EXPECT_EQ(budget("{budget: {percent: 50, interval: 1m}, minRetryRate: {count: 3, interval: 2s}}"),
            "50 % in 60000, 2 at least");
  EXPECT_EQ(budget("{minRetryRate: {count: 1, interval: 1h}}"), "20 % in 10000, 1 at least");
  EXPECT_EQ(budget("{minRetryRate: {count: 5}}"), "20 % in 10000, 5 at least");
}

TEST_F(TrafficPolicies, GiveRulesASessionOfTheirOwn) {
  add_traffic_policy("p", for_services("b",
                                       "sessionPersistence: {sessionName: kept, absoluteTimeout: 1m, "
                                       "cookieConfig: {lifetimeType: Permanent}}"));
  const std::string one = session(translate(kBlue));
  EXPECT_TRUE(one.starts_with("cookie kept-")) << one;
  EXPECT_TRUE(one.ends_with(" 60000ms")) << one;
  const std::string other =
      session(translate("{matches: [{path: {value: /b}}], backendRefs: [{name: blue, port: 80}]}"));
  EXPECT_TRUE(other.starts_with("cookie kept-"));
  EXPECT_NE(one, other) << "rules share no session";
  add_traffic_policy("p", for_services("b", "sessionPersistence: {type: Header, sessionName: x-kept}"));
  EXPECT_EQ(session(translate(kBlue)), "header x-kept");
}

TEST_F(TrafficPolicies, CountAfterTheRule) {
  add_traffic_policy("p", for_services("b", "sessionPersistence: {sessionName: kept}"));
  EXPECT_EQ(
      session(translate("{sessionPersistence: {sessionName: mine}, backendRefs: [{name: blue, port: 80}]}")),
      "cookie mine");
}

TEST_F(TrafficPolicies, KeepNoSessionByANameThatNoCookieHas) {
  add_traffic_policy("p", for_services("b", "sessionPersistence: {sessionName: 'a=b'}"));
  EXPECT_EQ(session(translate(kBlue)), "");
}

TEST_F(TrafficPolicies, KeepSessionsOverAllBackendsOfARuleOrOverNone) {
  add_traffic_policy("p", for_services("bg", "sessionPersistence: {sessionName: kept}"));
  const RouteResult both = translate(kBoth);
  EXPECT_TRUE(session(both).starts_with("cookie kept-"));
  EXPECT_EQ(forward(both).clusters.size(), 1U) << "one cluster for both";
  EXPECT_TRUE(both.problems.empty());

  add_traffic_policy("p", for_services("b", "sessionPersistence: {sessionName: kept}"));
  const RouteResult some = translate(kBoth);
  EXPECT_EQ(session(some), "");
  EXPECT_EQ(forward(some).clusters.size(), 2U);
  ASSERT_EQ(some.problems.size(), 1U);
  EXPECT_EQ(some.problems[0].severity, Severity::kWarning);
  EXPECT_EQ(
      text_of(some.problems[0]),
      "spec.rules[0].backendRefs: no session is kept: XBackendTrafficPolicies do not say the same of all "
      "backends of the rule; add the other backends to the policy, or `sessionPersistence` to the rule "
      "[support/session]");
}

TEST_F(TrafficPolicies, OfOneBackendTheOldestCounts) {
  const auto at = [this](const std::string& name, const std::string& created, const std::string& cookie) {
    auto policy = object_of<api::XBackendTrafficPolicy>(fmt::format(
        "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XBackendTrafficPolicy\nmetadata: {{name: "
        "{}, "
        "creationTimestamp: '{}'}}\nspec: {}\n",
        name, created, for_services("b", "sessionPersistence: {type: Header, sessionName: " + cookie + "}")));
    traffic_policies_.set({"default", name}, read_traffic_policy({"default", name}, policy));
  };
  at("a-young", "2026-02-01T00:00:00Z", "young");
  at("z-old", "2026-01-01T00:00:00Z", "old");
  const RouteResult result = translate(kBlue);
  EXPECT_EQ(session(result), "header old");
  std::vector<std::string> met;
  for (const PolicyUse& use : result.policies_met) {
    met.push_back(use.policy.name.to_string() + (use.beaten_by ? " < " + use.beaten_by->to_string() : ""));
  }
  EXPECT_EQ(fmt::format("{}", fmt::join(met, ", ")), "default/a-young < default/z-old, default/z-old");
}

}  // namespace
}  // namespace sluice::translate
