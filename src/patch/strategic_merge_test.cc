#include "patch/strategic_merge.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::patch {
namespace {

using nlohmann::json;

constexpr MergeField kItem[] = {{.name = "ports", .key = "port"}};
constexpr MergeField kFields[] = {
    {.name = "items", .key = "name", .fields = kItem},
    {.name = "tags"},
    {.name = "selector", .how = MergeField::How::kReplace},
    {.name = "spec", .fields = kItem},
};

// The document after the patch, or why not; which leaves the document as it was.
json after(const char* document, const char* patch) {
  json changed = json::parse(document);
  const Result<void> done = merge_strategically(json::parse(patch), kFields, changed);
  if (done) return changed;
  EXPECT_EQ(changed, json::parse(document));
  return done.error().field + ": " + done.error().message +
         (done.error().suggestion.empty() ? "" : " (" + done.error().suggestion + ")");
}

struct Case {
  const char* what;
  const char* document;
  const char* patch;
  const char* result;
};

class StrategicMerge : public testing::TestWithParam<Case> {};

TEST_P(StrategicMerge, MakesOfIt) {
  const Case& c = GetParam();
  EXPECT_EQ(after(c.document, c.patch), json::parse(c.result)) << c.what;
}

INSTANTIATE_TEST_SUITE_P(
    Maps, StrategicMerge,
    testing::Values(
        Case{"maps merge", R"({"a":{"b":1,"c":2}})", R"({"a":{"c":3,"d":4}})",
             R"({"a":{"b":1,"c":3,"d":4}})"},
        Case{"a null takes away", R"({"a":1,"b":2})", R"({"a":null,"c":null})", R"({"b":2})"},
        Case{"nulls of what is new are nothing", R"({})", R"({"a":{"b":null,"c":1}})", R"({"a":{"c":1}})"},
        Case{"a scalar is replaced", R"({"a":1})", R"({"a":"x"})", R"({"a":"x"})"},
        Case{"another type is replaced", R"({"a":[1]})", R"({"a":{"b":1}})", R"({"a":{"b":1}})"},
        Case{"a map that does not merge is replaced", R"({"selector":{"a":1}})", R"({"selector":{"b":2}})",
             R"({"selector":{"b":2}})"},
        Case{"a map says that it replaces", R"({"a":{"b":1}})", R"({"a":{"$patch":"replace","c":2}})",
             R"({"a":{"c":2}})"},
        Case{"a map says that it goes", R"({"a":{"b":1}})", R"({"a":{"$patch":"delete"}})", R"({"a":{}})"},
        Case{"only some members stay", R"({"a":{"type":"x","x":1,"keep":2}})",
             R"({"a":{"$retainKeys":["type","y","keep"],"type":"y","y":{}}})",
             R"({"a":{"type":"y","y":{},"keep":2}})"}));

INSTANTIATE_TEST_SUITE_P(
    Lists, StrategicMerge,
    testing::Values(
        Case{"a list of no key is replaced", R"({"l":[1,2]})", R"({"l":[3]})", R"({"l":[3]})"},
        Case{"items of one name merge", R"({"items":[{"name":"a","x":1},{"name":"b"}]})",
             R"({"items":[{"name":"a","y":2}]})", R"({"items":[{"name":"a","x":1,"y":2},{"name":"b"}]})"},
        Case{"new items come first", R"({"items":[{"name":"a"},{"name":"b"}]})",
             R"({"items":[{"name":"c"},{"name":"d"}]})",
             R"({"items":[{"name":"c"},{"name":"d"},{"name":"a"},{"name":"b"}]})"},
        Case{"items of the patch have its order", R"({"items":[{"name":"a"},{"name":"b"},{"name":"c"}]})",
             R"({"items":[{"name":"c"},{"name":"a"}]})",
             R"({"items":[{"name":"b"},{"name":"c"},{"name":"a"}]})"},
        Case{"lists in items merge as well", R"({"items":[{"name":"a","ports":[{"port":1,"x":1}]}]})",
             R"({"items":[{"name":"a","ports":[{"port":1,"y":2}]}]})",
             R"({"items":[{"name":"a","ports":[{"port":1,"x":1,"y":2}]}]})"},
        Case{"an item goes", R"({"items":[{"name":"a"},{"name":"b"}]})",
             R"({"items":[{"name":"a","$patch":"delete"}]})", R"({"items":[{"name":"b"}]})"},
        Case{"an item that goes is nothing where the list is new", R"({})",
             R"({"items":[{"name":"a","$patch":"delete"},{"name":"b"}]})", R"({"items":[{"name":"b"}]})"},
        Case{"all items are replaced", R"({"items":[{"name":"a"},{"name":"b"}]})",
             R"({"items":[{"name":"a","x":1},{"$patch":"replace"}]})", R"({"items":[{"name":"a","x":1}]})"},
        Case{"scalars are a set", R"({"tags":["a","b"]})", R"({"tags":["b","c"]})",
             R"({"tags":["a","b","c"]})"},
        Case{"scalars go", R"({"tags":["a","b","c"]})", R"({"$deleteFromPrimitiveList/tags":["b","x"]})",
             R"({"tags":["a","c"]})"},
        Case{"an order of items", R"({"items":[{"name":"a"},{"name":"b"},{"name":"c"}]})",
             R"({"$setElementOrder/items":[{"name":"c"},{"name":"a"}]})",
             R"({"items":[{"name":"b"},{"name":"c"},{"name":"a"}]})"},
        Case{"an order with an item that is new", R"({"items":[{"name":"a"}]})",
             R"({"$setElementOrder/items":[{"name":"a"},{"name":"b"}],"items":[{"name":"b"}]})",
             R"({"items":[{"name":"a"},{"name":"b"}]})"},
        Case{"an order of scalars", R"({"tags":["a","b"]})", R"({"$setElementOrder/tags":["b","a"]})",
             R"({"tags":["b","a"]})"},
        Case{"an order of what is not there", R"({})", R"({"$setElementOrder/items":[{"name":"a"}]})",
             R"({})"}));

INSTANTIATE_TEST_SUITE_P(
    Mistakes, StrategicMerge,
    testing::Values(
        Case{"no object", R"({})", R"([])", R"(": a patch is an object, as a part of what it changes")"},
        Case{"a directive's value", R"({"a":{}})", R"({"a":{"$patch":"remove"}})",
             R"("a.$patch: `remove` is neither `replace` nor `delete`")"},
        Case{"an item's directive", R"({"items":[]})", R"({"items":[{"name":"a","$patch":"merge"}]})",
             R"("items[0].$patch: `merge` is neither `replace` nor `delete`")"},
        Case{"a directive's name", R"({})", R"({"$retainkeys":["a"]})",
             R"x("$retainkeys: `$retainkeys` is no directive (did you mean `$retainKeys`?)")x"},
        Case{"an item without a name", R"({"items":[]})", R"({"items":[{"name":"a"},{"x":1}]})",
             R"x("items[1]: an item of this list is found by its `name`, which it has not (add `name`)")x"},
        Case{"an item that is no object", R"({"items":[]})", R"({"items":["a"]})",
             R"("items[0]: the items of this list are objects")"},
        Case{"a member that is not retained", R"({"a":{}})", R"({"a":{"$retainKeys":["x"],"y":1}})",
             R"x("a.y: the patch changes a member that `$retainKeys` has not (add `y` to `$retainKeys`)")x"},
        Case{"retained members that are no list", R"({"a":{}})", R"({"a":{"$retainKeys":"x"}})",
             R"("a.$retainKeys: the members to retain are a list of names")"},
        Case{"an order without an item of the patch", R"({"items":[]})",
             R"({"$setElementOrder/items":[{"name":"a"}],"items":[{"name":"b"}]})",
             R"("items: the items do not stand in the order of `$setElementOrder/items`")"},
        Case{"another order than the patch's", R"({"items":[]})",
             R"({"$setElementOrder/items":[{"name":"a"},{"name":"b"}],"items":[{"name":"b"},{"name":"a"}]})",
             R"("items: the items do not stand in the order of `$setElementOrder/items`")"},
        Case{"a key with dots", R"({"a":{"example.com/x":{}}})", R"({"a":{"example.com/x":{"$patch":"no"}}})",
             R"("a[example.com/x].$patch: `no` is neither `replace` nor `delete`")"}));

}  // namespace
}  // namespace sluice::patch
