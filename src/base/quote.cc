#include "base/quote.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"

namespace sluice {
namespace {

constexpr std::size_t kMaxQuoted = 60;  // bytes

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7F'; }

}  // namespace

std::string quote(std::string_view text) {
  std::string shown = "`";
  std::size_t used = 0;
  while (used < text.size()) {
    const std::string_view rest = text.substr(used);
    const std::size_t size = utf8_size(rest);
    if (used + std::max<std::size_t>(size, 1) > kMaxQuoted) return shown + "…`";
    if (rest.front() == '\n') {
      shown += "\\n";
    } else if (rest.front() == '\t') {
      shown += "\\t";
    } else if (size == 0 || is_control(rest.front())) {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(rest.front()));
    } else {
      shown += rest.substr(0, size);
    }
    used += std::max<std::size_t>(size, 1);
  }
  return shown + "`";
}

}  // namespace sluice
