#include "drain/machine.h"

#include <gtest/gtest.h>

namespace sluice::drain {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Answer kDone{.arrived = true, .connections = {}};
constexpr Answer kNone{};

Answer connections(std::uint64_t count) { return {.arrived = true, .connections = count}; }

// One that counts connections since `passed` 0.
Machine counting(Times times) {
  times.health_check_failure_delay = milliseconds(0);
  Machine machine(times);
  machine.begin();
  machine.answered(kDone, milliseconds(0));
  machine.answered(kDone, milliseconds(0));
  return machine;
}

constexpr Times kTimes{
    .health_check_failure_delay = seconds(5), .min_drain = seconds(10), .drain_timeout = seconds(60)};

TEST(Machine, FailsHealthChecksFirst) {
  EXPECT_EQ(Machine(kTimes).begin(), (Step{.task = Task::kFailHealthChecks, .wait = seconds(0)}));
}

TEST(Machine, DrainsListenersAfterTheDelay) {
  Machine machine(kTimes);
  machine.begin();
  EXPECT_EQ(machine.answered(kDone, seconds(0)),
            Next(Step{.task = Task::kDrainListeners, .wait = seconds(5)}));
}

TEST(Machine, CountsConnectionsOnceListenersDrain) {
  Machine machine(kTimes);
  machine.begin();
  machine.answered(kDone, seconds(0));
  EXPECT_EQ(machine.answered(kDone, seconds(5)),
            Next(Step{.task = Task::kCountConnections, .wait = seconds(0)}));
}

TEST(Machine, ConnectionsHaveTheLeastTimeToCome) {
  Machine machine = counting(kTimes);
  EXPECT_TRUE(std::holds_alternative<Step>(machine.answered(connections(0), milliseconds(9'999))));
}

TEST(Machine, EndsAfterTheLeastTimeWhereNobodyIsConnected) {
  EXPECT_EQ(counting(kTimes).answered(connections(0), seconds(10)), Next(End::kDrained));
}

TEST(Machine, WaitsForConnectionsAfterTheLeastTime) {
  EXPECT_TRUE(std::holds_alternative<Step>(counting(kTimes).answered(connections(1), seconds(30))));
}

TEST(Machine, WaitsWhereEnvoyCannotTell) {
  EXPECT_TRUE(std::holds_alternative<Step>(counting(kTimes).answered(kDone, seconds(30))));
}

TEST(Machine, EndsAtTheLongestTimeWhateverIsOpen) {
  EXPECT_EQ(counting(kTimes).answered(connections(7), seconds(60)), Next(End::kTimeIsUp));
}

TEST(Machine, TheLastLookIsAtTheLongestTime) {
  EXPECT_EQ(counting(kTimes).answered(connections(7), milliseconds(59'900)),
            Next(Step{.task = Task::kCountConnections, .wait = milliseconds(100)}));
}

TEST(Machine, TheDelayCountsNeitherForTheLeastNorTheLongestTime) {
  Machine machine(
      {.health_check_failure_delay = seconds(100), .min_drain = seconds(10), .drain_timeout = seconds(60)});
  machine.begin();
  machine.answered(kDone, seconds(0));
  machine.answered(kDone, seconds(100));
  EXPECT_TRUE(std::holds_alternative<Step>(machine.answered(connections(0), seconds(109))));
  EXPECT_TRUE(std::holds_alternative<Step>(machine.answered(connections(1), seconds(159))));
  EXPECT_EQ(machine.answered(connections(1), seconds(160)), Next(End::kTimeIsUp));
}

TEST(Machine, AsksAgainWhatWasNotAnswered) {
  Machine machine(kTimes);
  machine.begin();
  const Next next = machine.answered(kNone, milliseconds(0));
  ASSERT_TRUE(std::holds_alternative<Step>(next));
  EXPECT_EQ(std::get<Step>(next).task, Task::kFailHealthChecks);
}

TEST(Machine, WhoStopsAnsweringHasEndedAfterTheLeastTime) {
  Machine machine = counting(kTimes);
  machine.answered(kNone, seconds(20));
  machine.answered(kNone, seconds(21));
  EXPECT_EQ(machine.answered(kNone, seconds(22)), Next(End::kNoAnswers));
}

TEST(Machine, WhoNeverAnswersHasTheLeastTimeAllTheSame) {
  Machine machine(kTimes);
  machine.begin();
  for (int passed = 0; passed < 10; ++passed) {
    EXPECT_TRUE(std::holds_alternative<Step>(machine.answered(kNone, seconds(passed)))) << passed;
  }
  EXPECT_EQ(machine.answered(kNone, seconds(10)), Next(End::kNoAnswers));
}

TEST(Machine, AnAnswerInBetweenStartsTheCountAnew) {
  Machine machine = counting(kTimes);
  machine.answered(kNone, seconds(20));
  machine.answered(kNone, seconds(21));
  machine.answered(connections(1), seconds(22));
  EXPECT_TRUE(std::holds_alternative<Step>(machine.answered(kNone, seconds(23))));
}

TEST(Machine, ALongestTimeShorterThanTheLeastIsKept) {
  EXPECT_EQ(
      counting({.min_drain = seconds(10), .drain_timeout = seconds(5)}).answered(connections(0), seconds(5)),
      Next(End::kTimeIsUp));
}

}  // namespace
}  // namespace sluice::drain
