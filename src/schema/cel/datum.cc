#include "schema/cel/datum.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <optional>

#include <fmt/format.h>

#include "schema/cel/functions.h"
#include "schema/codec.h"

namespace sluice::schema::cel {

namespace {

using Kind = Datum::Kind;

const Type& any_type() {
  static const Type* const type = new Type();
  return *type;
}

bool is_numeric(const Datum& datum) {
  return datum.is(Kind::kInt) || datum.is(Kind::kUint) || datum.is(Kind::kDouble);
}

// Integers against each other exactly; against a double, as doubles.
std::partial_ordering order_of_numbers(const Datum& a, const Datum& b) {
  const auto as_double = [](const Datum& datum) {
    return datum.is(Kind::kDouble) ? datum.number
           : datum.is(Kind::kInt)  ? static_cast<double>(datum.integer)
                                   : static_cast<double>(datum.natural);
  };
  if (a.is(Kind::kDouble) || b.is(Kind::kDouble)) return as_double(a) <=> as_double(b);
  const bool a_is_negative = a.is(Kind::kInt) && a.integer < 0;
  const bool b_is_negative = b.is(Kind::kInt) && b.integer < 0;
  if (a_is_negative != b_is_negative)
    return a_is_negative ? std::partial_ordering::less : std::partial_ordering::greater;
  return a_is_negative ? a.integer <=> b.integer : a.natural <=> b.natural;
}

Datum read_text(Heap& heap, const Tree& tree, const Type& type) {
  const std::string& text = tree.as_string();
  if (type.format.empty()) return Datum::of_text(text);
  heap.spend(text.size() / 8);
  if (type.format == "byte") {
    std::optional<std::string> bytes = decode_base64(text);
    if (!bytes) return heap.error("the value is no base64");
    return Datum::of_text(heap.keep(*std::move(bytes)), Kind::kBytes);
  }
  if (type.format == "duration") return duration_of(heap, text);
  if (type.format == "date-time") return timestamp_of(heap, text);
  return Datum::of_text(text);
}

// Lists can hold one list many times, so that a small value is a long text.
constexpr std::size_t kMaxShown = 4'000;

void append_shown(Heap& heap, const Datum& datum, std::string* text) {
  if (text->size() >= kMaxShown) return;
  switch (datum.kind) {
    case Kind::kError:
      *text += fmt::format("error: {}", datum.text);
      break;
    case Kind::kNull:
      *text += "null";
      break;
    case Kind::kUint:
      *text += fmt::format("{}u", datum.natural);
      break;
    case Kind::kString:
      *text += fmt::format("\"{}\"", datum.text.substr(0, kMaxShown));
      break;
    case Kind::kBytes:
      *text += fmt::format("b\"{}\"", datum.text.substr(0, kMaxShown));
      break;
    case Kind::kList:
    case Kind::kMap: {
      const bool is_list = datum.is(Kind::kList);
      *text += is_list ? '[' : '{';
      for (std::size_t i = 0; i < size_of(datum) && text->size() < kMaxShown; ++i) {
        if (i > 0) *text += ", ";
        if (is_list) {
          append_shown(heap, item_at(heap, datum, i), text);
          continue;
        }
        const Datum key = key_at(datum, i);
        append_shown(heap, key, text);
        *text += ": ";
        append_shown(heap, find_member(heap, datum, key), text);
      }
      *text += is_list ? ']' : '}';
      break;
    }
    default:
      *text += text_of(datum);
  }
}

}  // namespace

Datum read(Heap& heap, const Tree& tree, const Type& type) {
  switch (tree.type()) {
    case Tree::Type::kNull:
      return {};
    case Tree::Type::kBool:
      return Datum::of(tree.as_bool());
    case Tree::Type::kInt:
      if (type.kind == Type::Kind::kNumber) return Datum::of_double(tree.as_float());
      return Datum::of_int(tree.as_int());
    case Tree::Type::kFloat: {
      // 80.0 is an integer where the schema wants one.
      std::int64_t integer = 0;
      if (type.kind == Type::Kind::kInteger && store_int64(&integer, tree, type))
        return Datum::of_int(integer);
      return Datum::of_double(tree.as_float());
    }
    case Tree::Type::kString:
      return read_text(heap, tree, type);
    case Tree::Type::kList:
    case Tree::Type::kMap: {
      Datum result{.kind = tree.is_list() ? Kind::kList : Kind::kMap};
      result.tree = &tree;
      result.type = &type;
      return result;
    }
  }
  return {};
}

std::size_t size_of(const Datum& container) {
  const bool is_list = container.is(Kind::kList);
  if (container.tree == nullptr) return container.made->size() / (is_list ? 1 : 2);
  return is_list ? container.tree->items().size() : container.tree->members().size();
}

Datum item_at(Heap& heap, const Datum& list, std::size_t index) {
  if (list.tree == nullptr) return (*list.made)[index];
  return read(heap, list.tree->items()[index], list.type->item != nullptr ? *list.type->item : any_type());
}

Datum key_at(const Datum& map, std::size_t index) {
  if (map.tree == nullptr) return (*map.made)[2 * index];
  return Datum::of_text(map.tree->members()[index].key);
}

Datum find_member(Heap& heap, const Datum& map, const Datum& key) {
  const Datum absent{.kind = Kind::kError};
  if (map.tree != nullptr) {
    if (!key.is(Kind::kString)) return absent;
    heap.spend(map.tree->members().size() / 16);
    const Value member = Value(map.tree, map.type)[key.text];
    if (!member && !(member.tree() != nullptr && member.type()->is_nullable)) return absent;
    return read(heap, *member.tree(), *member.type());
  }
  for (std::size_t i = 0; i + 1 < map.made->size(); i += 2) {
    if (equal(heap, (*map.made)[i], key)) return (*map.made)[i + 1];
  }
  return absent;
}

bool equal(Heap& heap, const Datum& a, const Datum& b) {
  if (heap.is_spent()) return false;
  heap.spend(1);
  if (is_numeric(a) && is_numeric(b)) return order_of_numbers(a, b) == std::partial_ordering::equivalent;
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return a.boolean == b.boolean;
    case Kind::kDuration:
      return a.integer == b.integer;
    case Kind::kTimestamp:
      return a.integer == b.integer && a.nanos == b.nanos;
    case Kind::kCidr:
      return a.integer == b.integer && a.text == b.text;
    case Kind::kQuantity:
      return *a.quantity == *b.quantity;
    case Kind::kError:
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kDouble:
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kIp:
    case Kind::kUrl:
    case Kind::kFormat:
      return a.text == b.text;
    case Kind::kList: {
      const std::size_t size = size_of(a);
      if (size != size_of(b)) return false;
      for (std::size_t i = 0; i < size; ++i) {
        if (!equal(heap, item_at(heap, a, i), item_at(heap, b, i))) return false;
      }
      return true;
    }
    case Kind::kMap: {
      const std::size_t size = size_of(a);
      if (size != size_of(b)) return false;
      for (std::size_t i = 0; i < size; ++i) {
        const Datum key = key_at(a, i);
        const Datum theirs = find_member(heap, b, key);
        if (theirs.is_error() || !equal(heap, find_member(heap, a, key), theirs)) return false;
      }
      return true;
    }
  }
  return false;
}

int compare(const Datum& a, const Datum& b, bool* comparable) {
  const auto sign = [](auto order) { return order < 0 ? -1 : order > 0 ? 1 : 0; };
  *comparable = true;
  if (is_numeric(a) && is_numeric(b)) {
    const std::partial_ordering order = order_of_numbers(a, b);
    *comparable = order != std::partial_ordering::unordered;
    return sign(order);
  }
  if (a.kind == b.kind) {
    switch (a.kind) {
      case Kind::kBool:
        return sign(a.boolean <=> b.boolean);
      case Kind::kString:
      case Kind::kBytes:
        return sign(a.text <=> b.text);
      case Kind::kDuration:
        return sign(a.integer <=> b.integer);
      case Kind::kTimestamp:
        return sign(std::pair(a.integer, a.nanos) <=> std::pair(b.integer, b.nanos));
      default:
        break;
    }
  }
  *comparable = false;
  return 0;
}

std::string_view words_for(Kind kind) {
  switch (kind) {
    case Kind::kError:
      return "an error";
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "a bool";
    case Kind::kInt:
      return "an int";
    case Kind::kUint:
      return "a uint";
    case Kind::kDouble:
      return "a double";
    case Kind::kString:
      return "a string";
    case Kind::kBytes:
      return "bytes";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
    case Kind::kDuration:
      return "a duration";
    case Kind::kTimestamp:
      return "a timestamp";
    case Kind::kIp:
      return "an IP address";
    case Kind::kCidr:
      return "a CIDR";
    case Kind::kUrl:
      return "a URL";
    case Kind::kQuantity:
      return "a quantity";
    case Kind::kFormat:
      return "a format";
  }
  return "";
}

std::string show(Heap& heap, const Datum& datum) {
  std::string text;
  append_shown(heap, datum, &text);
  return text;
}

}  // namespace sluice::schema::cel
