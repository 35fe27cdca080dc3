#include "source/paths.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "source/scratch_folder.h"

namespace sluice::source {
namespace {

// The files that paths in the folder lead to, then the problems as "code path", without the folder's name.
std::string found(const ScratchFolder& folder, const std::vector<std::string>& paths) {
  std::vector<std::string> full;
  for (const std::string& path : paths) full.push_back(path == "-" ? path : folder / path);
  const Scan scan = scan_paths(full, nullptr);
  const std::string prefix = folder / "";
  const auto shorten = [&](std::string path) {
    return path.starts_with(prefix + "/") ? path.substr(prefix.size() + 1) : path;
  };
  std::string text;
  for (const auto& [file, _] : scan.files) text += (text.empty() ? "" : " ") + shorten(file);
  for (const Problem& problem : scan.problems)
    text += " | " + problem.code + " " + shorten(problem.where.file);
  return text;
}

TEST(Paths, LeadToFiles) {
  const ScratchFolder folder;
  folder.make_folder("conf/inner/.git");
  folder.make_folder("conf/empty");
  folder.make_folder("other");
  for (const char* name :
       {"conf/b.yaml", "conf/a.yml", "conf/c.json", "conf/README.md", "conf/.hidden.yaml", "conf/b.yaml~",
        "conf/#b.yaml#", "conf/.#b.yaml", "conf/.b.yaml.swp", "conf/inner/d.yaml", "conf/inner/.git/x.yaml",
        "conf/inner/e.conf", "other/f.yaml", "[x].yaml"}) {
    folder.write(name, name);
  }
  const std::string all = "conf/a.yml conf/b.yaml conf/c.json conf/inner/d.yaml";
  struct Case {
    std::vector<std::string> paths;
    std::string found;
  };
  const std::vector<Case> cases = {
      {{"conf"}, all},
      {{"conf/"}, all},
      {{"./conf/."}, all},
      {{"conf//inner/../inner"}, "conf/inner/../inner/d.yaml"},
      {{"conf", "conf/b.yaml", "other"}, all + " other/f.yaml"},
      {{"conf/empty"}, ""},
      {{"conf/README.md", "conf/.hidden.yaml"}, "conf/.hidden.yaml conf/README.md"},
      {{"conf/inner/.git"}, "conf/inner/.git/x.yaml"},
      {{"nowhere", "conf/nowhere.yaml"},
       " | syntax/no-such-file nowhere | syntax/no-such-file conf/nowhere.yaml"},
      {{"conf/b.yaml/x"}, " | syntax/no-such-file conf/b.yaml/x"},
      {{"conf/*.yaml"}, "conf/b.yaml"},
      {{"conf/*"}, all},
      {{"conf/[ab].*"}, "conf/a.yml conf/b.yaml"},
      {{"conf/*.md"}, "conf/README.md"},
      {{"conf/*/*.conf"}, "conf/inner/e.conf"},
      {{"*/inner/d.yaml"}, "conf/inner/d.yaml"},
      {{"*/inner"}, "conf/inner/d.yaml"},
      {{"**/d.yaml"}, "conf/inner/d.yaml"},
      {{"**/inner/**/*.yaml"}, "conf/inner/d.yaml"},
      {{"conf/**"}, all},
      {{"**/*.toml", "nowhere/*.yaml"},
       " | syntax/no-such-file **/*.toml | syntax/no-such-file nowhere/*.yaml"},
      {{"[x].yaml"}, "[x].yaml"},
      {{"-", "other"}, "other/f.yaml <stdin>"},
  };
  for (const Case& c : cases) EXPECT_EQ(found(folder, c.paths), c.found) << c.paths.front();
}

// The files among these of which a scan of the paths cannot say that they are gone.
std::string unknown(const ScratchFolder& folder, const std::vector<std::string>& paths,
                    const std::vector<std::string>& files) {
  std::vector<std::string> full;
  for (const std::string& path : paths) full.push_back(folder / path);
  const Scan scan = scan_paths(full, nullptr);
  std::string text;
  for (const std::string& file : files) {
    if (scan.is_unknown(folder / file)) text += (text.empty() ? "" : " ") + file;
  }
  return text;
}

TEST(Paths, AreUnknownWhereTheyLeadToNothing) {
  const ScratchFolder folder;
  folder.make_folder("conf");
  folder.write("conf/b.yaml", "b");
  const std::vector<std::string> files = {"conf/a.yaml", "conf/sub/a.yaml", "away/a.yaml", "away/sub/a.yaml",
                                          "away2/a.yaml"};
  struct Case {
    std::vector<std::string> paths;
    std::string unknown;
  };
  const std::vector<Case> cases = {
      {{"conf"}, ""},
      {{"away"}, "away/a.yaml away/sub/a.yaml"},
      {{"conf", "away"}, "away/a.yaml away/sub/a.yaml"},
      {{"conf/a.yaml"}, "conf/a.yaml"},
      {{"conf/b.yaml/a.yaml"}, ""},
      {{"away/*.yaml"}, "away/a.yaml away/sub/a.yaml"},
      {{"away/sub/**/*.yaml"}, "away/sub/a.yaml"},
      {{"conf/c*.yaml"}, ""},
      {{"conf/*/a.yaml"}, ""},
      {{"**/sub/*.yaml"}, ""},
  };
  for (const Case& c : cases) EXPECT_EQ(unknown(folder, c.paths, files), c.unknown) << c.paths.front();
}

TEST(Paths, SayThatWhatTheyLedToIsServedOn) {
  const ScratchFolder folder;
  const Scan missing = scan_paths({folder / "conf", folder / "conf/*.yaml"}, nullptr);
  ASSERT_EQ(missing.problems.size(), 2U);
  EXPECT_EQ(missing.problems[0].message, "no such file or folder");
  EXPECT_EQ(missing.problems[1].message, "`" + folder / "conf" + "`: no such file or folder");
  for (const Problem& problem : missing.problems) {
    EXPECT_NE(problem.suggestion.find("serves on what was there"), std::string::npos) << problem.suggestion;
  }
  const Scan unmatched = scan_paths({folder / "*.yaml"}, nullptr);
  ASSERT_EQ(unmatched.problems.size(), 1U);
  EXPECT_EQ(unmatched.problems[0].suggestion, "");
}

TEST(Paths, GoThroughSymbolicLinks) {
  const ScratchFolder folder;
  folder.make_folder("conf");
  folder.make_folder("elsewhere");
  folder.write("elsewhere/a.yaml", "a");
  folder.link("../elsewhere", "conf/linked");
  folder.link("..", "conf/back");           // leads back into conf
  folder.link("gone.yaml", "conf/b.yaml");  // leads nowhere
  folder.link("loop.yaml", "conf/loop.yaml");
  // elsewhere/a.yaml is reached by two ways.
  EXPECT_EQ(found(folder, {"conf"}), "conf/back/elsewhere/a.yaml");
  folder.remove("conf/back");
  EXPECT_EQ(found(folder, {"conf"}), "conf/linked/a.yaml");
  EXPECT_EQ(found(folder, {"conf", "elsewhere"}), "conf/linked/a.yaml");
  EXPECT_EQ(found(folder, {"conf/loop.yaml"}), " | syntax/no-such-file conf/loop.yaml");
  EXPECT_EQ(found(folder, {"**/a.yaml"}), "elsewhere/a.yaml");
}

TEST(Paths, FollowAKubernetesVolume) {
  const ScratchFolder folder;
  folder.make_folder("..2024_01");
  folder.write("..2024_01/gw.yaml", "x");
  folder.link("..2024_01", "..data");
  folder.link("..data/gw.yaml", "gw.yaml");
  EXPECT_EQ(found(folder, {""}), "gw.yaml");
}

TEST(Paths, PipesAreReadOnce) {
  const ScratchFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe.yaml").c_str(), 0600), 0);
  EXPECT_EQ(found(folder, {""}), "");
  const Scan scan = scan_paths({folder / "pipe.yaml"}, nullptr);
  ASSERT_EQ(scan.files.size(), 1U);
  EXPECT_TRUE(scan.files.begin()->second.once);
}

// Everything that a scan depends on is said before it is looked at.
TEST(Paths, TellWhatTheyDependOn) {
  class Recorder : public Lookups {
   public:
    void look_up(const std::string& folder, const std::string& name) override {
      add("look " + folder + " " + name);
    }
    void list(const std::string& folder) override { add("list " + folder); }
    void content(const std::string& folder, const std::string& name, const std::string& file) override {
      add("content " + folder + " " + name + " of " + file);
    }
    void add(std::string line) {
      if (std::ranges::find(lines, line) == lines.end()) lines.push_back(std::move(line));
    }
    std::vector<std::string> lines;
  };
  const ScratchFolder folder;
  folder.make_folder("real/..1");
  folder.write("real/..1/gw.yaml", "x");
  folder.link("..1", "real/..data");
  folder.link("..data/gw.yaml", "real/gw.yaml");
  folder.link("real", "current");
  const std::string root = folder / "";
  Recorder recorder;
  scan_paths({root + "/current", root + "/later/gw.yaml"}, &recorder);
  // Above the folder it is the machine's business.
  std::erase_if(recorder.lines, [&](const std::string& line) { return line.find(root) == line.npos; });
  EXPECT_EQ(recorder.lines, (std::vector<std::string>{
                                "look " + root + " current",
                                "look " + root + " real",
                                "list " + root + "/current",
                                "look " + root + "/real gw.yaml",
                                "look " + root + "/real ..data",
                                "look " + root + "/real ..1",
                                "look " + root + "/real/..1 gw.yaml",
                                "content " + root + "/real/..1 gw.yaml of " + root + "/current/gw.yaml",
                                "look " + root + " later",
                            }));
}

}  // namespace
}  // namespace sluice::source
