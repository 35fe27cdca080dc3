#include "cli/check.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <set>
#include <utility>

#include "cli/commands.h"
#include "cli/report.h"
#include "source/files.h"

namespace sluice::cli {

std::vector<Problem> merge_problems(const source::Source& source, std::vector<Problem> problems,
                                    std::vector<Problem> translated) {
  for (Problem& problem : translated) {
    if (problem.where.line == 0) source.locate(problem);
  }
  problems.insert(problems.end(), std::move_iterator(translated.begin()),
                  std::move_iterator(translated.end()));
  source::sort_by_place(problems);
  const auto repeated = std::ranges::unique(problems);
  problems.erase(repeated.begin(), repeated.end());
  return problems;
}

namespace {

// " in 4 objects, 1 of which is not used": an object that is wrong in itself counts too. Empty where there is
// none.
std::string count_objects(const source::Batch& batch) {
  const auto is_used = [&batch](const ObjectKey& object) {
    return std::ranges::binary_search(batch.upserted, object, {}, &api::BoundObject::key);
  };
  std::set<ObjectKey> unused;
  for (const Problem& problem : batch.problems) {
    const bool error = problem.severity == Severity::kError;
    if (error && !problem.object.name.name.empty() && !is_used(problem.object)) unused.insert(problem.object);
  }
  const std::size_t all = batch.upserted.size() + unused.size();
  if (all == 0) return "";
  std::string text = fmt::format(" in {} object{}", all, all == 1 ? "" : "s");
  if (!unused.empty()) {
    text += fmt::format(", {} of which {} not used", unused.size(), unused.size() == 1 ? "is" : "are");
  }
  return text;
}

}  // namespace

int check(const CheckOptions& options, const Translate& translate, Console& console) {
  source::Batch batch;
  const std::unique_ptr<source::Source> source = source::read_files(options.paths, &batch);
  const std::vector<Problem> problems = merge_problems(*source, batch.problems, translate(batch));
  if (options.json) {
    console.out << print_json(problems);
  } else {
    const LineOf line_of = [&source](const std::string& file, unsigned line) {
      return source::source_line(*source, file, line);
    };
    console.out << print_problems(problems, line_of, console.out_color);
    const std::string count = count_problems(problems);
    const std::string in = count_objects(batch);
    console.out << (count.empty() ? in.empty() ? "no objects" : "no problems" : count) << in << "\n";
  }
  return has_errors(problems) ? kProblems : kOk;
}

}  // namespace sluice::cli
