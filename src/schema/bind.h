// A tree → a struct.
//
// Fields are found by name, defaults are filled in, unknown fields are passed over. A tree that check() takes
// always binds. One that an API server has checked against a later schema may not: what does not fit is a
// problem "schema/wrong-type" with its path and place, and the struct is not to be used then.
//
// Threads: pure functions.
#pragma once

#include <string_view>
#include <vector>

#include "base/problem.h"
#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::schema {

// `target` points to the struct that the Type's fields have their accessors for; the caller names the right
// one. False, and problems, where something did not fit.
bool bind(const Tree& tree, const Type& type, void* target, std::vector<Problem>* problems);

}  // namespace sluice::schema
