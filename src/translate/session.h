// What users say of sessions, whoever says it: a rule, or the policy of a backend.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>

#include "api/kinds.h"
#include "base/problem.h"
#include "ir/ir.h"

namespace sluice::translate {

// The session of this name, whatever the user calls it.
ir::Session read_session(const api::SessionPersistence& from, std::string name);

// A timeout without effect, or nothing. `path` is that of the sessionPersistence in the object.
std::optional<Problem> check_session(const api::SessionPersistence& from, const ObjectKey& object,
                                     const std::string& path);

}  // namespace sluice::translate
