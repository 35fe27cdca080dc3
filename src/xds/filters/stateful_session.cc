#include "xds/filters/stateful_session.h"

#include "envoy/extensions/filters/http/stateful_session/v3/stateful_session.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/http/stateful_session/cookie/v3/cookie.pb.h"
#include "envoy/extensions/http/stateful_session/header/v3/header.pb.h"

#include "xds/duration.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

constexpr std::string_view kName = "envoy.filters.http.stateful_session";

// The cookie is for the paths of the route (GEP-1619): of a regular expression, the segments before the first
// that has more to it than text.
std::string cookie_path(const ir::PathMatch& match) {
  if (match.kind != ir::MatchKind::kRegex) return match.value;
  constexpr std::string_view kSpecial = R"(\+*?()|[]{}^$.)";
  const std::size_t special = match.value.find_first_of(kSpecial);
  if (special == std::string::npos) return match.value;
  const std::size_t slash = match.value.rfind('/', special);
  return slash == std::string::npos || slash == 0 ? "/" : match.value.substr(0, slash);
}

}  // namespace

void add_stateful_session(const ir::HttpChain& chain, HttpConnectionManager* to) {
  if (!chain.filters.contains(ir::RouteFilter::kSession)) return;
  add_filter(kName, envoy::extensions::filters::http::stateful_session::v3::StatefulSession(), to);
  // Routes that have sessions switch it on.
  to->mutable_http_filters(to->http_filters_size() - 1)->set_disabled(true);
}

void append_stateful_session(std::string_view /*host*/, const ir::Route& route, std::string& out) {
  const auto* forward = std::get_if<ir::Forward>(&route.action->action);
  if (forward == nullptr || !forward->session) return;
  const ir::Session& session = *forward->session;
  envoy::extensions::filters::http::stateful_session::v3::StatefulSessionPerRoute config;
  auto* state = config.mutable_stateful_session()->mutable_session_state();
  if (session.kind == ir::Session::Kind::kHeader) {
    envoy::extensions::http::stateful_session::header::v3::HeaderBasedSessionState header;
    header.set_name(session.name);
    state->set_name("envoy.http.stateful_session.header");
    pack(header, state->mutable_typed_config());
  } else {
    envoy::extensions::http::stateful_session::cookie::v3::CookieBasedSessionState cookie;
    cookie.mutable_cookie()->set_name(session.name);
    cookie.mutable_cookie()->set_path(cookie_path(route.match.path));
    if (session.lifetime) fill_duration(*session.lifetime, cookie.mutable_cookie()->mutable_ttl());
    state->set_name("envoy.http.stateful_session.cookie");
    pack(cookie, state->mutable_typed_config());
  }
  append_route_config(kName, config, out);
}

}  // namespace sluice::xds
