// Text → documents.
//
// YAML 1.2 with the core schema, as Kubernetes reads it, and JSON: a text whose first character is `{` or
// whose file is named *.json is read as JSON when it is JSON. Both give the same trees with the same kinds of
// positions.
//
// - A line that is exactly `---` (blanks and a comment may follow) separates documents. PEM text, whose lines
// begin
//   with more dashes, does not. Documents that hold nothing but comments are left out.
// - Plain true/false and null (also True, TRUE, ~ and nothing) are what they say. Plain numbers are numbers,
// 0x1F
//   and 0o17 and, as in every Kubernetes tool, 017 too; one that fits no 64 bits is a float. yes, no, on, off
//   and times are strings. Keys are strings, however they are written.
// - Anchors, aliases and merge keys (`<<`) work. A document has at most kMaxNodes nodes after their
// expansion,
//   and kMaxDepth levels; and what all aliases of a text stand for has at most kMaxAliased bytes or
//   kMaxAliasedRatio times those of the text, whichever is more. So no small text can become a large one.
// - The same key twice in one map is an error that names both places.
// - A text is UTF-8 without NUL, and its lines end with \n or \r\n, so that everybody counts the same lines.
//
// A syntax error spoils its document only: parse() returns the others, and one problem for each bad document.
// A reader that wants the last good version of a whole file keeps it when there are problems: all that
// parse() makes are errors of code "syntax/…". Messages never quote values, for they may be secrets.
//
// Threads: a pure function.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "tree/tree.h"

namespace sluice {

// A Kubernetes API server takes 3 MiB an object; 64 MiB of text is some 90 000 routes.
inline constexpr std::size_t kMaxTextBytes = std::size_t{64} << 20;
// Of one document, aliases expanded. The largest object that an API server takes has fewer.
inline constexpr std::size_t kMaxNodes = 1'000'000;
inline constexpr std::size_t kMaxDepth = 100;
// What follows after so many is not read.
inline constexpr std::size_t kMaxBadDocuments = 1'000;
inline constexpr std::size_t kMaxAliased = std::size_t{1} << 20;
inline constexpr std::size_t kMaxAliasedRatio = 10;

struct Document {
  Tree tree;
  unsigned line;  // of the document's first node
};

// `file` is for Problem::where and to tell JSON by name; nothing is opened. Appends to *problems.
std::vector<Document> parse(std::string_view text, std::string_view file, std::vector<Problem>* problems);

}  // namespace sluice
