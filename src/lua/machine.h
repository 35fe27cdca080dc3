// A Lua state for a hostile script: bounded in memory, work and depth.
//
//   memory   by the allocator: 16 MiB in all and, once the script runs, 2 MiB in one piece. What LuaJIT does
//            in C is not interrupted, so what it works on is small
//   work     steps: the instructions, counted by a hook, and what our own functions charge for theirs. That
//            is the same each time. What LuaJIT does in C is not counted; of it processor time has the last
//            word
//   depth    the C stack is measured, by the hook and by our functions that call Lua. LuaJIT bounds the Lua
//            stack
//
// Once the work is spent every instruction is an error, so no pcall goes on. What runs while a hook raises
// its error is not hooked itself: so no script has a handler there (xpcall is ours), nor userdata with __gc.
//
// The just-in-time compiler is off: compiled code is not hooked.
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include <lua.hpp>
#include <nlohmann/json.hpp>

namespace sluice::lua {

struct Kind;
struct Sandbox;

inline constexpr std::size_t kMaxMemory = 16U << 20U;
inline constexpr std::size_t kMaxPiece = 2U << 20U;
inline constexpr std::size_t kMaxSteps = 1'000'000;
inline constexpr std::int64_t kMaxMilliseconds = 50;  // of the processor
// As much is a thousand of our functions in each other. An error that passes by each takes its time.
inline constexpr std::intptr_t kMaxStack = 192 << 10;

class Machine {
 public:
  explicit Machine(const Sandbox& sandbox);
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine();

  // nullptr where there was no memory for it.
  lua_State* state() const { return state_; }
  // That of any thread of a machine.
  static Machine& of(lua_State* state);

  // From now on the script runs: it is hooked, and large pieces of memory are refused.
  void start();

  // These raise a Lua error where it is too much.
  void charge(lua_State* state, std::size_t steps);
  void check_depth(lua_State* state);
  void check_time(lua_State* state);

  bool is_spent() const { return is_spent_; }
  bool is_starved() const { return is_starved_; }
  // Where the work was spent, or 0.
  int line() const { return line_; }

  const Sandbox& sandbox() const { return *sandbox_; }
  const nlohmann::json& filter_context() const { return filter_context_; }

  // The last field that a script looked for in one of our objects, and that is not there. Our objects say nil
  // then, as Envoy's do; whether that was an error is known when the nil is called.
  struct Missed {
    const Kind* kind = nullptr;
    std::string name;
  };
  Missed missed;
  // The script has given the response itself: with Envoy nothing of it runs any more.
  bool has_responded = false;

 private:
  static void* allocate(void* self, void* old, std::size_t old_size, std::size_t size);
  static void on_count(lua_State* state, lua_Debug* where);
  [[noreturn]] void spend(lua_State* state);
  bool is_out_of_time() const;

  const Sandbox* sandbox_;
  nlohmann::json filter_context_;  // of the sandbox; an object
  lua_State* state_ = nullptr;
  std::uintptr_t bottom_ = 0;  // of the C stack
  timespec wall_start_{};
  timespec processor_start_{};
  std::size_t memory_ = 0;
  std::size_t max_piece_ = kMaxMemory;
  std::size_t steps_ = 0;
  int line_ = 0;
  bool is_spent_ = false;
  bool is_starved_ = false;
};

// The line of the script that a thread is in, or 0.
int current_line(lua_State* state);

// An argument of a function that has to be a text or a number.
std::string_view text_argument(lua_State* state, int index);

// What the script is called in LuaJIT's messages.
inline constexpr const char* kChunkName = "=script";

}  // namespace sluice::lua
