#include <algorithm>
#include <span>
#include <variant>

#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h"

#include "xds/duration.h"
#include "xds/filters/order.h"
#include "xds/render.h"
#include "xds/retry.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace core = envoy::config::core::v3;
namespace matcher = envoy::type::matcher::v3;
namespace route_v3 = envoy::config::route::v3;

namespace {

constexpr std::string_view kMissingCluster = "invalid-backend-cluster";

// ---- matches ---------------------------------------------------------------------------------

// "/a/" matches what "/a" does.
std::string_view without_trailing_slash(std::string_view prefix) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return prefix;
}

void fill_value(const ir::ValueMatch& from, matcher::StringMatcher* to) {
  switch (from.kind) {
    case ir::MatchKind::kExact:
      to->set_exact(from.value);
      break;
    case ir::MatchKind::kPrefix:
      to->set_prefix(from.value);
      break;
    case ir::MatchKind::kRegex:
      to->mutable_safe_regex()->set_regex(from.value);
      break;
    case ir::MatchKind::kSuffix:
      to->set_suffix(from.value);
      break;
  }
}

void append_path(const ir::PathMatch& path, std::string& out) {
  using Match = route_v3::RouteMatch;
  switch (path.kind) {
    case ir::MatchKind::kExact:
      append_field(out, Match::kPathFieldNumber, path.value);
      return;
    case ir::MatchKind::kPrefix: {
      const std::string_view prefix = without_trailing_slash(path.value);
      if (prefix.empty()) {
        append_field(out, Match::kPrefixFieldNumber, std::string_view("/"));
      } else {
        append_field(out, Match::kPathSeparatedPrefixFieldNumber, prefix);
      }
      return;
    }
    case ir::MatchKind::kRegex: {
      matcher::RegexMatcher regex;
      regex.set_regex(path.value);
      append_field(out, Match::kSafeRegexFieldNumber, regex);
      return;
    }
    case ir::MatchKind::kSuffix:
      return;  // no path is matched by its end
  }
}

constexpr std::uint64_t kMillion = 1'000'000;

void fill_million(std::uint64_t numerator, std::uint64_t denominator,
                  envoy::type::v3::FractionalPercent* to) {
  to->set_numerator(static_cast<std::uint32_t>(numerator * kMillion / denominator));
  to->set_denominator(envoy::type::v3::FractionalPercent::MILLION);
}

void append_match(const ir::RouteMatch& match, std::string& out) {
  append_path(match.path, out);
  if (match.headers.empty() && match.query_params.empty() && match.cookies.empty() && match.method.empty() &&
      !match.below) {
    return;
  }
  route_v3::RouteMatch to;
  for (const ir::ValueMatch& from : match.headers) {
    route_v3::HeaderMatcher* header = to.add_headers();
    header->set_name(from.name);
    fill_value(from, header->mutable_string_match());
  }
  if (!match.method.empty()) {
    route_v3::HeaderMatcher* method = to.add_headers();
    method->set_name(":method");
    method->mutable_string_match()->set_exact(match.method);
  }
  for (const ir::ValueMatch& from : match.query_params) {
    route_v3::QueryParameterMatcher* parameter = to.add_query_parameters();
    parameter->set_name(from.name);
    fill_value(from, parameter->mutable_string_match());
  }
  for (const ir::ValueMatch& from : match.cookies) {
    route_v3::CookieMatcher* cookie = to.add_cookies();
    cookie->set_name(from.name);
    fill_value(from, cookie->mutable_string_match());
  }
  if (match.below) {
    fill_million(match.below->numerator, match.below->denominator,
                 to.mutable_runtime_fraction()->mutable_default_value());
  }
  append_serialized(out, to);
}

// ---- headers ---------------------------------------------------------------------------------

void fill_header(std::string_view name, const std::string& value, bool overwrite,
                 core::HeaderValueOption* to) {
  to->mutable_header()->set_key(name.data(), name.size());
  to->mutable_header()->set_value(value);
  if (overwrite) to->set_append_action(core::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD);
  to->set_keep_empty_value(value.empty());
}

// Of a route or of a weighted cluster.
template <typename Message>
void fill_headers(const Boxed<ir::HeaderChanges>& of_request, const Boxed<ir::HeaderChanges>& of_response,
                  Message* to) {
  const ir::HeaderChanges& request = of_request.or_default();
  const ir::HeaderChanges& response = of_response.or_default();
  for (const ir::Header& h : request.add)
    fill_header(h.name, h.value, false, to->add_request_headers_to_add());
  for (const ir::Header& h : request.set)
    fill_header(h.name, h.value, true, to->add_request_headers_to_add());
  for (const std::string& name : request.remove) to->add_request_headers_to_remove(name);
  for (const ir::Header& h : response.add) {
    fill_header(h.name, h.value, false, to->add_response_headers_to_add());
  }
  for (const ir::Header& h : response.set) {
    fill_header(h.name, h.value, true, to->add_response_headers_to_add());
  }
  for (const std::string& name : response.remove) to->add_response_headers_to_remove(name);
}

// ---- rewrites --------------------------------------------------------------------------------

std::string quote_regex(std::string_view text) {
  constexpr std::string_view kSpecial = R"(\.+*?()|[]{}^$)";
  std::string out;
  for (const char c : text) {
    if (kSpecial.find(c) != std::string_view::npos) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

// A substitution that is this text: "\1" in it is no group.
std::string quote_substitution(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

void fill_regex(const ir::RegexRewrite& from, matcher::RegexMatchAndSubstitute* to) {
  to->mutable_pattern()->set_regex(from.pattern);
  to->set_substitution(from.substitution);
}

// A prefix is replaced as if neither it nor its replacement ended with a slash; what follows it begins with
// one, or is nothing (Gateway API, HTTPPathModifier.replacePrefixMatch). Envoy replaces what it matched by
// the text as it is, which is the same but for two cases. By nothing, "/a/b" would become "//b" or "/a"
// nothing at all: there the slashes that follow go too. And of "/" Envoy matches the slash that what follows
// begins with: "/x" with "/new" becomes "/newx", as with Envoy Gateway, and with "/new/" it becomes "/new/x".
template <typename Action>
void fill_prefix_rewrite(const std::string& replacement, const ir::PathMatch& match, Action* to) {
  const std::string_view matched = without_trailing_slash(match.value);
  const std::string_view without = without_trailing_slash(replacement);
  const bool of_root = match.kind == ir::MatchKind::kPrefix && matched.empty();
  const std::string_view prefix = of_root && !without.empty() ? replacement : without;
  if (match.kind == ir::MatchKind::kPrefix && prefix.empty()) {
    to->mutable_regex_rewrite()->mutable_pattern()->set_regex("^" + quote_regex(matched) + R"(\/*)");
    to->mutable_regex_rewrite()->set_substitution("/");
    return;
  }
  to->set_prefix_rewrite(prefix.data(), prefix.size());
}

void fill_path_rewrite(const ir::PathRewrite& from, const ir::PathMatch& match, route_v3::RouteAction* to) {
  if (from.full) {
    to->mutable_regex_rewrite()->mutable_pattern()->set_regex("^/.*$");
    to->mutable_regex_rewrite()->set_substitution(quote_substitution(*from.full));
  } else if (from.prefix) {
    fill_prefix_rewrite(*from.prefix, match, to);
  } else if (from.regex) {
    fill_regex(*from.regex, to->mutable_regex_rewrite());
  }
}

void fill_rewrite(const ir::Rewrite& from, const ir::PathMatch& match, route_v3::RouteAction* to) {
  bool host = true;
  if (from.host) {
    to->set_host_rewrite_literal(*from.host);
  } else if (from.host_header) {
    to->set_host_rewrite_header(*from.host_header);
  } else if (from.host_of_endpoint) {
    to->mutable_auto_host_rewrite()->set_value(true);
  } else if (from.host_from_path) {
    fill_regex(*from.host_from_path, to->mutable_host_rewrite_path_regex());
  } else {
    host = false;
  }
  to->set_append_x_forwarded_host(host && from.append_x_forwarded_host);
  if (from.path) fill_path_rewrite(*from.path, match, to);
}

// ---- actions ---------------------------------------------------------------------------------

void fill_mirror(const ir::Mirror& from, route_v3::RouteAction::RequestMirrorPolicy* to) {
  to->set_cluster(from.cluster);
  to->set_disable_shadow_host_suffix_append(true);
  auto* share = to->mutable_runtime_fraction()->mutable_default_value();
  if (from.numerator >= from.denominator) {
    share->set_numerator(100);
  } else {
    fill_million(from.numerator, from.denominator, share);
  }
}

void fill_retry(const ir::Retry& from, route_v3::RetryPolicy* to) {
  constexpr std::uint32_t kDefaultCode = 503;
  constexpr std::uint32_t kTimeout = 504;
  std::string conditions = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
  // An attempt that Envoy itself gives up has no status yet.
  if (std::ranges::find(from.codes, kTimeout) != from.codes.end()) conditions += ",reset";
  if (from.only_unsent) conditions = "connect-failure,refused-stream,reset-before-request";
  to->set_retry_on(conditions);
  to->mutable_num_retries()->set_value(from.attempts);
  for (const std::uint32_t code : from.codes) to->add_retriable_status_codes(code);
  if (from.codes.empty() && !from.only_unsent) to->add_retriable_status_codes(kDefaultCode);
  if (from.per_try_timeout) fill_duration(*from.per_try_timeout, to->mutable_per_try_timeout());
  if (from.backoff) fill_back_off(*from.backoff, to->mutable_retry_back_off()->mutable_base_interval());
  // Another endpoint than those that failed, if five picks find one.
  auto* predicate = to->add_retry_host_predicate();
  predicate->set_name("envoy.retry_host_predicates.previous_hosts");
  pack(envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate(),
       predicate->mutable_typed_config());
  to->set_host_selection_retry_max_attempts(5);
}

// A stream without activity ends after an hour, but not before the request may take so long.
ir::Duration idle_timeout_for(ir::Duration request_timeout) {
  constexpr ir::Duration kHour = std::chrono::hours(1);
  return request_timeout == ir::Duration::zero() ? request_timeout : std::max(kHour, request_timeout);
}

bool has_changes(const ir::WeightedCluster& cluster) {
  return cluster.request_headers || cluster.response_headers || cluster.rewrite;
}

void fill_weighted(std::span<const ir::WeightedCluster> from, route_v3::WeightedCluster* to) {
  for (const ir::WeightedCluster& one : from) {
    route_v3::WeightedCluster::ClusterWeight* cluster = to->add_clusters();
    if (one.cluster.empty()) {
      cluster->set_name(kMissingCluster.data(), kMissingCluster.size());
    } else {
      cluster->set_name(one.cluster);
    }
    cluster->mutable_weight()->set_value(one.weight);
    fill_headers(one.request_headers, one.response_headers, cluster);
    if (one.rewrite && one.rewrite->host) cluster->set_host_rewrite_literal(*one.rewrite->host);
  }
}

void append_forward(const ir::Forward& from, const ir::PathMatch& match, std::string& out) {
  static const std::string& websocket = *[] {
    route_v3::RouteAction action;
    action.add_upgrade_configs()->set_upgrade_type("websocket");
    return new std::string(serialize(action));
  }();

  const bool single =
      from.clusters.size() == 1 && !from.clusters[0].cluster.empty() && !has_changes(from.clusters[0]);
  if (single) append_field(out, route_v3::RouteAction::kClusterFieldNumber, from.clusters[0].cluster);
  if (!from.grpc) out += websocket;
  if (single && !from.rewrite && from.mirrors.empty() && !from.timeout && !from.idle_timeout && !from.retry &&
      !from.missing_is_500) {
    return;
  }

  route_v3::RouteAction to;
  if (!single) fill_weighted(from.clusters, to.mutable_weighted_clusters());
  bool is_500 = from.missing_is_500;
  for (const ir::WeightedCluster& one : from.clusters)
    is_500 = is_500 || one.cluster.empty() || has_changes(one);
  if (is_500 && !from.grpc)
    to.set_cluster_not_found_response_code(route_v3::RouteAction::INTERNAL_SERVER_ERROR);
  if (from.rewrite) fill_rewrite(*from.rewrite, match, &to);
  for (const ir::Mirror& mirror : from.mirrors) fill_mirror(mirror, to.add_request_mirror_policies());
  if (from.timeout) fill_duration(*from.timeout, to.mutable_timeout());
  if (from.idle_timeout) {
    fill_duration(*from.idle_timeout, to.mutable_idle_timeout());
  } else if (from.timeout) {
    fill_duration(idle_timeout_for(*from.timeout), to.mutable_idle_timeout());
  }
  if (from.retry) fill_retry(*from.retry, to.mutable_retry_policy());
  append_serialized(out, to);
}

route_v3::RedirectAction::RedirectResponseCode redirect_code(std::uint16_t status) {
  switch (status) {
    case 302:
      return route_v3::RedirectAction::FOUND;
    case 303:
      return route_v3::RedirectAction::SEE_OTHER;
    case 307:
      return route_v3::RedirectAction::TEMPORARY_REDIRECT;
    case 308:
      return route_v3::RedirectAction::PERMANENT_REDIRECT;
    default:
      return route_v3::RedirectAction::MOVED_PERMANENTLY;
  }
}

void fill_redirect(const ir::Redirect& from, const ir::PathMatch& match, route_v3::RedirectAction* to) {
  if (!from.scheme.empty()) to->set_scheme_redirect(from.scheme);
  if (from.host) to->set_host_redirect(*from.host);
  if (from.port) to->set_port_redirect(*from.port);
  to->set_response_code(redirect_code(from.status));
  if (!from.path) return;
  if (from.path->full) {
    to->set_path_redirect(*from.path->full);
  } else if (from.path->prefix) {
    fill_prefix_rewrite(*from.path->prefix, match, to);
  } else if (from.path->regex) {
    fill_regex(*from.path->regex, to->mutable_regex_rewrite());
  }
}

// Envoy takes the port of the Host over into the Location unless it gets another, and that it writes in any
// case. So whatever is there is taken out again.
const core::HeaderValueOption& location_without_port() {
  static const auto* const header = [] {
    auto* made = new core::HeaderValueOption();
    fill_header("location",
                R"(%CEL(re.extract(response.headers['location'], )"
                R"('^([^/]*//([[][^]]*[]]|[^/:]*))(:[0-9]+)?(.*)$', '\\1\\4'))%)",
                true, made);
    return made;
  }();
  return *header;
}

void fill_direct_response(const ir::DirectResponse& from, route_v3::DirectResponseAction* to) {
  to->set_status(from.status);
  if (!from.body.empty()) {
    to->mutable_body_format()->mutable_text_format_source()->set_inline_bytes(from.body);
  }
}

// ---- routes ----------------------------------------------------------------------------------

void append_action(const ir::Route& route, std::string& out) {
  const ir::RouteAction& action = *route.action;
  const ir::PathMatch& match = route.match.path;
  const auto* forward = std::get_if<ir::Forward>(&action.action);
  const bool forwards = forward != nullptr && !forward->nobody_ready;
  if (forwards) {
    append_nested(out, route_v3::Route::kRouteFieldNumber, [&] { append_forward(*forward, match, out); });
    if (!action.request_headers && !action.response_headers && forward->body_limit == 0) return;
  }
  route_v3::Route rest;
  if (forwards && forward->body_limit != 0) {
    rest.mutable_request_body_buffer_limit()->set_value(forward->body_limit);
  }
  if (forward != nullptr && !forwards) {
    fill_direct_response({.status = 503}, rest.mutable_direct_response());
  } else if (const auto* redirect = std::get_if<ir::Redirect>(&action.action)) {
    fill_redirect(*redirect, match, rest.mutable_redirect());
    if (redirect->without_port) *rest.add_response_headers_to_add() = location_without_port();
  } else if (const auto* response = std::get_if<ir::DirectResponse>(&action.action)) {
    fill_direct_response(*response, rest.mutable_direct_response());
    if (!response->content_type.empty()) {
      fill_header("Content-Type", response->content_type, true, rest.add_response_headers_to_add());
    }
  }
  fill_headers(action.request_headers, action.response_headers, &rest);
  append_serialized(out, rest);
}

// "HTTPRoute/default/web/rule".
void append_name(const ir::Route& route, std::string& out) {
  out += route.owner.kind.kind();
  for (const std::string* part :
       {&route.owner.name.namespace_.text(), &route.owner.name.name, &route.rule_name}) {
    if (!part->empty()) out.append("/").append(*part);
  }
}

// Envoy counts the requests of a host where it is told of a group of them: this one is all.
route_v3::VirtualCluster every_request(const std::string& host) {
  route_v3::VirtualCluster all;
  // A dot ends a part of a statistic's name. The name is Envoy Gateway's.
  std::string name = host;
  std::ranges::replace(name, '.', '_');
  all.set_name(std::move(name));
  envoy::config::route::v3::HeaderMatcher* header = all.add_headers();
  header->set_name(":method");
  header->set_present_match(true);
  return all;
}

void append_route(std::string_view host, const ir::Route& from, std::string& out) {
  using Route = route_v3::Route;
  append_nested(out, Route::kMatchFieldNumber, [&] { append_match(from.match, out); });
  append_action(from, out);
  for (const HttpFilter& filter : http_filters()) {
    if (filter.append_to_route != nullptr) filter.append_to_route(host, from, out);
  }
  if (from.owner != ObjectKey{}) {
    append_owner(out, Route::kMetadataFieldNumber, from.owner, from.rule_name);
  }
  append_nested(out, Route::kNameFieldNumber, [&] { append_name(from, out); });
}

}  // namespace

std::string render_virtual_host(std::string_view route_table, const ir::VirtualHost& host) {
  using VirtualHost = route_v3::VirtualHost;
  std::string out;
  out.reserve(64 + 192 * host.routes.size());
  append_nested(out, VirtualHost::kNameFieldNumber,
                [&] { out.append(route_table).append("/").append(host.host); });
  append_field(out, VirtualHost::kDomainsFieldNumber, host.host);
  for (const ir::Route& route : host.routes) {
    append_nested(out, VirtualHost::kRoutesFieldNumber, [&] { append_route(host.host, route, out); });
  }
  if (host.counted) append_field(out, VirtualHost::kVirtualClustersFieldNumber, every_request(host.host));
  return out;
}

}  // namespace sluice::xds
