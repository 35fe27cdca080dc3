// What looking at a Lua script costs the control thread: an ordinary one, its syntax alone, and one that runs
// away.
#include <string>

#include <benchmark/benchmark.h>

#include "lua/validate.h"

namespace sluice::lua {
namespace {

constexpr const char* kOrdinary = R"lua(
local allowed = { ["GET"] = true, ["HEAD"] = true }
function envoy_on_request(request_handle)
  local headers = request_handle:headers()
  for key, value in pairs(headers) do request_handle:logDebug(key .. "=" .. value) end
  if not allowed[headers:get(":method")] then
    request_handle:respond({ [":status"] = "405" }, "no")
  end
  local first = headers:get(":path"):match("^/([^/]+)")
  headers:replace("x-first", first:gsub("[^%w_]", "-"))
end
function envoy_on_response(response_handle)
  local body = response_handle:body()
  response_handle:headers():add("x-length", body:length())
  body:setBytes(body:getBytes(0, body:length()):upper())
end
)lua";

void ask(benchmark::State& state, const char* source, Validation validation, bool is_fit) {
  for (auto _ : state) {
    if (validate(source, validation, {}).has_value() == is_fit) state.SkipWithError("another verdict");
  }
}

void BM_Strict(benchmark::State& state) { ask(state, kOrdinary, Validation::kStrict, true); }
void BM_Syntax(benchmark::State& state) { ask(state, kOrdinary, Validation::kSyntax, true); }
void BM_Endless(benchmark::State& state) {
  ask(state, "function envoy_on_request() while true do end end", Validation::kStrict, false);
}
void BM_EndlessInC(benchmark::State& state) {
  ask(state, "function envoy_on_request() local s = ('x'):rep(1e6) while true do s:upper() end end",
      Validation::kStrict, false);
}

BENCHMARK(BM_Strict)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Syntax)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Endless)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_EndlessInC)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::lua

BENCHMARK_MAIN();
