#define XXH_INLINE_ALL
#include <xxhash.h>

#include "xds/render.h"

namespace sluice::xds {

std::uint64_t content_hash(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace sluice::xds
