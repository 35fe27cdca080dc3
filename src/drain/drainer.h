// Drains the Envoy of a pod: does what drain/machine.h says, through Envoy's admin interface, and tells the
// shutdown manager. It is `sluice envoy shutdown`, the preStop hook.
//
// Threads: the loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "drain/door.h"
#include "drain/machine.h"
#include "proxy/admin_call.h"

namespace sluice::drain {

struct DrainerOptions {
  Times times;
  std::string envoy_admin;                   // "127.0.0.1:19000"
  std::vector<std::uint16_t> ignored_ports;  // of Envoy's listeners that are not for users
  std::string door = kDoor;
};

class Drainer {
 public:
  // Begins. `ended` is called once, from the loop, with a sentence for people. It may destroy the drainer.
  Drainer(Loop& loop, DrainerOptions options, std::function<void(End, const std::string& text)> ended);
  Drainer(const Drainer&) = delete;
  Drainer& operator=(const Drainer&) = delete;
  ~Drainer() = default;

  // Whether there is a shutdown manager that it can tell.
  bool has_manager() const { return static_cast<bool>(manager_); }

 private:
  void follow(Step step);
  void perform(Task task);
  void take(Task task, const std::optional<proxy::AdminAnswer>& answer);
  void end(End end);
  void tell(std::string_view message);
  std::chrono::milliseconds passed() const;

  Loop& loop_;
  const DrainerOptions options_;
  std::function<void(End, const std::string& text)> ended_;
  Machine machine_;
  Descriptor manager_;
  const Loop::Clock::time_point start_ = Loop::Clock::now();
  std::optional<std::uint64_t> connections_;  // when it was last known
  Loop::Timer next_;
  std::unique_ptr<proxy::AdminCall> call_;
};

}  // namespace sluice::drain
