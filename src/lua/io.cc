// `io`: files that are texts.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <string>
#include <string_view>

#include "lua/files.h"
#include "lua/machine.h"
#include "lua/object.h"
#include "lua/outside.h"

namespace sluice::lua {
namespace {

// ---- files ---------------------------------------------------------------------------------------

// What a file remembers.
constexpr int kText = 101;
constexpr int kAt = 102;  // from 0

struct Rest {
  std::string_view text;  // from where the file is at
  std::size_t at = 0;
};

Rest rest_of(lua_State* state, int file) {
  recall(state, file, kText);
  recall(state, file, kAt);
  std::size_t size = 0;
  const char* const text = lua_tolstring(state, -2, &size);
  const std::size_t at = std::min(static_cast<std::size_t>(lua_tointeger(state, -1)), size);
  lua_pop(state, 2);  // the file keeps the text
  return {{text + at, size - at}, at};
}

void move_to(lua_State* state, int file, std::size_t at) {
  lua_pushinteger(state, static_cast<lua_Integer>(at));
  remember(state, file, kAt);
}

void push_nil_where(lua_State* state, bool is_end, std::string_view text) {
  if (is_end) {
    lua_pushnil(state);
  } else {
    lua_pushlstring(state, text.data(), text.size());
  }
}

void read_line(lua_State* state, int file, bool with_end) {
  const Rest rest = rest_of(state, file);
  const std::size_t end = rest.text.find('\n');
  const bool is_last = end == std::string_view::npos;
  move_to(state, file, rest.at + (is_last ? rest.text.size() : end + 1));
  push_nil_where(state, rest.text.empty(), rest.text.substr(0, is_last || !with_end ? end : end + 1));
}

void read_all(lua_State* state, int file) {
  const Rest rest = rest_of(state, file);
  move_to(state, file, rest.at + rest.text.size());
  lua_pushlstring(state, rest.text.data(), rest.text.size());
}

void read_bytes(lua_State* state, int file, lua_Integer count) {
  const Rest rest = rest_of(state, file);
  const std::size_t size =
      std::min(static_cast<std::size_t>(std::max<lua_Integer>(count, 0)), rest.text.size());
  move_to(state, file, rest.at + size);
  push_nil_where(state, rest.text.empty(), rest.text.substr(0, size));
}

void read_number(lua_State* state, int file) {
  const Rest rest = rest_of(state, file);
  char* end = nullptr;
  const double value = std::strtod(rest.text.data(), &end);  // Lua's texts end with a NUL
  if (end == rest.text.data()) {
    lua_pushnil(state);
    return;
  }
  move_to(state, file, rest.at + static_cast<std::size_t>(end - rest.text.data()));
  lua_pushnumber(state, value);
}

// Pushes what the format, an argument, asks for.
void read_format(lua_State* state, int file, int format) {
  if (lua_type(state, format) == LUA_TNUMBER) return read_bytes(state, file, lua_tointeger(state, format));
  const std::string_view name = text_argument(state, format);
  switch (name.starts_with('*') && name.size() > 1 ? name[1] : ' ') {
    case 'a':
      return read_all(state, file);
    case 'l':
    case 'L':
      return read_line(state, file, name[1] == 'L');
    case 'n':
      return read_number(state, file);
    default:
      luaL_argerror(state, format, "invalid format");
  }
}

// Reads by the arguments from `first` on, a line where there are none; how many values.
int read_formats(lua_State* state, int file, int first) {
  const int last = lua_gettop(state);
  if (last < first) {
    read_line(state, file, false);
    return 1;
  }
  luaL_checkstack(state, last, "too many arguments");
  for (int i = first; i <= last; ++i) read_format(state, file, i);
  return last - first + 1;
}

int file_read(lua_State* state) { return read_formats(state, 1, 2); }

int next_line(lua_State* state) {
  lua_pushvalue(state, lua_upvalueindex(1));
  read_line(state, lua_gettop(state), false);
  return 1;
}

int push_lines(lua_State* state) {  // of the file on the top of the stack
  lua_pushcclosure(state, next_line, 1);
  return 1;
}

int file_lines(lua_State* state) {
  lua_settop(state, 1);
  return push_lines(state);
}

int file_write(lua_State* state) {
  for (int i = 2; i <= lua_gettop(state); ++i) luaL_checkstring(state, i);
  lua_settop(state, 1);
  return 1;
}

int file_seek(lua_State* state) {
  const std::string_view whence = luaL_optstring(state, 2, "cur");
  constexpr lua_Integer kMost = kMaxFile;
  const lua_Integer offset = std::clamp(luaL_optinteger(state, 3, 0), -kMost, kMost);
  const Rest rest = rest_of(state, 1);
  const std::size_t size = rest.at + rest.text.size();
  const std::size_t from = whence == "set" ? 0 : whence == "end" ? size : rest.at;
  const lua_Integer to =
      std::clamp(static_cast<lua_Integer>(from) + offset, lua_Integer{0}, static_cast<lua_Integer>(size));
  move_to(state, 1, static_cast<std::size_t>(to));
  lua_pushinteger(state, to);
  return 1;
}

void make_file(lua_State* state) {
  lua_pushliteral(state, "");
  remember(state, -2, kText);
  lua_pushinteger(state, 0);
  remember(state, -2, kAt);
}

constexpr Method kFileMethods[] = {{"close", "", boolean(true)},    {"flush", "", boolean(true)},
                                   {"lines", "", by(file_lines)},   {"read", "*", by(file_read)},
                                   {"seek", "?s?n", by(file_seek)}, {"setvbuf", "?a?a", boolean(true)},
                                   {"write", "*", by(file_write)}};
constexpr Kind kFile{"a file", kFileMethods, false, nullptr, make_file};

// ---- io ------------------------------------------------------------------------------------------

// Pushes a file with the text of the target, an argument, or nil and what is wrong. How many.
int push_file(lua_State* state, int index) {
  push_new_object(state, kFile);
  const std::expected<std::string, int> text = read_target(lua_tostring(state, index));
  if (text) {
    lua_pushlstring(state, text->data(), text->size());
    remember(state, -2, kText);
    return 1;
  }
  lua_pushnil(state);
  lua_pushfstring(state, "%s: %s", lua_tostring(state, index), std::strerror(text.error()));
  lua_pushinteger(state, text.error());
  return 3;
}

int io_open(lua_State* state) {
  const std::string_view mode = luaL_optstring(state, 2, "r");
  check_path(state, "io.open", 1);
  if (mode.starts_with('r')) return push_file(state, 1);
  push_new_object(state, kFile);
  return 1;
}

// io.input and io.output: the file that io.read and io.write use from now on.
int choose(lua_State* state, const char* function, const char* name) {
  lua_settop(state, 1);
  if (lua_type(state, 1) == LUA_TSTRING) {
    check_path(state, function, 1);
    if (push_file(state, 1) != 1) {
      lua_pop(state, 1);
      return raise(state);
    }
    lua_replace(state, 1);
  }
  if (lua_isnil(state, 1)) {
    lua_getfield(state, LUA_REGISTRYINDEX, name);
    if (lua_isnil(state, -1)) push_object(state, kFile, name);
    return 1;
  }
  if (kind_of(state, 1) != &kFile) return luaL_argerror(state, 1, "a file or its name expected");
  lua_pushvalue(state, 1);
  lua_setfield(state, LUA_REGISTRYINDEX, name);
  return 1;
}

int io_input(lua_State* state) { return choose(state, "io.input", "stdin"); }
int io_output(lua_State* state) { return choose(state, "io.output", "stdout"); }

void push_input(lua_State* state) {
  lua_pushcfunction(state, io_input);
  lua_call(state, 0, 1);
}

int io_read(lua_State* state) {
  push_input(state);
  lua_insert(state, 1);
  return read_formats(state, 1, 2);
}

int io_lines(lua_State* state) {
  if (lua_isnoneornil(state, 1)) {
    push_input(state);
    return push_lines(state);
  }
  check_path(state, "io.lines", 1);
  if (push_file(state, 1) != 1) {
    lua_pop(state, 1);
    return raise(state);
  }
  return push_lines(state);
}

int io_write(lua_State* state) {
  for (int i = 1; i <= lua_gettop(state); ++i) luaL_checkstring(state, i);
  push_object(state, kFile, "stdout");
  return 1;
}

int io_type(lua_State* state) {
  luaL_checkany(state, 1);
  if (kind_of(state, 1) == &kFile) {
    lua_pushliteral(state, "file");
  } else {
    lua_pushnil(state);
  }
  return 1;
}

constexpr luaL_Reg kIo[] = {{"close", give_true}, {"flush", give_true}, {"input", io_input},
                            {"lines", io_lines},  {"open", io_open},    {"output", io_output},
                            {"read", io_read},    {"type", io_type},    {"write", io_write},
                            {nullptr, nullptr}};

}  // namespace

void open_io(lua_State* state) {
  lua_newtable(state);
  luaL_register(state, nullptr, kIo);
  for (const char* const name : {"stdin", "stdout", "stderr"}) {
    push_object(state, kFile, name);
    lua_setfield(state, -2, name);
  }
  lua_setglobal(state, "io");
}

}  // namespace sluice::lua
