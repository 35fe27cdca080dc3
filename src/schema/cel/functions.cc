#include "schema/cel/functions.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <re2/re2.h>

namespace sluice::schema::cel {

namespace {

using Kind = Datum::Kind;
using Form = Function::Form;
using Args = std::span<const Datum>;

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

Datum unfit(Heap& heap, std::string_view function, const Datum& value) {
  return heap.error(fmt::format("`{}` does not take {}", function, words_for(value.kind)));
}

bool all_are(Args args, Kind kind) {
  return std::ranges::all_of(args, [kind](const Datum& arg) { return arg.is(kind); });
}

Datum first_other(Heap& heap, std::string_view function, Args args, Kind kind) {
  for (const Datum& arg : args) {
    if (!arg.is(kind)) return unfit(heap, function, arg);
  }
  return {};
}

// ---- texts, in code points -------------------------------------------------------------------------

bool begins_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, begins_code_point));
}

// The byte at which the code point of this index begins; text.size() for the one behind the last; npos
// beyond.
std::size_t offset_of(std::string_view text, std::int64_t index) {
  if (index < 0) return std::string_view::npos;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (begins_code_point(text[i]) && index-- == 0) return i;
  }
  return index == 0 ? text.size() : std::string_view::npos;
}

template <bool (*kTest)(std::string_view, std::string_view)>
Datum test_texts(Heap& heap, Args args) {
  if (!all_are(args, Kind::kString)) return first_other(heap, "a test of strings", args, Kind::kString);
  return Datum::of(kTest(args[0].text, args[1].text));
}
// As text.find(part, from), which takes as long as both lengths multiplied where both are "aaa…".
std::size_t find_text(std::string_view text, std::string_view part, std::size_t from = 0) {
  if (part.empty()) return from;
  if (text.size() - from < part.size()) return std::string_view::npos;
  const void* const found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}
bool contains_text(std::string_view text, std::string_view part) {
  return find_text(text, part) != std::string_view::npos;
}
bool starts_with(std::string_view text, std::string_view part) { return text.starts_with(part); }
bool ends_with(std::string_view text, std::string_view part) { return text.ends_with(part); }

// A regular expression of the value's, or the error that it is none. Ten bytes make a program of thousands of
// instructions: "(.{30}){30}".
std::shared_ptr<const re2::RE2> compile_now(Heap& heap, std::string_view text, Datum* error) {
  auto regex = compile(text);
  if (!regex->ok()) {
    *error = heap.error(fmt::format("bad regular expression ({})", regex->error()));
    return nullptr;
  }
  heap.spend(100 + 4 * static_cast<std::size_t>(regex->ProgramSize()));
  return regex;
}

// Where the text, from a byte on, matches. At worst each byte meets each instruction.
bool search_from(Heap& heap, const re2::RE2& regex, std::string_view text, std::size_t from,
                 re2::StringPiece* match) {
  heap.spend(1 + (text.size() - from) * static_cast<std::size_t>(regex.ProgramSize()) / 32);
  return !heap.is_spent() &&
         regex.Match(piece(text), from, text.size(), re2::RE2::UNANCHORED, match, match == nullptr ? 0 : 1);
}

Datum matches(Heap& heap, Args args) {
  if (!all_are(args, Kind::kString)) return first_other(heap, "matches", args, Kind::kString);
  Datum error;
  const auto regex = compile_now(heap, args[1].text, &error);
  return regex == nullptr ? error : Datum::of(search(heap, *regex, args[0].text));
}

Datum find_all(Heap& heap, std::string_view text, std::string_view expression, std::int64_t limit) {
  Datum error;
  const auto regex = compile_now(heap, expression, &error);
  if (regex == nullptr) return error;
  std::vector<Datum> found;
  re2::StringPiece match;
  std::size_t from = 0;
  while (from <= text.size() && (limit < 0 || static_cast<std::int64_t>(found.size()) < limit) &&
         search_from(heap, *regex, text, from, &match)) {
    found.push_back(Datum::of_text(std::string_view(match.data(), match.size())));
    const auto end = static_cast<std::size_t>(match.data() - text.data()) + match.size();
    from = match.empty() ? end + 1 : end;
  }
  return heap.list(std::move(found));
}

Datum find(Heap& heap, Args args) {
  if (!all_are(args, Kind::kString)) return first_other(heap, "find", args, Kind::kString);
  const Datum all = find_all(heap, args[0].text, args[1].text, 1);
  if (all.is_error()) return all;
  return all.made->empty() ? Datum::of_text("") : all.made->front();
}

Datum find_some(Heap& heap, Args args) {
  if (!all_are(args.first(2), Kind::kString))
    return first_other(heap, "findAll", args.first(2), Kind::kString);
  if (args.size() == 3 && !args[2].is(Kind::kInt)) return unfit(heap, "findAll", args[2]);
  return find_all(heap, args[0].text, args[1].text, args.size() == 3 ? args[2].integer : -1);
}

template <char kFrom, char kTo>
Datum change_case(Heap& heap, Args args) {
  if (!args[0].is(Kind::kString)) return unfit(heap, "a change of case", args[0]);
  std::string text(args[0].text);
  for (char& c : text) {
    if (c >= kFrom && c < kFrom + 26) c = static_cast<char>(c - kFrom + kTo);
  }
  return heap.text(std::move(text));
}

Datum trim(Heap& heap, Args args) {
  if (!args[0].is(Kind::kString)) return unfit(heap, "trim", args[0]);
  std::string_view text = args[0].text;
  static constexpr std::string_view kBlanks[] = {
      " ",        "\t",           "\n",           "\v",           "\f",           "\r",          "\xC2\x85",
      "\xC2\xA0", "\xE2\x80\x80", "\xE2\x80\x83", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE3\x80\x80"};
  const auto cut = [&text](bool (*is_there)(std::string_view, std::string_view), bool front) {
    for (const std::string_view blank : kBlanks) {
      if (!is_there(text, blank)) continue;
      front ? text.remove_prefix(blank.size()) : text.remove_suffix(blank.size());
      return true;
    }
    return false;
  };
  while (cut(starts_with, true)) {
  }
  while (cut(ends_with, false)) {
  }
  return Datum::of_text(text);
}

Datum split(Heap& heap, Args args) {
  if (!all_are(args.first(2), Kind::kString)) return first_other(heap, "split", args.first(2), Kind::kString);
  if (args.size() == 3 && !args[2].is(Kind::kInt)) return unfit(heap, "split", args[2]);
  const std::int64_t limit = args.size() == 3 ? args[2].integer : -1;
  std::string_view text = args[0].text;
  const std::string_view separator = args[1].text;
  std::vector<Datum> parts;
  if (limit == 0) return heap.list(std::move(parts));
  while (limit < 0 || static_cast<std::int64_t>(parts.size()) + 1 < limit) {
    // An empty separator parts the code points.
    std::size_t end = separator.empty() ? offset_of(text, 1) : find_text(text, separator);
    if (end == std::string_view::npos || (separator.empty() && end == text.size())) break;
    heap.spend(1);
    if (heap.is_spent()) break;
    parts.push_back(Datum::of_text(text.substr(0, end)));
    text.remove_prefix(end + separator.size());
  }
  if (!separator.empty() || !text.empty()) parts.push_back(Datum::of_text(text));
  return heap.list(std::move(parts));
}

Datum substring(Heap& heap, Args args) {
  if (!args[0].is(Kind::kString)) return unfit(heap, "substring", args[0]);
  if (!all_are(args.subspan(1), Kind::kInt))
    return first_other(heap, "substring", args.subspan(1), Kind::kInt);
  const std::string_view text = args[0].text;
  const std::size_t from = offset_of(text, args[1].integer);
  const std::size_t to = args.size() == 3 ? offset_of(text, args[2].integer) : text.size();
  if (from == std::string_view::npos || to == std::string_view::npos || from > to)
    return heap.error("the string is too short for this `substring`");
  return Datum::of_text(text.substr(from, to - from));
}

Datum char_at(Heap& heap, Args args) {
  if (!args[0].is(Kind::kString)) return unfit(heap, "charAt", args[0]);
  if (!args[1].is(Kind::kInt)) return unfit(heap, "charAt", args[1]);
  const std::string_view text = args[0].text;
  const std::size_t from = offset_of(text, args[1].integer);
  if (from == std::string_view::npos) return heap.error("the string is too short for this `charAt`");
  return Datum::of_text(text.substr(from, std::min(offset_of(text.substr(from), 1), text.size())));
}

// Of a string in a string from an index on, or of an item in a list.
Datum index_of(Heap& heap, Args args) {
  if (args[0].is(Kind::kList) && args.size() == 2) {
    for (std::size_t i = 0; i < size_of(args[0]) && !heap.is_spent(); ++i) {
      if (equal(heap, item_at(heap, args[0], i), args[1])) return Datum::of_int(static_cast<std::int64_t>(i));
    }
    return Datum::of_int(-1);
  }
  if (!all_are(args.first(2), Kind::kString))
    return first_other(heap, "indexOf", args.first(2), Kind::kString);
  if (args.size() == 3 && !args[2].is(Kind::kInt)) return unfit(heap, "indexOf", args[2]);
  const std::size_t from = offset_of(args[0].text, args.size() == 3 ? args[2].integer : 0);
  if (from == std::string_view::npos) return heap.error("the string is too short for this `indexOf`");
  const std::size_t found = find_text(args[0].text, args[1].text, from);
  return Datum::of_int(found == std::string_view::npos
                           ? -1
                           : static_cast<std::int64_t>(code_points(args[0].text.substr(0, found))));
}

Datum last_index_of(Heap& heap, Args args) {
  if (args[0].is(Kind::kList)) {
    for (std::size_t i = size_of(args[0]); i-- > 0 && !heap.is_spent();) {
      if (equal(heap, item_at(heap, args[0], i), args[1])) return Datum::of_int(static_cast<std::int64_t>(i));
    }
    return Datum::of_int(-1);
  }
  if (!all_are(args, Kind::kString)) return first_other(heap, "lastIndexOf", args, Kind::kString);
  heap.spend(args[0].text.size() / 16 * (args[1].text.size() / 16));
  if (heap.is_spent()) return {};
  const std::size_t found = args[0].text.rfind(args[1].text);
  return Datum::of_int(found == std::string_view::npos
                           ? -1
                           : static_cast<std::int64_t>(code_points(args[0].text.substr(0, found))));
}

Datum replace(Heap& heap, Args args) {
  if (!all_are(args.first(3), Kind::kString))
    return first_other(heap, "replace", args.first(3), Kind::kString);
  if (args.size() == 4 && !args[3].is(Kind::kInt)) return unfit(heap, "replace", args[3]);
  std::int64_t limit = args.size() == 4 ? args[3].integer : -1;
  std::string_view text = args[0].text;
  const std::string_view from = args[1].text;
  std::string result;
  if (from.empty()) return heap.error("`replace` needs something to replace");
  for (std::size_t found; limit != 0 && (found = find_text(text, from)) != std::string_view::npos; --limit) {
    result += text.substr(0, found);
    result += args[2].text;
    heap.spend(1 + args[2].text.size() / 8);
    if (heap.is_spent()) break;
    text.remove_prefix(found + from.size());
  }
  return heap.text(result + std::string(text));
}

Datum join(Heap& heap, Args args) {
  if (!args[0].is(Kind::kList)) return unfit(heap, "join", args[0]);
  if (args.size() == 2 && !args[1].is(Kind::kString)) return unfit(heap, "join", args[1]);
  std::string result;
  for (std::size_t i = 0; i < size_of(args[0]) && !heap.is_spent(); ++i) {
    const Datum item = item_at(heap, args[0], i);
    if (!item.is(Kind::kString)) return unfit(heap, "join", item);
    if (i > 0 && args.size() == 2) result += args[1].text;
    result += item.text;
    heap.spend(1 + result.size() / 64);
  }
  return heap.text(std::move(result));
}

// ---- lists ---------------------------------------------------------------------------------------

Datum size(Heap& heap, Args args) {
  switch (args[0].kind) {
    case Kind::kString:
      return Datum::of_int(static_cast<std::int64_t>(code_points(args[0].text)));
    case Kind::kBytes:
      return Datum::of_int(static_cast<std::int64_t>(args[0].text.size()));
    case Kind::kList:
    case Kind::kMap:
      return Datum::of_int(static_cast<std::int64_t>(size_of(args[0])));
    default:
      return unfit(heap, "size", args[0]);
  }
}

// The item that no other comes before (kSign < 0) or after.
template <int kSign>
Datum extreme(Heap& heap, Args args) {
  if (!args[0].is(Kind::kList)) return unfit(heap, "min and max", args[0]);
  if (size_of(args[0]) == 0) return heap.error("the list is empty");
  heap.spend(size_of(args[0]));
  Datum best = item_at(heap, args[0], 0);
  for (std::size_t i = 1; i < size_of(args[0]); ++i) {
    const Datum item = item_at(heap, args[0], i);
    bool comparable = false;
    if (compare(item, best, &comparable) * kSign > 0) best = item;
    if (!comparable) return unfit(heap, "min and max", item);
  }
  return best;
}

Datum is_sorted(Heap& heap, Args args) {
  if (!args[0].is(Kind::kList)) return unfit(heap, "isSorted", args[0]);
  heap.spend(size_of(args[0]));
  for (std::size_t i = 1; i < size_of(args[0]); ++i) {
    bool comparable = false;
    const Datum item = item_at(heap, args[0], i);
    if (compare(item_at(heap, args[0], i - 1), item, &comparable) > 0) return Datum::of(false);
    if (!comparable) return unfit(heap, "isSorted", item);
  }
  return Datum::of(true);
}

Datum sum(Heap& heap, Args args) {
  if (!args[0].is(Kind::kList)) return unfit(heap, "sum", args[0]);
  heap.spend(size_of(args[0]));
  std::int64_t integers = 0;
  double doubles = 0;
  bool is_double = false;
  for (std::size_t i = 0; i < size_of(args[0]); ++i) {
    const Datum item = item_at(heap, args[0], i);
    if (item.is(Kind::kDouble)) {
      is_double = true;
      doubles += item.number;
    } else if (!item.is(Kind::kInt)) {
      return unfit(heap, "sum", item);
    } else if (__builtin_add_overflow(integers, item.integer, &integers)) {
      return heap.error("a number does not fit into 64 bits");
    }
  }
  return is_double ? Datum::of_double(doubles + static_cast<double>(integers)) : Datum::of_int(integers);
}

// ---- conversions -----------------------------------------------------------------------------------

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const char* const end = text.data() + text.size();
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

Datum to_int(Heap& heap, Args args) {
  const Datum& value = args[0];
  switch (value.kind) {
    case Kind::kInt:
      return value;
    case Kind::kUint:
      if (value.natural <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return Datum::of_int(static_cast<std::int64_t>(value.natural));
      break;
    case Kind::kDouble:
      if (value.number > -0x1p63 && value.number < 0x1p63)
        return Datum::of_int(static_cast<std::int64_t>(value.number));
      break;
    case Kind::kTimestamp:
      return Datum::of_int(value.integer);
    case Kind::kString:
      if (const auto number = parse_number<std::int64_t>(value.text)) return Datum::of_int(*number);
      break;
    default:
      return unfit(heap, "int", value);
  }
  return heap.error("the value is no int of 64 bits");
}

Datum to_uint(Heap& heap, Args args) {
  const Datum& value = args[0];
  switch (value.kind) {
    case Kind::kUint:
      return value;
    case Kind::kInt:
      if (value.integer >= 0) return Datum::of_uint(value.natural);
      break;
    case Kind::kDouble:
      if (value.number > -1 && value.number < 0x1p64)
        return Datum::of_uint(static_cast<std::uint64_t>(value.number));
      break;
    case Kind::kString:
      if (const auto number = parse_number<std::uint64_t>(value.text)) return Datum::of_uint(*number);
      break;
    default:
      return unfit(heap, "uint", value);
  }
  return heap.error("the value is no uint of 64 bits");
}

Datum to_double(Heap& heap, Args args) {
  const Datum& value = args[0];
  switch (value.kind) {
    case Kind::kDouble:
      return value;
    case Kind::kInt:
      return Datum::of_double(static_cast<double>(value.integer));
    case Kind::kUint:
      return Datum::of_double(static_cast<double>(value.natural));
    case Kind::kString:
      if (const auto number = parse_number<double>(value.text)) return Datum::of_double(*number);
      return heap.error("the value is no double");
    default:
      return unfit(heap, "double", value);
  }
}

Datum to_bool(Heap& heap, Args args) {
  if (args[0].is(Kind::kBool)) return args[0];
  if (!args[0].is(Kind::kString)) return unfit(heap, "bool", args[0]);
  for (const std::string_view yes : {"true", "True", "TRUE", "t", "1"}) {
    if (args[0].text == yes) return Datum::of(true);
  }
  for (const std::string_view no : {"false", "False", "FALSE", "f", "0"}) {
    if (args[0].text == no) return Datum::of(false);
  }
  return heap.error("the value is no bool");
}

Datum to_string(Heap& heap, Args args) {
  switch (args[0].kind) {
    case Kind::kString:
      return args[0];
    case Kind::kError:
    case Kind::kNull:
    case Kind::kList:
    case Kind::kMap:
    case Kind::kQuantity:
    case Kind::kFormat:
      return unfit(heap, "string", args[0]);
    default:
      return heap.text(text_of(args[0]));
  }
}

Datum to_bytes(Heap& heap, Args args) {
  if (args[0].is(Kind::kBytes)) return args[0];
  if (!args[0].is(Kind::kString)) return unfit(heap, "bytes", args[0]);
  return Datum::of_text(args[0].text, Kind::kBytes);
}

Datum same(Heap&, Args args) { return args[0]; }

Datum to_duration(Heap& heap, Args args) {
  if (args[0].is(Kind::kDuration)) return args[0];
  return args[0].is(Kind::kString) ? duration_of(heap, args[0].text) : unfit(heap, "duration", args[0]);
}

Datum to_timestamp(Heap& heap, Args args) {
  if (args[0].is(Kind::kTimestamp)) return args[0];
  if (args[0].is(Kind::kInt)) {
    constexpr std::int64_t kLastSecond = 253'402'300'799;  // of the year 9999
    constexpr std::int64_t kFirstSecond = -62'135'596'800;
    if (args[0].integer < kFirstSecond || args[0].integer > kLastSecond)
      return heap.error("the time is out of range");
    Datum result{.kind = Kind::kTimestamp};
    result.integer = args[0].integer;
    return result;
  }
  return args[0].is(Kind::kString) ? timestamp_of(heap, args[0].text) : unfit(heap, "timestamp", args[0]);
}

template <std::int64_t kUnit>
Datum duration_in(Heap& heap, Args args) {
  return args[0].is(Kind::kDuration) ? Datum::of_int(args[0].integer / kUnit)
                                     : unfit(heap, "a part of a duration", args[0]);
}

// ---- quantities ----------------------------------------------------------------------------------

constexpr Nanos kNanosPerUnit = kNanosPerSecond;

// A decimal number and a suffix of decimal or binary prefixes, or an exponent. Finer than nano rounds up.
std::optional<Nanos> parse_quantity(std::string_view text) {
  struct Suffix {
    std::string_view text;
    int tens;
    int twos;
  };
  static constexpr Suffix kSuffixes[] = {{"Ki", 0, 10}, {"Mi", 0, 20}, {"Gi", 0, 30}, {"Ti", 0, 40},
                                         {"Pi", 0, 50}, {"Ei", 0, 60}, {"n", -9, 0},  {"u", -6, 0},
                                         {"m", -3, 0},  {"", 0, 0},    {"k", 3, 0},   {"M", 6, 0},
                                         {"G", 9, 0},   {"T", 12, 0},  {"P", 15, 0},  {"E", 18, 0}};
  bool is_negative = false;
  if (text.starts_with('-') || text.starts_with('+')) {
    is_negative = text.front() == '-';
    text.remove_prefix(1);
  }
  Nanos value = 0;
  int digits = 0;
  int behind_point = -1;
  constexpr int kMaxDigits = 18;
  while (!text.empty() &&
         ((text.front() >= '0' && text.front() <= '9') || (text.front() == '.' && behind_point < 0))) {
    if (text.front() == '.') {
      behind_point = 0;
    } else {
      if (++digits > kMaxDigits) return std::nullopt;
      value = value * 10 + (text.front() - '0');
      if (behind_point >= 0) ++behind_point;
    }
    text.remove_prefix(1);
  }
  if (digits == 0) return std::nullopt;
  int tens = 9 - std::max(behind_point, 0);
  int twos = 0;
  const auto* const suffix = std::ranges::find(kSuffixes, text, &Suffix::text);
  if (suffix != std::end(kSuffixes)) {
    tens += suffix->tens;
    twos = suffix->twos;
  } else if (text.starts_with('e') || text.starts_with('E')) {
    const auto exponent = parse_number<int>(text.substr(1));
    if (!exponent || *exponent > 18 || *exponent < -18) return std::nullopt;
    tens += *exponent;
  } else {
    return std::nullopt;
  }
  // More than API servers take: they stop at 2^63 - 1.
  constexpr Nanos kLargest = static_cast<Nanos>(std::numeric_limits<std::int64_t>::max()) * kNanosPerUnit;
  for (; twos > 0 && value <= kLargest; --twos) value *= 2;
  for (; tens > 0 && value <= kLargest; --tens) value *= 10;
  bool is_inexact = false;
  for (; tens < 0; ++tens) {
    is_inexact = is_inexact || value % 10 != 0;
    value /= 10;
  }
  value = std::min(value + (is_inexact ? 1 : 0), kLargest);
  return is_negative ? -value : value;
}

Datum to_quantity(Heap& heap, Args args) {
  if (!args[0].is(Kind::kString)) return unfit(heap, "quantity", args[0]);
  const std::optional<Nanos> value = parse_quantity(args[0].text);
  if (!value) return heap.error("the value is no quantity");
  Datum result{.kind = Kind::kQuantity};
  result.quantity = heap.keep(*value);
  return result;
}

Datum is_quantity(Heap& heap, Args args) {
  if (!args[0].is(Kind::kString)) return unfit(heap, "isQuantity", args[0]);
  return Datum::of(parse_quantity(args[0].text).has_value());
}

int order_of(Nanos a, Nanos b) { return a < b ? -1 : a > b ? 1 : 0; }

Datum compare_quantities(Heap& heap, Args args) {
  if (!all_are(args, Kind::kQuantity)) return first_other(heap, "compareTo", args, Kind::kQuantity);
  return Datum::of_int(order_of(*args[0].quantity, *args[1].quantity));
}
template <int kOrder>
Datum is_in_order(Heap& heap, Args args) {
  const Datum order = compare_quantities(heap, args);
  return order.is_error() ? order : Datum::of(order.integer == kOrder);
}

Datum quantity_sign(Heap& heap, Args args) {
  return args[0].is(Kind::kQuantity) ? Datum::of_int(order_of(*args[0].quantity, 0))
                                     : unfit(heap, "sign", args[0]);
}
Datum is_integer(Heap& heap, Args args) {
  return args[0].is(Kind::kQuantity) ? Datum::of(*args[0].quantity % kNanosPerUnit == 0)
                                     : unfit(heap, "isInteger", args[0]);
}
Datum as_integer(Heap& heap, Args args) {
  if (!args[0].is(Kind::kQuantity)) return unfit(heap, "asInteger", args[0]);
  if (*args[0].quantity % kNanosPerUnit != 0) return heap.error("the quantity is no integer");
  return Datum::of_int(static_cast<std::int64_t>(*args[0].quantity / kNanosPerUnit));
}
Datum as_float(Heap& heap, Args args) {
  return args[0].is(Kind::kQuantity) ? Datum::of_double(static_cast<double>(*args[0].quantity) / 1e9)
                                     : unfit(heap, "asApproximateFloat", args[0]);
}

// ---- formats -------------------------------------------------------------------------------------

struct Format {
  std::string_view name;
  const char* regex;
  std::size_t max_size;
};
constexpr Format kFormats[] = {
    {"dns1123Label", R"(^[a-z0-9]([-a-z0-9]*[a-z0-9])?$)", 63},
    {"dns1123Subdomain", R"(^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$)", 253},
    {"dns1035Label", R"(^[a-z]([-a-z0-9]*[a-z0-9])?$)", 63},
    {"qualifiedName",
     R"(^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$)",
     317},
    {"labelValue", R"(^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$)", 63},
    {"uuid", R"(^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$)", 36},
};

// Null where the text is of the format, else a list of what is wrong.
Datum validate(Heap& heap, Args args) {
  if (!args[0].is(Kind::kFormat)) return unfit(heap, "validate", args[0]);
  if (!args[1].is(Kind::kString)) return unfit(heap, "validate", args[1]);
  const auto* const format = std::ranges::find(kFormats, args[0].text, &Format::name);
  Datum error;
  const auto regex = compile_now(heap, format->regex, &error);
  const bool is_right = args[1].text.size() <= format->max_size && search(heap, *regex, args[1].text);
  if (is_right) return {};
  return heap.list({heap.text(fmt::format("no {}", format->name))});
}

constexpr Function kFunctions[] = {
    {"size", Form::kBoth, 1, 1, size},
    {"contains", Form::kMethod, 2, 2, test_texts<contains_text>},
    {"startsWith", Form::kMethod, 2, 2, test_texts<starts_with>},
    {"endsWith", Form::kMethod, 2, 2, test_texts<ends_with>},
    {"matches", Form::kBoth, 2, 2, matches},
    {"find", Form::kMethod, 2, 2, find},
    {"findAll", Form::kMethod, 2, 3, find_some},
    {"lowerAscii", Form::kMethod, 1, 1, change_case<'A', 'a'>},
    {"upperAscii", Form::kMethod, 1, 1, change_case<'a', 'A'>},
    {"trim", Form::kMethod, 1, 1, trim},
    {"split", Form::kMethod, 2, 3, split},
    {"join", Form::kMethod, 1, 2, join},
    {"substring", Form::kMethod, 2, 3, substring},
    {"charAt", Form::kMethod, 2, 2, char_at},
    {"indexOf", Form::kMethod, 2, 3, index_of},
    {"lastIndexOf", Form::kMethod, 2, 2, last_index_of},
    {"replace", Form::kMethod, 3, 4, replace},
    {"min", Form::kMethod, 1, 1, extreme<-1>},
    {"max", Form::kMethod, 1, 1, extreme<1>},
    {"sum", Form::kMethod, 1, 1, sum},
    {"isSorted", Form::kMethod, 1, 1, is_sorted},
    {"int", Form::kGlobal, 1, 1, to_int},
    {"uint", Form::kGlobal, 1, 1, to_uint},
    {"double", Form::kGlobal, 1, 1, to_double},
    {"bool", Form::kGlobal, 1, 1, to_bool},
    {"string", Form::kGlobal, 1, 1, to_string},
    {"bytes", Form::kGlobal, 1, 1, to_bytes},
    {"dyn", Form::kGlobal, 1, 1, same},
    {"duration", Form::kGlobal, 1, 1, to_duration},
    {"timestamp", Form::kGlobal, 1, 1, to_timestamp},
    {"getHours", Form::kMethod, 1, 1, duration_in<3600 * kNanosPerSecond>},
    {"getMinutes", Form::kMethod, 1, 1, duration_in<60 * kNanosPerSecond>},
    {"getSeconds", Form::kMethod, 1, 1, duration_in<kNanosPerSecond>},
    {"getMilliseconds", Form::kMethod, 1, 1, duration_in<1'000'000>},
    {"quantity", Form::kGlobal, 1, 1, to_quantity},
    {"isQuantity", Form::kGlobal, 1, 1, is_quantity},
    {"compareTo", Form::kMethod, 2, 2, compare_quantities},
    {"isLessThan", Form::kMethod, 2, 2, is_in_order<-1>},
    {"isGreaterThan", Form::kMethod, 2, 2, is_in_order<1>},
    {"sign", Form::kMethod, 1, 1, quantity_sign},
    {"isInteger", Form::kMethod, 1, 1, is_integer},
    {"asInteger", Form::kMethod, 1, 1, as_integer},
    {"asApproximateFloat", Form::kMethod, 1, 1, as_float},
    {"validate", Form::kMethod, 2, 2, validate},
};

// The days from 1970-01-01 to a day of the Gregorian calendar; months count from 1.
std::int64_t days_from_epoch(std::int64_t year, int month, int day) {
  // Years begin in March here, so that the leap day is the last of its year.
  if (month <= 2) --year;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

std::string time_text(const Datum& time) {
  std::int64_t days = time.integer / 86'400;
  std::int64_t rest = time.integer % 86'400;
  if (rest < 0) {
    rest += 86'400;
    --days;
  }
  std::int64_t year = 1970 + (days < 0 ? days / 365 - 1 : days / 366) - 1;  // not after the year
  while (days_from_epoch(year + 1, 1, 1) <= days) ++year;
  int month = 12;
  while (days_from_epoch(year, month, 1) > days) --month;
  const std::int64_t day = days - days_from_epoch(year, month, 1) + 1;
  std::string fraction = time.nanos == 0 ? "" : fmt::format(".{:09}", time.nanos);
  while (fraction.ends_with('0')) fraction.pop_back();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", year, month, day, rest / 3600, rest / 60 % 60,
                     rest % 60, fraction);
}

}  // namespace

std::shared_ptr<const re2::RE2> compile(std::string_view regex) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  return std::make_shared<const re2::RE2>(piece(regex), options);
}

bool search(Heap& heap, const re2::RE2& regex, std::string_view text) {
  return search_from(heap, regex, text, 0, nullptr);
}

const Function* find_function(std::string_view name, bool is_method, std::size_t args) {
  for (const std::span<const Function> table : {std::span<const Function>(kFunctions), address_functions()}) {
    for (const Function& function : table) {
      if (function.name == name && args >= function.min_args && args <= function.max_args &&
          (function.form == Form::kBoth || (function.form == Form::kMethod) == is_method)) {
        return &function;
      }
    }
  }
  return nullptr;
}

bool is_function(std::string_view name) {
  const auto has_name = [name](const Function& function) { return function.name == name; };
  return std::ranges::any_of(kFunctions, has_name) || std::ranges::any_of(address_functions(), has_name);
}

Datum format_of(std::string_view name) {
  const auto* const format = std::ranges::find(kFormats, name, &Format::name);
  if (format == std::end(kFormats)) return {.kind = Kind::kError};
  return Datum::of_text(format->name, Kind::kFormat);
}

Datum duration_of(Heap& heap, std::string_view text) {
  struct Unit {
    std::string_view name;
    std::int64_t nanos;
  };
  static constexpr Unit kUnits[] = {{"ns", 1},
                                    {"us", 1'000},
                                    {"µs", 1'000},
                                    {"ms", 1'000'000},
                                    {"s", kNanosPerSecond},
                                    {"m", 60 * kNanosPerSecond},
                                    {"h", 3600 * kNanosPerSecond}};
  const Datum bad = heap.error("the value is no duration");
  bool is_negative = false;
  if (text.starts_with('-') || text.starts_with('+')) {
    is_negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return Datum::of_duration(0);
  if (text.empty()) return bad;
  double total = 0;
  std::int64_t whole_total = 0;
  while (!text.empty()) {
    std::size_t end = 0;
    while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.')) ++end;
    const std::string_view digits = text.substr(0, end);
    text.remove_prefix(end);
    std::size_t unit_end = 0;
    while (unit_end < text.size() && text[unit_end] != '.' && (text[unit_end] < '0' || text[unit_end] > '9'))
      ++unit_end;
    const auto* const unit = std::ranges::find(kUnits, text.substr(0, unit_end), &Unit::name);
    if (unit == std::end(kUnits) || digits.empty()) return bad;
    text.remove_prefix(unit_end);
    if (const auto whole = parse_number<std::int64_t>(digits)) {
      std::int64_t nanos = 0;
      if (__builtin_mul_overflow(*whole, unit->nanos, &nanos) ||
          __builtin_add_overflow(whole_total, nanos, &whole_total)) {
        return bad;
      }
    } else if (const auto fraction = parse_number<double>(digits)) {
      total += *fraction * static_cast<double>(unit->nanos);
    } else {
      return bad;
    }
  }
  if (total >= 0x1p62 || __builtin_add_overflow(whole_total, std::llround(total), &whole_total)) return bad;
  return Datum::of_duration(is_negative ? -whole_total : whole_total);
}

Datum timestamp_of(Heap& heap, std::string_view text) {
  static const auto* const kRegex = new re2::RE2(
      R"((\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d)))");
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  std::string fraction;
  std::string sign;
  std::string offset_hours;
  std::string offset_minutes;
  if (!re2::RE2::FullMatch(piece(text), *kRegex, &year, &month, &day, &hour, &minute, &second, &fraction,
                           &sign, &offset_hours, &offset_minutes) ||
      month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) {
    return heap.error("the value is no RFC 3339 time");
  }
  const std::int64_t days = days_from_epoch(year, month, day);
  const std::int64_t next_month =
      month == 12 ? days_from_epoch(year + 1, 1, 1) : days_from_epoch(year, month + 1, 1);
  if (days >= next_month) return heap.error("the value is no RFC 3339 time");
  std::int64_t offset = 0;
  if (!sign.empty()) {
    offset = parse_number<int>(offset_hours).value_or(0) * 3600 +
             parse_number<int>(offset_minutes).value_or(0) * 60;
    if (sign == "-") offset = -offset;
  }
  fraction.resize(9, '0');
  Datum result{.kind = Kind::kTimestamp};
  result.integer = days * 86'400 + hour * 3600 + minute * 60 + second - offset;
  result.nanos = static_cast<std::uint32_t>(parse_number<int>(fraction).value_or(0));
  return result;
}

std::string text_of(const Datum& datum) {
  switch (datum.kind) {
    case Kind::kBool:
      return datum.boolean ? "true" : "false";
    case Kind::kInt:
      return fmt::format("{}", datum.integer);
    case Kind::kUint:
      return fmt::format("{}", datum.natural);
    case Kind::kDouble:
      return fmt::format("{}", datum.number);
    case Kind::kDuration: {
      const std::string_view sign = datum.integer < 0 ? "-" : "";
      const auto size = static_cast<std::uint64_t>(datum.integer < 0 ? -(datum.integer + 1) : datum.integer) +
                        (datum.integer < 0 ? 1 : 0);
      std::string fraction = fmt::format("{:09}", size % kNanosPerSecond);
      while (fraction.ends_with('0')) fraction.pop_back();
      return fmt::format("{}{}{}{}s", sign, size / kNanosPerSecond, fraction.empty() ? "" : ".", fraction);
    }
    case Kind::kTimestamp:
      return time_text(datum);
    case Kind::kIp:
      return text_of_ip(datum.text);
    case Kind::kCidr:
      return fmt::format("{}/{}", text_of_ip(datum.text), datum.integer);
    case Kind::kQuantity:
      return fmt::format("{}", static_cast<double>(*datum.quantity) / 1e9);
    default:
      return std::string(datum.text);
  }
}

}  // namespace sluice::schema::cel
