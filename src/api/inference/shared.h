// What the kinds of llm-d share.
//
// Threads: pure functions.
#pragma once

#include "schema/type.h"

namespace sluice::api {

schema::Type pool_reference();  // to PoolReference

// llm-d's schemas let objects be without a spec. Nobody can use one.
schema::Type with_optional_spec(schema::Type resource);

}  // namespace sluice::api
