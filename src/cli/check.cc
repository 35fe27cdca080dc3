#include "cli/check.h"

#include <algorithm>
#include <iterator>
#include <memory>
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
    const std::size_t objects = batch.upserted.size();
    const std::string count = count_problems(problems);
    console.out << fmt::format("{} in {} object{}\n", count.empty() ? "no problems" : count, objects,
                               objects == 1 ? "" : "s");
  }
  return has_errors(problems) ? kProblems : kOk;
}

}  // namespace sluice::cli
