#include "drain/machine.h"

#include <algorithm>

namespace sluice::drain {

using std::chrono::milliseconds;

namespace {

// A sum over all statistics of an Envoy costs it something.
constexpr milliseconds kPoll{500};
constexpr int kMostUnanswered = 3;

}  // namespace

Next Machine::answered(const Answer& answer, milliseconds passed) {
  unanswered_ = answer.arrived ? 0 : unanswered_ + 1;
  if (!answer.arrived) return again(passed);
  switch (task_) {
    case Task::kFailHealthChecks:
      task_ = Task::kDrainListeners;
      drain_start_ = passed + times_.health_check_failure_delay;
      return Step{.task = task_, .wait = times_.health_check_failure_delay};
    case Task::kDrainListeners:
      task_ = Task::kCountConnections;
      drain_start_ = passed;
      return Step{.task = task_, .wait = milliseconds(0)};
    case Task::kCountConnections:
      if (answer.connections == 0u && passed - drain_start_ >= times_.min_drain) return End::kDrained;
      return again(passed);
  }
  return End::kNoAnswers;
}

Next Machine::again(milliseconds passed) const {
  const milliseconds drained_for = passed - drain_start_;
  if (drained_for >= times_.drain_timeout) return unanswered_ > 0 ? End::kNoAnswers : End::kTimeIsUp;
  if (unanswered_ >= kMostUnanswered && drained_for >= times_.min_drain) return End::kNoAnswers;
  return Step{.task = task_, .wait = std::min(kPoll, times_.drain_timeout - drained_for)};
}

}  // namespace sluice::drain
