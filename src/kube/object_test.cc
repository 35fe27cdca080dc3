#include "kube/object.h"

#include <cstdint>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::kube {
namespace {

using testing::HasSubstr;

const Resource kRoutes{
    .group = "gateway.networking.k8s.io", .version = "v1", .plural = "httproutes", .kind = "HTTPRoute"};
const Resource kPods{.group = "", .version = "v1", .plural = "pods", .kind = "Pod"};

TEST(Target, NamesWhatIsMeant) {
  EXPECT_EQ(kPods.target(), "/api/v1/pods");
  EXPECT_EQ(kPods.target("a"), "/api/v1/namespaces/a/pods");
  EXPECT_EQ(kRoutes.target("a", "b", "status"),
            "/apis/gateway.networking.k8s.io/v1/namespaces/a/httproutes/b/status");
  EXPECT_EQ(kRoutes.title(), "httproutes.gateway.networking.k8s.io");
}

TEST(QueryEscape, LeavesOnlyPlainCharacters) { EXPECT_EQ(query_escape("a-b=c d/ü"), "a-b%3Dc%20d%2F%C3%BC"); }

TEST(ReadList, GivesEachObjectAsItStands) {
  const auto page = read_list(
      R"({"kind":"PodList","metadata":{"resourceVersion":"7","continue":"x\/y"},"items":[
  {"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5"},"spec":{"x":"}\"]"}} ,
  {"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"name":"no"},"name":"b","resourceVersion":"6"}}]})",
      kPods);
  ASSERT_TRUE(page) << page.error();
  EXPECT_EQ(page->version, "7");
  EXPECT_EQ(page->more, "x/y");
  ASSERT_EQ(page->objects.size(), 2U);
  EXPECT_EQ(page->objects[0].name, (NamespacedName{"n", "a"}));
  EXPECT_EQ(page->objects[0].uid, "u");
  EXPECT_EQ(page->objects[0].version, "5");
  EXPECT_EQ(
      page->objects[0].json,
      R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5"},"spec":{"x":"}\"]"}})");
  EXPECT_EQ(page->objects[1].name, (NamespacedName{"", "b"}));
}

TEST(ReadList, PutsKindAndVersionBack) {
  const auto page = read_list(
      R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a","resourceVersion":"5"}}]})",
      kRoutes);
  ASSERT_TRUE(page) << page.error();
  EXPECT_EQ(
      page->objects[0].json,
      R"({"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"a","resourceVersion":"5"}})");
}

TEST(ReadList, TakesNullForNone) {
  const auto page = read_list(R"({"metadata":{"resourceVersion":"7"},"items":null})", kRoutes);
  ASSERT_TRUE(page) << page.error();
  EXPECT_TRUE(page->objects.empty());
}

TEST(ReadList, RefusesWhatNothingCanGoOnFrom) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"metadata":{"resourceVersion":""},"items":[]})", "has no resourceVersion"},
      {R"({"metadata":{"resourceVersion":"0"},"items":[]})", "has no resourceVersion"},
      {R"({"metadata":{"resourceVersion":"7"}})", "no JSON of a list"},
      {R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a","resourceVersion":"5")",
       "cannot be read"},
      {R"({"metadata":{"resourceVersion":"7"},"items":[)", "cannot be read"},
      {R"({"metadata":{"resourceVersion":"7"},"items":[]} x)", "no JSON of a list"},
      {R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"resourceVersion":"5"}}]})",
       "has no name"},
      {R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a"}}]})",
       "`a` has no resourceVersion"},
      {"<html>", "no JSON of a list"},
      {"", "no JSON of a list"},
  };
  for (const auto& [text, told] : cases) {
    const auto page = read_list(text, kPods);
    ASSERT_FALSE(page) << text;
    EXPECT_THAT(page.error(), HasSubstr(told)) << text;
  }
}

// Any value, with texts that look like JSON.
nlohmann::json random_value(std::minstd_rand& random, int depth) {
  static const std::vector<std::string> kTexts{"",   "a",    "\"", "\\", "}", "]", "{\"name\":\"x\"}",
                                               "\n", "\\\"", "ü"};
  switch (random() % (depth > 0 ? 7 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return -1.5e3 * static_cast<double>(random() % 100);
    case 3:
      return random();
    case 4:
      return kTexts[random() % kTexts.size()];
    case 5: {
      nlohmann::json list = nlohmann::json::array();
      for (std::size_t i = random() % 4; i > 0; --i) list.push_back(random_value(random, depth - 1));
      return list;
    }
    default: {
      nlohmann::json map = nlohmann::json::object();
      for (std::size_t i = random() % 4; i > 0; --i) {
        map[kTexts[random() % kTexts.size()]] = random_value(random, depth - 1);
      }
      return map;
    }
  }
}

TEST(ReadList, AgreesWithAParserOfJson) {
  std::minstd_rand random(1);  // NOLINT(bugprone-random-generator-seed)
  for (int i = 0; i < 500; ++i) {
    nlohmann::json list{{"metadata", {{"resourceVersion", "7"}}}, {"items", nlohmann::json::array()}};
    for (std::size_t n = random() % 4; n > 0; --n) {
      nlohmann::json object{{"kind", "Pod"},
                            {"apiVersion", "v1"},
                            {"metadata", {{"name", "a"}, {"uid", "\"u"}, {"resourceVersion", "5"}}}};
      object["metadata"]["labels"] = random_value(random, 3);
      object["spec"] = random_value(random, 4);
      list["items"].push_back(object);
    }
    list[random() % 2 == 0 ? "a" : "z"] = random_value(random, 3);
    const std::string body = list.dump(random() % 2 == 0 ? -1 : 2);
    const auto page = read_list(body, kPods);
    ASSERT_TRUE(page) << page.error() << body;
    ASSERT_EQ(page->objects.size(), list["items"].size()) << body;
    for (std::size_t n = 0; n < page->objects.size(); ++n) {
      EXPECT_EQ(nlohmann::json::parse(page->objects[n].json), list["items"][n]) << body;
      EXPECT_EQ(page->objects[n].uid, "\"u") << body;
    }
  }
}

TEST(ReadList, RefusesWhatIsCutAnywhere) {
  const std::string body =
      R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a\"","resourceVersion":"5"},"x":[1,{"y":null}]}]})";
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(read_list(std::string_view(body).substr(0, size), kPods)) << size;
  }
  EXPECT_TRUE(read_list(body, kPods));
}

TEST(ReadEvent, TellsTypesApart) {
  using Type = WatchEvent::Type;
  const std::vector<std::pair<std::string, Type>> cases{
      {"ADDED", Type::kAdded}, {"MODIFIED", Type::kModified}, {"DELETED", Type::kDeleted}};
  for (const auto& [type, expected] : cases) {
    const auto event = read_event(
        R"({"type":")" + type + R"(","object":{"metadata":{"name":"a","resourceVersion":"5"}}})", kPods);
    ASSERT_TRUE(event) << event.error();
    EXPECT_EQ(event->type, expected);
    EXPECT_EQ(event->object.name.name, "a");
  }
}

TEST(ReadEvent, TakesTheVersionOfABookmark) {
  const auto event =
      read_event(R"({"object":{"kind":"Pod","metadata":{"resourceVersion":"9"}},"type":"BOOKMARK"})", kPods);
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->type, WatchEvent::Type::kBookmark);
  EXPECT_EQ(event->object.version, "9");
}

TEST(ReadEvent, ReadsTheStatusOfAnError) {
  const auto event = read_event(
      R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}})",
      kPods);
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->status, (Status{.code = 410, .reason = "Expired", .message = "too old"}));
}

TEST(ReadEvent, RefusesWhatIsNone) {
  for (const std::string_view text :
       {"", "x", R"({"type":"ADDED"})",
        R"({"type":"GROWN","object":{"metadata":{"name":"a","resourceVersion":"5"}}})",
        R"({"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"5"})",
        R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":""}}})"}) {
    EXPECT_FALSE(read_event(text, kPods)) << text;
  }
}

TEST(ReadStatus, ReadsCausesAndDelay) {
  const auto status = read_status(
      R"({"kind":"Status","code":504,"reason":"Timeout","message":"m","details":{"retryAfterSeconds":1,"causes":[{"reason":"ResourceVersionTooLarge"}]}})");
  EXPECT_EQ(status, (Status{.code = 504,
                            .reason = "Timeout",
                            .message = "m",
                            .causes = {"ResourceVersionTooLarge"},
                            .retry_after = 1}));
}

TEST(Describe, SaysWhatTheServerSays) {
  EXPECT_EQ(describe(403, R"({"kind":"Status","message":"pods is\nforbidden"})"),
            "it answers with status 403: pods is forbidden");
  EXPECT_EQ(describe(502, "<html>"), "it answers with status 502");
}

TEST(Object, ItsPartsAreTheStatusAndTheRest) {
  const auto parts = parts_of(R"({"spec":{"a":1},"status":{"b":[2]},"metadata":{"resourceVersion":"7"}})");
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->status, R"({"b":[2]})");
  EXPECT_EQ(parts->version, "7");
  EXPECT_FALSE(parts_of(R"({"spec":{"a":1})"));
}

TEST(Object, ItsContentIsWhatSomebodyWroteOnPurpose) {
  const auto content = [](const char* metadata, const char* rest) {
    return parts_of(fmt::format(R"({{"metadata":{{{}}},{}}})", metadata, rest))->content;
  };
  const std::uint64_t one = content(R"("name":"a","resourceVersion":"7","managedFields":[])", R"("spec":{})");
  EXPECT_EQ(
      content(R"("name":"a","resourceVersion":"8","managedFields":[1])", R"("spec":{},"status":{"x":1})"),
      one);
  EXPECT_NE(content(R"("name":"a","resourceVersion":"7")", R"("spec":{"x":1})"), one);
  EXPECT_NE(content(R"("name":"a","resourceVersion":"7","labels":{"x":"1"})", R"("spec":{})"), one);
}

}  // namespace
}  // namespace sluice::kube
