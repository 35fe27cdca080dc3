#include "base/closest.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/letter_case.h"
#include "base/quote.h"

namespace sluice {
namespace {

// Words are short; a text that is longer is no misspelling of one.
constexpr std::size_t kMaxWord = 64;
// How far a misspelling may be from the word that was meant.
constexpr std::size_t kMaxDistance = 3;
// Words of fewer letters.
constexpr std::size_t kFewLetters = 3;

// A word in small letters, without `-` and `_`; cut where it is longer than any that is looked for.
class Folded {
 public:
  explicit Folded(std::string_view text) {
    for (const char c : text) {
      if (c == '-' || c == '_') continue;
      if (size_ == letters_.size()) break;
      letters_[size_++] = lower_case(c);
    }
  }
  std::string_view text() const { return {letters_.data(), size_}; }

 private:
  std::array<char, kMaxWord + kMaxDistance + 1> letters_;
  std::size_t size_ = 0;
};

// Insertions, deletions, replacements and swaps of neighbours between a and b, where these are `most` or
// fewer; else any number above that. Texts are those of Folded.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t most) {
  while (!a.empty() && !b.empty() && a.front() == b.front()) {
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  while (!a.empty() && !b.empty() && a.back() == b.back()) {
    a.remove_suffix(1);
    b.remove_suffix(1);
  }
  using Row = std::array<std::size_t, kMaxWord + kMaxDistance + 2>;
  std::array<Row, 3> rows;  // the row of i and the two before it, at i % 3
  for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    Row& row = rows[i % 3];
    const Row& above = rows[(i - 1) % 3];
    row[0] = i;
    std::size_t least = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], rows[(i - 2) % 3][j - 2] + 1);
      }
      least = std::min(least, row[j]);
    }
    // A swap reaches back over one row, and costs one.
    if (least > most + 1) return least;
  }
  return rows[a.size() % 3][b.size()];
}

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// "backendRefs" → "backend", "ref"; "caCertificateRefs" → "ca", "certificate", "ref"; "URLRewrite" → "url",
// "rewrite". Without what makes a plural.
std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool after_lower = i > 0 && is_upper(name[i]) && !is_upper(name[i - 1]);
    const bool ends_capitals =
        i > 0 && i + 1 < name.size() && is_upper(name[i]) && is_upper(name[i - 1]) && !is_upper(name[i + 1]);
    const bool parts = name[i] == '-' || name[i] == '_';
    if (words.empty() || after_lower || ends_capitals || parts) words.emplace_back();
    if (!parts) words.back() += folded(name.substr(i, 1));
  }
  for (std::string& word : words) {
    if (word.ends_with("ches") || word.ends_with("sses")) {
      word.resize(word.size() - 2);
    } else if (word.size() > 2 && word.ends_with('s') && !word.ends_with("ss")) {
      word.resize(word.size() - 1);
    }
  }
  return words;
}

}  // namespace

std::string folded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '-' || c == '_') continue;
    result += lower_case(c);
  }
  return result;
}

Near nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  Near best{{}, std::numeric_limits<std::size_t>::max()};
  if (word.size() > kMaxWord) return best;
  const Folded plain(word);
  const std::size_t size = plain.text().size();
  // Of so few letters another one makes another word; but one may be left out, or too many.
  const bool few = size < kFewLetters;
  const std::size_t allowed = size < 6 ? 1 : size < 12 ? 2 : kMaxDistance;
  bool several = false;
  for (const std::string_view candidate : candidates) {
    const Folded other(candidate);
    if (other.text().size() > size + allowed || size > other.text().size() + allowed) continue;
    const std::size_t distance = edit_distance(plain.text(), other.text(), allowed);
    if (distance > allowed || (few && distance > 0 && (size == 0 || other.text().size() == size))) continue;
    if (distance == best.distance && candidate != best.word) several = true;
    if (distance >= best.distance) continue;
    best = {candidate, distance};
    several = false;
  }
  if (few && best.distance > 0 && several) return {{}, std::numeric_limits<std::size_t>::max()};
  return best;
}

std::string_view closest(std::string_view word, const std::vector<std::string_view>& candidates) {
  return nearest(word, candidates).word;
}

bool within_distance(std::string_view a, std::string_view b, std::size_t most) {
  if (std::max(a.size(), b.size()) > kMaxWord) return false;
  return edit_distance(Folded(a).text(), Folded(b).text(), most) <= most;
}

std::string did_you_mean(std::string_view word) {
  return word.empty() ? "" : "did you mean " + quote(word) + "?";
}

std::string_view containing(std::string_view words, const std::vector<std::string_view>& candidates) {
  if (words.size() > kMaxWord) return {};
  const std::vector<std::string> wanted = words_of(words);
  std::string_view only;
  for (const std::string_view candidate : candidates) {
    const std::vector<std::string> its = words_of(candidate);
    if (wanted.empty() || std::ranges::search(its, wanted).empty()) continue;
    if (!only.empty()) return {};
    only = candidate;
  }
  return only;
}

}  // namespace sluice
