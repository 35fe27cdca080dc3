#include "cli/report.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/columns.h"
#include "cli/console.h"

namespace sluice::cli {

namespace {

bool is_error(const Problem& problem) { return problem.severity == Severity::kError; }

// Printed in front of the message, for problems that no line stands for.
std::string field_name(const Problem& problem) {
  if (problem.object.name.name.empty()) return problem.path;
  return problem.object.to_string() + (problem.path.empty() ? "" : " " + problem.path);
}

std::string place_name(const Where& where) {
  std::string place = where.file;
  if (where.line != 0) place += fmt::format(":{}", where.line);
  if (where.line != 0 && where.column != 0) place += fmt::format(":{}", where.column);
  return place;
}

bool may_hold_secrets(const Problem& problem) {
  return problem.object.kind == GroupKind("", "Secret") &&
         (problem.path.starts_with("data") || problem.path.starts_with("stringData"));
}

void print_problem(const Problem& problem, const LineOf& line_of, bool color, std::string& out) {
  std::string place = place_name(problem.where);
  if (problem.where.line == 0) {
    const std::string field = field_name(problem);
    if (!place.empty() && !field.empty()) place += ": ";
    place += field;
  }
  if (!place.empty()) out += paint(place + ":", kBold, color) + " ";
  out += is_error(problem) ? paint("error:", kRed, color) : paint("warning:", kMagenta, color);
  out += fmt::format(" {} {}\n", problem.message, paint("[" + problem.code + "]", kDim, color));

  const std::string line = problem.where.line == 0 || may_hold_secrets(problem)
                               ? std::string()
                               : line_of(problem.where.file, problem.where.line);
  if (line.find_first_not_of(" \t") != std::string::npos) {
    const Excerpt shown = excerpt(line, problem.where.column);
    out += fmt::format("{:>5} | {}\n", problem.where.line, shown.line);
    if (problem.where.column != 0) {
      out += fmt::format("      | {}{}\n", shown.blanks, paint("^", kGreen, color));
    }
  }
  if (!problem.suggestion.empty()) out += fmt::format("      = {}\n", problem.suggestion);
}

}  // namespace

std::string print_problems(const std::vector<Problem>& problems, const LineOf& line_of, bool color) {
  std::string out;
  for (const Problem& problem : problems) print_problem(problem, line_of, color, out);
  return out;
}

std::string count_problems(const std::vector<Problem>& problems) {
  const auto errors = std::ranges::count_if(problems, is_error);
  const auto warnings = std::ssize(problems) - errors;
  std::string text;
  if (errors > 0) text = fmt::format("{} error{}", errors, errors == 1 ? "" : "s");
  if (warnings > 0) {
    text += fmt::format("{}{} warning{}", text.empty() ? "" : ", ", warnings, warnings == 1 ? "" : "s");
  }
  return text;
}

std::string print_json(const std::vector<Problem>& problems) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const Problem& problem : problems) {
    Json object;
    if (problem.object != ObjectKey()) {
      object = {{"group", problem.object.kind.group()},
                {"kind", problem.object.kind.kind()},
                {"namespace", problem.object.name.namespace_},
                {"name", problem.object.name.name}};
    }
    list.push_back({{"code", problem.code},
                    {"severity", is_error(problem) ? "error" : "warning"},
                    {"file", problem.where.file},
                    {"line", problem.where.line},
                    {"column", problem.where.column},
                    {"object", std::move(object)},
                    {"path", problem.path},
                    {"message", problem.message},
                    {"suggestion", problem.suggestion}});
  }
  // File names need not be UTF-8.
  return list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool has_errors(const std::vector<Problem>& problems) { return std::ranges::any_of(problems, is_error); }

}  // namespace sluice::cli
