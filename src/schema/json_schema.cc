#include "schema/json_schema.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace sluice::schema {

namespace {

using Kind = Type::Kind;

Tree text(std::string_view value) { return Tree::string(std::string(value)); }

Tree texts(const std::vector<std::string>& values) {
  std::vector<Tree> items;
  items.reserve(values.size());
  for (const std::string& value : values) items.push_back(Tree::string(value));
  return Tree::list(std::move(items));
}

class Members {
 public:
  void add(std::string key, Tree value) {
    members_.push_back({.key = std::move(key), .value = std::move(value)});
  }
  template <typename T>
  void add_if(std::string key, const std::optional<T>& value) {
    if (value) add(std::move(key), Tree::integer(static_cast<std::int64_t>(*value)));
  }
  Tree take() { return Tree::map(std::move(members_)); }

 private:
  std::vector<Tree::Member> members_;
};

// Editors run ECMAScript's expressions, which have no inline flags.
bool is_portable(std::string_view regex) { return regex.find("(?i)") == std::string_view::npos; }

Tree schema_of(const Type& type, const std::string& about, const Tree* default_value);

void add_object(const Type& type, Members* members) {
  Members properties;
  std::vector<std::string> required;
  for (const Field& field : type.fields) {
    properties.add(field.name, schema_of(*field.type, field.about(),
                                         field.default_value ? &*field.default_value : nullptr));
    // What has a default need not be written, whatever CRDs list as required.
    if (field.is_required && !field.default_value) required.push_back(field.name);
  }
  members->add("properties", properties.take());
  if (!required.empty()) members->add("required", texts(required));
  if (!type.preserves_unknown) members->add("additionalProperties", Tree::boolean(false));
}

void add_limits(const Type& type, Members* members) {
  std::optional<std::int64_t> min = type.minimum;
  std::optional<std::int64_t> max = type.maximum;
  if (type.format == "int32") {
    min = min.value_or(std::numeric_limits<std::int32_t>::min());
    max = max.value_or(std::numeric_limits<std::int32_t>::max());
  }
  members->add_if("minimum", min);
  members->add_if("maximum", max);
  if (type.int_values.empty()) return;
  std::vector<Tree> values;
  for (const std::int64_t value : type.int_values) values.push_back(Tree::integer(value));
  members->add("enum", Tree::list(std::move(values)));
}

Tree schema_of(const Type& type, const std::string& about, const Tree* default_value) {
  Members members;
  const auto add_sizes = [&](std::string_view noun) {
    members.add_if(fmt::format("min{}", noun), type.min_size);
    members.add_if(fmt::format("max{}", noun), type.max_size);
  };
  if (!about.empty()) members.add("description", text(about));
  if (default_value != nullptr) members.add("default", *default_value);
  switch (type.kind) {
    case Kind::kObject:
      members.add("type", text("object"));
      add_object(type, &members);
      break;
    case Kind::kList:
      members.add("type", text("array"));
      members.add("items", schema_of(*type.item, type.item->description, nullptr));
      add_sizes("Items");
      if (type.list_kind == ListKind::kSet) members.add("uniqueItems", Tree::boolean(true));
      break;
    case Kind::kMap:
      members.add("type", text("object"));
      members.add("additionalProperties", schema_of(*type.item, type.item->description, nullptr));
      if (type.key_pattern != nullptr) {
        members.add("propertyNames", Tree::map({{.key = "pattern", .value = text(type.key_pattern->regex)}}));
      }
      add_sizes("Properties");
      break;
    case Kind::kString:
      members.add("type", text("string"));
      if (!type.values.empty()) members.add("enum", texts(type.values));
      if (type.pattern != nullptr && is_portable(type.pattern->regex)) {
        members.add("pattern", text(type.pattern->regex));
      }
      if (type.format == "date-time") members.add("format", text(type.format));
      add_sizes("Length");
      break;
    case Kind::kBool:
      members.add("type", text("boolean"));
      break;
    case Kind::kInteger:
      members.add("type", text("integer"));
      add_limits(type, &members);
      break;
    case Kind::kNumber:
      members.add("type", text("number"));
      break;
    case Kind::kIntOrString:
      members.add("type", texts({"integer", "string"}));
      if (type.pattern != nullptr) members.add("pattern", text(type.pattern->regex));
      add_limits(type, &members);
      break;
    case Kind::kAny:
      break;
  }
  if (type.logic) {
    for (const Tree::Member& member : type.logic->members()) members.add(member.key, member.value);
  }
  return members.take();
}

// The kind's own schema, with its kind and versions as the only ones.
Tree kind_schema(const KindSchema& kind) {
  Type type = *kind.type;
  for (Field& field : type.fields) {
    if (field.name != "apiVersion" && field.name != "kind") continue;
    Type fixed =
        field.name == "kind" ? enumeration({std::string(kind.kind)}) : enumeration(kind.api_versions);
    fixed.description = field.about();
    field.type = std::make_shared<const Type>(std::move(fixed));
    field.is_required = true;
  }
  return schema_of(type, type.description, nullptr);
}

Tree one_of_these(const KindSchema& kind) {
  return Tree::map(
      {{.key = "properties",
        .value = Tree::map(
            {{.key = "apiVersion", .value = Tree::map({{.key = "enum", .value = texts(kind.api_versions)}})},
             {.key = "kind", .value = Tree::map({{.key = "const", .value = text(kind.kind)}})}})},
       {.key = "required", .value = texts({"apiVersion", "kind"})}});
}

// Adds the texts that are not there yet.
void merge(std::vector<std::string>* all, const std::vector<std::string>& more) {
  for (const std::string& one : more) {
    if (std::ranges::find(*all, one) == all->end()) all->push_back(one);
  }
}

}  // namespace

Tree json_schema(const std::vector<KindSchema>& kinds) {
  Members members;
  members.add("$schema", text("http://json-schema.org/draft-07/schema#"));
  if (kinds.size() == 1) {
    const Tree schema = kind_schema(kinds.front());
    for (const Tree::Member& member : schema.members()) members.add(member.key, member.value);
    return members.take();
  }
  std::vector<std::string> names;
  std::vector<std::string> versions;
  std::vector<Tree> choices;
  for (const KindSchema& kind : kinds) {
    merge(&names, {std::string(kind.kind)});
    merge(&versions, kind.api_versions);
    choices.push_back(
        Tree::map({{.key = "if", .value = one_of_these(kind)}, {.key = "then", .value = kind_schema(kind)}}));
  }
  Members head;
  head.add("apiVersion",
           Tree::map({{.key = "type", .value = text("string")}, {.key = "enum", .value = texts(versions)}}));
  head.add("kind",
           Tree::map({{.key = "type", .value = text("string")}, {.key = "enum", .value = texts(names)}}));
  members.add("type", text("object"));
  members.add("properties", head.take());
  members.add("required", texts({"apiVersion", "kind"}));
  members.add("allOf", Tree::list(std::move(choices)));
  return members.take();
}

}  // namespace sluice::schema
