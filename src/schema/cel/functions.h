// The functions of CEL rules, in one table: those of the language, of cel-go's string extensions, and of
// Kubernetes' libraries for lists, regular expressions, IP addresses, CIDRs, URLs, quantities and formats.
// Inside of cel/ only.
//
//   x.f(y) and f(x, y) have the same entry: the receiver is the first argument. An entry says which of the
//   two ways it may be written in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "schema/cel/datum.h"

namespace re2 {
class RE2;
}

namespace sluice::schema::cel {

struct Function {
  enum class Form : std::uint8_t { kGlobal, kMethod, kBoth };
  std::string_view name;
  Form form;
  // Of arguments, the receiver included.
  std::size_t min_args;
  std::size_t max_args;
  // None of the arguments is an error.
  Datum (*call)(Heap& heap, std::span<const Datum> args);
};

// nullptr when there is no such function in this form.
const Function* find_function(std::string_view name, bool is_method, std::size_t args);
// True when there is one of this name in any form: for messages.
bool is_function(std::string_view name);

// A constant `format.NAME()`, or kError.
Datum format_of(std::string_view name);

// Go's durations ("1h30m", "1.5s") and RFC 3339 times; an error where the text is none.
Datum duration_of(Heap& heap, std::string_view text);
Datum timestamp_of(Heap& heap, std::string_view text);

// For rules and for values: neither words in a log, nor a program of more than a megabyte.
std::shared_ptr<const re2::RE2> compile(std::string_view regex);
// True where some of the text matches; false as well once the steps are spent.
bool search(Heap& heap, const re2::RE2& regex, std::string_view text);

// What string() makes of a datum.
std::string text_of(const Datum& datum);

// Of addresses.cc: the entries for IP addresses, CIDRs and URLs.
std::span<const Function> address_functions();
std::string text_of_ip(std::string_view bytes);

}  // namespace sluice::schema::cel
