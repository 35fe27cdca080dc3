// The API that Envoy 1.40's Lua filter gives to scripts, with examples for values.
//
// The methods, what they take, and which of them fail are those of the pinned Envoy, looked up in it:
// test/lua/envoy_api.py asks it for the names. Methods that take time return at once. What a script sets,
// headers and dynamic metadata, it finds again; any other header has the value `example_value`.
//
// Threads: those of the machine.
#pragma once

#include <span>

#include <lua.hpp>

#include "lua/object.h"

namespace sluice::lua {

// The globals besides Lua's.
void open_api(lua_State* state);

// What the two functions get.
extern const Kind kRequestHandle;
extern const Kind kResponseHandle;

// All kinds of objects that Envoy has.
std::span<const Kind* const> envoy_kinds();

}  // namespace sluice::lua
