// What must hold of every text that is parsed, YAML or JSON.
#pragma once

#include <string_view>
#include <vector>

#include "base/problem.h"
#include "tree/parse.h"

namespace sluice::fuzz {

// Problems say where, in words; trees have places in the text, strings that are UTF-8, and no more levels
// and nodes than there may be.
void require_parsed(std::string_view text, const std::vector<Document>& documents,
                    const std::vector<Problem>& problems);

bool is_utf8(std::string_view text);

// A message, or a suggestion: UTF-8, of moderate length, and nothing in it that a terminal would obey.
bool is_readable(std::string_view text);

// Nodes of the tree.
std::size_t size_of(const Tree& tree);

// Equal, where a number that is none equals itself.
bool same(const Tree& a, const Tree& b);

}  // namespace sluice::fuzz
