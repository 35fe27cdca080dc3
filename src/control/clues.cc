#include "control/clues.h"

#include <algorithm>

namespace sluice::control {
namespace {

// Shorter ones are in everything.
constexpr std::size_t kShortest = 3;

bool of_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '/' || c == '*';
}

// Names, hosts, paths: what people write without blanks. A full stop ends a sentence, not a word.
std::vector<std::string_view> words_of(std::string_view message) {
  std::vector<std::string_view> words;
  while (!message.empty()) {
    const std::size_t end =
        static_cast<std::size_t>(std::ranges::find_if_not(message, of_word) - message.begin());
    std::string_view word = message.substr(0, end);
    while (word.ends_with('.')) word.remove_suffix(1);
    if (word.size() >= kShortest) words.push_back(word);
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  std::ranges::sort(words);
  words.erase(std::ranges::unique(words).begin(), words.end());
  return words;
}

}  // namespace

std::vector<std::size_t> pointed_at(const std::vector<std::string>& texts, std::string_view message) {
  std::vector<std::size_t> best;
  std::size_t few = texts.size() / 4;
  for (const std::string_view word : words_of(message)) {
    std::vector<std::size_t> having;
    for (std::size_t i = 0; i < texts.size() && having.size() <= few; ++i) {
      if (texts[i].find(word) != std::string::npos) having.push_back(i);
    }
    if (having.empty() || having.size() > few) continue;
    few = having.size();
    best = std::move(having);
  }
  return best;
}

}  // namespace sluice::control
