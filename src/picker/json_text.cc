#include "picker/json_text.h"

#include <cstddef>
#include <cstdint>

#include <fmt/format.h>

namespace sluice::picker {
namespace {

constexpr std::string_view kNames = "\"\\/bfnrt";
constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";

void append_utf8(std::string& out, std::uint32_t point) {
  const auto byte = [&out](std::uint32_t value) { out.push_back(static_cast<char>(value)); };
  if (point < 0x80) {
    byte(point);
  } else if (point < 0x800) {
    byte(0xc0 | point >> 6U);
    byte(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    byte(0xe0 | point >> 12U);
    byte(0x80 | (point >> 6U & 0x3f));
    byte(0x80 | (point & 0x3f));
  } else {
    byte(0xf0 | point >> 18U);
    byte(0x80 | (point >> 12U & 0x3f));
    byte(0x80 | (point >> 6U & 0x3f));
    byte(0x80 | (point & 0x3f));
  }
}

// The four digits at `at`; 0x10000 where there are none.
std::uint32_t unit(std::string_view raw, std::size_t at) {
  constexpr std::uint32_t kNone = 0x10000;
  if (raw.size() < at + 4) return kNone;
  std::uint32_t value = 0;
  for (const char c : raw.substr(at, 4)) {
    const char lower = static_cast<char>(c | 0x20);
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<std::uint32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value * 16 + static_cast<std::uint32_t>(lower - 'a' + 10);
    } else {
      return kNone;
    }
  }
  return value;
}

}  // namespace

std::string escape_json(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string unescape_json(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\' || i + 1 == raw.size()) {
      out.push_back(raw[i]);
      continue;
    }
    const char c = raw[++i];
    if (c != 'u') {
      const std::size_t at = kNames.find(c);
      out.push_back(at == std::string_view::npos ? c : kMeanings[at]);
      continue;
    }
    std::uint32_t point = unit(raw, i + 1);
    i += 4;
    if (point >= 0xd800 && point < 0xdc00 && raw.substr(i + 1).starts_with("\\u")) {
      const std::uint32_t low = unit(raw, i + 3);
      if (low >= 0xdc00 && low < 0xe000) {
        point = 0x10000 + ((point - 0xd800) << 10U) + (low - 0xdc00);
        i += 6;
      }
    }
    append_utf8(out, (point >= 0xd800 && point < 0xe000) || point > 0x10ffff ? 0xfffd : point);
  }
  return out;
}

}  // namespace sluice::picker
