#include "xds/filters/cors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"

#include "xds/wire.h"

namespace sluice::xds {
namespace {

constexpr std::string_view kName = "envoy.filters.http.cors";

void fill_origin(const std::string& origin, envoy::type::matcher::v3::StringMatcher* to) {
  if (origin.find('*') == std::string::npos) {
    to->set_exact(origin);
    return;
  }
  std::string regex;
  for (const char c : origin) {
    if (c == '*') {
      regex += ".*";
    } else {
      if (c == '.') regex += '\\';
      regex += c;
    }
  }
  to->mutable_safe_regex()->set_regex(regex);
}

}  // namespace

void add_cors(const ir::HttpChain& chain, HttpConnectionManager* to) {
  if (!chain.filters.contains(ir::RouteFilter::kCors)) return;
  add_filter(kName, envoy::extensions::filters::http::cors::v3::Cors(), to);
}

void append_cors(std::string_view /*host*/, const ir::Route& route, std::string& out) {
  if (!route.action->cors) return;
  const ir::Cors& from = *route.action->cors;
  envoy::extensions::filters::http::cors::v3::CorsPolicy policy;
  for (const std::string& origin : from.origins) fill_origin(origin, policy.add_allow_origin_string_match());
  policy.set_allow_methods(fmt::format("{}", fmt::join(from.methods, ", ")));
  policy.set_allow_headers(fmt::format("{}", fmt::join(from.headers, ", ")));
  policy.set_expose_headers(fmt::format("{}", fmt::join(from.exposed_headers, ", ")));
  policy.set_max_age(std::to_string(from.max_age.count()));
  policy.mutable_allow_credentials()->set_value(from.credentials);
  // A preflight that asks for too much is answered here, without leave.
  policy.mutable_forward_not_matching_preflights()->set_value(false);
  append_route_config(kName, policy, out);
}

}  // namespace sluice::xds
