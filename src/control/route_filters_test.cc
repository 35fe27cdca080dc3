// HTTPRouteFilters in the whole pipeline: what a change of one, or of what it refers to, costs, and who is
// to blame where a proxy refuses what comes of one.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/testing.h"

namespace sluice::control {
namespace {

using Runs = std::map<std::string, unsigned, std::less<>>;

class RouteFilters : public YamlPipeline {
 protected:
  // Routes `plain`, `answered` and `keyed`; the last two have a filter each, with a ConfigMap and a Secret.
  RouteFilters() {
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec: {gatewayClassName: class, listeners: [{name: http, protocol: HTTP, port: 80}]}
)");
    feed("{apiVersion: v1, kind: Service, metadata: {name: one}, spec: {ports: [{port: 80}]}}");
    feed_page("one");
    feed_key("Bearer one");
    feed_answer("{body: {type: ValueRef, valueRef: {group: '', kind: ConfigMap, name: page}}}");
    feed(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {name: key}
spec: {credentialInjection: {credential: {valueRef: {name: key}}}}
)");
    feed_route("plain", "");
    feed_route("answered", "answer");
    feed_route("keyed", "key");
    pipeline_.commit();
  }

  void feed_page(std::string_view text) {
    feed(fmt::format(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: page}}, data: {{response.body: {}}}}}", text));
  }
  void feed_key(std::string_view value) {
    feed(fmt::format(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: key}}, stringData: {{credential: {}}}}}", value));
  }
  void feed_answer(std::string_view response) {
    answer_ = feed(fmt::format(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {{name: answer}}
spec: {{directResponse: {}}}
)",
                               response));
  }
  void feed_route(std::string_view name, std::string_view filter) {
    const std::string filters = filter.empty()
                                    ? ""
                                    : fmt::format(
                                          "filters: [{{type: ExtensionRef, extensionRef: {{group: "
                                          "gateway.envoyproxy.io, kind: HTTPRouteFilter, name: {}}}}}], ",
                                          filter);
    feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {0}}}
spec:
  parentRefs: [{{name: gw}}]
  hostnames: [{0}.example]
  rules: [{{{1}backendRefs: [{{name: one, port: 80}}]}}]
)",
                     name, filters));
  }

  Runs commit() {
    Runs runs;
    for (const flow::StageStats& stage : pipeline_.commit().stages) {
      if (stage.runs != 0) runs.emplace(stage.name, stage.runs);
    }
    return runs;
  }

  std::string secret() const {
    std::string text;
    pipeline_.resources(xds::ResourceType::kSecret)
        .for_each([&text](const translate::XdsKey& key, const Rendered& secret) {
          text += fmt::format("{} {}", key.name, xds::parse_secret(*secret.bytes).credential);
        });
    return text;
  }

  std::string answer() const {
    std::string text;
    pipeline_.routes().for_each([&text](const ObjectKey&, const translate::RouteResult& route) {
      for (const ir::Route& made : *route.contributions.at(0).second.routes) {
        const auto* response = std::get_if<ir::DirectResponse>(&made.action->action);
        if (response != nullptr) text += fmt::format("{} {}", response->status, response->body);
      }
    });
    return text;
  }

  ObjectKey answer_;
};

TEST_F(RouteFilters, AConfigMapRunsTheRoutesThatAnswerWithIt) {
  feed_page("two");
  EXPECT_EQ(commit(), (Runs{{"names of ConfigMaps", 1},
                            {"route filters", 1},
                            {"http routes", 1},
                            {"hosts", 1},
                            {"lost matches", 1},
                            {"route tables", 1},
                            {"clusters of routes", 1},
                            {"secrets of routes", 1},
                            {"statuses of gateways", 1},
                            {"statuses of http routes", 1}}));
  EXPECT_EQ(answer(), "200 two");
}

TEST_F(RouteFilters, AFilterRunsTheRoutesThatReferToIt) {
  feed_answer("{statusCode: 410}");
  const Runs runs = commit();
  EXPECT_EQ(runs.at("http routes"), 1U);
  EXPECT_EQ(runs.at("hosts"), 1U);
  EXPECT_EQ(answer(), "410 ");
}

TEST_F(RouteFilters, ACredentialRunsNoRoute) {
  EXPECT_EQ(secret(), "credential/httproutefilter/default/key Bearer one");
  feed_key("Bearer two");
  const Runs runs = commit();
  EXPECT_FALSE(runs.contains("http routes"));
  EXPECT_EQ(runs.at("secrets of routes"), 1U);
  EXPECT_EQ(secret(), "credential/httproutefilter/default/key Bearer two");
}

TEST_F(RouteFilters, ASecretOfAClusterAndOfARouteIsOne) {
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: of-backend}
spec:
  parentRefs: [{name: gw}]
  rules:
  - backendRefs:
    - name: one
      port: 80
      filters:
      - {type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: key}}
)");
  pipeline_.commit();
  EXPECT_EQ(secret(), "credential/httproutefilter/default/key Bearer one");
}

// ---- what a proxy refuses ----------------------------------------------------------------------------

TEST_F(RouteFilters, AChangedFilterBringsItsRoutesSomething) {
  feed_answer("{statusCode: 410}");
  pipeline_.commit();
  const auto contributors = pipeline_.changed_contributors();
  const auto filter = std::ranges::find(contributors, answer_, &Pipeline::Contributor::object);
  ASSERT_NE(filter, contributors.end());
  EXPECT_EQ(filter->aggregates.size(), 1U);
}

TEST_F(RouteFilters, ARefusedFilterIsServedInItsLastGoodVersion) {
  const api::Object good = *pipeline_.object(answer_);
  feed_answer("{statusCode: 410}");
  pipeline_.commit();
  const api::Object bad = *pipeline_.object(answer_);
  pipeline_.refuse(answer_, std::make_shared<const Refusal>(
                                Refusal{.refused = bad, .last_good = good, .message = "no", .guilty = true}));
  pipeline_.commit();
  EXPECT_EQ(answer(), "200 one");
  const auto problems = pipeline_.problems();
  EXPECT_TRUE(std::ranges::any_of(problems, [&](const Problem& problem) {
    return problem.object == answer_ && problem.code == "value/rejected";
  }));
}

TEST_F(RouteFilters, ARefusedFilterWithoutAGoodVersionCostsItsRulesOnly) {
  feed_answer("{statusCode: 410}");
  pipeline_.commit();
  pipeline_.refuse(answer_, std::make_shared<const Refusal>(Refusal{.refused = *pipeline_.object(answer_),
                                                                    .last_good = std::nullopt,
                                                                    .message = "no",
                                                                    .guilty = true}));
  pipeline_.commit();
  EXPECT_EQ(answer(), "500 ");
}

}  // namespace
}  // namespace sluice::control
