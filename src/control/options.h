// The file that `--options` names: one YAML map of what the controller is started with.
//
// It is declared as kinds are, by a schema::Type, so that a misspelt name, a wrong type and a wrong form are
// problems with a place and a suggestion. Each field is a member of translate::Settings, or its opposite.
//
// Threads: pure functions, but for reading the file.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "schema/type.h"
#include "translate/settings.h"

namespace sluice::control {

const schema::Type& options_type();

struct ReadOptions {
  // Absent where the text is no map, or a value is not of its type. What else is wrong leaves it.
  std::optional<translate::Settings> settings;
  std::vector<Problem> problems;  // all of severity kError
  std::string text;               // for printing lines of it
};

// An empty text is a map without members.
ReadOptions read_options(std::string text, std::string_view file);
// A file that cannot be read is a problem "syntax/options".
ReadOptions read_options_file(const std::string& file);

}  // namespace sluice::control
