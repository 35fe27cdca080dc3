#include <array>
#include <string>
#include <utility>

#include "api/gateway_api/route.h"
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
// In the order of HTTPRouteFilterType. GRPCRoutes have the first four.
constexpr std::size_t kGRPCFilterTypes = 4;
constexpr std::array<FilterMember, 8> kFilterMembers{{
    {"RequestHeaderModifier", "requestHeaderModifier"},
    {"ResponseHeaderModifier", "responseHeaderModifier"},
    {"RequestMirror", "requestMirror"},
    {"ExtensionRef", "extensionRef"},
    {"RequestRedirect", "requestRedirect"},
    {"URLRewrite", "urlRewrite"},
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

Type extension_ref() {
  return object({
      field<&LocalObjectReference::group>("group", group_name()).required(),
      field<&LocalObjectReference::kind>("kind", kind_name()).required(),
      field<&LocalObjectReference::name>("name", object_name()).required(),
  });
}

// The first kCount types of kFilterMembers, and their fields.
template <std::size_t kCount>
Type filter_of(std::vector<Field> fields) {
  std::vector<std::string> types;
  for (std::size_t i = 0; i < kCount; ++i) types.emplace_back(kFilterMembers[i].type);
  fields.insert(fields.begin(), field<&HTTPRouteFilter::type>("type", enumeration(types)).required());
  return object(std::move(fields)).with(member_rules(std::make_index_sequence<kCount>()));
}

std::vector<Field> common_fields() {
  return {
      field<&HTTPRouteFilter::request_header_modifier>("requestHeaderModifier", header_filter()),
      field<&HTTPRouteFilter::response_header_modifier>("responseHeaderModifier", header_filter()),
      field<&HTTPRouteFilter::request_mirror>("requestMirror", request_mirror()),
      field<&HTTPRouteFilter::extension_ref>("extensionRef", extension_ref()),
  };
}

}  // namespace

Type grpc_filters() {
  return list(filter_of<kGRPCFilterTypes>(common_fields()))
      .max_items(16)
      .with(repetition_rules(std::index_sequence<0, 1>()));
}

Type http_filters() {
  std::vector<Field> fields = common_fields();
  fields.push_back(field<&HTTPRouteFilter::request_redirect>("requestRedirect", request_redirect()));
  fields.push_back(field<&HTTPRouteFilter::url_rewrite>("urlRewrite", url_rewrite()));
  fields.push_back(field<&HTTPRouteFilter::cors>("cors", cors()));
  fields.push_back(field("externalAuth", external_auth()));
  return list(filter_of<kFilterMembers.size()>(std::move(fields)))
      .max_items(16)
      .with({.name = "filter-conflict",
             .message = "a `RequestRedirect` and a `URLRewrite` filter exclude each other",
             .holds =
                 [](const Value& self) {
                   return !has_type(self, "RequestRedirect") || !has_type(self, "URLRewrite");
                 },
             .suggestion = "keep one of the two"})
      .with(repetition_rules(std::index_sequence<0, 1, 4, 5, 6>()));
}

}  // namespace sluice::api
