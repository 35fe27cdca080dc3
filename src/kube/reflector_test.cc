#include "kube/reflector.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::string object(const std::string& name, const std::string& version, const std::string& uid) {
  return fmt::format(R"({{"metadata":{{"name":"{}","uid":"{}","resourceVersion":"{}"}}}})", name, uid,
                     version);
}
std::string object(const std::string& name, const std::string& version) {
  return object(name, version, "u-" + name);
}

std::string event(const std::string& type, const std::string& what) {
  return fmt::format(R"({{"type":"{}","object":{}}})", type, what);
}

const std::string kGone = R"({"kind":"Status","code":410,"reason":"Expired","message":"too old"})";
const std::string kTooNew =
    R"({"kind":"Status","code":504,"message":"Too large","details":{"causes":[{"reason":"ResourceVersionTooLarge"}]}})";

// Writes down what it hears.
class Notes final : public Sink {
 public:
  void replaced(Difference difference) override {
    std::string text = "replaced";
    for (const auto& name : difference.gone) text += " -" + name.name;
    for (const auto& each : difference.changed) text += " " + each.name.name + "@" + each.version;
    if (difference.same > 0) text += fmt::format(" ={}", difference.same);
    lines.push_back(text);
  }
  void applied(Object each) override { lines.push_back("applied " + each.name.name + "@" + each.version); }
  void deleted(const NamespacedName& name) override { lines.push_back("deleted " + name.name); }
  void missing() override { lines.emplace_back("missing"); }
  void problem(const std::string& text) override { lines.push_back("problem " + text); }
  void forbidden(const std::string& text) override { lines.push_back("forbidden " + text); }
  void recovered() override { lines.emplace_back("recovered"); }

  std::vector<std::string> take() { return std::exchange(lines, {}); }
  std::vector<std::string> lines;
};

class ReflectorTest : public testing::Test {
 protected:
  ReflectorTest() : reflector_(kPods, {}, notes_, [] { return 0.0; }) {}

  static std::string text_of(const Reflector::Step& step) {
    if (const auto* get = std::get_if<Reflector::Get>(&step)) return "get " + get->target;
    if (const auto* watch = std::get_if<Reflector::Watch>(&step)) return "watch " + watch->target;
    return fmt::format("wait {}", std::get<Reflector::Wait>(step).delay.count());
  }
  // What is done after an answer.
  std::string answer(unsigned status, const std::string& body,
                     std::optional<std::chrono::seconds> after = {}) {
    return text_of(reflector_.answered(Answer{.status = status, .body = body, .retry_after = after}, now_));
  }
  std::string answer(Failure::Reason reason) {
    return text_of(reflector_.answered(std::unexpected(Failure{reason, "it broke"}), now_));
  }
  std::string end(unsigned status = 200, const std::string& body = "") {
    return text_of(reflector_.ended(Answer{.status = status, .body = body}, now_));
  }
  std::string end(Failure::Reason reason) {
    return text_of(reflector_.ended(std::unexpected(Failure{reason, "it broke"}), now_));
  }
  std::string line(const std::string& text) {
    const auto step = reflector_.line(text, now_);
    return step ? text_of(*step) : "";
  }
  std::string waited() { return text_of(reflector_.waited()); }
  static std::string page(const std::string& version, const std::vector<std::string>& objects,
                          const std::string& more = "") {
    return fmt::format(R"({{"metadata":{{"resourceVersion":"{}","continue":"{}"}},"items":[{}]}})", version,
                       more, fmt::join(objects, ","));
  }
  // Watches from version 7 on, and knows `a`.
  void watch() {
    reflector_.start();
    ASSERT_THAT(answer(200, page("7", {object("a", "5")})), StartsWith("watch"));
    reflector_.opened(now_);
    notes_.take();
  }
  static std::string watch_of(const std::string& version) {
    return "watch /api/v1/pods?watch=1&allowWatchBookmarks=true&resourceVersion=" + version +
           "&timeoutSeconds=300";
  }
  static std::string probe_of(const std::string& version) {
    return "get /api/v1/pods?limit=1&resourceVersion=" + version + "&resourceVersionMatch=NotOlderThan";
  }
  inline static const std::string kList = "get /api/v1/pods?limit=500";
  inline static const Watched kPods{
      .resource = {.group = "", .version = "v1", .plural = "pods", .kind = "Pod"}};

  Reflector::Time now_{1h};
  Notes notes_;
  Reflector reflector_;
};

TEST_F(ReflectorTest, ListsInPagesAndTellsAllAtOnce) {
  EXPECT_EQ(text_of(reflector_.start()), kList);
  EXPECT_EQ(answer(200, page("7", {object("a", "5")}, "t/1")), kList + "&continue=t%2F1");
  EXPECT_THAT(notes_.lines, IsEmpty());
  EXPECT_EQ(answer(200, page("7", {object("b", "6")})), watch_of("7"));
  EXPECT_THAT(notes_.lines, ElementsAre("replaced a@5 b@6"));
}

TEST_F(ReflectorTest, AsksForItsSelectionEverywhere) {
  Reflector selected(
      {.resource = kPods.resource, .name_space = "n", .label_selector = "a=b", .field_selector = "c=d"}, {},
      notes_, [] { return 0.0; });
  EXPECT_EQ(text_of(selected.start()),
            "get /api/v1/namespaces/n/pods?limit=500&labelSelector=a%3Db&fieldSelector=c%3Dd");
  EXPECT_THAT(text_of(selected.answered(Answer{.status = 200, .body = page("7", {})}, now_)),
              testing::AllOf(StartsWith("watch /api/v1/namespaces/n/pods?"),
                             HasSubstr("&labelSelector=a%3Db&fieldSelector=c%3Dd")));
}

TEST_F(ReflectorTest, TellsWhatTheWatchTells) {
  watch();
  line(event("ADDED", object("b", "8")));
  line(event("MODIFIED", object("a", "9")));
  line(event("DELETED", object("b", "10")));
  EXPECT_THAT(notes_.lines, ElementsAre("applied b@8", "applied a@9", "deleted b"));
}

TEST_F(ReflectorTest, GoesOnFromTheLastVersionWhenAWatchEnds) {
  watch();
  line(event("MODIFIED", object("a", "9")));
  EXPECT_EQ(end(), watch_of("9"));
}

TEST_F(ReflectorTest, GoesOnFromABookmark) {
  watch();
  line(event("BOOKMARK", R"({"metadata":{"resourceVersion":"20"}})"));
  EXPECT_EQ(end(), watch_of("20"));
}

TEST_F(ReflectorTest, TellsAnObjectThatTookAnothersNameAsAnother) {
  watch();
  line(event("ADDED", object("a", "9", "u-other")));
  EXPECT_THAT(notes_.lines, ElementsAre("deleted a", "applied a@9"));
}

TEST_F(ReflectorTest, LeavesTheNewObjectAloneWhenTheOldOneIsDeletedLate) {
  watch();
  line(event("DELETED", object("a", "9", "u-older")));
  EXPECT_THAT(notes_.lines, IsEmpty());
}

TEST_F(ReflectorTest, ListsAgainWhenItsVersionIsGone) {
  watch();
  line(event("ADDED", object("b", "8")));
  line(event("ADDED", object("c", "8")));
  notes_.take();
  EXPECT_EQ(line(event("ERROR", kGone)), "wait 250");
  EXPECT_EQ(waited(), kList);
  answer(200, page("30", {object("a", "5"), object("b", "25"), object("d", "26")}));
  EXPECT_THAT(notes_.lines, ElementsAre("replaced -c b@25 d@26 =1"));
}

TEST_F(ReflectorTest, ListsAgainWhenTheStatusSaysThatItsVersionIsGone) {
  watch();
  EXPECT_EQ(end(410, kGone), "wait 250");
  EXPECT_EQ(waited(), kList);
}

TEST_F(ReflectorTest, TellsARecreatedObjectOfAListAsGoneAndNew) {
  watch();
  line(event("ERROR", kGone));
  waited();
  answer(200, page("30", {object("a", "25", "u-other")}));
  EXPECT_THAT(notes_.lines, ElementsAre("replaced -a a@25"));
}

TEST_F(ReflectorTest, ComesBackSlowerEachTimeThatListingDoesNotHelp) {
  watch();
  std::vector<std::string> waits;
  for (int i = 0; i < 8; ++i) {
    waits.push_back(line(event("ERROR", kGone)));
    waited();
    answer(200, page("30", {}));
    reflector_.opened(now_);
  }
  EXPECT_THAT(waits, ElementsAre("wait 250", "wait 500", "wait 1000", "wait 2000", "wait 4000", "wait 8000",
                                 "wait 15000", "wait 15000"));
}

TEST_F(ReflectorTest, StartsFromTheFirstDelayAfterAnEvent) {
  watch();
  line(event("ERROR", kGone));
  waited();
  answer(200, page("30", {}));
  line(event("ADDED", object("b", "31")));
  EXPECT_EQ(line(event("ERROR", kGone)), "wait 250");
}

TEST_F(ReflectorTest, AsksForOnePageWhenTheTokenOfTheNextHasExpired) {
  reflector_.start();
  answer(200, page("7", {object("a", "5")}, "t"));
  EXPECT_EQ(answer(410, kGone), "get /api/v1/pods?limit=0");
  answer(200, page("9", {object("b", "8")}));
  EXPECT_THAT(notes_.lines, ElementsAre("replaced b@8"));
}

TEST_F(ReflectorTest, GoesOnWithThePageThatFailed) {
  reflector_.start();
  answer(200, page("7", {object("a", "5")}, "t"));
  EXPECT_EQ(answer(Failure::Reason::kBroken), "wait 250");
  EXPECT_EQ(waited(), kList + "&continue=t");
}

TEST_F(ReflectorTest, AsksForSmallerPagesWhenOneIsTooLarge) {
  reflector_.start();
  EXPECT_EQ(answer(Failure::Reason::kTooLarge), "wait 250");
  EXPECT_EQ(waited(), "get /api/v1/pods?limit=250");
}

TEST_F(ReflectorTest, AsksWhetherTheServerHasItsVersionAfterABrokenConnection) {
  watch();
  EXPECT_EQ(end(Failure::Reason::kBroken), "wait 250");
  EXPECT_EQ(waited(), probe_of("7"));
  EXPECT_EQ(answer(200, page("8", {})), watch_of("7"));
}

TEST_F(ReflectorTest, AsksAgainAsLongAsTheServerDoesNotAnswer) {
  watch();
  end(Failure::Reason::kBroken);
  waited();
  EXPECT_EQ(answer(Failure::Reason::kUnreachable), "wait 500");
  EXPECT_EQ(waited(), probe_of("7"));
}

TEST_F(ReflectorTest, TellsAllAgainWhenTheServerHasOlderData) {
  watch();
  end(Failure::Reason::kBroken);
  waited();
  EXPECT_EQ(answer(504, kTooNew), "wait 500");
  EXPECT_EQ(waited(), kList);
  EXPECT_EQ(answer(200, page("6", {object("a", "5")})), watch_of("6"));
  EXPECT_THAT(notes_.lines, testing::Contains("replaced a@5"));
}

TEST_F(ReflectorTest, ListsWhenTwoWatchesHaveToldNothing) {
  watch();
  now_ += 300s;
  EXPECT_EQ(end(), watch_of("7"));
  reflector_.opened(now_);
  now_ += 300s;
  EXPECT_EQ(end(), kList);
}

TEST_F(ReflectorTest, ListsWhenTwoWatchesWereSilentTooLong) {
  watch();
  EXPECT_THAT(end(Failure::Reason::kTimeout), StartsWith("wait"));
  EXPECT_EQ(waited(), probe_of("7"));
  answer(200, page("7", {}));
  reflector_.opened(now_);
  EXPECT_THAT(end(Failure::Reason::kTimeout), StartsWith("wait"));
  EXPECT_EQ(waited(), kList);
}

TEST_F(ReflectorTest, WaitsWhenAWatchEndsAtOnce) {
  watch();
  now_ += 1s;
  EXPECT_EQ(end(), "wait 250");
  EXPECT_EQ(waited(), watch_of("7"));
}

TEST_F(ReflectorTest, WatchesAgainAfterAnErrorAndListsAfterTwo) {
  watch();
  const std::string error = event("ERROR", R"({"kind":"Status","code":500,"message":"no"})");
  EXPECT_EQ(line(error), "wait 250");
  EXPECT_EQ(waited(), watch_of("7"));
  EXPECT_EQ(line(error), "wait 500");
  EXPECT_EQ(waited(), kList);
}

TEST_F(ReflectorTest, ListsWhenItCannotReadTwoWatches) {
  watch();
  EXPECT_EQ(line("{\"type\":"), "wait 250");
  EXPECT_EQ(waited(), watch_of("7"));
  EXPECT_EQ(line("{\"type\":"), "wait 500");
  EXPECT_EQ(waited(), kList);
}

TEST_F(ReflectorTest, WaitsAsLongAsTheServerAsks) {
  reflector_.start();
  EXPECT_EQ(answer(429, "", 7s), "wait 7000");
  waited();
  EXPECT_EQ(answer(503, "", 3600s), "wait 60000");
}

TEST_F(ReflectorTest, TellsAtOnceWhatKeepsItFromKnowingAnything) {
  reflector_.start();
  answer(403, R"({"kind":"Status","message":"pods is forbidden"})");
  EXPECT_THAT(notes_.take(), ElementsAre("problem pods: it answers with status 403: pods is forbidden"));
  waited();
  answer(403, R"({"kind":"Status","message":"pods is forbidden"})");
  EXPECT_THAT(notes_.take(), IsEmpty());
  waited();
  answer(200, page("7", {}));
  reflector_.opened(now_);
  EXPECT_THAT(notes_.take(), ElementsAre("replaced", "recovered"));
}

TEST_F(ReflectorTest, TellsABrokenWatchOnlyWhenTheNextTryFailsToo) {
  watch();
  end(Failure::Reason::kBroken);
  EXPECT_THAT(notes_.take(), IsEmpty());
  waited();
  answer(Failure::Reason::kUnreachable);
  EXPECT_THAT(notes_.take(), ElementsAre("problem pods: it broke"));
  waited();
  answer(200, page("7", {}));
  reflector_.opened(now_);
  EXPECT_THAT(notes_.take(), ElementsAre("recovered"));
}

TEST_F(ReflectorTest, TellsOnceThatAResourceIsMissing) {
  reflector_.start();
  EXPECT_EQ(answer(404, "404 page not found"), "wait 30000");
  EXPECT_EQ(waited(), kList);
  EXPECT_EQ(answer(404, "404 page not found"), "wait 30000");
  EXPECT_THAT(notes_.take(), ElementsAre("missing"));
  waited();
  answer(200, page("7", {object("a", "5")}));
  EXPECT_THAT(notes_.take(), ElementsAre("replaced a@5"));
}

TEST_F(ReflectorTest, DoesNotBelieveAtOnceThatWhatItKnewIsMissing) {
  watch();
  EXPECT_EQ(end(404, ""), "wait 250");
  waited();
  EXPECT_EQ(answer(404, ""), "wait 500");
  waited();
  EXPECT_EQ(answer(404, ""), "wait 1000");
  waited();
  EXPECT_EQ(answer(404, ""), "wait 30000");
  EXPECT_EQ(notes_.take().back(), "missing");
  EXPECT_EQ(reflector_.size(), 0U);
}

TEST_F(ReflectorTest, ForgetsA404ThatPasses) {
  watch();
  end(404, "");
  waited();
  EXPECT_EQ(answer(404, ""), "wait 500");
  waited();
  answer(200, page("7", {object("a", "5")}));
  EXPECT_EQ(notes_.take().back(), "replaced =1");
}

TEST_F(ReflectorTest, ThatItMayNotReadIsBelievedAfterSomeTries) {
  reflector_.start();
  for (int i = 1; i < Reflector::kForbiddenTries; ++i) answer(403, "");
  EXPECT_THAT(notes_.take(), ElementsAre("problem pods: it answers with status 403"));
  answer(403, "");
  EXPECT_THAT(notes_.take(), ElementsAre("forbidden pods: it answers with status 403"));
  answer(403, "");
  EXPECT_THAT(notes_.take(), IsEmpty());
}

TEST_F(ReflectorTest, ThatItMayNotReadIsNotBelievedOfAServerThatIsNotThere) {
  reflector_.start();
  for (int i = 0; i < Reflector::kForbiddenTries; ++i) {
    answer(403, "");
    answer(Failure::Reason::kBroken);
  }
  EXPECT_THAT(notes_.take(), testing::Not(testing::Contains(StartsWith("forbidden"))));
}

TEST_F(ReflectorTest, ReadsWhatItMayReadAgain) {
  reflector_.start();
  for (int i = 0; i < Reflector::kForbiddenTries; ++i) answer(403, "");
  notes_.take();
  EXPECT_EQ(waited(), kList);
  EXPECT_EQ(answer(200, page("7", {object("a", "5")})), watch_of("7"));
  reflector_.opened(now_);
  EXPECT_THAT(notes_.take(), ElementsAre("replaced a@5", "recovered"));
}

TEST_F(ReflectorTest, RetriesAListThatItCannotRead) {
  reflector_.start();
  EXPECT_EQ(answer(200, R"({"metadata":{"resourceVersion":"7"},"items":[)"), "wait 250");
  EXPECT_EQ(waited(), kList);
}

}  // namespace
}  // namespace sluice::kube
