#include "control/good_versions.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/file_size_limit.h"
#include "source/scratch_folder.h"

namespace sluice::control {
namespace {

namespace fs = std::filesystem;

const GroupKind& kRoute = api::kind_of<api::HTTPRoute>();

ObjectKey key(int i) { return {.kind = kRoute, .name = {"default", "r" + std::to_string(i)}}; }

api::Object version(int i, const std::string& host) {
  api::HTTPRoute route;
  route.metadata.namespace_ = "default";
  route.metadata.name = "r" + std::to_string(i);
  route.spec.hostnames = {host};
  return std::make_shared<const api::HTTPRoute>(std::move(route));
}

class GoodVersionsTest : public ::testing::Test {
 protected:
  static void save(GoodVersions& good) {
    while (good.save()) {
    }
  }
  std::string text() const { return read_file(file_).value_or(""); }
  void write(const std::string& text) const {
    std::ofstream(file_, std::ios::binary | std::ios::trunc) << text;
  }
  static void expect(const GoodVersions& good, int i, const std::string& host) {
    const auto found = good.find(key(i));
    ASSERT_TRUE(found) << i;
    EXPECT_TRUE(api::equal(*found, version(i, host))) << api::write_object(*found);
    EXPECT_TRUE(good.holds(key(i), version(i, host)));
    EXPECT_FALSE(good.holds(key(i), version(i, host + ".other")));
  }

  source::ScratchFolder folder_;
  const std::string file_ = folder_ / "good.journal";
};

TEST_F(GoodVersionsTest, TheLastVersionOfEachIsThereAfterARestart) {
  {
    GoodVersions good(file_);
    good.set(key(1), version(1, "a"));
    good.set(key(2), version(2, "a"));
    save(good);
    good.set(key(1), version(1, "b"));
    good.set(key(3), version(3, "a"));
    expect(good, 1, "b");
    save(good);
    good.erase(key(3));
    save(good);
  }
  GoodVersions good(file_);
  expect(good, 1, "b");
  expect(good, 2, "a");
  EXPECT_FALSE(good.find(key(3)));
  EXPECT_FALSE(good.holds(key(3), version(3, "a")));
  good.keep_only([](const ObjectKey& k) { return k == key(2); });
  save(good);
  const GoodVersions again(file_);
  EXPECT_FALSE(again.find(key(1)));
  expect(again, 2, "a");
}

TEST_F(GoodVersionsTest, NothingIsForgottenWhileItCannotBeWritten) {
  {
    GoodVersions good(file_);
    good.set(key(1), version(1, "a"));
    save(good);
    {
      const FileSizeLimit full(text().size() + 10);
      good.set(key(1), version(1, "b"));
      good.set(key(2), version(2, "a"));
      EXPECT_FALSE(good.save());
      expect(good, 1, "b");
      expect(good, 2, "a");
      expect(GoodVersions(file_), 1, "a");
    }
    save(good);
  }
  const GoodVersions good(file_);
  expect(good, 1, "b");
  expect(good, 2, "a");
}

TEST_F(GoodVersionsTest, WhatIsThereAlreadyIsNotWrittenAgain) {
  {
    GoodVersions good(file_);
    for (int i = 0; i < 1000; ++i) good.set(key(i), version(i, "a"));
    save(good);
  }
  const std::string before = text();
  GoodVersions good(file_);
  for (int i = 0; i < 1000; ++i) good.set(key(i), version(i, "a"));
  save(good);
  EXPECT_EQ(text(), before);
}

TEST_F(GoodVersionsTest, NoCallTakesLong) {
  GoodVersions good(file_);
  for (int i = 0; i < 1000; ++i) good.set(key(i), version(i, "a"));
  int calls = 1;
  while (good.save()) ++calls;
  EXPECT_GE(calls, 5);
}

TEST_F(GoodVersionsTest, OnlyItsOwnerMayReadIt) {
  GoodVersions good(file_);
  good.set(key(1), version(1, "a"));
  save(good);
  EXPECT_EQ(fs::status(file_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(GoodVersionsTest, SecretsAreNeverInIt) {
  GoodVersions good(file_);
  api::Secret secret;
  secret.metadata.namespace_ = "default";
  secret.metadata.name = "s";
  const ObjectKey name{.kind = api::kind_of<api::Secret>(), .name = {"default", "s"}};
  good.set(name, std::make_shared<const api::Secret>(std::move(secret)));
  save(good);
  EXPECT_FALSE(good.find(name));
  EXPECT_EQ(text(), "");
}

TEST_F(GoodVersionsTest, ItStaysAboutAsLongAsWhatCounts) {
  GoodVersions good(file_);
  std::string longish(2'000, 'x');
  for (int round = 0; round < 400; ++round) {
    for (int i = 0; i < 10; ++i) good.set(key(i), version(i, longish + std::to_string(round)));
    good.set(key(100 + round), version(100 + round, "a"));
    good.erase(key(99 + round));
    save(good);
  }
  EXPECT_LT(fs::file_size(file_), 1'200'000U);
  for (int i = 0; i < 10; ++i) expect(good, i, longish + "399");
  const GoodVersions again(file_);
  for (int i = 0; i < 10; ++i) expect(again, i, longish + "399");
  EXPECT_EQ(fs::status(file_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

// Wherever a crash cuts the file, and whatever it makes of its end: what was whole before counts.
TEST_F(GoodVersionsTest, TornLinesDoNotCount) {
  {
    GoodVersions good(file_);
    good.set(key(1), version(1, "a"));
    save(good);
    good.set(key(2), version(2, "a"));
    save(good);
  }
  const std::string whole = text();
  const std::size_t first = whole.find('\n') + 1;
  for (std::size_t cut = first; cut < whole.size(); ++cut) {
    for (const std::string& end : {std::string(), std::string(whole.size() - cut, '\0')}) {
      write(whole.substr(0, cut) + end);
      {
        GoodVersions good(file_);
        expect(good, 1, "a");
        EXPECT_FALSE(good.find(key(2))) << cut;
        good.set(key(3), version(3, "a"));
        save(good);
      }
      const GoodVersions again(file_);
      expect(again, 1, "a");
      expect(again, 3, "a");
      if (HasFailure()) return;
    }
  }
  // A byte that has turned over.
  for (std::size_t at = 0; at < first - 1; ++at) {
    std::string turned = whole;
    turned[at] ^= 1;
    write(turned);
    const GoodVersions good(file_);
    EXPECT_FALSE(good.find(key(1))) << at;
    expect(good, 2, "a");
  }
}

TEST_F(GoodVersionsTest, WithoutAFileItLastsAsLongAsTheProcess) {
  GoodVersions good(folder_ / "missing/good.journal");
  good.set(key(1), version(1, "a"));
  save(good);
  expect(good, 1, "a");
}

// Against a map, over restarts.
TEST_F(GoodVersionsTest, IsAMapOverRestarts) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    std::map<int, std::string> model;
    fs::remove(file_);
    for (int restart = 0; restart < 10; ++restart) {
      GoodVersions good(file_);
      for (int step = 0; step < 100; ++step) {
        const int i = pick(20);
        if (pick(3) == 0) {
          model.erase(i);
          good.erase(key(i));
        } else {
          // Long ones, so that it is written anew now and then.
          model[i] = std::string(static_cast<std::size_t>(pick(8'000)), 'x') + std::to_string(pick(3));
          good.set(key(i), version(i, model[i]));
        }
        if (pick(10) == 0) good.save();
      }
      save(good);
      for (int i = 0; i < 20; ++i) {
        const auto at = model.find(i);
        if (at == model.end()) {
          EXPECT_FALSE(good.find(key(i)));
        } else {
          expect(good, i, at->second);
        }
      }
      ASSERT_FALSE(HasFailure()) << seed;
    }
  }
}

}  // namespace
}  // namespace sluice::control
