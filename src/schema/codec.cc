#include "schema/codec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/base64.h"
#include "schema/type.h"

namespace sluice::schema {

namespace {

// An integer, or a float that is whole: YAML's 80.0 is JSON's 80.
std::optional<std::int64_t> whole(const Tree& tree) {
  if (tree.type() == Tree::Type::kInt) return tree.as_int();
  if (tree.type() != Tree::Type::kFloat) return std::nullopt;
  const double value = tree.as_float();
  constexpr double kLimit = 9.0e15;  // beyond, doubles skip integers
  if (!(std::fabs(value) < kLimit) || value != std::trunc(value)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

constexpr std::string_view kBase64Letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<signed char, 256> make_base64_values() {
  std::array<signed char, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kBase64Letters.size(); ++i) {
    values[static_cast<unsigned char>(kBase64Letters[i])] = static_cast<signed char>(i);
  }
  return values;
}

constexpr std::array<signed char, 256> kBase64Values = make_base64_values();

// Of a duration.
constexpr std::size_t kMaxParts = 4;
constexpr std::size_t kMaxDigits = 5;
constexpr std::int64_t kMaxPart = 99'999;

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};
constexpr std::array<Unit, 4> kUnits{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

// The duration in so many parts of each unit at most; empty where it takes more. As each unit is a multiple
// of the next, taking as many as possible of the largest finds a way where there is one.
std::string in_parts(std::int64_t rest, const std::array<std::int64_t, kUnits.size()>& parts) {
  std::string text;
  for (std::size_t i = 0; i < kUnits.size(); ++i) {
    for (std::int64_t part = 0; part < parts[i]; ++part) {
      const std::int64_t count = std::min(rest / kUnits[i].milliseconds, kMaxPart);
      if (count == 0) break;
      text += std::to_string(count);
      text += kUnits[i].name;
      rest -= count * kUnits[i].milliseconds;
    }
  }
  return rest == 0 ? text : "";
}

}  // namespace

bool store_bool(void* target, const Tree& tree, const Type&) {
  if (tree.type() != Tree::Type::kBool) return false;
  *static_cast<bool*>(target) = tree.as_bool();
  return true;
}

bool store_int32(void* target, const Tree& tree, const Type&) {
  const std::optional<std::int64_t> value = whole(tree);
  if (!value || *value < std::numeric_limits<std::int32_t>::min() ||
      *value > std::numeric_limits<std::int32_t>::max()) {
    return false;
  }
  *static_cast<std::int32_t*>(target) = static_cast<std::int32_t>(*value);
  return true;
}

bool store_int64(void* target, const Tree& tree, const Type&) {
  const std::optional<std::int64_t> value = whole(tree);
  if (!value) return false;
  *static_cast<std::int64_t*>(target) = *value;
  return true;
}

bool store_double(void* target, const Tree& tree, const Type&) {
  if (tree.type() != Tree::Type::kInt && tree.type() != Tree::Type::kFloat) return false;
  *static_cast<double*>(target) = tree.as_float();
  return true;
}

bool store_string(void* target, const Tree& tree, const Type& type) {
  if (!tree.is_string()) return false;
  std::string& out = *static_cast<std::string*>(target);
  if (type.format != "byte") {
    out = tree.as_string();
    return true;
  }
  std::optional<std::string> decoded = decode_base64(tree.as_string());
  if (!decoded) return false;
  out = std::move(*decoded);
  return true;
}

bool store_interned(void* target, const Tree& tree, const Type&) {
  if (!tree.is_string()) return false;
  *static_cast<Interned*>(target) = tree.as_string();
  return true;
}

bool store_duration(void* target, const Tree& tree, const Type&) {
  if (!tree.is_string()) return false;
  const std::optional<std::chrono::milliseconds> value = parse_duration(tree.as_string());
  if (!value) return false;
  *static_cast<std::chrono::milliseconds*>(target) = *value;
  return true;
}

bool store_tree(void* target, const Tree& tree, const Type&) {
  *static_cast<Tree*>(target) = tree;
  return true;
}

bool store_int_or_string(void* target, const Tree& tree, const Type& type) {
  auto& out = *static_cast<std::variant<std::int32_t, std::string>*>(target);
  if (tree.is_string()) {
    out = tree.as_string();
    return true;
  }
  std::int32_t number = 0;
  if (!store_int32(&number, tree, type)) return false;
  out = number;
  return true;
}

int enum_index(const Tree& tree, const Type& type) {
  if (!tree.is_string()) return -1;
  for (std::size_t i = 0; i < type.values.size(); ++i) {
    if (type.values[i] == tree.as_string()) return static_cast<int>(i);
  }
  return -1;
}

Tree load_bool(const void* source, const Type&) { return Tree::boolean(*static_cast<const bool*>(source)); }

Tree load_int32(const void* source, const Type&) {
  return Tree::integer(*static_cast<const std::int32_t*>(source));
}

Tree load_int64(const void* source, const Type&) {
  return Tree::integer(*static_cast<const std::int64_t*>(source));
}

Tree load_double(const void* source, const Type&) {
  return Tree::number(*static_cast<const double*>(source));
}

Tree load_string(const void* source, const Type& type) {
  const std::string& text = *static_cast<const std::string*>(source);
  return Tree::string(type.format == "byte" ? encode_base64(text) : text);
}

Tree load_interned(const void* source, const Type&) {
  return Tree::string(static_cast<const Interned*>(source)->text());
}

Tree load_duration(const void* source, const Type&) {
  return Tree::string(format_duration(*static_cast<const std::chrono::milliseconds*>(source)));
}

Tree load_tree(const void* source, const Type&) { return *static_cast<const Tree*>(source); }

Tree load_int_or_string(const void* source, const Type&) {
  const auto& value = *static_cast<const std::variant<std::int32_t, std::string>*>(source);
  if (const auto* const text = std::get_if<std::string>(&value)) return Tree::string(*text);
  return Tree::integer(std::get<std::int32_t>(value));
}

Tree enum_name(std::size_t index, const Type& type) {
  return index < type.values.size() ? Tree::string(type.values[index]) : Tree();
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  for (std::size_t part = 0; !text.empty(); ++part) {
    std::int64_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const auto digits = static_cast<std::size_t>(stop - text.data());
    if (error != std::errc() || part == kMaxParts || digits > kMaxDigits || text[0] == '-')
      return std::nullopt;
    text.remove_prefix(digits);
    std::size_t unit = 1;
    if (text.starts_with("ms")) {
      unit = 2;
    } else if (text.starts_with('h')) {
      value *= 3'600'000;
    } else if (text.starts_with('m')) {
      value *= 60'000;
    } else if (text.starts_with('s')) {
      value *= 1'000;
    } else {
      return std::nullopt;
    }
    text.remove_prefix(unit);
    total += value;
  }
  return std::chrono::milliseconds(total);
}

std::string format_duration(std::chrono::milliseconds duration) {
  const std::int64_t total = duration.count();
  if (total <= 0) return "0s";
  if (const std::string text = in_parts(total, {1, 1, 1, 1}); !text.empty()) return text;
  // Eleven years and more: some units repeat, and others are left out.
  constexpr auto kParts = static_cast<std::int64_t>(kMaxParts);
  for (std::int64_t h = 0; h <= kParts; ++h) {
    for (std::int64_t m = 0; h + m <= kParts; ++m) {
      for (std::int64_t s = 0; h + m + s <= kParts; ++s) {
        if (const std::string text = in_parts(total, {h, m, s, kParts - h - m - s}); !text.empty()) {
          return text;
        }
      }
    }
  }
  // No text says it exactly.
  return in_parts(std::min(total / kUnits[0].milliseconds, kParts * kMaxPart) * kUnits[0].milliseconds,
                  {kParts, 0, 0, 0});
}

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int held = 0;  // letters in bits
  int padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const signed char value = kBase64Values[static_cast<unsigned char>(c)];
    if (value < 0 || padding > 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    if (++held == 4) {
      out.push_back(static_cast<char>(bits >> 16));
      out.push_back(static_cast<char>(bits >> 8));
      out.push_back(static_cast<char>(bits));
      bits = 0;
      held = 0;
    }
  }
  if (held == 0) return padding == 0 ? std::optional(std::move(out)) : std::nullopt;
  if (held == 1 || padding != 4 - held) return std::nullopt;
  if (held == 2) {
    out.push_back(static_cast<char>(bits >> 4));
  } else {
    out.push_back(static_cast<char>(bits >> 10));
    out.push_back(static_cast<char>(bits >> 2));
  }
  return out;
}

}  // namespace sluice::schema
