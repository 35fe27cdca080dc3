#include "cli/columns.h"

#include <algorithm>
#include <array>

namespace sluice::cli {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kEllipsis = "…";
// Of an excerpt: the whole, and what is shown before the column when it is cut.
constexpr unsigned kMaxWidth = 140;
constexpr unsigned kWidthBefore = 60;

struct Range {
  char32_t first;
  char32_t last;
};

// Of Unicode 15: marks and other characters that take no column.
constexpr std::array<Range, 35> kNarrow = {{
    {0x0300, 0x036F}, {0x0483, 0x0489},   {0x0591, 0x05BD},   {0x05BF, 0x05BF},   {0x05C1, 0x05C5},
    {0x0610, 0x061A}, {0x064B, 0x065F},   {0x0670, 0x0670},   {0x06D6, 0x06DC},   {0x06DF, 0x06E4},
    {0x06E7, 0x06ED}, {0x0900, 0x0902},   {0x093C, 0x093C},   {0x0941, 0x0948},   {0x094D, 0x094D},
    {0x0E31, 0x0E31}, {0x0E34, 0x0E3A},   {0x0E47, 0x0E4E},   {0x1160, 0x11FF},   {0x1AB0, 0x1ACE},
    {0x1DC0, 0x1DFF}, {0x200B, 0x200F},   {0x202A, 0x202E},   {0x2060, 0x206F},   {0x20D0, 0x20F0},
    {0x302A, 0x302D}, {0x3099, 0x309A},   {0xFB1E, 0xFB1E},   {0xFE00, 0xFE0F},   {0xFE20, 0xFE2F},
    {0xFEFF, 0xFEFF}, {0x1D167, 0x1D169}, {0x1F3FB, 0x1F3FF}, {0xE0001, 0xE007F}, {0xE0100, 0xE01EF},
}};

// East Asian wide and full-width characters, and emoji.
constexpr std::array<Range, 33> kWide = {{
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},   {0x23F0, 0x23F0},
    {0x25FD, 0x25FE},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26AA, 0x26AB},   {0x26BD, 0x26BE},
    {0x26C4, 0x26C5},   {0x2705, 0x2705},   {0x270A, 0x270B},   {0x2728, 0x2728},   {0x274C, 0x274C},
    {0x2753, 0x2755},   {0x2795, 0x2797},   {0x2B1B, 0x2B1C},   {0x2E80, 0x303E},   {0x3041, 0x33FF},
    {0x3400, 0x4DBF},   {0x4E00, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
    {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18CFF}, {0x1AFF0, 0x1B2FF},
    {0x1F300, 0x1F64F}, {0x1F680, 0x1FAFF}, {0x20000, 0x3FFFD},
}};

template <std::size_t n>
bool contains(const std::array<Range, n>& ranges, char32_t c) {
  const auto range = std::ranges::lower_bound(ranges, c, {}, &Range::last);
  return range != ranges.end() && range->first <= c;
}

// Decodes one character; 0 bytes where the UTF-8 is broken.
char32_t decode(std::string_view text, std::size_t& bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  bytes = first < 0x80 ? 1 : first >= 0xC2 && first < 0xE0 ? 2 : first >= 0xE0 && first < 0xF0 ? 3 : 4;
  if (bytes == 1) return first;
  if (first < 0xC2 || first > 0xF4 || text.size() < bytes) {
    bytes = 0;
    return 0;
  }
  char32_t c = first & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((at(i) & 0xC0U) != 0x80) {
      bytes = 0;
      return 0;
    }
    c = c << 6U | (at(i) & 0x3FU);
  }
  return c;
}

// What takes no column takes room in an excerpt all the same, or there might be megabytes of it.
unsigned room_of(const Glyph& glyph) { return std::max(glyph.width, 1U); }

// Of the last character of a text that is not empty; of broken UTF-8, of its last byte.
std::size_t last_glyph_bytes(std::string_view text) {
  for (std::size_t length = 2; length <= std::min<std::size_t>(4, text.size()); ++length) {
    std::size_t bytes = 0;
    decode(text.substr(text.size() - length), bytes);
    if (bytes == length) return length;
  }
  return 1;
}

}  // namespace

Glyph first_glyph(std::string_view text, std::size_t* bytes) {
  const char32_t c = decode(text, *bytes);
  if (*bytes == 0) {
    *bytes = 1;
    return {kReplacement, 1};
  }
  const std::string_view glyph = text.substr(0, *bytes);
  if (c == '\t') return {glyph, 1};
  // Control characters, and those that turn the direction of text.
  const bool turns = (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
  if (c < 0x20 || (c >= 0x7F && c < 0xA0) || turns) return {kReplacement, 1};
  return {glyph, contains(kNarrow, c) ? 0U : contains(kWide, c) ? 2U : 1U};
}

Excerpt excerpt(std::string_view line, unsigned column) {
  // A line may be a whole file of megabytes: of its characters nothing is kept but what is shown.
  std::size_t caret = column <= 1 ? 0 : line.size();  // a column behind the end is the end
  std::size_t width = 0;
  std::size_t bytes = 0;
  unsigned number = 1;
  for (std::size_t i = 0; i < line.size() && (number <= column || width <= kMaxWidth); i += bytes) {
    if (number++ == column) caret = i;
    width += room_of(first_glyph(line.substr(i), &bytes));
  }

  std::size_t begin = 0;
  unsigned room = kMaxWidth;
  if (width > kMaxWidth) {
    begin = caret;
    for (unsigned left = kWidthBefore; begin > 0;) {
      const std::size_t previous = begin - last_glyph_bytes(line.substr(0, begin));
      const unsigned taken = room_of(first_glyph(line.substr(previous, begin - previous), &bytes));
      if (taken > left) break;
      left -= taken;
      begin = previous;
    }
  }

  Excerpt result;
  if (begin > 0) {
    result.line += kEllipsis;
    result.blanks += ' ';
  }
  std::size_t i = begin;
  for (; i < line.size() && room > 0; i += bytes) {
    const Glyph glyph = first_glyph(line.substr(i), &bytes);
    room -= std::min(room_of(glyph), room);
    result.line += glyph.text;
    // A tab under a tab ends where it does.
    if (i < caret) result.blanks += glyph.text == "\t" ? "\t" : std::string(glyph.width, ' ');
  }
  if (i < line.size()) result.line += kEllipsis;
  return result;
}

}  // namespace sluice::cli
