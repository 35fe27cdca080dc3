// The declared kinds, as fuzz targets need them.
#pragma once

#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::fuzz {

// The Type that a document's apiVersion and kind name; null where they name none.
const schema::Type* declared_type(const Tree& document);

}  // namespace sluice::fuzz
