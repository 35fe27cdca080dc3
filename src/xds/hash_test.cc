#include <gtest/gtest.h>

#include "xds/render.h"

namespace sluice::xds {
namespace {

// Known answers of XXH3-64: versions are the same on every machine and for ever.
TEST(ContentHash, IsStable) {
  EXPECT_EQ(content_hash(""), 0x2d06800538d394c2ULL);
  EXPECT_NE(content_hash("a"), content_hash("b"));
  EXPECT_EQ(content_hash(std::string(1'000, 'a')), content_hash(std::string(1'000, 'a')));
}

}  // namespace
}  // namespace sluice::xds
