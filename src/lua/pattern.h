// Lua's patterns (the manual's 5.4.1), with LuaJIT's classes, and ended by a NUL. LuaJIT's own matcher may
// take years for a short pattern and is not interrupted; this one charges for what it does.
//
// Threads: those of the machine. Errors in patterns are Lua errors, in LuaJIT's words.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include <lua.hpp>

namespace sluice::lua {

class Matcher {
 public:
  // Both texts have to stay.
  Matcher(lua_State* state, std::string_view subject, std::string_view pattern)
      : state_(state), subject_(subject), pattern_(pattern.substr(0, pattern.find('\0'))) {}

  // The end of the match that begins at `from`, or nullptr.
  const char* match(const char* from);

  // Of the last match:
  int captures() const { return count_; }
  // Pushes the capture, from 0. The whole match, from `begin` to `end`, where it is 0 and there is none.
  void push(int capture, const char* begin, const char* end);
  // Pushes all, or the whole match where there are none; how many they are.
  int push_all(const char* begin, const char* end);

 private:
  struct Capture {
    const char* begin;
    std::ptrdiff_t size;  // or one of:
    static constexpr std::ptrdiff_t kOpen = -1;
    static constexpr std::ptrdiff_t kPosition = -2;
  };
  static constexpr std::size_t kMaxCaptures = LUA_MAXCAPTURES;

  const char* text_end() const { return subject_.data() + subject_.size(); }
  const char* pattern_end() const { return pattern_.data() + pattern_.size(); }
  // Whether the pattern at `p` is still within it, and `c`.
  bool is(const char* p, char c) const { return p < pattern_end() && *p == c; }

  void step();
  void charge_for(const char* begin, const char* end);
  void settle();
  // The end of what the pattern from `p` on matches at `at`, or nullptr. walk() counts how deep.
  const char* walk(const char* at, const char* p);
  const char* walk_on(const char* at, const char* p);
  const char* open(const char* at, const char* p, std::ptrdiff_t what);
  const char* close(const char* at, const char* p);
  const char* greedy(const char* at, const char* item, const char* rest);
  const char* lazy(const char* at, const char* item, const char* rest);
  const char* balanced(const char* at, const char* p);
  const char* repeated(const char* at, char digit);
  // Behind the class, set or letter at `item`: what is called `rest` here.
  const char* item_end(const char* item);
  bool takes(const char* item, const char* rest, const char* at);
  bool takes_set(const char* set, const char* rest, unsigned char c);
  bool is_frontier(const char* at, const char* set, const char* rest);

  lua_State* state_;
  std::string_view subject_;
  std::string_view pattern_;
  std::array<Capture, kMaxCaptures> at_{};
  int count_ = 0;
  int depth_ = 0;
  std::size_t steps_ = 0;
};

}  // namespace sluice::lua
