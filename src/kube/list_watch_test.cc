#include "kube/list_watch.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kube/testing.h"
#include "kube/testing/api_server.h"

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using kube_testing::ApiServer;
using kube_testing::Fault;
using kube_testing::Json;
using kube_testing::ServedResource;
using testing::HasSubstr;

const ServedResource kRoutes{
    .group = "gateway.networking.k8s.io", .version = "v1", .plural = "httproutes", .kind = "HTTPRoute"};

Json route(const std::string& name, int size = 0) {
  return {{"kind", "HTTPRoute"},
          {"metadata", {{"name", name}, {"namespace", "n"}, {"labels", {{"app", name.substr(0, 1)}}}}},
          {"spec", {{"size", size}}}};
}

// What a follower of the calls knows, and the problems that it was told.
class Mirror final : public Sink {
 public:
  void replaced(Difference difference) override {
    const std::lock_guard lock(mutex_);
    ++lists_;
    for (const NamespacedName& name : difference.gone) wrong_ = wrong_ || objects_.erase(name) == 0;
    for (Object& object : difference.changed) put(std::move(object));
  }
  void applied(Object object) override {
    const std::lock_guard lock(mutex_);
    ++events_;
    put(std::move(object));
  }
  void deleted(const NamespacedName& name) override {
    const std::lock_guard lock(mutex_);
    ++events_;
    wrong_ = wrong_ || objects_.erase(name) == 0;
  }
  void missing() override {
    const std::lock_guard lock(mutex_);
    missing_ = true;
    objects_.clear();
  }
  void problem(const std::string& text) override {
    const std::lock_guard lock(mutex_);
    problem_ = text;
  }
  void recovered() override {
    const std::lock_guard lock(mutex_);
    problem_.clear();
  }

  // Of each object its version, as the server would list them.
  std::map<std::string, std::string> versions() const {
    const std::lock_guard lock(mutex_);
    std::map<std::string, std::string> all;
    for (const auto& [name, object] : objects_) {
      all[name.name] = Json::parse(object.json)["metadata"]["resourceVersion"].get<std::string>();
    }
    return all;
  }
  std::size_t size() const { return get(&Mirror::objects_).size(); }
  int lists() const { return get(&Mirror::lists_); }
  int events() const { return get(&Mirror::events_); }
  bool was_missing() const { return get(&Mirror::missing_); }
  std::string last_problem() const { return get(&Mirror::problem_); }
  // A deletion of what was not there, or an object in the place of another.
  bool was_wrong() const { return get(&Mirror::wrong_); }

 private:
  template <typename T>
  T get(T Mirror::* member) const {
    const std::lock_guard lock(mutex_);
    return this->*member;
  }
  void put(Object object) {
    const auto there = objects_.find(object.name);
    wrong_ = wrong_ || (there != objects_.end() && there->second.uid != object.uid);
    objects_.insert_or_assign(object.name, std::move(object));
  }

  mutable std::mutex mutex_;
  std::map<NamespacedName, Object> objects_;
  int lists_ = 0;
  int events_ = 0;
  bool missing_ = false;
  bool wrong_ = false;
  std::string problem_;
};

class ListWatchTest : public testing::Test {
 protected:
  // Delays are short; everything else is as it is.
  static ListWatch::Options options() {
    return {.watched = {.resource = {.group = kRoutes.group,
                                     .version = kRoutes.version,
                                     .plural = kRoutes.plural,
                                     .kind = kRoutes.kind}},
            .reflector = {.first = 10ms, .longest = 100ms, .missing = 50ms, .settled = 0ms},
            .silence = 20s};
  }
  void start(ListWatch::Options with = options()) {
    client_ = std::make_unique<Client>(local_access(server_.port()));
    list_watch_ = std::make_unique<ListWatch>(*client_, std::move(with), mirror_);
  }
  // Follows the server from here on.
  void follow(ListWatch::Options with = options()) {
    start(std::move(with));
    ASSERT_TRUE(eventually([this] { return server_.watches() == 1 && mirror_.lists() >= 1; }));
  }
  std::map<std::string, std::string> truth() const {
    std::map<std::string, std::string> all;
    for (const std::string& name : names_) {
      if (const Json object = server_.get("HTTPRoute", "n", name); !object.is_null()) {
        all[name] = object["metadata"]["resourceVersion"].get<std::string>();
      }
    }
    return all;
  }
  void put(const std::string& name, int size = 0) {
    names_.insert(name);
    server_.put(route(name, size));
  }
  bool agrees() {
    const bool equal = eventually([this] { return mirror_.versions() == truth(); });
    EXPECT_FALSE(mirror_.was_wrong());
    return equal;
  }
  int count(std::string_view part) const {
    return static_cast<int>(std::ranges::count_if(
        server_.requests(), [part](const auto& request) { return request.target.contains(part); }));
  }

  ApiServer server_{{kRoutes}};
  std::set<std::string> names_;
  Mirror mirror_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<ListWatch> list_watch_;
};

TEST_F(ListWatchTest, ListsInPages) {
  for (int i = 0; i < 25; ++i) put(fmt::format("r{}", i));
  ListWatch::Options with = options();
  with.reflector.page = 10;
  follow(std::move(with));
  EXPECT_TRUE(agrees());
  EXPECT_EQ(count("limit=10"), 3);
  EXPECT_EQ(mirror_.lists(), 1);
}

TEST_F(ListWatchTest, FollowsChanges) {
  put("a");
  follow();
  put("b");
  put("a", 2);
  server_.remove("HTTPRoute", "n", "b");
  put("b", 3);
  EXPECT_TRUE(agrees());
  EXPECT_EQ(mirror_.lists(), 1);
}

TEST_F(ListWatchTest, FollowsItsSelectionOnly) {
  put("a1");
  put("b1");
  ListWatch::Options with = options();
  with.watched.label_selector = "app=a";
  with.watched.name_space = "n";
  follow(std::move(with));
  put("a2");
  put("b2");
  EXPECT_TRUE(eventually([this] { return mirror_.size() == 2; }));
  Json leaving = route("a1", 1);
  leaving["metadata"]["labels"]["app"] = "z";
  server_.put(leaving);
  EXPECT_TRUE(eventually([this] { return mirror_.size() == 1; }));
  EXPECT_EQ(mirror_.versions().begin()->first, "a2");
}

TEST_F(ListWatchTest, GoesOnWithoutAListWhenAWatchEnds) {
  put("a");
  follow();
  for (int i = 0; i < 3; ++i) {
    put("a", i + 1);
    ASSERT_TRUE(agrees());
    server_.end_watches();
    ASSERT_TRUE(eventually([&] { return count("watch=1") == i + 2; }));
  }
  put("b");
  EXPECT_TRUE(agrees());
  EXPECT_EQ(mirror_.lists(), 1);
}

TEST_F(ListWatchTest, MissesNothingWhenTheConnectionBreaks) {
  put("a");
  follow();
  server_.break_watches();
  put("b");
  server_.remove("HTTPRoute", "n", "a");
  EXPECT_TRUE(agrees());
  EXPECT_EQ(mirror_.lists(), 1);
}

TEST_F(ListWatchTest, ResumesFromABookmarkWhatWouldHaveExpired) {
  put("a");
  follow();
  server_.compact();
  server_.bookmark();
  ASSERT_TRUE(eventually([this] {
    server_.end_watches();
    return count("resourceVersion=" + server_.version() + "&timeout") >= 1;
  }));
  put("b");
  EXPECT_TRUE(agrees());
  EXPECT_EQ(mirror_.lists(), 1);
}

TEST_F(ListWatchTest, ListsWhenItsVersionHasExpired) {
  put("a");
  put("b");
  follow();
  server_.stop();
  server_.remove("HTTPRoute", "n", "a");
  put("c");
  server_.compact();
  server_.start();
  EXPECT_TRUE(agrees());
  EXPECT_EQ(mirror_.lists(), 2);
}

TEST_F(ListWatchTest, SurvivesARestartOfTheServer) {
  put("a");
  follow();
  server_.stop();
  put("b");
  ASSERT_TRUE(eventually([this] { return mirror_.last_problem().contains("nobody answers"); }));
  server_.start();
  EXPECT_TRUE(agrees());
  EXPECT_TRUE(eventually([this] { return mirror_.last_problem().empty(); }));
  EXPECT_EQ(mirror_.lists(), 1);
}

TEST_F(ListWatchTest, NoticesReplacedData) {
  put("a");
  put("b");
  follow();
  server_.stop();
  server_.reset_versions();
  server_.remove("HTTPRoute", "n", "a");
  server_.start();
  EXPECT_TRUE(agrees());
}

TEST_F(ListWatchTest, NoticesAServerThatHasVanished) {
  put("a");
  ListWatch::Options with = options();
  with.silence = 200ms;
  follow(std::move(with));
  server_.freeze();
  put("b");
  EXPECT_TRUE(agrees());
}

TEST_F(ListWatchTest, TellsARecreatedObjectAsAnother) {
  put("a");
  follow();
  server_.stop();
  server_.remove("HTTPRoute", "n", "a");
  put("a");
  server_.compact();
  server_.start();
  EXPECT_TRUE(agrees());
}

TEST_F(ListWatchTest, ListsAgainWhenATokenExpiresInTheMiddle) {
  for (int i = 0; i < 25; ++i) put(fmt::format("r{}", i));
  server_.fail({.in_target = "continue=", .status = 410, .reason = "Expired"});
  ListWatch::Options with = options();
  with.reflector.page = 10;
  follow(std::move(with));
  EXPECT_TRUE(agrees());
  EXPECT_EQ(count("limit=0"), 1);
  EXPECT_EQ(mirror_.lists(), 1);
}

TEST_F(ListWatchTest, WaitsForAResourceThatIsNotInstalled) {
  server_.uninstall("HTTPRoute");
  start();
  ASSERT_TRUE(eventually([this] { return mirror_.was_missing(); }));
  EXPECT_EQ(mirror_.last_problem(), "");
  server_.install(kRoutes);
  put("a");
  EXPECT_TRUE(agrees());
}

TEST_F(ListWatchTest, ForgetsTheObjectsOfAResourceThatIsUninstalled) {
  put("a");
  follow();
  server_.uninstall("HTTPRoute");
  EXPECT_TRUE(eventually([this] { return mirror_.was_missing(); }));
  EXPECT_EQ(mirror_.size(), 0U);
}

TEST_F(ListWatchTest, TellsThatItMayNot) {
  server_.fail({.times = -1, .status = 403, .reason = "Forbidden"});
  start();
  EXPECT_TRUE(eventually([this] {
    return mirror_.last_problem() ==
           "httproutes.gateway.networking.k8s.io: it answers with status 403: as the test wants it";
  }));
  server_.clear_faults();
  put("a");
  EXPECT_TRUE(agrees());
}

TEST_F(ListWatchTest, DoesNotStormAServerThatEndsEachWatchAsExpired) {
  put("a");
  server_.fail({.in_target = "watch=1", .times = -1, .status = 410, .reason = "Expired"});
  ListWatch::Options with = options();
  with.reflector.first = 50ms;
  with.reflector.longest = 10s;
  start(std::move(with));
  ASSERT_TRUE(eventually([this] { return mirror_.lists() >= 1; }));
  EXPECT_FALSE(eventually([this] { return mirror_.lists() > 6; }, 1s));
}

TEST_F(ListWatchTest, MayEndWhileItIsBusy) {
  put("a");
  server_.fail({.times = -1, .hang = true});
  start();
  list_watch_.reset();
  client_.reset();
  EXPECT_EQ(mirror_.lists(), 0);
}

// Whatever goes wrong, at each step: once it is over, what is told is what is there.
struct Trouble {
  std::string name;
  Fault fault;
};

class ListWatchTrouble : public ListWatchTest, public testing::WithParamInterface<Trouble> {};

TEST_P(ListWatchTrouble, EndsWithTheTruth) {
  for (int i = 0; i < 25; ++i) put(fmt::format("r{}", i));
  Fault fault = GetParam().fault;
  fault.times = 3;
  server_.fail(fault);
  ListWatch::Options with = options();
  with.reflector.page = 10;
  with.list_timeout = 500ms;
  with.silence = 500ms;
  start(std::move(with));
  for (int i = 0; i < 20; ++i) {
    put(fmt::format("r{}", i), i + 1);
    if (i % 3 == 0) server_.remove("HTTPRoute", "n", fmt::format("r{}", i + 3));
    if (i % 5 == 0) put(fmt::format("s{}", i));
    eventually([] { return false; }, 5ms);
  }
  EXPECT_TRUE(agrees());
  EXPECT_TRUE(eventually([this] { return mirror_.last_problem().empty(); }));
}

std::vector<Trouble> all_trouble() {
  std::vector<Trouble> all;
  const std::vector<std::pair<std::string, std::string>> steps{
      {"FirstPage", "limit=10"}, {"NextPage", "continue="}, {"Watch", "watch=1"}};
  const std::vector<std::pair<std::string, Fault>> faults{
      {"ClosedAtOnce", {.cut_after = 0}},
      {"CutInTheHead", {.cut_after = 20}},
      {"CutInTheBody", {.cut_after = 700}},
      {"Slow", {.delay = 50ms}},
      {"Hangs", {.hang = true}},
      {"Status500", {.status = 500, .reason = "InternalError"}},
      {"Status429", {.status = 429, .reason = "TooManyRequests"}},
      {"Status401", {.status = 401, .reason = "Unauthorized"}},
      {"Status410", {.status = 410, .reason = "Expired"}},
      {"Status504", {.status = 504, .reason = "Timeout"}},
      {"Malformed", {.body = "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[{]}"}},
      {"Empty", {.body = ""}},
      {"NoVersion", {.body = R"({"metadata":{"resourceVersion":"0"},"items":[]})"}},
      {"Page", {.body = "<html>Bad gateway</html>"}},
  };
  for (const auto& [step, part] : steps) {
    for (const auto& [name, fault] : faults) {
      Trouble trouble{.name = step + name, .fault = fault};
      trouble.fault.in_target = part;
      all.push_back(trouble);
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(AtEachStep, ListWatchTrouble, testing::ValuesIn(all_trouble()),
                         [](const auto& trouble) { return trouble.param.name; });

// Random changes, and random trouble under way.
TEST_F(ListWatchTest, AgreesAfterRandomTrouble) {
  std::minstd_rand random(7);  // NOLINT(bugprone-random-generator-seed)
  ListWatch::Options with = options();
  with.reflector.page = 7;
  with.silence = 300ms;
  for (int i = 0; i < 20; ++i) put(fmt::format("r{}", i));
  start(std::move(with));
  for (int i = 0; i < 400; ++i) {
    const std::string name = fmt::format("r{}", random() % 30);
    switch (random() % 12) {
      case 0:
        server_.break_watches();
        break;
      case 1:
        server_.end_watches();
        break;
      case 2:
        server_.compact();
        break;
      case 3:
        server_.bookmark();
        break;
      case 4:
        server_.send_line("{\"type\":");
        break;
      case 5:
        server_.fail({.cut_after = random() % 3'000});
        break;
      case 6:
      case 7:
        server_.remove("HTTPRoute", "n", name);
        break;
      default:
        put(name, i);
    }
    if (i % 8 == 0) eventually([] { return false; }, 2ms);
  }
  server_.clear_faults();
  EXPECT_TRUE(agrees());
}

}  // namespace
}  // namespace sluice::kube
