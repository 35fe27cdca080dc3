// The HTTP filters, in the order in which a request meets them (a response meets them the other way round).
//
// One table row a filter, one file a filter. A row without a renderer is a filter to come: its place is
// decided.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/ir.h"

namespace envoy::extensions::filters::network::http_connection_manager::v3 {
class HttpConnectionManager;
}

namespace google::protobuf {
class Message;
}

namespace sluice::xds {

using HttpConnectionManager =
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

struct HttpFilter {
  // Envoy's name of the type. One chain may have several of a type, named "<type>/<anything>".
  std::string_view type;
  // Adds those of this type that the chain needs to `to`, sorted by name; null where there is no renderer
  // yet.
  void (*add)(const ir::HttpChain& chain, HttpConnectionManager* to);
  // Appends what such filters do on a route of a host, as fields of the serialised
  // envoy.config.route.v3.Route; null where it is the same on all routes.
  void (*append_to_route)(std::string_view host, const ir::Route& route, std::string& out) = nullptr;
};

// A filter with this configuration, at the end of the list.
void add_filter(std::string_view name, const google::protobuf::Message& config, HttpConnectionManager* to);

// What append_to_route makes: the configuration of the filter of that name on a route.
void append_route_config(std::string_view filter, const google::protobuf::Message& config, std::string& out);

// The default order. Ends with the router.
std::span<const HttpFilter> http_filters();

// The same after the user's changes, each of which takes a filter from where it is and puts it next to
// another.
std::vector<const HttpFilter*> http_filters(std::span<const ir::FilterMove> moves);

}  // namespace sluice::xds
