#include "source/secret_text.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>

#include "api/kinds.h"
#include "base/closest.h"
#include "base/letter_case.h"

namespace sluice::source {
namespace {

constexpr std::string_view kBlanks = " \t\r";
// A kind that so many slips make `Secret` of may have been meant as one.
constexpr std::size_t kSlips = 3;

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::string_view without(std::string_view text, std::string_view chars) {
  const std::size_t first = text.find_first_not_of(chars);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(chars) + 1 - first);
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

bool has_secret(std::string_view word) {
  return lower_case(word).contains("secret") || within_distance(word, "secret", kSlips);
}

bool is_list(std::string_view kind) { return lower_case(kind).ends_with("list"); }

bool is_declared(std::string_view kind) {
  return std::ranges::any_of(api::kinds(), [&](const api::KindInfo& info) { return info.kind == kind; });
}

// Of a kind that is unmistakably another.
bool is_no_secret(std::string_view kind) {
  return !kind.empty() && kind != "Secret" && (is_declared(kind) || !has_secret(kind));
}

bool names_data(std::string_view key) { return !closest(key, {"data", "stringData"}).empty(); }

// "word", 'word' or word, with a comment behind it maybe; empty where it is written in another way.
std::string_view plain_word(std::string_view text) {
  text = without(text, kBlanks);
  const char quote = text.starts_with('"') || text.starts_with('\'') ? text.front() : '\0';
  if (quote != '\0') text.remove_prefix(1);
  const auto size = static_cast<std::size_t>(std::ranges::find_if_not(text, is_word) - text.begin());
  std::string_view rest = text.substr(size);
  if (quote != '\0') {
    if (!rest.starts_with(quote)) return {};
    rest.remove_prefix(1);
  }
  const std::string_view behind = without(rest, kBlanks);
  const bool comment = behind.starts_with('#') && rest.front() != '#';
  return behind.empty() || comment ? text.substr(0, size) : std::string_view();
}

struct Key {
  std::string_view name;   // empty where it is no plain word
  std::string_view value;  // the rest of its line
  std::string_view rest;   // of the document, from its line on
};

// The keys of a document in block style; nothing where it is in another, or a key may be another than it
// seems.
std::optional<std::vector<Key>> outline(std::string_view document) {
  std::vector<Key> result;
  std::optional<std::size_t> margin;
  while (!document.empty()) {
    const std::string_view rest = document;
    const std::string_view line = take_line(document);
    const std::size_t indent = line.find_first_not_of(kBlanks);
    if (indent == line.npos || line[indent] == '#') continue;
    if (line.starts_with("---") && without(line.substr(3), kBlanks).empty()) continue;
    if (!margin) margin = indent;
    if (indent > *margin) continue;
    if (indent < *margin) return std::nullopt;
    const std::string_view text = line.substr(indent);
    // Items of a list may be as far to the left as its key.
    if (!result.empty() && (text == "-" || text.starts_with("- "))) continue;
    const std::size_t colon = text.find(':');
    const std::string_view name = plain_word(text.substr(0, colon));
    if (name.empty() && !is_word(text.front())) return std::nullopt;
    result.push_back({name, colon == text.npos ? std::string_view() : text.substr(colon + 1), rest});
  }
  return result;
}

// The words behind each key `kind`, wherever it stands; an empty one where something else is behind it.
std::vector<std::string_view> all_kinds(std::string_view document) {
  const std::string lower = lower_case(document);
  std::vector<std::string_view> kinds;
  constexpr std::string_view kKey = "kind";
  for (std::size_t at = lower.find(kKey); at != lower.npos; at = lower.find(kKey, at + 1)) {
    if (at > 0 && is_word(document[at - 1])) continue;
    std::string_view behind = document.substr(at + kKey.size());
    const std::size_t colon = behind.find_first_not_of("\"' \t\r\n");
    if (colon == behind.npos || behind[colon] != ':') continue;
    behind.remove_prefix(colon + 1);
    behind.remove_prefix(std::min(behind.find_first_not_of("\"' \t\r\n"), behind.size()));
    kinds.push_back(behind.substr(
        0, static_cast<std::size_t>(std::ranges::find_if_not(behind, is_word) - behind.begin())));
  }
  return kinds;
}

// A key like `data`, wherever it stands.
bool mentions_data(std::string_view document) {
  for (std::size_t colon = document.find(':'); colon != document.npos;
       colon = document.find(':', colon + 1)) {
    std::string_view key = without(document.substr(0, colon), "\"' \t\r\n");
    const auto size = std::ranges::find_if_not(key.rbegin(), key.rend(), is_word) - key.rbegin();
    key.remove_prefix(key.size() - static_cast<std::size_t>(size));
    if (names_data(key)) return true;
  }
  return false;
}

// Letters may be written as numbers.
bool has_escapes(std::string_view document) {
  return document.contains("\\x") || document.contains("\\u") || document.contains("\\U");
}

bool has_secret_word(std::string_view document) {
  while (!document.empty()) {
    const auto size =
        static_cast<std::size_t>(std::ranges::find_if_not(document, is_word) - document.begin());
    const std::string_view word = document.substr(0, size);
    if (equal_but_for_case(word, "secret") || equal_but_for_case(word, "secrets")) return true;
    document.remove_prefix(std::min(size + 1, document.size()));
  }
  return false;
}

// For several objects, or one whose own keys are not told from those below.
bool is_public(std::string_view document) {
  const std::vector<std::string_view> kinds = all_kinds(document);
  return !kinds.empty() && std::ranges::all_of(kinds, is_no_secret) && !has_secret_word(document) &&
         !has_escapes(document) &&
         (!mentions_data(document) || std::ranges::all_of(kinds, [](auto k) { return k == "ConfigMap"; }));
}

// An apiVersion of a group that we know, in which there are no Secrets.
bool is_of_a_group(const Key& key) {
  const std::string_view group = without(key.value, "\"' \t\r");
  return std::ranges::any_of(api::kinds(), [&](const api::KindInfo& info) {
    return !info.group.empty() && group.starts_with(info.group) &&
           group.substr(info.group.size()).starts_with('/');
  });
}

}  // namespace

std::vector<std::string_view> secret_parts(std::string_view document) {
  std::vector<std::string_view> all = {document};
  const std::optional<std::vector<Key>> keys = outline(document);
  std::optional<std::string_view> kind;
  bool group = false;
  for (const Key& key : keys ? *keys : std::vector<Key>()) {
    if (!closest(key.name, {"kind"}).empty()) {
      const std::string_view said = plain_word(key.value);
      if (!is_no_secret(said) || (kind && *kind != said)) return all;
      kind = said;
    }
    group |= key.name == "apiVersion" && is_of_a_group(key);
  }
  const bool one = keys && (kind ? !is_list(*kind) : group && !has_secret_word(document));
  if (!one) return is_public(document) ? std::vector<std::string_view>() : all;
  std::vector<std::string_view> parts;
  if (kind == "ConfigMap") return parts;
  for (std::size_t i = 0; i < keys->size(); ++i) {
    const Key& key = (*keys)[i];
    if (!names_data(key.name)) continue;
    const std::size_t behind = i + 1 < keys->size() ? (*keys)[i + 1].rest.size() : 0;
    parts.push_back(key.rest.substr(0, key.rest.size() - behind));
  }
  return parts;
}

}  // namespace sluice::source
