// `os`: the environment, and a time that stands still.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/quote.h"
#include "lua/machine.h"
#include "lua/outside.h"
#include "lua/validate.h"

namespace sluice::lua {
namespace {

int os_getenv(lua_State* state) {
  const std::string_view name = text_argument(state, 1);
  const std::vector<std::string>& allowed = Machine::of(state).sandbox().allowed_env;
  if (std::ranges::find(allowed, name) == allowed.end()) {
    {
      const std::string refusal = fmt::format(
          "`os.getenv` of {} is not allowed: lua.strictValidation.allowedEnvVars does not name it",
          quote(name));
      lua_pushlstring(state, refusal.data(), refusal.size());
    }
    return raise(state);
  }
  lua_pushstring(state, std::getenv(lua_tostring(state, 1)));  // nil where there is none
  return 1;
}

int os_remove(lua_State* state) {
  check_path(state, "os.remove", 1);
  return give_true(state);
}

int os_rename(lua_State* state) {
  check_path(state, "os.rename", 1);
  check_path(state, "os.rename", 2);
  return give_true(state);
}

int os_clock(lua_State* state) {
  lua_pushnumber(state, 0);
  return 1;
}

int os_difftime(lua_State* state) {
  lua_pushnumber(state, luaL_checknumber(state, 1) - luaL_optnumber(state, 2, 0));
  return 1;
}

int os_setlocale(lua_State* state) {
  lua_pushliteral(state, "C");
  return 1;
}

// Of the table, argument 1; without a default it has to be there.
int field(lua_State* state, const char* name, int otherwise) {
  lua_getfield(state, 1, name);
  const bool is_number = lua_isnumber(state, -1) != 0;
  constexpr lua_Integer kMost = 1'000'000;
  const auto value = static_cast<int>(std::clamp(lua_tointeger(state, -1), -kMost, kMost));
  lua_pop(state, 1);
  if (is_number) return value;
  if (otherwise < 0) luaL_error(state, "field '%s' missing in date table", name);
  return otherwise;
}

int os_time(lua_State* state) {
  if (lua_isnoneornil(state, 1)) {
    lua_pushnumber(state, kNow);
    return 1;
  }
  luaL_checktype(state, 1, LUA_TTABLE);
  std::tm date{};
  date.tm_sec = field(state, "sec", 0);
  date.tm_min = field(state, "min", 0);
  date.tm_hour = field(state, "hour", 12);
  date.tm_mday = field(state, "day", -1);
  date.tm_mon = field(state, "month", -1) - 1;
  date.tm_year = field(state, "year", -1) - 1900;
  lua_pushnumber(state, static_cast<lua_Number>(timegm(&date)));
  return 1;
}

void set_field(lua_State* state, const char* name, int value) {
  lua_pushinteger(state, value);
  lua_setfield(state, -2, name);
}

int push_date(lua_State* state, const std::tm& date) {
  lua_createtable(state, 0, 9);
  set_field(state, "sec", date.tm_sec);
  set_field(state, "min", date.tm_min);
  set_field(state, "hour", date.tm_hour);
  set_field(state, "day", date.tm_mday);
  set_field(state, "month", date.tm_mon + 1);
  set_field(state, "year", date.tm_year + 1900);
  set_field(state, "wday", date.tm_wday + 1);
  set_field(state, "yday", date.tm_yday + 1);
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "isdst");
  return 1;
}

int os_date(lua_State* state) {
  std::string_view format = lua_isnoneornil(state, 1) ? "%c" : text_argument(state, 1);
  const lua_Number seconds = luaL_optnumber(state, 2, kNow);
  // Within what has a year of four digits.
  const auto time = static_cast<std::time_t>(
      std::isfinite(seconds) ? std::clamp(seconds, -62135596800.0, 253402300799.0) : kNow);
  std::tm date{};
  gmtime_r(&time, &date);
  if (format.starts_with('!')) format.remove_prefix(1);
  if (format.starts_with("*t")) return push_date(state, date);
  luaL_Buffer buffer;
  luaL_buffinit(state, &buffer);
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      luaL_addchar(&buffer, format[i]);
      continue;
    }
    ++i;
    if (std::string_view("aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%").find(format[i]) == std::string_view::npos) {
      luaL_error(state, "`os.date` knows no conversion `%%%c`", format[i]);
    }
    const std::array<char, 3> conversion{'%', format[i], '\0'};
    std::array<char, 128> out{};
    luaL_addlstring(&buffer, out.data(), std::strftime(out.data(), out.size(), conversion.data(), &date));
  }
  luaL_pushresult(&buffer);
  return 1;
}

constexpr luaL_Reg kOs[] = {{"clock", os_clock},   {"date", os_date},           {"difftime", os_difftime},
                            {"getenv", os_getenv}, {"remove", os_remove},       {"rename", os_rename},
                            {"time", os_time},     {"setlocale", os_setlocale}, {nullptr, nullptr}};

}  // namespace

void open_os(lua_State* state) {
  lua_newtable(state);
  luaL_register(state, nullptr, kOs);
  lua_setglobal(state, "os");
}

}  // namespace sluice::lua
