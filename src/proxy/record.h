// What is remembered of a proxy on disk, so that the next sluice finds its Envoys again.
//
// A process is recorded before it is started, with a mark that will be in its environment, and once more with
// its pid afterwards: whenever sluice dies, every Envoy it has started can be found, by pid or by mark. A
// machine that crashes takes the Envoys with it, but not the records: they have to be whole after that too
// (base/file.h). Where one is missing or cannot be read all the same, or is older than the processes because
// the disk was full, it is made anew from the processes: marks and command lines say enough for that.
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
  std::string mark;  // "SLUICE_PROXY=…" in its environment, which names the proxy; no two are equal
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

// A new mark for a process of the proxy, whose files' names in run_dir begin with `files`.
std::string make_mark(const std::string& run_dir, const std::string& files, const ir::ProxyKey& proxy);
// Of all proxies of this folder of which a process lives, what their processes tell: they are taken for
// ready, the one that was started last for the current one, and their configuration for unknown, so that
// another takes its place. Asks for nothing in the folder.
std::vector<ProxyRecord> recover_records(const std::string& run_dir);
// True where the record knows all of the processes of the recovered one.
bool has_all_of(const ProxyRecord& record, const ProxyRecord& recovered);

// Stable over processes and builds (FNV-1a).
std::uint64_t hash_text(std::string_view text);

}  // namespace sluice::proxy
