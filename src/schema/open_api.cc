#include "schema/open_api.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sluice::schema {

namespace {

using Kind = Type::Kind;

class Members {
 public:
  void add(std::string key, Tree value) {
    members_.push_back({.key = std::move(key), .value = std::move(value)});
  }
  void add(std::string key, std::string_view value) { add(std::move(key), Tree::string(std::string(value))); }
  template <typename T>
  void add(std::string key, const std::optional<T>& value) {
    if (value) add(std::move(key), Tree::integer(static_cast<std::int64_t>(*value)));
  }
  Tree take() { return Tree::map(std::move(members_)); }

 private:
  std::vector<Tree::Member> members_;
};

Tree list_of(const std::vector<std::string>& texts) {
  std::vector<Tree> items;
  items.reserve(texts.size());
  for (const std::string& text : texts) items.push_back(Tree::string(text));
  return Tree::list(std::move(items));
}

Tree type_named(std::string_view name) {
  return Tree::map({{.key = "type", .value = Tree::string(std::string(name))}});
}

// The rule without what only our problems have. The field path is of the value, so a rule about items has
// none.
Tree rule_schema(const Rule& rule) {
  Members members;
  members.add("message", rule.message + (rule.suggestion.empty() ? "" : ": " + rule.suggestion));
  members.add("rule", rule.cel);
  return members.take();
}

Tree schema_of(const Type& type, const std::string& about, const Tree* default_value);

void add_fields(const Type& type, Members* members) {
  std::vector<std::string> required;
  Members properties;
  for (const Field& field : type.fields) {
    // Taken from files, and no part of the kind.
    if (field.is_ignored && field.type->kind == Kind::kAny) continue;
    properties.add(field.name, schema_of(*field.type, field.about(),
                                         field.default_value ? &*field.default_value : nullptr));
    if (field.is_required) required.push_back(field.name);
  }
  if (!type.fields.empty()) members->add("properties", properties.take());
  std::ranges::sort(required);
  if (!required.empty()) members->add("required", list_of(required));
}

// What `allOf` says stands nowhere else.
bool is_in_all_of(const Type& type, std::string_view member) {
  const Tree* const schemas = type.logic ? type.logic->find("allOf") : nullptr;
  return schemas != nullptr && std::ranges::any_of(schemas->items(), [member](const Tree& schema) {
           return schema.find(member) != nullptr;
         });
}

Tree schema_of(const Type& type, const std::string& about, const Tree* default_value) {
  Members members;
  const auto add_sizes = [&](std::string_view noun) {
    members.add(fmt::format("max{}", noun), type.max_size);
    members.add(fmt::format("min{}", noun), type.min_size);
  };
  if (!about.empty()) members.add("description", about);
  if (default_value != nullptr) members.add("default", *default_value);
  if (!type.values.empty() && !is_in_all_of(type, "enum")) members.add("enum", list_of(type.values));
  if (!type.int_values.empty()) {
    std::vector<Tree> values;
    for (const std::int64_t value : type.int_values) values.push_back(Tree::integer(value));
    members.add("enum", Tree::list(std::move(values)));
  }
  if (!type.format.empty()) members.add("format", type.format);
  members.add("minimum", type.minimum);
  members.add("maximum", type.maximum);
  if (type.pattern != nullptr && !is_in_all_of(type, "pattern")) members.add("pattern", type.pattern->regex);
  if (type.is_nullable) members.add("nullable", Tree::boolean(true));
  switch (type.kind) {
    case Kind::kObject:
      members.add("type", "object");
      add_fields(type, &members);
      break;
    case Kind::kList:
      members.add("type", "array");
      add_sizes("Items");
      members.add("items", schema_of(*type.item, type.item->description, nullptr));
      members.add("x-kubernetes-list-type", type.list_kind == ListKind::kMap   ? "map"
                                            : type.list_kind == ListKind::kSet ? "set"
                                                                               : "atomic");
      if (!type.list_keys.empty()) members.add("x-kubernetes-list-map-keys", list_of(type.list_keys));
      break;
    case Kind::kMap:
      members.add("type", "object");
      add_sizes("Properties");
      members.add("additionalProperties", schema_of(*type.item, type.item->description, nullptr));
      break;
    case Kind::kString:
      members.add("type", "string");
      add_sizes("Length");
      break;
    case Kind::kBool:
      members.add("type", "boolean");
      break;
    case Kind::kInteger:
      members.add("type", "integer");
      break;
    case Kind::kNumber:
      members.add("type", "number");
      break;
    case Kind::kIntOrString:
      members.add("anyOf", Tree::list({type_named("integer"), type_named("string")}));
      members.add("x-kubernetes-int-or-string", Tree::boolean(true));
      break;
    case Kind::kAny:
      break;
  }
  if (type.is_atomic) members.add("x-kubernetes-map-type", "atomic");
  if (type.preserves_unknown || type.kind == Kind::kAny) {
    members.add("x-kubernetes-preserve-unknown-fields", Tree::boolean(true));
  }
  if (type.logic) {
    for (const Tree::Member& member : type.logic->members()) members.add(member.key, member.value);
  }
  std::vector<Tree> rules;
  for (const Rule& rule : type.rules) {
    if (!rule.cel.empty()) rules.push_back(rule_schema(rule));
  }
  if (!rules.empty()) members.add("x-kubernetes-validations", Tree::list(std::move(rules)));
  return members.take();
}

}  // namespace

Tree open_api(const Type& type) {
  Type bare = type;
  for (Field& field : bare.fields) {
    if (field.name != "metadata") continue;
    field.type = std::make_shared<const Type>(object({}));
    field.is_required = false;
    field.description.clear();
  }
  return schema_of(bare, bare.description, nullptr);
}

}  // namespace sluice::schema
