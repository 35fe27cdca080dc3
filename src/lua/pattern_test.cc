#include "lua/pattern.h"

#include <random>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <lua.hpp>

#include "lua/library.h"
#include "lua/machine.h"
#include "lua/validate.h"

namespace sluice::lua {
namespace {

// Two states, ours and one with LuaJIT's own library, that are asked the same.
class Patterns : public testing::Test {
 protected:
  Patterns() : ours_(sandbox_) {
    open_library(ours_.state());
    luaL_openlibs(theirs_);
  }
  ~Patterns() override { lua_close(theirs_); }

  // What an expression gives, as both say.
  void expect_same(const std::string& expression) {
    EXPECT_EQ(ask(ours_.state(), expression), ask(theirs_, expression)) << expression;
  }

  std::string ask(lua_State* state, const std::string& expression) {
    const std::string script = fmt::format(
        "local function show(...) local t = {{...}} local s = select('#', ...) .. ':' "
        "for i = 1, select('#', ...) do s = s .. type(t[i]) .. ' ' .. tostring(t[i]) .. ';' end return s "
        "end\n"
        "return show(pcall(function() return {} end))",
        expression);
    EXPECT_EQ(luaL_loadbuffer(state, script.data(), script.size(), "=test"), 0) << lua_tostring(state, -1);
    if (lua_pcall(state, 0, 1, 0) != 0) ADD_FAILURE() << lua_tostring(state, -1) << " " << expression;
    std::size_t size = 0;
    const char* const text = lua_tolstring(state, -1, &size);
    std::string result(text, size);
    lua_settop(state, 0);
    return result;
  }

  Sandbox sandbox_;
  Machine ours_;
  lua_State* theirs_ = luaL_newstate();
};

std::string literal(std::string_view text) {
  std::string result = "'";
  for (const char c : text) result += fmt::format("\\{:03}", static_cast<unsigned char>(c));
  return result + "'";
}

TEST_F(Patterns, AreLuaJITs) {
  for (const char* const expression : {"string.find('hello world', 'o w')",
                                       "string.find('hello', 'l+')",
                                       "string.find('a.b', '.', 1, true)",
                                       "string.find('abc', '')",
                                       "string.find('abc', '', 4)",
                                       "string.find('abc', 'b', -1)",
                                       "string.find('abc', 'b', -1e300)",
                                       "string.match('key = value', '^(%w+)%s*=%s*(%w+)$')",
                                       "string.match('2026-01-31', '(%d+)-(%d+)-(%d+)')",
                                       "string.match('  trim  ', '^%s*(.-)%s*$')",
                                       "string.match('f(a(b)c)d', '%b()')",
                                       "string.match('hello', '()ll()')",
                                       "string.match('THE (quick) fox', '%f[%a]%a+%f[%A]')",
                                       "string.match([[\"it's\"]], [[([\"'])(.-)%1]])",
                                       "string.gsub('hello world', 'o', '0')",
                                       "string.gsub('hello', '', '-')",
                                       "string.gsub('abc', '%w', '%0%0', 2)",
                                       "string.gsub('hello world', '(%w+)', '<%1>')",
                                       "string.gsub('$name is $age', '%$(%w+)', {name = 'Bob'})",
                                       "string.gsub('abc', '%w', function(c) return c == 'b' and 'B' end)",
                                       "string.gsub('abc', '^a', 'x')",
                                       "string.gsub('abc', 'b', '%')",
                                       "string.gsub('abc', 'b', '%2')",
                                       "string.gsub('abc', 'b', {b = true})",
                                       "string.find('abc', '[a')",
                                       "string.find('abc', '%')",
                                       "string.find('abc', '(a')",
                                       "string.find('abc', 'a)')",
                                       "string.find('abc', '%1')",
                                       "string.find('abc', '%f')",
                                       "string.find('abc', '%b')",
                                       "string.find('a-c', '[a-]')",
                                       "string.find(']', '[]]')",
                                       "string.find('^', '[%^x]')",
                                       "string.find('b', '[^a]')",
                                       "string.find('a%', '%%')",
                                       "string.find('a$b', 'a$b')",
                                       "string.find('a\\0b', 'a%zb')",
                                       "string.find('a\\0b', '\\0b')",
                                       "string.rep('ab', 3)",
                                       "string.rep('ab', 3, ',')",
                                       "string.rep('ab', 0)",
                                       "string.rep('ab', -1, ',')",
                                       "string.rep('', 5, 'x')",
                                       "string.rep('a', 1, 'x')"}) {
    expect_same(expression);
  }
  for (const char* const loop :
       {"'one two  three', '%a+'", "'k=v, a=b', '(%w+)=(%w+)'", "'abc', ''", "'abc', '()'"}) {
    expect_same(
        fmt::format("(function() local s = '' for a, b in string.gmatch({}) do s = s .. tostring(a) .. "
                    "tostring(b) .. ';' end return s end)()",
                    loop));
  }
}

TEST_F(Patterns, AreLuaJITsWhateverIsInThem) {
  constexpr std::string_view kLetters[] = {
      "a",   "b",     "c",    "1",     " ",  "A",  "(",  ")",    "[",     "]",
      "%",   "^",     "$",    ".",     "*",  "+",  "-",  "?",    "%a",    "%d",
      "%A",  "%s",    "%w",   "%x",    "%g", "%p", "%z", "%b",   "%f",    "%1",
      "%2",  "[a-c]", "[^b]", "[%a1]", "(",  ")",  "()", "%bab", "%f[a]", std::string_view("\0", 1),
      "\xFF"};
  constexpr std::string_view kSubjects[] = {"a", "b", "c", "1", " ",    "A",
                                            "(", ")", "%", "-", "\xFF", std::string_view("\0", 1)};
  std::mt19937 random(1);
  const auto pick = [&random](const auto& from, std::size_t most) {
    std::string text;
    for (std::size_t i = random() % (most + 1); i > 0; --i) text += from[random() % std::size(from)];
    return text;
  };
  for (int i = 0; i < 20'000 && !HasFailure(); ++i) {
    const std::string subject = pick(kSubjects, 12);
    const std::string pattern = pick(kLetters, 6);
    expect_same(fmt::format("string.find({}, {})", literal(subject), literal(pattern)));
    expect_same(fmt::format("string.gsub({}, {}, '<%0>')", literal(subject), literal(pattern)));
  }
}

}  // namespace
}  // namespace sluice::lua
