#include "cli/report.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/columns.h"
#include "cli/console.h"
#include "status/document.h"

namespace sluice::cli {

namespace {

bool is_error(const Problem& problem) { return problem.severity == Severity::kError; }

// Without what a terminal would obey: names are whatever a file has, escapes of YAML included.
std::string harmless(std::string_view text) {
  std::string shown;
  for (std::size_t bytes = 1; !text.empty(); text.remove_prefix(bytes)) {
    bytes = 1;
    shown += text.front() == '\n' ? text.substr(0, 1) : first_glyph(text, &bytes).text;
  }
  return shown;
}

// Printed in front of the message, for places that no line stands for.
std::string field_name(const ObjectKey& object, const std::string& path) {
  if (object.name.name.empty()) return path;
  return object.to_string() + (path.empty() ? "" : " " + path);
}

std::string place_name(const Where& where) {
  std::string place = where.file;
  if (where.line != 0) place += fmt::format(":{}", where.line);
  if (where.line != 0 && where.column != 0) place += fmt::format(":{}", where.column);
  return place;
}

bool may_hold_secrets(const ObjectKey& object, const std::string& path) {
  return object.kind == GroupKind("", "Secret") &&
         (path.starts_with("data") || path.starts_with("stringData"));
}

// "conf/web.yaml:12:7: ", or the object and its field.
void print_place(const Where& where, const ObjectKey& object, const std::string& path, bool color,
                 std::string& out) {
  std::string place = place_name(where);
  if (where.line == 0) {
    const std::string field = field_name(object, path);
    if (!place.empty() && !field.empty()) place += ": ";
    place += field;
  }
  if (!place.empty()) out += paint(harmless(place) + ":", kBold, color) + " ";
}

// The line and a caret under the column.
void print_line(const Where& where, const ObjectKey& object, const std::string& path, const LineOf& line_of,
                bool color, std::string& out) {
  if (where.line == 0 || may_hold_secrets(object, path)) return;
  const std::string line = line_of(where.file, where.line);
  if (line.find_first_not_of(" \t") == std::string::npos) return;
  const Excerpt shown = excerpt(line, where.column);
  out += fmt::format("{:>5} | {}\n", where.line, shown.line);
  if (where.column != 0) out += fmt::format("      | {}{}\n", shown.blanks, paint("^", kGreen, color));
}

using Json = nlohmann::ordered_json;

void print_problem(const Problem& problem, const LineOf& line_of, bool color, std::string& out) {
  print_place(problem.where, problem.object, problem.path, color, out);
  out += is_error(problem) ? paint("error:", kRed, color) : paint("warning:", kMagenta, color);
  out += fmt::format(" {} {}\n", harmless(problem.message), paint("[" + problem.code + "]", kDim, color));
  print_line(problem.where, problem.object, problem.path, line_of, color, out);
  if (!problem.suggestion.empty()) out += fmt::format("      = {}\n", harmless(problem.suggestion));
  for (const Related& also : problem.also) {
    print_place(also.where, also.object, also.path, color, out);
    out += fmt::format("{} {}\n", paint("note:", kCyan, color), harmless(also.message));
    print_line(also.where, also.object, also.path, line_of, color, out);
  }
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
  Json list = Json::array();
  for (const Problem& problem : problems) list.push_back(status::problem(problem));
  // File names need not be UTF-8.
  return list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool has_errors(const std::vector<Problem>& problems) { return std::ranges::any_of(problems, is_error); }

}  // namespace sluice::cli
