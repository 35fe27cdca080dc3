// Problems for people and for programs.
//
// For people, as compilers do: place, severity, message and code; the line and a caret under the column; what
// would mend it; and how many there are in the end.
//
//   conf/web.yaml:12:7: error: unknown field `failedOpen` [schema/unknown-field]
//      12 |       failedOpen: true
//         |       ^
//         = did you mean `failOpen`?
//   1 error
//
// Other places of the same problem follow it as notes, with their lines.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"

namespace sluice::cli {

// The text of a line of a file, as source::source_line.
using LineOf = std::function<std::string(const std::string& file, unsigned line)>;

// One after the other, in this order, without the count. Lines that may hold secrets are not shown.
std::string print_problems(const std::vector<Problem>& problems, const LineOf& line_of, bool color);

// "2 errors, 1 warning"; empty when there are none.
std::string count_problems(const std::vector<Problem>& problems);

// A JSON list of {code, severity, file, line, column, object, path, message, suggestion, also}; `also` is a
// list of {file, line, column, object, path, message}. All members are always there: unknown texts are empty,
// unknown numbers 0, `object` is null or {group, kind, namespace, name}.
std::string print_json(const std::vector<Problem>& problems);

bool has_errors(const std::vector<Problem>& problems);

}  // namespace sluice::cli
