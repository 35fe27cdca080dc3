#include "base/journal.h"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/file_size_limit.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    std::string name = (fs::temp_directory_path() / "sluice-journal-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    folder_ = name;
    file_ = folder_ / "journal";
  }
  ~JournalTest() override { fs::remove_all(folder_); }

  std::string text() const { return read_file(file_).value_or(""); }
  void write(const std::string& text) const {
    std::ofstream(file_, std::ios::binary | std::ios::trunc) << text;
  }
  // "key=value" of each, by key.
  static std::string all(const Journal& journal) {
    std::string text;
    journal.for_each_key([&](const std::string& key) {
      const auto value = journal.find(key);
      EXPECT_TRUE(value) << key;
      text += (text.empty() ? "" : " ") + key + "=" + value.value_or("?");
    });
    return text;
  }

  fs::path folder_;
  std::string file_;
};

TEST_F(JournalTest, TheLastValueOfEachKeyIsThereAfterARestart) {
  {
    Journal journal(file_);
    journal.set("a", "1");
    journal.set("b", "1");
    journal.set("c", "");
    journal.set("a", "2");
    journal.erase("b");
    EXPECT_EQ(all(journal), "a=2 c=");
  }
  const Journal journal(file_);
  EXPECT_EQ(all(journal), "a=2 c=");
  EXPECT_TRUE(journal.contains("c"));
  EXPECT_FALSE(journal.contains("b"));
  EXPECT_FALSE(journal.find("b"));
  EXPECT_TRUE(journal.holds("a", "2"));
  EXPECT_FALSE(journal.holds("a", "1"));
  EXPECT_FALSE(journal.holds("b", "1"));
}

TEST_F(JournalTest, KeysAndValuesAreAnyBytes) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  const std::vector<std::string> texts = {"",   " ",      "a b",           "\\", "\\n", "\n",
                                          "\t", "\\\t\\", "a\\tb\nc\td\n", bytes};
  {
    Journal journal(file_);
    for (const std::string& key : texts) {
      for (const std::string& value : texts) {
        journal.set(key, value);
        EXPECT_EQ(journal.find(key), value);
      }
      journal.set(key, key);
    }
  }
  Journal journal(file_);
  for (const std::string& key : texts) {
    EXPECT_EQ(journal.find(key), key);
    journal.erase(key);
  }
  EXPECT_EQ(all(Journal(file_)), "");
}

TEST_F(JournalTest, WhatSaysNothingNewIsNotWritten) {
  Journal(file_).set("a", "1");
  const std::string before = text();
  Journal journal(file_);
  journal.set("a", "1");
  journal.erase("b");
  EXPECT_EQ(text(), before);
}

TEST_F(JournalTest, KeepsOnlyWhatIsWanted) {
  Journal journal(file_);
  for (const char* key : {"a", "b", "c"}) journal.set(key, "1");
  journal.keep_only([](const std::string& key) { return key == "b"; });
  EXPECT_EQ(all(journal), "b=1");
  EXPECT_EQ(all(Journal(file_)), "b=1");
}

// Wherever a crash cuts the file, and whatever it makes of its end: what was whole before counts.
TEST_F(JournalTest, TornLinesDoNotCount) {
  {
    Journal journal(file_);
    journal.set("a", "1");
    journal.set("a", "some more");
  }
  const std::string whole = text();
  const std::size_t first = whole.find('\n') + 1;
  for (std::size_t cut = first; cut < whole.size(); ++cut) {
    for (const std::string& end : {std::string(), std::string(whole.size() - cut, '\0')}) {
      write(whole.substr(0, cut) + end);
      {
        Journal journal(file_);
        EXPECT_EQ(all(journal), "a=1") << cut;
        journal.set("b", "1");
      }
      EXPECT_EQ(all(Journal(file_)), "a=1 b=1") << cut;
    }
  }
  for (std::size_t at = first; at < whole.size() - 1; ++at) {
    std::string turned = whole;
    turned[at] ^= 1;
    write(turned);
    EXPECT_EQ(all(Journal(file_)), "a=1") << at;
  }
}

TEST_F(JournalTest, StaysAboutAsLongAsWhatCounts) {
  const std::string large(100'000, 'x');
  {
    Journal journal(file_);
    journal.set("other", "1");
    for (int i = 0; i < 200; ++i) {
      journal.set("a", large + std::to_string(i));
      EXPECT_LT(fs::file_size(file_), 1'500'000U);
    }
    EXPECT_EQ(journal.find("a"), large + "199");
  }
  const Journal journal(file_);
  EXPECT_EQ(journal.find("a"), large + "199");
  EXPECT_EQ(journal.find("other"), "1");
}

TEST_F(JournalTest, OnlyItsOwnerMayReadIt) {
  constexpr auto kOwner = fs::perms::owner_read | fs::perms::owner_write;
  Journal journal(file_);
  EXPECT_EQ(fs::status(file_).permissions(), kOwner);
  for (int i = 0; i < 20; ++i) journal.set("a", std::string(100'000, static_cast<char>('a' + i)));
  EXPECT_LT(fs::file_size(file_), 1'500'000U);  // it was written anew
  EXPECT_EQ(fs::status(file_).permissions(), kOwner);
}

TEST_F(JournalTest, IsEmptyWhereThereCanBeNoFile) {
  Journal journal(folder_ / "missing/journal");
  EXPECT_FALSE(journal.is_kept());
  journal.set("a", "1");
  EXPECT_FALSE(journal.find("a"));
  EXPECT_FALSE(journal.holds("a", "1"));
}

TEST_F(JournalTest, WhatCannotBeWrittenMayBeTriedAgainAndTheRestStays) {
  {
    Journal journal(file_);
    EXPECT_TRUE(journal.set("a", "1"));
    const std::string before = text();
    for (const std::uintmax_t room : {0, 1, 10}) {  // nothing of a line is written, or some
      const FileSizeLimit limit(before.size() + room);
      EXPECT_FALSE(journal.set("a", "2"));
      EXPECT_FALSE(journal.set("b", "1"));
      EXPECT_FALSE(journal.erase("a"));
      EXPECT_TRUE(journal.set("a", "1"));  // no news
      EXPECT_TRUE(journal.is_kept());
      EXPECT_EQ(all(journal), "a=1");
      EXPECT_EQ(text(), before);
    }
    EXPECT_TRUE(journal.set("b", "1"));
    EXPECT_EQ(all(journal), "a=1 b=1");
  }
  EXPECT_EQ(all(Journal(file_)), "a=1 b=1");
}

TEST_F(JournalTest, WhereItCannotBeWrittenAnewItGoesOnAsItIs) {
  Journal journal(file_);
  fs::create_directory(file_ + ".new");  // what is written anew has that name at first
  const std::string large(100'000, 'x');
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(journal.set("a", large + std::to_string(i)));
  EXPECT_GT(fs::file_size(file_), 2'900'000U);
  EXPECT_EQ(journal.find("a"), large + "29");
  fs::remove(file_ + ".new");
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(journal.set("a", large + std::to_string(i)));
  EXPECT_LT(fs::file_size(file_), 1'500'000U);
  EXPECT_EQ(all(Journal(file_)), "a=" + large + "29");
}

// Against a map, over restarts.
TEST_F(JournalTest, IsAMapOverRestarts) {
  std::mt19937 random(3);
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  std::map<std::string, std::string> model;
  for (int restart = 0; restart < 20; ++restart) {
    Journal journal(file_);
    for (int step = 0; step < 100; ++step) {
      const std::string key = "k" + std::to_string(pick(20));
      if (pick(3) == 0) {
        model.erase(key);
        journal.erase(key);
      } else {
        model[key] = std::string(static_cast<std::size_t>(pick(20'000)), 'x') + std::to_string(pick(3));
        journal.set(key, model[key]);
      }
    }
    std::map<std::string, std::string> found;
    journal.for_each_key([&](const std::string& key) { found[key] = journal.find(key).value_or("?"); });
    ASSERT_EQ(found, model) << restart;
  }
}

}  // namespace
}  // namespace sluice
