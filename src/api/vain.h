// What objects say in vain, of those that an API server has checked: it knows fields that we do not use.
//
// Threads: a pure function.
#pragma once

#include <vector>

#include "base/problem.h"
#include "tree/tree.h"

namespace sluice::api {

// Warnings "support/no-effect" as read_object() has them of a user's text, but for fields with their default,
// which the server may have written. Positions are of the Tree, file and object are empty.
std::vector<Problem> said_in_vain(const Tree& document);

}  // namespace sluice::api
