#include "schema/reference.h"

#include <gtest/gtest.h>

namespace sluice::schema {
namespace {

TEST(Reference, APage) {
  constexpr Pattern kWord{"^[a-z]+$", "a word of a|b"};
  const Type item =
      object({
                 field("name", string().length(1, 5).matches(kWord)).required().doc("Its name."),
                 field("port", int32().range(1, 65535)).defaults_to(80).doc("Its port."),
             })
          .with({.name = "port", .cel = "self.port != 81", .message = "81 is taken"});
  const Type type = object({
                               field("metadata", object({field("name", string())})).doc("Its metadata."),
                               field("first", list(item).items(1, 2).keyed_by({"name"})).doc("Some."),
                               field("second", map(item)).doc("More."),
                               field("way", enumeration({"A", "B"})).doc("Which."),
                           })
                        .doc("A sample.");
  EXPECT_EQ(reference_page("Sample", {"g/v1", "g/v2"}, true, type), R"(# Sample

A sample.

`apiVersion`: `g/v1`, `g/v2`. Objects live in namespaces.

| field | type | |
|---|---|---|
| `metadata` | object | Its metadata. |
| `first` | [list of object](#first) | Some. 1 to 2 items; unique by `name`. |
| `second` | [map of object](#first) | More. |
| `way` | string | Which. One of `A`, `B`. |

## first[]

| field | type | |
|---|---|---|
| `name` **required** | string | Its name. 1 to 5 characters; a word of a\|b. |
| `port` | integer | Its port. 1 to 65535. Default: `80`. |

Rules:

- 81 is taken (`schema/port`)
)");
}

}  // namespace
}  // namespace sluice::schema
