#include "patch/patch.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <nlohmann/json.hpp>

namespace sluice::patch {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json parsed(const char* text) { return json::parse(text); }

// The document after an operation, or why not; which leaves the document as it was.
json after(const char* document, const Operation& operation) {
  json changed = parsed(document);
  const Result<void> done = carry_out(operation, changed);
  if (done) return changed;
  EXPECT_EQ(changed, parsed(document));
  return done.error().field + ": " + done.error().message +
         (done.error().suggestion.empty() ? "" : " (" + done.error().suggestion + ")");
}

std::shared_ptr<const json> boxed(json value) { return std::make_shared<const json>(std::move(value)); }

Operation add(std::string path, json value) { return {.op = Op::kAdd, .path = path, .value = boxed(value)}; }
Operation remove(std::string path) { return {.op = Op::kRemove, .path = path}; }
Operation replace(std::string path, json value) {
  return {.op = Op::kReplace, .path = path, .value = boxed(value)};
}
Operation move(std::string from, std::string path) { return {.op = Op::kMove, .path = path, .from = from}; }
Operation copy(std::string from, std::string path) { return {.op = Op::kCopy, .path = path, .from = from}; }
Operation test(std::string path, json value) {
  return {.op = Op::kTest, .path = path, .value = boxed(value)};
}

// ---- what RFC 6902 says of each operation ----------------------------------------------------------

TEST(Patch, AddsAMember) { EXPECT_EQ(after(R"({"a":1})", add("/b", 2)), parsed(R"({"a":1,"b":2})")); }
TEST(Patch, AddReplacesAMemberThatIsThere) {
  EXPECT_EQ(after(R"({"a":1})", add("/a", nullptr)), parsed(R"({"a":null})"));
}
TEST(Patch, AddInsertsBeforeAnEntry) {
  EXPECT_EQ(after(R"({"l":["x","z"]})", add("/l/1", "y")), parsed(R"({"l":["x","y","z"]})"));
}
TEST(Patch, AddAppendsAtTheLength) {
  EXPECT_EQ(after(R"({"l":["x"]})", add("/l/1", "y")), parsed(R"({"l":["x","y"]})"));
}
TEST(Patch, AddAppendsAtTheDash) {
  EXPECT_EQ(after(R"({"l":["x"]})", add("/l/-", json::array({"y"}))), parsed(R"({"l":["x",["y"]]})"));
}
TEST(Patch, AddOfTheWholeReplacesTheDocument) { EXPECT_EQ(after("[1]", add("", 2)), 2); }
TEST(Patch, RemovesAMember) { EXPECT_EQ(after(R"({"a":1,"b":2})", remove("/b")), parsed(R"({"a":1})")); }
TEST(Patch, RemovesAnEntry) { EXPECT_EQ(after(R"(["x","y"])", remove("/0")), parsed(R"(["y"])")); }
TEST(Patch, ReplacesAValue) { EXPECT_EQ(after(R"({"a":1})", replace("/a", 2)), parsed(R"({"a":2})")); }
TEST(Patch, MovesAMember) {
  EXPECT_EQ(after(R"({"a":{"x":1},"b":{}})", move("/a/x", "/b/y")), parsed(R"({"a":{},"b":{"y":1}})"));
}
TEST(Patch, MovesAnEntry) {
  EXPECT_EQ(after(R"({"l":[1,2,3]})", move("/l/0", "/l/2")), parsed(R"({"l":[2,3,1]})"));
}
TEST(Patch, MovesAValueToItself) { EXPECT_EQ(after(R"({"a":1})", move("/a", "/a")), parsed(R"({"a":1})")); }
TEST(Patch, CopiesAValue) {
  EXPECT_EQ(after(R"({"a":{"x":1}})", copy("/a", "/b")), parsed(R"({"a":{"x":1},"b":{"x":1}})"));
}
TEST(Patch, ATestHoldsOfAnEqualValue) {
  EXPECT_EQ(after(R"({"a":{"x":1.0,"y":[2]}})", test("/a", parsed(R"({"y":[2],"x":1})"))),
            parsed(R"({"a":{"x":1,"y":[2]}})"));
}
TEST(Patch, NamesWithSlashesAndTildesAreEscaped) {
  EXPECT_EQ(after(R"({"a/b":{"~1":1}})", replace("/a~1b/~01", 2)), parsed(R"({"a/b":{"~1":2}})"));
}
TEST(Patch, AnEmptyNameIsAName) { EXPECT_EQ(after(R"({"":1})", replace("/", 2)), parsed(R"({"":2})")); }

// ---- what Envoy Gateway does besides ------------------------------------------------------------------

TEST(Patch, AddMakesWhatIsMissingOnTheWay) {
  EXPECT_EQ(after("{}", add("/a/b/c", 1)), parsed(R"({"a":{"b":{"c":1}}})"));
  EXPECT_EQ(after("{}", add("/a/0/c", 1)), parsed(R"({"a":[{"c":1}]})"));
  EXPECT_EQ(after("{}", add("/a/-", 1)), parsed(R"({"a":[1]})"));
  EXPECT_EQ(after(R"({"a":[1]})", add("/a/1/b", 1)), parsed(R"({"a":[1,{"b":1}]})"));
}
TEST(Patch, AnExpressionFindsThePlacesAndThePathGoesOn) {
  const Operation operation{
      .op = Op::kAdd, .path = "/on", .json_path = "$.l[?(@.n != 'b')]", .value = boxed(true)};
  EXPECT_EQ(after(R"({"l":[{"n":"a"},{"n":"b"},{"n":"c"}]})", operation),
            parsed(R"({"l":[{"n":"a","on":true},{"n":"b"},{"n":"c","on":true}]})"));
}
TEST(Patch, ThePathBehindAnExpressionNeedsNoSlash) {
  const Operation operation{.op = Op::kReplace, .path = "x", .json_path = "$.a", .value = boxed(2)};
  EXPECT_EQ(after(R"({"a":{"x":1}})", operation), parsed(R"({"a":{"x":2}})"));
}
TEST(Patch, RemovesAllEntriesThatAreFound) {
  const Operation operation{.op = Op::kRemove, .json_path = "$.l[0,1]"};
  EXPECT_EQ(after(R"({"l":[0,1,2,3]})", operation), parsed(R"({"l":[2,3]})"));
}

// ---- what is not there --------------------------------------------------------------------------------

TEST(Patch, AMissingEntryIsToldWithHowManyThereAre) {
  EXPECT_EQ(after(R"({"filter_chains":[{}]})", remove("/filter_chains/3")),
            "path: there is no `/filter_chains/3`: `/filter_chains` has 1 entry");
}
TEST(Patch, AMissingMemberIsToldWithThoseThereAre) {
  EXPECT_EQ(after(R"({"a":{"per_connection_buffer_limit_bytes":1}})",
                  replace("/a/perConnectionBufferLimitBytes", 2)),
            "path: there is no `/a/perConnectionBufferLimitBytes`: `/a` has "
            "`per_connection_buffer_limit_bytes` (did you mean `/a/per_connection_buffer_limit_bytes`?)");
}
TEST(Patch, NothingIsBelowAString) {
  EXPECT_EQ(after(R"({"a":"x"})", add("/a/b", 1)), "path: nothing can be added at `/a/b`: `/a` is a string");
}
TEST(Patch, NothingIsAddedBehindTheEnd) {
  EXPECT_EQ(after("[1]", add("/2", 1)),
            "path: nothing can be added at `/2`: the resource has 1 entry (`-` is the place behind the last "
            "entry)");
}
TEST(Patch, ALeadingZeroIsNoIndex) {
  EXPECT_EQ(after("[1,2]", remove("/01")), "path: there is no `/01`: the resource has 2 entries");
}
TEST(Patch, AFailedTestSaysWhatIsThere) {
  EXPECT_EQ(after(R"({"a":"10"})", test("/a", 10)), R"(value: `/a` is `"10"`, not `10`)");
}
TEST(Patch, AFailedTestOfASecretDoesNot) {
  json document = parsed(R"({"a":"hidden"})");
  EXPECT_EQ(carry_out(test("/a", "guess"), document, true).error().message, "`/a` is something else");
}
TEST(Patch, AMoveIntoItselfIsRefused) {
  EXPECT_EQ(after(R"({"a":{}})", move("/a", "/a/b")), "path: `/a/b` is inside of what is moved");
}
TEST(Patch, AMoveThatCannotEndTakesNothingAway) {
  EXPECT_THAT(after(R"({"a":1,"b":"x"})", move("/a", "/b/c")), HasSubstr("nothing can be added at `/b/c`"));
}
TEST(Patch, OfSeveralPlacesNoneIsChangedWhereOneFails) {
  const Operation operation{.op = Op::kRemove, .path = "/x", .json_path = "$[*]"};
  EXPECT_EQ(after(R"([{"y":1},{"x":1}])", operation), "path: there is no `/0/x`: `/0` has `y`");
}
TEST(Patch, TheWholeIsNotRemoved) {
  EXPECT_EQ(after("{}", remove("")), "path: the whole resource cannot be removed");
}

// ---- operations that no document takes ---------------------------------------------------------------

TEST(Patch, APathBeginsWithASlash) {
  EXPECT_EQ(after(R"({"a":1})", remove("a")),
            "path: `a` is no JSON pointer: it does not begin with a slash (write `/a`)");
}
TEST(Patch, ATildeIsEscaped) {
  EXPECT_EQ(after("{}", remove("/a~b")),
            "path: `/a~b` is no JSON pointer: a `~` stands alone (write `~0` for `~`)");
}
TEST(Patch, ReplaceNeedsAValue) {
  EXPECT_EQ(after("{}", {.op = Op::kReplace, .path = "/a"}), "value: `replace` needs a `value`");
}
TEST(Patch, RemoveHasNoValue) {
  EXPECT_EQ(after("{}", {.op = Op::kRemove, .path = "/a", .value = boxed(1)}),
            "value: `remove` has no `value` (remove it)");
}
TEST(Patch, MoveNeedsFrom) {
  EXPECT_EQ(after("{}", {.op = Op::kMove, .path = "/a"}), "from: `move` needs `from`");
}
TEST(Patch, AnOperationHasAPlace) {
  EXPECT_EQ(after("{}", {.op = Op::kRemove}), "path: `remove` has neither `path` nor `jsonPath`");
}
TEST(Patch, CopiesOfCopiesEnd) {
  json document = parsed(R"({"a":[1,2,3,4,5,6,7,8]})");
  Result<void> done;
  for (int i = 0; i < 64 && done; ++i) done = carry_out(copy("/a", "/a/-"), document);
  EXPECT_EQ(done.error().message, "the resource would get too large");
}
TEST(Patch, CopiesIntoCopiesEnd) {
  json document = parsed(R"({"a":{}})");
  Result<void> done;
  std::string place = "/a";
  for (int i = 0; i < 100 && done; ++i) done = carry_out(add(place += "/x", json::object()), document);
  EXPECT_EQ(done.error().message, "the resource would get too deep");
}

}  // namespace
}  // namespace sluice::patch
