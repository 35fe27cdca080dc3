#include "picker/body.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "picker/json_text.h"

namespace sluice::picker {
namespace {

using testing::HasSubstr;

BodyReader read(std::string_view text, std::size_t chunk = std::string_view::npos) {
  BodyReader reader;
  while (!text.empty()) {
    const std::string piece(text.substr(0, chunk));  // its own memory, for sanitizers to watch
    text.remove_prefix(piece.size());
    if (!reader.feed(piece)) return reader;
  }
  reader.finish();
  return reader;
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out.append(text);
  return out;
}

struct Case {
  std::string name;
  std::string body;
  std::string model;
  bool stream;
  std::uint32_t max_tokens;
  std::uint32_t prompt_tokens;  // four bytes each
};

class Bodies : public testing::TestWithParam<Case> {};

TEST_P(Bodies, AreReadWhereverTheyAreCut) {
  const Case& c = GetParam();
  for (const std::size_t chunk :
       {c.body.size(), std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}}) {
    const BodyReader reader = read(c.body, chunk);
    ASSERT_EQ(reader.fault(), BodyReader::Fault::kNone) << reader.fault_message();
    EXPECT_EQ(reader.model(), c.model);
    EXPECT_EQ(reader.stream(), c.stream);
    EXPECT_EQ(reader.max_output_tokens(), c.max_tokens);
    EXPECT_EQ(reader.prompt_tokens(), c.prompt_tokens);
    const BodyReader::Place place = reader.model_place();
    EXPECT_EQ(unescape_json(c.body.substr(place.begin, place.end - place.begin)), c.model);
    EXPECT_EQ(reader.prompt("m"), read(c.body).prompt("m"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Bodies,
    testing::Values(
        Case{"completion", R"({"model":"llama","prompt":"0123456789abcdef","max_tokens":16,"stream":true})",
             "llama", true, 16, 4},
        Case{"chat",
             R"({ "messages": [ {"role":"user", "content":"0123456789abcdef0123"} ], "model" : "llama" })",
             "llama", false, 0, 6},
        Case{
            "chat_in_parts",
            R"({"model":"l","messages":[{"role":"user","content":[{"type":"text","text":"0123456789ab"}]}]})",
            "l", false, 0, 5},
        Case{"chat_with_an_image",
             R"({"model":"l","messages":[{"content":[{"image_url":{"url":"data:image/png;base64,)" +
                 repeat("A", 40'000) + R"("}}]}]})",
             "l", false, 0, kMediaTokens},
        Case{"completion_of_tokens", R"({"prompt":[1,22,333,4444],"model":"l","max_completion_tokens":7})",
             "l", false, 7, 4},
        Case{"embeddings", R"({"input":["01234567","89abcdef"],"model":"e"})", "e", false, 0, 4},
        Case{"responses",
             R"({"model":"r","instructions":"01234567","input":"89abcdef","max_output_tokens":9})", "r",
             false, 9, 4},
        Case{"messages",
             R"({"model":"c","max_tokens":5,"system":"0123","messages":[{"role":"u","content":"4567"}]})",
             "c", false, 5, 2},
        Case{"model_with_escapes", R"({"mode\u006c":"a\"b\\c\/d\u00e9\ud83d\ude00\n"})", "a\"b\\c/dé😀\n",
             false, 0, 0},
        Case{"model_that_is_deeper", R"({"x":{"model":"no"},"model":"yes","y":[{"model":"no"}]})", "yes",
             false, 0, 0},
        Case{"stream_that_is_null", R"({"model":"l","stream":null,"max_tokens":-1})", "l", false, 0, 0}),
    [](const auto& test) { return test.param.name; });

struct BadCase {
  std::string name;
  std::string body;
  BodyReader::Fault fault;
  std::string message;
};

class BadBodies : public testing::TestWithParam<BadCase> {};

TEST_P(BadBodies, AreRefusedWithTheReason) {
  for (const std::size_t chunk : {GetParam().body.size() + 1, std::size_t{1}}) {
    const BodyReader reader = read(GetParam().body, chunk);
    EXPECT_EQ(reader.fault(), GetParam().fault);
    EXPECT_THAT(reader.fault_message(), HasSubstr(GetParam().message));
  }
}

using Fault = BodyReader::Fault;
INSTANTIATE_TEST_SUITE_P(
    All, BadBodies,
    testing::Values(
        BadCase{"nothing", "", Fault::kIncomplete, "it ends after 0 bytes, too early"},
        BadCase{"text", "hello", Fault::kMalformed, "byte 0 is unexpected"},
        BadCase{"comma", R"({"model":"a",})", Fault::kMalformed, "byte 13 is unexpected"},
        BadCase{"two_objects", "{}{}", Fault::kMalformed, "byte 2 is unexpected"},
        BadCase{"number", R"({"a":01})", Fault::kMalformed, "byte 6 is unexpected"},
        BadCase{"word", R"({"a":nul})", Fault::kMalformed, "byte 8 is unexpected"},
        BadCase{"escape", R"({"a":"\x"})", Fault::kMalformed, "byte 7 is unexpected"},
        BadCase{"line_in_a_string", "{\"a\":\"\n\"}", Fault::kMalformed, "byte 6 is unexpected"},
        BadCase{"cut", R"({"model":"a","messages":[{"content":"and so)", Fault::kIncomplete, "too early"},
        BadCase{"list", R"(["model"])", Fault::kNoObject, "no object"},
        BadCase{"string", R"("model")", Fault::kNoObject, "no object"},
        BadCase{"number_alone", "12", Fault::kNoObject, "no object"},
        BadCase{"deep", repeat("{\"a\":", 300), Fault::kTooDeep, "more than 256 objects and lists"},
        BadCase{"deep_lists", "{\"a\":" + repeat("[", 300), Fault::kTooDeep, "more than 256"},
        BadCase{"model_is_a_number", R"({"model":1})", Fault::kBadModel, "model is no string"},
        BadCase{"model_is_an_object", R"({"model":{}})", Fault::kBadModel, "model is no string"},
        BadCase{"two_models", R"({"model":"a","mod\u0065l":"b"})", Fault::kBadModel, "names its model twice"},
        BadCase{"long_model", R"({"model":")" + repeat("m", 1025) + "\"}", Fault::kBadModel, "1024 bytes"}),
    [](const auto& test) { return test.param.name; });

std::string chat(const std::string& text, const std::string& more = {}) {
  return R"({"messages":[{"role":"user","content":")" + text + "\"}" + more + "]}";
}

std::size_t common(const std::vector<BlockHash>& a, const std::vector<BlockHash>& b) {
  std::size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  return n;
}

TEST(Chain, OfAConversationThatGoesOnBeginsWithThatOfItsBeginning) {
  const std::string text = repeat("abcdefgh", 100);
  const auto first = read(chat(text)).prompt("m");
  const auto second = read(chat(text, R"(,{"role":"assistant","content":")" + text + "\"}")).prompt("m");
  EXPECT_EQ(first.size(), 3U);
  EXPECT_GT(second.size(), 5U);
  EXPECT_EQ(common(first, second), 3U);
}

TEST(Chain, DependsOnTheModel) {
  const BodyReader reader = read(chat(repeat("abcdefgh", 100)));
  EXPECT_EQ(common(reader.prompt("a"), reader.prompt("b")), 0U);
}

TEST(Chain, DoesNotDependOnWhiteSpaceNorOnTheOrderOfNames) {
  const std::string text = repeat("abcdefgh", 100);
  const auto a = read(R"({"system":"s","tools":[{"name":"t"}],"messages":[")" + text + "\"]}").prompt("m");
  const auto b =
      read("{\"messages\" : [ \"" + text + R"("],  "tools":[{"name":"t"}], "system":"s"})").prompt("m");
  EXPECT_EQ(a, b);
}

TEST(Chain, OfOtherToolsHasNothingInCommon) {
  const std::string text = repeat("abcdefgh", 100);
  const auto a = read(R"({"tools":[{"name":"a"}],"messages":[")" + text + "\"]}").prompt("m");
  const auto b = read(R"({"tools":[{"name":"b"}],"messages":[")" + text + "\"]}").prompt("m");
  EXPECT_EQ(common(a, b), 0U);
}

TEST(Chain, OfTheSameToolsHasThemInCommon) {
  const std::string tool = repeat("abcdefgh", 100);
  const auto a = read(R"({"messages":["x"],"tools":[")" + tool + "\"]}").prompt("m");
  const auto b = read(R"({"messages":["y"],"tools":[")" + tool + "\"]}").prompt("m");
  EXPECT_EQ(common(a, b), 4U);
}

TEST(Chain, TellsImagesApart) {
  const auto with = [](char c) {
    return read(R"({"messages":[{"type":"image_url","image_url":{"url":")" + std::string(5000, c) +
                "\"}},\"" + repeat("abcdefgh", 100) + "\"]}");
  };
  EXPECT_EQ(with('a').prompt("m"), with('a').prompt("m"));
  EXPECT_EQ(common(with('a').prompt("m"), with('b').prompt("m")), 0U);
  EXPECT_LT(with('a').prompt("m").size(), 5U);
}

TEST(Chain, IsBounded) {
  const BodyReader reader = read(chat(repeat("abcdefgh", 1'000'000)));
  EXPECT_EQ(reader.prompt("m").size(), kMaxBlocks);
  EXPECT_GE(reader.prompt_tokens(), 2'000'000U);
}

TEST(ApiOfPath, IsKnownByItsEnd) {
  EXPECT_EQ(api_of_path("/v1/chat/completions"), Api::kChat);
  EXPECT_EQ(api_of_path("/llm/v1/completions?x=/v1/messages"), Api::kCompletions);
  EXPECT_EQ(api_of_path("/v1/embeddings"), Api::kEmbeddings);
  EXPECT_EQ(api_of_path("/v1/responses"), Api::kResponses);
  EXPECT_EQ(api_of_path("/v1/messages"), Api::kMessages);
  EXPECT_EQ(api_of_path("/v1/models"), Api::kUnknown);
}

TEST(EscapeJson, IsReadBack) {
  const std::string text = "a\"b\\c\x01\n\x7f é";
  EXPECT_EQ(escape_json(text), "a\\\"b\\\\c\\u0001\\u000a\x7f é");
  EXPECT_EQ(unescape_json(escape_json(text)), text);
  EXPECT_EQ(unescape_json(R"(\ud800x\ud83d)"), "\uFFFDx\uFFFD");
}

}  // namespace
}  // namespace sluice::picker
