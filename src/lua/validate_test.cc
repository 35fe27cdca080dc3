#include "lua/validate.h"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "lua/machine.h"

namespace sluice::lua {
namespace {

std::string said(std::string_view source, Validation validation = Validation::kStrict,
                 const Sandbox& sandbox = {}) {
  const std::optional<Failure> failure = validate(source, validation, sandbox);
  return failure ? fmt::format("{}: {}", failure->line, failure->message) : "fit";
}

// A script whose envoy_on_request is this: the first line is line 2.
std::string on_request(std::string_view body) {
  return fmt::format("function envoy_on_request(request_handle)\n{}\nend\n", body);
}
std::string on_response(std::string_view body) {
  return fmt::format("function envoy_on_response(response_handle)\n{}\nend\n", body);
}

// ---- modes ---------------------------------------------------------------------------------------

TEST(Validate, AScriptWithEitherFunctionIsFit) {
  EXPECT_EQ(said(on_request("request_handle:logInfo('hello')")), "fit");
  EXPECT_EQ(said(on_response("response_handle:headers():add('x-lua', 'FOO')")), "fit");
}

TEST(Validate, OneOfTheFunctionsHasToBeThere) {
  const std::string expected = "0: expected a function `envoy_on_request` or `envoy_on_response`";
  const std::string other = "function other(handle) end";
  for (const Validation validation : {Validation::kStrict, Validation::kSyntax, Validation::kNone}) {
    EXPECT_EQ(said(other, validation), expected);
    EXPECT_EQ(said("", validation), expected);
  }
  EXPECT_EQ(said("-- envoy_on_request\n" + other), expected);
  EXPECT_EQ(said("local function envoy_on_request() end"), expected);
  EXPECT_EQ(said("envoy_on_request = {}"), "0: `envoy_on_request` is a table, not a function");
}

TEST(Validate, SyntaxDoesNotRunTheScript) {
  const std::string wrong = on_request("request_handle:unknownApi()");
  EXPECT_EQ(said(wrong, Validation::kSyntax), "fit");
  EXPECT_EQ(said(on_request("if value > 5\nprint(1)"), Validation::kSyntax),
            "3: 'then' expected near 'print'");
  EXPECT_EQ(said(on_request("if true then"), Validation::kSyntax),
            "4: 'end' expected (to close 'function' at line 1) near '<eof>'");
}

TEST(Validate, NoneTakesWhatIsWrong) {
  EXPECT_EQ(said("function envoy_on_request( end", Validation::kNone), "fit");
}

TEST(Validate, BytecodeIsRefusedAlways) {
  const std::string expected = "0: compiled Lua is not accepted: a script is a text";
  for (const Validation validation : {Validation::kStrict, Validation::kSyntax, Validation::kNone}) {
    EXPECT_EQ(said("\x1BLJ\x02 envoy_on_request", validation), expected);
    EXPECT_EQ(said("\xEF\xBB\xBF\x1BLJ envoy_on_request", validation), expected);
    EXPECT_EQ(said("#!/bin/lua\n\x1BLJ envoy_on_request", validation), expected);
  }
}

TEST(Validate, ANulWouldEndTheScriptInEnvoy) {
  const std::string source = on_request("local a = 1") + std::string("\0error()", 8);
  EXPECT_EQ(said(source), "4: there is a NUL character, and Envoy would not read on");
  EXPECT_EQ(said(source, Validation::kSyntax), "4: there is a NUL character, and Envoy would not read on");
}

// Scripts of Envoy Gateway's recorded cases, and its verdicts.
TEST(Validate, VerdictsAreEnvoyGateways) {
  EXPECT_EQ(said("function envoy_on_request(request_handle) request_handle:logInfo('Goodbye.') end"), "fit");
  EXPECT_EQ(said("function envoy_on_response(response_handle) response_handle:logWarn('Goodbye.') end"),
            "fit");
  EXPECT_EQ(said("function envoy_on_response(response_handle) response_handle:UnknownApi() end"),
            "1: `UnknownApi` is no method of a response handle");
  EXPECT_EQ(said("function non_existing_function(request_handle) request_handle:logInfo('Goodbye.') end"),
            "0: expected a function `envoy_on_request` or `envoy_on_response`");
  EXPECT_EQ(said("function envoy_on_response(response_handle)\n"
                 "  local content_type = response_handle:headers():get('content-type')\n"
                 "  if content_type and string.find(content_type, 'application/json', 1, true) then\n"
                 "    response_handle:body():setBytes(0, response_handle:body():length())\n"
                 "    response_handle:UnknownApi()\n"
                 "    local parsed_json = json.decode(response_handle:body():getBytes(0, 1))\n"
                 "  end\n"
                 "  return envoy.lua.ResponseStatus.Continue\n"
                 "end"),
            "8: there is no global `envoy`");
  const std::string without_then = on_response("local value = 10\nif value > 5\nprint('greater')\nend");
  EXPECT_EQ(said(without_then), "4: 'then' expected near 'print'");
  EXPECT_EQ(said(without_then, Validation::kNone), "fit");
}

TEST(Validate, WhatEnvoyGatewayDeniesAndHarmsNobodyIsThere) {
  EXPECT_EQ(said(on_request(
                "local class = setmetatable({}, {__index = {size = 3}})\n"
                "assert(class.size == 3 and rawget(class, 'size') == nil and _G.string == string)\n"
                "assert(getmetatable(class) and rawset(class, 'size', 4).size == 4 and getfenv(0) == _G)")),
            "fit");
}

TEST(Validate, APlaceThatAScriptMakesUpIsNone) {
  EXPECT_EQ(said(on_request("error('script:77: lost', 0)")), "0: lost");
}

TEST(Validate, BothFunctionsAndTheScriptItselfShareTheirState) {
  EXPECT_EQ(said("counter = 1\n" + on_request("counter = counter + 1") + on_response("assert(counter == 2)")),
            "fit");
  EXPECT_EQ(said("local x = nil + 1\n" + on_request("")), "1: attempt to perform arithmetic on a nil value");
}

TEST(Validate, SyntaxOfLua52ThatEnvoyTakesIsFit) {
  EXPECT_EQ(said(on_request("local a = 1;;\nlocal f = function(x) return x end\nlocal b = f\n(a)")), "fit");
  EXPECT_EQ(said(on_request("local a = 1;;\nlocal b = = 2")), "2: unexpected symbol near ';'");
  EXPECT_EQ(said(on_request("local a = 1;;\nlocal b = nil .. 'x'")), "3: attempt to concatenate a nil value");
}

TEST(Validate, WhatEnvoysLuaJITHasFromLua52IsThere) {
  EXPECT_EQ(
      said(on_request("assert(table.pack(1, nil).n == 2 and table.unpack({7}) == 7 and rawlen({1, 2}) == 2)\n"
                      "local seen\n"
                      "local t = setmetatable({}, {__pairs = function() return next, {k = 1}, nil end})\n"
                      "for k in pairs(t) do seen = k end\n"
                      "assert(seen == 'k')")),
      "fit");
}

// ---- errors as sentences -------------------------------------------------------------------------

TEST(Validate, AnUnknownMethodIsNamedWithTheNearest) {
  EXPECT_EQ(said(on_response("response_handle:UnknownApi()")),
            "2: `UnknownApi` is no method of a response handle");
  EXPECT_EQ(said(on_request("request_handle:httpPostCall()")),
            "2: `httpPostCall` is no method of a request handle");
  EXPECT_EQ(said(on_request("request_handle:log_info('x')")),
            "2: `log_info` is no method of a request handle; did you mean `logInfo`?");
  EXPECT_EQ(said(on_request("request_handle:headers():getAll('x')")),
            "2: `getAll` is no method of a request headers object");
  EXPECT_EQ(said(on_request("request_handle:streamInfo():dynamicMetaData():get('x')")),
            "2: `dynamicMetaData` is no method of a stream info object; did you mean `dynamicMetadata`?");
}

TEST(Validate, WhatIsLookedForAndNotThereIsNil) {
  EXPECT_EQ(said(on_request("if request_handle.unknownApi then request_handle:unknownApi() end")), "fit");
  EXPECT_EQ(said(on_request("assert(request_handle:filterContext()['mode'] == nil)")), "fit");
}

TEST(Validate, TheContextOfTheFilterIsThePolicys) {
  const Sandbox sandbox{
      .allowed_paths = {},
      .allowed_env = {},
      .filter_context = R"({"limit": 2, "list": ["a", true], "of": {"deep": "b"}, "no": null})"};
  const auto with_context = [&](std::string_view body) {
    return said(on_request(fmt::format("local c = request_handle:filterContext()\n{}", body)),
                Validation::kStrict, sandbox);
  };
  EXPECT_EQ(with_context("assert(c:get('limit') + 1 == 3 and c:get('list')[1] == 'a' and c:get('list')[2])"),
            "fit");
  EXPECT_EQ(with_context("assert(c:get('of').deep == 'b' and c:get('no') == nil and c:get('other') == nil)"),
            "fit");
  EXPECT_EQ(with_context("local n = 0 for name, value in pairs(c) do n = n + 1 end assert(n == 3)"), "fit");
  EXPECT_EQ(with_context("return c:get('limits') + 1"), "3: attempt to perform arithmetic on a nil value");
  EXPECT_EQ(said(on_request("assert(request_handle:filterContext():get('limit') == nil)")), "fit");
}

TEST(Validate, AContextThatIsTooMuchForAScriptIsAFailure) {
  std::string deep = "1";
  for (int i = 0; i < 5'000; ++i) deep = "[" + deep + "]";
  const Sandbox sandbox{
      .allowed_paths = {}, .allowed_env = {}, .filter_context = fmt::format("{{\"deep\": {}}}", deep)};
  EXPECT_NE(said(on_request("request_handle:filterContext():get('deep')"), Validation::kStrict, sandbox),
            "fit");
}

TEST(Validate, AnUnknownGlobalIsNamedWithTheNearest) {
  EXPECT_EQ(said(on_response("return envoy.lua.ResponseStatus.Continue")), "2: there is no global `envoy`");
  EXPECT_EQ(said(on_request("strng.find('a', 'b')")),
            "2: there is no global `strng`; did you mean `string`?");
  EXPECT_EQ(said("function helper() end\n" + on_request("helpr()")),
            "3: there is no global `helpr`; did you mean `helper`?");
}

TEST(Validate, WhatTheSandboxLacksIsNamed) {
  EXPECT_EQ(said(on_request("require('cjson')")),
            "2: `require` is not available to scripts under Strict validation");
  EXPECT_EQ(said(on_request("os.execute('true')")),
            "2: `os.execute` is not available to scripts under Strict validation");
  for (const char* const call :
       {"load('x')", "loadstring('x')", "loadfile('x')", "dofile('x')", "module('x')", "package.loadlib('x')",
        "debug.getregistry()", "jit.on()", "newproxy(true)", "os.exit(0)", "os.tmpname()", "io.popen('x')",
        "io.tmpfile()", "string.dump(print)"}) {
    EXPECT_THAT(said(on_request(call)),
                testing::EndsWith("is not available to scripts under Strict validation"))
        << call;
  }
  EXPECT_EQ(
      said(on_request("assert(ffi == nil and jit == nil and _G.package == nil and getfenv(0).debug == nil)")),
      "fit");
}

TEST(Validate, AnErrorThatHasAnAddressInItIsTheSameEachTime) {
  EXPECT_EQ(said(on_request("error(tostring({}) .. '!')")), "2: table: 0x…!");
  EXPECT_EQ(said(on_request("error(string.format('%p and 0x2a', print))")), "2: 0x… and 0x2a");
}

TEST(Validate, AnErrorThatIsNoTextIsTold) {
  EXPECT_EQ(said(on_request("error({})")), "2: the script raises a table as an error");
  EXPECT_EQ(said(on_request("error()")), "2: the script raises a nil as an error");
  EXPECT_EQ(said(on_request("error(print)")), "2: the script raises a function as an error");
  EXPECT_EQ(said(on_request("error(7, 0)")), "2: 7");
  EXPECT_EQ(said(on_request("error('no key')")), "2: no key");
}

TEST(Validate, AMessageIsOneLineOfUTF8) {
  EXPECT_EQ(said(on_request("error('a\\nb\\27[2J\\200\\0ü', 0)")), "2: a b\\x1b[2J\\xc8\\x00ü");
  EXPECT_EQ(said(on_request("error('\\250\\135\\135\\135', 0)")), "2: \\xfa\\x87\\x87\\x87");
  const std::string long_one = said(on_request("error(('x'):rep(5000), 0)"));
  EXPECT_LT(long_one.size(), 420U);
  EXPECT_THAT(long_one, testing::EndsWith("…"));
}

TEST(Validate, ALineIsThatOfTheErrorNotOfTheCaller) {
  EXPECT_EQ(said("local function broken()\n  local x\n  return x.y\nend\n" + on_request("broken()")),
            "3: attempt to index local 'x' (a nil value)");
  EXPECT_EQ(said(on_request("local co = coroutine.wrap(function()\n  error('inside')\nend)\nco()")),
            "3: inside");
}

TEST(Validate, ACaughtErrorIsNone) {
  EXPECT_EQ(said(on_request("assert(not pcall(error, 'x'))")), "fit");
  EXPECT_EQ(
      said(on_request("assert(select(2, xpcall(error, function(e) return e .. '!' end, 'x')) == 'x!')")),
      "fit");
}

TEST(Validate, ToLookForAGlobalMayFail) {
  EXPECT_EQ(
      said("setmetatable(_G, {__index = function(_, name) error('no ' .. name, 0) end})\n" + on_request("")),
      "1: no envoy_on_response");
}

// ---- limits --------------------------------------------------------------------------------------

double processor_milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

struct Hostile {
  const char* name;
  const char* body;  // of envoy_on_request
  const char* said;  // how its failure begins, behind the line; "fit"
};

constexpr const char* kTooLong = "the script runs too long";
constexpr const char* kTooMuch = "the script needs more than 16 MiB of memory";

const Hostile kHostile[] = {
    {"AnEndlessLoop", "while true do end", kTooLong},
    {"AnEndlessLoopInACoroutine", "coroutine.wrap(function() while true do end end)()", kTooLong},
    {"AnEndlessLoopInAResumedCoroutine",
     "coroutine.resume(coroutine.create(function() while true do end end))", kTooLong},
    {"CaughtErrors", "while true do pcall(function() while true do end end) end", kTooLong},
    {"CaughtErrorsWithAHandler",
     "while true do xpcall(function() while true do end end, function() while true do end end) end",
     kTooLong},
    {"HandlersOfHandlers", "local function h() xpcall(error, h) end xpcall(error, h)", "fit"},
    {"CoroutinesForever", "while true do coroutine.wrap(function() coroutine.yield() end)() end", kTooLong},
    {"StringsForever", "local s = '' while true do s = s .. 'x' end", kTooLong},
    {"GarbageForever", "while true do local t = {{}, {}, {}} end", kTooLong},
    {"CollectForever", "while true do collectgarbage() end", kTooLong},
    {"UpperForever", "local s = ('x'):rep(500000) while true do s:upper() end", kTooLong},
    {"ConcatForever", "local t = {} for i = 1, 30000 do t[i] = i end while true do table.concat(t) end",
     kTooLong},
    {"NextForever",
     "local t = {} for i = 1, 20000 do t['k' .. i] = 1 end for k in pairs(t) do t[k] = nil end "
     "while true do next(t) end",
     kTooLong},
    {"APatternThatBacktracks", "local s = ('a'):rep(200) string.find(s, ('a*'):rep(20) .. 'b')", kTooLong},
    {"APatternWithALongSet", "string.find(('a'):rep(100000), '[' .. ('b'):rep(100000) .. ']*c')", kTooLong},
    {"APatternOfOptionalItems", "string.find(('a'):rep(60), ('a?'):rep(60) .. ('a'):rep(60))", kTooLong},
    {"APatternOfManyParts", "string.find('x', ('a?'):rep(100000))", "fit"},
    {"APatternTooDeep", "string.find(('a'):rep(1000), ('a?'):rep(1000))", "pattern too complex"},
    {"Balance", "while true do string.find(('('):rep(10000), '%b()') end", kTooLong},
    {"GsubForever", "while true do string.gsub(('a'):rep(100000), 'a', '') end", kTooLong},
    {"GsubThatGrows", "string.gsub(('a'):rep(100000), 'a', ('b'):rep(100000))", kTooMuch},
    {"GsubInGsub", "local function f() return (string.gsub('a', 'a', f)) end f()", "stack overflow"},
    {"ABigString", "local s = ('x'):rep(1e9)", "`string.rep` makes a text of more than 2 MiB"},
    {"ABigStringOfNothing", "local s = (''):rep(1e9)", "fit"},
    {"ABigStringOfSeparators", "local s = (''):rep(1e9, 'x')",
     "`string.rep` makes a text of more than 2 MiB"},
    {"DoubledStrings", "local s = 'x' while true do s = s .. s end", kTooMuch},
    {"ABigTable", "local t = {} for i = 1, 1e9 do t[i] = {} end", "the script "},  // either limit
    {"MemoryThatIsCaught",
     "local t = {} while true do pcall(function() for i = 1, 1e9 do t[#t + 1] = {} end end) end", kTooLong},
    {"ALongUnpack", "unpack({}, 1, 1e8)", "too many results to unpack"},
    {"DeepRecursion", "local function f() return 1 + f() end f()", "stack overflow"},
    {"DeepRecursionThatIsCaught", "local function f() return pcall(f) end f()", "fit"},
    {"EndlessTailCalls", "local function f() return f() end f()", kTooLong},
    {"DeepCoroutines", "local function f() return coroutine.wrap(f)() end f()", "stack overflow"},
    {"TostringOfTostring", "tostring(setmetatable({}, {__tostring = tostring}))", "stack overflow"},
    {"TostringInFormat",
     "local t = setmetatable({}, {}) getmetatable(t).__tostring = function() return "
     "string.format('%s', t) end tostring(t)",
     "stack overflow"},
    {"PairsOfPairs", "pairs(setmetatable({}, {__pairs = pairs}))", "stack overflow"},
    {"ForeachOfForeach", "local t = {} t[t] = table.foreach table.foreach(t, table.foreach)",
     "[builtin:foreach]:0: stack overflow"},
    {"AnIndexOfItself", "local t = {} setmetatable(t, {__index = t}) local x = t.x", "loop in gettable"},
    {"ACallOfItself", "local t = setmetatable({}, {}) getmetatable(t).__call = t t()",
     "attempt to call local 't' (a table value)"},
    {"InsertFarBelow", "table.insert({}, -2147483648, 1)", kTooLong},
    {"InsertForever", "local t = {} for i = 1, 50000 do table.insert(t, 1, i) end", kTooLong},
    {"SortForever", "local t = {} for i = 1, 30000 do t[i] = -i end while true do table.sort(t) end",
     kTooLong},
    {"SortByPcall", "local t = {} for i = 1, 30000 do t[i] = -i end while true do table.sort(t, pcall) end",
     kTooLong},
    {"SortWithoutOrder", "table.sort({3, 2, 1, 5, 4}, function() return true end)", "fit"},
    {"SortInSort", "local function f() table.sort({1, 2}, f) end f()", "stack overflow"},
    {"RemoveForever",
     "local t = {} for i = 1, 60000 do t[i] = i end while true do table.remove(t, 1) t[60000] = 1 end",
     kTooLong},
    {"FinalizersOfTables", "setmetatable({}, {__gc = function() while true do end end})", "fit"},
    {"FinalizersOfHandles", "getmetatable(request_handle).__gc = function() while true do end end", "fit"},
    {"FinalizersOfMethods",
     "getmetatable(getmetatable(request_handle)).__gc = function() while true do end end", "fit"},
    {"FinalizersOfStrings", "getmetatable('').__gc = function() while true do end end", "fit"},
    {"CoroutinesThatNeverEnd",
     "for i = 1, 1000 do coroutine.resume(coroutine.create(function() coroutine.yield() end)) end", "fit"},
    {"AYield", "coroutine.yield()", "attempt to yield across C-call boundary"},
    {"FormatOfWidth", "string.format('%999999999d', 1)", "invalid option '%999' to 'format'"},
    {"DatesForever", "while true do os.date(('%c'):rep(1000)) end", kTooLong},
    {"ChunksForever", "while true do for chunk in request_handle:bodyChunks() do chunk:setBytes('x') end end",
     kTooLong},
    {"HeadersForever", "while true do request_handle:headers():replace('x', 'y') end", kTooLong},
    {"AReplacedLibrary", "string.rep = nil table.sort = nil pcall = nil local x = ('x').rep", "fit"},
};

class HostileScript : public testing::TestWithParam<Hostile> {};

TEST_P(HostileScript, IsStoppedSoon) {
  const std::string source = on_request(GetParam().body);
  const double start = processor_milliseconds();
  const std::string result = said(source);
  const double took = processor_milliseconds() - start;
  EXPECT_THAT(result.substr(result.find(": ") == std::string::npos ? 0 : result.find(": ") + 2),
              testing::StartsWith(GetParam().said));
  std::printf("%s: %.1f ms\n", GetParam().name, took);
#ifndef SLUICE_SLOW
  EXPECT_LT(took, 4'000);
#endif
}

INSTANTIATE_TEST_SUITE_P(All, HostileScript, testing::ValuesIn(kHostile),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace sluice::lua
