// What of Lua 5.2's syntax Envoy's LuaJIT takes and Debian's does not: statements that are a lone `;`, and
// calls whose parenthesis begins a line.
//
//     local a = 1;;      local a = 1;
//     f                  f(
//     (a)                 a)
//
// A comment right behind the function's name keeps such a parenthesis where it is.
//
// Threads: pure function.
#pragma once

#include <string>
#include <string_view>

namespace sluice::lua {

// The same script, line for line, without either. One without syntax errors means the same afterwards; of
// others anything comes out.
std::string to_lua51(std::string_view source);

}  // namespace sluice::lua
