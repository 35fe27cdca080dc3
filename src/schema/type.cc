#include "schema/type.h"

#include <utility>

namespace sluice::schema {

namespace {

Type of_kind(Type::Kind kind) {
  Type type;
  type.kind = kind;
  return type;
}

void* same_place(void* parent) { return parent; }
const void* same_place_to_read(const void* parent) { return parent; }

const Type& any_type() {
  static const Type* const type = new Type();
  return *type;
}

}  // namespace

Type Type::doc(std::string text) && {
  description = std::move(text);
  return std::move(*this);
}

Type Type::nullable() && {
  is_nullable = true;
  return std::move(*this);
}

Type Type::secret() && {
  is_secret = true;
  return std::move(*this);
}

Type Type::length(std::size_t min, std::size_t max) && {
  min_size = min;
  max_size = max;
  return std::move(*this);
}

Type Type::max_length(std::size_t max) && {
  max_size = max;
  return std::move(*this);
}

Type Type::min_length(std::size_t min) && {
  min_size = min;
  return std::move(*this);
}

Type Type::items(std::size_t min, std::size_t max) && {
  min_size = min;
  max_size = max;
  return std::move(*this);
}

Type Type::max_items(std::size_t max) && {
  max_size = max;
  return std::move(*this);
}

Type Type::min_items(std::size_t min) && {
  min_size = min;
  return std::move(*this);
}

Type Type::range(std::int64_t min, std::int64_t max) && {
  minimum = min;
  maximum = max;
  return std::move(*this);
}

Type Type::at_least(std::int64_t min) && {
  minimum = min;
  return std::move(*this);
}

Type Type::formatted(std::string name) && {
  format = std::move(name);
  return std::move(*this);
}

Type Type::one_of(std::initializer_list<std::int64_t> allowed) && {
  int_values = allowed;
  return std::move(*this);
}

Type Type::keyed_by(std::initializer_list<std::string> keys) && {
  list_kind = ListKind::kMap;
  list_keys = keys;
  return std::move(*this);
}

Type Type::as_set() && {
  list_kind = ListKind::kSet;
  return std::move(*this);
}

Type Type::finished_by(void (*function)(void* target)) && {
  finish = function;
  return std::move(*this);
}

Type Type::preserving_unknown() && {
  preserves_unknown = true;
  return std::move(*this);
}

Type Type::passive() && {
  is_passive = true;
  return std::move(*this);
}

Type Type::atomic() && {
  is_atomic = true;
  return std::move(*this);
}

Type Type::where(Tree members) && {
  logic = std::move(members);
  return std::move(*this);
}

const Field* Type::find(std::string_view name) const {
  for (const Field& field : fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

Field Field::doc(std::string text) && {
  description = std::move(text);
  return std::move(*this);
}

Field Field::elsewhere(std::span<const std::string_view> names) && {
  other_names = names;
  return std::move(*this);
}

Field Field::required(std::string suggestion) && {
  is_required = true;
  if_missing = std::move(suggestion);
  return std::move(*this);
}

Field Field::ignored() && {
  is_ignored = true;
  return std::move(*this);
}

Field Field::ineffective() && {
  is_effective = false;
  return std::move(*this);
}

Field Field::passive() && {
  is_passive = true;
  return std::move(*this);
}
Field Field::deprecated(std::string by) && {
  replaced_by = std::move(by);
  return std::move(*this);
}

Field Field::defaults_to(Tree value) && {
  default_value = std::move(value);
  return std::move(*this);
}

Field Field::defaults_to(const char* value) && {
  default_value = Tree::string(value);
  return std::move(*this);
}

Field Field::defaults_to(std::int64_t value) && {
  default_value = Tree::integer(value);
  return std::move(*this);
}

Field Field::defaults_to(int value) && {
  default_value = Tree::integer(value);
  return std::move(*this);
}

Field Field::defaults_to(bool value) && {
  default_value = Tree::boolean(value);
  return std::move(*this);
}

Type string() { return of_kind(Type::Kind::kString); }
Type boolean() { return of_kind(Type::Kind::kBool); }
Type integer() { return of_kind(Type::Kind::kInteger); }
Type int32() { return integer().formatted("int32"); }
Type int64() { return integer().formatted("int64"); }
Type number() { return of_kind(Type::Kind::kNumber); }
Type int_or_string() { return of_kind(Type::Kind::kIntOrString); }
Type any() { return of_kind(Type::Kind::kAny); }

Type enumeration(std::vector<std::string> values) {
  Type type = string();
  type.values = std::move(values);
  return type;
}

Type enumeration(std::initializer_list<std::string> values) {
  return enumeration(std::vector<std::string>(values));
}

Type list(Type item) {
  Type type = of_kind(Type::Kind::kList);
  type.item = std::make_shared<const Type>(std::move(item));
  return type;
}

Type map(Type item) {
  Type type = of_kind(Type::Kind::kMap);
  type.item = std::make_shared<const Type>(std::move(item));
  return type;
}

Type object(std::vector<Field> fields) {
  Type type = of_kind(Type::Kind::kObject);
  type.fields = std::move(fields);
  return type;
}

Field field(std::string name, Type type) {
  Field result;
  result.name = std::move(name);
  result.type = std::make_shared<const Type>(std::move(type));
  return result;
}

Field flattened(std::string name, Type type) {
  static constexpr Codec kCodec{.kind = Codec::Kind::kStruct};
  Field result = field(std::move(name), std::move(type));
  result.at = same_place;
  result.get = same_place_to_read;
  result.codec = &kCodec;
  return result;
}

Value Value::operator[](std::string_view name) const {
  if (tree_ == nullptr) return {nullptr, &any_type()};
  const Tree* const member = tree_->find(name);
  if (type_->kind == Type::Kind::kMap) return {member, type_->item.get()};
  const Field* const field = type_->find(name);
  if (field == nullptr) return {member, &any_type()};
  if (member != nullptr && (!member->is_null() || field->type->is_nullable))
    return {member, field->type.get()};
  return {field->default_value ? &*field->default_value : nullptr, field->type.get()};
}

Value Value::at(std::size_t index) const {
  if (index >= item_count()) return {nullptr, &any_type()};
  return {&tree_->items()[index], type_->item != nullptr ? type_->item.get() : &any_type()};
}

std::size_t Value::size() const {
  if (tree_ == nullptr) return 0;
  if (tree_->is_map()) return tree_->members().size();
  if (tree_->is_string()) return tree_->as_string().size();
  return item_count();
}

std::string_view Value::text() const {
  return tree_ != nullptr && tree_->is_string() ? std::string_view(tree_->as_string()) : std::string_view();
}

}  // namespace sluice::schema
