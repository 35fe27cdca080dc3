// llm-d's EndpointPickerConfig → a Profile, and where servers are asked.
//
// The file names plugins, each an instance of a type with parameters, and groups them into scheduling
// profiles. It is read as it is: a plugin that exists here does what llm-d's documents say of it, and each
// that does not is named in a problem, so that nobody believes in a scorer that is not there.
//
//   reference/plugin     no plugin of this type or name; with the nearest one
//   support/plugin       warning: llm-d has it, we have not; it is left out
//   support/no-effect    warning: a field or parameter that does nothing here
//   schema/…             the file is not of its form
//
// Our own choice is a picker of this file too: `lowest-cost-picker`, instead of scorers. So is each rate
// limit: a plugin of type `rate-limit`, which is for the whole pool and in no scheduling profile.
//
// Threads: a pure function.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "picker/profile.h"
#include "picker/sources.h"
#include "tree/tree.h"

namespace sluice::picker {

struct Config {
  Profile profile;
  // Where it says so.
  std::optional<Source> metrics;
  std::optional<Source> models;

  bool operator==(const Config&) const = default;
};

// Nothing, where there is an error among the problems that are appended. `file` is for Problem::where. The
// text is YAML or JSON; who has no YAML parser gives the tree.
std::optional<Config> read_config(std::string_view text, std::string_view file,
                                  std::vector<Problem>* problems);
std::optional<Config> read_config(const Tree& tree, std::string_view file, std::vector<Problem>* problems);

// Where servers are asked, by the config and, where that does not say, by `otherwise`.
Sources sources_of(const Config& config, const Sources& otherwise);

}  // namespace sluice::picker
