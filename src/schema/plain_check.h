// check() for Types without patterns and without rules in CEL: the same problems, and no need for RE2. The
// module inside Envoy (picker/module) has to do without: it is one file that links no shared library.
//
// Threads: a pure function.
#pragma once

#include <vector>

#include "base/problem.h"
#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::schema {

// As check(). A Type that calls matches(), keys_match() or with(), here or below, is a mistake of the
// programmer: where the module has one, it does not link.
bool check_plain(const Tree& tree, const Type& type, std::vector<Problem>* problems);

}  // namespace sluice::schema
