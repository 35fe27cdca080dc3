// Who of several replicas leads: one that holds a Lease (coordination.k8s.io/v1) and renews it. A machine
// without I/O and clock, with client-go's rules, so that its clients and ours may share a Lease:
//
// - Whoever finds the Lease without a holder, or not renewed for its duration, may take it; an update with
// the
//   resourceVersion that was read lets one of several win.
// - That it was not renewed is told by our own clock from when we saw it change last, never by the times in
// it:
//   clocks of machines differ.
// - The leader renews each retry_period. Where that did not succeed for renew_deadline it does not lead any
// more:
//   before others may take the Lease, lease_duration after the last renewal that they can have seen.
// - Whoever stops gives the Lease back, with no holder and a duration of a second, so that another leads at
//   once.
//
// Threads: one at a time. Time and chance go in.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "kube/backoff.h"
#include "kube/client.h"

namespace sluice::kube {

class Election {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using WallTime = std::chrono::system_clock::time_point;

  // The durations are the defaults of client-go's users (kube-controller-manager, controller-runtime).
  struct Options {
    std::string name_space;
    std::string name;
    std::string identity;                              // of this replica; no other has it
    std::chrono::milliseconds lease_duration{15'000};  // in whole seconds
    std::chrono::milliseconds renew_deadline{10'000};
    std::chrono::milliseconds retry_period{2'000};
  };
  // What is wrong with them, or empty: 0 < retry_period × 1.2 < renew_deadline < lease_duration.
  static std::string fault_of(const Options& options);

  struct Send {  // then answered()
    Call call;
  };
  struct Wait {  // then waited()
    std::chrono::milliseconds delay;
  };
  using Step = std::variant<Send, Wait>;

  Election(Options options, Random random);

  Step start(Time now, WallTime wall);
  Step answered(const Outcome& outcome, Time now, WallTime wall);
  Step waited(Time now, WallTime wall);

  // Whether we lead, which time alone ends too.
  bool leads(Time now) const { return leads_until_ && now < *leads_until_; }
  // While we lead: until when, if no renewal succeeds.
  std::optional<Time> leads_until() const { return leads_until_; }
  // As last seen; empty: nobody.
  const std::string& holder() const { return holder_; }
  // Why the last try failed; empty: it did not.
  const std::string& problem() const { return problem_; }

  // Ends leading, and makes the write that gives the Lease back; nothing where we do not hold it. Not while a
  // call is under way, and the last of all.
  std::optional<Call> release(WallTime wall);

 private:
  enum class Doing : std::uint8_t { kReading, kCreating, kUpdating };

  std::string target(bool with_name) const;
  Step send(Doing doing, Call call, Time now);
  Step read(Time now);
  Step take(Time now, WallTime wall);
  Step renew(Time now, WallTime wall);
  Step led(const std::string& body, Time now);
  Step again();
  Step failed(std::string text, Time now);
  std::string spec_changed(WallTime wall, bool taken) const;
  bool observe(const std::string& body, Time now);

  const Options options_;
  const Random random_;

  Doing doing_ = Doing::kReading;
  Time sent_;  // when the call under way was made
  std::optional<Time> leads_until_;
  bool known_ = false;  // the Lease is as we wrote it, so that it can be renewed without reading

  // The Lease as last seen.
  std::string lease_;  // JSON
  std::string spec_;   // its spec, to see it change
  std::string holder_;
  std::chrono::milliseconds held_for_{0};
  Time changed_;  // when its spec was seen to change
  std::string problem_;
};

}  // namespace sluice::kube
