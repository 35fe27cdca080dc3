#include "kube/election.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

class ElectionTest : public testing::Test {
 protected:
  static std::string text_of(const Election::Step& step) {
    if (const auto* wait = std::get_if<Election::Wait>(&step))
      return "wait " + std::to_string(wait->delay.count());
    const Call& call = std::get<Election::Send>(step).call;
    std::string text = call.method;
    if (!call.body.empty()) text += " " + Json::parse(call.body)["spec"]["holderIdentity"].get<std::string>();
    return text;
  }
  std::string start() { return take(election_.start(now_, wall_)); }
  std::string waited() { return take(election_.waited(now_, wall_)); }
  std::string answer(unsigned status, const std::string& body = "") {
    return take(election_.answered(Answer{.status = status, .body = body}, now_, wall_));
  }
  std::string no_answer() {
    return take(
        election_.answered(std::unexpected(Failure{Failure::Reason::kTimeout, "it hangs"}), now_, wall_));
  }
  std::string take(const Election::Step& step) {
    if (const auto* send = std::get_if<Election::Send>(&step)) sent_ = send->call;
    return text_of(step);
  }
  Json sent_spec() const { return Json::parse(sent_.body)["spec"]; }
  // What the server has stored of what was sent.
  std::string stored(const std::string& version) const {
    Json lease = Json::parse(sent_.body);
    lease["metadata"]["resourceVersion"] = version;
    return lease.dump();
  }
  static std::string lease(const std::string& holder, const std::string& renewed, int transitions = 4) {
    return Json{{"metadata", {{"name", "l"}, {"namespace", "n"}, {"resourceVersion", "5"}}},
                {"spec",
                 {{"holderIdentity", holder},
                  {"leaseDurationSeconds", 15},
                  {"renewTime", renewed},
                  {"acquireTime", "then"},
                  {"leaseTransitions", transitions}}}}
        .dump();
  }
  void lead() {
    start();
    answer(404);
    ASSERT_EQ(answer(201, stored("1")), "wait 2000");
    ASSERT_TRUE(election_.leads(now_));
  }
  void pass(std::chrono::milliseconds time) {
    now_ += time;
    wall_ += time;
  }

  Election::Time now_{1h};
  Election::WallTime wall_{std::chrono::microseconds(1'767'322'984'000'007)};
  Election election_{{.name_space = "n", .name = "l", .identity = "me"}, [] { return 0.0; }};
  Call sent_;
};

TEST_F(ElectionTest, MakesTheLeaseThatIsNotThere) {
  EXPECT_EQ(start(), "GET");
  EXPECT_EQ(sent_.target, "/apis/coordination.k8s.io/v1/namespaces/n/leases/l");
  EXPECT_EQ(answer(404), "POST me");
  EXPECT_EQ(sent_.target, "/apis/coordination.k8s.io/v1/namespaces/n/leases");
  EXPECT_EQ(Json::parse(sent_.body), Json::parse(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease",
      "metadata":{"name":"l","namespace":"n"},"spec":{"holderIdentity":"me","leaseDurationSeconds":15,
      "acquireTime":"2026-01-02T03:03:04.000007Z","renewTime":"2026-01-02T03:03:04.000007Z","leaseTransitions":0}})"));
  EXPECT_FALSE(election_.leads(now_));
  EXPECT_EQ(answer(201, stored("1")), "wait 2000");
  EXPECT_TRUE(election_.leads(now_));
  EXPECT_EQ(election_.holder(), "me");
}

TEST_F(ElectionTest, RenewsWithoutReading) {
  lead();
  pass(2s);
  EXPECT_EQ(waited(), "PUT me");
  EXPECT_EQ(sent_spec()["renewTime"], "2026-01-02T03:03:06.000007Z");
  EXPECT_EQ(sent_spec()["acquireTime"], "2026-01-02T03:03:04.000007Z");
  EXPECT_EQ(sent_spec()["leaseTransitions"], 0);
  EXPECT_EQ(Json::parse(sent_.body)["metadata"]["resourceVersion"], "1");
  EXPECT_EQ(answer(200, stored("2")), "wait 2000");
}

TEST_F(ElectionTest, LeadsTenSecondsFromWhenTheLastGoodRenewalWasSent) {
  lead();
  pass(2s);
  waited();
  pass(1s);
  answer(200, stored("2"));
  EXPECT_EQ(election_.leads_until(), now_ + 9s);
  pass(8999ms);
  EXPECT_TRUE(election_.leads(now_));
  pass(1ms);
  EXPECT_FALSE(election_.leads(now_));
}

TEST_F(ElectionTest, LeavesALeaseThatIsRenewedToItsHolder) {
  start();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(answer(200, lease("other", std::to_string(i))), "wait 2000");
    pass(2s);
    EXPECT_EQ(waited(), "GET");
  }
  EXPECT_EQ(election_.holder(), "other");
  EXPECT_FALSE(election_.leads(now_));
}

TEST_F(ElectionTest, TakesALeaseThatItHasNotSeenChangeForItsDuration) {
  start();
  answer(200, lease("other", "long ago"));
  pass(14999ms);
  waited();
  EXPECT_EQ(answer(200, lease("other", "long ago")), "wait 2000");
  pass(1ms);
  waited();
  EXPECT_EQ(answer(200, lease("other", "long ago")), "PUT me");
  EXPECT_EQ(sent_spec()["leaseTransitions"], 5);
  EXPECT_EQ(sent_spec()["acquireTime"], "2026-01-02T03:03:19.000007Z");
  EXPECT_EQ(Json::parse(sent_.body)["metadata"]["resourceVersion"], "5");
  answer(200, stored("6"));
  EXPECT_TRUE(election_.leads(now_));
}

TEST_F(ElectionTest, TakesALeaseThatWasGivenBackAtOnce) {
  start();
  EXPECT_EQ(answer(200, lease("", "now")), "PUT me");
}

TEST_F(ElectionTest, WaitsWhenAnotherWasFaster) {
  start();
  answer(200, lease("", "now"));
  EXPECT_EQ(answer(409), "wait 2000");
  EXPECT_FALSE(election_.leads(now_));
  EXPECT_EQ(waited(), "GET");
}

TEST_F(ElectionTest, ReadsWhatItIsAfterAConflictAndStopsLeadingWhereAnotherHoldsIt) {
  lead();
  waited();
  EXPECT_EQ(answer(409), "GET");
  EXPECT_TRUE(election_.leads(now_));
  answer(200, lease("other", "now"));
  EXPECT_FALSE(election_.leads(now_));
}

TEST_F(ElectionTest, TriesSoonAgainWhileItLeads) {
  lead();
  pass(2s);
  waited();
  EXPECT_EQ(no_answer(), "wait 500");
  EXPECT_EQ(election_.problem(), "it hangs");
  EXPECT_TRUE(election_.leads(now_));
  EXPECT_EQ(waited(), "GET");
  EXPECT_EQ(answer(200, lease("me", "now")), "PUT me");
  EXPECT_EQ(election_.problem(), "");
}

TEST_F(ElectionTest, LeavesTimeForASecondTryBeforeTheDeadline) {
  lead();
  waited();
  EXPECT_LE(2s + sent_.timeout + 500ms + sent_.timeout, 10s);
  EXPECT_TRUE(sent_.urgent);
}

TEST_F(ElectionTest, TriesLaterWhileItDoesNotLead) {
  start();
  EXPECT_EQ(answer(500), "wait 2000");
  EXPECT_EQ(election_.problem(), "it answers with status 500");
}

TEST_F(ElectionTest, SpreadsThoseWhoDoNotLead) {
  Election late({.name_space = "n", .name = "l", .identity = "me"}, [] { return 0.999; });
  late.start(now_, wall_);
  EXPECT_EQ(text_of(late.answered(Answer{.status = 200, .body = lease("other", "now")}, now_, wall_)),
            "wait 4397");
}

TEST_F(ElectionTest, StopsLeadingWhereTheLeaseIsGone) {
  lead();
  waited();
  no_answer();
  waited();
  EXPECT_EQ(answer(404), "POST me");
  EXPECT_FALSE(election_.leads(now_));
}

TEST_F(ElectionTest, DoesNotTrustWhatIsNoLease) {
  start();
  EXPECT_EQ(answer(200, "<html>"), "wait 2000");
  EXPECT_EQ(election_.problem(), "it answers with what is no Lease");
}

TEST_F(ElectionTest, GivesTheLeaseBack) {
  lead();
  const auto release = election_.release(wall_);
  ASSERT_TRUE(release);
  EXPECT_EQ(release->method, "PUT");
  const Json spec = Json::parse(release->body)["spec"];
  EXPECT_EQ(spec["holderIdentity"], "");
  EXPECT_EQ(spec["leaseDurationSeconds"], 1);
  EXPECT_FALSE(election_.leads(now_));
}

TEST_F(ElectionTest, GivesBackNothingThatItDoesNotHold) {
  start();
  answer(200, lease("other", "now"));
  EXPECT_FALSE(election_.release(wall_));
}

TEST(ElectionOptions, AreRefusedWhereALeaderCouldOutliveItsLease) {
  const auto fault = [](std::chrono::milliseconds lease, std::chrono::milliseconds renew,
                        std::chrono::milliseconds retry) {
    return Election::fault_of({.lease_duration = lease, .renew_deadline = renew, .retry_period = retry});
  };
  EXPECT_EQ(fault(15s, 10s, 2s), "");
  EXPECT_EQ(fault(10s, 10s, 2s), "the lease duration has to be more than the renew deadline");
  EXPECT_EQ(fault(15s, 2s, 2s), "the renew deadline has to be more than 1.2 times the retry period");
  EXPECT_EQ(fault(15s, 10s, 0s), "the retry period has to be more than nothing");
}

}  // namespace
}  // namespace sluice::kube
