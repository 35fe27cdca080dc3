// Why a patch cannot be applied.
#pragma once

#include <expected>
#include <string>

namespace sluice::patch {

struct Failure {
  std::string field;  // of the operation that is at fault: "path", "jsonPath", "from", "value", "op"
  // One sentence without a full stop: what is there in place of what the operation asks for.
  std::string message;
  std::string suggestion;  // may be empty: "did you mean `/filter_chains`?"

  bool operator==(const Failure&) const = default;
};

template <typename T>
using Result = std::expected<T, Failure>;

}  // namespace sluice::patch
