#include <array>
#include <string>
#include <utility>

#include "api/declarations.h"
#include "api/gateway_api/shared.h"
#include "schema/codec.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kOrigin{
    R"((^\*$)|(^(http(s)?):\/\/(((\*\.)?([a-zA-Z0-9\-]+\.)*[a-zA-Z0-9-]+|\*)(:([0-9]{1,5}))?)$))",
    "`*`, or an origin as in `https://example.com` or `https://*.example.com:8443`"};
constexpr Pattern kPath{R"(^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$)",
                        "a path of letters, digits, %XX and any of -/._~!$&'()*+,;=:@"};

// ---- filters -------------------------------------------------------------------------------------

// A filter's type and the field that is its configuration.
struct FilterMember {
  const char* type;
  const char* member;
};
// In the order of HTTPRouteFilterType.
constexpr std::array<FilterMember, 8> kFilterMembers{{
    {"RequestHeaderModifier", "requestHeaderModifier"},
    {"ResponseHeaderModifier", "responseHeaderModifier"},
    {"RequestMirror", "requestMirror"},
    {"RequestRedirect", "requestRedirect"},
    {"URLRewrite", "urlRewrite"},
    {"ExtensionRef", "extensionRef"},
    {"CORS", "cors"},
    {"ExternalAuth", "externalAuth"},
}};

template <std::size_t kIndex>
bool has_no_foreign_member(const Value& filter) {
  return !filter.has(kFilterMembers[kIndex].member) || filter["type"].text() == kFilterMembers[kIndex].type;
}

template <std::size_t kIndex>
bool has_own_member(const Value& filter) {
  return filter.has(kFilterMembers[kIndex].member) || filter["type"].text() != kFilterMembers[kIndex].type;
}

// The second filter of the type, or nothing.
template <std::size_t kIndex>
std::string repeated(const Value& filters) {
  bool seen = false;
  return filters.first([&seen](const Value& filter) {
    return filter["type"].text() == kFilterMembers[kIndex].type && std::exchange(seen, true);
  });
}
template <std::size_t kIndex>
bool is_not_repeated(const Value& filters) {
  return repeated<kIndex>(filters).empty();
}

template <std::size_t... kIndexes>
std::vector<Rule> member_rules(std::index_sequence<kIndexes...>) {
  std::vector<Rule> rules;
  const auto add = [&rules](const FilterMember& filter, bool (*foreign)(const Value&),
                            bool (*own)(const Value&)) {
    const std::string type = filter.type;
    const std::string member = filter.member;
    rules.push_back({.name = "filter-type",
                     .message = "`" + member + "` is set, and the filter's type is not `" + type + "`",
                     .holds = foreign,
                     .suggestion = "set `type: " + type + "`, or remove `" + member + "`",
                     .blame = member});
    rules.push_back({.name = "filter-type",
                     .message = "a filter of type `" + type + "` needs the field `" + member + "`",
                     .holds = own,
                     .suggestion = "",
                     .blame = "type"});
  };
  (add(kFilterMembers[kIndexes], has_no_foreign_member<kIndexes>, has_own_member<kIndexes>), ...);
  return rules;
}

// All but mirrors, extensions and external authorization, of which there may be several.
template <std::size_t... kIndexes>
std::vector<Rule> repetition_rules(std::index_sequence<kIndexes...>) {
  std::vector<Rule> rules;
  (rules.push_back({.name = "filter-repeated",
                    .message = std::string("a second filter of type `") + kFilterMembers[kIndexes].type +
                               "`, at most one is allowed",
                    .holds = is_not_repeated<kIndexes>,
                    .suggestion = "put all of it into one filter",
                    .culprit = repeated<kIndexes>}),
   ...);
  return rules;
}

Type header_name() { return string().length(1, 256).matches(kHeaderName); }
Type header_value() { return string().length(1, 4096).matches(kHeaderValue); }

Type header_filter() {
  const Type header = object({
      field<&HTTPHeader::name>("name", header_name()).required(),
      field<&HTTPHeader::value>("value", header_value()).required(),
  });
  return object({
      field<&HTTPHeaderFilter::set>("set", list(header).max_items(16).keyed_by({"name"})),
      field<&HTTPHeaderFilter::add>("add", list(header).max_items(16).keyed_by({"name"})),
      field<&HTTPHeaderFilter::remove>("remove", list(string()).max_items(16).as_set()),
  });
}

Type request_mirror() {
  return object({
                    field<&HTTPRequestMirrorFilter::backend_ref>("backendRef", backend_object_reference())
                        .required(),
                    field<&HTTPRequestMirrorFilter::percent>("percent", int32().range(0, 100)),
                    field<&HTTPRequestMirrorFilter::fraction>(
                        "fraction",
                        object({
                                   field<&Fraction::numerator>("numerator", int32().at_least(0)).required(),
                                   field<&Fraction::denominator>("denominator", int32().at_least(1))
                                       .defaults_to(100),
                               })
                            .with({.name = "fraction",
                                   .message = "the numerator is larger than the denominator",
                                   .holds =
                                       [](const Value& self) {
                                         return self["numerator"].integer() <= self["denominator"].integer();
                                       }})),
                })
      .with({.name = "either-or",
             .message = "`percent` and `fraction` are both set",
             .holds = [](const Value& self) { return !self.has("percent") || !self.has("fraction"); },
             .suggestion = "keep one of the two"});
}

bool has_full_path(const Value& self) {
  return self["type"].text() != "ReplaceFullPath" || self.has("replaceFullPath");
}
bool has_no_foreign_full_path(const Value& self) {
  return self["type"].text() == "ReplaceFullPath" || !self.has("replaceFullPath");
}
bool has_prefix(const Value& self) {
  return self["type"].text() != "ReplacePrefixMatch" || self.has("replacePrefixMatch");
}
bool has_no_foreign_prefix(const Value& self) {
  return self["type"].text() == "ReplacePrefixMatch" || !self.has("replacePrefixMatch");
}

Type path_modifier() {
  return object({
                    field<&HTTPPathModifier::type>("type",
                                                   enumeration({"ReplaceFullPath", "ReplacePrefixMatch"}))
                        .required(),
                    field<&HTTPPathModifier::replace_full_path>("replaceFullPath", string().max_length(1024)),
                    field<&HTTPPathModifier::replace_prefix_match>("replacePrefixMatch",
                                                                   string().max_length(1024)),
                })
      .with({
          {.name = "path-modifier",
           .message = "a path modifier of type `ReplaceFullPath` needs the field `replaceFullPath`",
           .holds = has_full_path,
           .suggestion = "",
           .blame = "type"},
          {.name = "path-modifier",
           .message = "`replaceFullPath` is set, and the type is not `ReplaceFullPath`",
           .holds = has_no_foreign_full_path,
           .suggestion = "",
           .blame = "replaceFullPath"},
          {.name = "path-modifier",
           .message = "a path modifier of type `ReplacePrefixMatch` needs the field `replacePrefixMatch`",
           .holds = has_prefix,
           .suggestion = "",
           .blame = "type"},
          {.name = "path-modifier",
           .message = "`replacePrefixMatch` is set, and the type is not `ReplacePrefixMatch`",
           .holds = has_no_foreign_prefix,
           .suggestion = "",
           .blame = "replacePrefixMatch"},
      });
}

Type request_redirect() {
  return object({
      field<&HTTPRequestRedirectFilter::scheme>("scheme", enumeration({"http", "https"})),
      field<&HTTPRequestRedirectFilter::hostname>("hostname", precise_hostname()),
      field<&HTTPRequestRedirectFilter::path>("path", path_modifier()),
      field<&HTTPRequestRedirectFilter::port>("port", port_number()),
      field<&HTTPRequestRedirectFilter::status_code>("statusCode",
                                                     integer().one_of({301, 302, 303, 307, 308}))
          .defaults_to(302),
  });
}

Type url_rewrite() {
  return object({
      field<&HTTPURLRewriteFilter::hostname>("hostname", precise_hostname()),
      field<&HTTPURLRewriteFilter::path>("path", path_modifier()),
  });
}

bool is_star(const Value& item) { return item.text() == "*"; }
bool has_star_alone(const Value& self) { return self.size() <= 1 || !self.any(is_star); }

Type cors() {
  const Rule star{.name = "star",
                  .message = "`*` stands beside other values, which it includes",
                  .holds = has_star_alone,
                  .suggestion = "keep `*` alone, or remove it",
                  .culprit = [](const Value& self) { return self.first(is_star); }};
  return object({
      field<&HTTPCORSFilter::allow_origins>(
          "allowOrigins", list(string().length(1, 253).matches(kOrigin)).max_items(64).as_set().with(star)),
      field<&HTTPCORSFilter::allow_credentials>("allowCredentials", boolean()),
      field<&HTTPCORSFilter::allow_methods>(
          "allowMethods", list(enumeration({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS",
                                            "TRACE", "PATCH", "*"}))
                              .max_items(9)
                              .as_set()
                              .with(star)),
      field<&HTTPCORSFilter::allow_headers>("allowHeaders",
                                            list(header_name()).max_items(64).as_set().with(star)),
      field<&HTTPCORSFilter::expose_headers>("exposeHeaders", list(header_name()).max_items(64).as_set()),
      field<&HTTPCORSFilter::max_age>("maxAge", int32().at_least(1)).defaults_to(5),
  });
}

bool has_grpc(const Value& self) { return self["protocol"].text() != "GRPC" || self.has("grpc"); }
bool has_no_foreign_grpc(const Value& self) { return self["protocol"].text() == "GRPC" || !self.has("grpc"); }
bool has_http(const Value& self) { return self["protocol"].text() != "HTTP" || self.has("http"); }
bool has_no_foreign_http(const Value& self) { return self["protocol"].text() == "HTTP" || !self.has("http"); }

Type external_auth() {
  const Type headers = list(string()).max_items(64).as_set();
  return object({
                    field("backendRef", backend_object_reference()).required(),
                    field("forwardBody", object({field("maxSize", integer())})),
                    field("grpc", object({field("allowedHeaders", headers)})),
                    field("http", object({
                                      field("allowedHeaders", headers),
                                      field("allowedResponseHeaders", headers),
                                      field("path", string().max_length(1024).matches(kPath)),
                                  })),
                    field("protocol", enumeration({"HTTP", "GRPC"})).required(),
                })
      .with({
          {.name = "protocol",
           .message = "the protocol `GRPC` needs the field `grpc`",
           .holds = has_grpc,
           .suggestion = "",
           .blame = "protocol"},
          {.name = "protocol",
           .message = "`grpc` is set, and the protocol is not `GRPC`",
           .holds = has_no_foreign_grpc,
           .suggestion = "",
           .blame = "grpc"},
          {.name = "protocol",
           .message = "the protocol `HTTP` needs the field `http`",
           .holds = has_http,
           .suggestion = "",
           .blame = "protocol"},
          {.name = "protocol",
           .message = "`http` is set, and the protocol is not `HTTP`",
           .holds = has_no_foreign_http,
           .suggestion = "",
           .blame = "http"},
      });
}

bool has_type(const Value& filters, std::string_view type) {
  return filters.any([type](const Value& filter) { return filter["type"].text() == type; });
}

Type filters() {
  std::vector<std::string> types;
  for (const FilterMember& filter : kFilterMembers) types.emplace_back(filter.type);
  const Type filter =
      object(
          {
              field<&HTTPRouteFilter::type>("type", enumeration(types)).required(),
              field<&HTTPRouteFilter::request_header_modifier>("requestHeaderModifier", header_filter()),
              field<&HTTPRouteFilter::response_header_modifier>("responseHeaderModifier", header_filter()),
              field<&HTTPRouteFilter::request_mirror>("requestMirror", request_mirror()),
              field<&HTTPRouteFilter::request_redirect>("requestRedirect", request_redirect()),
              field<&HTTPRouteFilter::url_rewrite>("urlRewrite", url_rewrite()),
              field<&HTTPRouteFilter::cors>("cors", cors()),
              field<&HTTPRouteFilter::extension_ref>(
                  "extensionRef", object({
                                      field<&LocalObjectReference::group>("group", group_name()).required(),
                                      field<&LocalObjectReference::kind>("kind", kind_name()).required(),
                                      field<&LocalObjectReference::name>("name", object_name()).required(),
                                  })),
              field("externalAuth", external_auth()),
          })
          .with(member_rules(std::make_index_sequence<kFilterMembers.size()>()));
  return list(filter)
      .max_items(16)
      .with({.name = "filter-conflict",
             .message = "a `RequestRedirect` and a `URLRewrite` filter exclude each other",
             .holds =
                 [](const Value& self) {
                   return !has_type(self, "RequestRedirect") || !has_type(self, "URLRewrite");
                 },
             .suggestion = "keep one of the two"})
      .with(repetition_rules(std::index_sequence<0, 1, 3, 4, 6>()));
}

// ---- matches -------------------------------------------------------------------------------------

// The rules of a path are those of paths that are compared as text.
bool is_text_path(const Value& path) { return path["type"].text() != "RegularExpression"; }
bool contains(const Value& path, std::string_view what) {
  return path["value"].text().find(what) != std::string_view::npos;
}

bool is_absolute(const Value& path) { return !is_text_path(path) || path["value"].text().starts_with('/'); }
bool has_no_double_slash(const Value& path) { return !is_text_path(path) || !contains(path, "//"); }
bool has_no_dots(const Value& path) {
  return !is_text_path(path) ||
         !(contains(path, "/./") || contains(path, "/../") || path["value"].text().ends_with("/..") ||
           path["value"].text().ends_with("/."));
}
bool has_no_escaped_slash(const Value& path) {
  return !is_text_path(path) || !(contains(path, "%2f") || contains(path, "%2F"));
}
bool has_no_fragment(const Value& path) { return !is_text_path(path) || !contains(path, "#"); }
bool has_path_characters(const Value& path) {
  if (!is_text_path(path)) return true;
  constexpr std::string_view kMarks = "-/._~!$&'()*+,;=:@";
  const auto is_hex = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  const std::string_view text = path["value"].text();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
      i += 2;
    } else if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
               !kMarks.contains(c)) {
      return false;
    }
  }
  return !text.empty();
}

Type path_match() {
  const auto rule = [](const char* message, bool (*holds)(const Value&), const char* suggestion) {
    return Rule{
        .name = "path", .message = message, .holds = holds, .suggestion = suggestion, .blame = "value"};
  };
  return object({
                    field<&HTTPPathMatch::type>("type",
                                                enumeration({"Exact", "PathPrefix", "RegularExpression"}))
                        .defaults_to("PathPrefix"),
                    field<&HTTPPathMatch::value>("value", string().max_length(1024)).defaults_to("/"),
                })
      .with(rule("a path must begin with `/`", is_absolute, ""))
      .with(rule("a path cannot contain `//`", has_no_double_slash, "no request matches it: remove one `/`"))
      .with(rule("a path cannot have the segments `.` and `..`", has_no_dots,
                 "write the path that they lead to"))
      .with(rule("a path cannot contain an escaped slash (`%2F`)", has_no_escaped_slash, ""))
      .with(rule("a path cannot contain `#`: fragments are never sent", has_no_fragment, ""))
      .with(rule("a path can only consist of letters, digits, %XX and any of -/._~!$&'()*+,;=:@",
                 has_path_characters, "write other characters as %XX, or use type `RegularExpression`"));
}

Type name_value_matches(Type value) {
  return list(object({
                  field<&HTTPNameValueMatch::type>("type", enumeration({"Exact", "RegularExpression"}))
                      .defaults_to("Exact"),
                  field<&HTTPNameValueMatch::name>("name", header_name()).required(),
                  field<&HTTPNameValueMatch::value>("value", std::move(value)).required(),
              }))
      .max_items(16)
      .keyed_by({"name"});
}

Tree default_path() {
  return Tree::map(
      {{.key = "type", .value = Tree::string("PathPrefix")}, {.key = "value", .value = Tree::string("/")}});
}

Tree default_matches() { return Tree::list({Tree::map({{.key = "path", .value = default_path()}})}); }

Type matches() {
  const Type match = object({
      field<&HTTPRouteMatch::path>("path", path_match()).defaults_to(default_path()),
      field<&HTTPRouteMatch::headers>("headers", name_value_matches(header_value())),
      field<&HTTPRouteMatch::query_params>("queryParams", name_value_matches(string().length(1, 1024))),
      field<&HTTPRouteMatch::method>("method", enumeration({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT",
                                                            "OPTIONS", "TRACE", "PATCH"})),
  });
  // An empty list is no absent one to the defaults, and means the same.
  return list(match).max_items(64).finished_by([](void* target) {
    auto& bound = *static_cast<std::vector<HTTPRouteMatch>*>(target);
    if (bound.empty()) bound.emplace_back();
  });
}

// ---- rules ---------------------------------------------------------------------------------------

bool has_redirect_or_backends(const Value& rule) {
  return rule["backendRefs"].size() == 0 ||
         rule["filters"].all([](const Value& filter) { return !filter.has("requestRedirect"); });
}

bool replaces_prefix(const Value& filters, std::string_view member) {
  return filters.count([member](const Value& filter) {
    const Value path = filter[member]["path"];
    return path["type"].text() == "ReplacePrefixMatch" && path.has("replacePrefixMatch");
  }) == 1;
}

bool has_one_prefix_match(const Value& rule) {
  const Value all_matches = rule["matches"];
  return all_matches.size() == 1 && all_matches.at(0).has("path") &&
         all_matches.at(0)["path"]["type"].text() == "PathPrefix";
}

bool backend_replaces_prefix(const Value& rule, std::string_view member) {
  return rule["backendRefs"].count(
             [member](const Value& backend) { return replaces_prefix(backend["filters"], member); }) == 1;
}

bool has_prefix_for_redirect(const Value& rule) {
  return !replaces_prefix(rule["filters"], "requestRedirect") || has_one_prefix_match(rule);
}
bool has_prefix_for_rewrite(const Value& rule) {
  return !replaces_prefix(rule["filters"], "urlRewrite") || has_one_prefix_match(rule);
}
bool has_prefix_for_backend_redirect(const Value& rule) {
  return !backend_replaces_prefix(rule, "requestRedirect") || has_one_prefix_match(rule);
}
bool has_prefix_for_backend_rewrite(const Value& rule) {
  return !backend_replaces_prefix(rule, "urlRewrite") || has_one_prefix_match(rule);
}

bool has_ordered_timeouts(const Value& self) {
  if (!self.has("request") || !self.has("backendRequest")) return true;
  const auto request = parse_duration(self["request"].text());
  const auto backend = parse_duration(self["backendRequest"].text());
  return !request || !backend || request->count() == 0 || *backend <= *request;
}

bool has_timeout_for_permanent_cookie(const Value& self) {
  return self["cookieConfig"]["lifetimeType"].text() != "Permanent" || self.has("absoluteTimeout");
}
bool has_cookie_config_for_cookie(const Value& self) {
  return !self.has("cookieConfig") || self["type"].text() == "Cookie";
}

Type session_persistence() {
  return object({
                    field<&SessionPersistence::session_name>("sessionName", string().max_length(128)),
                    field<&SessionPersistence::absolute_timeout>("absoluteTimeout", gateway_duration()),
                    field<&SessionPersistence::type>("type", enumeration({"Cookie", "Header"}))
                        .defaults_to("Cookie"),
                    flattened("cookieConfig", object({
                                                  field<&SessionPersistence::cookie_lifetime>(
                                                      "lifetimeType", enumeration({"Permanent", "Session"}))
                                                      .defaults_to("Session"),
                                              })),
                })
      .with({.name = "cookie-lifetime",
             .message = "a cookie of lifetime `Permanent` needs `absoluteTimeout`",
             .holds = has_timeout_for_permanent_cookie,
             .suggestion = "add `absoluteTimeout`",
             .blame = "cookieConfig.lifetimeType"})
      .with({.name = "cookie-config",
             .message = "`cookieConfig` is set, and the type is not `Cookie`",
             .holds = has_cookie_config_for_cookie,
             .suggestion = "remove `cookieConfig`",
             .blame = "cookieConfig"});
}

Type backend_refs() {
  using Reference = BackendObjectReference;
  const Type backend_ref =
      object({
                 field<&HTTPBackendRef::ref, &Reference::group>("group", group_name()).defaults_to(""),
                 field<&HTTPBackendRef::ref, &Reference::kind>("kind", kind_name()).defaults_to("Service"),
                 field<&HTTPBackendRef::ref, &Reference::name>("name", object_name()).required(),
                 field<&HTTPBackendRef::ref, &Reference::namespace_>("namespace", namespace_name()),
                 field<&HTTPBackendRef::ref, &Reference::port>("port", port_number()),
                 field<&HTTPBackendRef::weight>("weight", int32().range(0, 1'000'000)).defaults_to(1),
                 field<&HTTPBackendRef::filters>("filters", filters()),
             })
          .with(service_needs_port());
  return list(backend_ref).max_items(16);
}

Type route_rules() {
  const Type rule =
      object(
          {
              field<&HTTPRouteRule::name>("name", section_name()),
              field<&HTTPRouteRule::matches>("matches", matches()).defaults_to(default_matches()),
              field<&HTTPRouteRule::filters>("filters", filters()),
              field<&HTTPRouteRule::backend_refs>("backendRefs", backend_refs()),
              field<&HTTPRouteRule::timeouts>(
                  "timeouts",
                  object({
                             field<&HTTPRouteTimeouts::request>("request", gateway_duration()),
                             field<&HTTPRouteTimeouts::backend_request>("backendRequest", gateway_duration()),
                         })
                      .with({.name = "timeouts",
                             .message = "`backendRequest` is longer than `request`, of which it is a part",
                             .holds = has_ordered_timeouts,
                             .suggestion = "",
                             .blame = "backendRequest"})),
              field<&HTTPRouteRule::retry>(
                  "retry",
                  object({
                      field<&HTTPRouteRetry::codes>("codes", list(integer().range(400, 599)).as_set()),
                      field<&HTTPRouteRetry::attempts>("attempts", integer().at_least(1)),
                      field<&HTTPRouteRetry::backoff>("backoff", gateway_duration()),
                  })),
              field<&HTTPRouteRule::session_persistence>("sessionPersistence", session_persistence()),
          })
          .with({
              {.name = "redirect-with-backends",
               .message = "a rule with a `RequestRedirect` filter cannot have `backendRefs`",
               .holds = has_redirect_or_backends,
               .suggestion = "remove one of the two",
               .blame = "backendRefs"},
              {.name = "prefix-match",
               .message = "`requestRedirect.path.replacePrefixMatch` needs exactly one match, of path type "
                          "`PathPrefix`",
               .holds = has_prefix_for_redirect,
               .suggestion = "make a rule of its own for each match"},
              {.name = "prefix-match",
               .message =
                   "`urlRewrite.path.replacePrefixMatch` needs exactly one match, of path type `PathPrefix`",
               .holds = has_prefix_for_rewrite,
               .suggestion = "make a rule of its own for each match"},
              {.name = "prefix-match",
               .message =
                   "`requestRedirect.path.replacePrefixMatch` within `backendRefs` needs exactly one match, "
                   "of path type `PathPrefix`",
               .holds = has_prefix_for_backend_redirect,
               .suggestion = "make a rule of its own for each match"},
              {.name = "prefix-match",
               .message =
                   "`urlRewrite.path.replacePrefixMatch` within `backendRefs` needs exactly one match, of "
                   "path type `PathPrefix`",
               .holds = has_prefix_for_backend_rewrite,
               .suggestion = "make a rule of its own for each match"},
          });
  return list(rule)
      .items(1, 16)
      .with({.name = "matches",
             .message = "more than 128 matches in all the rules of the route",
             .holds =
                 [](const Value& self) {
                   constexpr std::size_t kMaxMatches = 128;
                   std::size_t total = 0;
                   for (std::size_t i = 0; i < self.size(); ++i) total += self.at(i)["matches"].size();
                   return total <= kMaxMatches;
                 },
             .suggestion = "split the route"})
      .with(rule_names_differ());
}

}  // namespace

Type http_route_type() {
  return resource<HTTPRoute>(
      metadata_type(kSubdomain, 253),
      object({
          field<&HTTPRouteSpec::parent_refs>("parentRefs", parent_refs()),
          field<&HTTPRouteSpec::hostnames>("hostnames", list(hostname()).max_items(16)),
          field<&HTTPRouteSpec::rules>("rules", route_rules())
              .defaults_to(Tree::list({Tree::map({{.key = "matches", .value = default_matches()}})})),
          field("useDefaultGateways", enumeration({"All", "None"})),
      }));
}

}  // namespace sluice::api
