// Objects that we give to scripts: kinds with methods, declared as tables.
//
// A script sees userdata that it can neither look into, but for methods, nor set. No other userdata is in its
// reach, nor are the metatables: a finalizer in one would run where nothing can stop it.
//
// Threads: those of the machine.
#pragma once

#include <cstdint>
#include <span>

#include <lua.hpp>

namespace sluice::lua {

struct Kind;

// What a method gives back.
struct Gives {
  enum class What : std::uint8_t { kNothing, kText, kNumber, kBoolean, kList, kObject, kOwn };
  What what = What::kNothing;
  const char* text = nullptr;  // of an object: its name
  double number = 0;           // of a boolean: 0 or 1
  const Kind* kind = nullptr;
  lua_CFunction function = nullptr;
};

constexpr Gives nothing() { return {}; }
constexpr Gives text(const char* value) { return {.what = Gives::What::kText, .text = value}; }
constexpr Gives number(double value) { return {.what = Gives::What::kNumber, .number = value}; }
constexpr Gives boolean(bool value) { return {.what = Gives::What::kBoolean, .number = value ? 1.0 : 0.0}; }
// A list of one text.
constexpr Gives list(const char* item) { return {.what = Gives::What::kList, .text = item}; }
// The one object of that name in the machine; by default, of the kind's.
constexpr Gives object(const Kind& kind, const char* name = nullptr) {
  return {.what = Gives::What::kObject, .text = name, .kind = &kind};
}
// What the function pushes. It finds the object as argument 1, and the others checked, with nil for what was
// left out.
constexpr Gives by(lua_CFunction function) { return {.what = Gives::What::kOwn, .function = function}; }

struct Method {
  const char* name;
  // Of each argument behind the object: s a text or a number, n a number, b a boolean, t a table, x anything
  // that is not nil, a anything. After ? it may be nil. * is any number of whatever.
  const char* takes;
  Gives gives;
};

struct Kind {
  const char* name;  // "a response handle"
  std::span<const Method> methods;
  bool is_envoys = true;          // which have logTrace to logCritical too
  lua_CFunction pairs = nullptr;  // __pairs
  void (*make)(lua_State* state) =
      nullptr;  // fills the new one on the top of the stack, which can be set still
};

// Those that all kinds of Envoy's have.
std::span<const Method> log_methods();

void push_object(lua_State* state, const Kind& kind, const char* name = nullptr);
// A new one that has no name.
void push_new_object(lua_State* state, const Kind& kind);

// The kind of the object at the index; nullptr where it is none.
const Kind* kind_of(lua_State* state, int index);

// What objects remember, under numbers.
void remember(lua_State* state, int object, int number);  // pops the value
void recall(lua_State* state, int object, int number);    // pushes it

// For methods that check an argument themselves: an error that says what it is instead.
int refuse(lua_State* state, const char* method, int argument, const char* wanted);

}  // namespace sluice::lua
