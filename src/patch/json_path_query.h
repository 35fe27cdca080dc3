// A JSONPath expression as a tree: what the parser makes and locate() goes along.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>
#include <re2/re2.h>

#include "patch/json_path.h"

namespace sluice::patch {

struct Condition;

struct Everything {};
struct Slice {
  std::optional<std::int64_t> begin;
  std::optional<std::int64_t> end;
  std::int64_t step = 1;
};
using Selector = std::variant<std::string, std::int64_t, Slice, Everything, std::shared_ptr<const Condition>>;

struct Step {
  bool descends = false;  // selects from all that is below, too
  std::vector<Selector> selectors;
  std::size_t end = 0;  // where it ends in the text
};

struct JsonPath::Query {
  bool from_root = true;  // else from the value that a filter looks at
  std::vector<Step> steps;
  std::string text;
};

// What a comparison compares.
struct Operand {
  enum class Of : std::uint8_t { kValues, kLength, kCount };
  std::variant<nlohmann::json, JsonPath::Query> what;
  Of of = Of::kValues;
};

struct Condition {
  enum class Kind : std::uint8_t { kAnd, kOr, kNot, kExists, kCompare, kRegex };
  enum class Comparison : std::uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

  Kind kind = Kind::kExists;
  std::vector<Condition> parts;  // of kAnd, kOr and kNot
  Operand left;
  Operand right;  // of kCompare
  Comparison comparison = Comparison::kEqual;
  std::shared_ptr<const re2::RE2> regex;  // of kRegex
  bool whole = false;                     // the regular expression is for all of a string
};

// The expression at the beginning of the text, which is all of it.
Result<JsonPath::Query> parse_query(std::string_view text);

}  // namespace sluice::patch
