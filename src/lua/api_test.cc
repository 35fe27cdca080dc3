#include "lua/api.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "lua/validate.h"

namespace sluice::lua {
namespace {

std::string said(const std::string& source) {
  const std::optional<Failure> failure = validate(source, Validation::kStrict, {});
  return failure ? failure->message : "fit";
}

std::string on_request(std::string_view body) {
  return said(fmt::format("function envoy_on_request(h) {} end", body));
}
std::string on_response(std::string_view body) {
  return said(fmt::format("function envoy_on_response(h) {} end", body));
}

// ---- what there is -------------------------------------------------------------------------------

// test/lua/envoy_api.txt, which test/lua/envoy_api.py has from Envoy: "a request handle: base64Decode …".
std::map<std::string, std::set<std::string>> methods_of_envoy() {
  std::map<std::string, std::set<std::string>> result;
  std::ifstream file("test/lua/envoy_api.txt");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with('#') || colon == std::string::npos) continue;
    std::istringstream words(line.substr(colon + 2));
    for (std::string word; words >> word;) result[line.substr(0, colon)].insert(word);
  }
  return result;
}

TEST(Api, HasTheMethodsThatEnvoyHas) {
  std::map<std::string, std::set<std::string>> ours;
  for (const Kind* const kind : envoy_kinds()) {
    for (const Method& method : kind->methods) ours[kind->name].insert(method.name);
    for (const Method& method : log_methods()) ours[kind->name].insert(method.name);
    if (kind->pairs != nullptr) ours[kind->name].insert("__pairs");
  }
  const auto envoys = methods_of_envoy();
  EXPECT_GT(envoys.size(), 20U);
  EXPECT_EQ(ours, envoys);
}

TEST(Api, EveryMethodCanBeCalled) {
  const std::map<char, std::string> examples{{'s', "'x'"}, {'n', "1"},   {'b', "true"},
                                             {'t', "{}"},  {'x', "100"}, {'a', "nil"}};
  // How to come from a handle `h` to each kind.
  const std::map<std::string, std::string> ways{
      {"a request headers object", "h:requestHeaders()"},
      {"a trailers object", "h:trailers()"},
      {"a buffer", "h:body()"},
      {"a metadata object", "h:metadata()"},
      {"a dynamic metadata object", "h:streamInfo():dynamicMetadata()"},
      {"a dynamic metadata object of a connection", "h:connectionStreamInfo():dynamicMetadata()"},
      {"a filter state object", "h:streamInfo():filterState()"},
      {"a parsed name", "h:connection():ssl():parsedSubjectPeerCertificate()"},
      {"an SSL connection object", "h:streamInfo():downstreamSslConnection()"},
      {"a connection object", "h:connection()"},
      {"a stream info object", "h:streamInfo()"},
      {"a stream info object of a connection", "h:connectionStreamInfo()"},
      {"a virtual host object", "h:virtualHost()"},
      {"a route object", "h:route()"},
      {"a counter", "h:stats():counter('a')"},
      {"a gauge", "h:stats():gauge('a')"},
      {"a histogram", "h:stats():histogram('a')"},
      {"a stats object", "h:stats()"},
      {"a public key", "h:importPublicKey('', 0)"}};
  const std::set<std::string> with_more{"httpCall", "respond", "timestamp", "timestampString"};
  for (const Kind* const kind : envoy_kinds()) {
    const bool is_response = std::string_view(kind->name).starts_with("a response");
    const std::string way = std::string_view(kind->name).ends_with("handle") ? "h"
                            : is_response                                    ? "h:headers()"
                                                                             : ways.at(kind->name);
    for (const Method& method : kind->methods) {
      if (with_more.contains(method.name)) continue;
      std::string arguments;
      for (const char* takes = method.takes; *takes != '\0'; ++takes) {
        if (*takes != '?') arguments += (arguments.empty() ? "" : ", ") + examples.at(*takes);
      }
      const std::string call = fmt::format("{}:{}({})", way, method.name, arguments);
      EXPECT_EQ(is_response ? on_response(call) : on_request(call), "fit") << call;
    }
  }
}

// ---- what methods refuse, as Envoy does ------------------------------------------------------------

TEST(Api, ArgumentsHaveTypes) {
  EXPECT_EQ(on_request("h:logInfo()"), "`logInfo` takes a string as its argument 1, not nil");
  EXPECT_EQ(on_request("h:logInfo({})"), "`logInfo` takes a string as its argument 1, not a table");
  EXPECT_EQ(on_request("h:logInfo(7)"), "fit");
  EXPECT_EQ(on_request("h:headers():add('a')"), "`add` takes a string as its argument 2, not nil");
  EXPECT_EQ(on_request("h:headers():add('a', true)"),
            "`add` takes a string as its argument 2, not a boolean");
  EXPECT_EQ(on_request("h:body():getBytes(0)"), "`getBytes` takes a number as its argument 2, not nil");
  EXPECT_EQ(on_request("h:setUpstreamOverrideHost('192.0.2.1:80', 1)"),
            "`setUpstreamOverrideHost` takes a boolean as its argument 2, not a number");
  EXPECT_EQ(on_request("h:verifySignature('SHA256', h:importPublicKey('k', 1), 's', 1, 'd', 1)"),
            "`verifySignature` takes a string as its argument 2, not a public key");
  EXPECT_EQ(on_request("h:verifySignature('SHA256', h:importPublicKey('k', 1):get(), 's', 1, 'd', 1)"),
            "fit");
}

TEST(Api, AMethodIsCalledWithAColon) {
  EXPECT_EQ(on_request("h.headers()"),
            "`headers` is a method of a request handle: call it as `object:headers()`, with a colon");
  EXPECT_EQ(on_request("h:headers().get('x')"),
            "`get` is a method of a request headers object: call it as `object:get()`, with a colon");
}

TEST(Api, ObjectsAreNoTables) {
  EXPECT_EQ(on_request("h.x = 1"), "a request handle has no fields that can be set");
  EXPECT_EQ(on_request("for k in pairs(h) do end"),
            "a request handle has nothing that pairs() could go through");
  EXPECT_EQ(on_request("assert(type(h) == 'userdata' and not pcall(rawset, h, 1, 1) and not pcall(next, h))"),
            "fit");
  EXPECT_EQ(on_request("assert(not pcall(setmetatable, h, {}) and getmetatable(h).headers == h.headers)"),
            "fit");
  EXPECT_EQ(
      on_request("local next = pairs(h:metadata()) assert(not pcall(next, h) and not pcall(next, {}, 'x'))"),
      "fit");
}

TEST(Api, HeadersAreNotChangedWhileTheyAreGoneThrough) {
  EXPECT_EQ(on_request("for k in pairs(h:headers()) do h:headers():remove(k) end"),
            "headers cannot be changed while pairs() goes through them");
  EXPECT_EQ(on_request("for k in pairs(h:headers()) do break end for k in pairs(h:headers()) do end"),
            "an earlier pairs() of these headers has not come to its end: leave no loop over headers early");
  EXPECT_EQ(on_request("for k, v in pairs(h:headers()) do h:logInfo(k .. v) end h:headers():add('a', 'b')"),
            "fit");
}

TEST(Api, RespondIsForRequestsAndNeedsAStatus) {
  EXPECT_EQ(on_request("h:respond({[':status'] = '403', ['x'] = {'a', 'b'}}, 'nope')"), "fit");
  EXPECT_EQ(on_request("h:respond({[':status'] = 403})"), "fit");
  EXPECT_EQ(on_request("h:respond({})"), "`respond` needs a header `:status` between 200 and 599");
  EXPECT_EQ(on_request("h:respond({[':status'] = '100'})"),
            "`respond` needs a header `:status` between 200 and 599");
  EXPECT_EQ(on_request("h:respond('403')"), "`respond` takes a table as its argument 1, not a string");
  EXPECT_EQ(on_request("h:respond({[':status'] = '403', x = true})"),
            "`respond` takes a string, or a list of strings, as the header `x`, not a boolean");
  EXPECT_EQ(on_request("h:respond({':status', '403'})"),
            "`respond` takes headers by their names, `{[\"x-name\"] = \"value\"}`");
  EXPECT_EQ(on_response("h:respond({[':status'] = '403'})"),
            "`respond` is for envoy_on_request: a response cannot be replaced by another");
}

TEST(Api, BehindRespondOnlyWhatNeverWorksCounts) {
  const std::string respond = "h:respond({[':status'] = '403'}) ";
  EXPECT_EQ(on_request(respond + "local x = nil .. 'x'"), "fit");
  EXPECT_EQ(
      on_request(respond +
                 "local token = h:headers():get('authorization'):match('Bearer (.+)') h:logInfo(token)"),
      "fit");
  EXPECT_EQ(on_request(respond + "h:unknownApi()"), "`unknownApi` is no method of a request handle");
  EXPECT_EQ(on_request(respond + "while true do end"), "the script runs too long");
  EXPECT_EQ(on_request("pcall(h.respond, h, {}) local x = nil .. 'x'"), "attempt to concatenate a nil value");
}

TEST(Api, HttpCallChecksWhatItIsGiven) {
  const std::string headers = "{[':method'] = 'GET', [':path'] = '/', [':authority'] = 'a'}";
  EXPECT_EQ(
      on_request(fmt::format("local hs, b = h:httpCall('c', {}, 'body', 5000) "
                             "h:headers():add('x', hs['foo']) h:logInfo(#b) assert(hs[':status'] == '200')",
                             headers)),
      "fit");
  EXPECT_EQ(on_request(fmt::format("assert(h:httpCall('c', {}, nil, 5000, true) == nil)", headers)), "fit");
  EXPECT_EQ(
      on_request(fmt::format("assert(h:httpCall('c', {}, nil, {{asynchronous = true}}) == nil)", headers)),
      "fit");
  EXPECT_EQ(on_request(fmt::format("h:httpCall('c', {}, '')", headers)),
            "`httpCall` takes a value as its argument 4, not nil");
  EXPECT_EQ(on_request(fmt::format("h:httpCall('c', {}, '', -1)", headers)),
            "`httpCall` takes a timeout that is not negative");
  EXPECT_EQ(on_request(fmt::format("h:httpCall('c', {}, '', {{timeout = 1}})", headers)),
            "`timeout` is no option of `httpCall`; they are `asynchronous`, `timeout_ms`, `trace_sampled`, "
            "`return_duplicate_headers` and `send_xff`");
  EXPECT_EQ(on_request("h:httpCall('c', {[':path'] = '/'}, '', 1)"), "`httpCall` needs the header `:method`");
}

TEST(Api, TimestampsHaveResolutions) {
  EXPECT_EQ(on_request("assert(h:timestamp() == h:timestamp(EnvoyTimestampResolution.MILLISECOND))"), "fit");
  EXPECT_EQ(on_request("assert(#h:timestampString(EnvoyTimestampResolution.MICROSECOND) == 16)"), "fit");
  EXPECT_EQ(on_request("h:timestamp(EnvoyTimestampResolution.MICROSECOND)"),
            "`timestamp` takes EnvoyTimestampResolution.MILLISECOND or nothing");
  EXPECT_EQ(on_request("h:timestampString('x')"),
            "`timestampString` takes EnvoyTimestampResolution.MILLISECOND, .MICROSECOND or nothing");
}

// ---- what it remembers ------------------------------------------------------------------------------

TEST(Api, HeadersThatAreSetAreFound) {
  EXPECT_EQ(
      on_request("local hs = h:headers() assert(hs:get('x') == 'example_value') hs:replace('X-Count', 5) "
                 "assert(hs:get('x-count') == '5' and hs:getNumValues('x-count') == 1 and "
                 "hs:getAtIndex('x-count', 0) == '5' and hs:getAtIndex('x-count', 1) == nil) "
                 "hs:remove('x-count') assert(hs:get('x-count') == nil and hs:getNumValues('x-count') == 0) "
                 "local seen = {} hs:add('y', 'z') for k, v in pairs(hs) do seen[k] = v end "
                 "assert(seen.y == 'z' and seen['x-count'] == nil and seen[':method'] == 'GET')"),
      "fit");
}

TEST(Api, ARequestIsSeenFromItsResponse) {
  EXPECT_EQ(said("function envoy_on_request(h) h:headers():add('x', '1') "
                 "h:streamInfo():dynamicMetadata():set('envoy.filters.http.lua', 'info', {auth = 'a'}) end\n"
                 "function envoy_on_response(h) assert(h:requestHeaders():get('x') == '1') "
                 "assert(h:headers():get(':status') == '200') "
                 "h:logInfo(h:streamInfo():dynamicMetadata():get('envoy.filters.http.lua').info.auth) end"),
            "fit");
}

TEST(Api, DynamicMetadataTakesPlainValues) {
  const std::string set = "h:streamInfo():dynamicMetadata():set('f', 'k', {})";
  EXPECT_EQ(on_request(fmt::format(fmt::runtime(set), "nil")), "fit");
  EXPECT_EQ(on_request(fmt::format(fmt::runtime(set), "{{1, 2}}")), "fit");
  EXPECT_EQ(on_request(fmt::format(fmt::runtime(set), "print")),
            "`set` takes a string, a number, a boolean or a table as its argument 3, not a function");
  EXPECT_EQ(on_request("h:logInfo(h:streamInfo():dynamicMetadata():get('other').whatever)"), "fit");
  EXPECT_EQ(
      on_request(
          "local m = h:streamInfo():dynamicMetadata() local _, t = pairs(m) t.f = 5 m:set('f', 'k', 1)"),
      "fit");
}

TEST(Api, ABodyThatIsSetIsFound) {
  EXPECT_EQ(on_response(
                "local b = h:body() assert(b:length() == #b:getBytes(0, b:length())) "
                "assert(b:setBytes('hello') == 5 and h:body():getBytes(1, 3) == 'ell' and b:length() == 5)"),
            "fit");
  EXPECT_EQ(on_response("h:body():getBytes(-1, 1)"),
            "`getBytes` takes an index and a length that are not negative");
}

// ---- Envoy's own examples ---------------------------------------------------------------------------

TEST(Api, ScriptsAsTheyAreWrittenAreFit) {
  EXPECT_EQ(on_response("h:headers():replace('content-type', 'text/html') local last "
                        "for chunk in h:bodyChunks() do chunk:setBytes('') last = chunk end "
                        "last:setBytes('<html><b>Not Found<b></html>')"),
            "fit");
  EXPECT_EQ(
      on_request("if h:connection():ssl() == nil then print('plain') else "
                 "local name = h:connection():ssl():parsedSubjectPeerCertificate() "
                 "print('CN: ' .. name:commonName() .. table.concat(name:organizationName(), ',')) end"),
      "fit");
  EXPECT_EQ(on_request("local m = h:streamInfo():dynamicTypedMetadata('envoy.filters.http.set_metadata') "
                       "if m then h:logInfo(string.format('%s %s', m.metadata_namespace or 'none', "
                       "tostring(m.allow_overwrite))) end"),
            "fit");
  EXPECT_EQ(on_request("for key, value in pairs(h:metadata()) do h:logInfo(key .. value) end "
                       "for key, value in pairs(h:streamInfo():dynamicMetadata()) do end"),
            "fit");
  EXPECT_EQ(
      on_request("h:logInfo('Path: ' .. h:headers():get(':path')) h:headers():add('n', h:body():length())"),
      "fit");
  EXPECT_EQ(on_request("local c = h:stats():counter('calls') c:inc() h:logInfo(c:value())"), "fit");
}

}  // namespace
}  // namespace sluice::lua
