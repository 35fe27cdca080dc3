#include "patch/pointer.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/closest.h"
#include "base/quote.h"

namespace sluice::patch {
namespace {

using nlohmann::json;

// A message names so many fields at most.
constexpr std::size_t kNamedFields = 12;

std::string place(const Pointer& pointer, std::size_t length) {
  return length == 0 ? "the resource" : quote(to_string(pointer, length));
}

Failure missing(const json& container, const Pointer& pointer, std::size_t length, std::string_view field) {
  Failure failure{.field = std::string(field),
                  .message = fmt::format("there is no {}: {}", quote(to_string(pointer, length + 1)),
                                         describe(container, pointer, length)),
                  .suggestion = {}};
  if (!container.is_object()) return failure;
  std::vector<std::string_view> names;
  for (const auto& [name, _] : container.items()) names.push_back(name);
  const std::string_view near = closest(pointer[length], names);
  if (near.empty()) return failure;
  Pointer meant(pointer.begin(), pointer.begin() + static_cast<std::ptrdiff_t>(length));
  meant.emplace_back(near);
  failure.suggestion = did_you_mean(to_string(meant));
  return failure;
}

}  // namespace

Result<Pointer> parse_pointer(std::string_view text, std::string_view field) {
  const auto fail = [&](std::string why, std::string suggestion) {
    return std::unexpected(Failure{.field = std::string(field),
                                   .message = fmt::format("{} is no JSON pointer: {}", quote(text), why),
                                   .suggestion = std::move(suggestion)});
  };
  Pointer pointer;
  if (text.empty()) return pointer;
  if (!text.starts_with('/')) {
    return fail("it does not begin with a slash", fmt::format("write {}", quote(fmt::format("/{}", text))));
  }
  for (const char c : text) {
    if (c == '/') {
      pointer.emplace_back();
    } else {
      pointer.back() += c;
    }
  }
  for (std::string& part : pointer) {
    for (std::size_t at = part.find('~'); at != std::string::npos; at = part.find('~', at + 1)) {
      const char escaped = at + 1 < part.size() ? part[at + 1] : ' ';
      if (escaped != '0' && escaped != '1') return fail("a `~` stands alone", "write `~0` for `~`");
      part.replace(at, 2, escaped == '0' ? "~" : "/");
    }
  }
  return pointer;
}

std::string to_string(const Pointer& pointer, std::size_t length) {
  std::string text;
  for (std::size_t i = 0; i < std::min(length, pointer.size()); ++i) {
    text += '/';
    for (const char c : pointer[i]) {
      if (c == '~') {
        text += "~0";
      } else if (c == '/') {
        text += "~1";
      } else {
        text += c;
      }
    }
  }
  return text;
}

std::optional<std::size_t> index_of(std::string_view part) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
  const bool leading_zero = part.size() > 1 && part.starts_with('0');
  if (error != std::errc() || end != part.data() + part.size() || leading_zero) return std::nullopt;
  return index;
}

std::string describe(const json& value, const Pointer& pointer, std::size_t length) {
  const std::string where = place(pointer, length);
  if (value.is_array()) {
    return value.empty()
               ? fmt::format("{} is an empty list", where)
               : fmt::format("{} has {} {}", where, value.size(), value.size() == 1 ? "entry" : "entries");
  }
  if (!value.is_object()) {
    return fmt::format("{} is a {}", where,
                       value.is_string()   ? "string"
                       : value.is_number() ? "number"
                       : value.is_null()   ? "null"
                                           : "boolean");
  }
  if (value.empty()) return fmt::format("{} is empty", where);
  std::vector<std::string> names;
  for (const auto& [name, _] : value.items()) {
    if (names.size() == kNamedFields) break;
    names.push_back(quote(name));
  }
  return fmt::format(
      "{} has {}{}", where, fmt::join(names, ", "),
      value.size() > names.size() ? fmt::format(" and {} more", value.size() - names.size()) : "");
}

Result<json*> find(json& document, const Pointer& pointer, std::size_t length, std::string_view field) {
  json* value = &document;
  for (std::size_t i = 0; i < length; ++i) {
    if (value->is_object()) {
      const auto member = value->find(pointer[i]);
      if (member == value->end()) return std::unexpected(missing(*value, pointer, i, field));
      value = &*member;
    } else if (value->is_array()) {
      const std::optional<std::size_t> index = index_of(pointer[i]);
      if (!index || *index >= value->size()) return std::unexpected(missing(*value, pointer, i, field));
      value = &(*value)[*index];
    } else {
      return std::unexpected(missing(*value, pointer, i, field));
    }
  }
  return value;
}

}  // namespace sluice::patch
