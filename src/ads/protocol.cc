#include "ads/protocol.h"

namespace sluice::ads {

std::optional<xds::ResourceType> type_of(std::string_view type_url) {
  for (int i = 0; i < xds::kResourceTypes; ++i) {
    const auto type = static_cast<xds::ResourceType>(i);
    if (xds::type_url(type) == type_url) return type;
  }
  return std::nullopt;
}

}  // namespace sluice::ads
