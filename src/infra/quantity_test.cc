#include "infra/quantity.h"

#include <gtest/gtest.h>

namespace sluice::infra {
namespace {

TEST(Quantity, Bytes) {
  EXPECT_EQ(bytes_of("512"), 512U);
  EXPECT_EQ(bytes_of("1Ki"), 1'024U);
  EXPECT_EQ(bytes_of("1.5Gi"), 1'610'612'736U);
  EXPECT_EQ(bytes_of("2M"), 2'000'000U);
  EXPECT_EQ(bytes_of("2e9"), 2'000'000'000U);
  EXPECT_EQ(bytes_of("1E+3"), 1'000U);
  EXPECT_EQ(bytes_of("1E"), 1'000'000'000'000'000'000U);
  EXPECT_EQ(bytes_of("100m"), 1U) << "rounded up";
  EXPECT_EQ(bytes_of("15Ei"), std::uint64_t{15} << 60U)
      << "exact where there are more digits than a double has";
}

TEST(Quantity, WhatIsNone) {
  for (const char* const text : {"", "Mi", "-1", "1Kb", "1 Mi", "1.2.3", "16Ei", "1e", "1e2x", "1e99"}) {
    EXPECT_EQ(bytes_of(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace sluice::infra
