// The functions of `string` that take long: with Lua's patterns, and rep.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "lua/library.h"
#include "lua/machine.h"
#include "lua/pattern.h"

namespace sluice::lua {
namespace {

void add(luaL_Buffer* buffer, std::string_view text) { luaL_addlstring(buffer, text.data(), text.size()); }

// Where a search from the optional third argument begins, from 0; behind the end and the one after it: npos.
std::size_t start_of(lua_State* state, std::size_t size) {
  const lua_Integer start = luaL_optinteger(state, 3, 1);
  if (start > 0)
    return static_cast<std::size_t>(start) > size + 1 ? std::string_view::npos
                                                      : static_cast<std::size_t>(start - 1);
  const auto back = std::size_t{0} - static_cast<std::size_t>(start);
  return start == 0 || back > size ? 0 : size - back;
}

bool take_anchor(std::string_view* pattern) {
  if (!pattern->starts_with('^')) return false;
  pattern->remove_prefix(1);
  return true;
}

int push_nothing(lua_State* state) {
  lua_pushnil(state);
  return 1;
}

int push_range(lua_State* state, std::size_t begin, std::size_t end) {
  lua_pushinteger(state, static_cast<lua_Integer>(begin) + 1);
  lua_pushinteger(state, static_cast<lua_Integer>(end));
  return 2;
}

int search(lua_State* state, bool is_find) {
  const std::string_view text = text_argument(state, 1);
  std::string_view pattern = text_argument(state, 2);
  const std::size_t start = start_of(state, text.size());
  if (start == std::string_view::npos) return push_nothing(state);
  if (is_find &&
      (lua_toboolean(state, 4) != 0 || pattern.find_first_of("^$*+?.([%-") == std::string_view::npos)) {
    Machine::of(state).charge(state, (text.size() - start + pattern.size()) / 16);
    const void* const found =
        memmem(text.data() + start, text.size() - start, pattern.data(), pattern.size());
    if (found == nullptr) return push_nothing(state);
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
    return push_range(state, at, at + pattern.size());
  }
  const bool is_anchored = take_anchor(&pattern);
  Matcher matcher(state, text, pattern);
  for (std::size_t i = start; i <= text.size(); ++i) {
    const char* const begin = text.data() + i;
    const char* const end = matcher.match(begin);
    if (end != nullptr && is_find) {
      push_range(state, i, static_cast<std::size_t>(end - text.data()));
      return matcher.captures() == 0 ? 2 : 2 + matcher.push_all(begin, end);
    }
    if (end != nullptr) return matcher.push_all(begin, end);
    if (is_anchored) break;
  }
  return push_nothing(state);
}

int find(lua_State* state) { return search(state, true); }
int match(lua_State* state) { return search(state, false); }

// The iterator: its upvalues are the text, the pattern and where to go on.
int next_match(lua_State* state) {
  const std::string_view text = text_argument(state, lua_upvalueindex(1));
  const std::string_view pattern = text_argument(state, lua_upvalueindex(2));
  Matcher matcher(state, text, pattern);
  for (auto i = static_cast<std::size_t>(lua_tointeger(state, lua_upvalueindex(3))); i <= text.size(); ++i) {
    const char* const begin = text.data() + i;
    const char* const end = matcher.match(begin);
    if (end == nullptr) continue;
    const std::ptrdiff_t next = end - text.data() + (end == begin ? 1 : 0);
    lua_pushinteger(state, next);
    lua_replace(state, lua_upvalueindex(3));
    return matcher.push_all(begin, end);
  }
  return 0;
}

int gmatch(lua_State* state) {
  text_argument(state, 1);
  text_argument(state, 2);
  lua_settop(state, 2);
  lua_pushinteger(state, 0);
  lua_pushcclosure(state, next_match, 3);
  return 1;
}

// The third argument of gsub, a text: with captures for %0 to %9.
void add_expanded(lua_State* state, Matcher* matcher, luaL_Buffer* buffer, const char* begin,
                  const char* end) {
  const std::string_view text = text_argument(state, 3);
  Machine::of(state).charge(state, text.size() / 16);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      luaL_addchar(buffer, text[i]);
      continue;
    }
    ++i;
    const char c = i < text.size() ? text[i] : '\0';
    if (c == '0') {
      luaL_addlstring(buffer, begin, static_cast<std::size_t>(end - begin));
    } else if (c >= '1' && c <= '9') {
      matcher->push(c - '1', begin, end);
      luaL_addvalue(buffer);
    } else {
      luaL_addchar(buffer, c);
    }
  }
}

void add_replacement(lua_State* state, Matcher* matcher, luaL_Buffer* buffer, const char* begin,
                     const char* end) {
  if (lua_isstring(state, 3) != 0) {
    add_expanded(state, matcher, buffer, begin, end);
    return;
  }
  if (lua_isfunction(state, 3)) {
    lua_pushvalue(state, 3);
    const int count = matcher->push_all(begin, end);
    lua_call(state, count, 1);
  } else {
    matcher->push(0, begin, end);
    lua_gettable(state, 3);
  }
  if (lua_toboolean(state, -1) == 0) {
    lua_pop(state, 1);
    lua_pushlstring(state, begin, static_cast<std::size_t>(end - begin));
  } else if (lua_isstring(state, -1) == 0) {
    luaL_error(state, "invalid replacement value (a %s)", luaL_typename(state, -1));
  }
  luaL_addvalue(buffer);
}

int gsub(lua_State* state) {
  Machine::of(state).check_depth(state);
  const std::string_view text = text_argument(state, 1);
  std::string_view pattern = text_argument(state, 2);
  luaL_argcheck(state, lua_isstring(state, 3) != 0 || lua_istable(state, 3) || lua_isfunction(state, 3), 3,
                "string/function/table expected");
  const lua_Integer most = luaL_optinteger(state, 4, static_cast<lua_Integer>(text.size()) + 1);
  const bool is_anchored = take_anchor(&pattern);
  Matcher matcher(state, text, pattern);
  luaL_Buffer buffer;
  luaL_buffinit(state, &buffer);
  const char* at = text.data();
  const char* const last = text.data() + text.size();
  lua_Integer count = 0;
  while (count < most) {
    const char* const end = matcher.match(at);
    if (end != nullptr) {
      ++count;
      add_replacement(state, &matcher, &buffer, at, end);
    }
    if (end != nullptr && end > at) {
      at = end;
    } else if (at < last) {
      luaL_addchar(&buffer, *at);
      ++at;
    } else {
      break;
    }
    if (is_anchored) break;
  }
  add(&buffer, {at, static_cast<std::size_t>(last - at)});
  luaL_pushresult(&buffer);
  lua_pushinteger(state, count);
  return 2;
}

int rep(lua_State* state) {
  const std::string_view text = text_argument(state, 1);
  const lua_Integer count = std::max<lua_Integer>(luaL_checkinteger(state, 2), 0);
  const std::string_view separator = lua_isnoneornil(state, 3) ? "" : text_argument(state, 3);
  const std::size_t size = text.size() + separator.size();
  if (size == 0) {
    lua_pushliteral(state, "");
    return 1;
  }
  if (static_cast<std::size_t>(count) > kMaxPiece / size)
    luaL_error(state, "`string.rep` makes a text of more than 2 MiB");
  Machine::of(state).charge(state, static_cast<std::size_t>(count) * size / 16);
  luaL_Buffer buffer;
  luaL_buffinit(state, &buffer);
  for (lua_Integer i = 0; i < count; ++i) {
    if (i > 0) add(&buffer, separator);
    add(&buffer, text);
  }
  luaL_pushresult(&buffer);
  return 1;
}

constexpr luaL_Reg kFunctions[] = {{"find", find}, {"match", match}, {"gmatch", gmatch},
                                   {"gsub", gsub}, {"rep", rep},     {nullptr, nullptr}};

}  // namespace

void open_text(lua_State* state) { luaL_register(state, nullptr, kFunctions); }

}  // namespace sluice::lua
