// What a stream carries: headers, bodies and metadata. What a script sets it finds again.
#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "lua/kinds.h"
#include "lua/machine.h"

namespace sluice::lua {
namespace {

// What objects remember.
constexpr int kValues = 101;       // headers and metadata: a table
constexpr int kIsIterating = 102;  // headers
constexpr int kText = 103;         // a body

// ---- tables of examples --------------------------------------------------------------------------

int give_example(lua_State* state) {
  lua_pushstring(state, kExample);
  return 1;
}

// ---- headers -------------------------------------------------------------------------------------

// Pushes the name, argument 2, in lower case.
void push_name(lua_State* state) {
  std::size_t size = 0;
  const char* const name = lua_tolstring(state, 2, &size);
  luaL_Buffer buffer;
  luaL_buffinit(state, &buffer);
  for (const char c : std::string_view(name, size)) {
    luaL_addchar(&buffer, c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  luaL_pushresult(&buffer);
}

// Pushes the value of the header: nil where it was removed, and an example where it never was set.
int get_header(lua_State* state) {
  recall(state, 1, kValues);
  push_name(state);
  lua_rawget(state, -2);
  if (lua_isnil(state, -1)) return give_example(state);
  if (!lua_toboolean(state, -1)) lua_pushnil(state);
  return 1;
}

int get_header_at(lua_State* state) {
  if (lua_tointeger(state, 3) != 0) {
    lua_pushnil(state);
    return 1;
  }
  return get_header(state);
}

int count_header(lua_State* state) {
  get_header(state);
  lua_pushinteger(state, lua_isnil(state, -1) ? 0 : 1);
  return 1;
}

void set_header(lua_State* state) {  // to the value on the top of the stack
  recall(state, 1, kIsIterating);
  if (lua_toboolean(state, -1) != 0)
    luaL_error(state, "headers cannot be changed while pairs() goes through them");
  lua_pop(state, 1);
  recall(state, 1, kValues);
  push_name(state);
  lua_pushvalue(state, -3);
  lua_rawset(state, -3);
}

int put_header(lua_State* state) {
  lua_settop(state, 3);
  lua_tostring(state, 3);  // a number becomes a text
  set_header(state);
  return 0;
}

int remove_header(lua_State* state) {
  lua_pushboolean(state, 0);
  set_header(state);
  return 0;
}

// The iterator: its upvalues are the headers, their values and the last name.
int next_header(lua_State* state) {
  for (;;) {
    lua_pushvalue(state, lua_upvalueindex(3));
    if (lua_next(state, lua_upvalueindex(2)) == 0) break;
    lua_pushvalue(state, -2);
    lua_replace(state, lua_upvalueindex(3));
    if (lua_isstring(state, -1) != 0) return 2;
    lua_pop(state, 2);
  }
  lua_pushnil(state);
  remember(state, lua_upvalueindex(1), kIsIterating);
  return 0;
}

int iterate_headers(lua_State* state) {
  recall(state, 1, kIsIterating);
  if (lua_toboolean(state, -1) != 0) {
    luaL_error(
        state,
        "an earlier pairs() of these headers has not come to its end: leave no loop over headers early");
  }
  lua_pushboolean(state, 1);
  remember(state, 1, kIsIterating);
  lua_pushvalue(state, 1);
  recall(state, 1, kValues);
  lua_pushnil(state);
  lua_pushcclosure(state, next_header, 3);
  return 1;
}

constexpr Method kHeaderMethods[] = {
    {"add", "ss", by(put_header)},           {"get", "s", by(get_header)},
    {"getAtIndex", "sn", by(get_header_at)}, {"getNumValues", "s", by(count_header)},
    {"remove", "s", by(remove_header)},      {"replace", "ss", by(put_header)},
    {"setHttp1ReasonPhrase", "s", nothing()}};

struct Field {
  const char* name;
  const char* value;
};

void make_headers(lua_State* state, std::initializer_list<Field> fields) {
  lua_newtable(state);
  for (const Field& field : fields) {
    lua_pushstring(state, field.value);
    lua_setfield(state, -2, field.name);
  }
  remember(state, -2, kValues);
}

void make_request_headers(lua_State* state) {
  make_headers(state, {{":authority", "www.example.com"},
                       {":method", "GET"},
                       {":path", "/example_value"},
                       {":scheme", "https"},
                       {"x-example", kExample}});
}

void make_response_headers(lua_State* state) {
  make_headers(state, {{":status", "200"}, {"x-example", kExample}});
}
void make_trailers(lua_State* state) { make_headers(state, {{"x-example", kExample}}); }

// ---- bodies --------------------------------------------------------------------------------------

int get_length(lua_State* state) {
  recall(state, 1, kText);
  lua_pushinteger(state, static_cast<lua_Integer>(lua_objlen(state, -1)));
  return 1;
}

// What is asked for and not there is left out: how long a real body is nobody knows.
int get_bytes(lua_State* state) {
  const lua_Integer begin = lua_tointeger(state, 2);
  const lua_Integer count = lua_tointeger(state, 3);
  if (begin < 0 || count < 0)
    luaL_error(state, "`getBytes` takes an index and a length that are not negative");
  recall(state, 1, kText);
  std::size_t size = 0;
  const char* const bytes = lua_tolstring(state, -1, &size);
  const std::size_t from = std::min(static_cast<std::size_t>(begin), size);
  lua_pushlstring(state, bytes + from, std::min(static_cast<std::size_t>(count), size - from));
  return 1;
}

int set_bytes(lua_State* state) {
  lua_settop(state, 2);
  lua_pushinteger(state, static_cast<lua_Integer>(lua_objlen(state, 2)));
  lua_insert(state, 2);
  remember(state, 1, kText);
  return 1;
}

constexpr Method kBodyMethods[] = {
    {"getBytes", "nn", by(get_bytes)}, {"length", "", by(get_length)}, {"setBytes", "s", by(set_bytes)}};

void make_body(lua_State* state) {
  lua_pushstring(state, kExample);
  remember(state, -2, kText);
}

int next_chunk(lua_State* state) {
  const lua_Integer left = lua_tointeger(state, lua_upvalueindex(1));
  if (left == 0) return 0;
  lua_pushinteger(state, left - 1);
  lua_replace(state, lua_upvalueindex(1));
  push_new_object(state, kBody);
  return 1;
}

// ---- metadata ------------------------------------------------------------------------------------

// As `next`, which a script may have replaced.
int next_pair(lua_State* state) {
  luaL_checktype(state, 1, LUA_TTABLE);
  lua_settop(state, 2);
  if (lua_next(state, 1) != 0) return 2;
  lua_pushnil(state);
  return 1;
}

int push_table_iterator(lua_State* state) {  // over the table on the top of the stack
  lua_pushcfunction(state, next_pair);
  lua_insert(state, -2);
  lua_pushnil(state);
  return 3;
}

int iterate_metadata(lua_State* state) {
  lua_newtable(state);
  lua_pushstring(state, kExample);
  lua_setfield(state, -2, "example_key");
  return push_table_iterator(state);
}

constexpr Method kMetadataMethods[] = {{"get", "s", text(kExample)}};

void make_values(lua_State* state) {
  lua_newtable(state);
  remember(state, -2, kValues);
}

int get_dynamic_metadata(lua_State* state) {
  recall(state, 1, kValues);
  lua_pushvalue(state, 2);
  lua_rawget(state, -2);
  if (!lua_isnil(state, -1)) return 1;
  push_open_table(state);
  return 1;
}

// A value of a context as Envoy gives it: null is nil, all numbers are of one kind.
void push_value(lua_State* state, const nlohmann::json& value) {
  Machine::of(state).check_depth(state);
  luaL_checkstack(state, 4, "the context of the filter is too deep");
  switch (value.type()) {
    case nlohmann::json::value_t::string: {
      const auto& text = value.get_ref<const std::string&>();
      lua_pushlstring(state, text.data(), text.size());
      return;
    }
    case nlohmann::json::value_t::boolean:
      lua_pushboolean(state, value.get<bool>() ? 1 : 0);
      return;
    case nlohmann::json::value_t::number_integer:
    case nlohmann::json::value_t::number_unsigned:
    case nlohmann::json::value_t::number_float:
      lua_pushnumber(state, value.get<double>());
      return;
    case nlohmann::json::value_t::array:
      lua_newtable(state);
      for (std::size_t i = 0; i < value.size(); ++i) {
        push_value(state, value[i]);
        lua_rawseti(state, -2, static_cast<int>(i) + 1);
      }
      return;
    case nlohmann::json::value_t::object:
      lua_newtable(state);
      for (const auto& [name, member] : value.get_ref<const nlohmann::json::object_t&>()) {
        lua_pushlstring(state, name.data(), name.size());
        push_value(state, member);
        lua_rawset(state, -3);
      }
      return;
    default:
      lua_pushnil(state);
  }
}

// Of what is not there Envoy gives nothing, not even nil.
int get_from_context(lua_State* state) {
  const nlohmann::json& context = Machine::of(state).filter_context();
  std::size_t size = 0;
  const char* const name = lua_tolstring(state, 2, &size);
  const auto member = context.find(std::string_view(name, size));
  if (member == context.end()) return 0;
  push_value(state, *member);
  return 1;
}

int iterate_context(lua_State* state) {
  push_value(state, Machine::of(state).filter_context());
  return push_table_iterator(state);
}

constexpr Method kFilterContextMethods[] = {{"get", "s", by(get_from_context)}};

bool is_plain(lua_State* state, int index) {
  switch (lua_type(state, index)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TNUMBER:
    case LUA_TSTRING:
    case LUA_TTABLE:
      return true;
    default:
      return false;
  }
}

int set_dynamic_metadata(lua_State* state) {
  if (!is_plain(state, 4)) return refuse(state, "set", 3, "a string, a number, a boolean or a table");
  recall(state, 1, kValues);
  lua_pushvalue(state, 2);
  lua_rawget(state, -2);
  if (!lua_istable(state, -1)) {  // a script may have put anything there, by pairs()
    lua_pop(state, 1);
    lua_newtable(state);
    lua_pushvalue(state, 2);
    lua_pushvalue(state, -2);
    lua_rawset(state, -4);
  }
  lua_pushvalue(state, 3);
  lua_pushvalue(state, 4);
  lua_rawset(state, -3);
  return 0;
}

int iterate_dynamic_metadata(lua_State* state) {
  recall(state, 1, kValues);
  return push_table_iterator(state);
}

constexpr Method kDynamicMetadataMethods[] = {{"get", "s", by(get_dynamic_metadata)},
                                              {"set", "ssa", by(set_dynamic_metadata)}};
constexpr Method kConnectionMetadataMethods[] = {{"get", "s", by(get_dynamic_metadata)}};

}  // namespace

void push_open_table(lua_State* state) {
  lua_newtable(state);
  if (luaL_newmetatable(state, "open end") != 0) {
    lua_pushcfunction(state, give_example);
    lua_setfield(state, -2, "__index");
  }
  lua_setmetatable(state, -2);
}

int iterate_chunks(lua_State* state) {
  lua_pushinteger(state, 2);
  lua_pushcclosure(state, next_chunk, 1);
  return 1;
}

int get_typed_metadata(lua_State* state) {
  push_open_table(state);
  return 1;
}

constinit const Kind kRequestHeaders{"a request headers object", kHeaderMethods, true, iterate_headers,
                                     make_request_headers};
constinit const Kind kResponseHeaders{"a response headers object", kHeaderMethods, true, iterate_headers,
                                      make_response_headers};
constinit const Kind kTrailers{"a trailers object", kHeaderMethods, true, iterate_headers, make_trailers};
constinit const Kind kBody{"a buffer", kBodyMethods, true, nullptr, make_body};
constinit const Kind kMetadata{"a metadata object", kMetadataMethods, true, iterate_metadata};
constinit const Kind kFilterContext{"a metadata object", kFilterContextMethods, true, iterate_context};
constinit const Kind kDynamicMetadata{"a dynamic metadata object", kDynamicMetadataMethods, true,
                                      iterate_dynamic_metadata, make_values};
constinit const Kind kConnectionMetadata{"a dynamic metadata object of a connection",
                                         kConnectionMetadataMethods, true, iterate_dynamic_metadata,
                                         make_values};

}  // namespace sluice::lua
