#include "lua/blame.h"

#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/closest.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "lua/library.h"
#include "lua/machine.h"
#include "lua/object.h"

namespace sluice::lua {
namespace {

constexpr std::size_t kMaxMessage = 400;  // bytes

// "script:3: " at the beginning.
std::optional<int> take_place(std::string_view* message) {
  const std::string_view name = std::string_view(kChunkName).substr(1);
  std::string_view rest = *message;
  if (!rest.starts_with(name) || rest.substr(name.size(), 1) != ":") return std::nullopt;
  rest.remove_prefix(name.size() + 1);
  int line = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), line);
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  if (error != std::errc() || line <= 0 || !rest.starts_with(": ")) return std::nullopt;
  *message = rest.substr(2);
  return line;
}

// What LuaJIT says of a nil that is called, or looked into: "attempt to call method 'sendd' (a nil value)".
struct Vain {
  std::string_view kind;  // global, method, field, local, upvalue
  std::string_view name;
};

std::optional<Vain> parse_vain(std::string_view message) {
  constexpr std::string_view kVerbs[] = {"attempt to call ", "attempt to index "};
  for (const std::string_view verb : kVerbs) {
    if (!message.starts_with(verb)) continue;
    const std::string_view rest = message.substr(verb.size());
    const std::size_t open = rest.find(" '");
    const std::size_t close = rest.find("' (a nil value)");
    if (open == std::string_view::npos || close == std::string_view::npos || close < open + 2) continue;
    return Vain{rest.substr(0, open), rest.substr(open + 2, close - open - 2)};
  }
  return std::nullopt;
}

std::vector<std::string_view> globals_of(lua_State* state) {
  std::vector<std::string_view> names;
  if (lua_checkstack(state, 3) == 0) return names;
  lua_pushnil(state);
  while (lua_next(state, LUA_GLOBALSINDEX) != 0) {
    lua_pop(state, 1);
    std::size_t size = 0;
    if (lua_type(state, -1) != LUA_TSTRING) continue;
    const char* const name = lua_tolstring(state, -1, &size);
    names.emplace_back(name, size);
  }
  return names;
}

std::vector<std::string_view> methods_of(const Kind& kind) {
  std::vector<std::string_view> names;
  for (const Method& method : kind.methods) names.emplace_back(method.name);
  if (kind.is_envoys) {
    for (const Method& method : log_methods()) names.emplace_back(method.name);
  }
  return names;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string_view>& candidates) {
  const std::string_view near = closest(name, candidates);
  return near.empty() ? "" : "; " + sluice::did_you_mean(near);
}

// Where the nil is a method that an object of Envoy's does not have.
std::string explain_method(lua_State* state, const Vain& vain) {
  const Machine::Missed& missed = Machine::of(state).missed;
  if (missed.kind == nullptr || missed.name != vain.name || vain.kind == "global") return "";
  return fmt::format("{} is no method of {}{}", quote(vain.name), missed.kind->name,
                     did_you_mean(vain.name, methods_of(*missed.kind)));
}

std::string explain_other(lua_State* state, const Vain& vain) {
  const bool is_global = vain.kind == "global";
  if (const std::string_view whole = lacks(vain.name); !whole.empty() && is_global != whole.contains('.')) {
    return fmt::format("`{}` is not available to scripts under Strict validation", whole);
  }
  if (!is_global) return "";
  return fmt::format("there is no global {}{}", quote(vain.name), did_you_mean(vain.name, globals_of(state)));
}

// Whether a terminal would obey it: U+0000 to U+001F, U+007F to U+009F. `character` is UTF-8.
bool is_control(std::string_view character) {
  const auto byte = [character](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  return byte(0) < 0x20 || byte(0) == 0x7F || (byte(0) == 0xC2 && byte(1) < 0xA0);
}

// On one line, in UTF-8, without what a terminal would obey, and not too long.
std::string readable(std::string_view message) {
  std::string result;
  for (std::size_t i = 0; i < message.size();) {
    if (result.size() >= kMaxMessage) return result + "…";
    const std::size_t size = utf8_size(message.substr(i));
    if (size > 0 && !is_control(message.substr(i, size))) {
      result += message.substr(i, size);
      i += size;
      continue;
    }
    if (std::string_view("\n\r\t").contains(message[i])) {
      result += ' ';
    } else {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(message[i]));
    }
    ++i;
  }
  return result;
}

}  // namespace

Blame blame(lua_State* state, std::string_view message, int line) {
  // An error that leaves a coroutine has both places.
  while (const std::optional<int> place = take_place(&message)) line = *place;
  const std::optional<Vain> vain = parse_vain(message);
  const std::string of_method = vain ? explain_method(state, *vain) : "";
  const std::string other = vain ? explain_other(state, *vain) : "";
  const std::string_view best = !of_method.empty() ? of_method : !other.empty() ? other : message;
  return {.failure = {readable(best), line}, .is_certain = !of_method.empty()};
}

}  // namespace sluice::lua
