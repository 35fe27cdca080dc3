// Whether a user's Lua script is fit for Envoy's Lua filter.
//
// Strict runs it: the script as a whole, as Envoy does when it loads it, then envoy_on_request and
// envoy_on_response, each with a handle that has all methods of Envoy 1.40's (api.h) and gives examples for
// values, but for the filterContext, which is the policy's own. A script passes that ends without an error.
// What only other values would lead to is not seen.
//
// A script is hostile: whoever may write a route may write one, and it runs on the control thread. So it has
// no way out of its state (library.h) but to files and variables that the operator names (outside.h), and its
// memory, work and depth are bounded (machine.h). An ordinary script takes a tenth of a millisecond, one
// that runs away at most about 60 ms (bench/lua_bench.cc).
//
// LuaJIT is what Envoy runs, and Debian's is built without the syntax of Lua 5.2 that Envoy's has: dialect.h
// makes up for it, but for __len of tables.
//
// Threads: any. The same answer each time, but for scripts that read files or variables of the environment,
// or whose work is within LuaJIT's own functions: those are stopped by processor time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::lua {

// EnvoyProxy's lua.validationType: Strict, InsecureSyntax and Disabled.
enum class Validation : std::uint8_t {
  kStrict,
  kSyntax,
  kNone,  // one of the two functions is mentioned, and the script is no bytecode
};

// What Strict lets a script see: of this machine, where files are only read, whatever the script does with
// them, and of its policy.
struct Sandbox {
  std::vector<std::string> allowed_paths;  // folders and files; some are never allowed
  std::vector<std::string> allowed_env;
  std::string filter_context;  // JSON, an object; empty: there is nothing in it
};

struct Failure {
  std::string message;  // a sentence, in lower case and without a full stop, on one line
  int line = 0;         // in the script; 0: unknown

  bool operator==(const Failure&) const = default;
};

// Longer scripts are not run, nor is their syntax checked: a failure.
inline constexpr std::size_t kMaxSource = 1U << 20U;

std::optional<Failure> validate(std::string_view source, Validation validation, const Sandbox& sandbox);

}  // namespace sluice::lua
