#include "cli/diff.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/report.h"
#include "control/pipeline.h"
#include "source/files.h"

namespace sluice::cli {

namespace {

using explain::Change;
using explain::Section;
using Json = nlohmann::ordered_json;

struct KindRow {
  std::string_view mark;
  std::string_view style;
  std::string_view name;
};

// By Change::Kind.
constexpr KindRow kKinds[] = {{"+", kGreen, "added"}, {"-", kRed, "removed"}, {"~", kMagenta, "changed"}};

const KindRow& row_of(Change::Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

void indent(int depth, std::string& out) { out.append(static_cast<std::size_t>(2 * depth), ' '); }

void print_changes(const std::vector<Change>& changes, int depth, bool color, std::string& out) {
  for (const Change& change : changes) {
    const KindRow& row = row_of(change.kind);
    indent(depth, out);
    out += paint(fmt::format("{} {}", row.mark, change.what), row.style, color) + "\n";
    for (const std::string& detail : change.details) {
      indent(depth + 2, out);
      out += detail + "\n";
    }
  }
}

void print_section(const Section& section, int depth, bool color, std::string& out) {
  indent(depth, out);
  out += paint(section.title, kBold, color) + "\n";
  print_changes(section.changes, depth + 1, color, out);
  for (const Section& inner : section.sections) print_section(inner, depth + 1, color, out);
}

Json json_of(const std::vector<Change>& changes) {
  Json list = Json::array();
  for (const Change& change : changes) {
    list.push_back({{"kind", row_of(change.kind).name}, {"what", change.what}, {"details", change.details}});
  }
  return list;
}

Json json_of(const std::vector<Section>& sections) {
  Json list = Json::array();
  for (const Section& section : sections) {
    list.push_back({{"title", section.title},
                    {"changes", json_of(section.changes)},
                    {"sections", json_of(section.sections)}});
  }
  return list;
}

// What one of the paths says.
struct Side {
  source::Batch batch;
  std::unique_ptr<source::Source> source;
  control::Pipeline pipeline;
  std::vector<Problem> problems;

  Side(const std::string& path, const translate::Settings& settings)
      : source(source::read_files({path}, &batch)), pipeline(settings) {
    for (const api::BoundObject& object : batch.upserted) pipeline.upsert(object);
    pipeline.set_unusable(batch.problems);
    pipeline.commit();
    problems = pipeline.problems();
    problems.insert(problems.end(), batch.problems.begin(), batch.problems.end());
  }

  // Why it cannot be compared; none where it can.
  std::vector<Problem> unreadable() const {
    std::vector<Problem> found;
    std::ranges::copy_if(batch.problems, std::back_inserter(found), [](const Problem& problem) {
      return problem.severity == Severity::kError && problem.code.starts_with("syntax/");
    });
    return found;
  }
};

}  // namespace

std::string print_diff(const explain::Diff& diff, bool color) {
  std::string out;
  if (diff.served.empty()) out = "no change in what is served\n";
  const auto begin_part = [&out] {
    if (!out.empty()) out += "\n";
  };
  for (const Section& section : diff.served) {
    begin_part();
    print_section(section, 0, color, out);
  }
  for (const auto& [title, changes] :
       {std::pair("statuses", &diff.statuses), std::pair("problems", &diff.problems)}) {
    if (changes->empty()) continue;
    begin_part();
    print_section({.title = title, .changes = *changes, .sections = {}}, 0, color, out);
  }
  return out;
}

int diff(const DiffOptions& options, Console& console) {
  const Side before(options.before, options.settings);
  const Side after(options.after, options.settings);
  for (const Side* side : {&before, &after}) {
    const std::vector<Problem> unreadable = side->unreadable();
    if (unreadable.empty()) continue;
    const LineOf line_of = [side](const std::string& file, unsigned line) {
      return source::source_line(*side->source, file, line);
    };
    console.err << print_problems(unreadable, line_of, console.err_color);
    return kUsage;
  }
  const explain::Diff found = explain::diff(explain::Snapshot(before.pipeline), before.problems,
                                            explain::Snapshot(after.pipeline), after.problems);
  if (options.json) {
    const Json json = {{"served", json_of(found.served)},
                       {"statuses", json_of(found.statuses)},
                       {"problems", json_of(found.problems)}};
    console.out << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  } else {
    console.out << print_diff(found, console.out_color);
  }
  return found.empty() ? kOk : kProblems;
}

}  // namespace sluice::cli
