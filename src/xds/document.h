// A resource as users change it: a JSON document, and back.
//
// It is protobuf's mapping to JSON with the names of fields as Envoy's documentation has them, as in Envoy
// Gateway. A resource that nobody changes never becomes one.
//
// Threads: pure functions.
#pragma once

#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "xds/render.h"

namespace sluice::xds {

nlohmann::json to_document(ResourceType type, std::string_view bytes);

struct NamedHost {
  std::string name;                 // for the virtual host
  std::vector<std::string> routes;  // for each of its routes, in their order
};
using NamesByDomain = std::map<std::string, NamedHost>;
// The document of a route table whose virtual hosts and routes get these names.
nlohmann::json to_named_document(std::string_view bytes, const NamesByDomain& names);

// What a document says.
struct Resource {
  std::string bytes;
  std::string name;
  // Which it names, as far as that matters to the order in which resources are sent; sorted.
  std::vector<std::string> clusters;
  std::vector<std::string> route_tables;
};

// Why a document is no resource of the type.
struct DocumentError {
  std::string message;     // "`/filter_chain` is no field of envoy.config.listener.v3.Listener"
  std::string suggestion;  // may be empty
};

std::expected<Resource, DocumentError> from_document(ResourceType type, const nlohmann::json& document);

}  // namespace sluice::xds
