// What a request gets from the filter, without Envoy.
#include "picker/module/http_filter.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "picker/exchange/names.h"
#include "picker/module/fake_envoy.h"

namespace sluice::picker {
namespace {

using fake::Stream;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

const std::string kA = "10.0.0.1:8000";
const std::string kB = "10.0.0.2:8000";
const std::string kBoth = kA + "," + kB;
const std::string kBothTurned = kB + "," + kA;
const std::string kChat = R"({"model":"llama","messages":[{"role":"user","content":"hi"}]})";
const std::string kTo(kDestination);

std::atomic<std::int64_t> microseconds = 1'000'000;
Time test_clock() { return Time{Duration(microseconds)}; }
void pass_time(Duration time) { microseconds += time.count(); }

class NoKeeper final : public Pool::Keeper {
 public:
  void wake() override { ++woken; }
  void asked(Time) override {}
  std::atomic<unsigned> woken = 0;
};

class Filter : public testing::Test {
 protected:
  explicit Filter(PoolOptions options = {}) : pool_(with_clock(std::move(options)), keeper_) {
    pool_.set_endpoints({Endpoint{.address = kA}, Endpoint{.address = kB}});
    stream_ = std::make_unique<Stream>(pool_);
  }
  ~Filter() override {
    stream_.reset();
    EXPECT_EQ(fake::schedulers(), 0U);
    EXPECT_EQ(pool_.open_tickets(), 0U);
    EXPECT_EQ(pool_.held_bytes(), 0U);
  }
  static PoolOptions with_clock(PoolOptions options) {
    options.clock = test_clock;
    return options;
  }
  void again(bool read_responses = true) { stream_ = std::make_unique<Stream>(pool_, read_responses); }
  void headers(fake::Headers headers = {}, bool end_of_stream = false) {
    headers.insert(headers.begin(), {{":method", "POST"}, {":path", "/v1/chat/completions"}});
    stream_->request_headers(std::move(headers), end_of_stream);
  }
  // Both servers are busy for some seconds.
  void saturate() {
    for (const std::string& address : {kA, kB})
      pool_.observe(address, Load{.taken = test_clock(), .waiting = 20});
  }

  NoKeeper keeper_;
  Pool pool_;
  std::unique_ptr<Stream> stream_;
};

TEST_F(Filter, ARequestStopsUntilItsBodyIsThere) {
  headers({{"content-length", "65"}});
  stream_->request_body({kChat.substr(0, 20)}, false);
  EXPECT_FALSE(stream_->went_on());
  stream_->request_body({kChat.substr(20)}, true);
  ASSERT_TRUE(stream_->went_on());
  EXPECT_EQ(stream_->body(), kChat);
  EXPECT_THAT(stream_->header(kTo), AnyOf(kBoth, kBothTurned));
  EXPECT_EQ(stream_->metadata_of("envoy.lb", kTo), stream_->header(kTo));
}

TEST_F(Filter, AClientCannotSayWhereItsRequestGoes) {
  headers({{kTo, "6.6.6.6:1"}}, true);
  EXPECT_THAT(stream_->request, testing::Contains(testing::Pair(kTo, AnyOf(kBoth, kBothTurned))));
  EXPECT_THAT(stream_->request, testing::Not(testing::Contains(testing::Pair(kTo, "6.6.6.6:1"))));
}

TEST_F(Filter, AnAnswerTellsItsSessionWhoHasServed) {
  Profile profile;
  profile.serve.choice = Choice::kMaxScore;
  profile.serve.scorers = {{.by = Score::kSession}};
  profile.admission.queue = false;
  pool_.set_profile(profile);
  again();
  headers({}, true);
  stream_->upstream_address = kB;
  stream_->response_headers({{":status", "200"}}, false);
  EXPECT_THAT(stream_->response, testing::Contains(testing::Pair("x-session-token", encode_base64(kB))));
}

TEST_F(Filter, BodiesOfAnswersThatTheProfileDoesNotNeedAreNotRead) {
  Profile profile;
  profile.serve.choice = Choice::kMaxScore;
  profile.serve.scorers = {{.by = Score::kQueue}};
  profile.admission.queue = false;
  pool_.set_profile(profile);
  again();
  headers({}, true);
  stream_->response_headers({{":status", "200"}}, false);
  EXPECT_EQ(pool_.open_tickets(), 1U);  // inside Envoy the end is known all the same
  stream_->response_body(R"({"usage": {"prompt_tokens": 7, "completion_tokens": 3}})", true);
  EXPECT_EQ(pool_.open_tickets(), 0U);
  EXPECT_EQ(pool_.counts().completion_tokens, 0U);
  EXPECT_EQ(pool_.counts().finished, 1U);
}

TEST_F(Filter, EnvoyKeepsAsMuchOfABodyAsThePickerTakes) {
  headers();
  EXPECT_EQ(stream_->buffer_limit, pool_.options().max_body_bytes);
}

TEST_F(Filter, ALimitThatIsHigherOrNoneStays) {
  stream_->buffer_limit = 0;
  headers();
  EXPECT_EQ(stream_->buffer_limit, 0U);
}

TEST_F(Filter, WithoutABodyTheHeadersDecide) {
  headers({}, true);
  ASSERT_TRUE(stream_->went_on());
  EXPECT_TRUE(stream_->has_header(kTo));
}

TEST_F(Filter, TrailersEndTheBody) {
  headers({{"x-gateway-model-name-rewrite", "other"}});
  stream_->request_body({kChat}, false);
  stream_->request_trailers();
  ASSERT_TRUE(stream_->went_on());
  EXPECT_THAT(stream_->body(), HasSubstr(R"("model":"other")"));
}

TEST_F(Filter, ABodyThatAnEarlierFilterHasKeptIsReadOnce) {
  headers({{"x-gateway-model-name-rewrite", "other"}});
  stream_->buffered_request_body(kChat);
  ASSERT_TRUE(stream_->went_on());
  EXPECT_EQ(stream_->body(), R"({"model":"other","messages":[{"role":"user","content":"hi"}]})");
}

TEST_F(Filter, TheModelIsRewrittenInItsPlaceHoweverTheBodyIsCut) {
  const std::string expected = R"({"model":"la\"ma-2","messages":[{"role":"user","content":"hi"}]})";
  for (std::size_t cut = 1; cut < kChat.size(); ++cut) {
    again();
    headers({{"x-gateway-model-name-rewrite", "la\"ma-2"}, {"content-length", std::to_string(kChat.size())}});
    stream_->request_body({kChat.substr(0, cut / 2), kChat.substr(cut / 2, cut - cut / 2)}, false);
    stream_->request_body({kChat.substr(cut)}, true);
    ASSERT_EQ(stream_->body(), expected);
    ASSERT_EQ(stream_->header("content-length"), std::to_string(expected.size()));
  }
}

TEST_F(Filter, ABodyOfUnknownLengthGetsNone) {
  headers({{"x-gateway-model-name-rewrite", "other"}});
  stream_->request_body({kChat}, true);
  EXPECT_FALSE(stream_->has_header("content-length"));
}

TEST_F(Filter, TheSubsetIsObeyedAsAListAndAsAText) {
  stream_->lists[std::string(kSubsetNamespace)][std::string(kSubset)] = {kB};
  headers({}, true);
  EXPECT_EQ(stream_->header(kTo), kB);
  again();
  stream_->strings[std::string(kSubsetNamespace)][std::string(kSubset)] = "10.9.9.9:1, " + kA;
  headers({}, true);
  EXPECT_EQ(stream_->header(kTo), kA);
}

TEST_F(Filter, AClientCannotSayWhereItsPromptIsPrefilled) {
  headers({{"x-prefiller-host-port", "6.6.6.6:1"}}, true);
  EXPECT_FALSE(stream_->has_header("x-prefiller-host-port"));
}

TEST_F(Filter, WithoutEndpointsTheAnswerIs503) {
  pool_.set_endpoints({});
  headers();
  stream_->request_body({kChat}, true);
  ASSERT_TRUE(stream_->reply);
  EXPECT_EQ(stream_->reply->status, 503U);
  EXPECT_THAT(stream_->reply->headers, ElementsAre(Pair("content-type", "application/json")));
  EXPECT_EQ(
      stream_->reply->body,
      R"({"error":{"message":"no model server is there for this request","type":"service_unavailable","code":503}})");
  EXPECT_EQ(stream_->reply->details, "sluice_picker");
}

TEST_F(Filter, AMalformedBodyIsAnsweredWith400AtItsFirstBadByte) {
  headers();
  stream_->request_body({"{\"model\":}"}, false);
  ASSERT_TRUE(stream_->reply);
  EXPECT_EQ(stream_->reply->status, 400U);
  EXPECT_THAT(stream_->reply->body, HasSubstr("the body is no JSON: byte 9 is unexpected"));
}

TEST_F(Filter, AResponseIsWatchedToItsEnd) {
  headers();
  stream_->request_body({kChat}, true);
  EXPECT_EQ(pool_.open_tickets(), 1U);
  stream_->response_headers({{":status", "200"}, {"content-type", "text/event-stream"}}, false);
  stream_->response_body("data: {\"choices\":[]}\n\n", false);
  stream_->response_body("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n",
                         true);
  EXPECT_EQ(pool_.open_tickets(), 0U);
  EXPECT_EQ(pool_.counts().finished, 1U);
  EXPECT_EQ(pool_.counts().prompt_tokens, 7U);
}

TEST_F(Filter, TrailersEndAResponse) {
  headers({}, true);
  stream_->response_headers({{":status", "200"}}, false);
  stream_->response_body("{}", false);
  EXPECT_EQ(pool_.open_tickets(), 1U);
  stream_->response_trailers({{"x", "y"}});
  EXPECT_EQ(pool_.counts().finished, 1U);
}

TEST_F(Filter, AStreamThatEndsEarlyIsDropped) {
  headers({}, true);
  stream_->response_headers({{":status", "200"}}, false);
  stream_.reset();
  EXPECT_EQ(pool_.counts().dropped, 1U);
}

TEST_F(Filter, AnErrorOfTheServerIsNoAnswer) {
  headers({}, true);
  stream_->response_headers({{":status", "500"}}, true);
  EXPECT_EQ(pool_.counts().dropped, 1U);
}

TEST_F(Filter, AResponseThatIsNotReadEndsWithItsHeaders) {
  again(false);
  headers();
  stream_->request_body({kChat}, true);
  stream_->response_headers({{":status", "200"}, {"content-type", "text/event-stream"}}, false);
  stream_->response_body("data: {\"usage\":{\"prompt_tokens\":7}}\n\n", true);
  EXPECT_EQ(pool_.counts().finished, 1U);
  EXPECT_EQ(pool_.counts().prompt_tokens, 0U);
}

TEST_F(Filter, EnvoyKnowsWhoHasServed) {
  headers({}, true);
  stream_->upstream_address = stream_->header(kTo).starts_with(kA) ? kB : kA;
  stream_->response_headers({{":status", "200"}}, false);
  EXPECT_EQ(pool_.counts().served_other, 1U);
  EXPECT_EQ(
      pool_.reserved(stream_->upstream_address).waiting + pool_.reserved(stream_->upstream_address).running,
      1U);
}

TEST_F(Filter, WhoIsSaidToHaveServedCountsMore) {
  headers({}, true);
  const std::string first = stream_->header(kTo).substr(0, kA.size());
  stream_->upstream_address = first == kA ? kB : kA;
  stream_->strings["envoy.lb"][std::string(kServed)] = first;
  stream_->response_headers({{":status", "200"}}, true);
  EXPECT_EQ(pool_.counts().served_other, 0U);
}

TEST_F(Filter, ARequestWaitsWhileAllServersAreBusyAndGoesOnWhenOneIsFree) {
  saturate();
  headers({{"x-gateway-model-name-rewrite", "other"}});
  stream_->request_body({kChat}, true);
  ASSERT_FALSE(stream_->reply);
  EXPECT_FALSE(stream_->went_on());
  EXPECT_EQ(pool_.queued(), 1U);
  EXPECT_EQ(pool_.held_bytes(), kChat.size());
  pass_time(std::chrono::milliseconds(300));
  pool_.observe(kA, Load{.taken = test_clock()});
  EXPECT_GT(keeper_.woken, 0U);
  pool_.work();
  ASSERT_TRUE(stream_->run_scheduled());
  ASSERT_TRUE(stream_->went_on());
  EXPECT_TRUE(stream_->header(kTo).starts_with(kA));
  EXPECT_THAT(stream_->body(), HasSubstr(R"("model":"other")"));
}

TEST_F(Filter, AClientThatGoesAwayLeavesNothingWaiting) {
  saturate();
  headers();
  stream_->request_body({kChat}, true);
  EXPECT_EQ(pool_.queued(), 1U);
  stream_.reset();
  EXPECT_EQ(pool_.queued(), 0U);
  EXPECT_EQ(pool_.open_tickets(), 0U);
}

TEST_F(Filter, AClientThatGoesAwayBeforeItsVerdictComesLeavesNothingReserved) {
  saturate();
  headers();
  stream_->request_body({kChat}, true);
  pass_time(std::chrono::milliseconds(300));
  pool_.observe(kA, Load{.taken = test_clock()});
  pool_.work();
  EXPECT_EQ(pool_.queued(), 0U);
  stream_.reset();
  EXPECT_EQ(pool_.open_tickets(), 0U);
}

TEST_F(Filter, ABodyThatDoesNotComeIsAnsweredWith408) {
  headers();
  stream_->request_body({kChat.substr(0, 9)}, false);
  ASSERT_TRUE(pool_.work());
  pass_time(pool_.options().body_timeout + std::chrono::milliseconds(1));
  pool_.work();
  ASSERT_TRUE(stream_->run_scheduled());
  ASSERT_TRUE(stream_->reply);
  EXPECT_EQ(stream_->reply->status, 408U);
  EXPECT_EQ(pool_.counts().too_slow, 1U);
}

TEST_F(Filter, ABodyThatCameJustInTimeIsNoLongerLate) {
  headers();
  pass_time(pool_.options().body_timeout + std::chrono::milliseconds(1));
  pool_.work();
  stream_->request_body({kChat}, true);
  EXPECT_TRUE(stream_->went_on());
  stream_->run_scheduled();
  EXPECT_FALSE(stream_->reply);
}

TEST_F(Filter, BodiesThatComeInTimeDoNotKeepThePoolsThreadAwake) {
  for (int i = 0; i < 100; ++i) {
    again();
    headers();
    stream_->request_body({kChat}, true);
    if (i % 10 == 0) pool_.work();
  }
  EXPECT_EQ(keeper_.woken, 1U);
}

class Strict : public Filter {
 protected:
  Strict() : Filter({.pass_unknown = false, .max_body_bytes = 100, .max_held_bytes = 90}) {}
};

TEST_F(Strict, ABodyThatNamesNoModelIsRefused) {
  headers();
  stream_->request_body({"{}"}, true);
  EXPECT_EQ(stream_->reply.value().status, 400U);
}

TEST_F(Strict, ATooLargeBodyIsRefusedByItsLengthOrItsBytes) {
  headers({{"content-length", "101"}});
  EXPECT_EQ(stream_->reply.value().status, 413U);
  again();
  headers();
  stream_->request_body({std::string(101, ' ')}, false);
  EXPECT_EQ(stream_->reply.value().status, 413U);
}

TEST_F(Strict, BodiesTogetherAreBounded) {
  Stream other(pool_);
  other.request_headers({{":path", "/v1/completions"}}, false);
  other.request_body({"{" + std::string(20, ' ')}, false);
  headers();
  stream_->request_body({"{" + std::string(80, ' ')}, false);
  EXPECT_EQ(stream_->reply.value().status, 429U);
}

class Limited : public Filter {
 protected:
  static PoolOptions options() {
    PoolOptions options;
    options.profile.limits.push_back(RateLimit{.requests_per_second = 1, .burst_seconds = 1});
    return options;
  }
  Limited() : Filter(options()) {}
};

TEST_F(Limited, WhoAsksTooOftenIsToldWhenToComeAgain) {
  headers();
  stream_->request_body({kChat}, true);
  ASSERT_TRUE(stream_->went_on());
  again();
  headers();
  stream_->request_body({kChat}, true);
  ASSERT_TRUE(stream_->reply);
  EXPECT_EQ(stream_->reply->status, 429U);
  EXPECT_THAT(stream_->reply->headers,
              ElementsAre(Pair("content-type", "application/json"), Pair("retry-after", "1")));
}

// Workers, and the pool's thread, on one pool that is now and then busy.
TEST(Workers, ShareAPoolAndLeaveNothingBehind) {
  NoKeeper keeper;
  Pool pool({}, keeper);
  pool.set_endpoints({Endpoint{.address = kA}, Endpoint{.address = kB}});
  std::atomic<bool> over = false;
  std::thread watching([&] {
    for (unsigned i = 0; !over; ++i) {
      const bool busy = i % 4 == 0;
      for (const std::string& address : {kA, kB})
        pool.observe(address, Load{.taken = now(), .waiting = busy ? 20U : 0U});
      pool.work();
    }
  });
  std::vector<std::thread> workers;
  std::atomic<unsigned> picked = 0;
  for (unsigned w = 0; w < 3; ++w) {
    workers.emplace_back([&, w] {
      for (unsigned i = 0; i < 400; ++i) {
        Stream stream(pool);
        stream.request_headers(
            {{":path", "/v1/completions"}, {"x-llm-d-inference-fairness-id", std::to_string(w)}}, false);
        stream.request_body({R"({"model":"m","prompt":"some text )" + std::to_string(i) + "\"}"}, true);
        for (int turns = 0; turns < 200 && !stream.went_on() && !stream.reply; ++turns) {
          if (!stream.run_scheduled()) std::this_thread::yield();
        }
        if (!stream.went_on()) continue;  // its client has had enough
        ++picked;
        stream.response_headers({{":status", "200"}, {"content-type", "text/event-stream"}}, false);
        stream.response_body("data: {\"choices\":[]}\n\n", i % 3 != 0);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  over = true;
  watching.join();
  EXPECT_GT(picked, 0U);
  EXPECT_EQ(pool.open_tickets(), 0U);
  EXPECT_EQ(pool.held_bytes(), 0U);
  EXPECT_EQ(pool.reserved(kA), Reserved{});
  EXPECT_EQ(pool.reserved(kB), Reserved{});
  EXPECT_EQ(fake::schedulers(), 0U);
}

}  // namespace
}  // namespace sluice::picker
