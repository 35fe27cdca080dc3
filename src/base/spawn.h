// What posix_spawn() is told of a process besides its program, and what it is given.
//
// Threads: plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <spawn.h>

#include "base/descriptor.h"

namespace sluice {

class SpawnSettings {
 public:
  // The process blocks no signal and has the default action for each, whatever we do. `more_flags` are
  // POSIX_SPAWN_… besides those that say so.
  explicit SpawnSettings(short more_flags);
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings();

  posix_spawnattr_t* attributes() { return &attributes_; }
  posix_spawn_file_actions_t* actions() { return &actions_; }

 private:
  posix_spawnattr_t attributes_;
  posix_spawn_file_actions_t actions_;
};

// As argv and envp have them, null at the end: for as long as the strings are there and stay as they are.
std::vector<char*> pointers_to(std::vector<std::string>& strings);

// Both ends are closed by exec. Nothing where there is none: errno.
struct Pipe {
  Descriptor read;
  Descriptor write;
};
std::optional<Pipe> make_pipe();

}  // namespace sluice
