#include "control/status_file.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "status/document.h"

namespace sluice::control {

std::vector<observe::Snapshot::Statuses> status_rows(const Pipeline& pipeline) {
  StatusFile::Rows all;
  for (const KindStatuses& kind : pipeline.statuses()) {
    auto& rows = all.emplace_back(kind.kind).rows;
    rows.reserve(kind.table.size());
    kind.table.for_each_shared([&](const auto& name, const auto& row) { rows.emplace_back(name, row); });
  }
  return all;
}

StatusFile::StatusFile(std::string file, std::string controller_name)
    : file_(std::move(file)), controller_name_(std::move(controller_name)), thread_([this] { run(); }) {}

StatusFile::~StatusFile() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  news_.notify_one();
  thread_.join();
}

void StatusFile::write(Rows rows, std::function<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    next_ = Job{std::move(rows), std::move(then)};
  }
  news_.notify_one();
}

void StatusFile::run() {
  while (true) {
    std::optional<Job> job;
    {
      std::unique_lock lock(mutex_);
      news_.wait(lock, [this] { return next_ || ending_; });
      job = std::exchange(next_, std::nullopt);
    }
    if (!job) return;
    replace(std::move(job->rows));
    if (job->then) job->then();
  }
}

void StatusFile::replace(Rows rows) {
  const std::string next = file_ + ".new";
  std::ofstream out(next, std::ios::binary | std::ios::trunc);
  for (auto& [kind, of_kind] : rows) {
    std::ranges::sort(of_kind, {}, [](const auto& row) -> const NamespacedName& { return row.first; });
    for (const auto& [name, row] : of_kind) {
      // A list of one after the other is one list.
      out << status::to_yaml(nlohmann::json::array({status::document({kind, name}, *row, controller_name_)}));
    }
  }
  out.close();
  std::error_code error(out ? 0 : errno != 0 ? errno : EIO, std::generic_category());
  if (!error) std::filesystem::rename(next, file_, error);
  std::error_code ignored;
  if (error) std::filesystem::remove(next, ignored);
  const bool failed = static_cast<bool>(error);
  if (std::exchange(failing_, failed) == failed) return;
  if (failed) {
    log(Level::kWarning, "cannot write statuses", {{"file", file_}, {"error", error.message()}});
  } else {
    log(Level::kInfo, "statuses are written again", {{"file", file_}});
  }
}

}  // namespace sluice::control
