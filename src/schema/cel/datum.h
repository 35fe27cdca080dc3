// What a CEL expression computes with. Inside of cel/ only.
//
// A Datum is small and copied freely; what it points to belongs to the tree, the expression, or the Heap of
// the evaluation, which keeps what is made on the way.
#pragma once

#include <cstdint>
#include <forward_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::schema::cel {

// A Kubernetes quantity in units of 10^-9.
__extension__ typedef __int128 Nanos;

struct Datum {
  enum class Kind : std::uint8_t {
    kError,
    kNull,
    kBool,
    kInt,
    kUint,
    kDouble,
    kString,
    kBytes,
    kList,
    kMap,
    kDuration,
    kTimestamp,
    kIp,
    kCidr,
    kUrl,
    kQuantity,
    kFormat
  };

  Kind kind = Kind::kNull;
  std::uint32_t nanos = 0;  // kTimestamp: behind the second
  union {
    std::int64_t integer = 0;  // kInt; kDuration: nanoseconds; kTimestamp: seconds since 1970; kCidr: bits
    bool boolean;
    std::uint64_t natural;
    double number;
    const Tree* tree;  // kList, kMap: the place in the tree, or nullptr where the expression made it
  };
  union {
    const Type* type = nullptr;      // of the tree
    const std::vector<Datum>* made;  // kList: the items; kMap: keys and values in turn
    const Nanos* quantity;
  };
  // kString, kBytes; kError: what went wrong; kIp, kCidr: 4 or 16 bytes; kUrl: as written; kFormat: its name.
  std::string_view text;

  bool is(Kind wanted) const { return kind == wanted; }
  bool is_error() const { return kind == Kind::kError; }
  bool is_true() const { return kind == Kind::kBool && boolean; }
  bool is_false() const { return kind == Kind::kBool && !boolean; }

  static Datum of(bool value) {
    Datum result{.kind = Kind::kBool};
    result.boolean = value;
    return result;
  }
  static Datum of_int(std::int64_t value) { return {.kind = Kind::kInt, .integer = value}; }
  static Datum of_uint(std::uint64_t value) {
    Datum result{.kind = Kind::kUint};
    result.natural = value;
    return result;
  }
  static Datum of_double(double value) {
    Datum result{.kind = Kind::kDouble};
    result.number = value;
    return result;
  }
  static Datum of_text(std::string_view value, Kind kind = Kind::kString) {
    Datum result{.kind = kind};
    result.text = value;
    return result;
  }
  static Datum of_duration(std::int64_t nanoseconds) {
    return {.kind = Kind::kDuration, .integer = nanoseconds};
  }
  static Datum of_list(const std::vector<Datum>* items) {
    Datum result{.kind = Kind::kList};
    result.tree = nullptr;
    result.made = items;
    return result;
  }
};

// What an evaluation makes, and how much it may still do. A step is some ten nanoseconds: whoever works on
// more than a few bytes or items spends more of them, before or at least while they are worked on.
class Heap {
 public:
  explicit Heap(std::size_t steps) : steps_(steps) {}

  std::string_view keep(std::string text) {
    spend(text.size() / 8);
    return strings_.emplace_front(std::move(text));
  }
  const std::vector<Datum>* keep(std::vector<Datum> items) {
    spend(items.size());
    return &lists_.emplace_front(std::move(items));
  }
  const Nanos* keep(Nanos value) { return &quantities_.emplace_front(value); }
  Datum error(std::string message) {
    spend(message.size() / 8);
    return Datum::of_text(strings_.emplace_front(std::move(message)), Datum::Kind::kError);
  }
  Datum text(std::string value) { return Datum::of_text(keep(std::move(value))); }
  Datum list(std::vector<Datum> items) { return Datum::of_list(keep(std::move(items))); }

  void spend(std::size_t steps) { steps_ -= steps < steps_ ? steps : steps_; }
  bool is_spent() const { return steps_ == 0; }

 private:
  std::size_t steps_;
  std::forward_list<std::string> strings_;
  std::forward_list<std::vector<Datum>> lists_;
  std::forward_list<Nanos> quantities_;
};

// The value at a place in a tree. Formats are those that Kubernetes gives types of their own.
Datum read(Heap& heap, const Tree& tree, const Type& type);

// Of lists and maps.
std::size_t size_of(const Datum& container);
// An item of a list, or the key of a map. `index` is below size_of().
Datum item_at(Heap& heap, const Datum& list, std::size_t index);
Datum key_at(const Datum& map, std::size_t index);
// A member of a map by its key, or of an object by its name; kError with an empty text where there is none.
Datum find_member(Heap& heap, const Datum& map, const Datum& key);

bool equal(Heap& heap, const Datum& a, const Datum& b);
// Less than, equal, greater than zero; nullopt-like: *comparable is false where there is no order.
int compare(const Datum& a, const Datum& b, bool* comparable);

// "an int", "a string": for messages.
std::string_view words_for(Datum::Kind kind);
// As CEL writes it; the rest of what is long is left out.
std::string show(Heap& heap, const Datum& datum);

}  // namespace sluice::schema::cel
