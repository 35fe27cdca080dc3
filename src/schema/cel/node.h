// A CEL expression as a tree. Inside of cel/ only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "schema/cel/datum.h"
#include "schema/cel/functions.h"

namespace sluice::schema::cel {

struct Node {
  enum class Op : std::uint8_t {
    kConstant,
    kVariable,
    kSelect,  // args[0].text
    kHas,     // has(args[0].text)
    kIndex,
    kList,
    kMap,  // keys and values in turn
    kCall,
    kNot,
    kNegate,
    kAnd,
    kOr,
    kConditional,
    kEqual,
    kUnequal,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kIn,
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kRemainder,
    // args: the list or map, then the expressions over the variable in `slot`.
    kAll,
    kExists,
    kExistsOne,
    kFilter,
    kTransform
  };

  Op op = Op::kConstant;
  std::vector<std::unique_ptr<Node>> args;
  Datum constant;
  std::string text;                       // kSelect, kHas: the member; kConstant: what its text points to
  std::vector<Datum> items;               // kConstant: what a list points to
  std::size_t slot = 0;                   // kVariable and macros: where the variable lives; 0 is `self`
  const Function* function = nullptr;     // kCall
  std::shared_ptr<const re2::RE2> regex;  // of a call of matches() with a constant
  int depth = 1;
};

// Variables of nested macros, and `self`.
inline constexpr std::size_t kMaxVariables = 12;

}  // namespace sluice::schema::cel
