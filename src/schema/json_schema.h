// A Type as a JSON Schema (draft-07) for editors: completion, descriptions, and those checks that such a
// schema can say. Rules over several fields stay with check().
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::schema {

// A kind in those of its versions that have this Type.
struct KindSchema {
  std::string_view kind;
  std::vector<std::string> api_versions;  // "gateway.networking.k8s.io/v1", …
  const Type* type;
};

// Of one kind: a schema for each Type that its versions have, chosen by apiVersion.
Tree json_schema(const std::vector<KindSchema>& kinds);

}  // namespace sluice::schema
