#include "lua/object.h"

#include <cstring>

#include "lua/machine.h"

namespace sluice::lua {
namespace {

constexpr Method kLogMethods[] = {{"logTrace", "s", nothing()}, {"logDebug", "s", nothing()},
                                  {"logInfo", "s", nothing()},  {"logWarn", "s", nothing()},
                                  {"logErr", "s", nothing()},   {"logCritical", "s", nothing()}};

// In the registry, under the address of a Kind: its metatable. Under that of this: the objects by name.
constexpr char kObjects = 0;

void* key(const void* address) { return const_cast<void*>(address); }

const char* name_of_type(char takes) {
  switch (takes) {
    case 's':
      return "a string";
    case 'n':
      return "a number";
    case 'b':
      return "a boolean";
    case 't':
      return "a table";
    default:
      return "a value";
  }
}

bool is_of_type(lua_State* state, int index, char takes) {
  switch (takes) {
    case 's':
      return lua_isstring(state, index) != 0;
    case 'n':
      return lua_isnumber(state, index) != 0;
    case 'b':
      return lua_isboolean(state, index);
    case 't':
      return lua_istable(state, index);
    case 'x':
      return !lua_isnoneornil(state, index);
    default:
      return true;
  }
}

void check_arguments(lua_State* state, const Kind& kind, const Method& method) {
  if (kind_of(state, 1) != &kind) {
    luaL_error(state, "`%s` is a method of %s: call it as `object:%s()`, with a colon", method.name,
               kind.name, method.name);
  }
  int index = 2;
  for (const char* takes = method.takes; *takes != '\0'; ++takes, ++index) {
    if (*takes == '*') return;
    const bool is_optional = *takes == '?';
    if (is_optional) ++takes;
    if (is_optional && lua_isnoneornil(state, index)) continue;
    if (!is_of_type(state, index, *takes)) refuse(state, method.name, index - 1, name_of_type(*takes));
  }
  lua_settop(state, index - 1);
}

// Its upvalues are the Kind and the Method.
int call_method(lua_State* state) {
  const Kind& kind = *static_cast<const Kind*>(lua_touserdata(state, lua_upvalueindex(1)));
  const Method& method = *static_cast<const Method*>(lua_touserdata(state, lua_upvalueindex(2)));
  check_arguments(state, kind, method);
  const Gives& gives = method.gives;
  switch (gives.what) {
    case Gives::What::kNothing:
      return 0;
    case Gives::What::kText:
      lua_pushstring(state, gives.text);
      return 1;
    case Gives::What::kNumber:
      lua_pushnumber(state, gives.number);
      return 1;
    case Gives::What::kBoolean:
      lua_pushboolean(state, gives.number != 0 ? 1 : 0);
      return 1;
    case Gives::What::kList:
      lua_createtable(state, 1, 0);
      lua_pushstring(state, gives.text);
      lua_rawseti(state, -2, 1);
      return 1;
    case Gives::What::kObject:
      push_object(state, *gives.kind, gives.text);
      return 1;
    case Gives::What::kOwn:
      break;
  }
  return gives.function(state);
}

// What a script reads that is no method is nil, as with Envoy's objects. Its upvalue is the Kind.
int miss(lua_State* state) {
  if (lua_type(state, 2) == LUA_TSTRING) {
    Machine& machine = Machine::of(state);
    std::size_t size = 0;
    const char* const name = lua_tolstring(state, 2, &size);
    machine.missed.kind = static_cast<const Kind*>(lua_touserdata(state, lua_upvalueindex(1)));
    machine.missed.name.assign(name, size);
  }
  lua_pushnil(state);
  return 1;
}

int refuse_field(lua_State* state) {
  const Kind& kind = *static_cast<const Kind*>(lua_touserdata(state, lua_upvalueindex(1)));
  return luaL_error(state, "%s has no fields that can be set", kind.name);
}

int refuse_pairs(lua_State* state) {
  const Kind& kind = *static_cast<const Kind*>(lua_touserdata(state, lua_upvalueindex(1)));
  return luaL_error(state, "%s has nothing that pairs() could go through", kind.name);
}

// What is at the index, with an article.
const char* describe(lua_State* state, int index) {
  if (const Kind* const kind = kind_of(state, index)) return kind->name;
  switch (lua_type(state, index)) {
    case LUA_TBOOLEAN:
      return "a boolean";
    case LUA_TNUMBER:
      return "a number";
    case LUA_TSTRING:
      return "a string";
    case LUA_TTABLE:
      return "a table";
    case LUA_TFUNCTION:
      return "a function";
    case LUA_TTHREAD:
      return "a coroutine";
    default:
      return "nil";
  }
}

void add_methods(lua_State* state, const Kind& kind, std::span<const Method> methods) {
  for (const Method& method : methods) {
    lua_pushlightuserdata(state, key(&kind));
    lua_pushlightuserdata(state, key(&method));
    lua_pushcclosure(state, call_method, 2);
    lua_setfield(state, -2, method.name);
  }
}

void add_function(lua_State* state, const Kind& kind, const char* name, lua_CFunction function) {
  lua_pushlightuserdata(state, key(&kind));
  lua_pushcclosure(state, function, 1);
  lua_setfield(state, -2, name);
}

void push_metatable(lua_State* state, const Kind& kind) {
  lua_pushlightuserdata(state, key(&kind));
  lua_rawget(state, LUA_REGISTRYINDEX);
  if (!lua_isnil(state, -1)) return;
  lua_pop(state, 1);

  lua_newtable(state);
  lua_newtable(state);
  add_methods(state, kind, kind.methods);
  if (kind.is_envoys) add_methods(state, kind, kLogMethods);
  // With Envoy the metatable has the methods, and may be looked at.
  lua_pushvalue(state, -1);
  lua_setfield(state, -3, "__metatable");
  lua_newtable(state);
  add_function(state, kind, "__index", miss);
  lua_setmetatable(state, -2);
  lua_setfield(state, -2, "__index");
  add_function(state, kind, "__newindex", refuse_field);
  add_function(state, kind, "__pairs", kind.pairs != nullptr ? kind.pairs : refuse_pairs);

  lua_pushlightuserdata(state, key(&kind));
  lua_pushvalue(state, -2);
  lua_rawset(state, LUA_REGISTRYINDEX);
}

}  // namespace

std::span<const Method> log_methods() { return kLogMethods; }

void push_new_object(lua_State* state, const Kind& kind) {
  luaL_checkstack(state, 8, "too many objects");
  *static_cast<const Kind**>(lua_newuserdata(state, sizeof(const Kind*))) = &kind;
  lua_newtable(state);
  lua_setfenv(state, -2);
  if (kind.make != nullptr) kind.make(state);
  push_metatable(state, kind);
  lua_setmetatable(state, -2);
}

void push_object(lua_State* state, const Kind& kind, const char* name) {
  luaL_checkstack(state, 8, "too many objects");
  if (name == nullptr) name = kind.name;
  lua_pushlightuserdata(state, key(&kObjects));
  lua_rawget(state, LUA_REGISTRYINDEX);
  if (lua_isnil(state, -1)) {
    lua_pop(state, 1);
    lua_newtable(state);
    lua_pushlightuserdata(state, key(&kObjects));
    lua_pushvalue(state, -2);
    lua_rawset(state, LUA_REGISTRYINDEX);
  }
  lua_getfield(state, -1, name);
  if (lua_isnil(state, -1)) {
    lua_pop(state, 1);
    push_new_object(state, kind);
    lua_pushvalue(state, -1);
    lua_setfield(state, -3, name);
  }
  lua_remove(state, -2);
}

const Kind* kind_of(lua_State* state, int index) {
  if (lua_type(state, index) != LUA_TUSERDATA) return nullptr;
  return *static_cast<const Kind* const*>(lua_touserdata(state, index));
}

// In the environment of the userdata, which scripts cannot get at.
void remember(lua_State* state, int object, int number) {
  lua_getfenv(state, object);
  lua_insert(state, -2);
  lua_rawseti(state, -2, number);
  lua_pop(state, 1);
}

void recall(lua_State* state, int object, int number) {
  lua_getfenv(state, object);
  lua_rawgeti(state, -1, number);
  lua_remove(state, -2);
}

int refuse(lua_State* state, const char* method, int argument, const char* wanted) {
  return luaL_error(state, "`%s` takes %s as its argument %d, not %s", method, wanted, argument,
                    describe(state, argument + 1));
}

}  // namespace sluice::lua
