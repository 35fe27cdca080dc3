#include "lua/pattern.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include <ctype.h>

#include "lua/machine.h"

namespace sluice::lua {
namespace {

constexpr int kMaxDepth = 200;
constexpr std::size_t kStepsAtOnce = 1000;
constexpr std::size_t kLettersAStep = 16;

constexpr struct {
  char name;
  int (*is)(int);
} kClasses[] = {{'a', ::isalpha}, {'c', ::iscntrl}, {'d', ::isdigit}, {'g', ::isgraph}, {'l', ::islower},
                {'p', ::ispunct}, {'s', ::isspace}, {'u', ::isupper}, {'w', ::isalnum}, {'x', ::isxdigit}};

// Whether %name matches `c`. The classes are ASCII's, a capital letter is the opposite, and what is no class
// is itself.
bool is_of_class(unsigned char c, char name) {
  const auto lower = static_cast<char>(name | 0x20);
  const auto* const known = std::ranges::find(kClasses, lower, [](const auto& row) { return row.name; });
  if (known == std::end(kClasses) && lower != 'z') return c == static_cast<unsigned char>(name);
  const bool is = lower == 'z' ? c == 0 : c < 0x80 && known->is(c) != 0;
  return is == (name == lower);
}

}  // namespace

void Matcher::step() {
  if (++steps_ >= kStepsAtOnce) settle();
}

void Matcher::charge_for(const char* begin, const char* end) {
  steps_ += static_cast<std::size_t>(end - begin) / kLettersAStep;
}

void Matcher::settle() {
  const std::size_t steps = steps_;
  steps_ = 0;
  Machine::of(state_).charge(state_, steps);
}

const char* Matcher::match(const char* from) {
  count_ = 0;
  depth_ = 0;
  const char* const end = walk(from, pattern_.data());
  settle();
  return end;
}

const char* Matcher::walk(const char* at, const char* p) {
  if (++depth_ > kMaxDepth) luaL_error(state_, "pattern too complex");
  const char* const end = walk_on(at, p);
  --depth_;
  return end;
}

const char* Matcher::walk_on(const char* at, const char* p) {
  while (p != pattern_end()) {
    step();
    if (*p == '(')
      return is(p + 1, ')') ? open(at, p + 2, Capture::kPosition) : open(at, p + 1, Capture::kOpen);
    if (*p == ')') return close(at, p + 1);
    if (*p == '$' && p + 1 == pattern_end()) return at == text_end() ? at : nullptr;
    if (*p == '%' && is(p + 1, 'b')) {
      at = balanced(at, p + 2);
      if (at == nullptr) return nullptr;
      p += 4;
      continue;
    }
    if (*p == '%' && is(p + 1, 'f')) {
      const char* const set = p + 2;
      if (!is(set, '[')) luaL_error(state_, "missing '[' after '%%f' in pattern");
      p = item_end(set);
      if (!is_frontier(at, set, p)) return nullptr;
      continue;
    }
    if (*p == '%' && p + 1 < pattern_end() && p[1] >= '0' && p[1] <= '9') {
      at = repeated(at, p[1]);
      if (at == nullptr) return nullptr;
      p += 2;
      continue;
    }
    const char* const rest = item_end(p);
    const bool is_here = at < text_end() && takes(p, rest, at);
    if (is(rest, '*')) return greedy(at, p, rest);
    if (is(rest, '+')) return is_here ? greedy(at + 1, p, rest) : nullptr;
    if (is(rest, '-')) return lazy(at, p, rest);
    if (is(rest, '?')) {
      const char* const end = is_here ? walk(at + 1, rest + 1) : nullptr;
      if (end != nullptr) return end;
      p = rest + 1;
      continue;
    }
    if (!is_here) return nullptr;
    ++at;
    p = rest;
  }
  return at;
}

const char* Matcher::open(const char* at, const char* p, std::ptrdiff_t what) {
  if (static_cast<std::size_t>(count_) == kMaxCaptures) luaL_error(state_, "too many captures");
  at_[static_cast<std::size_t>(count_)] = {.begin = at, .size = what};
  ++count_;
  const char* const end = walk(at, p);
  if (end == nullptr) --count_;
  return end;
}

const char* Matcher::close(const char* at, const char* p) {
  int last = count_ - 1;
  while (last >= 0 && at_[static_cast<std::size_t>(last)].size != Capture::kOpen) --last;
  if (last < 0) luaL_error(state_, "invalid pattern capture");
  Capture& capture = at_[static_cast<std::size_t>(last)];
  capture.size = at - capture.begin;
  const char* const end = walk(at, p);
  if (end == nullptr) capture.size = Capture::kOpen;
  return end;
}

const char* Matcher::greedy(const char* at, const char* item, const char* rest) {
  const char* most = at;
  for (; most < text_end() && takes(item, rest, most); ++most) step();
  for (; most >= at; --most) {
    const char* const end = walk(most, rest + 1);
    if (end != nullptr) return end;
  }
  return nullptr;
}

const char* Matcher::lazy(const char* at, const char* item, const char* rest) {
  for (;; ++at) {
    const char* const end = walk(at, rest + 1);
    if (end != nullptr) return end;
    if (at == text_end() || !takes(item, rest, at)) return nullptr;
  }
}

const char* Matcher::balanced(const char* at, const char* p) {
  if (pattern_end() - p < 2) luaL_error(state_, "unbalanced pattern");
  if (at == text_end() || *at != p[0]) return nullptr;
  std::size_t depth = 1;
  for (++at; at < text_end(); ++at) {
    step();
    if (*at == p[1]) {
      if (--depth == 0) return at + 1;
    } else if (*at == p[0]) {
      ++depth;
    }
  }
  return nullptr;
}

const char* Matcher::repeated(const char* at, char digit) {
  const int index = digit - '1';
  if (index < 0 || index >= count_ || at_[static_cast<std::size_t>(index)].size == Capture::kOpen) {
    luaL_error(state_, "invalid capture index");
  }
  const Capture& capture = at_[static_cast<std::size_t>(index)];
  // That of a position is longer than any text.
  const auto size = static_cast<std::size_t>(capture.size);
  if (size > static_cast<std::size_t>(text_end() - at)) return nullptr;
  charge_for(at, at + size);
  return std::memcmp(capture.begin, at, size) == 0 ? at + size : nullptr;
}

bool Matcher::is_frontier(const char* at, const char* set, const char* rest) {
  const char before = at == subject_.data() ? '\0' : at[-1];
  const char after = at == text_end() ? '\0' : *at;
  return !takes_set(set, rest, static_cast<unsigned char>(before)) &&
         takes_set(set, rest, static_cast<unsigned char>(after));
}

const char* Matcher::item_end(const char* item) {
  const char* p = item + 1;
  if (*item == '%') {
    if (p == pattern_end()) luaL_error(state_, "malformed pattern (ends with '%%')");
    return p + 1;
  }
  if (*item != '[') return p;
  if (is(p, '^')) ++p;
  do {  // a bracket that is the first is a letter
    if (p == pattern_end()) luaL_error(state_, "malformed pattern (missing ']')");
    const bool is_escape = *p == '%' && p + 1 != pattern_end();
    p += is_escape ? 2 : 1;
  } while (!is(p, ']'));
  charge_for(item, p);
  return p + 1;
}

bool Matcher::takes(const char* item, const char* rest, const char* at) {
  const auto c = static_cast<unsigned char>(*at);
  switch (*item) {
    case '.':
      return true;
    case '%':
      return is_of_class(c, item[1]);
    case '[':
      return takes_set(item, rest, c);
    default:
      return static_cast<unsigned char>(*item) == c;
  }
}

bool Matcher::takes_set(const char* set, const char* rest, unsigned char c) {
  charge_for(set, rest);
  const char* const last = rest - 1;
  const char* p = set + 1;
  const bool is_inverted = *p == '^';
  if (is_inverted) ++p;
  for (; p < last; ++p) {
    if (*p == '%') {
      ++p;
      if (is_of_class(c, *p)) return !is_inverted;
    } else if (p + 2 < last && p[1] == '-') {
      if (static_cast<unsigned char>(p[0]) <= c && c <= static_cast<unsigned char>(p[2])) return !is_inverted;
      p += 2;
    } else if (static_cast<unsigned char>(*p) == c) {
      return !is_inverted;
    }
  }
  return is_inverted;
}

void Matcher::push(int capture, const char* begin, const char* end) {
  if (capture >= count_) {
    if (capture != 0) luaL_error(state_, "invalid capture index");
    lua_pushlstring(state_, begin, static_cast<std::size_t>(end - begin));
    return;
  }
  const Capture& found = at_[static_cast<std::size_t>(capture)];
  if (found.size == Capture::kOpen) luaL_error(state_, "unfinished capture");
  if (found.size == Capture::kPosition) {
    lua_pushinteger(state_, found.begin - subject_.data() + 1);
  } else {
    lua_pushlstring(state_, found.begin, static_cast<std::size_t>(found.size));
  }
}

int Matcher::push_all(const char* begin, const char* end) {
  const int count = count_ == 0 ? 1 : count_;
  luaL_checkstack(state_, count, "too many captures");
  for (int i = 0; i < count; ++i) push(i, begin, end);
  return count;
}

}  // namespace sluice::lua
