#include "base/program_pages.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace sluice {
namespace {

// Of a file's pages that this process has mapped, in KB.
std::size_t mapped_pages() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssFile:")) return std::strtoull(line.c_str() + 8, nullptr, 10);
  }
  return 0;
}

TEST(ProgramPages, AreMappedAgainWhereTheyAreUsed) {
  const std::size_t before = mapped_pages();
  EXPECT_GT(drop_program_pages(), 0U);
  EXPECT_LT(mapped_pages(), before);
  EXPECT_EQ(std::to_string(12345), "12345");
}

}  // namespace
}  // namespace sluice
