#include "picker/response.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::picker {
namespace {

ResponseReader read(std::string_view text, bool events, std::size_t chunk) {
  ResponseReader reader(events);
  while (!text.empty()) {
    const std::string piece(text.substr(0, chunk));
    text.remove_prefix(piece.size());
    reader.feed(piece);
  }
  return reader;
}

struct Case {
  std::string name;
  bool events;
  std::string text;
  Usage usage;
  bool first_token;
};

class Responses : public testing::TestWithParam<Case> {};

TEST_P(Responses, AreReadWhereverTheyAreCut) {
  const Case& c = GetParam();
  for (const std::size_t chunk :
       {c.text.size() + 1, std::size_t{1}, std::size_t{2}, std::size_t{5}, std::size_t{64}}) {
    const ResponseReader reader = read(c.text, c.events, chunk);
    EXPECT_EQ(reader.usage().prompt_tokens, c.usage.prompt_tokens) << chunk;
    EXPECT_EQ(reader.usage().cached_tokens, c.usage.cached_tokens) << chunk;
    EXPECT_EQ(reader.usage().completion_tokens, c.usage.completion_tokens) << chunk;
    EXPECT_TRUE(chunk < 64 || reader.has_first_token() == c.first_token) << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Responses,
    testing::Values(
        Case{"chat",
             false,
             R"({"id":"x","choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":9}"}}],)"
             R"("usage":{"prompt_tokens":500,"completion_tokens":128,"total_tokens":628,)"
             R"("prompt_tokens_details":{"cached_tokens":64}},"prompt_logprobs":null})",
             {500, 64, 128},
             false},
        Case{"chat_in_events",
             true,
             "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n"
             "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n"
             "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\ndata: "
             "[DONE]\n\n",
             {7, 0, 2},
             true},
        Case{"usage_in_every_event",
             true,
             "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1}}\r\n\r\n"
             "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\r\n\r\n",
             {7, 0, 2},
             true},
        Case{"messages_in_events",
             true,
             "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[],\"usage\":"
             "{\"input_tokens\":5,\"cache_read_input_tokens\":20,\"output_tokens\":1}}}\n\n"
             "event: ping\ndata: {\"type\":\"ping\"}\n\n"
             "event: content_block_delta\ndata: "
             "{\"type\":\"content_block_delta\",\"delta\":{\"text\":\"a\"}}\n\n"
             "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":15}}\n\n",
             {25, 20, 15},
             true},
        Case{"messages_that_only_begin",
             true,
             "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\n",
             {},
             false},
        Case{"responses_in_events",
             true,
             "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n"
             "data: "
             "{\"type\":\"response.completed\",\"response\":{\"output\":[{\"usage\":{\"input_tokens\":1}}],"
             "\"usage\":{\"input_tokens\":40,\"input_tokens_details\":{\"cached_tokens\":16},"
             "\"output_tokens\":3}}}\n\n",
             {40, 16, 3},
             true},
        Case{"embeddings",
             false,
             R"({"data":[{"embedding":[0.1,2]}],"usage":{"prompt_tokens":8,"total_tokens":8}})",
             {8, 0, 0},
             false},
        Case{"comments_and_no_space",
             true,
             ": wait\n\ndata:{\"choices\":[],\"usage\":{\"prompt_tokens\":3}}\n\n",
             {3, 0, 0},
             true},
        Case{"no_json", false, "<html>usage</html>", {}, false},
        Case{"usage_of_something_else",
             false,
             R"({"tool":{"usage":{"prompt_tokens":9}},"list":[{"usage":{"prompt_tokens":9}}]})",
             {},
             false},
        Case{
            "strange_numbers",
            false,
            R"({"usage":{"prompt_tokens":-1,"completion_tokens":99999999999999999999,"x":[1,{"prompt_tokens":3}]}})",
            {},
            false}),
    [](const auto& test) { return test.param.name; });

TEST(ResponseReader, FindsUsageBehindAnEventOfAnyLength) {
  const std::string event = "data: {\"type\":\"response.completed\",\"response\":{\"output\":\"" +
                            std::string(1 << 20, 'x') + "\",\"usage\":{\"input_tokens\":4}}}\n\n";
  EXPECT_EQ(read(event, true, 4096).usage().prompt_tokens, 4U);
}

TEST(IsEventStream, ReadsTheTypeAlone) {
  EXPECT_TRUE(is_event_stream("text/event-stream; charset=utf-8"));
  EXPECT_TRUE(is_event_stream("Text/Event-Stream"));
  EXPECT_FALSE(is_event_stream("application/json"));
  EXPECT_FALSE(is_event_stream(""));
}

}  // namespace
}  // namespace sluice::picker
