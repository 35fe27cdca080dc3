// An error of LuaJIT's or of a script's as a sentence for whoever wrote the script.
//
// Threads: those of the machine.
#pragma once

#include <string_view>

#include <lua.hpp>

#include "lua/validate.h"

namespace sluice::lua {

// `message` may begin with a place in the script, which is the line then. A name that leads nowhere is
// explained, with the nearest one there is: among the globals of the state or the methods of the object last
// asked in vain.
struct Blame {
  Failure failure;
  // Whatever values the script meets: it calls a method that Envoy's objects do not have.
  bool is_certain = false;
};
Blame blame(lua_State* state, std::string_view message, int line);

}  // namespace sluice::lua
