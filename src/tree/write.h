// Tree → JSON and YAML text.
#pragma once

#include <string>
#include <string_view>

#include "tree/tree.h"

namespace sluice {

// One line, members in their order. Strings that are no UTF-8 are no trees of ours (parse.h refuses them).
std::string to_json(const Tree& tree);

// Block style, members in their order; ends with a line break. parse() gives an equal tree.
std::string to_yaml(const Tree& tree);

// Whether the text needs no quotes as a scalar of YAML, wherever it stands and of whatever version: it begins
// with a letter or slash, has no blanks, is not long, and is no word like `off`.
bool is_plain_in_yaml(std::string_view text);

}  // namespace sluice
