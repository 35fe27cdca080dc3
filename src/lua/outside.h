// `os` and `io`, and what of this machine they reach: files that files.h allows, for reading, and the
// sandbox's variables of the environment.
//
// A file that a script writes is none: it takes what is written, and nothing has changed afterwards. So with
// os.remove and os.rename. But all of them are errors outside the allowed paths.
//
// The time is always the same, in UTC, so that a verdict is. What would do something to the process is not
// there: os.execute, os.exit, os.tmpname, io.popen, io.tmpfile.
//
// Threads: those of the machine.
#pragma once

#include <lua.hpp>

namespace sluice::lua {

// May raise a Lua error: of memory.
void open_os(lua_State* state);
void open_io(lua_State* state);

// What time it is, in seconds since the epoch.
inline constexpr double kNow = 1767225600;

// For both of them. Raises the sentence on the top of the stack, with its place.
int raise(lua_State* state);
// Replaces the path, an argument of the function, by where it leads, or raises why it may not be used.
void check_path(lua_State* state, const char* function, int index);
int give_true(lua_State* state);

}  // namespace sluice::lua
