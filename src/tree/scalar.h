// The values of YAML's scalars of several lines, from what stands in the text (YAML 1.2.2, chapters 7.3
// and 8.1).
//
// libfyaml 0.7.12 finds where they begin and end, and whether they are right, but has other values for some:
// it loses a line, or adds bytes that it never wrote to. So its text is taken of plain scalars, and of quoted
// ones on one line without such quotes; all others are read here.
//
// Texts are as libfyaml has found them to be right. Their lines end with \n or \r\n.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::tree_internal {

// `text` is what stands between the quotes.
std::string read_single_quoted(std::string_view text);
std::string read_double_quoted(std::string_view text);

// `header` is `|` or `>` and what follows on its line, `text` the lines below it, `outer` the indentation of
// the list or map that the scalar is in.
std::string read_block(std::string_view header, std::string_view text, std::size_t outer);

}  // namespace sluice::tree_internal
