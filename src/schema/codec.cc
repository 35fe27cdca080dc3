#include "schema/codec.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

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

constexpr std::array<signed char, 256> make_base64_values() {
  std::array<signed char, 256> values{};
  values.fill(-1);
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<signed char>(i);
  }
  return values;
}

constexpr std::array<signed char, 256> kBase64Values = make_base64_values();

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

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::size_t kMaxParts = 4;
  constexpr std::size_t kMaxDigits = 5;
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
