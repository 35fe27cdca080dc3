#include "xds/filters/order.h"

#include <algorithm>
#include <utility>

#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

#include "xds/filters/cors.h"
#include "xds/filters/credential_injector.h"
#include "xds/filters/dynamic_module.h"
#include "xds/filters/endpoint_picker.h"
#include "xds/filters/ext_authz.h"
#include "xds/filters/ext_proc.h"
#include "xds/filters/extension.h"
#include "xds/filters/grpc.h"
#include "xds/filters/loopback_guard.h"
#include "xds/filters/lua.h"
#include "xds/filters/router.h"
#include "xds/filters/stateful_session.h"
#include "xds/filters/wasm.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

using Filters = std::vector<const HttpFilter*>;

constexpr HttpFilter kFilters[] = {
    // Sees local replies of all others.
    {"envoy.filters.http.custom_response", nullptr},
    // Answers from the state of the proxy alone; nothing in the users' hands may turn it away.
    {"envoy.filters.http.health_check", nullptr},
    // What refuses at little cost comes before what costs more.
    {"envoy.filters.http.fault", nullptr},
    // Preflight requests carry no credentials: before authentication.
    {"envoy.filters.http.cors", add_cors, append_cors},
    {"envoy.filters.http.csrf", nullptr},
    // Authentication may read headers that were set here.
    {"envoy.filters.http.header_mutation", nullptr},
    {ir::kExtAuthz, add_ext_authz},
    {"envoy.filters.http.api_key_auth", nullptr},
    {"envoy.filters.http.basic_auth", nullptr},
    {"envoy.filters.http.oauth2", nullptr},
    {"envoy.filters.http.jwt_authn", nullptr},
    {"envoy.filters.http.stateful_session", add_stateful_session, append_stateful_session},
    {"envoy.filters.http.buffer", nullptr},
    // The users' code. A route names its filters of all four kinds at once.
    {"envoy.filters.http.lua", add_lua, append_extensions},
    {"envoy.filters.http.ext_proc", add_ext_proc},
    {"envoy.filters.http.wasm", add_wasm},
    {"envoy.filters.http.dynamic_modules", add_dynamic_modules},
    // Authorization and limits judge what the above made of the request.
    {"envoy.filters.http.geoip", nullptr},
    {"envoy.filters.http.rbac", add_loopback_guard, append_loopback_guard},
    {"envoy.filters.http.local_ratelimit", nullptr},
    {"envoy.filters.http.ratelimit", nullptr},
    {"envoy.filters.http.bandwidth_limit", nullptr},
    {"envoy.filters.http.grpc_web", add_grpc_web},
    {"envoy.filters.http.grpc_stats", add_grpc_stats},
    {ir::kCredentialInjector, add_credential_injectors},
    {"envoy.filters.http.compressor", nullptr},
    {"envoy.filters.http.dynamic_forward_proxy", nullptr},
    // What it picks is reserved: nobody refuses the request after it.
    {ir::kEndpointPicker, add_endpoint_pickers},
    // Sends the request on: nothing can come after it.
    {"envoy.filters.http.router", add_router},
};

// A filter of the rest is to be in front of this one.
bool has_to_wait(const HttpFilter* filter, const Filters& rest, std::span<const ir::FilterMove> moves) {
  return std::ranges::any_of(moves, [&](const ir::FilterMove& move) {
    const std::string& first = move.before ? move.filter : move.other;
    const std::string& then = move.before ? move.other : move.filter;
    return then == filter->type && first != then &&
           std::ranges::any_of(rest, [&first](const HttpFilter* other) { return other->type == first; });
  });
}

// One move may have undone another: as they are, but each behind all that are to be in front of it.
Filters in_order(Filters filters, std::span<const ir::FilterMove> moves) {
  Filters result;
  result.reserve(filters.size());
  while (!filters.empty()) {
    auto next = std::ranges::find_if(
        filters, [&](const HttpFilter* filter) { return !has_to_wait(filter, filters, moves); });
    if (next == filters.end()) next = filters.begin();  // the moves go round in a circle
    result.push_back(*next);
    filters.erase(next);
  }
  return result;
}

}  // namespace

std::span<const HttpFilter> http_filters() { return kFilters; }

std::vector<const HttpFilter*> http_filters(std::span<const ir::FilterMove> moves) {
  Filters filters;
  filters.reserve(std::size(kFilters));
  for (const HttpFilter& filter : kFilters) filters.push_back(&filter);
  const auto find = [&filters](const std::string& type) {
    return std::ranges::find(filters, type, [](const HttpFilter* filter) { return filter->type; });
  };
  for (const ir::FilterMove& move : moves) {
    const auto from = find(move.filter);
    if (from == filters.end() || find(move.other) == filters.end() || move.filter == move.other) continue;
    const HttpFilter* moved = *from;
    filters.erase(from);
    filters.insert(find(move.other) + (move.before ? 0 : 1), moved);
  }
  return moves.empty() ? filters : in_order(std::move(filters), moves);
}

void add_filter(std::string_view name, const google::protobuf::Message& config, HttpConnectionManager* to) {
  auto* filter = to->add_http_filters();
  filter->set_name(name.data(), name.size());
  pack(config, filter->mutable_typed_config());
}

void append_route_config(std::string_view filter, const google::protobuf::Message& config, std::string& out) {
  envoy::config::route::v3::Route route;
  pack(config, &(*route.mutable_typed_per_filter_config())[std::string(filter)]);
  append_serialized(out, route);
}

}  // namespace sluice::xds
