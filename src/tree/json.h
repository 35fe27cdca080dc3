// JSON text → documents, without a YAML parser. parse() reads JSON by it, and so does who gets nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "tree/parse.h"

namespace sluice {

// As parse() reads a file named *.json: the same documents, one problem at most.
std::vector<Document> parse_json(std::string_view text, std::string_view file,
                                 std::vector<Problem>* problems);

}  // namespace sluice

namespace sluice::tree_internal {

// Reads one value after another, whitespace or lines of `---` between them. Stops at the first error: then
// false, and *problem has its code, message and position. `text` is valid UTF-8.
bool parse_json(std::string_view text, std::vector<Document>* documents, Problem* problem);

// The number as the core schema reads it; null tree when it is none. Shared by both parsers.
bool parse_number(std::string_view text, std::uint32_t line, std::uint32_t column, Tree* tree);

// A code point that is no half of a surrogate pair. Shared as well.
void append_utf8(std::uint32_t code, std::string* out);

// "syntax/duplicate-key" for `key` at line and column.
Problem duplicate_key(const Tree::Member& first, std::uint32_t line, std::uint32_t column);

}  // namespace sluice::tree_internal
