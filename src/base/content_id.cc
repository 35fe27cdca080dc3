#include "base/content_id.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sluice {

std::string content_id(std::string_view text) {
  return fmt::format("{:012x}", XXH3_64bits(text.data(), text.size()) >> 16U);
}

}  // namespace sluice
