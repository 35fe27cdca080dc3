#include "cli/status.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "api/definitions.h"
#include "base/closest.h"
#include "base/loop.h"
#include "cli/commands.h"
#include "cli/report.h"
#include "proxy/admin_call.h"
#include "status/document.h"

namespace sluice::cli {
namespace {

using nlohmann::json;
using Output = StatusOptions::Output;

constexpr std::chrono::milliseconds kPatience{10'000};

constexpr std::array<std::string_view, 3> kColumns{"Accepted", "ResolvedRefs", "Programmed"};
// Further conditions that are bad news where they are false, and those that are where they are true.
constexpr std::array<std::string_view, 1> kGoodNews{"BackendsAvailable"};
constexpr std::array<std::string_view, 2> kBadNews{"Conflicted", "PartiallyInvalid"};

// A part of an object that has conditions of its own: the object itself, a listener, a parent.
struct Part {
  std::string name;  // "listener https", "Gateway eg"; empty: the object itself
  json conditions;
};

struct Row {
  std::string kind;
  std::string name;
  std::string part;
  std::array<std::string, kColumns.size()> columns;
  std::string reason;
  std::string message;
  bool good = true;
  bool only_follows = false;  // what is wrong and shown follows from something else
};

std::string text(const json& value, const char* name) { return value.value(name, std::string()); }

std::string lower(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// Whether the kind is the one that was asked for, as kubectl takes it: "httproutes", "gtw".
bool means_kind(std::string_view asked, std::string_view kind) {
  const api::KindInfo* const meant = api::kind_called(asked);
  return lower(meant != nullptr ? meant->kind : asked) == lower(kind);
}

std::string full_name(const json& object) {
  const std::string where = text(object, "namespace");
  return where.empty() ? text(object, "name") : where + "/" + text(object, "name");
}

bool means_name(const std::string& asked, const json& object) {
  return asked.empty() || asked == full_name(object) || asked == text(object, "name");
}

std::string parent_name(const json& ref, const std::string& own_namespace) {
  std::string name = text(ref, "kind") + " ";
  const std::string where = text(ref, "namespace");
  if (!where.empty() && where != own_namespace) name += where + "/";
  name += text(ref, "name");
  if (ref.contains("sectionName")) name += " listener " + text(ref, "sectionName");
  if (ref.contains("port")) name += fmt::format(" port {}", ref["port"].get<int>());
  return name;
}

std::vector<Part> parts_of(const json& object) {
  std::vector<Part> parts;
  const json& status = object.at("status");
  if (status.contains("conditions")) parts.push_back({"", status["conditions"]});
  for (const json& listener : status.value("listeners", json::array())) {
    parts.push_back({"listener " + text(listener, "name"), listener.value("conditions", json::array())});
  }
  const std::string own = text(object, "namespace");
  for (const auto& [list, ref] : {std::pair{"parents", "parentRef"}, std::pair{"ancestors", "ancestorRef"}}) {
    for (const json& parent : status.value(list, json::array())) {
      parts.push_back({parent_name(parent.at(ref), own), parent.value("conditions", json::array())});
    }
  }
  for (Part& part : parts) {
    for (json& condition : part.conditions) {
      // Of a Backend that is not accepted: they are the wrong way round (see backend_status()).
      if (text(condition, "type") == "Invalid") std::swap(condition["type"], condition["reason"]);
    }
  }
  return parts;
}

bool is_bad(const json& condition) {
  const std::string type = text(condition, "type");
  const bool holds = text(condition, "status") == "True";
  const auto among = [&type](const auto& types) { return std::ranges::find(types, type) != types.end(); };
  return holds ? among(kBadNews) : among(kColumns) || among(kGoodNews);
}

// One row for all the parts: what is false of one of them is false.
Row row_of(const json& object, const std::vector<Part>& parts, bool name_parts) {
  Row row{.kind = text(object, "kind"), .name = full_name(object)};
  row.columns.fill("-");
  for (const Part& part : parts) {
    for (const json& condition : part.conditions) {
      const auto column = std::ranges::find(kColumns, text(condition, "type"));
      if (column != kColumns.end()) {
        std::string& shown = row.columns[static_cast<std::size_t>(column - kColumns.begin())];
        if (shown != "False") shown = text(condition, "status");
      }
      if (row.reason.empty()) row.reason = text(condition, "reason");
      // That something is not programmed follows from what else is wrong with it.
      const bool follows = text(condition, "type") == "Programmed";
      if (!is_bad(condition) || (!row.good && (follows || !row.only_follows))) continue;
      row.good = false;
      row.only_follows = follows;
      row.reason = text(condition, "reason");
      row.message = text(condition, "message");
      if (name_parts && !part.name.empty()) row.message = part.name + ": " + row.message;
    }
  }
  return row;
}

std::vector<Row> rows_of(const json& objects, bool wide) {
  std::vector<Row> rows;
  for (const json& object : objects) {
    const std::vector<Part> parts = parts_of(object);
    if (!wide) {
      rows.push_back(row_of(object, parts, true));
      continue;
    }
    for (const Part& part : parts) {
      Row row = row_of(object, {part}, false);
      row.part = part.name;
      if (row.good && !part.conditions.empty()) row.message = text(part.conditions.front(), "message");
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string print_table(const std::vector<Row>& rows, bool wide, bool color) {
  std::vector<std::vector<std::string>> lines{{"KIND", "NAME"}};
  if (wide) lines.front().emplace_back("PART");
  for (const std::string_view column : kColumns) {
    std::string title(column);
    std::ranges::transform(title, title.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    lines.front().push_back(std::move(title));
  }
  lines.front().insert(lines.front().end(), {"REASON", "MESSAGE"});
  for (const Row& row : rows) {
    std::vector<std::string>& line = lines.emplace_back();
    line = {row.kind, row.name};
    if (wide) line.push_back(row.part.empty() ? "-" : row.part);
    line.insert(line.end(), row.columns.begin(), row.columns.end());
    line.insert(line.end(), {row.reason, row.message});
  }
  std::vector<std::size_t> widths(lines.front().size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string out;
  for (std::size_t n = 0; n < lines.size(); ++n) {
    std::string shown;
    for (std::size_t i = 0; i < lines[n].size(); ++i) {
      const std::string& cell = lines[n][i];
      const std::string_view style = n == 0 ? kBold : cell == "False" ? kRed : cell == "True" ? kGreen : "";
      shown += style.empty() ? cell : paint(cell, style, color);
      if (i + 1 < lines[n].size()) shown += std::string(widths[i] - cell.size() + 2, ' ');
    }
    shown.erase(shown.find_last_not_of(' ') + 1);
    out += shown + "\n";
  }
  return out;
}

// What status/document.h: problem() made.
Problem problem_of(const json& value) {
  const auto where = [](const json& at) {
    return Where{.file = text(at, "file"), .line = at.value("line", 0u), .column = at.value("column", 0u)};
  };
  const auto object = [](const json& at) {
    const json& named = at.at("object");
    if (!named.is_object()) return ObjectKey();
    return ObjectKey{.kind = {text(named, "group"), text(named, "kind")},
                     .name = {.namespace_ = text(named, "namespace"), .name = text(named, "name")}};
  };
  Problem problem{.code = text(value, "code"),
                  .severity = text(value, "severity") == "error" ? Severity::kError : Severity::kWarning,
                  .where = where(value),
                  .object = object(value),
                  .path = text(value, "path"),
                  .message = text(value, "message"),
                  .suggestion = text(value, "suggestion")};
  for (const json& also : value.at("also")) {
    problem.also.push_back({where(also), object(also), text(also, "path"), text(also, "message")});
  }
  return problem;
}

int fail(Console& console, const std::string& message, const std::string& suggestion) {
  console.err << paint("error:", kRed, console.err_color) << " " << message << "\n";
  if (!suggestion.empty()) console.err << suggestion << "\n";
  return kUsage;
}

// Leaves those that were asked for. What is wrong with the question is the result.
std::optional<std::pair<std::string, std::string>> choose(json& answer, const StatusOptions& options) {
  if (options.kind.empty()) return std::nullopt;
  json objects = json::array();
  std::set<std::string> kinds, names;
  for (json& object : answer["objects"]) {
    kinds.insert(text(object, "kind"));
    if (!means_kind(options.kind, text(object, "kind"))) continue;
    names.insert(full_name(object));
    if (means_name(options.name, object)) objects.push_back(std::move(object));
  }
  json problems = json::array();
  for (json& problem : answer["problems"]) {
    const json& object = problem.at("object");
    if (!object.is_object() || !means_kind(options.kind, text(object, "kind"))) continue;
    if (means_name(options.name, object)) problems.push_back(std::move(problem));
  }
  if (objects.empty() && problems.empty()) {
    const auto near = [](const std::string& asked, const std::set<std::string>& all) {
      return did_you_mean(closest(asked, std::vector<std::string_view>(all.begin(), all.end())));
    };
    if (names.empty()) {
      return std::pair{fmt::format("no object of kind {} has a status", options.kind),
                       near(options.kind, kinds)};
    }
    return std::pair{fmt::format("there is no {} {} with a status", options.kind, options.name),
                     near(options.name, names)};
  }
  answer["objects"] = std::move(objects);
  answer["problems"] = std::move(problems);
  return std::nullopt;
}

}  // namespace

int print_status(std::string_view body, const StatusOptions& options, Console& console) {
  json answer = json::parse(body, nullptr, false);
  if (!answer.is_object() || !answer.contains("objects") || !answer.contains("problems")) {
    return fail(console, "the answer is not that of a sluice of this version", "");
  }
  if (const auto wrong = choose(answer, options)) return fail(console, wrong->first, wrong->second);

  const bool wide = options.output == Output::kWide;
  const std::vector<Row> rows = rows_of(answer["objects"], wide);
  std::vector<Problem> problems;
  for (const json& problem : answer["problems"]) problems.push_back(problem_of(problem));
  switch (options.output) {
    case Output::kJson:
      console.out << answer.dump(2) << "\n";
      break;
    case Output::kYaml:
      console.out << status::to_yaml(answer);
      break;
    case Output::kTable:
    case Output::kWide:
      console.out << (rows.empty() ? "nothing has a status yet\n"
                                   : print_table(rows, wide, console.out_color));
      if (!problems.empty()) {
        const LineOf no_lines = [](const std::string&, unsigned) { return std::string(); };
        console.out << "\n" << print_problems(problems, no_lines, console.out_color);
        console.out << count_problems(problems) << "\n";
      }
  }
  return std::ranges::all_of(rows, &Row::good) && !has_errors(problems) ? kOk : kProblems;
}

int status(const StatusOptions& options, Console& console) {
  const std::string socket = options.run_dir + "/admin.sock";
  struct stat file{};
  if (::stat(socket.c_str(), &file) != 0 && errno != ENOENT) {
    return fail(console, fmt::format("{}: {}", socket, std::strerror(errno)), "");
  }
  Loop loop;
  std::optional<proxy::AdminAnswer> answer;
  const proxy::AdminCall call(loop, socket, "GET", "/api/status", kPatience,
                              [&](std::optional<proxy::AdminAnswer> got) {
                                answer = std::move(got);
                                loop.quit();
                              });
  loop.run();
  if (!answer) {
    return fail(console, fmt::format("no sluice answers in {}", options.run_dir),
                "`sluice run` starts one, --run-dir says where it runs");
  }
  if (answer->status != 200) {
    while (answer->body.ends_with('\n')) answer->body.pop_back();
    return fail(console, answer->body, "");
  }
  return print_status(answer->body, options, console);
}

}  // namespace sluice::cli
