#include "lua/dialect.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace sluice::lua {
namespace {

TEST(Dialect, StatementsThatAreALoneSemicolonGo) {
  EXPECT_EQ(to_lua51("local a = 1;; local b"), "local a = 1;  local b");
  EXPECT_EQ(to_lua51(";a()"), " a()");
  EXPECT_EQ(to_lua51("do ; ; a() end"), "do     a() end");
  EXPECT_EQ(to_lua51("if a then; else; end"), "if a then  else  end");
  EXPECT_EQ(to_lua51("a();b()"), "a();b()");
  EXPECT_EQ(to_lua51("a = 'do';"), "a = 'do';");
}

TEST(Dialect, AParenthesisThatBeginsALineEndsTheOneBefore) {
  EXPECT_EQ(to_lua51("f\n(a)"), "f(\na)");
  EXPECT_EQ(to_lua51("f  \n  (a)"), "f( \n   a)");
  EXPECT_EQ(to_lua51("f -- why\n(a)"), "f(-- why\n a)");
  EXPECT_EQ(to_lua51("f\n(a)\n(b)"), "f(\na)(\nb)");
  EXPECT_EQ(to_lua51("f\r\n(a)"), "f(\n\ra)");
  EXPECT_EQ(to_lua51("f--why\n(a)"), "f--why\n(a)");
  EXPECT_EQ(to_lua51("f(a)"), "f(a)");
  EXPECT_EQ(to_lua51("(f)(a)"), "(f)(a)");
}

TEST(Dialect, TextsAndCommentsStay) {
  for (const char* const source :
       {"a = 'x;;y'", "a = \"x\\\";;\"", "a = [[;;\n(x)]]", "a = [==[;;]]\n(x)]==]", "-- ;;\n",
        "--[[ ;;\n(x) ]]", "--[==[ ;;]]\n(x) ]==] a()", "a = 'open;;", "a = 'x\\z \n ;;'", "a = [[open;;",
        "--[[ open;;"}) {
    EXPECT_EQ(to_lua51(source), source);
  }
}

TEST(Dialect, LinesStay) {
  const std::string source = "a()\n\n-- x\n(b)\n;;\nlocal c = [[\n\n]]\n(d)\n";
  const std::string result = to_lua51(source);
  EXPECT_EQ(std::ranges::count(result, '\n'), std::ranges::count(source, '\n'));
  EXPECT_EQ(result.size(), source.size());
}

}  // namespace
}  // namespace sluice::lua
