// Structured log lines on standard error: one JSON object a line, for machines and for `jq`.
//
//   log(Level::kInfo, "commit", {{"commit", 7}, {"changed", {"HTTPRoute default/web"}}});
//   {"time":"2026-01-02T03:04:05.678Z","level":"info","msg":"commit","commit":7,"changed":["HTTPRoute
//   default/web"]}
//
// Never put what a user keeps secret into a field.
//
// Threads: any; a line is written whole.
#pragma once

#include <cstdint>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace sluice {

enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError };

// Lines below the level are dropped. kInfo at the start of the program.
void set_log_level(Level level);

void log(Level level, std::string_view message);
void log(Level level, std::string_view message, const nlohmann::ordered_json& fields);  // an object

}  // namespace sluice
