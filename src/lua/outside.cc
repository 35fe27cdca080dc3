#include "lua/outside.h"

#include <expected>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/quote.h"
#include "lua/files.h"
#include "lua/machine.h"

namespace sluice::lua {
namespace {

// Pushes why the path, an argument, may not be used by the function, or where it leads. True: it may.
bool push_target(lua_State* state, const char* function, int index) {
  const std::string_view path = text_argument(state, index);
  const std::expected<std::string, std::string> target = find_target(Machine::of(state).sandbox(), path);
  const std::string said =
      target ? *target : fmt::format("`{}` of {} is not allowed: {}", function, quote(path), target.error());
  lua_pushlstring(state, said.data(), said.size());
  return target.has_value();
}

}  // namespace

int raise(lua_State* state) {
  luaL_where(state, 1);
  lua_insert(state, -2);
  lua_concat(state, 2);
  return lua_error(state);
}

void check_path(lua_State* state, const char* function, int index) {
  const bool is_allowed = push_target(state, function, index);
  if (!is_allowed) raise(state);
  lua_replace(state, index);
}

int give_true(lua_State* state) {
  lua_pushboolean(state, 1);
  return 1;
}

}  // namespace sluice::lua
