#include "source/cluster/cluster.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <variant>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "api/definitions.h"
#include "kube/testing.h"
#include "kube/testing/api_server.h"
#include "source/cluster/testing/served_kinds.h"

namespace sluice::source {
namespace {

using namespace std::chrono_literals;
using kube::eventually;
using kube_testing::ApiServer;
using kube_testing::Fault;
using kube_testing::Json;
using kube_testing::ServedResource;
using source_testing::all_kinds;
using source_testing::served;
using testing::ElementsAre;
using testing::HasSubstr;

ServedResource one_kind(std::string_view name, std::string_view version) {
  return served(*api::kind_called(name), version);
}

Json object(const std::string& kind, const std::string& name, const std::string& name_space = "default") {
  Json made{{"kind", kind}, {"metadata", {{"name", name}}}};
  if (!name_space.empty()) made["metadata"]["namespace"] = name_space;
  return made;
}

Json config_map(const std::string& name, const std::string& value = "1",
                const std::string& name_space = "default") {
  Json made = object("ConfigMap", name, name_space);
  made["data"] = {{"value", value}};
  return made;
}

Json route(const std::string& name, const Json& status = nullptr) {
  Json made = object("HTTPRoute", name);
  made["spec"] = {{"hostnames", {name + ".example"}}};
  if (!status.is_null()) made["status"] = status;
  return made;
}

// What the source has told, as control would have it.
class Told {
 public:
  ClusterHooks hooks() {
    return {
        .on_batch = [this](Batch batch) { take(std::move(batch)); },
        .on_waiting =
            [this](std::vector<Problem> problems) {
              const std::lock_guard lock(mutex_);
              waiting_ = std::move(problems);
            },
        .on_status =
            [this](const ObjectKey& key, const kube::Resource& resource, std::optional<ServerStatus> status) {
              const std::lock_guard lock(mutex_);
              statuses_[key.to_string()] =
                  status ? resource.version + " " + status->version + " " + status->json : "gone";
            }};
  }

  // "ConfigMap default/a=1", in order; of other kinds without a value.
  std::vector<std::string> objects() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    for (const auto& [key, object] : objects_) {
      const auto* const map = std::get_if<std::shared_ptr<const api::ConfigMap>>(&object);
      all.push_back(key.to_string() + (map == nullptr ? "" : "=" + (*map)->data.find("value")->second));
    }
    return all;
  }
  bool has(const std::string& object) const {
    const std::vector<std::string> all = objects();
    return std::ranges::find(all, object) != all.end();
  }
  // Waits for it.
  bool gets(const std::string& object) const {
    return eventually([&] { return has(object); });
  }
  bool loses(const std::string& object) const {
    return eventually([&] { return !has(object); });
  }
  template <typename T>
  std::shared_ptr<const T> get(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find({api::kind_of<T>(), {"default", name}});
    return found == objects_.end() ? nullptr : std::get<std::shared_ptr<const T>>(found->second);
  }
  std::size_t deleted() const {
    const std::lock_guard lock(mutex_);
    return deleted_;
  }
  std::size_t batches() const {
    const std::lock_guard lock(mutex_);
    return batches_;
  }
  std::vector<Problem> problems() const {
    const std::lock_guard lock(mutex_);
    return problems_;
  }
  std::vector<Problem> waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }
  bool is_partial() const {
    const std::lock_guard lock(mutex_);
    return partial_;
  }
  std::string status(const std::string& object) const {
    const std::lock_guard lock(mutex_);
    const auto found = statuses_.find(object);
    return found == statuses_.end() ? "" : found->second;
  }

 private:
  void take(Batch batch) {
    const std::lock_guard lock(mutex_);
    for (api::BoundObject& each : batch.upserted) objects_.insert_or_assign(each.key, std::move(each.object));
    for (const ObjectKey& key : batch.deleted) objects_.erase(key);
    deleted_ += batch.deleted.size();
    problems_ = std::move(batch.problems);
    partial_ = batch.partial;
    ++batches_;
  }

  mutable std::mutex mutex_;
  std::map<ObjectKey, api::Object> objects_;
  std::vector<Problem> problems_;
  std::vector<Problem> waiting_;
  std::map<std::string, std::string> statuses_;
  std::size_t batches_ = 0;
  std::size_t deleted_ = 0;
  bool partial_ = false;
};

class ClusterTest : public testing::Test {
 protected:
  ClusterTest() {
    options_.settle = 20ms;
    options_.missing = 20ms;
    options_.reflector.first = 5ms;
    options_.reflector.longest = 20ms;
    options_.with_status = {api::kind_of<api::HTTPRoute>(), api::kind_of<api::TLSRoute>()};
  }
  ~ClusterTest() override { source_.reset(); }

  void start() {
    client_.emplace(kube::local_access(server_->port()));
    source_ = watch_cluster(*client_, options_, told_.hooks());
  }
  bool starts() {
    start();
    return eventually([this] { return told_.batches() > 0; });
  }
  std::size_t count_requests(const std::string& part) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        server_->requests(), [&](const auto& request) { return request.target.contains(part); }));
  }
  // Until all that there is to watch is watched.
  bool watches(std::size_t count) const {
    return eventually([&] { return server_->watches() == count; });
  }
  static std::size_t kind_count() { return api::kinds().size(); }

  std::unique_ptr<ApiServer> server_ = std::make_unique<ApiServer>(all_kinds());
  ClusterOptions options_;
  Told told_;
  std::optional<kube::Client> client_;
  std::unique_ptr<Source> source_;
};

TEST_F(ClusterTest, TheFirstBatchIsAllThatThereIs) {
  server_->put(config_map("a"));
  server_->put(config_map("b", "2", "other"));
  server_->put(route("r"));
  server_->put(object("Namespace", "default", ""));
  ASSERT_TRUE(starts());
  EXPECT_THAT(told_.objects(), ElementsAre("ConfigMap default/a=1", "ConfigMap other/b=2",
                                           "Namespace default", "HTTPRoute default/r"));
  EXPECT_EQ(told_.batches(), 1u);
  EXPECT_TRUE(told_.problems().empty());
  EXPECT_FALSE(told_.is_partial());
}

TEST_F(ClusterTest, TheFirstBatchWaitsForTheSlowestKind) {
  server_->put(config_map("a"));
  server_->put(route("r"));
  server_->fail({.in_target = "/httproutes", .delay = 200ms});
  ASSERT_TRUE(starts());
  EXPECT_TRUE(told_.has("HTTPRoute default/r"));
}

TEST_F(ClusterTest, AnEmptyClusterIsABatch) {
  ASSERT_TRUE(starts());
  EXPECT_TRUE(told_.objects().empty());
}

TEST_F(ClusterTest, WhileAKindCannotBeListedItSaysWhatItWaitsFor) {
  server_->fail({.in_target = "/httproutes", .times = -1, .status = 500, .reason = "InternalError"});
  start();
  ASSERT_TRUE(eventually([this] { return !told_.waiting().empty(); }));
  EXPECT_EQ(told_.waiting()[0].code, "cluster/api-server");
  EXPECT_THAT(told_.waiting()[0].message, HasSubstr("httproutes.gateway.networking.k8s.io"));
  EXPECT_EQ(told_.batches(), 0u);
}

TEST_F(ClusterTest, AKindThatMayNotBeReadIsLeftOutAndNamed) {
  server_->put(config_map("a"));
  server_->fail({.in_target = "/httproutes", .times = -1, .status = 403, .reason = "Forbidden"});
  ASSERT_TRUE(starts());
  EXPECT_THAT(told_.objects(), ElementsAre("ConfigMap default/a=1"));
  ASSERT_EQ(told_.problems().size(), 1u);
  const Problem problem = told_.problems()[0];
  EXPECT_EQ(problem.code, "cluster/forbidden");
  EXPECT_THAT(problem.message, HasSubstr("objects of kind HTTPRoute are not read"));
  EXPECT_THAT(problem.suggestion,
              HasSubstr(R"({apiGroups: ["gateway.networking.k8s.io"], resources: [httproutes], )"
                        R"(verbs: [list, watch]})"));
}

TEST_F(ClusterTest, AKindThatMayBeReadLaterIsTakenUp) {
  server_->put(route("r"));
  server_->fail({.in_target = "/httproutes", .times = -1, .status = 403, .reason = "Forbidden"});
  ASSERT_TRUE(starts());
  server_->clear_faults();
  EXPECT_TRUE(told_.gets("HTTPRoute default/r"));
  EXPECT_TRUE(eventually([this] { return told_.problems().empty(); }));
}

TEST_F(ClusterTest, AKindThatMayNotBeReadAnyMoreKeepsItsObjects) {
  server_->put(route("r"));
  ASSERT_TRUE(starts());
  server_->fail({.in_target = "/httproutes", .times = -1, .status = 403, .reason = "Forbidden"});
  server_->compact();
  server_->break_watches();
  ASSERT_TRUE(eventually(
      [this] { return told_.problems().size() == 1 && told_.problems()[0].code == "cluster/forbidden"; }));
  EXPECT_TRUE(told_.has("HTTPRoute default/r"));
}

TEST_F(ClusterTest, NothingIsTakenAwayWhereGatewaysMayNotBeRead) {
  server_->fail({.in_target = "/gateways", .times = -1, .status = 403, .reason = "Forbidden"});
  ASSERT_TRUE(starts());
  EXPECT_TRUE(told_.is_partial());
}

TEST_F(ClusterTest, AServerThatForbidsAllIsWaitedFor) {
  server_->put(config_map("a"));
  server_->fail({.times = -1, .status = 403, .reason = "Forbidden"});
  start();
  ASSERT_TRUE(eventually([this] {
    const std::size_t each = static_cast<std::size_t>(kube::Reflector::kForbiddenTries) + 2;
    return count_requests("") > each * kind_count() && !told_.waiting().empty();
  }));
  EXPECT_EQ(told_.waiting()[0].code, "cluster/api-server");
  EXPECT_EQ(told_.batches(), 0u);
  server_->clear_faults();
  EXPECT_TRUE(told_.gets("ConfigMap default/a=1"));
}

TEST_F(ClusterTest, AKindIsReadInTheVersionThatTheServerHas) {
  std::vector<ServedResource> resources = all_kinds({"TLSRoute"});
  resources.push_back(one_kind("TLSRoute", "v1alpha2"));
  server_ = std::make_unique<ApiServer>(std::move(resources));
  server_->put(object("TLSRoute", "t"));
  ASSERT_TRUE(starts());
  EXPECT_THAT(told_.objects(), ElementsAre("TLSRoute default/t"));
}

TEST_F(ClusterTest, AKindThatIsServedInAnotherVersionFromNowOnKeepsItsObjects) {
  std::vector<ServedResource> resources = all_kinds({"TLSRoute"});
  resources.push_back(one_kind("TLSRoute", "v1alpha2"));
  server_ = std::make_unique<ApiServer>(std::move(resources));
  server_->put(object("TLSRoute", "t"));
  ASSERT_TRUE(starts());
  server_->install(one_kind("TLSRoute", "v1"));
  server_->fail({.in_target = "/v1alpha2/tlsroutes", .times = -1, .status = 404});
  server_->break_watches();
  server_->compact();
  ASSERT_TRUE(eventually([this] { return count_requests("/v1/tlsroutes?watch") > 0; }));
  server_->put(object("TLSRoute", "u"));
  ASSERT_TRUE(told_.gets("TLSRoute default/u"));
  EXPECT_THAT(told_.status("TLSRoute default/t"), testing::StartsWith("v1 "));
  EXPECT_TRUE(told_.has("TLSRoute default/t"));
  EXPECT_EQ(told_.deleted(), 0u);
}

TEST_F(ClusterTest, AKindThatIsNotInstalledIsNoProblem) {
  server_ = std::make_unique<ApiServer>(all_kinds({"HTTPRoute", "XBackend"}));
  server_->put(config_map("a"));
  ASSERT_TRUE(starts());
  EXPECT_THAT(told_.objects(), ElementsAre("ConfigMap default/a=1"));
  EXPECT_TRUE(told_.problems().empty());
  EXPECT_FALSE(told_.is_partial());
}

TEST_F(ClusterTest, AKindThatIsInstalledLaterIsFound) {
  server_ = std::make_unique<ApiServer>(all_kinds({"HTTPRoute"}));
  ASSERT_TRUE(starts());
  server_->install(one_kind("HTTPRoute", "v1"));
  server_->put(route("r"));
  EXPECT_TRUE(told_.gets("HTTPRoute default/r"));
}

TEST_F(ClusterTest, AKindThatIsUninstalledTakesItsObjectsWithIt) {
  server_->put(route("r"));
  server_->put(config_map("a"));
  ASSERT_TRUE(starts());
  server_->uninstall("HTTPRoute");
  EXPECT_TRUE(told_.loses("HTTPRoute default/r"));
  EXPECT_TRUE(told_.has("ConfigMap default/a=1"));
}

TEST_F(ClusterTest, WhatChangesComes) {
  server_->put(config_map("a"));
  ASSERT_TRUE(starts());
  server_->put(config_map("a", "2"));
  EXPECT_TRUE(told_.gets("ConfigMap default/a=2"));
}

TEST_F(ClusterTest, WhatIsDeletedGoes) {
  server_->put(config_map("a"));
  ASSERT_TRUE(starts());
  server_->remove("ConfigMap", "default", "a");
  EXPECT_TRUE(told_.loses("ConfigMap default/a=1"));
}

TEST_F(ClusterTest, ManyChangesAreOneBatch) {
  options_.quiet = 300ms;
  options_.latest = 10s;
  ASSERT_TRUE(starts());
  for (int i = 0; i < 20; ++i) server_->put(config_map(fmt::format("m{}", i)));
  ASSERT_TRUE(told_.gets("ConfigMap default/m19=1"));
  EXPECT_EQ(told_.batches(), 2u);
  EXPECT_EQ(told_.objects().size(), 20u);
}

TEST_F(ClusterTest, ChangesThatDoNotEndAreNotWaitedForLonger) {
  options_.quiet = 60s;
  options_.latest = 50ms;
  ASSERT_TRUE(starts());
  server_->put(config_map("a"));
  EXPECT_TRUE(told_.gets("ConfigMap default/a=1"));
}

TEST_F(ClusterTest, AnObjectHasItsGeneration) {
  server_->put(route("r"));
  Json changed = route("r");
  changed["spec"]["hostnames"] = {"other.example"};
  server_->put(changed);
  ASSERT_TRUE(starts());
  EXPECT_EQ(told_.get<api::HTTPRoute>("r")->metadata.generation, 2);
}

TEST_F(ClusterTest, ReleasesOfHelmAreLeftOut) {
  Json release = object("Secret", "release");
  release["type"] = "helm.sh/release.v1";
  server_->put(release);
  Json secret = object("Secret", "s");
  secret["type"] = "Opaque";
  server_->put(secret);
  ASSERT_TRUE(starts());
  EXPECT_THAT(told_.objects(), ElementsAre("Secret default/s"));
}

TEST_F(ClusterTest, ObjectsOfNamespacesThatAreNotNamedAreNotAskedFor) {
  options_.namespaces = {"a", "b"};
  for (const char* const name_space : {"a", "b", "c"}) server_->put(config_map("m", "1", name_space));
  server_->put(object("GatewayClass", "class", ""));
  ASSERT_TRUE(starts());
  EXPECT_THAT(told_.objects(), ElementsAre("ConfigMap a/m=1", "ConfigMap b/m=1", "GatewayClass class"));
  EXPECT_EQ(count_requests("/api/v1/configmaps"), 0u);
}

TEST_F(ClusterTest, ObjectsOfOtherKindsThanThoseThatAreNamedAreNotAskedFor) {
  server_->put(config_map("m", "1", "a"));
  server_->put(object("HTTPRoute", "r"));
  options_.kinds = {api::kind_of<api::ConfigMap>()};
  ASSERT_TRUE(starts());
  EXPECT_THAT(told_.objects(), ElementsAre("ConfigMap a/m=1"));
  EXPECT_EQ(count_requests("httproutes"), 0u);
}

class SelectedNamespaces : public ClusterTest {
 protected:
  SelectedNamespaces() {
    options_.namespace_selector = "team=web";
    put_namespace("seen", "web");
    put_namespace("unseen", "db");
    server_->put(config_map("m", "1", "seen"));
    server_->put(config_map("m", "1", "unseen"));
  }
  void put_namespace(const std::string& name, const std::string& team) {
    Json made = object("Namespace", name, "");
    made["metadata"]["labels"] = {{"team", team}};
    server_->put(made);
  }
};

TEST_F(SelectedNamespaces, ObjectsOfOthersAreLeftOut) {
  ASSERT_TRUE(starts());
  EXPECT_THAT(told_.objects(), ElementsAre("ConfigMap seen/m=1", "Namespace seen"));
}

TEST_F(SelectedNamespaces, ObjectsOfOurOwnAreReadAllTheSame) {
  options_.own_namespace = "unseen";
  ASSERT_TRUE(starts());
  EXPECT_THAT(told_.objects(), ElementsAre("ConfigMap seen/m=1", "ConfigMap unseen/m=1", "Namespace seen"));
}

TEST_F(SelectedNamespaces, ObjectsComeWithTheirNamespace) {
  ASSERT_TRUE(starts());
  put_namespace("unseen", "web");
  EXPECT_TRUE(told_.gets("ConfigMap unseen/m=1"));
}

TEST_F(SelectedNamespaces, ObjectsGoWithTheirNamespaceAndComeAgain) {
  ASSERT_TRUE(starts());
  put_namespace("seen", "db");
  ASSERT_TRUE(told_.loses("ConfigMap seen/m=1"));
  put_namespace("seen", "web");
  EXPECT_TRUE(told_.gets("ConfigMap seen/m=1"));
}

TEST_F(SelectedNamespaces, WhatChangesInOthersIsNoBatch) {
  ASSERT_TRUE(starts());
  server_->put(config_map("m", "2", "unseen"));
  server_->put(config_map("m", "2", "seen"));
  ASSERT_TRUE(told_.gets("ConfigMap seen/m=2"));
  EXPECT_THAT(told_.objects(), ElementsAre("ConfigMap seen/m=2", "Namespace seen"));
}

TEST_F(ClusterTest, PodsAreNotReadWhileNobodyNeedsThem) {
  server_->put(object("Pod", "p"));
  ASSERT_TRUE(starts());
  EXPECT_TRUE(told_.objects().empty());
  EXPECT_EQ(count_requests("/pods"), 0u);
}

TEST_F(ClusterTest, PodsAreInTheFirstBatchOfAPool) {
  server_->put(object("Pod", "p"));
  server_->put(object("InferencePool", "pool"));
  server_->fail({.in_target = "/pods", .delay = 100ms});
  ASSERT_TRUE(starts());
  EXPECT_TRUE(told_.has("Pod default/p"));
}

TEST_F(ClusterTest, PodsComeWithTheFirstPoolAndGoWithTheLast) {
  server_->put(object("Pod", "p"));
  ASSERT_TRUE(starts());
  server_->put(object("InferencePool", "pool"));
  ASSERT_TRUE(told_.gets("Pod default/p"));
  server_->remove("InferencePool", "default", "pool");
  EXPECT_TRUE(told_.loses("Pod default/p"));
}

TEST_F(ClusterTest, AnOutageIsOneProblemAndLosesNothing) {
  server_->put(config_map("a"));
  ASSERT_TRUE(starts());
  server_->stop();
  ASSERT_TRUE(eventually([this] { return told_.problems().size() == 1; }));
  const Problem problem = told_.problems()[0];
  EXPECT_EQ(problem.code, "cluster/api-server");
  EXPECT_THAT(problem.message, HasSubstr("since 20"));
  EXPECT_THAT(told_.objects(), ElementsAre("ConfigMap default/a=1"));
}

TEST_F(ClusterTest, TheProblemGoesWithTheOutage) {
  ASSERT_TRUE(starts());
  server_->stop();
  ASSERT_TRUE(eventually([this] { return !told_.problems().empty(); }));
  server_->start();
  EXPECT_TRUE(eventually([this] { return told_.problems().empty() && !told_.is_partial(); }));
}

TEST_F(ClusterTest, WhatHappensInAnOutageIsSeenAfterwards) {
  server_->put(config_map("a"));
  server_->put(config_map("b"));
  ASSERT_TRUE(starts());
  server_->stop();
  server_->put(config_map("a", "2"));
  server_->remove("ConfigMap", "default", "b");
  server_->compact();
  server_->start();
  EXPECT_TRUE(told_.gets("ConfigMap default/a=2"));
  EXPECT_TRUE(told_.loses("ConfigMap default/b=1"));
}

TEST_F(ClusterTest, AStartInAnOutageWaitsForItsEnd) {
  server_->put(config_map("a"));
  const std::uint16_t port = server_->port();
  server_->stop();
  client_.emplace(kube::local_access(port));
  source_ = watch_cluster(*client_, options_, told_.hooks());
  ASSERT_TRUE(eventually([this] { return !told_.waiting().empty(); }));
  EXPECT_EQ(told_.batches(), 0u);
  server_->start();
  EXPECT_TRUE(told_.gets("ConfigMap default/a=1"));
}

TEST_F(ClusterTest, AWatchThatBreaksAndAnExpiredVersionLoseNothing) {
  server_->put(config_map("a"));
  ASSERT_TRUE(starts());
  ASSERT_TRUE(watches(kind_count() - 1));  // all but pods
  server_->fail({.in_target = "/configmaps", .delay = 100ms});
  server_->break_watches();
  server_->put(config_map("a", "2"));
  server_->compact();
  EXPECT_TRUE(told_.gets("ConfigMap default/a=2"));
}

TEST_F(ClusterTest, AnObjectThatCannotBeBoundIsAProblemWithoutAPlace) {
  ASSERT_TRUE(starts());
  Json bad = config_map("a");
  bad["data"] = {{"value", {1, 2}}};
  server_->put(bad);
  ASSERT_TRUE(eventually([this] { return !told_.problems().empty(); }));
  const Problem problem = told_.problems()[0];
  EXPECT_EQ(problem.object.to_string(), "ConfigMap default/a");
  EXPECT_EQ(problem.where, Where());
  EXPECT_EQ(problem.path, "data.value");
}

TEST_F(ClusterTest, AnObjectThatCannotBeBoundKeepsItsVersionBefore) {
  server_->put(config_map("a"));
  ASSERT_TRUE(starts());
  Json bad = config_map("a");
  bad["data"] = {{"value", {1, 2}}};
  server_->put(bad);
  ASSERT_TRUE(eventually([this] { return !told_.problems().empty(); }));
  EXPECT_THAT(told_.objects(), ElementsAre("ConfigMap default/a=1"));
  server_->put(config_map("a", "2"));
  ASSERT_TRUE(told_.gets("ConfigMap default/a=2"));
  EXPECT_TRUE(told_.problems().empty());
}

TEST_F(ClusterTest, StatusesAreToldAsTheServerHasThem) {
  const std::string version = server_->put(route("r", {{"parents", Json::array()}}));
  server_->put(config_map("a"));
  ASSERT_TRUE(starts());
  EXPECT_EQ(told_.status("HTTPRoute default/r"), "v1 " + version + R"( {"parents":[]})");
  EXPECT_EQ(told_.status("ConfigMap default/a"), "");
}

TEST_F(ClusterTest, AnotherStatusAloneIsNoBatch) {
  server_->put(route("r"));
  ASSERT_TRUE(starts());
  server_->put(route("r", {{"parents", Json::array()}}));
  ASSERT_TRUE(eventually([this] { return told_.status("HTTPRoute default/r").contains("parents"); }));
  server_->put(config_map("a"));
  ASSERT_TRUE(told_.gets("ConfigMap default/a=1"));
  EXPECT_EQ(told_.batches(), 2u);
}

TEST_F(ClusterTest, TheStatusOfADeletedObjectIsGone) {
  server_->put(route("r"));
  ASSERT_TRUE(starts());
  server_->remove("HTTPRoute", "default", "r");
  EXPECT_TRUE(eventually([this] { return told_.status("HTTPRoute default/r") == "gone"; }));
}

TEST_F(ClusterTest, ItEndsWhileTheServerHangs) {
  server_->fail({.times = -1, .hang = true});
  start();
  ASSERT_TRUE(eventually([this] { return count_requests("limit") > 0; }));
  source_.reset();
  EXPECT_EQ(told_.batches(), 0u);
}

}  // namespace
}  // namespace sluice::source
