// What users say of sessions, whoever says it: a rule, or the policy of a backend.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "api/kinds.h"
#include "base/problem.h"
#include "ir/ir.h"

namespace sluice::translate {

// The session of this name, whatever the user calls it.
ir::Session read_session(const api::SessionPersistence& from, std::string name);

// A name that no cookie or header can have, which is an error: no session is kept; and a timeout without
// effect. `path` is that of the sessionPersistence in the object.
std::vector<Problem> check_session(const api::SessionPersistence& from, const ObjectKey& object,
                                   const std::string& path);

}  // namespace sluice::translate
