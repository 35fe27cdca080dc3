#include "translate/host_index.h"

#include <random>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "translate/hostname.h"

namespace sluice::translate {
namespace {

using Hosts = std::vector<std::pair<std::string_view, std::size_t>>;

TEST(HostIndex, FindsWhoHasTheHostOrAWiderOrANarrowerOne) {
  const HostIndex index(Hosts{{"a.b.c", 0}, {"*.b.c", 1}, {"*.c", 2}, {"b.c", 3}});
  EXPECT_EQ(index.first("a.b.c", 0), 1u);
  EXPECT_EQ(index.first("*.b.c", 1), 0u);
  EXPECT_EQ(index.first("*.c", 2), 0u);
  EXPECT_EQ(index.first("b.c", 3), 2u);
}

TEST(HostIndex, NobodyOverlapsAHostOfItsOwn) {
  const HostIndex index(Hosts{{"a.b", 0}, {"a.c", 1}, {"*.d", 1}});
  EXPECT_EQ(index.first("a.b", 0), HostIndex::kNobody);
  EXPECT_EQ(index.first("*.d", 1), HostIndex::kNobody);
}

// The oracle is covers(), of each pair.
TEST(HostIndex, SaysWhatAskingForEachPairSays) {
  std::mt19937 random(1);
  const auto pick = [&random](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  static constexpr std::string_view kParts[] = {"*", "*.", "", ".", "a", "b", ".a", ".b", "ab"};
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> texts(pick(12) + 1);
    for (std::string& text : texts) {
      for (std::size_t parts = pick(4); parts > 0; --parts) text += kParts[pick(std::size(kParts))];
    }
    Hosts hosts;
    for (const std::string& text : texts) hosts.emplace_back(text, pick(4));
    const HostIndex index(hosts);
    for (const std::string& text : texts) {
      for (std::size_t except = 0; except < 5; ++except) {
        std::size_t wanted = HostIndex::kNobody;
        for (const auto& [other, owner] : hosts) {
          if (owner != except && (covers(text, other) || covers(other, text)))
            wanted = std::min(wanted, owner);
        }
        EXPECT_EQ(index.first(text, except), wanted) << fmt::format("`{}` without {}", text, except);
      }
    }
  }
}

}  // namespace
}  // namespace sluice::translate
