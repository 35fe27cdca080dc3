#include "picker/request.h"

#include <string>

#include "gtest/gtest.h"

namespace sluice::picker {
namespace {

std::string text(std::size_t bytes) {
  std::string made;
  for (std::size_t i = 0; i < bytes; ++i) made += static_cast<char>('a' + i * i % 26);
  return made;
}

TEST(PromptChain, IsTheSameWhateverThePieces) {
  PromptChain whole;
  whole.add(text(2000));
  EXPECT_EQ(whole.blocks().size(), 7);
  for (const std::size_t piece : {1, 7, 255, 256, 257, 1024}) {
    PromptChain chain;
    for (std::size_t i = 0; i < 2000; i += piece) chain.add(text(2000).substr(i, piece));
    EXPECT_EQ(chain.blocks(), whole.blocks()) << piece;
    EXPECT_EQ(chain.bytes(), 2000);
  }
}

TEST(PromptChain, IsTheSameUpToTheFirstDifference) {
  std::string other = text(2000);
  other[600] = '!';
  PromptChain a;
  PromptChain b;
  a.add(text(2000));
  b.add(other);
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(a.blocks()[i] == b.blocks()[i], i < 2) << i;
}

// Replicas of other versions and machines have to agree.
TEST(PromptChain, IsTheSameInAllVersions) {
  PromptChain chain;
  chain.add(std::string(512, 'x'));
  EXPECT_EQ(chain.blocks()[0], 0x26c8b9bc5af4750);
  EXPECT_EQ(chain.blocks()[1], 0x8f41f0da8dac78e9);
}

TEST(PromptChain, HasABound) {
  PromptChain chain;
  for (int i = 0; i < 3000; ++i) chain.add(text(1024));
  EXPECT_EQ(chain.blocks().size(), kMaxBlocks);
  EXPECT_EQ(chain.bytes(), 3'072'000);
}

}  // namespace
}  // namespace sluice::picker
