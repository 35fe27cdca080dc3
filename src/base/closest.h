// What was probably meant by a word that is none of those that could stand there.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

// Without `-` and `_`, and in lower case.
std::string folded(std::string_view text);

struct Near {
  std::string_view word;  // empty: there is none
  std::size_t distance = 0;
};

// The candidate that is the same but for letter case, `-` and `_`, or one to three letters away, the longer
// the word the more. For a word of one or two letters, the only one with a letter more or less.
Near nearest(std::string_view word, const std::vector<std::string_view>& candidates);
std::string_view closest(std::string_view word, const std::vector<std::string_view>& candidates);

// So few letters inserted, left out, replaced or swapped make one of the other, but for letter case, `-` and
// `_`.
bool within_distance(std::string_view a, std::string_view b, std::size_t most);

// "did you mean `web`?"; empty where the word is.
std::string did_you_mean(std::string_view word);

// The only candidate in whose name these words stand together, in the singular or plural: "requestRedirect"
// for "redirect", "backendRefs" for "backends". Empty where there is none, or several.
std::string_view containing(std::string_view words, const std::vector<std::string_view>& candidates);

}  // namespace sluice
