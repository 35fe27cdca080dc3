#include "base/resident.h"

#include <cstddef>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace sluice {
namespace {

// KiB of files in memory.
std::size_t resident() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::size_t size = 0;
    if (word == "RssFile:" && status >> size) return size;
  }
  return 0;
}

TEST(Resident, LessOfTheProgramIsInMemoryOnceItHasBeenGivenBack) {
  const std::size_t before = resident();
  ASSERT_GT(before, 0U);
  give_back_program_pages();
  EXPECT_LT(resident(), before);
}

TEST(Resident, ConstantsAreAsTheyWere) {
  static constexpr char kText[] = "a constant of the program";
  const std::string before = kText;
  give_back_program_pages();
  EXPECT_EQ(before, kText);
}

}  // namespace
}  // namespace sluice
