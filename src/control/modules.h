// WebAssembly modules and shared libraries between whoever wants them and the store that fetches them.
//
// While the pipeline commits it asks here what became of each module that a policy or EnvoyProxy wants, by
// slot (translate::ModuleState). The store fetches what it has not, whatever that takes; nothing waits: a
// module that is not there is a state like others, and a later commit has it. What the store has already, as
// after a restart, is there in the first.
//
// A store that cannot be opened, for the disk is full say, is tried again, ever more rarely; until then no
// module is there.
//
// Where a slot gets another source, the module that it had stands in until the new one is there, so that no
// request notices the change.
//
// Threads: that of the pipeline.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "control/pipeline.h"
#include "wasm/store.h"

namespace sluice::control {

class Modules {
 public:
  using OpenStore = std::function<wasm::Result<std::unique_ptr<wasm::Store>>()>;
  using Clock = std::chrono::steady_clock;

  // Between two attempts to open the store.
  static constexpr std::chrono::milliseconds kFirstRetry{1'000};
  static constexpr std::chrono::milliseconds kLongestRetry{60'000};

  // The store is opened when something is wanted. The pipeline outlives this.
  Modules(Pipeline& pipeline, OpenStore open);

  // When the store is tried again; nothing where it is open or nobody wants it.
  std::optional<Clock::time_point> retry_at() const { return retry_at_; }
  // Tries it if that is due; true where a commit is due for that.
  bool retry(Clock::time_point now);

  // After a commit: forgets the slots that are gone.
  void follow();
  // When the state of a source has changed: true where a commit is due for that.
  bool look();
  // True where none of the modules that the policy's present version wants or names is still to come: what
  // proxies serve of it is that version.
  bool are_there(const NamespacedName& policy) const;

 private:
  struct Slot {
    wasm::Source source;
    std::string key;                     // of the source
    std::optional<wasm::Source> before;  // stands in
    translate::ModuleState told;
  };

  translate::ModuleState resolve(const std::string& slot, const wasm::Source& source);
  wasm::State state_of(const wasm::Source& source) const;
  bool is_ready(const wasm::Source& source) const {
    return std::holds_alternative<wasm::Ready>(state_of(source));
  }
  translate::ModuleState state_of(const Slot& slot) const;
  bool open();
  void try_to_open(Clock::time_point now);
  void want(const wasm::Source& source);
  void want_what_slots_have();

  Pipeline& pipeline_;
  OpenStore open_store_;
  // Null: not opened yet, or it could not be.
  std::unique_ptr<wasm::Store> store_;
  wasm::Failed failed_;  // while there is a next attempt
  std::optional<Clock::time_point> retry_at_;
  std::chrono::milliseconds delay_{0};
  std::map<std::string, Slot> slots_;
  bool left_some_ = false;  // the store was told to fetch what no slot has any more
};

}  // namespace sluice::control
