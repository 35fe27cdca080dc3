// What a tree says that has no effect.
//
// A field that a Type declares without a member is checked and then dropped; so is one that is bound and
// marked ineffective(), because nothing reads the member yet. Who writes such a field believes that it does
// something: each gives the warning "support/no-effect". Nothing has to be listed anywhere: whoever gives the
// field a member, or takes the mark off, has ended the warning.
//
// Fields that mean nothing wherever we run are declared passive(), by themselves or as all that is below a
// Type: nobody misses them.
//
// An API server writes defaults into objects: what has the default of its field need not be what somebody
// wrote.
//
// Threads: pure function.
#pragma once

#include <cstdint>
#include <vector>

#include "base/problem.h"
#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::schema {

enum class Writer : std::uint8_t { kUser, kServer };

// Appends a warning for each of the outermost such fields in a tree that check() takes, whoever wrote it; of
// a server's not for those with their default.
void report_ineffective(const Tree& tree, const Type& type, std::vector<Problem>* problems,
                        Writer writer = Writer::kUser);

}  // namespace sluice::schema
