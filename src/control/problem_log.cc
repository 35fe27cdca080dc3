#include "control/problem_log.h"

#include <utility>

#include <fmt/format.h>

#include "base/log.h"

namespace sluice::control {
namespace {

std::string place_name(const Where& where) {
  return fmt::format("{}:{}:{}", where.file, where.line, where.column);
}

}  // namespace

void ProblemLog::add(const Problem& problem) {
  ++problems_[problem].count;
  touched_.insert(problem);
}

void ProblemLog::remove(const Problem& problem) {
  --problems_[problem].count;
  touched_.insert(problem);
}

ProblemLog::News ProblemLog::take() {
  News news;
  for (const Problem& problem : std::exchange(touched_, {})) {
    const auto at = problems_.find(problem);
    const bool present = at->second.count > 0;
    if (present && !at->second.told) news.added.push_back(problem);
    if (!present && at->second.told) news.removed.push_back(problem);
    at->second.told = present;
    if (at->second.count == 0) problems_.erase(at);
  }
  return news;
}

ProblemLog::News ProblemLog::report(const std::function<void(Problem&)>& locate) {
  News news = take();
  for (Problem& problem : news.added) {
    if (problem.where.file.empty()) locate(problem);
    std::vector<std::string> also;
    for (const Related& related : problem.also) {
      also.push_back(fmt::format("{}: {}", place_name(related.where), related.message));
    }
    log(problem.severity == Severity::kError ? Level::kError : Level::kWarning, "problem",
        {{"code", problem.code},
         {"object", problem.object.to_string()},
         {"where", place_name(problem.where)},
         {"path", problem.path},
         {"problem", problem.message},
         {"suggestion", problem.suggestion},
         {"also", also}});
  }
  for (const Problem& problem : news.removed) {
    log(Level::kInfo, "problem gone",
        {{"code", problem.code}, {"object", problem.object.to_string()}, {"problem", problem.message}});
  }
  return news;
}

std::vector<Problem> ProblemLog::all() const {
  std::vector<Problem> all;
  for (const auto& [problem, entry] : problems_) {
    if (entry.count > 0) all.push_back(problem);
  }
  return all;
}

}  // namespace sluice::control
