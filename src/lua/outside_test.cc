#include "lua/outside.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "lua/validate.h"

namespace sluice::lua {
namespace {

namespace fs = std::filesystem;

class Outside : public testing::Test {
 protected:
  Outside() {
    std::string name = fs::temp_directory_path() / "sluice-lua-XXXXXX";
    folder_ = fs::canonical(mkdtemp(name.data())).string();
    std::ofstream(folder_ + "/text") << "one\n2 x\nthree";
    setenv("SLUICE_LUA_TEST", "seen", 1);
  }
  ~Outside() override {
    unsetenv("SLUICE_LUA_TEST");
    fs::remove_all(folder_);
  }

  // What a script whose `path` is the folder says.
  std::string said(std::string_view body) {
    const Sandbox sandbox{.allowed_paths = {folder_}, .allowed_env = {"SLUICE_LUA_TEST", "SLUICE_LUA_UNSET"}};
    return said(body, sandbox);
  }
  std::string said(std::string_view body, const Sandbox& sandbox) {
    const std::string source =
        fmt::format("local path = '{}/'\nfunction envoy_on_request(h)\n{}\nend", folder_, body);
    const std::optional<Failure> failure = validate(source, Validation::kStrict, sandbox);
    return failure ? fmt::format("{}: {}", failure->line, failure->message) : "fit";
  }

  std::string text() {
    std::ifstream file(folder_ + "/text");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string folder_;
};

TEST_F(Outside, FilesOutsideTheAllowedPathsAreErrors) {
  EXPECT_EQ(said("io.open('/etc/passwd')"),
            "3: `io.open` of `/etc/passwd` is not allowed: `/etc` is never read");
  EXPECT_EQ(
      said("io.open('/none', 'w')"),
      "3: `io.open` of `/none` is not allowed: no path in lua.strictValidation.allowedPaths leads there");
  for (const char* const call : {"io.lines", "io.input", "io.output", "os.remove"}) {
    EXPECT_EQ(
        said(fmt::format("{}('/tmp')", call)),
        fmt::format(
            "3: `{}` of `/tmp` is not allowed: no path in lua.strictValidation.allowedPaths leads there",
            call));
  }
  EXPECT_EQ(
      said("os.rename(path .. 'text', '/tmp/x')"),
      "3: `os.rename` of `/tmp/x` is not allowed: no path in lua.strictValidation.allowedPaths leads there");
  EXPECT_EQ(said("io.open(path .. 'text')", {}).substr(0, 15), "3: `io.open` of");
}

TEST_F(Outside, AllowedFilesAreRead) {
  EXPECT_EQ(
      said(
          "local f = io.open(path .. 'text') assert(f:read() == 'one' and f:read('*n') == 2)\n"
          "assert(f:read('*a') == ' x\\nthree' and f:read() == nil and f:read('*a') == '')\n"
          "assert(f:seek('set', 1) == 1 and f:read(2) == 'ne' and f:seek('end') == 13 and f:read(1) == nil)\n"
          "assert(io.type(f) == 'file' and f:close())"),
      "fit");
  EXPECT_EQ(said("local s = '' for line in io.lines(path .. 'text') do s = s .. line .. ';' end\n"
                 "assert(s == 'one;2 x;three;')"),
            "fit");
  EXPECT_EQ(
      said("io.input(path .. 'text') assert(io.read('*l', '*L') == 'one') assert(io.read('*a') == 'three')"),
      "fit");
  EXPECT_EQ(said("local f, why = io.open(path .. 'none') assert(f == nil) error(why, 0)"),
            fmt::format("3: {}/none: No such file or directory", folder_));
}

TEST_F(Outside, NothingIsChanged) {
  EXPECT_EQ(said("local f = io.open(path .. 'text', 'w') f:write('changed', 1):write('more') f:close()\n"
                 "local f = io.open(path .. 'new', 'a') f:write('x') f:close()\n"
                 "assert(os.remove(path .. 'text') and os.rename(path .. 'text', path .. 'moved'))\n"
                 "io.output(path .. 'text'):write('x') io.write('printed'):write('more') "
                 "io.stderr:write('printed')"),
            "fit");
  EXPECT_EQ(text(), "one\n2 x\nthree");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(Outside, StandardInputIsEmpty) {
  EXPECT_EQ(
      said("assert(io.read() == nil and io.stdin:read('*a') == '') for line in io.lines() do error() end"),
      "fit");
}

TEST_F(Outside, OnlyAllowedVariablesAreSeen) {
  EXPECT_EQ(said("assert(os.getenv('SLUICE_LUA_TEST') == 'seen' and os.getenv('SLUICE_LUA_UNSET') == nil)"),
            "fit");
  EXPECT_EQ(said("os.getenv('HOME')"),
            "3: `os.getenv` of `HOME` is not allowed: "
            "lua.strictValidation.allowedEnvVars does not name it");
  EXPECT_EQ(said("os.getenv('SLUICE_LUA_TEST')", {}),
            "3: `os.getenv` of `SLUICE_LUA_TEST` is not allowed: "
            "lua.strictValidation.allowedEnvVars does not name it");
}

TEST_F(Outside, TheTimeIsAlwaysTheSame) {
  EXPECT_EQ(said("assert(os.time() == 1767225600 and os.clock() == 0 and os.difftime(5, 2) == 3)\n"
                 "assert(os.date('!%Y-%m-%dT%H:%M:%SZ') == '2026-01-01T00:00:00Z' and os.date('%A', 86400) "
                 "== 'Friday')\n"
                 "assert(os.date('*t').year == 2026 and os.date('!*t', 0).yday == 1)\n"
                 "assert(os.time({year = 1970, month = 1, day = 2, hour = 0}) == 86400)\n"
                 "assert(os.setlocale('de_DE') == 'C')"),
            "fit");
  EXPECT_EQ(said("os.date('%10Y')"), "3: `os.date` knows no conversion `%1`");
  EXPECT_EQ(said("os.time({})"), "3: field 'day' missing in date table");
  EXPECT_EQ(said("os.time({year = -1e300, month = -2147483648, day = 1e300})"), "fit");
  EXPECT_EQ(said("for _, t in ipairs{1e300, -1e300, 0/0, 1/0} do os.date('*t', t) os.date('%c', t) end"),
            "fit");
}

}  // namespace
}  // namespace sluice::lua
