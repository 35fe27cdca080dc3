#include "observe/observer.h"

#include <algorithm>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "observe/state.h"

namespace sluice::observe {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

const GroupKind kRoute("gateway.networking.k8s.io", "HTTPRoute");

// A route of one rule: half of its requests go to a Service, half to nothing that is good.
std::shared_ptr<const translate::RouteResult> route_result() {
  ir::Forward forward;
  forward.clusters = {{.cluster = "service/default/web:80"}, {.cluster = ""}};
  forward.mirrors = {{.cluster = "service/default/copy:80"}};
  auto action = std::make_shared<ir::RouteAction>(ir::RouteAction{.action = forward});
  // What changes headers may be a token: it is nobody's business.
  action->request_headers = ir::HeaderChanges{.set = {{"authorization", "CANARY"}}};
  auto routes = std::make_shared<std::vector<ir::Route>>();
  routes->push_back(
      {.match = {.path = {.value = "/a"}, .method = "GET"}, .action = action, .rule_name = "first"});
  routes->push_back({.match = {.path = {.kind = ir::MatchKind::kExact, .value = "/b"},
                               .headers = {{"x-user", ir::MatchKind::kRegex, "j.*"}}},
                     .action = action,
                     .rule_name = "first"});
  auto redirect = std::make_shared<ir::RouteAction>(ir::RouteAction{.action = ir::Redirect{.status = 301}});
  routes->push_back({.match = {}, .action = redirect});
  translate::RouteResult result;
  result.contributions.emplace_back(translate::HostKey{"t", "a.example"},
                                    translate::Contribution{.routes = routes});
  result.clusters.emplace_back(translate::XdsKey{"default/eg", "service/default/web:80"},
                               std::make_shared<translate::ClusterRow>());
  return std::make_shared<const translate::RouteResult>(std::move(result));
}

std::shared_ptr<const Snapshot> snapshot() {
  auto all = std::make_shared<Snapshot>();
  all->commit = 7;
  all->controller_name = "c";
  translate::ObjectStatus status;
  status.parents.emplace_back(api::ParentReference{.kind = "Gateway", .name = "eg", .section_name = "http"},
                              translate::Conditions{{"Accepted", true, "Accepted", ""},
                                                    {"ResolvedRefs", false, "BackendNotFound", "no"}});
  all->statuses.push_back(
      {kRoute, {{{"default", "web"}, std::make_shared<const translate::ObjectStatus>(status)}}});
  all->routes.emplace_back(ObjectKey{kRoute, {"default", "web"}}, route_result());
  all->problems = std::make_shared<const std::vector<Problem>>(std::vector<Problem>{
      {.code = "reference/not-found", .message = "there is none", .suggestion = "make it"},
      {.code = "schema/enum", .where = {"a.yaml", 3, 4}, .message = "there is none"}});
  return all;
}

class ObserverTest : public testing::Test {
 protected:
  admin::Response ask(const std::string& path, const std::string& query = "", const std::string& etag = "") {
    std::optional<admin::Response> response;
    observer_.handlers().at(path)({path, query, etag},
                                  [&](const admin::Answer& answer) { response = answer(); });
    return response.value_or(admin::Response{.status = 0});
  }
  void make_ready() {
    observer_.committed(1, {}, 1us);
    observer_.added("default/eg", {80});
    observer_.happened({.proxy = "default/eg", .state = proxy::State::kReady, .pid = 3});
    observer_.happened(ads::Connected{"default/eg", "default/eg/0"}, Time());
    observer_.happened(ads::Acknowledged{"default/eg", "default/eg/0", 1}, Time());
  }

  std::vector<HealthWatch::Done> asked_;
  std::shared_ptr<Snapshot> given_;
  Observer observer_{{.snapshot = [this](const Observer::Take& take) { take(given_ ? given_ : snapshot()); },
                      .locate = [](Problem& problem) { problem.where = {"b.yaml", 1, 2}; },
                      .ask_envoy = [this](const ir::ProxyKey&,
                                          HealthWatch::Done done) { asked_.push_back(std::move(done)); }}};
};

// What others count comes when it comes, on whatever thread.
TEST(ObserverMetrics, WaitForWhatOthersCount) {
  Observer::Ways::More more;
  std::vector<ir::ProxyKey> asked;
  Observer observer{{.snapshot = [](const Observer::Take&) {},
                     .locate = [](Problem&) {},
                     .ask_envoy = [](const ir::ProxyKey&, const HealthWatch::Done&) {},
                     .more_metrics =
                         [&](const std::vector<ir::ProxyKey>& proxies, Observer::Ways::More done) {
                           asked = proxies;
                           more = std::move(done);
                         }}};
  observer.added("default/eg", {80});
  std::optional<admin::Response> response;
  observer.handlers().at("/metrics")({"/metrics", "", ""},
                                     [&](const admin::Answer& answer) { response = answer(); });
  EXPECT_EQ(asked, std::vector<ir::ProxyKey>{"default/eg"});
  EXPECT_FALSE(response.has_value());
  more("theirs 1\n");
  ASSERT_TRUE(response.has_value());
  EXPECT_THAT(response->body, testing::EndsWith("\ntheirs 1\n"));
}

TEST_F(ObserverTest, IsHealthyUnlessTheControlThreadHangs) {
  EXPECT_EQ(ask("/healthz").body, "ok\n");
  observer_.busy(std::chrono::steady_clock::now() - 10s);
  EXPECT_EQ(ask("/healthz").status, 200u);
  observer_.busy(std::chrono::steady_clock::now() - 42s);
  EXPECT_EQ(ask("/healthz").status, 503u);
  EXPECT_EQ(ask("/healthz").body, "the control thread has been at one thing for 42 s\n");
  observer_.idle();
  EXPECT_EQ(ask("/healthz").status, 200u);
}

TEST_F(ObserverTest, SaysWhatIsMissingUntilItIsReady) {
  EXPECT_EQ(ask("/readyz").status, 503u);
  EXPECT_EQ(ask("/readyz").body, "not ready\nnothing has been read yet\n");
  observer_.committed(1, {}, 1us);
  EXPECT_EQ(ask("/readyz").body, "ready\n") << "without Gateways there is nothing to wait for";
  observer_.added("default/eg", {80});
  observer_.happened(
      {.proxy = "default/eg", .state = proxy::State::kStarting, .pid = 3, .message = "started"});
  EXPECT_EQ(ask("/readyz").body, "not ready\nproxy default/eg is starting: started\n");
  observer_.happened({.proxy = "default/eg", .state = proxy::State::kReady, .pid = 3});
  EXPECT_EQ(ask("/readyz").body, "not ready\nproxy default/eg has not acknowledged anything yet\n");
  make_ready();
  EXPECT_EQ(ask("/readyz").status, 200u);
  observer_.happened(
      {.proxy = "default/eg", .state = proxy::State::kBackingOff, .message = "next start in 50 ms"});
  const json verbose = json::parse(ask("/readyz", "verbose").body);
  EXPECT_EQ(ask("/readyz", "verbose").status, 503u);
  EXPECT_EQ(verbose["ready"], false);
  EXPECT_EQ(verbose["missing"], json::array({"proxy default/eg is backing off: next start in 50 ms"}));
  EXPECT_EQ(verbose["proxies"][0]["state"], "backing off");
  EXPECT_EQ(verbose["proxies"][0]["nodes"][0]["acknowledged"], 1);
}

TEST(Missing, AnEnvoyThatDoesNotAcknowledgeForLongDoesNotServe) {
  const Time now{std::chrono::hours(1)};
  Fleet::Proxy proxy{.key = "default/eg", .state = proxy::State::kReady, .serves = true};
  proxy.nodes = {{.name = "0", .behind_since = now - kLags}};
  EXPECT_TRUE(missing(1, {proxy}, now).empty());
  proxy.nodes[0].behind_since = now - kLags - 1s;
  EXPECT_THAT(missing(1, {proxy}, now),
              testing::ElementsAre("proxy default/eg has not acknowledged what it was sent for 11 s"));
  proxy.nodes.push_back({.name = "1"});
  EXPECT_TRUE(missing(1, {proxy}, now).empty()) << "its successor does";
}

TEST_F(ObserverTest, CountsWhatItSees) {
  make_ready();
  const Time now = std::chrono::steady_clock::now();
  observer_.read(2, 1, now - 30ms);
  observer_.served(2, {"default/eg"}, now);
  observer_.happened(ads::Acknowledged{"default/eg", "default/eg/0", 2}, now + 5ms);
  observer_.held_back({kRoute, {"default", "web"}});
  observer_.held_back(1);
  observer_.problems(*snapshot()->problems, {});
  observer_.objects({{kRoute, 9}});
  EXPECT_THAT(
      ask("/metrics").body,
      AllOf(HasSubstr("sluice_change_to_acknowledgement_seconds_sum 0.035"), HasSubstr("sluice_ready 1\n"),
            HasSubstr("sluice_objects_held_back 1\n"), HasSubstr("sluice_objects{kind=\"HTTPRoute\"} 9\n"),
            HasSubstr("sluice_problems{code=\"reference/not-found\",severity=\"error\"} 1\n"),
            HasSubstr("sluice_node_commits_behind{node=\"default/eg/0\",proxy=\"default/eg\"} 0\n")));
  observer_.held_back(0);
  EXPECT_THAT(ask("/metrics").body, HasSubstr("sluice_objects_held_back 0\n"));
}

TEST_F(ObserverTest, CountsAProblemAsLongAsItIsThere) {
  const std::vector<Problem> both = *snapshot()->problems;
  observer_.problems(both, {});
  observer_.problems({}, {both[0]});
  EXPECT_THAT(ask("/metrics").body,
              AllOf(HasSubstr("sluice_problems{code=\"schema/enum\",severity=\"error\"} 1\n"),
                    testing::Not(HasSubstr("reference/not-found"))));
}

TEST_F(ObserverTest, StateForThePage) {
  make_ready();
  const admin::Response first = ask("/api/state");
  EXPECT_EQ(first.body.find("CANARY"), std::string::npos);
  const json state = json::parse(first.body);
  EXPECT_EQ(state["commit"], 7);
  EXPECT_EQ(state["missing"], json::array());
  const json& route = state["routes"][0];
  EXPECT_EQ(route["kind"], "HTTPRoute");
  EXPECT_EQ(route["name"], "default/web");
  EXPECT_EQ(route["hosts"], json::array({"a.example"}));
  EXPECT_EQ(route["proxies"], json::array({"default/eg"}));
  EXPECT_EQ(route["parents"][0]["parent"], "Gateway eg#http");
  EXPECT_EQ(route["parents"][0]["conditions"][1]["reason"], "BackendNotFound");
  EXPECT_EQ(route["rules"], json::parse(R"([
    {"backends": [{"cluster": "service/default/web:80", "weight": 1}, {"cluster": "", "weight": 1},
                  {"cluster": "service/default/copy:80", "mirror": true}],
     "name": "first", "matches": ["GET /a/*", "= /b, header x-user ~ j.*"]},
    {"does": "redirects with 301", "matches": ["/*"]}])"));
  EXPECT_EQ(state["problems"][0]["file"], "a.yaml");
  EXPECT_EQ(state["problems"][1]["file"], "b.yaml");
  EXPECT_EQ(state["clusters"], json::object());

  ASSERT_EQ(asked_.size(), 1u);
  asked_[0](
      R"({"cluster_statuses": [{"name": "c", "host_statuses": [{"address": {"pipe": {"path": "/p"}}}]}]})");
  EXPECT_EQ(json::parse(ask("/api/state").body)["clusters"],
            json::parse(R"({"default/eg": {"c": [{"address": "/p"}]}})"));
}

TEST_F(ObserverTest, RoutesOfConnections) {
  const GroupKind tls("gateway.networking.k8s.io", "TLSRoute");
  translate::RouteResult result;
  for (const char* stream : {"a", "b"}) {  // two listeners: said once
    result.streams.emplace_back(
        translate::XdsKey{"default/eg", "s"},
        translate::StreamContribution{
            .stream = stream, .server_names = {"a.example"}, .shares = {{"service/default/web:443", 1}}});
  }
  result.streams.emplace_back(translate::XdsKey{"default/eg", "t"},
                              translate::StreamContribution{.stream = "c"});
  given_ = std::make_shared<Snapshot>(*snapshot());
  given_->routes = {{ObjectKey{tls, {"default", "pass"}},
                     std::make_shared<const translate::RouteResult>(std::move(result))}};
  const json route = json::parse(ask("/api/state").body)["routes"][0];
  EXPECT_EQ(route["hosts"], json::array({"a.example"}));
  EXPECT_EQ(route["rules"], json::parse(R"([
    {"backends": [{"cluster": "service/default/web:443", "weight": 1}], "matches": ["server name a.example"]},
    {"backends": [], "does": "closes it: there is nothing to forward to", "matches": ["every connection"]}])"));
}

TEST_F(ObserverTest, WhatHasNotChangedIsNotSentAgain) {
  make_ready();
  const admin::Response first = ask("/api/state");
  EXPECT_EQ(ask("/api/state", "", "\"other\"").status, 200u);
  const admin::Response again = ask("/api/state", "", first.etag);
  EXPECT_EQ(again.status, 304u);
  EXPECT_EQ(again.body, "");
  EXPECT_EQ(again.etag, first.etag);
}

TEST_F(ObserverTest, StatusesAreThoseOfStatusYaml) {
  const json answer = json::parse(ask("/api/status").body);
  EXPECT_EQ(answer["commit"], 7);
  EXPECT_EQ(answer["objects"][0]["status"]["parents"][0]["controllerName"], "c");
  EXPECT_EQ(answer["problems"][1]["suggestion"], "make it");
}

TEST_F(ObserverTest, IsAskedWhileThingsHappen) {
  std::thread control([this] {
    for (int i = 1; i <= 300; ++i) {
      const Time now = std::chrono::steady_clock::now();
      observer_.busy(now);
      make_ready();
      observer_.read(1, 0, now);
      observer_.served(static_cast<std::uint64_t>(i), {"default/eg"}, now);
      observer_.problems(*snapshot()->problems, {});
      observer_.idle();
    }
  });
  for (int i = 0; i < 50; ++i) {
    for (const char* path : {"/healthz", "/readyz", "/metrics", "/api/state", "/api/status", "/"}) {
      EXPECT_NE(ask(path).status, 0u);
    }
  }
  control.join();
}

}  // namespace
}  // namespace sluice::observe
