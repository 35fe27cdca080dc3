// How wide text is on a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::cli {

// A character, and how many columns it takes: 0, 1 or 2.
struct Glyph {
  std::string_view text;
  unsigned width = 1;
};

// The first character of a text that is not empty. What a terminal would obey or cannot show (control
// characters but the tab, broken UTF-8) comes as U+FFFD.
Glyph first_glyph(std::string_view text, std::size_t* bytes);

// A line of text and the blanks that lead to a column of it (from 1, in characters), so that a caret printed
// after the blanks stands under that column, wherever both are printed. Long lines are cut to what is around
// the column.
struct Excerpt {
  std::string line;
  std::string blanks;
};
Excerpt excerpt(std::string_view line, unsigned column);

}  // namespace sluice::cli
