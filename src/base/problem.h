// What is wrong with something the user wrote.
//
// A Problem is a value. Readers and translation make them, the control loop collects them, `check` prints
// them and conditions quote them. Whoever makes a problem fills in what it knows: the tree and schema know
// the position, translation knows the object and the path of the field, and the source that read the object
// turns those two into a position later (source/files.h: locate).
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/object_key.h"

namespace sluice {

// A place in a file. Lines and columns count from 1, columns in Unicode code points; 0 is unknown.
struct Where {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  bool operator==(const Where&) const = default;
  auto operator<=>(const Where&) const = default;
};

// Another place that a problem is about: what the first one conflicts with.
struct Related {
  Where where;
  ObjectKey object;
  std::string path;
  std::string message;  // as a Problem's: "the older policy targets it here"

  bool operator==(const Related&) const = default;
  auto operator<=>(const Related&) const = default;
};

enum class Severity : std::uint8_t { kError, kWarning };

struct Problem {
  // "schema/…" is what an API server would refuse; "value/…", "reference/…", "conflict/…" and "support/…" the
  // rest; "syntax/…" is text that is no YAML or JSON. The second part is a word or two in kebab case:
  // "unknown-field".
  std::string code;
  Severity severity = Severity::kError;
  Where where;
  ObjectKey object;
  // The field, as in "spec.rules[0].backendRefs[1].port"; empty for the object as a whole.
  std::string path;
  // One sentence without a full stop, in lower case: "unknown field `failedOpen`".
  std::string message;
  // What would probably mend it, or empty: "did you mean `failOpen`?".
  std::string suggestion;
  std::vector<Related> also;

  bool operator==(const Problem&) const = default;
  auto operator<=>(const Problem&) const = default;
};

}  // namespace sluice
