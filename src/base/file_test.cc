#include "base/file.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace sluice {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  FileTest() {
    std::string name = (fs::temp_directory_path() / "sluice-file-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    folder_ = name;
  }
  ~FileTest() override { fs::remove_all(folder_); }

  std::string at(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
};

TEST_F(FileTest, TheNewTextTakesThePlaceOfTheOld) {
  ASSERT_TRUE(write_file(at("a"), "the old text"));
  ASSERT_TRUE(write_file(at("a"), "new"));
  EXPECT_EQ(read_file(at("a")), "new");
}

TEST_F(FileTest, WhoHasTheOldFileOpenGoesOnReadingIt) {
  ASSERT_TRUE(write_file(at("a"), "old"));
  std::ifstream reader(at("a"));
  ASSERT_TRUE(write_file(at("a"), "new"));
  std::string text;
  reader >> text;
  EXPECT_EQ(text, "old");
}

TEST_F(FileTest, OnlyItsOwnerMayReadIt) {
  ASSERT_TRUE(write_file(at("a"), "secret"));
  EXPECT_EQ(fs::status(at("a")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(FileTest, NothingIsLeftBesideIt) {
  ASSERT_TRUE(write_file(at("a"), "text"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(FileTest, WhatACrashLeftBesideItIsNoObstacle) {
  std::ofstream(at("a.new")) << "half of a text that is longer than the next";
  ASSERT_TRUE(write_file(at("a"), "text"));
  EXPECT_EQ(read_file(at("a")), "text");
}

TEST_F(FileTest, WhereItCannotBeWrittenTheErrorSaysWhy) {
  const auto written = write_file(at("no/such"), "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error(), "cannot write `" + at("no/such") + "`: No such file or directory");
}

TEST_F(FileTest, WhereItCannotBeReplacedTheOldOneStays) {
  fs::create_directories(at("a/b"));
  ASSERT_FALSE(write_file(at("a"), "x"));
  EXPECT_TRUE(fs::is_directory(at("a/b")));
  EXPECT_FALSE(fs::exists(at("a.new")));
}

TEST_F(FileTest, ANameWithoutAFolderIsInTheWorkingFolder) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  const bool written = write_file("a", "text").has_value();
  fs::current_path(before);
  EXPECT_TRUE(written);
  EXPECT_EQ(read_file(at("a")), "text");
}

TEST_F(FileTest, AFileThatIsNotThereHasNoText) { EXPECT_EQ(read_file(at("a")), std::nullopt); }

TEST_F(FileTest, TextMayHoldAnyBytes) {
  const std::string text("a\0b\n\xff", 5);
  ASSERT_TRUE(write_file(at("a"), text));
  EXPECT_EQ(read_file(at("a")), text);
}

}  // namespace
}  // namespace sluice
