// The handles that envoy_on_request and envoy_on_response get, and what they do.
#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "lua/kinds.h"
#include "lua/machine.h"

namespace sluice::lua {
namespace {

int verify_signature(lua_State* state) {
  lua_pushboolean(state, 1);
  lua_pushliteral(state, "");
  return 2;
}

int give_back(lua_State* state) {
  lua_pushvalue(state, 2);
  return 1;
}

bool is_header_value(lua_State* state, int index) {
  if (lua_isstring(state, index) != 0) return true;
  if (!lua_istable(state, index)) return false;
  for (int i = 1; i <= static_cast<int>(lua_objlen(state, index)); ++i) {
    lua_rawgeti(state, index, i);
    const bool is_text = lua_isstring(state, -1) != 0;
    lua_pop(state, 1);
    if (!is_text) return false;
  }
  return true;
}

// The headers that a script sends: a table of names with a text or a list of texts.
void check_sent_headers(lua_State* state, const char* method, int index) {
  lua_pushnil(state);
  while (lua_next(state, index) != 0) {
    if (lua_type(state, -2) != LUA_TSTRING) {
      luaL_error(state, "`%s` takes headers by their names, `{[\"x-name\"] = \"value\"}`", method);
    }
    if (!is_header_value(state, lua_gettop(state))) {
      luaL_error(state, "`%s` takes a string, or a list of strings, as the header `%s`, not a %s", method,
                 lua_tostring(state, -2), luaL_typename(state, -1));
    }
    lua_pop(state, 1);
  }
}

bool has_header(lua_State* state, int index, const char* name) {
  lua_getfield(state, index, name);
  const bool has = !lua_isnil(state, -1);
  lua_pop(state, 1);
  return has;
}

constexpr std::string_view kCallOptions[] = {"asynchronous", "timeout_ms", "trace_sampled",
                                             "return_duplicate_headers", "send_xff"};

// The options of httpCall, argument 5: true where it does not wait.
bool check_call_options(lua_State* state) {
  lua_pushnil(state);
  while (lua_next(state, 5) != 0) {
    const char* const name = lua_type(state, -2) == LUA_TSTRING ? lua_tostring(state, -2) : "1";
    if (std::ranges::find(kCallOptions, name) == std::end(kCallOptions)) {
      luaL_error(state,
                 "`%s` is no option of `httpCall`; they are `asynchronous`, `timeout_ms`, `trace_sampled`, "
                 "`return_duplicate_headers` and `send_xff`",
                 name);
    }
    if (std::string_view(name) == "timeout_ms" && lua_isnumber(state, -1) == 0) {
      luaL_error(state, "`httpCall` takes a number as `timeout_ms`, not a %s", luaL_typename(state, -1));
    }
    lua_pop(state, 1);
  }
  lua_getfield(state, 5, "asynchronous");
  const bool is_asynchronous = lua_toboolean(state, -1) != 0;
  lua_pop(state, 1);
  return is_asynchronous;
}

int http_call(lua_State* state) {
  check_sent_headers(state, "httpCall", 3);
  for (const char* const name : {":method", ":path", ":authority"}) {
    if (!has_header(state, 3, name)) luaL_error(state, "`httpCall` needs the header `%s`", name);
  }
  bool is_asynchronous = lua_toboolean(state, 6) != 0;
  if (lua_istable(state, 5)) {
    is_asynchronous = check_call_options(state);
  } else if (lua_isnumber(state, 5) == 0) {
    refuse(state, "httpCall", 4, "a timeout in milliseconds or a table of options");
  } else if (lua_tonumber(state, 5) < 0) {
    luaL_error(state, "`httpCall` takes a timeout that is not negative");
  }
  if (is_asynchronous) return 0;
  push_open_table(state);
  lua_pushliteral(state, "200");
  lua_setfield(state, -2, ":status");
  lua_pushstring(state, kExample);
  return 2;
}

// With Envoy nothing of the script runs any more. Here it does, for in another case it might have come
// further; but whether values are what it needs there, nobody knows.
int respond(lua_State* state) {
  check_sent_headers(state, "respond", 2);
  lua_getfield(state, 2, ":status");
  const bool is_number = lua_isnumber(state, -1) != 0;
  const lua_Number status = lua_tonumber(state, -1);
  if (lua_isnil(state, -1) || (is_number && (status < 200 || status > 599))) {
    luaL_error(state, "`respond` needs a header `:status` between 200 and 599");
  }
  Machine::of(state).has_responded = true;
  return 0;
}

int respond_late(lua_State* state) {
  return luaL_error(state, "`respond` is for envoy_on_request: a response cannot be replaced by another");
}

constexpr const char* kResolutions[] = {"MILLISECOND", "MICROSECOND"};  // as Envoy numbers them

// Argument 2 as a resolution: 0 where it is left out, -1 where it is none.
int resolution(lua_State* state) {
  if (lua_isnoneornil(state, 2)) return 0;
  const lua_Number value = lua_isnumber(state, 2) != 0 ? lua_tonumber(state, 2) : -1;
  return value == 0 || value == 1 ? static_cast<int>(value) : -1;
}

int timestamp(lua_State* state) {
  if (resolution(state) != 0)
    luaL_error(state, "`timestamp` takes EnvoyTimestampResolution.MILLISECOND or nothing");
  lua_pushnumber(state, 1767225600000.0);
  return 1;
}

int timestamp_string(lua_State* state) {
  const int chosen = resolution(state);
  if (chosen < 0) {
    luaL_error(state,
               "`timestampString` takes EnvoyTimestampResolution.MILLISECOND, .MICROSECOND or nothing");
  }
  lua_pushstring(state, chosen == 0 ? "1767225600000" : "1767225600000000");
  return 1;
}

// The methods of a handle: both have the same, but each its own headers and body.
constexpr auto handle_methods(const Kind& headers, const char* body, const char* trailers,
                              lua_CFunction responder) {
  return std::to_array<Method>({{"base64Decode", "s", by(give_back)},
                                {"base64Escape", "s", by(give_back)},
                                {"body", "?a", object(kBody, body)},
                                {"bodyChunks", "", by(iterate_chunks)},
                                {"clearRouteCache", "", nothing()},
                                {"connection", "", object(kConnection)},
                                {"connectionStreamInfo", "", object(kConnectionStreamInfo)},
                                {"filterContext", "", object(kFilterContext, "filter context")},
                                {"headers", "", object(headers)},
                                {"httpCall", "st?sx?b", by(http_call)},
                                {"importPublicKey", "sn", object(kPublicKey)},
                                {"metadata", "", object(kMetadata)},
                                {"requestHeaders", "", object(kRequestHeaders)},
                                {"respond", "t?s", by(responder)},
                                {"route", "", object(kRoute)},
                                {"setUpstreamOverrideHost", "s?b", nothing()},
                                {"stats", "", object(kStats)},
                                {"streamInfo", "", object(kStreamInfo)},
                                {"timestamp", "?a", by(timestamp)},
                                {"timestampString", "?a", by(timestamp_string)},
                                {"trailers", "", object(kTrailers, trailers)},
                                {"verifySignature", "sssnsn", by(verify_signature)},
                                {"virtualHost", "", object(kVirtualHost)}});
}

constexpr auto kRequestMethods = handle_methods(kRequestHeaders, "request body", "request trailers", respond);
constexpr auto kResponseMethods =
    handle_methods(kResponseHeaders, "response body", "response trailers", respond_late);

}  // namespace

constinit const Kind kRequestHandle{"a request handle", kRequestMethods};
constinit const Kind kResponseHandle{"a response handle", kResponseMethods};

void open_resolutions(lua_State* state) {
  lua_newtable(state);
  for (int i = 0; i < static_cast<int>(std::size(kResolutions)); ++i) {
    lua_pushinteger(state, i);
    lua_setfield(state, -2, kResolutions[i]);
  }
  lua_setglobal(state, "EnvoyTimestampResolution");
}

}  // namespace sluice::lua
