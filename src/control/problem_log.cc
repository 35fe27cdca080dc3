#include "control/problem_log.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/log.h"

namespace sluice::control {
namespace {

std::string place_name(const Where& where) {
  return where.line == 0 ? where.file : fmt::format("{}:{}:{}", where.file, where.line, where.column);
}

// A cluster's objects have no place: they are named.
std::string place_name(const Related& related) {
  if (!related.where.file.empty() || related.object == ObjectKey()) return place_name(related.where);
  return related.object.to_string() + (related.path.empty() ? "" : " " + related.path);
}

std::string object_name(const Problem& problem) {
  return problem.object.name.name.empty() ? "" : problem.object.to_string();
}

}  // namespace

nlohmann::ordered_json log_fields(const Problem& problem) {
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();
  const auto add = [&fields](const char* key, const std::string& value) {
    if (!value.empty()) fields[key] = value;
  };
  add("code", problem.code);
  add("object", object_name(problem));
  add("where", place_name(problem.where));
  add("path", problem.path);
  add("problem", problem.message);
  add("suggestion", problem.suggestion);
  for (const Related& related : problem.also) {
    fields["also"].push_back(fmt::format("{}: {}", place_name(related), related.message));
  }
  return fields;
}

void ProblemLog::add(const Problem& problem) {
  ++problems_[problem].count;
  touched_.insert(problem);
}

void ProblemLog::remove(const Problem& problem) {
  --problems_[problem].count;
  touched_.insert(problem);
}

ProblemLog::News ProblemLog::take(Time now) {
  News news;
  for (const Problem& problem : std::exchange(touched_, {})) {
    const auto at = problems_.find(problem);
    Entry& entry = at->second;
    const bool present = entry.count > 0;
    if (present && !entry.since) {
      entry.since = now;
      waiting_.insert({now, &at->first});
    } else if (!present) {
      if (entry.told) news.removed.push_back(problem);
      if (entry.since) waiting_.erase({*entry.since, &at->first});
      entry.told = false;
      entry.since.reset();
    }
    if (entry.count == 0) problems_.erase(at);
  }
  while (!waiting_.empty() && waiting_.begin()->first + patience_ <= now) {
    const Problem& problem = *waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    problems_.at(problem).told = true;
    news.added.push_back(problem);
  }
  std::ranges::sort(news.added);
  return news;
}

std::optional<ProblemLog::Time> ProblemLog::wake_at() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->first + patience_;
}

ProblemLog::News ProblemLog::report(const std::function<void(Problem&)>& locate, Time now) {
  News news = take(now);
  for (Problem& problem : news.added) {
    if (problem.where.file.empty()) locate(problem);
    log(problem.severity == Severity::kError ? Level::kError : Level::kWarning, "problem",
        log_fields(problem));
  }
  for (const Problem& problem : news.removed) {
    nlohmann::ordered_json fields = log_fields(problem);
    for (const char* key : {"where", "path", "suggestion", "also"}) fields.erase(key);
    log(Level::kInfo, "problem gone", fields);
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
