#include "drain/drainer.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "drain/testing.h"

namespace sluice::drain {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Times kAtOnce{
    .health_check_failure_delay = milliseconds(0), .min_drain = milliseconds(0), .drain_timeout = kPatience};

class DrainerTest : public testing::Test {
 protected:
  struct Ended {
    End end;
    std::string text;
  };

  DrainerOptions options(Times times) {
    return {.times = times, .envoy_admin = admin_.address(), .ignored_ports = {}, .door = door_};
  }
  Ended drain(DrainerOptions options) {
    Ended ended{};
    Drainer drainer(loop_, std::move(options), [&](End end, const std::string& text) {
      ended = {end, text};
      loop_.quit();
    });
    loop_.run();
    return ended;
  }
  int counted() const {
    const std::vector<std::string> asked = admin_.asked();
    return static_cast<int>(
        std::ranges::count_if(asked, [](const std::string& call) { return call.starts_with("GET /stats"); }));
  }

  MemoryAdmin admin_;
  const std::string door_ = own_door();
  Loop loop_;
};

TEST_F(DrainerTest, FailsHealthChecksThenDrainsThenCounts) {
  EXPECT_EQ(drain(options(kAtOnce)).end, End::kDrained);
  EXPECT_THAT(admin_.asked(),
              ElementsAre("POST /healthcheck/fail", "POST /drain_listeners?graceful&skip_exit",
                          HasSubstr("GET /stats?filter=")));
}

TEST_F(DrainerTest, EndsWhenTheLastConnectionHasEnded) {
  admin_.set_connections(1);
  std::jthread client([this] {
    EXPECT_TRUE(wait_until([this] { return counted() >= 2; }));
    admin_.set_connections(0);
  });
  EXPECT_EQ(drain(options(kAtOnce)).end, End::kDrained);
  EXPECT_GT(counted(), 2);
}

TEST_F(DrainerTest, SaysHowManyAreConnectedWhenTimeIsUp) {
  admin_.set_connections(3);
  Times times = kAtOnce;
  times.drain_timeout = milliseconds(50);
  const Ended ended = drain(options(times));
  EXPECT_EQ(ended.end, End::kTimeIsUp);
  EXPECT_THAT(ended.text, HasSubstr("3 connections are open"));
}

TEST_F(DrainerTest, SaysThatNobodyAnswers) {
  admin_.set_answers(false);
  const Ended ended = drain(options(kAtOnce));
  EXPECT_EQ(ended.end, End::kNoAnswers);
  EXPECT_THAT(ended.text, HasSubstr("does not answer"));
}

TEST_F(DrainerTest, TellsTheManagerWhatItDoesAndThatItHasEnded) {
  const Descriptor manager = listen_at_door(door_);
  ASSERT_TRUE(manager);
  drain(options(kAtOnce));
  const Descriptor drainer(::accept4(manager.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::vector<std::string> messages;
  for (std::string message = read_some(drainer); !message.empty(); message = read_some(drainer))
    messages.push_back(message);
  EXPECT_THAT(messages, ElementsAre("Envoy is to drain", HasSubstr("Envoy has drained"), kEnded));
}

TEST_F(DrainerTest, KnowsThatThereIsNoManager) {
  Drainer drainer(loop_, options(kAtOnce), [](End, const std::string&) {});
  EXPECT_FALSE(drainer.has_manager());
}

}  // namespace
}  // namespace sluice::drain
