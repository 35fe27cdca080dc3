#include "infra/quantity.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <utility>

namespace sluice::infra {
namespace {

// Powers, of 2 or of 10, that a letter stands for.
constexpr std::pair<std::string_view, int> kBinary[] = {{"Ki", 10}, {"Mi", 20}, {"Gi", 30},
                                                        {"Ti", 40}, {"Pi", 50}, {"Ei", 60}};
constexpr std::pair<std::string_view, int> kDecimal[] = {
    {"n", -9}, {"u", -6}, {"m", -3}, {"", 0}, {"k", 3}, {"M", 6}, {"G", 9}, {"T", 12}, {"P", 15}, {"E", 18}};

template <std::size_t N>
std::optional<int> find(const std::pair<std::string_view, int> (&powers)[N], std::string_view suffix) {
  for (const auto& [name, power] : powers) {
    if (name == suffix) return power;
  }
  return std::nullopt;
}

std::optional<long double> factor_of(std::string_view suffix) {
  if (const auto power = find(kBinary, suffix)) return std::ldexp(1.0L, *power);
  if (const auto power = find(kDecimal, suffix)) return std::pow(10.0L, *power);
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return std::nullopt;
  suffix.remove_prefix(suffix[1] == '+' ? 2 : 1);
  int power = 0;
  const auto [end, error] = std::from_chars(suffix.data(), suffix.data() + suffix.size(), power);
  if (error != std::errc() || end != suffix.data() + suffix.size()) return std::nullopt;
  return std::pow(10.0L, power);
}

}  // namespace

std::optional<std::uint64_t> bytes_of(std::string_view quantity) {
  const auto is_number = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
  const auto* const end = std::ranges::find_if_not(quantity, is_number);
  const std::string_view digits(quantity.begin(), end);
  long double number = 0;
  const auto [stopped, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || stopped != digits.data() + digits.size()) return std::nullopt;
  const auto factor = factor_of(quantity.substr(digits.size()));
  if (!factor) return std::nullopt;
  const long double bytes = std::ceil(number * *factor);
  if (!(bytes < std::ldexp(1.0L, 64))) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace sluice::infra
