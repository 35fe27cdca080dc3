#include "api/envoy_gateway/shared.h"

#include <string>
#include <utility>

#include <fmt/format.h>

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kByteSize{R"(^[1-9]+[0-9]*([EPTGMK]i|[EPTGMk])?$)",
                            "a number of bytes as in `65536`, `32Ki` or `1M`"};

Tree all_of(const char* member, std::vector<Tree> values) {
  std::vector<Tree> schemas;
  for (Tree& value : values) schemas.push_back(Tree::map({{.key = member, .value = std::move(value)}}));
  return Tree::map({{.key = "allOf", .value = Tree::list(std::move(schemas))}});
}

}  // namespace

std::vector<Rule> tls_settings_rules() {
  return {
      {.name = "tls-ciphers",
       .cel = "has(self.minVersion) && self.minVersion == '1.3' ? !has(self.ciphers) : true",
       .message = "`ciphers` have no effect when `minVersion` is 1.3",
       .suggestion = "remove `ciphers`",
       .blame = "ciphers"},
      {.name = "tls-versions",
       .cel =
           R"(has(self.minVersion) && has(self.maxVersion) ? {"Auto":0,"1.0":1,"1.1":2,"1.2":3,"1.3":4}[self.minVersion] <= {"1.0":1,"1.1":2,"1.2":3,"1.3":4,"Auto":5}[self.maxVersion] : !has(self.minVersion) && has(self.maxVersion) ? 3 <= {"1.0":1,"1.1":2,"1.2":3,"1.3":4,"Auto":5}[self.maxVersion] : true)",
       .message = "`minVersion`, by default 1.2, is above `maxVersion`",
       .blame = "maxVersion"},
  };
}

Rule goes_with_type(const char* rule_name, const char* type, const char* member) {
  return {.name = rule_name,
          .cel = fmt::format("self.type == '{0}' ? has(self.{1}) : !has(self.{1})", type, member),
          .message = fmt::format("the field `{}` goes with the type `{}`, and only with it", member, type),
          .blame = "type"};
}

Type said_twice(Type enumeration, const std::vector<std::string>& also) {
  std::vector<Tree> words;
  for (const std::string& word : enumeration.values) words.push_back(Tree::string(word));
  std::vector<Tree> more = words;
  for (const std::string& word : also) more.push_back(Tree::string(word));
  return std::move(enumeration)
      .where(all_of("enum", {Tree::list(std::move(words)), Tree::list(std::move(more))}));
}

// Upstream's schema also has the form of all quantities, which says no more.
Type byte_size() {
  const auto regex = [](const Pattern& pattern) { return Tree::string(std::string(pattern.regex)); };
  return int_or_string().matches(kByteSize).where(all_of("pattern", {regex(kQuantity), regex(kByteSize)}));
}

Type percentage() { return int32().range(0, 100); }

Type untranslated(Type kind) {
  for (Field& field : kind.fields) {
    if (field.name == "spec") field = std::move(field).ineffective();
  }
  return kind;
}

}  // namespace sluice::api
