#include "picker/module/envoy_log.h"

#include <string>

#include <fmt/format.h>

namespace sluice::picker {

void say(envoy::LogLevel level, std::string_view text) {
  const std::string line = fmt::format("sluice picker: {}", text);
  envoy_dynamic_module_callback_log(level, {line.data(), line.size()});
}

void say(std::string_view what, const std::vector<Problem>& problems) {
  for (const Problem& problem : problems) {
    std::string text(problem.where.file.empty() ? what : std::string_view(problem.where.file));
    if (problem.where.line != 0) text += fmt::format(":{}:{}", problem.where.line, problem.where.column);
    if (!problem.path.empty()) text += fmt::format(": {}", problem.path);
    text += fmt::format(": {}", problem.message);
    if (!problem.suggestion.empty()) text += fmt::format("; {}", problem.suggestion);
    say(problem.severity == Severity::kError ? envoy::LogLevel::kError : envoy::LogLevel::kWarning, text);
  }
}

}  // namespace sluice::picker
