// What is wrong in one kind may be right in another: `matches` of an HTTPRoute in the rule of a TCPRoute.
// Whoever writes it has copied it from there, or has the wrong kind.
//
// Threads: a pure function.
#pragma once

#include <vector>

#include "api/kinds.h"
#include "base/problem.h"
#include "tree/tree.h"

namespace sluice::api {

// Gives problems of the schema that suggest nothing a suggestion, where another declared kind has at the same
// path the field, a field of such a form, or the value: "HTTPRoute and GRPCRoute have it, and TCPRoute does
// not". Kinds of the object's group, or of its sort (routes, policies), come first: of others only those are
// named that have all of what is written below the field.
void suggest_relatives(const Tree& document, const GroupKind& kind, std::vector<Problem>& problems);

}  // namespace sluice::api
