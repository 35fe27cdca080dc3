#include "ads/session_types.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "xds/render.h"

namespace sluice::ads {

using Type = xds::ResourceType;

ResourcePtr empty_resource(Type type, const std::string& name) {
  auto resource = std::make_shared<Resource>();
  resource->type = type;
  resource->name = name;
  std::string bytes =
      type == Type::kEndpoints ? xds::render_endpoints(name, {}, false) : xds::assemble_routes(name, {});
  resource->version = xds::content_hash(bytes);
  resource->bytes = std::make_shared<const std::string>(std::move(bytes));
  return resource;
}

ResourcePtr unknown_resource(Type type, const std::string& name, std::uint64_t version) {
  auto resource = std::make_shared<Resource>();
  resource->type = type;
  resource->name = name;
  resource->version = version;
  return resource;
}

std::uint64_t version_part(std::string_view name, std::uint64_t version) {
  return xds::content_hash(fmt::format("{} {:x}", name, version));
}

}  // namespace sluice::ads
