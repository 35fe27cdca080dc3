#include "lua/validate.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <lua.hpp>

#include "lua/api.h"
#include "lua/blame.h"
#include "lua/dialect.h"
#include "lua/library.h"
#include "lua/machine.h"

namespace sluice::lua {
namespace {

constexpr const char* kRequestFunction = "envoy_on_request";
constexpr const char* kResponseFunction = "envoy_on_response";
constexpr std::string_view kNoFunction = "expected a function `envoy_on_request` or `envoy_on_response`";
// LuaJIT compares each label with each goto of its function.
constexpr std::size_t kMaxLabels = 1000;
// LuaJIT reads as much of a script between two looks at the clock.
constexpr std::size_t kReadAtOnce = 1024;

int line_of(std::string_view source, std::size_t at) {
  return static_cast<int>(std::ranges::count(source.substr(0, at), '\n')) + 1;
}

// As LuaJIT tells it from source: behind a byte order mark and a first line of a shell.
bool is_bytecode(std::string_view source) {
  if (source.starts_with("\xEF\xBB\xBF")) source.remove_prefix(3);
  if (source.starts_with('#')) source.remove_prefix(std::min(source.find_first_of("\r\n"), source.size()));
  return source.substr(std::min(source.find_first_not_of("\r\n"), source.size()))
      .starts_with(LUA_SIGNATURE[0]);
}

// What is wrong with a script before it is looked into.
std::optional<Failure> check_text(std::string_view source) {
  if (source.size() > kMaxSource) {
    return Failure{fmt::format("a script has at most {} bytes, and this one {}", kMaxSource, source.size())};
  }
  if (const std::size_t at = source.find('\0'); at != std::string_view::npos) {
    return Failure{"there is a NUL character, and Envoy would not read on", line_of(source, at)};
  }
  std::size_t labels = 0;
  for (std::size_t at = source.find("::"); at != std::string_view::npos; at = source.find("::", at + 2)) {
    if (++labels > kMaxLabels * 2)
      return Failure{fmt::format("a script has at most {} labels", kMaxLabels), line_of(source, at)};
  }
  return std::nullopt;
}

struct Reader {
  Machine* machine;
  std::string_view rest;
};

const char* read_piece(lua_State* state, void* data, std::size_t* size) {
  Reader& reader = *static_cast<Reader*>(data);
  reader.machine->check_time(state);
  const std::string_view piece = reader.rest.substr(0, kReadAtOnce);
  reader.rest.remove_prefix(piece.size());
  *size = piece.size();
  return piece.data();
}

// ---- what happens within the state ---------------------------------------------------------------

struct Run {
  Machine machine;
  std::string_view source;
  Validation validation;
  // What went wrong: LuaJIT's words, and the line. From an error in the midst of it, when the stack is still
  // there.
  std::string message;
  int line = 0;
  std::optional<Failure> failure;
  bool is_certain = false;
};

Run& run_of(lua_State* state, int index) { return *static_cast<Run*>(lua_touserdata(state, index)); }

// Pushes the script as a function, or fails.
bool load(lua_State* state, Run* run, std::string_view source) {
  Reader reader{&run->machine, source};
  if (lua_loadx(state, read_piece, &reader, kChunkName, "t") == 0) return true;
  std::size_t size = 0;
  const char* const message = lua_tolstring(state, -1, &size);
  if (!run->failure) run->failure = blame(state, {message, size}, 0).failure;
  lua_pop(state, 1);
  return false;
}

bool load_either(lua_State* state, Run* run) {
  if (load(state, run, run->source)) return true;
  const std::string plain = to_lua51(run->source);
  if (run->machine.is_spent() || plain == run->source || !load(state, run, plain)) return false;
  run->failure.reset();
  return true;
}

// The message handler: remembers the error, whatever it is. Its upvalue is the Run.
int note_error(lua_State* state) {
  Run& run = run_of(state, lua_upvalueindex(1));
  run.line = current_line(state);
  if (lua_isstring(state, 1) != 0) {
    std::size_t size = 0;
    const char* const message = lua_tolstring(state, 1, &size);
    run.message.assign(message, std::min<std::size_t>(size, 1000));
  } else {
    run.message = fmt::format("the script raises a {} as an error", luaL_typename(state, 1));
  }
  return 1;
}

// Calls the function below the arguments on the top of the stack, and leaves its results there.
bool call(lua_State* state, Run* run, int arguments, int results) {
  const int function = lua_gettop(state) - arguments;
  lua_pushlightuserdata(state, run);
  lua_pushcclosure(state, note_error, 1);
  lua_insert(state, function);
  run->machine.missed = {};
  if (lua_pcall(state, arguments, results, function) != 0) {
    Blame blamed = blame(state, run->message, run->line);
    run->failure = std::move(blamed.failure);
    run->is_certain = blamed.is_certain;
    lua_settop(state, function - 1);
    return false;
  }
  lua_remove(state, function);
  return !run->machine.is_spent() && !run->machine.is_starved();
}

int get_global(lua_State* state) {
  lua_getglobal(state, lua_tostring(state, 1));
  return 1;
}

// Pushes the global, or nil; what else it may be is a failure. To look for it may be an error of the
// script's: Envoy would end by it.
bool push_function(lua_State* state, Run* run, const char* name) {
  lua_pushcfunction(state, get_global);
  lua_pushstring(state, name);
  if (!call(state, run, 1, 1)) return false;
  if (lua_isfunction(state, -1) || lua_isnil(state, -1)) return true;
  run->failure = Failure{fmt::format("`{}` is a {}, not a function", name, luaL_typename(state, -1))};
  return false;
}

bool handle(lua_State* state, Run* run, const char* function, const Kind& handle_kind, bool* is_there) {
  if (!push_function(state, run, function)) return false;
  if (lua_isnil(state, -1)) return true;
  *is_there = true;
  push_object(state, handle_kind);
  run->machine.has_responded = false;
  if (call(state, run, 1, 0)) return true;
  // Once it has responded only what never works counts.
  if (!run->machine.has_responded || run->is_certain) return false;
  run->failure.reset();
  return true;
}

// In protected mode: what raises an error here is memory that is short.
int run_protected(lua_State* state) {
  Run& run = run_of(state, 1);
  lua_settop(state, 0);
  if (!load_either(state, &run) || run.validation == Validation::kSyntax) return 0;
  open_library(state);
  open_api(state);  // the script is on the top of the stack still
  run.machine.start();
  bool is_any_there = false;
  if (call(state, &run, 0, 0) && handle(state, &run, kRequestFunction, kRequestHandle, &is_any_there) &&
      handle(state, &run, kResponseFunction, kResponseHandle, &is_any_there) && !is_any_there) {
    run.failure = Failure{std::string(kNoFunction)};
  }
  return 0;
}

// "table: 0x7f3a52c0" becomes "table: 0x…": it is another one each time, and nobody's business.
void hide_addresses(std::string& message) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr std::size_t kFewest = 6;  // of an address; less is the script's own number
  for (std::size_t at = message.find("0x"); at != message.npos; at = message.find("0x", at + 2)) {
    const std::size_t end = std::min(message.find_first_not_of(kDigits, at + 2), message.size());
    if (end - at - 2 >= kFewest) message.replace(at + 2, end - at - 2, "…");
  }
}

}  // namespace

std::optional<Failure> validate(std::string_view source, Validation validation, const Sandbox& sandbox) {
  if (is_bytecode(source)) return Failure{"compiled Lua is not accepted: a script is a text"};
  if (!source.contains(kRequestFunction) && !source.contains(kResponseFunction)) {
    return Failure{std::string(kNoFunction)};
  }
  if (validation == Validation::kNone) return std::nullopt;
  if (std::optional<Failure> failure = check_text(source)) return failure;

  Run run{
      .machine = Machine(sandbox), .source = source, .validation = validation, .message = {}, .failure = {}};
  Machine& machine = run.machine;
  const bool is_run = machine.state() != nullptr && lua_cpcall(machine.state(), run_protected, &run) == 0;
  if (machine.is_spent()) return Failure{"the script runs too long", machine.line()};
  if (machine.is_starved() || !is_run) {
    return Failure{fmt::format("the script needs more than {} MiB of memory, or {} MiB in one piece",
                               kMaxMemory >> 20U, kMaxPiece >> 20U)};
  }
  // A script may make up what looks like a place.
  if (run.failure && run.failure->line > line_of(source, source.size())) run.failure->line = 0;
  if (run.failure) hide_addresses(run.failure->message);
  return run.failure;
}

}  // namespace sluice::lua
