// A Type as the OpenAPI schema of a CustomResourceDefinition: an API server that gets it checks what check()
// checks, and fills in the same defaults.
//
// Threads: a pure function.
#pragma once

#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::schema {

// Of a whole object, with descriptions. Its metadata is left to the API server.
Tree open_api(const Type& type);

}  // namespace sluice::schema
