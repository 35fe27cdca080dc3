// What is remembered of a proxy on disk, so that the next sluice finds its Envoys again.
//
// A process is recorded before it is started, with a mark that will be in its environment, and once more with
// its pid afterwards: whenever sluice dies, every Envoy it has started can be found, by pid or by mark. A
// machine that crashes takes the Envoys with it, but not the records: they have to be whole after that too
// (base/file.h). Where one cannot be read all the same, or is older than the processes because the disk was
// full, it is made anew from the processes.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/ir.h"
#include "proxy/process.h"

namespace sluice::proxy {

// What a process is started with, as far as it matters whether another one must take its place.
struct Configuration {
  std::uint64_t bootstrap_hash = 0;
  std::uint64_t arguments_hash = 0;

  bool operator==(const Configuration&) const = default;
};

enum class Role : std::uint8_t {
  kCurrent,    // serves, or is to
  kSuccessor,  // starts beside the current one, to take over from it
  kDraining,   // has been taken over from
};

struct ProcessRecord {
  Role role = Role::kCurrent;
  std::string mark;  // "SLUICE_PROXY=…" in its environment; no two are equal
  std::string boot_id;
  Process process;         // pid 0: about to be started
  std::string executable;  // known once it is ready
  std::string files;       // what the names of its files in run_dir begin with
  std::uint32_t base_id = 0;
  std::uint32_t restart_epoch = 0;
  Configuration configuration;
  bool ready = false;  // was seen to be

  bool operator==(const ProcessRecord&) const = default;
};

struct ProxyRecord {
  ir::ProxyKey proxy;
  ir::Duration drain_timeout{};
  ir::Duration min_drain{};
  std::uint64_t next_serial = 0;  // of the processes' file names
  bool removing = false;
  std::vector<ProcessRecord> processes;

  bool operator==(const ProxyRecord&) const = default;
};

std::string encode_record(const ProxyRecord& record);
// Empty if `text` is no record.
std::optional<ProxyRecord> decode_record(std::string_view text);

// The process of this record if it lives: pid, start time, boot and mark must all agree, and the executable
// if it was ready (what is started may be a script that becomes Envoy). The pid is filled in where it was not
// known yet.
std::optional<Started> find_process(ProcessRecord& record);

// "SLUICE_PROXY=<run_dir>/<name>.": what the marks of a proxy's processes begin with. What its files' names
// begin with is `name`.
std::string start_of_marks(const std::string& run_dir, const std::string& name);
// A record of the processes of a proxy that live, as far as their command lines and bootstraps tell: they are
// taken for ready, the one of the newest epoch for the current one, and their configuration for unknown, so
// that another takes its place. Empty if none lives.
std::optional<ProxyRecord> recover_record(const std::string& run_dir, const std::string& name);

// Stable over processes and builds (FNV-1a).
std::uint64_t hash_text(std::string_view text);

}  // namespace sluice::proxy
