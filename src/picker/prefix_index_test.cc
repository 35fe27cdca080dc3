#include "picker/prefix_index.h"

#include <algorithm>
#include <list>
#include <map>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sluice::picker {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

using Chain = std::vector<BlockHash>;

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 31)) * 0x7fb5d329728ea185;
  x = (x ^ (x >> 27)) * 0x81dadef4bc2dd44d;
  return x ^ (x >> 33);
}

// Prompts that begin alike have chains that begin alike.
Chain chain(std::initializer_list<std::pair<std::uint64_t, int>> parts) {
  Chain made;
  for (const auto& [seed, blocks] : parts) {
    for (int i = 0; i < blocks; ++i) {
      made.push_back(
          mix(seed * 1'000'003 + static_cast<std::uint64_t>(i) + (made.empty() ? 0 : made.back())));
    }
  }
  return made;
}

std::vector<std::uint32_t> match(const PrefixIndex& index, std::size_t slots, const Chain& chain,
                                 std::uint64_t salt = 0) {
  std::vector<std::uint32_t> lengths(slots);
  index.match(chain, salt, lengths);
  return lengths;
}

TEST(PrefixIndex, CountsTheBlocksThatEachPodHas) {
  PrefixIndex index;
  index.resize(4);
  index.add(0, chain({{1, 10}}), 0);            // the system prompt
  index.add(1, chain({{1, 10}, {2, 5}}), 0);    // and a conversation
  index.add(2, chain({{1, 10}, {2, 200}}), 0);  // that went on
  struct Case {
    Chain prompt;
    std::vector<std::uint32_t> has;
  };
  const Case cases[] = {
      {chain({{1, 10}}), {10, 10, 10, 0}},
      {chain({{1, 10}, {2, 5}}), {10, 15, 15, 0}},
      {chain({{1, 10}, {2, 150}}), {10, 15, 160, 0}},
      {chain({{1, 10}, {2, 200}, {3, 9}}), {10, 15, 210, 0}},
      {chain({{1, 10}, {4, 100}}), {10, 10, 10, 0}},
      {chain({{5, 100}}), {0, 0, 0, 0}},
      {{}, {0, 0, 0, 0}},
  };
  for (const Case& c : cases) EXPECT_EQ(match(index, 4, c.prompt), c.has) << c.prompt.size();
}

TEST(PrefixIndex, KeepsModelsApart) {
  PrefixIndex index;
  index.resize(1);
  index.add(0, chain({{1, 10}}), 7);
  EXPECT_THAT(match(index, 1, chain({{1, 10}}), 7), ElementsAre(10));
  EXPECT_THAT(match(index, 1, chain({{1, 10}}), 8), ElementsAre(0));
}

TEST(PrefixIndex, ForgetsWhatWasUsedLongestAgo) {
  PrefixIndex index;
  index.resize(1);
  index.set_capacity(0, 70);
  index.add(0, chain({{1, 10}}), 0);
  for (std::uint64_t i = 2; i < 100; ++i) {
    index.add(0, chain({{i, 10}}), 0);
    index.add(0, chain({{1, 10}}), 0);  // always in use
  }
  EXPECT_THAT(match(index, 1, chain({{1, 10}})), ElementsAre(10));
  EXPECT_THAT(match(index, 1, chain({{99, 10}})), ElementsAre(10));
  EXPECT_THAT(match(index, 1, chain({{50, 10}})), ElementsAre(0));
}

TEST(PrefixIndex, ForgetsTheEndOfAPromptFirst) {
  PrefixIndex index;
  index.resize(1);
  index.set_capacity(0, 70);
  index.add(0, chain({{1, 200}}), 0);
  const std::uint32_t has = match(index, 1, chain({{1, 200}}))[0];
  EXPECT_GE(has, 60);
  EXPECT_LE(has, 70);
}

TEST(PrefixIndex, KnowsNothingOfAPodThatIsForgotten) {
  PrefixIndex index;
  index.resize(2);
  index.add(0, chain({{1, 100}}), 0);
  index.add(1, chain({{1, 50}}), 0);
  index.forget(0);
  EXPECT_THAT(match(index, 2, chain({{1, 100}})), ElementsAre(0, 50));
  EXPECT_EQ(index.entries(), 50);
  index.forget(1);
  EXPECT_EQ(index.entries(), 0);
}

TEST(PrefixIndex, HoldsTheMostBlocksOfEachPod) {
  PrefixIndex index;
  index.resize(130);
  std::mt19937_64 random(1);
  for (const std::size_t slot : {0, 63, 64, 129}) index.set_capacity(slot, 700);
  for (int i = 0; i < 500; ++i) {
    for (const std::size_t slot : {0, 63, 64, 129}) index.add(slot, chain({{random(), 50}}), 0);
  }
  for (const std::size_t slot : {0, 63, 64, 129}) {
    EXPECT_LE(index.blocks_of(slot), 700);
    EXPECT_GE(index.blocks_of(slot), 600);
  }
  EXPECT_LE(index.entries(), 4 * 700);
}

// The slow oracle: a list of (hash, generation) for each pod, searched block by block.
class Oracle {
 public:
  explicit Oracle(std::uint32_t capacity) : share_(std::max(1U, capacity / 7)) {}
  void add(const Chain& chain) {
    for (auto hash = chain.rbegin(); hash != chain.rend(); ++hash) {
      if (generation_.contains(*hash) && generation_[*hash] == current_) continue;
      generation_[*hash] = current_;
      if (++came_ < share_) continue;
      came_ = 0;
      ++current_;
      std::erase_if(generation_, [&](const auto& block) { return block.second + 7 <= current_; });
    }
  }
  std::uint32_t match(const Chain& chain) const {
    std::uint32_t length = 0;
    while (length < chain.size() && generation_.contains(chain[length])) ++length;
    return length;
  }

 private:
  std::map<BlockHash, std::uint64_t> generation_;
  std::uint64_t current_ = 1;
  std::uint32_t came_ = 0;
  std::uint32_t share_;
};

TEST(PrefixIndex, FindsWhatASearchBlockByBlockFinds) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20; ++round) {
    const std::size_t slots = 1 + random() % 80;
    const auto capacity = static_cast<std::uint32_t>(20 + random() % 500);
    PrefixIndex index;
    index.resize(slots);
    std::vector<Oracle> oracle(slots, Oracle(capacity));
    for (std::size_t slot = 0; slot < slots; ++slot) index.set_capacity(slot, capacity);
    for (int step = 0; step < 300; ++step) {
      const Chain prompt = chain({{random() % 3, static_cast<int>(random() % 20)},
                                  {random() % 5, static_cast<int>(random() % 40)},
                                  {random() % 5, static_cast<int>(random() % 100)}});
      std::vector<std::uint32_t> expected;
      for (const Oracle& pod : oracle) expected.push_back(pod.match(prompt));
      ASSERT_EQ(match(index, slots, prompt), expected) << "round " << round << ", step " << step;
      const std::size_t slot = random() % slots;
      index.add(slot, prompt, 0);
      oracle[slot].add(prompt);
    }
  }
}

}  // namespace
}  // namespace sluice::picker
