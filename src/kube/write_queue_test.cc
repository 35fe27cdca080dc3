#include "kube/write_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using Verdict = WriteQueue::Verdict;

Write status(const std::string& body) { return {.kind = Write::Kind::kApply, .target = "/t", .body = body}; }

class WriteQueueTest : public testing::Test {
 protected:
  WriteQueueTest() { queue_.set_active(true); }

  void want(const std::string& key, const std::string& body) { queue_.want(key, status(body), now_); }
  // "a=1", or "" where there is nothing to send now.
  std::string next() {
    const auto sending = queue_.next(now_);
    return sending ? sending->key + "=" + sending->write.body : "";
  }
  Verdict answer(const std::string& key, unsigned code, const std::string& body = "",
                 std::optional<std::chrono::seconds> after = {}) {
    return queue_.answered(key, Answer{.status = code, .body = body, .retry_after = after}, now_);
  }
  // From now on.
  std::chrono::milliseconds until_wake() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(queue_.wake_at().value() - now_);
  }

  WriteQueue::Time now_{1h};
  WriteQueue queue_{{}, [] { return 0.0; }};
};

TEST_F(WriteQueueTest, SendsWhatIsWantedAtOnceInOrder) {
  want("b", "1");
  want("a", "1");
  EXPECT_EQ(next(), "b=1");
  EXPECT_EQ(next(), "a=1");
  EXPECT_EQ(next(), "");
}

TEST_F(WriteQueueTest, SendsOnlyTheNewestOfAKey) {
  want("a", "1");
  want("a", "2");
  EXPECT_EQ(next(), "a=2");
  EXPECT_EQ(next(), "");
}

TEST_F(WriteQueueTest, HasOneWriteOfAKeyUnderWay) {
  want("a", "1");
  next();
  want("a", "2");
  now_ += 1min;
  EXPECT_EQ(next(), "");
  answer("a", 200);
  EXPECT_EQ(next(), "a=2");
}

TEST_F(WriteQueueTest, DoesNotSendWhatIsAcknowledged) {
  want("a", "1");
  next();
  EXPECT_EQ(answer("a", 200), Verdict::kDone);
  now_ += 1min;
  want("a", "1");
  EXPECT_TRUE(queue_.idle());
}

TEST_F(WriteQueueTest, DoesNotSendWhatIsUnderWay) {
  want("a", "1");
  next();
  want("a", "2");
  want("a", "1");
  answer("a", 200);
  EXPECT_TRUE(queue_.idle());
}

TEST_F(WriteQueueTest, SendsWhatWasForgotten) {
  want("a", "1");
  next();
  answer("a", 200);
  queue_.forget("a");
  now_ += 1min;
  want("a", "1");
  EXPECT_EQ(next(), "a=1");
}

TEST_F(WriteQueueTest, SendsAgainWhatWasForgottenWhileItWasUnderWay) {
  want("a", "1");
  next();
  queue_.forget("a");
  want("a", "1");
  answer("a", 200);
  now_ += 1min;
  EXPECT_EQ(next(), "a=1");
}

TEST_F(WriteQueueTest, DropsWhatNobodyWants) {
  want("a", "1");
  queue_.drop("a");
  EXPECT_TRUE(queue_.idle());
}

TEST_F(WriteQueueTest, DoesNotRetryWhatNobodyWants) {
  want("a", "1");
  next();
  queue_.drop("a");
  EXPECT_EQ(answer("a", 500), Verdict::kRefused);
  EXPECT_TRUE(queue_.idle());
}

TEST_F(WriteQueueTest, RetriesWhatIsWantedAgainAfterADrop) {
  want("a", "1");
  next();
  queue_.drop("a");
  want("a", "1");
  EXPECT_EQ(answer("a", 500), Verdict::kAgain);
}

TEST_F(WriteQueueTest, HasSomeWritesUnderWayAtMost) {
  for (char key = 'a'; key < 'k'; ++key) want(std::string(1, key), "1");
  for (char key = 'a'; key < 'i'; ++key) EXPECT_EQ(next(), std::string(1, key) + "=1");
  EXPECT_EQ(next(), "");
  EXPECT_EQ(queue_.wake_at(), std::nullopt);
  answer("c", 200);
  EXPECT_EQ(next(), "i=1");
}

TEST_F(WriteQueueTest, SendsNoFasterThanItsRate) {
  const auto send = [&](int count) {
    int sent = 0;
    for (int i = 0; i < count; ++i) {
      want("k" + std::to_string(i), "1");
      while (const auto sending = queue_.next(now_)) {
        ++sent;
        answer(sending->key, 200);
      }
    }
    return sent;
  };
  EXPECT_EQ(send(300), 100);
  EXPECT_EQ(until_wake(), 20ms);
  now_ += 20ms;
  EXPECT_EQ(next(), "k100=1");
  now_ += 1s;
  EXPECT_EQ(send(0), 0);
  int sent = 0;
  while (const auto sending = queue_.next(now_)) {
    ++sent;
    answer(sending->key, 200);
  }
  EXPECT_EQ(sent, 50);
}

TEST_F(WriteQueueTest, SendsAKeyThatKeepsChangingAHandfulOfTimes) {
  int sent = 0;
  for (int i = 0; i < 1'000; ++i) {  // a thousand changes in ten seconds
    want("a", std::to_string(i));
    now_ += 10ms;
    if (!next().empty()) {
      ++sent;
      answer("a", 200);
    }
  }
  EXPECT_LE(sent, 10);
  EXPECT_GE(sent, 5);
}

TEST_F(WriteQueueTest, SendsTheLastOfManyChangesSoon) {
  for (int i = 0; i < 1'000; ++i) {
    want("a", std::to_string(i));
    now_ += 10ms;
    if (!next().empty()) answer("a", 200);
  }
  ASSERT_FALSE(queue_.idle());
  EXPECT_LE(until_wake(), 2s);
  now_ = queue_.wake_at().value();
  EXPECT_EQ(next(), "a=999");
}

TEST_F(WriteQueueTest, SendsAKeyAtOnceThatWasQuiet) {
  want("a", "1");
  next();
  answer("a", 200);
  now_ += 1s;
  want("a", "2");
  EXPECT_EQ(next(), "a=2");
}

TEST_F(WriteQueueTest, TriesAgainWhatMayPass) {
  struct Case {
    unsigned status;
    std::string body;
    Verdict verdict;
  };
  const std::string conflict = R"({"kind":"Status","reason":"Conflict"})";
  const std::string owned =
      R"({"kind":"Status","reason":"Conflict","details":{"causes":[{"reason":"FieldManagerConflict"}]}})";
  const std::string exists = R"({"kind":"Status","reason":"AlreadyExists"})";
  for (const Case& each :
       {Case{409, conflict, Verdict::kAgain}, Case{409, owned, Verdict::kRefused},
        Case{409, exists, Verdict::kRefused}, Case{429, "", Verdict::kAgain}, Case{500, "", Verdict::kAgain},
        Case{503, "", Verdict::kAgain}, Case{403, "", Verdict::kRefused}, Case{404, "", Verdict::kRefused},
        Case{422, "", Verdict::kRefused}, Case{201, "", Verdict::kDone}}) {
    WriteQueue queue({}, [] { return 0.0; });
    queue.set_active(true);
    queue.want("a", status("1"), now_);
    queue.next(now_);
    EXPECT_EQ(queue.answered("a", Answer{.status = each.status, .body = each.body}, now_), each.verdict)
        << each.status << each.body;
    EXPECT_EQ(queue.idle(), each.verdict != Verdict::kAgain) << each.status << each.body;
  }
}

TEST_F(WriteQueueTest, TriesAgainAfterNoAnswerWithABackoff) {
  want("a", "1");
  std::vector<std::chrono::milliseconds> waits;
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(next(), "a=1");
    EXPECT_EQ(queue_.answered("a", std::unexpected(Failure{}), now_), Verdict::kAgain);
    waits.push_back(until_wake());
    now_ += waits.back();
  }
  EXPECT_THAT(waits, testing::ElementsAre(125ms, 250ms, 500ms, 1000ms));
}

TEST_F(WriteQueueTest, TriesAgainWithTheNewestDocument) {
  want("a", "1");
  next();
  want("a", "2");
  answer("a", 500);
  now_ += 1min;
  EXPECT_EQ(next(), "a=2");
}

TEST_F(WriteQueueTest, WaitsAsLongAsTheServerAsks) {
  want("a", "1");
  next();
  answer("a", 429, "", 5s);
  EXPECT_EQ(until_wake(), 5s);
}

TEST_F(WriteQueueTest, TakesADeleteOfWhatIsNotThereForDone) {
  queue_.want("a", {.kind = Write::Kind::kDelete, .target = "/t", .body = ""}, now_);
  queue_.next(now_);
  EXPECT_EQ(answer("a", 404), Verdict::kDone);
}

TEST_F(WriteQueueTest, SendsNothingWhileItIsNotActive) {
  queue_.set_active(false);
  want("a", "1");
  EXPECT_EQ(next(), "");
  EXPECT_EQ(queue_.wake_at(), std::nullopt);
  queue_.set_active(true);
  EXPECT_EQ(next(), "a=1");
}

TEST_F(WriteQueueTest, TrustsNoAcknowledgementFromBeforeItBecameActive) {
  want("a", "1");
  next();
  answer("a", 200);
  queue_.set_active(false);
  queue_.set_active(true);
  now_ += 1min;
  want("a", "1");
  EXPECT_EQ(next(), "a=1");
}

TEST(CallOf, SaysTheKindByMethodAndType) {
  using Kind = Write::Kind;
  const auto line = [](Kind kind) {
    const Call call = call_of({.kind = kind, .target = "/t", .body = "{}"});
    return call.method + " " + call.target + " " + call.content_type;
  };
  EXPECT_EQ(line(Kind::kApply), "PATCH /t application/apply-patch+yaml");
  EXPECT_EQ(line(Kind::kMergePatch), "PATCH /t application/merge-patch+json");
  EXPECT_EQ(line(Kind::kCreate), "POST /t application/json");
  EXPECT_EQ(line(Kind::kReplace), "PUT /t application/json");
  EXPECT_EQ(line(Kind::kDelete), "DELETE /t application/json");
}

}  // namespace
}  // namespace sluice::kube
