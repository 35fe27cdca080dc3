// Rules of upstream's schemas: expressions in CEL (https://github.com/google/cel-spec) as Kubernetes runs
// them.
//
// A Program is parsed once and asked about many values. `self` is a place in a tree with its Type: an absent
// member that has a default shows the default, has() included, as after an API server has filled it in. An
// error inside an expression (a member that is not there, an overflow, …) breaks the rule, except where the
// other side of && or || decides alone.
//
// What there is: literals of all kinds, lists, maps, all operators, has, all, exists, exists_one, filter,
// map, and the functions that functions.h lists. Macros of two variables, optional values and messages are
// not; a program that uses them does not parse. Rules about `oldSelf` parse, and always hold: files have no
// past.
//
// Any text and any value are safe: both depth and work are limited, and nothing throws.
//
// Threads: a Program is immutable; evaluations may run side by side.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "schema/type.h"

namespace sluice::schema::cel {

struct Node;

// Longer texts do not parse.
inline constexpr std::size_t kMaxText = 16 << 10;
// An evaluation that takes more steps is an error: a step is a node of the expression or some bytes of text.
inline constexpr std::size_t kMaxSteps = 2'000'000;

struct Verdict {
  bool holds = false;
  // Why the rule could not be evaluated; empty where it says yes or no.
  std::string error;
};

// The items of a list, or values of a map, that decided against a rule such as
// `self.all(l1, self.exists_one(l2, l1.name == l2.name))`.
struct Culprit {
  const Tree* item = nullptr;     // nullptr: no item alone
  const Tree* earlier = nullptr;  // the one that it repeats, or nullptr
};

class Program {
 public:
  // The error is one sentence with the column, from 1.
  static std::expected<Program, std::string> parse(std::string_view text);

  // One Program a text, for texts that are part of the source: one that does not parse stops the program.
  static std::shared_ptr<const Program> of(const std::string& text);

  Verdict evaluate(const Value& self) const;
  // To be asked once evaluate() said no.
  Culprit culprit(const Value& self) const;
  // The value of the expression as CEL writes it, or "error: …".
  std::string show(const Value& self) const;

  // It compares with what was before: nothing to check in a file.
  bool is_transition() const { return is_transition_; }

 private:
  std::shared_ptr<const Node> root_;
  bool is_transition_ = false;
};

}  // namespace sluice::schema::cel
