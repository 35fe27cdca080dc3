#include "model.h"

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace model {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(SettingsTest, AreReadFromJson) {
  const auto settings = read_settings(R"( {"forbidden": ["a", "b\u002dc"], "requireModel": true} )");
  ASSERT_TRUE(settings);
  EXPECT_THAT(settings->forbidden, ElementsAre("a", "b-c"));
  EXPECT_TRUE(settings->require_model);
}

TEST(SettingsTest, HaveDefaults) {
  for (const std::string_view text : {"", "{}"}) {
    const auto settings = read_settings(text);
    ASSERT_TRUE(settings) << text;
    EXPECT_THAT(settings->forbidden, IsEmpty());
    EXPECT_FALSE(settings->require_model);
  }
}

TEST(SettingsTest, AreRefusedWhereTheyAreWrong) {
  for (const std::string_view text :
       {"[]", "{", "{\"forbiden\": []}", "{\"forbidden\": \"a\"}", "{\"forbidden\": [1]}",
        "{\"forbidden\": [\"a\",]}", "{\"requireModel\": 1}", "{} {}"}) {
    EXPECT_FALSE(read_settings(text)) << text;
  }
}

TEST(RefusalTest, DependsOnTheModelAndTheSettings) {
  const Settings lenient{.forbidden = {"bad"}};
  const Settings strict{.forbidden = {"bad"}, .require_model = true};
  EXPECT_FALSE(refusal_of("good", strict));
  EXPECT_FALSE(refusal_of("", lenient));
  EXPECT_EQ(refusal_of("bad", lenient)->status, 403);
  EXPECT_EQ(refusal_of("", strict)->status, 400);
}

TEST(ModelTest, IsFoundBesidesAnyValue) {
  EXPECT_EQ(
      model_of(R"({"a": [{"model": "no", "b": [[], {}, ""]}, -0.5e+9, null], "model": "yes", "c": {}})"),
      "yes");
}

TEST(ModelTest, IsNotOfABodyThatIsCutAnywhere) {
  const std::string body = R"({"model": "m", "a": [1, {"b": "\u0041\n"}], "c": true})";
  ASSERT_EQ(model_of(body), "m");
  for (std::size_t size = 0; size < body.size(); ++size)
    EXPECT_EQ(model_of(body.substr(0, size)), "") << size;
}

TEST(ModelTest, DepthCostsNoStack) {
  const std::size_t depth = 1'000'000;
  EXPECT_EQ(model_of("{\"a\": " + std::string(depth, '[') + std::string(depth, ']') + ", \"model\": \"m\"}"),
            "m");
}

// The oracle builds the whole value. It wants UTF-8, whole surrogates and numbers that fit, so the texts have
// none that are not.
std::string model_by_oracle(const std::string& body) {
  const auto value = nlohmann::json::parse(body, nullptr, false);
  if (!value.is_object()) return "";
  const auto found = value.find("model");
  if (found == value.end() || !found->is_string()) return "";
  const auto name = found->get<std::string>();
  return is_model(name) ? name : "";
}

TEST(ModelTest, IsWhatAReaderThatBuildsValuesFinds) {
  const std::vector<std::string> pieces{"{",
                                        "}",
                                        "[",
                                        "]",
                                        ",",
                                        ":",
                                        "\"model\"",
                                        " ",
                                        "\"m\"",
                                        "\"\\n\"",
                                        "\"mod\\u0065l\"",
                                        "true",
                                        "null",
                                        "false",
                                        "-1",
                                        "0.5e-3",
                                        "01",
                                        "\"",
                                        "\"long enough text\"",
                                        "\\u0041",
                                        "x"};
  const std::string whole =
      R"({"a": [1, {"model": "n", "b": []}], "model": "m1", "mod\u0065l": "m2", "c": {"d": "e"}})";
  std::mt19937 random(1);
  const auto below = [&random](std::size_t n) { return random() % n; };
  int found = 0;
  for (int i = 0; i < 40'000; ++i) {
    std::string body;
    if (i % 2 == 0) {  // a good one, with changes
      body = whole;
      for (std::size_t changes = below(3); changes > 0; --changes) {
        body.replace(below(body.size()), below(4), pieces[below(pieces.size())]);
      }
    } else {
      body = "{";
      for (std::size_t n = below(12); n > 0; --n) body += pieces[below(pieces.size())];
      body += "}";
    }
    const std::string model = model_of(body);
    ASSERT_EQ(model, model_by_oracle(body)) << body;
    if (!model.empty()) ++found;
  }
  EXPECT_GT(found, 4'000);
}

}  // namespace
}  // namespace model
