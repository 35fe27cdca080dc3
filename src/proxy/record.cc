#include "proxy/record.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <random>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sluice::proxy {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;

constexpr std::pair<Role, std::string_view> kRoles[] = {
    {Role::kCurrent, "current"}, {Role::kSuccessor, "successor"}, {Role::kDraining, "draining"}};

std::string_view role_name(Role role) {
  for (const auto& [each, name] : kRoles) {
    if (each == role) return name;
  }
  return "";
}

Role role_of(const std::string& text) {
  for (const auto& [role, name] : kRoles) {
    if (name == text) return role;
  }
  throw std::invalid_argument("role");
}

json encode(const ProcessRecord& p) {
  return {{"role", role_name(p.role)},
          {"mark", p.mark},
          {"boot_id", p.boot_id},
          {"pid", p.process.pid},
          {"start_time", p.process.start_time},
          {"executable", p.executable},
          {"files", p.files},
          {"base_id", p.base_id},
          {"restart_epoch", p.restart_epoch},
          {"bootstrap_hash", p.configuration.bootstrap_hash},
          {"arguments_hash", p.configuration.arguments_hash},
          {"ready", p.ready}};
}

ProcessRecord decode(const json& j) {
  return {.role = role_of(j.at("role").get<std::string>()),
          .mark = j.at("mark"),
          .boot_id = j.at("boot_id"),
          .process = {j.at("pid"), j.at("start_time")},
          .executable = j.at("executable"),
          .files = j.at("files"),
          .base_id = j.at("base_id"),
          .restart_epoch = j.at("restart_epoch"),
          .configuration = {j.at("bootstrap_hash"), j.at("arguments_hash")},
          .ready = j.at("ready")};
}

// "SLUICE_PROXY=<run_dir>/": what all marks of a folder's processes begin with. "<name>.<serial>.<random>
// <proxy>" follows.
std::string start_of_marks(const std::string& run_dir) { return fmt::format("SLUICE_PROXY={}/", run_dir); }

struct Recovered {
  ir::ProxyKey proxy;
  std::uint64_t serial = 0;
  ProcessRecord process;
};

// Nothing where it is no Envoy of ours.
std::optional<Recovered> recover(const Marked& marked, std::size_t size_of_start) {
  const std::vector<std::string> arguments = arguments_of(marked.process.pid);
  const auto value_of = [&](std::string_view option) {
    const auto at = std::ranges::find(arguments, option);
    return at == arguments.end() || at + 1 == arguments.end() ? std::string() : *(at + 1);
  };
  const std::string rest = marked.entry.substr(size_of_start);
  const std::size_t blank = rest.find(' ');
  const std::size_t serial = rest.find('.');
  const std::size_t random = rest.find('.', serial + 1);
  if (blank == std::string::npos || random == std::string::npos || random > blank) return std::nullopt;
  try {
    return Recovered{
        .proxy = rest.substr(blank + 1),
        .serial = std::stoull(rest.substr(serial + 1)),
        .process = {.role = Role::kDraining,
                    .mark = marked.entry,
                    .boot_id = boot_id(),
                    .process = marked.process,
                    .executable = executable_of(marked.process.pid),
                    .files = rest.substr(0, random),
                    .base_id = static_cast<std::uint32_t>(std::stoul(value_of("--base-id"))),
                    .restart_epoch = static_cast<std::uint32_t>(std::stoul(value_of("--restart-epoch"))),
                    .configuration = {},
                    .ready = true}};
  } catch (const std::exception&) {  // of numbers
    return std::nullopt;
  }
}

}  // namespace

std::string encode_record(const ProxyRecord& record) {
  json processes = json::array();
  for (const ProcessRecord& each : record.processes) processes.push_back(encode(each));
  const json document = {{"version", kVersion},
                         {"proxy", record.proxy},
                         {"drain_timeout_ms", record.drain_timeout.count()},
                         {"min_drain_ms", record.min_drain.count()},
                         {"next_serial", record.next_serial},
                         {"removing", record.removing},
                         {"processes", std::move(processes)}};
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::optional<ProxyRecord> decode_record(std::string_view text) {
  try {
    const json document = json::parse(text);
    if (document.at("version") != kVersion) return std::nullopt;
    ProxyRecord record{.proxy = document.at("proxy"),
                       .drain_timeout = ir::Duration(document.at("drain_timeout_ms").get<std::int64_t>()),
                       .min_drain = ir::Duration(document.at("min_drain_ms").get<std::int64_t>()),
                       .next_serial = document.at("next_serial"),
                       .removing = document.at("removing"),
                       .processes = {}};
    for (const json& each : document.at("processes")) record.processes.push_back(decode(each));
    return record;
  } catch (const std::exception&) {  // of nlohmann's and of role_of
    return std::nullopt;
  }
}

std::string make_mark(const std::string& run_dir, const std::string& files, const ir::ProxyKey& proxy) {
  std::random_device random;
  return fmt::format("{}{}.{:08x}{:08x} {}", start_of_marks(run_dir), files, random(), random(), proxy);
}

std::vector<ProxyRecord> recover_records(const std::string& run_dir) {
  const ir::Proxy defaults;
  const std::string start = start_of_marks(run_dir);
  std::map<ir::ProxyKey, ProxyRecord> by_proxy;
  for (const Marked& marked : find_by_start_of_entry(start)) {
    std::optional<Recovered> found = recover(marked, start.size());
    if (!found) continue;
    ProxyRecord& record = by_proxy[found->proxy];
    record.proxy = std::move(found->proxy);
    record.drain_timeout = defaults.drain_timeout;
    record.min_drain = defaults.min_drain;
    if (found->serial >= record.next_serial) {
      for (ProcessRecord& older : record.processes) older.role = Role::kDraining;
      found->process.role = Role::kCurrent;
      record.next_serial = found->serial + 1;
    }
    record.processes.push_back(std::move(found->process));
  }
  std::vector<ProxyRecord> records;
  for (auto& [proxy, record] : by_proxy) records.push_back(std::move(record));
  return records;
}

bool has_all_of(const ProxyRecord& record, const ProxyRecord& recovered) {
  return std::ranges::all_of(recovered.processes, [&record](const ProcessRecord& living) {
    return std::ranges::find(record.processes, living.mark, &ProcessRecord::mark) != record.processes.end();
  });
}

std::optional<Started> find_process(ProcessRecord& record) {
  if (record.boot_id != boot_id()) return std::nullopt;
  if (record.process.pid == 0) {
    const std::vector<Process> found = find_by_environment(record.mark);
    if (found.size() != 1) return std::nullopt;
    record.process = found.front();
  }
  Descriptor pidfd = open_process(record.process);
  // Its pid cannot change hands unnoticed any more, so what /proc says is about this process if it still
  // lives after.
  if (!pidfd || (record.ready && executable_of(record.process.pid) != record.executable) ||
      !has_in_environment(record.process.pid, record.mark) ||
      start_time_of(record.process.pid) != record.process.start_time) {
    return std::nullopt;
  }
  return Started{.process = record.process, .pidfd = std::move(pidfd)};
}

std::uint64_t hash_text(std::string_view text) {
  std::uint64_t hash = 14'695'981'039'346'656'037u;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1'099'511'628'211u;
  }
  return hash;
}

}  // namespace sluice::proxy
