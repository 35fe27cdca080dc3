// Certificates that are out of date. Translation has no clock, and so this is no table: whoever has the time
// asks.
//
// Threads: that of the pipeline.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "base/problem.h"
#include "control/pipeline.h"
#include "control/problem_log.h"

namespace sluice::control {

// A warning for each Secret whose certificate is shown at that time, by listeners or to backends of a
// Gateway, though it is valid no more, or not yet. Problems without places.
std::vector<Problem> expired_certificates(const Pipeline& pipeline,
                                          std::chrono::system_clock::time_point now);

// Follows a pipeline while time passes: puts those warnings into a log of problems when certificates run out,
// and takes them back.
class ExpiryWatch {
 public:
  using Time = std::chrono::system_clock::time_point;

  // A machine may sleep, or its clock be set: so often it is looked at the time again, whatever is due.
  static constexpr std::chrono::minutes kLookAgain{10};

  ExpiryWatch(const Pipeline& pipeline, ProblemLog& log) : pipeline_(pipeline), log_(log) {}

  // To be called after each commit.
  void committed(Time now);
  // To be called when that long has passed since the last look, or earlier; nothing: never.
  std::optional<std::chrono::milliseconds> wait(Time now) const;
  // True where something may have changed.
  bool look_if_due(Time now);

  // When the first of the certificates that are shown runs out, or ran out, in seconds of Unix time.
  std::optional<std::int64_t> nearest() const { return nearest_; }

 private:
  void look(Time now);

  const Pipeline& pipeline_;
  ProblemLog& log_;
  std::vector<Problem> problems_;  // in the log
  std::optional<std::int64_t> nearest_;
  std::optional<Time> due_;     // when other warnings are right
  std::optional<Time> looked_;  // nothing where there is no certificate
};

}  // namespace sluice::control
