// JSON Patch (RFC 6902): changes of a document.
//
// An operation names its place by a JSON Pointer, or has a JSONPath find places, below which `path` goes on.
// It is carried out at each of these, one after the other; a `remove` begins with the last, so that it takes
// away what was found. As in Envoy Gateway, `add` makes what is missing on the way to its place.
//
// What is not there is told with what is there instead. An operation that fails leaves the document as it
// was.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "patch/failure.h"

namespace sluice::patch {

enum class Op : std::uint8_t { kAdd, kRemove, kReplace, kMove, kCopy, kTest };

struct Operation {
  Op op = Op::kAdd;
  std::optional<std::string> path = {};
  std::optional<std::string> json_path = {};
  std::optional<std::string> from = {};
  std::shared_ptr<const nlohmann::json> value = {};  // null: has none

  bool operator==(const Operation& other) const;  // compares values, not pointers
};

// What is wrong with the operation whatever the document.
std::optional<Failure> check(const Operation& operation);

// Of a document: values in it, and levels. Copies of copies would grow without end.
inline constexpr std::size_t kMaxValues = 3'000'000;
inline constexpr std::size_t kMaxLevels = 90;  // protobuf reads 100

// `secret`: no value of the document is told in a failure.
Result<void> carry_out(const Operation& operation, nlohmann::json& document, bool secret = false);

}  // namespace sluice::patch
