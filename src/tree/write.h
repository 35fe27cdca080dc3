// Tree → JSON and YAML text.
#pragma once

#include <string>

#include "tree/tree.h"

namespace sluice {

// One line, members in their order. Strings that are no UTF-8 are no trees of ours (parse.h refuses them).
std::string to_json(const Tree& tree);

// Block style, members in their order; ends with a line break. parse() gives an equal tree.
std::string to_yaml(const Tree& tree);

}  // namespace sluice
