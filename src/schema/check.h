// A tree against a Type: problems with path, line and column, worded for whoever wrote the tree.
//
//   schema/unknown-field   with "did you mean", or where the field belongs
//   schema/wrong-type      a string where a number is expected, …
//   schema/required        a field that is missing
//   schema/enum            a value that is none of the allowed ones
//   schema/pattern         a value in a form that the field does not take
//   schema/format          the same, for forms that have a name: duration, base64, date-time
//   schema/range           a number too small or too large
//   schema/length          a string too short or too long
//   schema/items           too few or too many items
//   schema/duplicate       two items of a list with the same key, both places named
//   schema/…               a rule over several fields, by its name
//   value/…                a Rule's `fault`, by its name: what API servers take and nobody can use
//
// Every mistake is reported, up to 100 a tree, except below a value of the wrong type. Rules of a value run
// only when everything below it is of its type, as with an API server: a rule's message about a misspelt
// field would lead astray. A field that stands in the wrong place or under a wrong name is not missing where
// it belongs, and what stands in the wrong place is checked as if it were in the right one.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "base/problem.h"
#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::schema {

// kBrief: the first problem that stands in the way is enough, without a word of what the field may have been
// meant to be. What comes out is the same.
enum class Effort : std::uint8_t { kFull, kBrief };

// Appends to *problems; true when nothing was wrong but values. Problem::object and Where::file are left to
// the caller.
bool check(const Tree& tree, const Type& type, std::vector<Problem>* problems, Effort effort = Effort::kFull);

}  // namespace sluice::schema
