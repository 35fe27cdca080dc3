// Where a command writes: the product to `out`, what went wrong with the command itself to `err`. Each takes
// colours or does not.
#pragma once

#include <iostream>
#include <string_view>

#include <fmt/format.h>

namespace sluice::cli {

// Colours are for terminals, and not where NO_COLOR is set (https://no-color.org) or the terminal knows none.
bool wants_color(bool is_terminal, const char* no_color, const char* term);

struct Console {
  std::ostream& out = std::cout;
  std::ostream& err = std::cerr;
  bool out_color = false;
  bool err_color = false;
};

// SGR sequences.
inline constexpr std::string_view kBold = "1";
inline constexpr std::string_view kRed = "1;31";
inline constexpr std::string_view kGreen = "1;32";
inline constexpr std::string_view kMagenta = "1;35";
inline constexpr std::string_view kCyan = "1;36";
inline constexpr std::string_view kDim = "2";

inline std::string paint(std::string_view text, std::string_view style, bool color) {
  return color ? fmt::format("\x1b[{}m{}\x1b[0m", style, text) : std::string(text);
}

}  // namespace sluice::cli
