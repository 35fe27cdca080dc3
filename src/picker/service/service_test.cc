// The protocol, message by message, without Envoy and without a network.
#include "picker/service/service.h"

#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/wire.h"
#include "picker/exchange/names.h"

namespace sluice::picker {
namespace {

using extproc::BodyMode;
using extproc::Header;
using extproc::Part;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What a Response said, for as long as one likes.
struct Said {
  Part part = Part::kRequestHeaders;
  std::map<std::string, std::string> set;
  std::vector<std::string> removed;
  std::map<std::string, std::string> metadata;  // "namespace/field"
  std::optional<std::string> stream;
  std::optional<std::string> replace;
  bool end_of_stream = false;
  bool clear_route_cache = false;
  unsigned status = 0;  // of an immediate response
  std::string body;
};

class RecordingExchange final : public extproc::Exchange {
 public:
  explicit RecordingExchange(Loop& loop) : loop_(loop) {}

  void send(const extproc::Response& response) override {
    Said said{.part = response.part, .clear_route_cache = response.clear_route_cache};
    for (const auto& change : response.set_headers) said.set[std::string(change.name)] = change.value;
    for (const auto& name : response.remove_headers) said.removed.emplace_back(name);
    for (const auto& entry : response.metadata)
      said.metadata[std::string(entry.name_space) + "/" + std::string(entry.field)] = entry.value;
    if (const auto* stream = std::get_if<extproc::StreamBody>(&response.body)) {
      said.stream = std::string(stream->body);
      said.end_of_stream = stream->end_of_stream;
    }
    if (const auto* replace = std::get_if<extproc::ReplaceBody>(&response.body)) said.replace = replace->body;
    said_.push_back(said);
  }
  void send(const extproc::ImmediateResponse& response) override {
    Said said{.status = response.status, .body = std::string(response.body)};
    for (const auto& change : response.headers) said.set[std::string(change.name)] = change.value;
    said_.push_back(said);
  }
  void finish() override {}
  void fail(extproc::GrpcStatus, std::string_view) override {}
  std::pmr::memory_resource& memory() override { return *std::pmr::new_delete_resource(); }
  Loop& loop() override { return loop_; }

  std::vector<Said> take() { return std::exchange(said_, {}); }

 private:
  Loop& loop_;
  std::vector<Said> said_;
};

constexpr std::string_view kA = "10.0.0.1:8000";
constexpr std::string_view kB = "10.0.0.2:8000";
constexpr std::string_view kChat = R"({"model":"llama","messages":[{"role":"user","content":"hi"}]})";

class Protocol : public testing::Test {
 protected:
  explicit Protocol(ServiceOptions options = {}) : service_(loop_, std::move(options)) {
    service_.set_endpoints({Endpoint{.address = std::string(kA)}, Endpoint{.address = std::string(kB)}});
    handler_ = service_.start(exchange_);
  }

  // What one message is answered with.
  std::vector<Said> headers(std::vector<Header> headers, bool end_of_stream = false,
                            std::optional<BodyMode> mode = std::nullopt) {
    headers.insert(headers.begin(), {{":method", "POST"}, {":path", "/v1/chat/completions"}});
    extproc::Request request{
        .part = Part::kRequestHeaders, .headers = std::move(headers), .end_of_stream = end_of_stream};
    request.request_body_mode = mode;
    request.encoded_metadata = metadata_;
    handler_->on_request(request);
    return exchange_.take();
  }
  std::vector<Said> body(std::string_view chunk, bool end_of_stream) {
    handler_->on_request({.part = Part::kRequestBody, .body = chunk, .end_of_stream = end_of_stream});
    return exchange_.take();
  }
  std::vector<Said> part(Part part, std::vector<Header> headers = {}) {
    handler_->on_request({.part = part, .headers = std::move(headers)});
    return exchange_.take();
  }
  std::vector<Said> response_body(std::string_view chunk, bool end_of_stream) {
    handler_->on_request({.part = Part::kResponseBody, .body = chunk, .end_of_stream = end_of_stream});
    return exchange_.take();
  }

  // The metadata envoy.lb.subset_hint with these addresses, encoded.
  void hint(const std::vector<std::string>& addresses) {
    std::string list;
    for (const std::string& address : addresses) {
      append_nested(list, 1, [&] { append_field(list, 3, std::string_view(address)); });
    }
    metadata_.clear();
    append_nested(metadata_, 1, [&] {
      append_field(metadata_, 1, kSubsetNamespace);
      append_nested(metadata_, 2, [&] {
        append_nested(metadata_, 1, [&] {
          append_field(metadata_, 1, kSubset);
          append_nested(metadata_, 2, [&] { append_field(metadata_, 6, std::string_view(list)); });
        });
      });
    });
  }

  Loop loop_;
  RecordingExchange exchange_{loop_};
  PickerService service_;
  std::unique_ptr<extproc::Handler> handler_;
  std::string metadata_;
};

TEST_F(Protocol, InFullDuplexNothingIsSaidBeforeTheBodyIsThere) {
  EXPECT_THAT(headers({}), IsEmpty());
  EXPECT_THAT(body(kChat.substr(0, 20), false), IsEmpty());
  const std::vector<Said> said = body(kChat.substr(20), true);
  ASSERT_EQ(said.size(), 2U);
  EXPECT_EQ(said[0].part, Part::kRequestHeaders);
  const std::string destination = said[0].set.at(std::string(kDestination));
  EXPECT_THAT(destination, testing::AnyOf(std::string(kA) + "," + std::string(kB),
                                          std::string(kB) + "," + std::string(kA)));
  EXPECT_EQ(said[0].metadata.at("envoy.lb/x-gateway-destination-endpoint"), destination);
  EXPECT_TRUE(said[0].clear_route_cache);
  EXPECT_EQ(said[1].part, Part::kRequestBody);
  EXPECT_EQ(said[1].stream, kChat);
  EXPECT_TRUE(said[1].end_of_stream);
}

TEST_F(Protocol, TrailersEndTheBody) {
  headers({});
  body(kChat, false);
  const std::vector<Said> said = part(Part::kRequestTrailers);
  ASSERT_EQ(said.size(), 3U);
  EXPECT_EQ(said[1].stream, kChat);
  EXPECT_FALSE(said[1].end_of_stream);
  EXPECT_EQ(said[2].part, Part::kRequestTrailers);
}

TEST_F(Protocol, LargeBodiesGoBackInPieces) {
  const std::string large = R"({"model":"m","prompt":")" + std::string(150'000, 'x') + "\"}";
  headers({});
  const std::vector<Said> said = body(large, true);
  ASSERT_EQ(said.size(), 4U);
  std::string joined;
  for (std::size_t i = 1; i < said.size(); ++i) {
    EXPECT_LE(said[i].stream->size(), 62'000U);
    EXPECT_EQ(said[i].end_of_stream, i == 3);
    joined += *said[i].stream;
  }
  EXPECT_EQ(joined, large);
}

TEST_F(Protocol, BufferedBodiesAreAnsweredAsSuch) {
  const std::vector<Said> first = headers({}, false, BodyMode::kBuffered);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_THAT(first[0].set, IsEmpty());
  const std::vector<Said> said = body(kChat, true);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0].part, Part::kRequestBody);
  EXPECT_TRUE(said[0].set.contains(std::string(kDestination)));
  EXPECT_FALSE(said[0].replace.has_value());
}

TEST_F(Protocol, WithoutABodyTheHeadersAreAnswered) {
  const std::vector<Said> said = headers({}, true);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0].part, Part::kRequestHeaders);
  EXPECT_TRUE(said[0].set.contains(std::string(kDestination)));
}

TEST_F(Protocol, TheModelIsRewrittenInItsPlace) {
  headers({{"x-gateway-model-name-rewrite", "la\"ma-2"}, {"content-length", "65"}});
  const std::vector<Said> said = body(kChat, true);
  ASSERT_EQ(said.size(), 2U);
  const std::string expected = R"({"model":"la\"ma-2","messages":[{"role":"user","content":"hi"}]})";
  EXPECT_EQ(said[1].stream, expected);
  EXPECT_EQ(said[0].set.at("content-length"), std::to_string(expected.size()));
}

TEST_F(Protocol, RulesRewriteTheModelUnlessAHeaderDoes) {
  service_.set_rules({.priorities = {}, .rewrites = {{.models = {"llama"}, .targets = {{.model = "qwen"}}}}});
  headers({});
  EXPECT_THAT(*body(kChat, true)[1].stream, HasSubstr(R"("model":"qwen")"));
  handler_ = service_.start(exchange_);
  headers({{"x-llm-d-model-name-rewrite", "other"}});
  EXPECT_THAT(*body(kChat, true)[1].stream, HasSubstr(R"("model":"other")"));
  service_.set_rules({});
  handler_ = service_.start(exchange_);
  headers({});
  EXPECT_EQ(*body(kChat, true)[1].stream, kChat);
}

TEST_F(Protocol, TheNewerNameOfAHeaderCounts) {
  headers({{"x-gateway-model-name-rewrite", "old"}, {"x-llm-d-model-name-rewrite", "new"}});
  EXPECT_THAT(*body(kChat, true)[1].stream, HasSubstr(R"("model":"new")"));
}

TEST_F(Protocol, ABufferedBodyIsReplacedWhereTheModelIs) {
  headers({{"x-llm-d-model-name-rewrite", "other"}}, false, BodyMode::kBuffered);
  const std::vector<Said> said = body(kChat, true);
  EXPECT_THAT(said.at(0).replace.value_or(""), HasSubstr(R"("model":"other")"));
  EXPECT_EQ(said[0].set.at("content-length"), std::to_string(said[0].replace->size()));
}

TEST_F(Protocol, TheSubsetIsObeyed) {
  hint({std::string(kB)});
  headers({});
  EXPECT_EQ(body(kChat, true).at(0).set.at(std::string(kDestination)), kB);
}

TEST_F(Protocol, AnEmptyOrUnknownSubsetIsAnsweredWith503) {
  for (const auto& subset : {std::vector<std::string>{}, {"10.9.9.9:1"}}) {
    handler_ = service_.start(exchange_);
    hint(subset);
    headers({});
    EXPECT_EQ(body(kChat, true).at(0).status, 503U);
  }
}

TEST_F(Protocol, WithoutEndpointsTheAnswerIs503) {
  service_.set_endpoints({});
  headers({});
  const Said said = body(kChat, true).at(0);
  EXPECT_EQ(said.status, 503U);
  EXPECT_EQ(said.set.at("content-type"), "application/json");
  EXPECT_EQ(
      said.body,
      R"({"error":{"message":"no model server is there for this request","type":"service_unavailable","code":503}})");
}

TEST_F(Protocol, AMalformedBodyIsAnsweredWith400AtItsFirstBadByte) {
  headers({});
  const Said said = body("{\"model\":}", false).at(0);
  EXPECT_EQ(said.status, 400U);
  EXPECT_THAT(said.body, HasSubstr("the body is no JSON: byte 9 is unexpected"));
  EXPECT_THAT(body("more", true), IsEmpty());
}

TEST_F(Protocol, AnUnknownBodyAtAnUnknownPathPasses) {
  handler_->on_request({.part = Part::kRequestHeaders, .headers = {{":path", "/upload"}}});
  const std::vector<Said> said = body("not json", true);
  ASSERT_EQ(said.size(), 2U);
  EXPECT_EQ(said[1].stream, "not json");
}

TEST_F(Protocol, AClientCannotSayWhereItsPromptIsPrefilled) {
  const std::vector<Said> said = headers({{"x-prefiller-host-port", "6.6.6.6:1"}}, true);
  EXPECT_THAT(said.at(0).removed, ElementsAre("x-prefiller-host-port"));
}

TEST_F(Protocol, AResponseIsWatchedToItsEnd) {
  headers({});
  body(kChat, true);
  EXPECT_THAT(service_.metrics(), HasSubstr("sluice_picker_open 1\n"));
  EXPECT_EQ(part(Part::kResponseHeaders, {{":status", "200"}, {"content-type", "text/event-stream"}}).size(),
            1U);
  const std::string_view event = "data: {\"choices\":[]}\n\n";
  const std::vector<Said> said = response_body(event, false);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0].stream, event);
  response_body("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n", true);
  const std::string metrics = service_.metrics();
  EXPECT_THAT(metrics, HasSubstr("sluice_picker_open 0\n"));
  EXPECT_THAT(metrics, HasSubstr("sluice_picker_responses_total{end=\"finished\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("sluice_picker_tokens_total{kind=\"prompt\"} 7\n"));
}

TEST_F(Protocol, AStreamThatEndsEarlyIsDropped) {
  headers({});
  body(kChat, true);
  part(Part::kResponseHeaders, {{":status", "200"}});
  handler_.reset();
  EXPECT_THAT(service_.metrics(), HasSubstr("sluice_picker_open 0\n"));
  EXPECT_THAT(service_.metrics(), HasSubstr("sluice_picker_responses_total{end=\"dropped\"} 1\n"));
}

TEST_F(Protocol, AnErrorOfTheServerIsNoAnswer) {
  headers({});
  body(kChat, true);
  part(Part::kResponseHeaders, {{":status", "500"}});
  response_body("oops", true);
  EXPECT_THAT(service_.metrics(), HasSubstr("sluice_picker_responses_total{end=\"dropped\"} 1\n"));
}

TEST_F(Protocol, WhoServedIsReadFromAHeaderWhereThereIsNoMetadata) {
  headers({});
  const std::string destination = body(kChat, true)[0].set.at(std::string(kDestination));
  const std::string_view other = destination.starts_with(kA) ? kB : kA;
  part(Part::kResponseHeaders, {{":status", "200"}, {kServed, other}});
  EXPECT_THAT(service_.metrics(), HasSubstr("sluice_picker_served_elsewhere_total 1\n"));
}

Profile by_scores(std::vector<Score> scores) {
  Profile profile;
  profile.serve.choice = Choice::kMaxScore;
  for (const Score score : scores) profile.serve.scorers.push_back({.by = score});
  profile.admission.queue = false;
  return profile;
}

class BySession : public Protocol {
 protected:
  BySession() : Protocol({.pool = {.profile = profile()}}) {}
  static Profile profile() {
    Profile profile = by_scores({Score::kSession});
    profile.session_header = "x-my-session";
    return profile;
  }
};

TEST_F(BySession, TheAnswerSaysWhoHasServedAndTheNextRequestGoesThere) {
  headers({});
  const std::string destination = body(kChat, true)[0].set.at(std::string(kDestination));
  const std::string_view other = destination.starts_with(kA) ? kB : kA;
  const std::vector<Said> said = part(Part::kResponseHeaders, {{":status", "200"}, {kServed, other}});
  const std::string token = said.at(0).set.at("x-my-session");
  EXPECT_EQ(decode_base64(token), other);
  for (int i = 0; i < 10; ++i) {
    handler_ = service_.start(exchange_);
    headers({{"x-my-session", token}});
    EXPECT_THAT(body(kChat, true)[0].set.at(std::string(kDestination)),
                testing::StartsWith(std::string(other)));
  }
}

TEST_F(BySession, AnErrorOfTheServerMakesNoSession) {
  headers({});
  body(kChat, true);
  EXPECT_THAT(part(Part::kResponseHeaders, {{":status", "503"}}).at(0).set, IsEmpty());
}

TEST_F(Protocol, WithoutAScorerOfSessionsAnswersSayNothingOfThem) {
  headers({});
  body(kChat, true);
  EXPECT_THAT(part(Part::kResponseHeaders, {{":status", "200"}}).at(0).set, IsEmpty());
}

class ByPrefix : public Protocol {
 protected:
  ByPrefix() : Protocol({.pool = {.profile = by_scores({Score::kPrefixCache})}}) {}
};

TEST_F(ByPrefix, ARequestIsDoneWithOnceItIsSent) {
  headers({});
  body(kChat, true);
  EXPECT_THAT(service_.metrics(), HasSubstr("sluice_picker_open 0\n"));
  handler_.reset();
  EXPECT_THAT(service_.metrics(), HasSubstr("sluice_picker_responses_total{end=\"finished\"} 1\n"));
  EXPECT_THAT(service_.metrics(), HasSubstr("sluice_picker_responses_total{end=\"dropped\"} 0\n"));
}

class Strict : public Protocol {
 protected:
  Strict() : Protocol({.pool = {.pass_unknown = false, .max_body_bytes = 100, .max_held_bytes = 90}}) {}
};

TEST_F(Strict, ABodyThatNamesNoModelIsRefused) {
  headers({});
  const Said said = body("{}", true).at(0);
  EXPECT_EQ(said.status, 400U);
  EXPECT_THAT(said.body, HasSubstr("the body names no model"));
}

TEST_F(Strict, ATooLargeBodyIsRefusedByItsLengthOrItsBytes) {
  EXPECT_EQ(headers({{"content-length", "101"}}).at(0).status, 413U);
  handler_ = service_.start(exchange_);
  headers({});
  EXPECT_EQ(body(std::string(101, ' '), false).at(0).status, 413U);
}

TEST_F(Strict, BodiesTogetherAreBounded) {
  RecordingExchange other_exchange(loop_);
  const std::unique_ptr<extproc::Handler> other = service_.start(other_exchange);
  other->on_request({.part = Part::kRequestHeaders, .headers = {}});
  other->on_request({.part = Part::kRequestBody, .body = std::string_view("{                    ")});
  headers({});
  EXPECT_EQ(body("{" + std::string(80, ' '), false).at(0).status, 429U);
}

}  // namespace
}  // namespace sluice::picker
