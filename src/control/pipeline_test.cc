#include "control/pipeline.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <re2/re2.h>

#include "base/file.h"
#include "control/dump.h"
#include "control/options.h"
#include "control/outcome.h"
#include "control/sample_objects.h"
#include "source/files.h"

namespace sluice::control {
namespace {

using nlohmann::json;
using xds::ResourceType;
using namespace sample;  // NOLINT: its words are ours

constexpr ResourceType kTypes[] = {ResourceType::kCluster, ResourceType::kEndpoints, ResourceType::kSecret,
                                   ResourceType::kListener, ResourceType::kRoutes};

// ---- the order of objects ----------------------------------------------------------------------

const std::filesystem::path kCases = "../shared/parity/cases";

struct Case {
  std::string name;
  translate::Settings settings;
  std::vector<api::BoundObject> objects;
};

std::vector<Case> read_cases() {
  std::vector<Case> cases;
  for (const auto& entry : std::filesystem::directory_iterator(kCases)) {
    source::Batch batch;
    const auto source = source::read_files({entry.path() / "in.yaml"}, &batch);
    // Most of the options are those of the program that recorded the case. It has a part of an EnvoyProxy
    // where sluice has true or false.
    const std::string file = entry.path() / "options.yaml";
    std::string text = read_file(file).value_or("");
    re2::RE2::GlobalReplace(&text, R"((?m)^mergeBackends:\n(?: .*\n)+)", "mergeBackends: true\n");
    const ReadOptions options = read_options(std::move(text), file);
    if (!options.settings) {
      ADD_FAILURE() << entry.path() << ": " << options.problems.front().message;
      continue;
    }
    cases.push_back({entry.path().filename(), *options.settings, std::move(batch.upserted)});
  }
  std::ranges::sort(cases, {}, &Case::name);
  return cases;
}

void expect_versions_of_content(const Pipeline& pipeline) {
  for (const ResourceType type : kTypes) {
    pipeline.resources(type).for_each([](const translate::XdsKey& key, const Rendered& resource) {
      EXPECT_EQ(resource.version, xds::content_hash(*resource.bytes)) << key.name;
    });
  }
}

// Feeds the objects one by one, in any order, and commits, deletes, adds again and replaces on the way.
class Wanderer {
 public:
  // `others`: objects of the same keys with other content.
  Wanderer(const Case& of, const std::map<ObjectKey, std::vector<const api::BoundObject*>>& others,
           unsigned seed)
      : case_(of), others_(others), random_(seed), pipeline_(of.settings) {}

  const Pipeline& wander() {
    std::vector<const api::BoundObject*> left;
    for (const api::BoundObject& object : case_.objects) left.push_back(&object);
    std::vector<const api::BoundObject*> fed;
    std::ranges::shuffle(left, random_);
    // Each object goes back at most so often that this ends.
    std::size_t detours = case_.objects.size();
    while (!left.empty()) {
      const api::BoundObject* object = left.back();
      left.pop_back();
      if (one_in(6)) feed_another(*object);
      pipeline_.upsert(*object);
      fed.push_back(object);
      if (one_in(3)) pipeline_.commit();
      if (detours > 0 && one_in(4)) {
        --detours;
        std::swap(fed[pick(fed.size())], fed.back());
        const api::BoundObject* gone = fed.back();
        fed.pop_back();
        pipeline_.erase(gone->key);
        left.insert(left.begin() + static_cast<std::ptrdiff_t>(pick(left.size() + 1)), gone);
        if (one_in(2)) pipeline_.commit();
      }
    }
    pipeline_.commit();
    return pipeline_;
  }

 private:
  std::size_t pick(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
  bool one_in(std::size_t n) { return pick(n) == 0; }

  void feed_another(const api::BoundObject& object) {
    const auto& versions = others_.at(object.key);
    pipeline_.upsert(*versions[pick(versions.size())]);
    if (one_in(2)) pipeline_.commit();
  }

  const Case& case_;
  const std::map<ObjectKey, std::vector<const api::BoundObject*>>& others_;
  std::mt19937 random_;
  Pipeline pipeline_;
};

TEST(Pipeline, TheOrderOfObjectsNeverMatters) {
  if (!std::filesystem::exists(kCases)) {
    std::puts("pipeline_test: no ../shared/parity here, orders are not compared");
    return;
  }
  constexpr unsigned kSeeds = 5;
  const std::vector<Case> cases = read_cases();
  // The cases name their objects alike, so that each has other versions of another's.
  std::map<ObjectKey, std::vector<const api::BoundObject*>> versions;
  for (const Case& one : cases) {
    for (const api::BoundObject& object : one.objects) versions[object.key].push_back(&object);
  }
  std::size_t resources = 0;
  for (const Case& one : cases) {
    Pipeline fresh(one.settings);
    for (const api::BoundObject& object : one.objects) fresh.upsert(object);
    fresh.commit();
    expect_versions_of_content(fresh);
    const auto expected = outcome(fresh);
    resources += expected.size();
    for (unsigned seed = 1; seed <= kSeeds; ++seed) {
      Wanderer wanderer(one, versions, seed);
      const Pipeline& pipeline = wanderer.wander();
      expect_versions_of_content(pipeline);
      const auto wandered = outcome(pipeline);
      if (wandered == expected) continue;
      for (const auto& [name, text] : expected) {
        const auto found = wandered.find(name);
        EXPECT_TRUE(found != wandered.end() && found->second == text)
            << one.name << ", seed " << seed << ": " << name << "\n"
            << text << "\nis\n"
            << (found == wandered.end() ? "absent" : found->second);
      }
      for (const auto& [name, text] : wandered) {
        EXPECT_TRUE(expected.contains(name)) << one.name << ", seed " << seed << ": " << name << " is left";
      }
    }
  }
  EXPECT_GT(cases.size(), 500U);
  EXPECT_GT(resources, 4'000U);
}

// ---- objects made here -------------------------------------------------------------------------

void feed_service(Pipeline& pipeline, const std::string& name) {
  pipeline.upsert(service(name));
  pipeline.upsert(slice(name, {"10.1.0.1"}));
}

// The one route table, in protobuf JSON.
json route_table(const Pipeline& pipeline) {
  const RenderedTable& tables = pipeline.resources(ResourceType::kRoutes);
  EXPECT_EQ(tables.size(), 1U);
  const auto keys = tables.sorted_keys();
  return keys.empty() ? json()
                      : json::parse(xds::to_json(ResourceType::kRoutes, *tables.get(keys[0])->bytes));
}

// By host: what the routes do, in their order: "/a 500", "/a" with the clusters after it.
std::map<std::string, std::vector<std::string>> hosts(const Pipeline& pipeline) {
  std::map<std::string, std::vector<std::string>> hosts;
  const json table = route_table(pipeline);
  for (const json& host : table.value("virtualHosts", json::array())) {
    std::vector<std::string> routes;
    for (const json& route : host.value("routes", json::array())) {
      const json& match = route["match"];
      std::string text = match.contains("pathSeparatedPrefix")
                             ? match["pathSeparatedPrefix"].get<std::string>()
                             : match.value("prefix", "?");
      if (route.contains("directResponse")) {
        text += fmt::format(" {}", route["directResponse"]["status"].get<int>());
      } else {
        const json& to = route["route"];
        if (to.contains("cluster")) text += " " + to["cluster"].get<std::string>();
        for (const json& part :
             to.value("weightedClusters", json::object()).value("clusters", json::array())) {
          text += fmt::format(" {}={}", part["name"].get<std::string>(), part.value("weight", 0));
        }
      }
      routes.push_back(std::move(text));
    }
    for (const json& domain : host["domains"]) hosts[domain.get<std::string>()] = routes;
  }
  return hosts;
}

std::set<std::string> names_of(const RenderedTable& table) {
  std::set<std::string> names;
  table.for_each([&names](const translate::XdsKey& key, const Rendered&) { names.insert(key.name); });
  return names;
}

// The condition of a route for its only parent, or null.
const translate::Condition* condition(const Pipeline& pipeline, const std::string& route,
                                      std::string_view type) {
  for (const KindStatuses& kind : pipeline.statuses()) {
    if (kind.kind != api::kind_of<api::HTTPRoute>()) continue;
    const translate::ObjectStatus* status = kind.table.get({"default", route});
    if (status == nullptr || status->parents.size() != 1) return nullptr;
    const auto& conditions = status->parents[0].second;
    const auto at = std::ranges::find(conditions, Interned(type), &translate::Condition::type);
    return at == conditions.end() ? nullptr : &*at;
  }
  return nullptr;
}

// ---- what an edit runs -------------------------------------------------------------------------

// Ten thousand routes with a host, a Service and an EndpointSlice each.
class AmongTenThousand : public testing::Test {
 protected:
  static constexpr int kRoutes = 10'000;

  static api::BoundObject route(int i, const std::string& prefix) {
    return bound(fmt::format("r{}", i),
                 http_route({fmt::format("h{}.example.com", i)},
                            {rule(prefix, {{fmt::format("s{}", i)}}), rule("/", {{fmt::format("s{}", i)}})}));
  }

  void SetUp() override {
    pipeline_.upsert(gateway());
    for (int i = 0; i < kRoutes; ++i) {
      pipeline_.upsert(route(i, "/api"));
      feed_service(pipeline_, fmt::format("s{}", i));
    }
    const flow::CommitStats first = pipeline_.commit();
    ASSERT_EQ(first.of("http routes").runs, static_cast<unsigned>(kRoutes));
    ASSERT_EQ(pipeline_.resources(ResourceType::kCluster).size(), static_cast<std::size_t>(kRoutes));
  }

  // The stages that ran, with how often.
  static std::map<std::string_view, unsigned> runs(const flow::CommitStats& stats) {
    std::map<std::string_view, unsigned> runs;
    for (const flow::StageStats& stage : stats.stages) {
      if (stage.runs > 0) runs[stage.name] = stage.runs;
    }
    return runs;
  }

  std::size_t changes(ResourceType type) const { return pipeline_.resources(type).changes().size(); }

  Pipeline pipeline_{settings()};
};

using Runs = std::map<std::string_view, unsigned>;

TEST_F(AmongTenThousand, AnEditRunsWhatItConcernsAndNoMore) {
  pipeline_.upsert(route(4'711, "/next"));
  EXPECT_EQ(runs(pipeline_.commit()), (Runs{{"http routes", 1},
                                            {"labels of HTTPRoutes", 1},
                                            {"hosts", 1},
                                            {"lost matches", 1},
                                            {"route tables", 1},
                                            {"clusters of routes", 1},
                                            {"secrets of routes", 1},
                                            {"statuses of gateways", 1},
                                            {"statuses of gateways", 1},
                                            {"statuses of http routes", 1}}))
      << "a route";
  EXPECT_EQ(changes(ResourceType::kRoutes), 1U);
  EXPECT_EQ(changes(ResourceType::kCluster) + changes(ResourceType::kEndpoints), 0U);

  pipeline_.upsert(slice("s4711", {"10.1.0.2"}));
  EXPECT_EQ(runs(pipeline_.commit()), (Runs{{"endpoints of services", 1},
                                            {"readiness of services", 1},
                                            {"problems of slices", 1},
                                            {"endpoints", 1}}))
      << "an EndpointSlice";
  EXPECT_EQ(changes(ResourceType::kEndpoints), 1U);

  pipeline_.upsert(slice("s4711", {"10.1.0.2"}));
  EXPECT_EQ(pipeline_.commit().runs, 0U) << "nothing";

  // A label of a Service is nothing that anyone reads.
  api::BoundObject labelled = service("s4711");
  api::Service with_label = *std::get<std::shared_ptr<const api::Service>>(labelled.object);
  with_label.metadata.labels["team"] = "a";
  pipeline_.upsert(bound("s4711", std::move(with_label)));
  EXPECT_EQ(runs(pipeline_.commit()), (Runs{{"own services", 1}, {"names of Services", 1}}))
      << "a Service's label";

  // The last endpoint goes: the route is told, and it alone.
  pipeline_.erase(slice("s4711", {""}).key);
  const flow::CommitStats gone = pipeline_.commit();
  EXPECT_EQ(gone.of("http routes").runs, 1U) << "a Service's last endpoint";
  EXPECT_EQ(gone.of("hosts").runs, 1U) << "a Service's last endpoint";
  EXPECT_EQ(changes(ResourceType::kListener), 0U) << "a Service's last endpoint";

  pipeline_.erase(route(1, "").key);
  const flow::CommitStats removed = pipeline_.commit();
  EXPECT_EQ(removed.of("route tables").runs, 1U) << "a route removed";
  EXPECT_EQ(removed.of("hosts").runs, 0U) << "a route removed";
  EXPECT_EQ(changes(ResourceType::kCluster), 1U) << "a route removed";
  EXPECT_EQ(changes(ResourceType::kEndpoints), 1U) << "a route removed";
}

// ---- refusals ----------------------------------------------------------------------------------

class Refused : public testing::Test {
 protected:
  Refused() {
    pipeline_.upsert(gateway());
    feed_service(pipeline_, "blue");
    feed_service(pipeline_, "green");
    feed_route({rule("/", {{"blue"}})});
    pipeline_.upsert(bound("other", http_route({"other.example.com"}, {rule("/", {{"blue"}})})));
    pipeline_.commit();
    good_ = pipeline_.object(kKey);
    before_ = hosts(pipeline_);
  }

  void feed_route(std::vector<api::HTTPRouteRule> rules) {
    pipeline_.upsert(bound("web", http_route({"web.example.com"}, std::move(rules))));
  }

  void refuse(std::optional<api::Object> last_good) {
    pipeline_.commit();  // what is refused has been served
    pipeline_.commit();
    pipeline_.refuse(kKey, std::make_shared<const Refusal>(Refusal{.refused = *pipeline_.object(kKey),
                                                                   .last_good = std::move(last_good),
                                                                   .message = "no such thing as %NOPE%"}));
    pipeline_.commit();
  }

  std::vector<std::string> served() { return hosts(pipeline_)["web.example.com"]; }

  const ObjectKey kKey{.kind = api::kind_of<api::HTTPRoute>(), .name = {"default", "web"}};
  Pipeline pipeline_{settings()};
  std::optional<api::Object> good_;
  std::map<std::string, std::vector<std::string>> before_;
};

TEST_F(Refused, TheLastGoodVersionIsServed) {
  feed_route({rule("/next", {{"green"}})});
  pipeline_.commit();
  ASSERT_NE(hosts(pipeline_), before_);
  refuse(good_);
  EXPECT_EQ(hosts(pipeline_), before_);
  EXPECT_EQ(names_of(pipeline_.resources(ResourceType::kCluster)).size(), 1U);

  const translate::Condition* partially = condition(pipeline_, "web", "PartiallyInvalid");
  ASSERT_NE(partially, nullptr);
  EXPECT_TRUE(partially->status);
  EXPECT_NE(partially->message.find("no such thing as %NOPE%"), std::string::npos) << partially->message;
  ASSERT_NE(condition(pipeline_, "web", "Accepted"), nullptr);
  EXPECT_TRUE(condition(pipeline_, "web", "Accepted")->status);
  EXPECT_EQ(condition(pipeline_, "other", "PartiallyInvalid"), nullptr);

  const auto problems = pipeline_.problems();
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].code, "value/rejected");
  EXPECT_EQ(problems[0].object.to_string(), "HTTPRoute default/web");
}

TEST_F(Refused, WhatIsWrongIsToldOfTheTextThatIsThere) {
  feed_route({rule("/", {{"blue"}}), rule("/old", {{"long-gone"}})});
  pipeline_.commit();
  good_ = pipeline_.object(kKey);
  feed_route({rule("/next", {{"green"}}), rule("/new", {{"not-there"}})});
  refuse(good_);
  std::string all;
  for (const Problem& problem : pipeline_.problems()) all += problem.code + ": " + problem.message + "\n";
  EXPECT_EQ(all,
            "reference/not-found: there is no Service default/not-there\n"
            "value/rejected: the proxy rejected it: no such thing as %NOPE%\n");
}

TEST_F(Refused, WithoutAGoodVersionItIs500) {
  feed_route({rule("/", {{"green"}}), rule("/next", {{"blue"}})});
  refuse(std::nullopt);
  EXPECT_EQ(served(), (std::vector<std::string>{"/next 500", "/ 500"}));
  EXPECT_EQ(hosts(pipeline_)["other.example.com"], before_["other.example.com"]);
  EXPECT_EQ(names_of(pipeline_.resources(ResourceType::kCluster)).size(), 1U);

  const translate::Condition* accepted = condition(pipeline_, "web", "Accepted");
  ASSERT_NE(accepted, nullptr);
  EXPECT_FALSE(accepted->status);
  EXPECT_NE(accepted->message.find("no such thing as %NOPE%"), std::string::npos) << accepted->message;
}

TEST_F(Refused, AnotherVersionIsTriedAgain) {
  feed_route({rule("/next", {{"green"}})});
  refuse(good_);
  feed_route({rule("/after", {{"green"}})});
  pipeline_.commit();
  ASSERT_EQ(served().size(), 1U);
  EXPECT_TRUE(served()[0].starts_with("/after ")) << served()[0];
  EXPECT_EQ(condition(pipeline_, "web", "PartiallyInvalid"), nullptr);
  EXPECT_TRUE(pipeline_.problems().empty());
  // And the one that was refused is refused again without asking anybody.
  feed_route({rule("/next", {{"green"}})});
  pipeline_.commit();
  EXPECT_EQ(hosts(pipeline_), before_);
}

TEST_F(Refused, WhatIsTakenBackIsServed) {
  feed_route({rule("/next", {{"green"}})});
  refuse(good_);
  pipeline_.refuse(kKey, nullptr);
  pipeline_.commit();
  EXPECT_TRUE(served()[0].starts_with("/next ")) << served()[0];
}

TEST_F(Refused, TheLastGoodVersionFollowsItsServices) {
  feed_route({rule("/next", {{"green"}})});
  refuse(good_);
  pipeline_.erase(service("blue").key);
  pipeline_.commit();
  EXPECT_EQ(served(), std::vector<std::string>{"/ 500"});
}

// ---- clusters ----------------------------------------------------------------------------------

TEST(Pipeline, ClusterNamesDependOnNeitherWeightsNorPlaces) {
  Pipeline pipeline(settings());
  pipeline.upsert(gateway());
  for (const char* name : {"blue", "green", "red"}) feed_service(pipeline, name);
  const auto clusters_with = [&pipeline](std::vector<api::HTTPRouteRule> rules) {
    pipeline.upsert(bound("web", http_route({"web.example.com"}, std::move(rules))));
    pipeline.commit();
    return names_of(pipeline.resources(ResourceType::kCluster));
  };
  const auto first = clusters_with({rule("/a", {{"blue", 1}, {"green", 9}}), rule("/b", {{"red"}})});
  EXPECT_EQ(first.size(), 3U);
  const auto untouched = [&](const char* what) {
    EXPECT_TRUE(pipeline.resources(ResourceType::kCluster).changes().empty()) << what;
    EXPECT_TRUE(pipeline.resources(ResourceType::kEndpoints).changes().empty()) << what;
  };
  EXPECT_EQ(clusters_with({rule("/a", {{"blue", 5}, {"green", 5}}), rule("/b", {{"red"}})}), first);
  untouched("weights");
  EXPECT_EQ(clusters_with({rule("/a", {{"green", 5}, {"blue", 5}}), rule("/b", {{"red"}})}), first);
  untouched("backendRefs exchanged");
  EXPECT_EQ(clusters_with({rule("/b", {{"red"}}), rule("/a", {{"blue", 5}, {"green", 5}})}), first);
  untouched("rules exchanged");
  EXPECT_EQ(clusters_with({rule("/0", {{"red"}}), rule("/b", {{"red"}}), rule("/a", {{"blue"}, {"green"}})}),
            first);
  untouched("a rule before them");
}

TEST(Pipeline, RulesAndRoutesShareTheClusterOfAService) {
  Pipeline pipeline(settings());
  pipeline.upsert(gateway());
  feed_service(pipeline, "blue");
  pipeline.upsert(
      bound("web", http_route({"a.example.com"}, {rule("/a", {{"blue"}}), rule("/b", {{"blue"}})})));
  pipeline.upsert(bound("shop", http_route({"b.example.com"}, {rule("/", {{"blue"}})})));
  pipeline.commit();
  EXPECT_EQ(pipeline.resources(ResourceType::kCluster).size(), 1U);
  EXPECT_EQ(pipeline.resources(ResourceType::kEndpoints).size(), 1U);
  // It stays for as long as somebody needs it.
  pipeline.erase({.kind = api::kind_of<api::HTTPRoute>(), .name = {"default", "shop"}});
  pipeline.commit();
  EXPECT_TRUE(pipeline.resources(ResourceType::kCluster).changes().empty());
  pipeline.erase({.kind = api::kind_of<api::HTTPRoute>(), .name = {"default", "web"}});
  pipeline.commit();
  EXPECT_EQ(pipeline.resources(ResourceType::kCluster).size(), 0U);
  EXPECT_EQ(pipeline.resources(ResourceType::kEndpoints).size(), 0U);
}

// The weights of a cluster's localities, by their regions.
std::map<std::string, int> localities(const Pipeline& pipeline, const std::string& cluster) {
  std::map<std::string, int> weights;
  const Rendered* endpoints = pipeline.resources(ResourceType::kEndpoints).get({"default/gateway", cluster});
  if (endpoints == nullptr) return weights;
  const json made = json::parse(xds::to_json(ResourceType::kEndpoints, *endpoints->bytes));
  for (const json& locality : made["endpoints"]) {
    weights[locality["locality"]["region"]] = locality["loadBalancingWeight"];
  }
  return weights;
}

TEST(Pipeline, ASessionOverSeveralBackendsHasOneCluster) {
  Pipeline pipeline(settings());
  pipeline.upsert(gateway());
  for (const char* name : {"blue", "green"}) feed_service(pipeline, name);
  const auto feed = [&pipeline](std::vector<To> backends, std::vector<api::HTTPRouteRule> before = {}) {
    api::HTTPRouteRule with_session = rule("/", backends);
    with_session.session_persistence.emplace();
    before.push_back(std::move(with_session));
    pipeline.upsert(bound("web", http_route({"web.example.com"}, std::move(before))));
    pipeline.commit();
    return names_of(pipeline.resources(ResourceType::kCluster));
  };
  const auto first = feed({{"blue", 1}, {"green", 9}});
  ASSERT_EQ(first.size(), 1U);
  const std::string cluster = *first.begin();
  EXPECT_TRUE(cluster.starts_with("session/default/web/")) << cluster;
  EXPECT_EQ(localities(pipeline, cluster),
            (std::map<std::string, int>{{"service/default/blue:80", 1}, {"service/default/green:80", 9}}));
  // Weights are those of localities: not even the cluster changes.
  EXPECT_EQ(feed({{"green", 5}, {"blue", 5}}), first);
  EXPECT_TRUE(pipeline.resources(ResourceType::kCluster).changes().empty());
  EXPECT_EQ(localities(pipeline, cluster),
            (std::map<std::string, int>{{"service/default/blue:80", 5}, {"service/default/green:80", 5}}));
  // Nor does its place matter.
  EXPECT_TRUE(feed({{"green", 5}, {"blue", 5}}, {rule("/a", {})}).contains(cluster));
  // Its endpoints are those of its Services.
  pipeline.erase(slice("blue", {""}).key);
  pipeline.commit();
  EXPECT_EQ(localities(pipeline, cluster), (std::map<std::string, int>{{"service/default/green:80", 5}}));
  // One backend needs no cluster of its own.
  EXPECT_EQ(feed({{"blue"}}), std::set<std::string>{"service/default/blue:80"});
}

TEST(Pipeline, FiltersAreWhereARouteNeedsThem) {
  Pipeline pipeline(settings());
  pipeline.upsert(gateway());
  feed_service(pipeline, "blue");
  pipeline.upsert(bound("web", http_route({"web.example.com"}, {rule("/", {{"blue"}})})));
  pipeline.commit();
  const RenderedTable& listeners = pipeline.resources(ResourceType::kListener);
  const std::string without = *listeners.get(listeners.sorted_keys().front())->bytes;
  EXPECT_EQ(without.find("grpc_web"), std::string::npos);

  api::GRPCRoute calls;
  calls.spec.parent_refs.resize(1);
  calls.spec.parent_refs[0].name = "gateway";
  calls.spec.rules.resize(1);
  calls.spec.rules[0].backend_refs = rule("", {{"blue"}}).backend_refs;
  pipeline.upsert(bound("calls", calls));
  pipeline.commit();
  EXPECT_NE(listeners.get(listeners.sorted_keys().front())->bytes->find("grpc_web"), std::string::npos);
  EXPECT_EQ(names_of(pipeline.resources(ResourceType::kCluster)),
            (std::set<std::string>{"service/default/blue:80", "service/default/blue:80/http2"}));

  // Another one changes no listener.
  pipeline.upsert(bound("more", calls));
  EXPECT_EQ(pipeline.commit().of("listeners").runs, 0U);
  pipeline.erase({.kind = api::kind_of<api::GRPCRoute>(), .name = {"default", "calls"}});
  pipeline.erase({.kind = api::kind_of<api::GRPCRoute>(), .name = {"default", "more"}});
  pipeline.commit();
  EXPECT_EQ(*listeners.get(listeners.sorted_keys().front())->bytes, without);
}

// A route table waits for the clusters that it names: the cluster is named though nothing is sent there yet.
TEST(Pipeline, WhereNobodyIsReadyTheProxyAnswersAtOnce) {
  Pipeline pipeline(settings());
  pipeline.upsert(gateway());
  feed_service(pipeline, "green");
  pipeline.upsert(service("blue"));
  const auto commit = [&](std::vector<api::HTTPRouteRule> rules) {
    pipeline.upsert(bound("web", http_route({"web.example.com"}, std::move(rules))));
    pipeline.commit();
    const RenderedTable& tables = pipeline.resources(ResourceType::kRoutes);
    const Rendered& table = *tables.get(tables.sorted_keys().front());
    EXPECT_EQ(table.names->clusters.front(), "service/default/blue:80");
    const json made = json::parse(xds::to_json(ResourceType::kRoutes, *table.bytes));
    const json route = made["virtualHosts"][0]["routes"][0];
    return route.contains("route") ? 0 : route["directResponse"]["status"].get<int>();
  };
  EXPECT_EQ(commit({rule("/", {{"blue"}})}), 503);
  EXPECT_EQ(names_of(pipeline.resources(ResourceType::kCluster)),
            std::set<std::string>{"service/default/blue:80"});
  EXPECT_EQ(commit({rule("/", {{"blue"}, {"green"}})}), 0) << "somebody is";
  EXPECT_EQ(commit({rule("/", {{"blue"}, {"gone"}})}), 0) << "the share of what does not exist is 500";
  pipeline.upsert(slice("blue", {"10.1.0.9"}));
  EXPECT_EQ(commit({rule("/", {{"blue"}})}), 0);
}

// Its condition is Envoy Gateway's, and does not look like bad news.
TEST(Pipeline, OfABackendThatIsNotAcceptedThereIsAProblem) {
  translate::Settings with = settings();
  with.on_host = false;
  Pipeline pipeline(with);
  api::Backend backend;
  backend.spec.endpoints.resize(2);
  backend.spec.endpoints[0].ip = api::HostPort{.host = "10.9.0.1", .port = 80};
  backend.spec.endpoints[1].ip = api::HostPort{.host = "127.0.0.1", .port = 80};
  pipeline.upsert(bound("me", std::move(backend)));
  pipeline.commit();
  ASSERT_EQ(pipeline.problems().size(), 1U);
  EXPECT_EQ(pipeline.problems()[0].code, "value/address");
  EXPECT_EQ(pipeline.problems()[0].path, "spec.endpoints[1]");
  for (const KindStatuses& of : pipeline.statuses()) {
    if (of.kind != api::kind_of<api::Backend>()) continue;
    const translate::Condition& condition = of.table.get({"default", "me"})->conditions.at(0);
    EXPECT_EQ(condition.type, "Invalid");
    EXPECT_FALSE(condition.status);
    EXPECT_EQ(condition.reason, "Accepted");
  }
}

// In a cluster a namespace is an object like others; on a host it is there with what is in it.
TEST(Pipeline, InAClusterARouteNeedsItsNamespace) {
  for (const bool on_host : {true, false}) {
    translate::Settings with = settings();
    with.on_host = on_host;
    Pipeline pipeline(with);
    pipeline.upsert(gateway());
    feed_service(pipeline, "blue");
    pipeline.upsert(bound("web", http_route({}, {rule("/", {{"blue"}})})));
    const auto accepted = [&] {
      pipeline.commit();
      const translate::ParentStatus& parent =
          pipeline.routes().get({api::kind_of<api::HTTPRoute>(), {"default", "web"}})->parents.front();
      return translate::find_condition(parent.conditions, "Accepted")->reason;
    };
    EXPECT_EQ(accepted(), on_host ? "Accepted" : "NotAllowedByListeners");
    EXPECT_EQ(pipeline.problems().size(), on_host ? 0U : 1U);
    api::Namespace object;
    object.metadata.name = "default";
    pipeline.upsert({.key = {.kind = api::kind_of<api::Namespace>(), .name = {"", "default"}},
                     .api_version = "",
                     .object = std::make_shared<const api::Namespace>(std::move(object))});
    EXPECT_EQ(accepted(), "Accepted");
  }
}

// ---- listener isolation ------------------------------------------------------------------------

// What answers a request for this host: the narrowest of the virtual hosts.
std::vector<std::string> answer(const std::map<std::string, std::vector<std::string>>& hosts,
                                const std::string& host) {
  if (const auto exact = hosts.find(host); exact != hosts.end()) return exact->second;
  for (std::size_t dot = host.find('.'); dot != std::string::npos; dot = host.find('.', dot + 1)) {
    if (const auto wild = hosts.find("*" + host.substr(dot)); wild != hosts.end()) return wild->second;
  }
  const auto all = hosts.find("*");
  return all == hosts.end() ? std::vector<std::string>() : all->second;
}

class Listeners : public testing::Test {
 protected:
  Listeners() {
    pipeline_.upsert(gateway({"", "*.example.com", "*.foo.example.com", "abc.foo.example.com"}));
    feed_service(pipeline_, "blue");
  }

  // A route on one listener (l0 is the widest), for every host of it.
  void attach(int listener) {
    api::HTTPRoute route = http_route({}, {rule(fmt::format("/l{}", listener), {{"blue"}})});
    route.spec.parent_refs[0].section_name = fmt::format("l{}", listener);
    pipeline_.upsert(bound(fmt::format("r{}", listener), std::move(route)));
  }

  // The listeners whose routes answer for the host: "0" or "12", empty for a 404.
  std::string listeners_of(const std::string& host) {
    std::string found;
    for (const std::string& route : answer(hosts(pipeline_), host)) found += route.substr(2, 1);
    return found;
  }

  Pipeline pipeline_{settings()};
};

TEST_F(Listeners, EachAnswersForItsHostsOnly) {
  for (int i = 0; i < 4; ++i) attach(i);
  pipeline_.commit();
  EXPECT_EQ(listeners_of("other.org"), "0");
  EXPECT_EQ(listeners_of("bar.example.com"), "1");
  EXPECT_EQ(listeners_of("bar.foo.example.com"), "2");
  EXPECT_EQ(listeners_of("abc.foo.example.com"), "3");
}

TEST_F(Listeners, ARequestForANarrowerOneDoesNotFallThrough) {
  attach(0);
  pipeline_.commit();
  EXPECT_EQ(listeners_of("other.org"), "0");
  for (const char* host : {"bar.example.com", "bar.foo.example.com", "abc.foo.example.com"}) {
    EXPECT_EQ(listeners_of(host), "") << host;
  }
  attach(2);
  pipeline_.commit();
  EXPECT_EQ(listeners_of("bar.foo.example.com"), "2");
  EXPECT_EQ(listeners_of("abc.foo.example.com"), "");
  EXPECT_EQ(listeners_of("bar.example.com"), "");
  // What a listener claims it claims for as long as it is there.
  pipeline_.upsert(gateway({"", "*.example.com"}));
  pipeline_.commit();
  EXPECT_EQ(listeners_of("bar.foo.example.com"), "");
  pipeline_.upsert(gateway({""}));
  pipeline_.commit();
  EXPECT_EQ(listeners_of("bar.foo.example.com"), "0");
}

TEST_F(Listeners, ARoutesHostnameGoesToTheNarrowestOnly) {
  // One route for all listeners that names a host of the narrowest.
  pipeline_.upsert(bound("all", http_route({"abc.foo.example.com"}, {rule("/l9", {{"blue"}})})));
  attach(0);
  pipeline_.commit();
  EXPECT_EQ(listeners_of("abc.foo.example.com"), "9");
  EXPECT_EQ(listeners_of("bar.foo.example.com"), "");
  const auto all = hosts(pipeline_);
  EXPECT_EQ(std::ranges::count_if(all, [](const auto& host) { return !host.second.empty(); }), 2);
}

// ---- names that lead nowhere ---------------------------------------------------------------------

class Suggestions : public testing::Test {
 protected:
  Suggestions() {
    pipeline_.upsert(gateway());
    feed_service(pipeline_, "carts");
    pipeline_.upsert(bound("good", http_route({"good.example.com"}, {rule("/", {{"carts"}})})));
    pipeline_.upsert(bound("web", http_route({"web.example.com"}, {rule("/", {{"cart"}})})));
    pipeline_.commit();
  }

  std::string suggestion() const {
    std::vector<Problem> problems = pipeline_.problems();
    std::erase_if(problems, [](const Problem& problem) { return problem.severity == Severity::kWarning; });
    return problems.size() == 1 ? problems[0].message + ": " + problems[0].suggestion
                                : fmt::format("{} problems", problems.size());
  }

  Pipeline pipeline_{settings()};
};

TEST_F(Suggestions, AreNamesThatExist) {
  EXPECT_EQ(suggestion(), "there is no Service default/cart: did you mean `carts`?");
  pipeline_.erase(service("carts").key);
  pipeline_.erase(bound("good", http_route({}, {})).key);
  api::BoundObject elsewhere = service("cart");
  api::Service moved = *std::get<std::shared_ptr<const api::Service>>(elsewhere.object);
  moved.metadata.namespace_ = "shop";
  elsewhere.key.name.namespace_ = "shop";
  elsewhere.object = std::make_shared<const api::Service>(moved);
  pipeline_.upsert(elsewhere);
  pipeline_.commit();
  EXPECT_EQ(suggestion(), "there is no Service default/cart: there is one in namespace `shop`");
}

TEST_F(Suggestions, OfThousandsAreThoseThatBeginAlike) {
  for (int i = 0; i < 1'500; ++i) feed_service(pipeline_, fmt::format("a-service-{:04}", i));
  for (int i = 0; i < 1'500; ++i) feed_service(pipeline_, fmt::format("the-service-{:04}", i));
  pipeline_.commit();
  EXPECT_EQ(suggestion(), "there is no Service default/cart: did you mean `carts`?");
}

TEST_F(Suggestions, RunAgainOnlyWhereANameIsMissing) {
  feed_service(pipeline_, "card");
  EXPECT_EQ(pipeline_.commit().of("http routes").runs, 1U) << "a name beside the missing one";
  api::Service labelled = *std::get<std::shared_ptr<const api::Service>>(service("carts").object);
  labelled.metadata.labels["team"] = "a";
  pipeline_.upsert(bound("carts", std::move(labelled)));
  EXPECT_EQ(pipeline_.commit().of("http routes").runs, 0U) << "what the objects are";
  pipeline_.upsert(bound("web", http_route({"web.example.com"}, {rule("/", {{"carts"}})})));
  pipeline_.commit();
  EXPECT_EQ(suggestion(), "0 problems");
  feed_service(pipeline_, "carton");
  EXPECT_EQ(pipeline_.commit().of("http routes").runs, 0U) << "a name, with none missing";
}

// ---- TLS to backends -----------------------------------------------------------------------------

constexpr std::string_view kCaA =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBcDCCARWgAwIBAgIUTEeZDThvoiET9K3QSL3/ZVbzxzUwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBYTAgFw0yNjExMjUyMjIwMDBaGA8yMTI2MTEwMTIyMjAwMFow\n"
    "DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABC+/8/C+3UmP\n"
    "pD4v51T80Od4LUEiarUf1exFmhkD7Ov9hkDbT1AcEQIjFwjtRfH/eEFlbNw4D0IU\n"
    "RhRY9cEH/XCjUzBRMB0GA1UdDgQWBBQgAH0ReWU+uMNMcMORsqld1gf1TzAfBgNV\n"
    "HSMEGDAWgBQgAH0ReWU+uMNMcMORsqld1gf1TzAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0kAMEYCIQDsvhCjatibdbeBSxtf8Cw8JX8ajFMb9IePcdyQ5WJJ\n"
    "CQIhAKXrTOl1IMultbiDmDaQEalcnGbh6Y8H893Tq2pftXlE\n"
    "-----END CERTIFICATE-----\n";
constexpr std::string_view kCaB =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbzCCARWgAwIBAgIUHVfwT80OyqS5nDJJnDBr3oKcxNUwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBYjAgFw0yNjExMjUyMjIwMDBaGA8yMTI2MTEwMTIyMjAwMFow\n"
    "DDEKMAgGA1UEAwwBYjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPn85lEOln/u\n"
    "lxG5RHFeGUvulYwzH4T+DT13NdgHJ2a29kjlYyIJ37z+QWMEbmbnKq78ZtqikFzU\n"
    "O9hm+LNQ/ZujUzBRMB0GA1UdDgQWBBR4yogxk2n/OoXL1JtnyA65nfKL9TAfBgNV\n"
    "HSMEGDAWgBR4yogxk2n/OoXL1JtnyA65nfKL9TAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0gAMEUCIEMpbeMlz91V3+m9EmNmCirxvpq4Q9a/ZR6V5bDjmpn4\n"
    "AiEA140Lehv14blWnM+GYVEiy4n8jNjmsCc00HWBXNpxb7Q=\n"
    "-----END CERTIFICATE-----\n";

class BackendTls : public testing::Test {
 protected:
  BackendTls() {
    pipeline_.upsert(gateway());
    feed_service(pipeline_, "web");
    pipeline_.upsert(bound("web", http_route({"web.example.com"}, {rule("/", {{"web"}})})));
    feed_ca(kCaA);
    feed_policy("first", "2020-01-01T00:00:00Z");
    pipeline_.commit();
  }

  void feed_ca(std::string_view pem) {
    api::ConfigMap map;
    map.data["ca.crt"] = pem;
    pipeline_.upsert(bound("ca", std::move(map)));
  }

  void feed_policy(const std::string& name, const std::string& created) {
    api::BackendTLSPolicy policy;
    policy.metadata.creation_timestamp = created;
    policy.spec.target_refs = {{.group = "", .kind = "Service", .name = "web", .section_name = {}}};
    policy.spec.validation.hostname = "web.internal";
    policy.spec.validation.ca_certificate_refs = {{.group = "", .kind = "ConfigMap", .name = "ca"}};
    pipeline_.upsert(bound(name, std::move(policy)));
  }

  std::string cluster() const {
    const auto names = names_of(pipeline_.resources(ResourceType::kCluster));
    return names.size() == 1 ? *names.begin() : fmt::format("{} clusters", names.size());
  }

  Pipeline pipeline_{settings()};
};

TEST_F(BackendTls, ARotatedCaIsOneSecretAndNothingElse) {
  const std::string before = cluster();
  EXPECT_TRUE(before.starts_with("service/default/web:80/tls-")) << before;
  EXPECT_EQ(names_of(pipeline_.resources(ResourceType::kSecret)),
            std::set<std::string>{"backend-ca/ConfigMap/default/ca"});
  feed_ca(kCaB);
  const flow::CommitStats stats = pipeline_.commit();
  EXPECT_EQ(stats.of("http routes").runs, 0U);
  EXPECT_EQ(pipeline_.resources(ResourceType::kSecret).changes().size(), 1U);
  EXPECT_TRUE(pipeline_.resources(ResourceType::kCluster).changes().empty());
  EXPECT_EQ(cluster(), before);
}

TEST_F(BackendTls, APolicyMakesAClusterOfItsOwnName) {
  const std::string with = cluster();
  pipeline_.erase({.kind = api::kind_of<api::BackendTLSPolicy>(), .name = {"default", "first"}});
  pipeline_.commit();
  EXPECT_EQ(cluster(), "service/default/web:80");
  feed_policy("first", "");
  pipeline_.commit();
  EXPECT_EQ(cluster(), with);
}

TEST_F(BackendTls, WithoutAnyCaNothingIsSent) {
  feed_ca("no certificate");
  pipeline_.commit();
  EXPECT_EQ(hosts(pipeline_)["web.example.com"], std::vector<std::string>{"/ 500"});
  EXPECT_EQ(condition(pipeline_, "web", "ResolvedRefs")->reason, "InvalidBackendTLS");
}

TEST_F(BackendTls, TheOldestPolicyCounts) {
  feed_policy("a", "");
  pipeline_.commit();
  const std::vector<Problem> problems = pipeline_.problems();
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].code, "conflict/policy");
  EXPECT_EQ(problems[0].object.name.name, "a");
  EXPECT_EQ(problems[0].path, "spec.targetRefs[0]");
  EXPECT_EQ(problems[0].message,
            "BackendTLSPolicy default/first has the same target and takes precedence: it is older");
  ASSERT_EQ(problems[0].also.size(), 1U);
  EXPECT_EQ(problems[0].also[0].object.name.name, "first");
  EXPECT_EQ(problems[0].also[0].path, "spec.targetRefs[0]");
}

// ---- fallbacks -----------------------------------------------------------------------------------

TEST(Fallback, IsOneClusterWithPriorities) {
  Pipeline pipeline(settings());
  pipeline.upsert(gateway());
  feed_service(pipeline, "web");
  api::Backend backend;
  backend.spec.fallback = true;
  backend.spec.endpoints.resize(1);
  backend.spec.endpoints[0].ip = api::HostPort{.host = "10.9.0.1", .port = 80};
  pipeline.upsert(bound("spare", std::move(backend)));
  const auto feed_route = [&](int weight) {
    api::HTTPRouteRule both = rule("/", {{"web", weight}});
    api::HTTPBackendRef& spare = both.backend_refs.emplace_back();
    spare.ref = {
        .group = "gateway.envoyproxy.io", .kind = "Backend", .name = "spare", .namespace_ = {}, .port = {}};
    pipeline.upsert(bound("web", http_route({"web.example.com"}, {both})));
    pipeline.commit();
  };
  feed_route(1);
  const auto clusters = names_of(pipeline.resources(ResourceType::kCluster));
  ASSERT_EQ(clusters.size(), 1U);
  EXPECT_TRUE(clusters.begin()->starts_with("fallback/default/web/")) << *clusters.begin();
  const auto endpoints = [&] {
    const RenderedTable& table = pipeline.resources(ResourceType::kEndpoints);
    const json made =
        json::parse(xds::to_json(ResourceType::kEndpoints, *table.get(table.sorted_keys().front())->bytes));
    std::string text;
    for (const json& group : made["endpoints"]) {
      const json& address = group["lbEndpoints"][0]["endpoint"]["address"]["socketAddress"]["address"];
      text += fmt::format("{} {}x{}; ", address.get<std::string>(), group.value("priority", 0),
                          group["loadBalancingWeight"].get<int>());
    }
    return text;
  };
  EXPECT_EQ(endpoints(), "10.9.0.1 1x1; 10.1.0.1 0x1; ");
  feed_route(5);
  EXPECT_EQ(names_of(pipeline.resources(ResourceType::kCluster)), clusters) << "weights name nothing";
  EXPECT_EQ(endpoints(), "10.9.0.1 1x1; 10.1.0.1 0x5; ");
  pipeline.erase(slice("web", {}).key);
  pipeline.commit();
  EXPECT_EQ(endpoints(), "10.9.0.1 1x1; ");
}

}  // namespace
}  // namespace sluice::control
