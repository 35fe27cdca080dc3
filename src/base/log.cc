#include "base/log.h"

#include <atomic>
#include <chrono>
#include <string>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace sluice {
namespace {

std::atomic<Level> threshold{Level::kInfo};

constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};

}  // namespace

void set_log_level(Level level) { threshold = level; }

void log(Level level, std::string_view message) { log(level, message, nlohmann::ordered_json{}); }

void log(Level level, std::string_view message, const nlohmann::ordered_json& fields) {
  if (level < threshold) return;
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  nlohmann::ordered_json line;
  line["time"] =
      fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(second)),
                  (now - second).count());
  line["level"] = kNames[static_cast<std::size_t>(level)];
  line["msg"] = message;
  if (fields.is_object()) line.update(fields);
  const std::string text = line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  // One write: lines of several threads and processes do not mix.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace sluice
