#include "base/quote.h"

#include <fmt/format.h>

namespace sluice {
namespace {

constexpr std::size_t kMaxQuoted = 60;  // bytes

std::string_view code_point_prefix(std::string_view text, std::size_t bytes) {
  while (bytes > 0 && bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80)
    --bytes;
  return text.substr(0, bytes);
}

}  // namespace

std::string quote(std::string_view text) {
  std::string shown = "`";
  for (const char c : code_point_prefix(text, kMaxQuoted)) {
    if (c == '\n') {
      shown += "\\n";
    } else if (c == '\t') {
      shown += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == '\x7F') {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      shown += c;
    }
  }
  shown += text.size() > kMaxQuoted ? "…`" : "`";
  return shown;
}

}  // namespace sluice
