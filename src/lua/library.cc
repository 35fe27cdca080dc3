#include "lua/library.h"

#include <algorithm>
#include <iterator>

#include "lua/machine.h"
#include "lua/outside.h"

namespace sluice::lua {
namespace {

constexpr struct {
  lua_CFunction open;
  const char* name;
} kLibraries[] = {{luaopen_base, ""},
                  {luaopen_string, LUA_STRLIBNAME},
                  {luaopen_table, LUA_TABLIBNAME},
                  {luaopen_math, LUA_MATHLIBNAME},
                  {luaopen_bit, LUA_BITLIBNAME}};

// Of the globals that kLibraries brings.
constexpr const char* kTakenAway[] = {"load", "loadstring", "loadfile", "dofile", "newproxy", "gcinfo"};

constexpr std::string_view kLacking[] = {"load",     "loadstring", "loadfile",   "dofile",  "require",
                                         "module",   "package",    "debug",      "jit",     "newproxy",
                                         "gcinfo",   "ffi",        "os.execute", "os.exit", "os.tmpname",
                                         "io.popen", "io.tmpfile", "string.dump"};

int print(lua_State*) { return 0; }

int collectgarbage(lua_State* state) {
  lua_pushinteger(state, 0);
  return 1;
}

// tostring(x): its upvalue is LuaJIT's, which would call __tostring without an end where that is tostring
// itself.
int tostring(lua_State* state) {
  luaL_checkany(state, 1);
  Machine::of(state).check_depth(state);
  if (luaL_callmeta(state, 1, "__tostring") != 0) return 1;
  lua_pushvalue(state, lua_upvalueindex(1));
  lua_pushvalue(state, 1);
  lua_call(state, 1, 1);
  return 1;
}

// pairs(x): its upvalue is next.
int pairs(lua_State* state) {
  luaL_checkany(state, 1);
  if (luaL_getmetafield(state, 1, "__pairs") != 0) {
    Machine::of(state).check_depth(state);
    lua_pushvalue(state, 1);
    lua_call(state, 1, 3);
    return 3;
  }
  luaL_checktype(state, 1, LUA_TTABLE);
  lua_pushvalue(state, lua_upvalueindex(1));
  lua_pushvalue(state, 1);
  lua_pushnil(state);
  return 3;
}

// xpcall(f, handler, …): the handler runs once the error has left the hook that may have raised it.
int xpcall(lua_State* state) {
  luaL_checkany(state, 2);
  Machine::of(state).check_depth(state);
  const int arguments = lua_gettop(state) - 2;
  lua_pushvalue(state, 2);
  lua_insert(state, 1);  // handler, f, handler, …
  lua_remove(state, 3);
  if (lua_pcall(state, arguments, LUA_MULTRET, 0) == 0) {
    lua_pushboolean(state, 1);
    lua_replace(state, 1);
    return lua_gettop(state);
  }
  if (lua_pcall(state, 1, 1, 0) != 0) {
    lua_pushliteral(state, "error in error handling");
    lua_replace(state, -2);
  }
  lua_pushboolean(state, 0);
  lua_insert(state, -2);
  return 2;
}

int rawlen(lua_State* state) {
  luaL_argcheck(state, lua_istable(state, 1) || lua_type(state, 1) == LUA_TSTRING, 1,
                "table or string expected");
  lua_pushinteger(state, static_cast<lua_Integer>(lua_objlen(state, 1)));
  return 1;
}

int pack(lua_State* state) {
  const int count = lua_gettop(state);
  lua_createtable(state, count, 1);
  lua_insert(state, 1);
  for (int i = count; i > 0; --i) lua_rawseti(state, 1, i);
  lua_pushinteger(state, count);
  lua_setfield(state, 1, "n");
  return 1;
}

int length_of(lua_State* state) {
  luaL_checktype(state, 1, LUA_TTABLE);
  return static_cast<int>(lua_objlen(state, 1));
}

int insert(lua_State* state) {
  const int end = length_of(state) + 1;
  int at = end;
  if (lua_gettop(state) == 3) {
    at = static_cast<int>(luaL_checkinteger(state, 2));
    if (at < end) Machine::of(state).charge(state, static_cast<std::size_t>(static_cast<long>(end) - at));
    for (int i = end; i > at; --i) {
      lua_rawgeti(state, 1, i - 1);
      lua_rawseti(state, 1, i);
    }
  } else if (lua_gettop(state) != 2) {
    luaL_error(state, "wrong number of arguments to 'insert'");
  }
  lua_rawseti(state, 1, at);
  return 0;
}

// ---- sort: a heap, which is never slow; the table is argument 1, what compares argument 2 ----

bool is_less(lua_State* state, int a, int b) {  // of the two on the top of the stack
  Machine& machine = Machine::of(state);
  machine.charge(state, 1);
  machine.check_time(state);
  if (lua_isnil(state, 2)) return lua_lessthan(state, a, b) != 0;
  const int top = lua_gettop(state);
  lua_pushvalue(state, 2);
  lua_pushvalue(state, a < 0 ? top + 1 + a : a);
  lua_pushvalue(state, b < 0 ? top + 1 + b : b);
  lua_call(state, 2, 1);
  const bool is = lua_toboolean(state, -1) != 0;
  lua_pop(state, 1);
  return is;
}

// Lets the item at `hole` sink among the first `count`, so that no child is greater than its parent.
void sink(lua_State* state, int hole, int count) {
  lua_rawgeti(state, 1, hole);  // the item, below what follows
  while (hole * 2 <= count) {
    int child = hole * 2;
    lua_rawgeti(state, 1, child);
    if (child < count) {
      lua_rawgeti(state, 1, child + 1);
      if (is_less(state, -2, -1)) {
        ++child;
        lua_remove(state, -2);
      } else {
        lua_pop(state, 1);
      }
    }
    if (!is_less(state, -2, -1)) {
      lua_pop(state, 1);
      break;
    }
    lua_rawseti(state, 1, hole);
    hole = child;
  }
  lua_rawseti(state, 1, hole);
}

int sort(lua_State* state) {
  const int count = length_of(state);
  Machine::of(state).check_depth(state);
  lua_settop(state, 2);
  if (!lua_isnil(state, 2)) luaL_checktype(state, 2, LUA_TFUNCTION);
  for (int i = count / 2; i >= 1; --i) sink(state, i, count);
  for (int last = count; last > 1; --last) {
    lua_rawgeti(state, 1, 1);
    lua_rawgeti(state, 1, last);
    lua_rawseti(state, 1, 1);
    lua_rawseti(state, 1, last);
    sink(state, 1, last - 1);
  }
  return 0;
}

void set_with_upvalue(lua_State* state, const char* name, lua_CFunction function, const char* upvalue) {
  lua_getglobal(state, upvalue);
  lua_pushcclosure(state, function, 1);
  lua_setglobal(state, name);
}

}  // namespace

void open_library(lua_State* state) {
  for (const auto& library : kLibraries) {
    lua_pushcfunction(state, library.open);
    lua_pushstring(state, library.name);
    lua_call(state, 1, 0);
  }
  for (const char* const name : kTakenAway) {
    lua_pushnil(state);
    lua_setglobal(state, name);
  }
  lua_register(state, "print", print);
  lua_register(state, "collectgarbage", collectgarbage);
  lua_register(state, "rawlen", rawlen);
  lua_register(state, "xpcall", xpcall);
  set_with_upvalue(state, "tostring", tostring, "tostring");
  set_with_upvalue(state, "pairs", pairs, "next");

  lua_getglobal(state, LUA_STRLIBNAME);
  lua_pushnil(state);
  lua_setfield(state, -2, "dump");
  open_text(state);
  lua_pop(state, 1);

  constexpr luaL_Reg kTable[] = {{"insert", insert}, {"sort", sort}, {"pack", pack}, {nullptr, nullptr}};
  lua_getglobal(state, LUA_TABLIBNAME);
  luaL_register(state, nullptr, kTable);
  lua_getglobal(state, "unpack");
  lua_setfield(state, -2, "unpack");
  lua_pop(state, 1);
  open_os(state);
  open_io(state);
}

std::string_view lacks(std::string_view name) {
  const auto* const found = std::ranges::find_if(
      kLacking, [name](std::string_view whole) { return whole.substr(whole.find('.') + 1) == name; });
  return found == std::end(kLacking) ? std::string_view() : *found;
}

}  // namespace sluice::lua
