#include "source/secret_text.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace sluice::source {
namespace {

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// The word that follows `kind` and what may stand between them: quotes, a colon, blanks.
std::string_view kind_after(std::string_view text) {
  const std::size_t colon = text.find_first_not_of("\"' \t");
  if (colon == text.npos || text[colon] != ':') return {};
  const std::size_t first = text.find_first_not_of("\"' \t\r\n", colon + 1);
  if (first == text.npos) return {};
  text.remove_prefix(first);
  return text.substr(0, static_cast<std::size_t>(std::ranges::find_if_not(text, is_word) - text.begin()));
}

// What a key `kind` that starts a line says.
std::optional<std::string_view> own_kind(std::string_view document) {
  while (!document.empty()) {
    const std::string_view line = take_line(document);
    if (!line.starts_with("kind")) continue;
    if (const std::string_view kind = kind_after(line.substr(4)); !kind.empty()) return kind;
  }
  return std::nullopt;
}

bool mentions_secret(std::string_view document) {
  constexpr std::string_view kKey = "kind";
  for (std::size_t at = document.find(kKey); at != document.npos; at = document.find(kKey, at + 1)) {
    if (kind_after(document.substr(at + kKey.size())) == "Secret") return true;
  }
  return false;
}

}  // namespace

bool may_be_secret(std::string_view document) {
  // Other kinds refer to Secrets by their kind; a List, or JSON, may have one in it.
  const std::optional<std::string_view> kind = own_kind(document);
  if (kind && *kind != "List" && *kind != "SecretList") return *kind == "Secret";
  return (kind && *kind == "SecretList") || mentions_secret(document);
}

}  // namespace sluice::source
