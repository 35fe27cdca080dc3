#include "base/closest.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Closest, AllowsAFewLetters) {
  EXPECT_EQ(closest("HttpRoute", {"Gateway", "HTTPRoute"}), "HTTPRoute");
  EXPECT_EQ(closest("prot", {"port", "path"}), "port");
  EXPECT_EQ(closest("ab", {"ac"}), "");
  EXPECT_EQ(closest("completely", {"different"}), "");
}

TEST(Containing, FindsTheOnlyNameWithTheWord) {
  const std::vector<std::string_view> filters = {"type", "requestHeaderModifier", "requestRedirect",
                                                 "urlRewrite"};
  EXPECT_EQ(containing("redirect", filters), "requestRedirect");
  EXPECT_EQ(containing("URLRewrite", filters), "urlRewrite");
  EXPECT_EQ(containing("header-modifier", filters), "requestHeaderModifier");
  EXPECT_EQ(containing("request", filters), "") << "two";
  EXPECT_EQ(containing("red", filters), "") << "no word";
  EXPECT_EQ(containing("modifierHeader", filters), "") << "another order";
  EXPECT_EQ(containing("", filters), "");
}

TEST(Containing, TakesPluralsForTheSame) {
  EXPECT_EQ(containing("backends", {"backendRefs", "filters"}), "backendRefs");
  EXPECT_EQ(containing("match", {"matches", "filters"}), "matches");
  EXPECT_EQ(containing("classes", {"gatewayClassName", "listeners"}), "gatewayClassName");
  EXPECT_EQ(containing("caCertificate", {"caCertificateRefs", "certificateRefs"}), "caCertificateRefs");
}

TEST(Closest, TakesALeftOutLetterOfAShortWordForASlip) {
  EXPECT_EQ(closest("wb", {"api", "web"}), "web");
  EXPECT_EQ(closest("db", {"d"}), "d");
  EXPECT_EQ(closest("", {"a"}), "") << "that is no word";
}

TEST(Closest, GuessesNothingOfAShortWordWhereTwoAreAsNear) {
  EXPECT_EQ(closest("wb", {"web", "wob"}), "");
  EXPECT_EQ(closest("wb", {"web", "web"}), "web") << "the same twice";
  EXPECT_EQ(closest("wb", {"web", "wob", "WB"}), "WB");
}

TEST(WithinDistance, CountsSlips) {
  EXPECT_TRUE(within_distance("Sekrt", "secret", 2));
  EXPECT_FALSE(within_distance("Sekrt", "secret", 1));
  EXPECT_FALSE(within_distance(std::string(65, 'a'), std::string(65, 'a'), 3)) << "that is no word";
}

TEST(Closest, LooksAtWordsOnly) {
  EXPECT_EQ(closest(std::string(64, 'a'), {std::string(67, 'a')}), std::string(67, 'a'));
  EXPECT_EQ(closest(std::string(64, 'a'), {std::string(68, 'a')}), "");
  EXPECT_EQ(closest(std::string(65, 'a'), {std::string(65, 'a')}), "") << "that is no word";
}

// Insertions, deletions, replacements and swaps of neighbours, with the whole table.
std::size_t slow_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] =
          std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

TEST(Closest, IsWhatTheWholeTableSays) {
  std::mt19937 random(1);
  const auto pick = [&random](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  for (int round = 0; round < 20'000; ++round) {
    const auto make = [&](std::string word, std::size_t changes) {
      for (; changes > 0; --changes) {
        const std::size_t at = pick(word.size() + 1);
        const char letter = static_cast<char>('a' + pick(3));
        if (pick(2) == 0) {
          word.insert(word.begin() + static_cast<std::ptrdiff_t>(at), letter);
        } else if (at < word.size()) {
          pick(2) == 0 ? word.erase(at, 1) : word.replace(at, 1, 1, letter);
        }
      }
      return word;
    };
    const std::string word = make("", pick(16));
    const std::string other = make(word, pick(7));
    const std::size_t allowed = word.size() < 6 ? 1 : word.size() < 12 ? 2 : 3;
    const std::size_t distance = slow_distance(word, other);
    const bool other_word = word.empty() || (word.size() < 3 && word.size() == other.size());
    const bool near = distance == 0 || (distance <= allowed && !other_word);
    EXPECT_EQ(closest(word, {other}) == other, near || other.empty()) << word << " " << other;
  }
}

}  // namespace
}  // namespace sluice
