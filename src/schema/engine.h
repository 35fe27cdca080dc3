// What check() needs for patterns and for rules in CEL, behind virtual functions: so that a program whose
// Types have neither can check trees without RE2 (plain_check.h). RE2 and CEL are in engine.cc, with the
// calls that put a pattern or a rule into a Type.
//
// Threads: an Engine is immutable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "schema/cel/cel.h"
#include "schema/check.h"
#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::schema {

class Engine {
 public:
  // Somewhere in the text.
  virtual bool found(const re2::RE2& regex, std::string_view text) const = 0;
  // The first place of the text that the pattern matches; false where there is none.
  virtual bool replace(std::string* text, const char* pattern, const char* replacement) const = 0;
  virtual cel::Verdict evaluate(const cel::Program& program, const Value& self) const = 0;
  virtual cel::Culprit culprit(const cel::Program& program, const Value& self) const = 0;

 protected:
  ~Engine() = default;
};

// check(). Null is enough where no Type has a pattern or a rule in CEL.
bool check_with(const Engine* engine, const Tree& tree, const Type& type, std::vector<Problem>* problems,
                Effort effort);

}  // namespace sluice::schema
