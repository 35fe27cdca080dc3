// What a script finds in its globals: Lua's library, as far as it neither leaves the state nor works without
// bounds.
//
// As in Envoy but for
//   load, loadstring, loadfile, dofile, require, module, package    code that nobody has looked at
//   debug, jit, newproxy, string.dump                               the state itself
//   os, io                                                          see outside.h
// which are nil. setmetatable, rawset, getfenv and such, which Envoy Gateway takes away, are there: they lead
// nowhere. What LuaJIT does in C without an end, or calls Lua from, is ours: patterns, string.rep,
// table.insert, table.sort, tostring, xpcall. So is what Envoy's LuaJIT has from Lua 5.2 and Debian's has
// not: pairs that asks __pairs, table.pack, table.unpack, rawlen. print and collectgarbage do nothing.
//
// Threads: those of the machine.
#pragma once

#include <string>
#include <string_view>

#include <lua.hpp>

namespace sluice::lua {

// May raise a Lua error: of memory.
void open_library(lua_State* state);

// What a script calls in vain, `require` or `execute`, by its whole name, `os.execute`; empty where it is
// nothing that Envoy has.
std::string_view lacks(std::string_view name);

// text.cc: find, match, gmatch, gsub and rep into the table `string` on the top of the stack.
void open_text(lua_State* state);

}  // namespace sluice::lua
