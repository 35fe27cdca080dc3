// When an Envoy has drained: what is asked of its admin interface, one thing at a time, until its connections
// have ended.
//
// First it is told to fail health checks, so that nobody sends it new connections; from then on it also says
// `connection: close` or GOAWAY in its answers. After the delay that others may need to see that, its
// listeners drain, still open for who comes late. Then its connections are counted: it has drained when there
// are none, but not before the least time, for whoever balances load may not have heard yet; and it has to
// end at the longest time, whatever is open.
//
// An Envoy that does not answer is asked the same again. After some times without an answer it has ended when
// the least time is over: a process that is no more has no connections, and one that hangs would not lose
// them in an orderly way.
//
// Threads: a value. No clock: times are what the caller says has passed since the begin.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <variant>

namespace sluice::drain {

struct Times {
  std::chrono::milliseconds health_check_failure_delay{0};
  // Both from when listeners drain. Envoy Gateway's defaults.
  std::chrono::milliseconds min_drain{10'000};
  std::chrono::milliseconds drain_timeout{60'000};
};

enum class Task : std::uint8_t { kFailHealthChecks, kDrainListeners, kCountConnections };

// What is to be done, and how long to wait before.
struct Step {
  Task task = Task::kFailHealthChecks;
  std::chrono::milliseconds wait{0};

  bool operator==(const Step&) const = default;
};

enum class End : std::uint8_t {
  kDrained,    // nobody is connected
  kTimeIsUp,   // somebody is
  kNoAnswers,  // nobody knows
};

using Next = std::variant<Step, End>;

// Of Envoy, to a task.
struct Answer {
  bool arrived = false;
  std::optional<std::uint64_t> connections;  // of kCountConnections, if it could tell
};

class Machine {
 public:
  explicit Machine(Times times) : times_(times) {}

  // The first.
  Step begin() { return {.task = task_, .wait = std::chrono::milliseconds(0)}; }
  // What follows the answer to the last step; `passed` since the begin.
  Next answered(const Answer& answer, std::chrono::milliseconds passed);

 private:
  Next again(std::chrono::milliseconds passed) const;

  Times times_;
  Task task_ = Task::kFailHealthChecks;
  int unanswered_ = 0;  // in a row
  std::chrono::milliseconds drain_start_{0};
};

}  // namespace sluice::drain
