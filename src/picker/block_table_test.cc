#include "picker/block_table.h"

#include <random>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::picker {
namespace {

// Few keys, many of which want the same places.
TEST(BlockTable, IsAMapWhateverComesAndGoes) {
  std::mt19937_64 random(1);
  BlockTable<std::uint64_t> table;
  std::unordered_map<BlockHash, std::uint64_t> oracle;
  std::vector<BlockHash> keys;
  for (std::uint64_t i = 1; i < 300; ++i) keys.push_back(i % 3 == 0 ? i : i % 3 == 1 ? i << 32 : random());
  for (int step = 0; step < 200'000; ++step) {
    const BlockHash key = keys[random() % keys.size()];
    switch (random() % 3) {
      case 0:
        table[key] = oracle[key] = random();
        break;
      case 1:
        table.erase(key);
        oracle.erase(key);
        break;
      default: {
        const auto found = oracle.find(key);
        const std::uint64_t* const value = table.find(key);
        ASSERT_EQ(value != nullptr, found != oracle.end());
        if (value != nullptr) {
          ASSERT_EQ(*value, found->second);
        }
      }
    }
    ASSERT_EQ(table.size(), oracle.size());
  }
  std::uint64_t sum = 0;
  table.each([&sum](std::uint64_t value) { sum += value; });
  for (const auto& [key, value] : oracle) sum -= value;
  EXPECT_EQ(sum, 0U);
}

TEST(BlockTable, AnEmptyOneHasNothing) {
  BlockTable<int> table;
  EXPECT_EQ(table.find(7), nullptr);
  table.erase(7);
  EXPECT_TRUE(table.empty());
}

TEST(BlockTable, ZeroIsAKeyToo) {
  BlockTable<int> table;
  table[0] = 5;
  EXPECT_EQ(*table.find(0), 5);
  table.erase(0);
  EXPECT_EQ(table.find(0), nullptr);
}

}  // namespace
}  // namespace sluice::picker
