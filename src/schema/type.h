// A Type says what a tree must be, and where its parts go in a C++ struct.
//
// Types are tables made at run time: an object has fields, each with a name, a Type, a default and an
// accessor; a list and a map have an item Type; scalars have patterns, enumerations and limits, after
// OpenAPI's words as Kubernetes uses them. Everything that walks a Type is an ordinary function (check.h,
// bind.h, encode.h), so a new use of the declarations costs one function and no templates. A Type is built by
// chained calls and copied freely:
//
//   Type listener = object<Listener>({
//       field<&Listener::name>("name", string().length(1, 253).matches(kSubdomain)).required(),
//       field<&Listener::port>("port", int32().range(1, 65535)).required(),
//       field("tls", any()),  // checked, bound nowhere
//   });
//
// Threads: immutable once built; may be read from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/codec.h"
#include "tree/tree.h"

namespace re2 {
class RE2;
}

namespace sluice::schema {

namespace cel {
class Program;
}

class Value;
struct Field;

// A regular expression of an upstream schema, in RE2's syntax, and what it means to a reader. Both live as
// long as the program.
struct Pattern {
  std::string_view regex;    // as upstream spells it: found anywhere unless it says ^ and $
  std::string_view meaning;  // after "expected": "a DNS label: …"; empty: the message shows the expression
  std::string_view of_star = {};  // the suggestion to whoever writes `*`
};

// What is wrong with a value, said of this one.
struct Fault {
  std::string message;  // as Rule's
  std::string suggestion;
};

// A rule over several fields. It sees the value with defaults filled in and runs only where every field below
// is of its type.
struct Rule {
  std::string name;     // kebab case; the problem's code is "schema/" and this
  std::string cel;      // the rule as upstream's schema has it, to the letter; see cel/cel.h
  std::string message;  // in our words: one sentence, lower case, without a full stop
  // Instead of `cel`, for what API servers check beyond the schemas.
  bool (*holds)(const Value& self) = nullptr;
  // Instead of both, for what API servers take and nobody can use. The code is "value/" and the name, and the
  // object is as good as without: whoever reads the value has to expect it.
  std::optional<Fault> (*fault)(const Value& self) = nullptr;
  std::string suggestion;
  // What to blame for the problem, as a path below the value ("tls.mode"): its place is the problem's.
  // Where an item alone decided (cel::Program::culprit), the path is below that. Empty: the value, or the
  // item.
  std::string blame;
  // What a string that is blamed could be, for whoever misspells it: the nearest is suggested, if nothing
  // else is.
  std::vector<std::string> choices;
  // Of `cel`, once the rule is part of a Type.
  std::shared_ptr<const cel::Program> program = nullptr;
};

// How a list is keyed (x-kubernetes-list-type).
enum class ListKind : std::uint8_t { kAtomic, kSet, kMap };

struct Type {
  enum class Kind : std::uint8_t {
    kObject,
    kList,
    kMap,
    kString,
    kBool,
    kInteger,
    kNumber,
    kIntOrString,
    kAny
  };

  Kind kind = Kind::kAny;
  // What fields of the type mean, unless the field says more. See Field::description.
  std::string description;
  // A null is a value. Elsewhere a null member is an absent one, as for an API server.
  bool is_nullable = false;
  // An object whose unknown fields are nobody's business.
  bool preserves_unknown = false;
  // Values must not appear in messages, here and below.
  bool is_secret = false;
  // That fields here and below have no effect is nobody's business (effect.h).
  bool is_passive = false;

  std::vector<Field> fields;            // kObject
  std::shared_ptr<const Type> item;     // kList, kMap
  std::optional<std::size_t> min_size;  // of a list or map; of a string, in code points
  std::optional<std::size_t> max_size;
  ListKind list_kind = ListKind::kAtomic;
  std::vector<std::string> list_keys;  // ListKind::kMap

  std::string format;  // "int32", "int64", "duration", "date-time", "byte", …; those we know are checked
  std::optional<std::int64_t> minimum;
  std::optional<std::int64_t> maximum;
  std::vector<std::string> values;       // kString: the enumeration, in the order of the C++ enum
  std::vector<std::int64_t> int_values;  // kInteger: the same
  std::shared_ptr<const Pattern> pattern;
  std::shared_ptr<const re2::RE2> regex;       // of the pattern
  std::shared_ptr<const Pattern> key_pattern;  // of a map's keys
  std::shared_ptr<const re2::RE2> key_regex;

  std::vector<Rule> rules;
  // A map or object that is one value to a server-side apply (x-kubernetes-map-type).
  bool is_atomic = false;
  // Members for generated schemas that say what no chained call can: {oneOf: …}. check() does not read them;
  // a Rule with `holds` does their work.
  std::optional<Tree> logic;
  // Runs on the bound struct after its fields and defaults; nullptr: nothing to do.
  void (*finish)(void* target) = nullptr;

  // The chained calls that build a Type.
  Type doc(std::string text) &&;
  Type nullable() &&;
  Type secret() &&;
  Type length(std::size_t min, std::size_t max) &&;  // of strings
  Type max_length(std::size_t max) &&;
  Type min_length(std::size_t min) &&;
  Type items(std::size_t min, std::size_t max) &&;  // of lists and maps
  Type max_items(std::size_t max) &&;
  Type min_items(std::size_t min) &&;
  Type range(std::int64_t min, std::int64_t max) &&;
  Type at_least(std::int64_t min) &&;
  Type matches(const Pattern& pattern) &&;
  Type keys_match(const Pattern& pattern) &&;
  Type formatted(std::string format) &&;
  Type one_of(std::initializer_list<std::int64_t> values) &&;
  Type keyed_by(std::initializer_list<std::string> keys) &&;  // a list that is a map
  Type as_set() &&;
  Type with(Rule rule) &&;
  Type with(std::vector<Rule> rules) &&;
  Type finished_by(void (*finish)(void* target)) &&;
  Type preserving_unknown() &&;
  Type passive() &&;
  Type atomic() &&;
  Type where(Tree logic) &&;

  // nullptr when the object has no such field.
  const Field* find(std::string_view name) const;
};

struct Field {
  std::string name;
  std::shared_ptr<const Type> type;
  // For CRDs, editors and reference pages: what the field does, in sentences of our own. Empty: the Type's.
  std::string description;
  // What others call the same, for suggestions: "hosts" of `hostnames`. They live as long as the program.
  std::span<const std::string_view> other_names;
  bool is_required = false;
  std::string if_missing;  // what to suggest where a required field is missing: "add `kind: ConfigMap`"
  // Described, and neither checked nor bound: an API server leaves out what a file says there.
  bool is_ignored = false;
  bool is_effective = true;  // false: bound, but nothing reads the member yet (effect.h)
  bool is_passive = false;   // it means nothing wherever we run: that it has no effect is no news
  std::string
      replaced_by;  // the field beside it that takes its place: this one is deprecated (deprecation.h)
  std::optional<Tree> default_value;
  // The member's place in the struct (made if optional), and how it takes a value; nullptr: bound nowhere.
  void* (*at)(void* parent) = nullptr;
  // The same place to read from; null where an optional is empty.
  const void* (*get)(const void* parent) = nullptr;
  const Codec* codec = nullptr;

  const std::string& about() const { return description.empty() ? type->description : description; }

  Field doc(std::string text) &&;
  Field elsewhere(std::span<const std::string_view> names) &&;
  Field required(std::string if_missing = {}) &&;
  Field ignored() &&;
  Field ineffective() &&;
  Field passive() &&;
  Field deprecated(std::string replaced_by) &&;
  Field defaults_to(Tree value) &&;
  Field defaults_to(const char* value) &&;
  Field defaults_to(std::int64_t value) &&;
  Field defaults_to(int value) &&;
  Field defaults_to(bool value) &&;
};

// ---- what types are built from ---------------------------------------------------------------------

Type string();
Type boolean();
Type integer();  // of 64 bits
Type int32();
Type int64();
Type number();
Type int_or_string();
Type any();
// One of these strings. The order is that of the C++ enum that it binds to, if one.
Type enumeration(std::initializer_list<std::string> values);
Type enumeration(std::vector<std::string> values);
Type list(Type item);
Type map(Type item);
Type object(std::vector<Field> fields);

// A field that is checked and bound nowhere.
Field field(std::string name, Type type);
// A field that is bound to the member reached through the member pointers: field<&A::b, &B::c>("c", …).
template <auto... kMembers>
Field field(std::string name, Type type) {
  Field result = field(std::move(name), std::move(type));
  result.at = &member_at<kMembers...>;
  result.get = &find_member<kMembers...>;
  result.codec = codec_of<member_type_t<kMembers...>>();
  return result;
}
// A field whose own fields lie in the parent's struct: {ip: {address}} bound to one flat struct.
Field flattened(std::string name, Type type);

// ---- a value as rules see it -------------------------------------------------------------------------

// A place in a tree with its Type: members that are absent and have a default show the default.
// Valid while the tree and the Type are.
class Value {
 public:
  Value(const Tree* tree, const Type* type) : tree_(tree), type_(type) {}

  // False when there is nothing here: neither written nor by default.
  explicit operator bool() const { return tree_ != nullptr && !tree_->is_null(); }
  const Tree* tree() const { return tree_; }
  const Type* type() const { return type_; }

  Value operator[](std::string_view name) const;  // a member
  Value at(std::size_t index) const;              // an item
  std::size_t size() const;                       // of a list, a map, or a string in bytes; else 0
  bool has(std::string_view name) const { return static_cast<bool>((*this)[name]); }
  // What is there, or "".
  std::string_view text() const;

  // True when every item fulfils the predicate.
  template <typename Predicate>
  bool all(Predicate predicate) const {
    for (std::size_t i = 0; i < item_count(); ++i) {
      if (!predicate(at(i))) return false;
    }
    return true;
  }

 private:
  std::size_t item_count() const { return tree_ != nullptr && tree_->is_list() ? tree_->items().size() : 0; }

  const Tree* tree_;
  const Type* type_;
};

}  // namespace sluice::schema
