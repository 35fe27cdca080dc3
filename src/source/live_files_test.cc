#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file_size_limit.h"
#include "source/file_source.h"
#include "source/files.h"
#include "source/last_good.h"
#include "source/scratch_folder.h"
#include "source/testing.h"

namespace sluice::source {
namespace {

using std::chrono::milliseconds;

void sleep_ms(int ms) { std::this_thread::sleep_for(milliseconds(ms)); }

// Watches paths, and remembers every state that the world was in.
class Watched {
 public:
  explicit Watched(std::vector<std::string> paths, Patience patience = {.open = milliseconds(300)},
                   std::string journal = "") {
    Batch first;
    source_ = std::make_unique<LiveFiles>(std::move(paths), std::move(journal), patience, &first,
                                          [this](Batch batch) {
                                            const std::lock_guard lock(mutex_);
                                            world_.apply(batch);
                                            history_.push_back(world_.objects());
                                            changed_.notify_all();
                                          });
    const std::lock_guard lock(mutex_);
    World world = std::move(world_);
    world_ = World();
    world_.apply(first);
    history_.insert(history_.begin(), world_.objects());
    EXPECT_EQ(world, World()) << "no test changes files before it watches";
  }

  // Waits until these are the objects; gives the objects.
  std::string objects(const std::string& expected) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, milliseconds(5'000), [&] { return world_.objects() == expected; });
    return world_.objects();
  }
  // The same for problems.
  std::string places(const std::string& expected) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, milliseconds(5'000), [&] { return world_.places() == expected; });
    return world_.places();
  }
  bool becomes(const World& expected) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, milliseconds(5'000), [&] { return world_ == expected; });
  }
  World world() {
    const std::lock_guard lock(mutex_);
    return world_;
  }
  // All states, the first one included.
  std::vector<std::string> history() {
    const std::lock_guard lock(mutex_);
    return history_;
  }
  const LiveFiles& source() const { return *source_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  World world_;
  std::vector<std::string> history_;
  std::unique_ptr<LiveFiles> source_;
};

using History = std::vector<std::string>;

// A program that writes a file bit by bit.
class Writer {
 public:
  Writer(const std::string& file, int flags) : fd_(open(file.c_str(), O_WRONLY | O_CLOEXEC | flags, 0644)) {}
  ~Writer() { close(fd_); }
  void write(const std::string& text) {
    EXPECT_EQ(::write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

 private:
  int fd_;
};

// ---- editors' habits: a.yaml goes from 1 to 2, and is at no time anything else ---------------------------

struct Habit {
  std::string name;
  void (*save)(const ScratchFolder& folder, const std::string& text);
};

const Habit kHabits[] = {
    {"InPlace", [](const ScratchFolder& folder, const std::string& text) { folder.write("a.yaml", text); }},
    {"RenameOver",
     [](const ScratchFolder& folder, const std::string& text) {
       folder.write("a.yaml.tmp123", text);
       folder.rename("a.yaml.tmp123", "a.yaml");
     }},
    {"HiddenTemporary",
     [](const ScratchFolder& folder, const std::string& text) {
       folder.write(".a.yaml.XyZ", text);
       folder.rename(".a.yaml.XyZ", "a.yaml");
     }},
    {"Vim",
     [](const ScratchFolder& folder, const std::string& text) {
       folder.write(".a.yaml.swp", "b0VIM");
       folder.write("4913", "");
       folder.remove("4913");
       folder.rename("a.yaml", "a.yaml~");
       folder.write("a.yaml", text);
       folder.remove("a.yaml~");
       folder.remove(".a.yaml.swp");
     }},
    {"Emacs",
     [](const ScratchFolder& folder, const std::string& text) {
       folder.link("me@host.1:2", ".#a.yaml");
       folder.write("#a.yaml#", text);
       folder.rename("a.yaml", "a.yaml~");
       folder.write("a.yaml", text);
       folder.remove("#a.yaml#");
       folder.remove(".#a.yaml");
     }},
    {"DeleteAndCreate",
     [](const ScratchFolder& folder, const std::string& text) {
       folder.remove("a.yaml");
       folder.write("a.yaml", text);
     }},
    {"SlowWriter",
     [](const ScratchFolder& folder, const std::string& text) {
       Writer writer(folder / "a.yaml", O_TRUNC);
       sleep_ms(150);
       writer.write(text.substr(0, 20));
       sleep_ms(150);
       writer.write(text.substr(20));
     }},
    {"SlowVim",
     [](const ScratchFolder& folder, const std::string& text) {
       folder.rename("a.yaml", "a.yaml~");
       sleep_ms(30);
       folder.write("a.yaml", text);
       folder.remove("a.yaml~");
     }},
};

class HabitTest : public testing::TestWithParam<std::tuple<Habit, std::string>> {};

TEST_P(HabitTest, IsOneChange) {
  const auto& [habit, path] = GetParam();
  const ScratchFolder folder;
  folder.write("a.yaml", config_map("a"));
  Watched watched({folder / path}, {.open = milliseconds(5'000)});
  for (int i = 2; i < 5; ++i) {
    const std::string after = fmt::format("a={}", i);
    habit.save(folder, "# " + std::string(static_cast<std::size_t>(i), '-') + "\n" +
                           config_map("a", std::to_string(i)));
    EXPECT_EQ(watched.objects(after), after);
  }
  sleep_ms(50);
  EXPECT_EQ(watched.history(), (History{"a=1", "a=2", "a=3", "a=4"}));
  EXPECT_EQ(watched.world().places(), "");
}

INSTANTIATE_TEST_SUITE_P(, HabitTest,
                         testing::Combine(testing::ValuesIn(kHabits),
                                          testing::Values("", "a.yaml", "*.yaml")),
                         [](const auto& test) {
                           const std::string& path = std::get<1>(test.param);
                           return std::get<0>(test.param).name + (path.empty()       ? "InFolder"
                                                                  : path == "a.yaml" ? "OfFile"
                                                                                     : "OfPattern");
                         });

// ---- files and folders come and go
// -------------------------------------------------------------------------

TEST(LiveFiles, FilesComeAndGo) {
  const ScratchFolder folder;
  Watched watched({folder / ""});
  folder.write("a.yaml", config_map("a"));
  EXPECT_EQ(watched.objects("a=1"), "a=1");
  folder.write("b.yml", config_map("b"));
  EXPECT_EQ(watched.objects("a=1 b=1"), "a=1 b=1");
  folder.rename("b.yml", "c.json");
  folder.write("d.yaml", config_map("d"));
  EXPECT_EQ(watched.objects("a=1 b=1 d=1"), "a=1 b=1 d=1");
  folder.rename("a.yaml", "a.txt");
  EXPECT_EQ(watched.objects("b=1 d=1"), "b=1 d=1");
  folder.remove("c.json");
  EXPECT_EQ(watched.objects("d=1"), "d=1");
}

TEST(LiveFiles, NothingChangesNothingIsPosted) {
  const ScratchFolder folder;
  folder.write("a.yaml", config_map("a"));
  Watched watched({folder / ""});
  folder.write("a.yaml", config_map("a"));
  folder.write("README", config_map("b"));
  folder.write(".c.yaml", config_map("c"));
  folder.make_folder(".git");
  folder.write(".git/d.yaml", config_map("d"));
  std::filesystem::last_write_time(folder / "a.yaml", std::filesystem::file_time_type::clock::now());
  sleep_ms(200);
  EXPECT_EQ(watched.history(), History{"a=1"});
}

TEST(LiveFiles, ManyChangesAreFewBatches) {
  const ScratchFolder folder;
  Watched watched({folder / ""});
  std::string all;
  for (int i = 100; i < 300; ++i) {
    folder.write(fmt::format("{}.yaml", i), config_map(fmt::format("m{}", i)));
    all += fmt::format("{}m{}=1", all.empty() ? "" : " ", i);
  }
  EXPECT_EQ(watched.objects(all), all);
  EXPECT_LE(watched.history().size(), 10U);
}

TEST(LiveFiles, NestedNewFolders) {
  const ScratchFolder folder;
  Watched watched({folder / ""});
  folder.make_folder("x/y/z");
  folder.write("x/y/z/a.yaml", config_map("a"));
  EXPECT_EQ(watched.objects("a=1"), "a=1");
  folder.write("x/y/z/a.yaml", config_map("a", "2"));
  EXPECT_EQ(watched.objects("a=2"), "a=2");
  folder.rename("x/y", "x/q");
  folder.write("x/q/z/b.yaml", config_map("b"));
  EXPECT_EQ(watched.objects("a=2 b=1"), "a=2 b=1");
  folder.rename("x/q", ".hidden");
  EXPECT_EQ(watched.objects(""), "");
  folder.rename(".hidden", "w");
  EXPECT_EQ(watched.objects("a=2 b=1"), "a=2 b=1");
  folder.remove("w");
  EXPECT_EQ(watched.objects(""), "");
}

TEST(LiveFiles, AFolderThatIsTakenAwayKeepsItsObjects) {
  const ScratchFolder folder;
  folder.make_folder("conf/inner");
  folder.write("conf/a.yaml", config_map("a"));
  folder.write("conf/inner/b.yaml", config_map("b"));
  for (const char* path : {"conf", "conf/**/*.yaml"}) {
    Watched watched({folder / path});
    const std::string missing = fmt::format("syntax/no-such-file {}:0:0\n", folder / path);
    for (int i = 0; i < 3; ++i) {
      folder.rename("conf", "away");
      EXPECT_EQ(watched.places(missing), missing);
      folder.rename("away", "conf");
      EXPECT_EQ(watched.places(""), "");
    }
    EXPECT_EQ(watched.world().objects(), "a=1 b=1");
    for (const std::string& then : watched.history()) EXPECT_EQ(then, "a=1 b=1");
  }
}

TEST(LiveFiles, WhatIsMissingInAFolderThatIsBackIsGone) {
  const ScratchFolder folder;
  folder.make_folder("conf");
  folder.write("conf/a.yaml", config_map("a"));
  folder.write("conf/b.yaml", config_map("b"));
  Watched watched({folder / "conf"});
  folder.rename("conf", "away");
  const std::string missing = "syntax/no-such-file " + folder / "conf" + ":0:0\n";
  EXPECT_EQ(watched.places(missing), missing);
  folder.remove("away/a.yaml");
  folder.write("away/b.yaml", config_map("b", "2"));
  folder.rename("away", "conf");
  EXPECT_EQ(watched.objects("b=2"), "b=2");
  EXPECT_EQ(watched.places(""), "");
}

TEST(LiveFiles, AFileThatAPathNamesKeepsItsObjectsUntilItIsBack) {
  const ScratchFolder folder;
  folder.write("a.yaml", config_map("a"));
  Watched watched({folder / "a.yaml"});
  folder.remove("a.yaml");
  const std::string missing = "syntax/no-such-file " + folder / "a.yaml" + ":0:0\n";
  EXPECT_EQ(watched.places(missing), missing);
  EXPECT_EQ(watched.world().objects(), "a=1");
  folder.write("a.yaml", "");
  EXPECT_EQ(watched.objects(""), "");
  EXPECT_EQ(watched.places(""), "");
}

TEST(LiveFiles, APatternInAFolderThatIsThereLosesWhatItNoLongerMatches) {
  const ScratchFolder folder;
  folder.make_folder("conf");
  folder.write("conf/a.yaml", config_map("a"));
  Watched watched({folder / "conf/*.yaml"});
  folder.remove("conf/a.yaml");
  EXPECT_EQ(watched.objects(""), "");
  const std::string missing = "syntax/no-such-file " + folder / "conf/*.yaml" + ":0:0\n";
  EXPECT_EQ(watched.places(missing), missing);
}

TEST(LiveFiles, SaysWhetherItSeesEverything) {
  const ScratchFolder folder;
  folder.make_folder("conf");
  for (const auto& [path, partial] : std::vector<std::pair<std::string, bool>>{
           {"conf", false}, {"conf/*.yaml", false}, {"away", true}, {"away/*.yaml", true}}) {
    Batch first;
    const auto source = watch_files({folder / path}, "", &first, [](const Batch&) {});
    EXPECT_EQ(first.partial, partial) << path;
  }
}

TEST(LiveFiles, FolderIsReplacedByRenaming) {
  const ScratchFolder folder;
  folder.make_folder("deep/conf");
  folder.write("deep/conf/a.yaml", config_map("a"));
  Watched watched({folder / "deep/conf"});
  folder.make_folder("new/conf");
  folder.write("new/conf/a.yaml", config_map("a", "2"));
  folder.rename("deep", "old");
  folder.rename("new", "deep");
  EXPECT_EQ(watched.objects("a=2"), "a=2");
  folder.write("old/conf/a.yaml", config_map("a", "old"));
  folder.write("deep/conf/b.yaml", config_map("b"));
  EXPECT_EQ(watched.objects("a=2 b=1"), "a=2 b=1");
  EXPECT_EQ(watched.history(), (History{"a=1", "a=2", "a=2 b=1"}));
}

TEST(LiveFiles, PathsThatDoNotExistYet) {
  const ScratchFolder folder;
  Watched watched({folder / "x/y/a.yaml", folder / "x/z", folder / "x/p/*.conf"});
  EXPECT_EQ(watched.world().problems().size(), 3U);
  folder.make_folder("x");
  folder.make_folder("x/z");
  const std::string missing = fmt::format("syntax/no-such-file {}:0:0\nsyntax/no-such-file {}:0:0\n",
                                          folder / "x/p/*.conf", folder / "x/y/a.yaml");
  EXPECT_EQ(watched.places(missing), missing);
  folder.write("x/z/b.yaml", config_map("b"));
  EXPECT_EQ(watched.objects("b=1"), "b=1");
  folder.make_folder("x/y");
  folder.write("x/y/other.yaml", config_map("other"));
  folder.write("x/y/a.yaml", config_map("a"));
  EXPECT_EQ(watched.objects("a=1 b=1"), "a=1 b=1");
  folder.make_folder("x/p");
  sleep_ms(50);
  folder.write("x/p/c.conf", config_map("c"));
  EXPECT_EQ(watched.objects("a=1 b=1 c=1"), "a=1 b=1 c=1");
  EXPECT_EQ(watched.places(""), "");
  folder.rename("x", "away");
  const std::string all_missing =
      fmt::format("syntax/no-such-file {}:0:0\nsyntax/no-such-file {}:0:0\nsyntax/no-such-file {}:0:0\n",
                  folder / "x/p/*.conf", folder / "x/y/a.yaml", folder / "x/z");
  EXPECT_EQ(watched.places(all_missing), all_missing);
  EXPECT_EQ(watched.world().objects(), "a=1 b=1 c=1");
}

// ---- symbolic links
// ------------------------------------------------------------------------------------------

void kubernetes_update(const ScratchFolder& folder, const std::string& version, const std::string& text) {
  folder.make_folder(".." + version);
  folder.write(".." + version + "/gw.yaml", text);
  folder.swap_link(".." + version, "..data");
}

TEST(LiveFiles, KubernetesVolume) {
  for (const char* path : {"", "gw.yaml"}) {
    const ScratchFolder folder;
    kubernetes_update(folder, "v1", config_map("a"));
    folder.link("..data/gw.yaml", "gw.yaml");
    Watched watched({folder / path});
    for (int i = 2; i < 6; ++i) {
      kubernetes_update(folder, fmt::format("v{}", i), config_map("a", std::to_string(i)));
      folder.remove(fmt::format("..v{}", i - 1));
      const std::string after = fmt::format("a={}", i);
      EXPECT_EQ(watched.objects(after), after);
    }
    EXPECT_EQ(watched.history(), (History{"a=1", "a=2", "a=3", "a=4", "a=5"})) << path;
  }
}

TEST(LiveFiles, LinkedFolderIsSwapped) {
  const ScratchFolder folder;
  folder.make_folder("rev1/conf");
  folder.write("rev1/conf/a.yaml", config_map("a"));
  folder.make_folder("rev2/conf");
  folder.write("rev2/conf/a.yaml", config_map("a", "2"));
  folder.link("rev1", "current");
  Watched watched({folder / "current/conf"});
  folder.swap_link("rev2", "current");
  EXPECT_EQ(watched.objects("a=2"), "a=2");
  folder.write("rev2/conf/a.yaml", config_map("a", "3"));
  EXPECT_EQ(watched.objects("a=3"), "a=3");
  folder.swap_link("rev1", "current");
  folder.remove("rev2");
  EXPECT_EQ(watched.objects("a=1"), "a=1");
  EXPECT_EQ(watched.history(), (History{"a=1", "a=2", "a=3", "a=1"}));
}

TEST(LiveFiles, LinkedFileIsWrittenWhereItIs) {
  const ScratchFolder folder;
  folder.make_folder("conf");
  folder.make_folder("elsewhere");
  folder.write("elsewhere/real", config_map("a"));
  folder.link("../elsewhere/real", "conf/a.yaml");
  Watched watched({folder / "conf"});
  folder.write("elsewhere/real", config_map("a", "2"));
  EXPECT_EQ(watched.objects("a=2"), "a=2");
  folder.write("elsewhere/new", config_map("a", "3"));
  folder.rename("elsewhere/new", "elsewhere/real");
  EXPECT_EQ(watched.objects("a=3"), "a=3");
  folder.remove("elsewhere");
  EXPECT_EQ(watched.objects(""), "");
  folder.make_folder("elsewhere");
  folder.write("elsewhere/real", config_map("a", "4"));
  EXPECT_EQ(watched.objects("a=4"), "a=4");
  // A link to a folder appears.
  folder.make_folder("more");
  folder.write("more/b.yaml", config_map("b"));
  folder.link("../more", "conf/linked");
  EXPECT_EQ(watched.objects("a=4 b=1"), "a=4 b=1");
  folder.remove("conf/linked");
  EXPECT_EQ(watched.objects("a=4"), "a=4");
}

// ---- bad texts, slow writers
// -----------------------------------------------------------------------------------

// Only the folders of our paths are watched, and the other name is in none of them.
TEST(LiveFiles, WhatIsWrittenThroughAnotherHardLinkIsRead) {
  const ScratchFolder folder;
  folder.make_folder("conf");
  folder.write("elsewhere.yaml", config_map("a"));
  std::filesystem::create_hard_link(folder / "elsewhere.yaml", folder / "conf/a.yaml");
  Watched watched({folder / "conf"});
  folder.write("elsewhere.yaml", config_map("a", "2"));
  EXPECT_EQ(watched.objects("a=2"), "a=2");
  // Another inode with another name takes its place.
  folder.write("next.yaml", config_map("a", "3"));
  std::filesystem::create_hard_link(folder / "next.yaml", folder / "conf/.new");
  folder.rename("conf/.new", "conf/a.yaml");
  EXPECT_EQ(watched.objects("a=3"), "a=3");
  folder.write("next.yaml", config_map("a", "4"));
  EXPECT_EQ(watched.objects("a=4"), "a=4");
  folder.write("elsewhere.yaml", config_map("a", "5"));
  sleep_ms(100);
  EXPECT_EQ(watched.history(), (History{"a=1", "a=2", "a=3", "a=4"})) << "that is ours no longer";
}

TEST(LiveFiles, LastGoodVersionStays) {
  const ScratchFolder folder;
  folder.write("a.yaml", config_map("a"));
  Watched watched({folder / ""});
  const std::string file = folder / "a.yaml";
  folder.write("a.yaml", "kind: ConfigMap\na: 1\na: 2\n");
  EXPECT_EQ(watched.places("syntax/duplicate-key " + file + ":3:1\n"),
            "syntax/duplicate-key " + file + ":3:1\n");
  EXPECT_EQ(source_line(watched.source(), file, 3), "a: 2");
  folder.write("a.yaml", bad_config_map("a"));
  EXPECT_EQ(watched.places("schema/wrong-type " + file + ":6:10\n"), "schema/wrong-type " + file + ":6:10\n");
  folder.write("a.yaml", config_map("a", "2"));
  EXPECT_EQ(watched.objects("a=2"), "a=2");
  folder.write("a.yaml", "");
  EXPECT_EQ(watched.objects(""), "");
  EXPECT_EQ(watched.history(), (History{"a=1", "a=1", "a=1", "a=2", ""}));
}

TEST(LiveFiles, AFileThatIsNeverClosedIsReadInTheEnd) {
  const ScratchFolder folder;
  folder.write("a.yaml", config_map("a"));
  Watched watched({folder / ""});
  Writer writer(folder / "a.yaml", O_TRUNC);
  writer.write(config_map("a", "2"));
  sleep_ms(100);
  EXPECT_EQ(watched.world().objects(), "a=1");
  // Others do not wait for it.
  folder.write("b.yaml", config_map("b"));
  EXPECT_EQ(watched.objects("a=1 b=1"), "a=1 b=1");
  EXPECT_EQ(watched.objects("a=2 b=1"), "a=2 b=1");
  writer.write("---\n" + config_map("c"));
  EXPECT_EQ(watched.objects("a=2 b=1 c=1"), "a=2 b=1 c=1");
}

TEST(LiveFiles, ABlankFileIsBelievedWhenItIsClosed) {
  const ScratchFolder folder;
  folder.write("a.yaml", config_map("a"));
  Watched watched({folder / ""}, {.open = milliseconds(100)});
  {
    Writer writer(folder / "a.yaml", O_TRUNC);
    sleep_ms(300);
    EXPECT_EQ(watched.world().objects(), "a=1");
    writer.write(config_map("a", "2"));
  }
  EXPECT_EQ(watched.objects("a=2"), "a=2");
  {
    const Writer writer(folder / "a.yaml", O_TRUNC);
    sleep_ms(300);
    EXPECT_EQ(watched.world().objects(), "a=2");
  }
  EXPECT_EQ(watched.objects(""), "");
}

TEST(LiveFiles, PollsWhereThereAreNoEvents) {
  const ScratchFolder folder;
  folder.write("a.yaml", config_map("a"));
  Watched watched({folder / ""}, {.latest = milliseconds(20), .poll = milliseconds(30), .always_poll = true});
  folder.write("a.yaml", config_map("a", "2"));
  folder.write("b.yaml", config_map("b"));
  EXPECT_EQ(watched.objects("a=2 b=1"), "a=2 b=1");
  folder.remove("a.yaml");
  EXPECT_EQ(watched.objects("b=1"), "b=1");
}

// Permissions count for this thread, and for those that it starts, even if it is root's.
class PermissionsCount {
 public:
  PermissionsCount() {
    EXPECT_EQ(::syscall(SYS_capget, &header_, before_), 0);
    __user_cap_data_struct without[2] = {before_[0], before_[1]};
    without[0].effective &= ~((1u << CAP_DAC_OVERRIDE) | (1u << CAP_DAC_READ_SEARCH));
    EXPECT_EQ(::syscall(SYS_capset, &header_, without), 0);
  }
  ~PermissionsCount() { ::syscall(SYS_capset, &header_, before_); }
  PermissionsCount(const PermissionsCount&) = delete;
  PermissionsCount& operator=(const PermissionsCount&) = delete;

 private:
  __user_cap_header_struct header_{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct before_[2] = {};
};

TEST(LiveFiles, FolderThatMayNotBeListedKeepsItsObjects) {
  const PermissionsCount permissions_count;
  const ScratchFolder folder;
  folder.make_folder("x");
  folder.write("x/a.yaml", config_map("a"));
  Watched watched({folder / ""});
  std::filesystem::permissions(folder / "x", std::filesystem::perms::none);
  const std::string problem = "syntax/unreadable-file " + folder / "x" + ":0:0\n";
  EXPECT_EQ(watched.places(problem), problem);
  EXPECT_EQ(watched.world().objects(), "a=1");
  std::filesystem::permissions(folder / "x", std::filesystem::perms::owner_all);
  EXPECT_EQ(watched.places(""), "");
}

TEST(LiveFiles, FolderThatMayBeListedAndNotEnteredKeepsItsObjects) {
  const PermissionsCount permissions_count;
  const ScratchFolder folder;
  folder.make_folder("x");
  folder.write("x/a.yaml", config_map("a"));
  const std::string problem = fmt::format("syntax/unreadable-file {}:0:0\n", folder / "x/a.yaml");
  for (const std::string path : {"", "*/*.yaml"}) {
    Watched watched({folder / path});
    std::filesystem::permissions(folder / "x", std::filesystem::perms::owner_read);
    // A pattern that matches nothing that can be seen says so too.
    const std::string unmatched = path.empty() ? "" : "syntax/no-such-file " + folder / path + ":0:0\n";
    EXPECT_EQ(watched.places(unmatched + problem), unmatched + problem);
    EXPECT_EQ(watched.world().objects(), "a=1") << path;
    EXPECT_TRUE(scan_paths({folder / "x/a.yaml"}, nullptr).is_unknown(folder / "x/a.yaml"));
    std::filesystem::permissions(folder / "x", std::filesystem::perms::owner_all);
    EXPECT_EQ(watched.places(""), "");
  }
}

// ---- restarts: what was last good stands in as if there had been none
// ------------------------------------------------------------------------------

class Restarts : public testing::Test {
 protected:
  // One run after the other; each remembers what it has read when it ends.
  std::unique_ptr<Watched> start(const std::string& path = "conf") const {
    return std::make_unique<Watched>(std::vector<std::string>{folder_ / path}, Patience(), journal_);
  }
  Restarts() { folder_.make_folder("conf"); }

  const ScratchFolder folder_;
  const std::string journal_ = folder_ / "files.journal";
};

TEST_F(Restarts, WhatABrokenFileDoesNotShowIsThere) {
  folder_.write("conf/a.yaml", config_map("a") + "---\n" + config_map("b"));
  folder_.write("conf/z.yaml", config_map("z"));
  start();
  folder_.write("conf/a.yaml", config_map("a", "2") + "---\n]\n");
  const std::string problem = "syntax/yaml " + folder_ / "conf/a.yaml" + ":8:1\n";
  for (int i = 0; i < 3; ++i) {
    const auto watched = start();
    EXPECT_EQ(watched->history(), History{"a=2 b=1 z=1"});
    EXPECT_EQ(watched->world().places(), problem);
  }
  const auto watched = start();
  folder_.write("conf/a.yaml", config_map("a", "3"));
  EXPECT_EQ(watched->objects("a=3 z=1"), "a=3 z=1");
  EXPECT_EQ(watched->places(""), "");
}

TEST_F(Restarts, AnObjectThatTheSchemaRefusesIsThereInItsLastGoodVersion) {
  folder_.write("conf/a.yaml", config_map("a") + "---\n" + config_map("b"));
  {
    const auto watched = start();
    folder_.write("conf/a.yaml", config_map("a", "2") + "---\n" + config_map("b"));
    EXPECT_EQ(watched->objects("a=2 b=1"), "a=2 b=1");
    folder_.write("conf/a.yaml", bad_config_map("a") + "---\n" + config_map("b", "3"));
    EXPECT_EQ(watched->objects("a=2 b=3"), "a=2 b=3");
  }
  const auto watched = start();
  EXPECT_EQ(watched->history(), History{"a=2 b=3"});
  EXPECT_EQ(watched->world().places(), "schema/wrong-type " + folder_ / "conf/a.yaml" + ":6:10\n");
}

TEST_F(Restarts, WhatABrokenFileLeavesOutOnPurposeIsGone) {
  folder_.write("conf/a.yaml", config_map("a") + "---\n" + config_map("b"));
  start();
  folder_.write("conf/a.yaml", bad_config_map("a"));
  EXPECT_EQ(start()->history(), History{"a=1"});
}

TEST_F(Restarts, WhatCannotBeRememberedIsWithTheNextChange) {
  folder_.write("conf/a.yaml", config_map("a"));
  folder_.write("conf/b", config_map("b"));
  {
    const FileSizeLimit full(0);
    const auto watched = start();
    folder_.rename("conf/b", "conf/b.yaml");
    EXPECT_EQ(watched->objects("a=1 b=1"), "a=1 b=1");
  }
  folder_.write("conf/c", config_map("c"));
  {
    const auto watched = [this] {
      const FileSizeLimit full(0);
      auto started = start();
      folder_.rename("conf/c", "conf/c.yaml");
      EXPECT_EQ(started->objects("a=1 b=1 c=1"), "a=1 b=1 c=1");
      return started;
    }();
    folder_.write("conf/d.yaml", config_map("d"));
    EXPECT_EQ(watched->objects("a=1 b=1 c=1 d=1"), "a=1 b=1 c=1 d=1");
  }
  for (const char* file : {"conf/a.yaml", "conf/b.yaml", "conf/c.yaml", "conf/d.yaml"})
    folder_.write(file, "]");
  EXPECT_EQ(start()->history(), History{"a=1 b=1 c=1 d=1"});
}

TEST_F(Restarts, WhatAMissingPathLedToIsThereUntilItIsBack) {
  folder_.make_folder("conf/inner");
  folder_.write("conf/a.yaml", config_map("a"));
  folder_.write("conf/inner/b.yaml", config_map("b"));
  start();
  folder_.rename("conf", "away");
  const std::string missing = "syntax/no-such-file " + folder_ / "conf" + ":0:0\n";
  for (int i = 0; i < 2; ++i) {
    const auto watched = start();
    EXPECT_EQ(watched->history(), History{"a=1 b=1"});
    EXPECT_EQ(watched->world().places(), missing);
  }
  const auto watched = start();
  folder_.remove("away/a.yaml");
  folder_.rename("away", "conf");
  EXPECT_EQ(watched->objects("b=1"), "b=1");
  EXPECT_EQ(watched->places(""), "");
}

TEST_F(Restarts, WhatAFileThatCannotBeReadSaidIsThere) {
  const PermissionsCount permissions_count;
  folder_.write("conf/a.yaml", config_map("a"));
  start();
  std::filesystem::permissions(folder_ / "conf/a.yaml", std::filesystem::perms::none);
  const auto watched = start();
  EXPECT_EQ(watched->history(), History{"a=1"});
  EXPECT_EQ(watched->world().places(), "syntax/unreadable-file " + folder_ / "conf/a.yaml" + ":0:0\n");
}

TEST_F(Restarts, ADeletedFileIsForgotten) {
  folder_.write("conf/a.yaml", config_map("a"));
  folder_.write("conf/b.yaml", config_map("b"));
  {
    const auto watched = start();
    folder_.remove("conf/a.yaml");
    EXPECT_EQ(watched->objects("b=1"), "b=1");
  }
  folder_.remove("conf/b.yaml");  // while nobody looks
  start();
  folder_.rename("conf", "away");
  EXPECT_EQ(start()->history(), History{""});
  const LastGood remembered(journal_);
  EXPECT_EQ(remembered.files(), std::vector<std::string>());
}

TEST_F(Restarts, AFileWithASecretIsNotRemembered) {
  const std::string secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n";
  folder_.write("conf/a.yaml", config_map("a"));
  {
    const auto watched = start();
    folder_.write("conf/a.yaml", config_map("a", "2") + secret);
    EXPECT_EQ(watched->objects("a=2 s=Secret"), "a=2 s=Secret");
  }
  EXPECT_EQ(LastGood(journal_).files(), std::vector<std::string>());
}

TEST_F(Restarts, TheFirstFileByPathWinsAsEver) {
  folder_.write("conf/a.yaml", config_map("x", "a"));
  folder_.write("conf/b.yaml", config_map("x", "b"));
  start();
  folder_.write("conf/a.yaml", "]");
  EXPECT_EQ(start()->history(), History{"x=a"});
  folder_.write("conf/a.yaml", config_map("x", "a"));
  folder_.write("conf/b.yaml", "]");
  EXPECT_EQ(start()->history(), History{"x=a"});
}

TEST_F(Restarts, OnlyWithAJournal) {
  folder_.write("conf/a.yaml", config_map("a"));
  start();
  folder_.write("conf/a.yaml", "]");
  Batch now;
  read_files({folder_ / "conf"}, &now);
  EXPECT_TRUE(now.upserted.empty());
  EXPECT_EQ(Watched({folder_ / "conf"}).history(), History{""});
}

// Whatever the edits: a restart changes nothing.
TEST_F(Restarts, ChangeNothing) {
  std::mt19937 random(7);
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const std::vector<std::string> names = {"conf/a.yaml", "conf/b.yaml", "conf/c.yaml"};
  const auto some_map = [&](const std::string& file) { return fmt::format("{}{}", file[5], pick(6)); };
  int writes = 0;
  // Waits until all that was written is read: what is written last is.
  const auto settle = [&](Watched& watched) {
    folder_.write("conf/z.yaml", config_map("z", std::to_string(++writes)));
    const std::string last = fmt::format("z={}", writes);
    for (int i = 0; i < 5'000 && !watched.world().objects().ends_with(last); ++i) sleep_ms(1);
    ASSERT_TRUE(watched.world().objects().ends_with(last));
  };
  for (int round = 0; round < 20; ++round) {
    std::unique_ptr<Watched> watched = start();
    // A good text, then one that may be bad: of several bad ones only the last would be known.
    for (const std::string& name : names) {
      std::string good;
      for (int i = 0; i < 4; ++i) good += "---\n" + config_map(some_map(name), std::to_string(pick(9)));
      folder_.write(name, good);
    }
    settle(*watched);
    for (const std::string& name : names) {
      if (pick(4) == 0) continue;
      std::string bad = pick(2) == 0 ? "---\n]\n" : "";
      for (int i = 0; i < 3; ++i) {
        const std::string map = some_map(name);
        bad += "---\n" + (pick(2) == 0 ? bad_config_map(map) : config_map(map, std::to_string(pick(9))));
      }
      folder_.write(name, bad);
    }
    settle(*watched);
    const World before = watched->world();
    watched.reset();
    watched = start();
    ASSERT_EQ(watched->history(), History{before.objects()}) << round << "\n" << before.places();
    EXPECT_EQ(watched->world().places(), before.places());
  }
}

// ---- threads
// -----------------------------------------------------------------------------------------------------

TEST(LiveFiles, LocatesWhileFilesChange) {
  const ScratchFolder folder;
  folder.write("a.yaml", config_map("a"));
  Watched watched({folder / ""});
  std::atomic<bool> done = false;
  std::thread asker([&] {
    while (!done) {
      Problem problem{.object = config_map_key("a"), .path = "data.value"};
      watched.source().locate(problem);
      EXPECT_EQ(problem.where.file, folder / "a.yaml");
      source_line(watched.source(), problem.where.file, problem.where.line);
    }
  });
  for (int i = 0; i < 50; ++i) {
    folder.write("new", config_map("a", std::to_string(i)));
    folder.rename("new", "a.yaml");
    sleep_ms(3);
  }
  EXPECT_EQ(watched.objects("a=49"), "a=49");
  done = true;
  asker.join();
}

TEST(LiveFiles, StopsAtAnyMoment) {
  const ScratchFolder folder;
  for (int i = 0; i < 30; ++i) {
    const Watched watched({folder / ""});
    folder.write("a.yaml", config_map("a", std::to_string(i)));
    if (i % 3 == 0) sleep_ms(i);
  }
}

// ---- the oracle: whatever happened, once every path leads somewhere it is as if the files were read now
// --------------------------------------------

TEST(LiveFiles, EndsUpWithWhatIsThere) {
  std::mt19937 random(11);
  const auto pick = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  const std::vector<std::string> folders = {"", "x/", "x/y/", "z/", ".h/"};
  const std::vector<std::string> names = {"a.yaml", "b.yml", "c.json", "d.txt", ".e.yaml", "f.yaml~"};
  const ScratchFolder folder;
  for (int round = 0; round < 4; ++round) {
    folder.make_folder("root");
    const std::vector<std::string> paths = {folder / "root", folder / "root/x/y/[ab].*",
                                            folder / "root/z/d.txt"};
    Watched watched(paths);
    const auto some_folder = [&] { return "root/" + folders[pick(folders.size())]; };
    const auto some_file = [&] { return some_folder() + names[pick(names.size())]; };
    for (int step = 0; step < 120; ++step) {
      const std::string file = some_file();
      std::error_code ignored;
      switch (pick(10)) {
        case 0:
          std::filesystem::remove(folder / file, ignored);
          break;
        case 1:
          std::filesystem::rename(folder / file, folder / some_file(), ignored);
          break;
        case 2:
          folder.remove(some_folder());
          folder.make_folder("root");
          break;
        case 3:
          std::filesystem::rename(folder / some_folder(), folder / some_folder(), ignored);
          folder.make_folder("root");
          break;
        case 4:
          if (!std::filesystem::exists(folder / file, ignored)) {
            std::filesystem::create_symlink(folder / some_file(), folder / file, ignored);
          }
          break;
        default: {
          std::filesystem::create_directories((folder / file).substr(0, (folder / file).rfind('/')), ignored);
          std::string text;
          for (std::size_t i = pick(4); i > 0; --i) {
            text += "---\n" + config_map(fmt::format("m{}", pick(8)), std::to_string(pick(3)));
          }
          folder.write(file, text);
        }
      }
      if (pick(4) == 0) sleep_ms(static_cast<int>(pick(25)));
    }
    // What a missing path led to would be kept.
    folder.make_folder("root/x/y");
    folder.make_folder("root/z");
    folder.remove("root/z/d.txt");
    folder.write("root/z/d.txt", config_map("d"));
    sleep_ms(10);
    Batch now;
    const std::unique_ptr<Source> fresh = read_files(paths, &now);
    World expected;
    expected.apply(now);
    ASSERT_TRUE(watched.becomes(expected))
        << round << "\nexpected " << expected.objects() << "\n"
        << expected.places() << "is       " << watched.world().objects() << "\n"
        << watched.world().places();
    folder.remove("root");
  }
}

}  // namespace
}  // namespace sluice::source
