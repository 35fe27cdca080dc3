// What a tree says in a way that another has replaced: fields that a Type declares deprecated(). They do what
// they always did; each gives the warning "support/deprecated-field", with what to write instead.
//
// Threads: pure function.
#pragma once

#include <vector>

#include "base/problem.h"
#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::schema {

// Appends a warning for each such field in a tree, whatever else is wrong with it.
void report_deprecated(const Tree& tree, const Type& type, std::vector<Problem>* problems);

}  // namespace sluice::schema
