#include "lua/machine.h"

#include <cstdlib>
#include <cstring>

#include <nlohmann/json.hpp>

#include "lua/validate.h"

namespace sluice::lua {
namespace {

// Instructions between two looks at the clock. One of them may take as long as a function of LuaJIT's with a
// piece of kMaxPiece: a millisecond.
constexpr int kHookEvery = 10;
// The clock that costs little has ticks of several milliseconds.
constexpr std::int64_t kLookAfter = kMaxMilliseconds / 2;

// To look for the line in more would take the square of that: each look begins at the top.
constexpr int kMaxLevels = 100;

std::int64_t milliseconds_since(clockid_t clock, const timespec& start) {
  timespec now{};
  clock_gettime(clock, &now);
  return (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1'000'000;
}

std::uintptr_t stack_pointer() { return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)); }

}  // namespace

Machine::Machine(const Sandbox& sandbox)
    : sandbox_(&sandbox),
      filter_context_(nlohmann::json::parse(sandbox.filter_context, nullptr, false)),
      bottom_(stack_pointer()) {
  if (!filter_context_.is_object()) filter_context_ = nlohmann::json::object();
  clock_gettime(CLOCK_MONOTONIC_COARSE, &wall_start_);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &processor_start_);
  state_ = lua_newstate(allocate, this);
  if (state_ != nullptr) luaJIT_setmode(state_, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
}

Machine::~Machine() {
  if (state_ != nullptr) lua_close(state_);
}

Machine& Machine::of(lua_State* state) {
  void* self = nullptr;
  lua_getallocf(state, &self);
  return *static_cast<Machine*>(self);
}

void Machine::start() {
  max_piece_ = kMaxPiece;
  lua_sethook(state_, on_count, LUA_MASKCOUNT, kHookEvery);
}

void* Machine::allocate(void* self, void* old, std::size_t old_size, std::size_t size) {
  Machine& machine = *static_cast<Machine*>(self);
  if (size == 0) {
    std::free(old);
    machine.memory_ -= old_size;
    return nullptr;
  }
  const std::size_t memory = machine.memory_ - old_size + size;
  const bool is_too_much = size > old_size && (memory > kMaxMemory || size > machine.max_piece_);
  void* const piece = is_too_much ? nullptr : std::realloc(old, size);
  if (piece == nullptr) {
    machine.is_starved_ = true;
    return nullptr;
  }
  machine.memory_ = memory;
  return piece;
}

void Machine::on_count(lua_State* state, lua_Debug*) {
  Machine& machine = of(state);
  machine.charge(state, kHookEvery);
  machine.check_depth(state);
  machine.check_time(state);
}

void Machine::charge(lua_State* state, std::size_t steps) {
  steps_ = steps > kMaxSteps ? kMaxSteps + 1 : steps_ + steps;
  if (is_spent_ || steps_ > kMaxSteps) spend(state);
}

void Machine::check_depth(lua_State* state) {
  const auto depth = static_cast<std::intptr_t>(bottom_ - stack_pointer());
  if (depth > kMaxStack) luaL_error(state, "stack overflow");
}

void Machine::check_time(lua_State* state) {
  if (is_out_of_time()) spend(state);
}

bool Machine::is_out_of_time() const {
  return milliseconds_since(CLOCK_MONOTONIC_COARSE, wall_start_) > kLookAfter &&
         milliseconds_since(CLOCK_THREAD_CPUTIME_ID, processor_start_) > kMaxMilliseconds;
}

void Machine::spend(lua_State* state) {
  if (!is_spent_) line_ = current_line(state);
  is_spent_ = true;
  lua_sethook(state_, on_count, LUA_MASKCOUNT, 1);
  luaL_error(state, "the script runs too long");
  std::abort();  // luaL_error does not return, but does not say so
}

int current_line(lua_State* state) {
  lua_Debug frame{};
  for (int level = 0; level < kMaxLevels && lua_getstack(state, level, &frame) == 1; ++level) {
    if (lua_getinfo(state, "Sl", &frame) != 0 && frame.currentline > 0 &&
        std::strcmp(frame.source, kChunkName) == 0) {
      return frame.currentline;
    }
  }
  return 0;
}

std::string_view text_argument(lua_State* state, int index) {
  std::size_t size = 0;
  const char* const text = luaL_checklstring(state, index, &size);
  return {text, size};
}

}  // namespace sluice::lua
