#include "lua/files.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sluice::lua {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  Files() {
    std::string name = fs::temp_directory_path() / "sluice-lua-XXXXXX";
    folder_ = fs::canonical(mkdtemp(name.data())).string();
    fs::create_directories(folder_ + "/open/below");
    std::ofstream(folder_ + "/open/text") << "one\n2\nthree";
    std::ofstream(folder_ + "/secret") << "secret";
  }
  ~Files() override { fs::remove_all(folder_); }

  std::string path(std::string_view name) const { return fmt::format("{}/{}", folder_, name); }

  // Where a path below the folder leads, or why it must not.
  std::string target(std::string_view name, const std::vector<std::string>& allowed) {
    const Sandbox sandbox{.allowed_paths = allowed};
    const std::expected<std::string, std::string> found = find_target(sandbox, path(name));
    return !found ? found.error() : found->starts_with(folder_) ? found->substr(folder_.size() + 1) : *found;
  }

  std::string folder_;
};

constexpr const char* kNotAllowed = "no path in lua.strictValidation.allowedPaths leads there";

TEST_F(Files, WhatIsBelowAnAllowedPathIsAllowed) {
  EXPECT_EQ(target("open/text", {path("open")}), "open/text");
  EXPECT_EQ(target("open/text", {path("open/")}), "open/text");
  EXPECT_EQ(target("open/text", {path("open/text")}), "open/text");
  EXPECT_EQ(target("open/none", {path("open")}), "open/none");
  EXPECT_EQ(target("open", {path("open")}), "open");
  EXPECT_EQ(target("open//text", {path("open")}), "open/text");
}

TEST_F(Files, WhatIsNotBelowOneIsNot) {
  EXPECT_EQ(target("open/text", {}), kNotAllowed);
  EXPECT_EQ(target("secret", {path("open")}), kNotAllowed);
  EXPECT_EQ(target("open-too/text", {path("open")}), kNotAllowed);
  EXPECT_EQ(target("open/text", {"", " "}), kNotAllowed);
}

TEST_F(Files, DotsAreNot) {
  EXPECT_EQ(target("open/../secret", {path("open")}), "it goes through `.` or `..`");
  EXPECT_EQ(target("open/./text", {path("open")}), "it goes through `.` or `..`");
  EXPECT_EQ(target("open\\..\\secret", {path("open")}), "it goes through `.` or `..`");
}

TEST_F(Files, WhereALinkLeadsDecides) {
  fs::create_symlink(path("secret"), path("open/link"));
  EXPECT_EQ(target("open/link", {path("open")}), kNotAllowed);
  fs::create_directory_symlink(folder_, path("open/up"));
  EXPECT_EQ(target("open/up/secret", {path("open")}), kNotAllowed);
  EXPECT_EQ(target("open/up/none", {path("open")}), kNotAllowed);
  fs::create_directory_symlink(path("open"), path("door"));
  EXPECT_EQ(target("door/text", {path("open")}), "open/text");
  EXPECT_EQ(target("open/text", {path("door")}), "open/text");
}

TEST_F(Files, SomeAreNever) {
  const Sandbox everything{.allowed_paths = {"/"}};
  for (const auto& [path, folder] : {std::pair("/etc/passwd", "/etc"),
                                     {"etc/passwd", "/etc"},
                                     {"etc\\passwd", "/etc"},
                                     {"//etc//passwd", "/etc"},
                                     {"/etc", "/etc"},
                                     {"/proc/self/environ", "/proc"},
                                     {"/sys/kernel", "/sys"},
                                     {"/certs/tls.key", "/certs"},
                                     {"/run/secrets/token", "/run/secrets"},
                                     {"/var/run/secrets/token", "/var/run/secrets"}}) {
    const auto found = find_target(everything, path);
    ASSERT_FALSE(found) << path;
    EXPECT_EQ(found.error(), fmt::format("`{}` is never read", folder));
  }
  fs::create_directory_symlink("/etc", path("open/link"));
  EXPECT_EQ(target("open/link/passwd", {"/"}), "`/etc` is never read");
}

TEST_F(Files, OnlyRegularFilesAreRead) {
  EXPECT_EQ(read_target(path("open/text")), "one\n2\nthree");
  EXPECT_EQ(read_target(path("open/none")).error(), ENOENT);
  EXPECT_EQ(read_target(path("open")).error(), EACCES);
  ASSERT_EQ(mkfifo(path("open/pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_target(path("open/pipe")).error(), EACCES);
  EXPECT_EQ(read_target("/dev/zero").error(), EACCES);
  fs::create_symlink(path("secret"), path("open/link"));
  EXPECT_EQ(read_target(path("open/link")).error(), EACCES);
  fs::create_directory_symlink(folder_, path("up"));
  EXPECT_EQ(read_target(path("up/secret")).error(), EACCES);
}

TEST_F(Files, OfAFileThatIsTooLongTheBeginningIsRead) {
  std::ofstream(path("open/long")) << std::string(kMaxFile + 1, 'x');
  EXPECT_EQ(read_target(path("open/long"))->size(), kMaxFile);
}

}  // namespace
}  // namespace sluice::lua
