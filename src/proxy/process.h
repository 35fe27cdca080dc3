// Processes of the operating system: starting one that outlives us, and knowing one again.
//
// What we start is not our child but a keeper's: a shell that waits for it and writes down how it ended.
// Envoy asks the kernel for SIGTERM when its parent dies (PR_SET_PDEATHSIG, as the child of its own hot
// restarter), so a parent of its own is what lets it outlive us; and how it ended stays known to whoever
// adopts it.
//
// A pid says little: the kernel gives it to another process once its owner is gone. What names a process is
// the pid with its start time, within one boot. For an Envoy whose pid we never learnt (we died while we
// started it), a mark in its environment is the name.
//
// Threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"

namespace sluice::proxy {

struct Process {
  int pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot

  bool operator==(const Process&) const = default;
};

// The kernel's name of this boot.
std::string boot_id();
// Empty when there is no such process, or a dead one that nobody has waited for.
std::optional<std::uint64_t> start_time_of(int pid);
// The file it runs; empty when that cannot be read.
std::string executable_of(int pid);
// `entry` is "NAME=value", compared whole.
bool has_in_environment(int pid, std::string_view entry);
std::vector<Process> find_by_environment(std::string_view entry);
struct Marked {
  Process process;
  std::string entry;  // whole
};
// Those with an entry that begins so.
std::vector<Marked> find_by_start_of_entry(std::string_view beginning);
// What it was started with; empty when that cannot be read.
std::vector<std::string> arguments_of(int pid);

// Where sluice is a service, its processes end with it. So somebody else may start the keeper, at a launcher:
// a Unix socket where each connection is given to a process of its own, as systemd does for a socket with
// Accept=yes, and this process calls become_keeper(). The connection tells what to start, and back the pid.
struct Start {
  std::vector<std::string> arguments;  // the first is the file to run
  std::string mark;                    // "NAME=value": added to our environment
  std::string out_path;                // where its output goes, appended; empty: where ours goes
  std::string error_path;
  std::string exit_path;  // where the keeper writes how it ended; empty: nowhere
  // The path of a launcher; empty: we start the keeper. One that a launcher starts has its environment.
  std::string launcher = {};
};

struct Started {
  Process process;
  Descriptor pidfd;
};

// In a session of its own, with no descriptor of ours but the standard ones. What is wrong with running the
// file is the error. For some microseconds after success the executable and the environment may still read as
// ours or as empty.
std::expected<Started, std::string> start_process(const Start& start);

// For a process that a launcher has started for this connection: does what it says. Returns only where that
// fails: why.
std::string become_keeper(int connection);

// A descriptor of exactly this process; none if it is gone or the pid is another's by now.
Descriptor open_process(const Process& process);

// Signal by pidfd: reaches this process or none.
void send_signal(const Descriptor& pidfd, int signal);

struct Exit {
  bool known = false;  // false where no keeper has written it down
  bool signaled = false;
  int code = 0;  // exit status or signal
  // "exited with status 1", "killed by signal 9 (Killed)", "gone".
  std::string to_string() const;
};

// How a process ended whose pidfd has become readable, from Start::exit_path; nothing while that is not
// written.
std::optional<Exit> read_exit(const std::string& exit_path);
// The keeper writes right after the process has ended. If it has not by then, it never will.
inline constexpr std::chrono::milliseconds kKeeperDelay{250};

}  // namespace sluice::proxy
