#include "wasm/cache.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "wasm/digest.h"
#include "wasm/testing.h"

namespace sluice::wasm {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class DiskCache : public testing::Test {
 protected:
  DiskCache() { reopen(); }

  void reopen() {
    cache_.reset();
    auto cache = Cache::open({.folder = folder_.path(),
                              .max_bytes = 1'000,
                              .grace = seconds(10),
                              .max_sources = max_sources_,
                              .now = [this] { return now_; }});
    ASSERT_TRUE(cache) << cache.error().message;
    cache_ = std::move(*cache);
  }
  Result<CachedModule> put(const std::string& key, const std::string& bytes) {
    auto spool = Spool::create(folder_.path());
    EXPECT_TRUE(spool->append(bytes));
    return cache_->put(key, Artifact::kWasm, std::move(*spool), "revision of " + key);
  }
  bool has(const std::string& bytes) {
    return std::filesystem::exists(folder_.path() + "/" + sha256_of(bytes) + ".wasm");
  }
  static std::string bytes(const std::string& note) { return module_bytes(note + std::string(380, 'x')); }

  Folder folder_;
  std::size_t max_sources_ = 100;
  std::chrono::system_clock::time_point now_{seconds(1'000'000)};
  std::unique_ptr<Cache> cache_;
};

TEST_F(DiskCache, AModuleLiesUnderItsDigestReadableByAll) {
  const auto module = put("key", bytes("a"));
  ASSERT_TRUE(module);
  EXPECT_EQ(module->path, folder_.path() + "/" + sha256_of(bytes("a")) + ".wasm");
  EXPECT_EQ(read_file(module->path), bytes("a"));
  struct stat status{};
  ::stat(module->path.c_str(), &status);
  EXPECT_EQ(status.st_mode & 0777U, 0644U);
  ::stat(folder_.path().c_str(), &status);
  EXPECT_EQ(status.st_mode & 0777U, 0755U);
}

TEST_F(DiskCache, AModuleIsFoundOnlyByTheKeyThatFetchedIt) {
  put("key of one tenant", bytes("a"));
  EXPECT_TRUE(cache_->find("key of one tenant"));
  EXPECT_FALSE(cache_->find("key of another"));
}

TEST_F(DiskCache, OneContentIsStoredOnce) {
  EXPECT_EQ(put("a", bytes("a"))->path, put("b", bytes("a"))->path);
  EXPECT_TRUE(put("c", bytes("c")));  // a third one of 400 bytes would not fit
}

TEST_F(DiskCache, WhatWasThereIsThereAfterARestart) {
  const auto module = put("key", bytes("a"));
  reopen();
  EXPECT_EQ(cache_->find("key"), *module);
}

TEST_F(DiskCache, AFileThatChangedIsRemovedWithTheStart) {
  const auto module = put("key", bytes("a"));
  cache_.reset();
  std::ofstream(module->path, std::ios::app) << "x";
  reopen();
  EXPECT_FALSE(cache_->find("key"));
  EXPECT_FALSE(has(bytes("a")));
}

TEST_F(DiskCache, ADamagedIndexIsAnEmptyOne) {
  put("key", bytes("a"));
  cache_.reset();
  std::ofstream(folder_.path() + "/index.json") << "{";
  reopen();
  EXPECT_FALSE(cache_->find("key"));
  EXPECT_TRUE(has(bytes("a")));
  EXPECT_TRUE(put("key", bytes("a")));
}

TEST_F(DiskCache, FilesOfFetchesThatWereCutOffAreRemovedWithTheStart) {
  cache_.reset();
  std::ofstream(folder_.path() + "/.fetch-abcdef") << "x";
  reopen();
  EXPECT_THAT(folder_.files(), Not(Contains(".fetch-abcdef")));
}

TEST_F(DiskCache, TheLeastRecentlyWantedIsRemovedFirst) {
  put("a", bytes("a"));
  put("b", bytes("b"));
  cache_->set_wanted({"a"});
  now_ += seconds(20);
  cache_->set_wanted({});  // "a" was wanted until now
  now_ += seconds(20);
  ASSERT_TRUE(put("c", bytes("c")));
  EXPECT_TRUE(has(bytes("a")));
  EXPECT_FALSE(has(bytes("b")));
  EXPECT_FALSE(cache_->find("b"));
}

TEST_F(DiskCache, AWantedModuleIsNeverRemoved) {
  put("a", bytes("a"));
  put("b", bytes("b"));
  cache_->set_wanted({"a", "b"});
  now_ += seconds(1'000);
  const auto third = put("c", bytes("c"));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().reason, Reason::kStorage);
  EXPECT_THAT(third.error().message, HasSubstr("the module cache is full"));
  EXPECT_TRUE(has(bytes("a")));
  EXPECT_TRUE(has(bytes("b")));
  EXPECT_FALSE(has(bytes("c")));
}

TEST_F(DiskCache, AModuleStaysForAGraceAfterItWasWanted) {
  put("a", bytes("a"));
  put("b", bytes("b"));
  cache_->set_wanted({"a", "b"});
  now_ += seconds(1'000);
  cache_->set_wanted({});
  now_ += seconds(9);
  EXPECT_FALSE(put("c", bytes("c")));
  now_ += seconds(1);
  EXPECT_TRUE(put("c", bytes("c")));
}

TEST_F(DiskCache, TheModuleThatATagMovedFromStaysForTheGrace) {
  put("a", bytes("old"));
  cache_->set_wanted({"a"});
  now_ += seconds(1'000);
  put("a", bytes("new"));
  now_ += seconds(9);
  EXPECT_FALSE(put("c", bytes("c")));
  EXPECT_TRUE(has(bytes("old")));
  now_ += seconds(1);
  EXPECT_TRUE(put("c", bytes("c")));
  EXPECT_FALSE(has(bytes("old")));
  EXPECT_TRUE(has(bytes("new")));
}

TEST_F(DiskCache, AStartCountsAsWantingAll) {
  put("a", bytes("a"));
  put("b", bytes("b"));
  now_ += seconds(1'000);
  reopen();
  EXPECT_FALSE(put("c", bytes("c")));
}

TEST_F(DiskCache, TheIndexForgetsSourcesThatNobodyWantedForLongest) {
  max_sources_ = 2;
  reopen();
  for (const auto* key : {"a", "b", "c"}) {
    put(key, bytes("a"));
    now_ += seconds(1);
  }
  EXPECT_FALSE(cache_->find("a"));
  EXPECT_TRUE(cache_->find("b"));
  EXPECT_TRUE(cache_->find("c"));
}

TEST_F(DiskCache, AFolderBelongsToOneProcess) {
  const auto second = Cache::open({.folder = folder_.path()});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("in use by another process"));
}

TEST_F(DiskCache, AFolderThatCannotBeMadeIsSaid) {
  const auto cache = Cache::open({.folder = "/proc/nowhere"});
  ASSERT_FALSE(cache);
  EXPECT_THAT(cache.error().message, HasSubstr("/proc/nowhere"));
}

TEST_F(DiskCache, ALibraryIsCalledOneAndGoesLikeAModule) {
  const auto put_library = [&](const std::string& key, const std::string& note) {
    auto spool = Spool::create(folder_.path());
    EXPECT_TRUE(spool->append(library_bytes(note)));
    return cache_->put(key, Artifact::kLibrary, std::move(*spool), "");
  };
  const std::string note(600, 'x');
  const std::string path = folder_.path() + "/" + sha256_of(library_bytes(note)) + ".so";
  EXPECT_EQ(put_library("a", note)->path, path);
  reopen();
  EXPECT_EQ(cache_->find("a")->path, path);
  now_ += seconds(11);
  ASSERT_TRUE(put("b", bytes("b")));
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(cache_->find("a"));
}

}  // namespace
}  // namespace sluice::wasm
