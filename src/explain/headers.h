// What Envoy makes of a request's headers before it looks at routes: some requests it refuses, some headers
// it takes away, and some it sets itself.
//
// Threads: pure function.
#pragma once

#include "explain/request.h"

namespace sluice::explain {

// Fills in the headers, the upgrade and whether it is gRPC; the answer, where the request is refused for
// a header.
void read_headers(const Request& request, Arrival& arrival);

}  // namespace sluice::explain
