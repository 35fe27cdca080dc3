#include <array>
#include <initializer_list>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "api/gateway_api/route.h"

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

// Of the first `count` types of kFilterMembers.
std::vector<Rule> member_rules(std::size_t count) {
  std::vector<Rule> rules;
  for (std::size_t i = 0; i < count; ++i) {
    const FilterMember& filter = kFilterMembers[i];
    rules.push_back(
        {.name = "filter-type",
         .cel = fmt::format("!(has(self.{}) && self.type != '{}')", filter.member, filter.type),
         .message = fmt::format("`{}` is set, and the filter's type is not `{}`", filter.member, filter.type),
         .suggestion = fmt::format("set `type: {}`, or remove `{}`", filter.type, filter.member),
         .blame = filter.member});
    rules.push_back(
        {.name = "filter-type",
         .cel = fmt::format("!(!has(self.{}) && self.type == '{}')", filter.member, filter.type),
         .message = fmt::format("a filter of type `{}` needs the field `{}`", filter.type, filter.member),
         .suggestion = fmt::format("add `{}`", filter.member),
         .blame = "type"});
  }
  return rules;
}

// Of mirrors, extensions and external authorization there may be several.
std::vector<Rule> repetition_rules(std::initializer_list<const char*> types) {
  std::vector<Rule> rules;
  for (const char* const type : types) {
    rules.push_back({.name = "filter-repeated",
                     .cel = fmt::format("self.filter(f, f.type == '{}').size() <= 1", type),
                     .message = fmt::format("a second filter of type `{}`, at most one is allowed", type),
                     .suggestion = "put all of it into one filter"});
  }
  return rules;
}

Type request_mirror() {
  return object({
                    field<&HTTPRequestMirrorFilter::backend_ref>("backendRef", backend_object_reference())
                        .required()
                        .doc("Where copies of requests go. What answers there is thrown away."),
                    field<&HTTPRequestMirrorFilter::percent>("percent", int32().range(0, 100))
                        .doc("How many of a hundred requests are copied. By default all."),
                    field<&HTTPRequestMirrorFilter::fraction>("fraction", fraction())
                        .doc("The same as a fraction."),
                })
      .with({.name = "either-or",
             .cel = "!(has(self.percent) && has(self.fraction))",
             .message = "`percent` and `fraction` are both set",
             .suggestion = "keep one of the two"});
}

Type path_modifier() {
  return object({
                    field<&HTTPPathModifier::type>("type",
                                                   enumeration({"ReplaceFullPath", "ReplacePrefixMatch"}))
                        .required()
                        .doc("Whether the whole path is replaced, or the prefix that matched."),
                    field<&HTTPPathModifier::replace_full_path>("replaceFullPath", string().max_length(1024))
                        .doc("The path instead of the request's."),
                    field<&HTTPPathModifier::replace_prefix_match>("replacePrefixMatch",
                                                                   string().max_length(1024))
                        .doc("What stands instead of the prefix that the rule matched."),
                })
      .with({
          {.name = "path-modifier",
           .cel = "self.type == 'ReplaceFullPath' ? has(self.replaceFullPath) : true",
           .message = "a path modifier of type `ReplaceFullPath` needs the field `replaceFullPath`",
           .blame = "type"},
          {.name = "path-modifier",
           .cel = "has(self.replaceFullPath) ? self.type == 'ReplaceFullPath' : true",
           .message = "`replaceFullPath` is set, and the type is not `ReplaceFullPath`",
           .blame = "replaceFullPath"},
          {.name = "path-modifier",
           .cel = "self.type == 'ReplacePrefixMatch' ? has(self.replacePrefixMatch) : true",
           .message = "a path modifier of type `ReplacePrefixMatch` needs the field `replacePrefixMatch`",
           .blame = "type"},
          {.name = "path-modifier",
           .cel = "has(self.replacePrefixMatch) ? self.type == 'ReplacePrefixMatch' : true",
           .message = "`replacePrefixMatch` is set, and the type is not `ReplacePrefixMatch`",
           .blame = "replacePrefixMatch"},
      });
}

Type request_redirect() {
  return object({
      field<&HTTPRequestRedirectFilter::scheme>("scheme", enumeration({"http", "https"}))
          .doc("The scheme of the new location. By default that of the request."),
      field<&HTTPRequestRedirectFilter::hostname>("hostname", precise_hostname())
          .doc("The host of the new location. By default that of the request."),
      field<&HTTPRequestRedirectFilter::path>("path", path_modifier())
          .doc("How the path of the new location is made. By default it is that of the request."),
      field<&HTTPRequestRedirectFilter::port>("port", port_number())
          .doc("The port of the new location. By default that of the scheme, if set, else of the listener."),
      field<&HTTPRequestRedirectFilter::status_code>("statusCode",
                                                     integer().one_of({301, 302, 303, 307, 308}))
          .defaults_to(302)
          .doc("The status of the answer."),
  });
}

Type url_rewrite() {
  return object({
      field<&HTTPURLRewriteFilter::hostname>("hostname", precise_hostname())
          .doc("The Host header for the backend."),
      field<&HTTPURLRewriteFilter::path>("path", path_modifier())
          .doc("How the path for the backend is made."),
  });
}

Type cors() {
  const Rule star{.name = "star",
                  .cel = "!('*' in self && self.size() > 1)",
                  .message = "`*` stands beside other values, which it includes",
                  .suggestion = "keep `*` alone, or remove it"};
  return object({
      field<&HTTPCORSFilter::allow_origins>(
          "allowOrigins", list(string().length(1, 253).matches(kOrigin)).max_items(64).as_set().with(star))
          .doc("The origins that may read answers. `*` stands for all."),
      field<&HTTPCORSFilter::allow_credentials>("allowCredentials", boolean())
          .doc("Whether browsers may send cookies and the like."),
      field<&HTTPCORSFilter::allow_methods>(
          "allowMethods", list(enumeration({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS",
                                            "TRACE", "PATCH", "*"}))
                              .max_items(9)
                              .as_set()
                              .with(star))
          .doc("The methods that may be used. `*` stands for all."),
      field<&HTTPCORSFilter::allow_headers>("allowHeaders",
                                            list(header_name()).max_items(64).as_set().with(star))
          .doc("The request headers that may be sent. `*` stands for all."),
      field<&HTTPCORSFilter::expose_headers>("exposeHeaders", list(header_name()).max_items(64).as_set())
          .doc("The response headers that pages may read."),
      field<&HTTPCORSFilter::max_age>("maxAge", int32().at_least(1))
          .defaults_to(5)
          .doc("For how many seconds browsers may keep the answer to a preflight request."),
  });
}

Type external_auth() {
  const Type headers = list(string()).max_items(64).as_set();
  return object(
             {
                 field<&HTTPExternalAuthFilter::backend_ref>("backendRef", backend_object_reference())
                     .required()
                     .doc("The service that decides."),
                 field<&HTTPExternalAuthFilter::forward_body>(
                     "forwardBody", object({field<&ForwardBodyConfig::max_size>("maxSize", integer())
                                                .doc("Bytes at most. Larger requests are refused.")}))
                     .doc("How much of the body the service gets to see."),
                 field<&HTTPExternalAuthFilter::grpc>(
                     "grpc", object({field<&GRPCAuthConfig::allowed_headers>("allowedHeaders", headers)
                                         .doc("Request headers to send to the service. By default all.")}))
                     .doc("Settings for a service that speaks Envoy's gRPC protocol."),
                 field<&HTTPExternalAuthFilter::http>(
                     "http",
                     object({
                         field<&HTTPAuthConfig::allowed_headers>("allowedHeaders", headers)
                             .doc("Request headers to send to the service, besides those that always are."),
                         field<&HTTPAuthConfig::allowed_response_headers>("allowedResponseHeaders", headers)
                             .doc("Headers of its answer to add to the request. By default all."),
                         field<&HTTPAuthConfig::path>("path", string().max_length(1024).matches(kPath))
                             .doc("What stands in front of the path when the service is asked."),
                     }))
                     .doc("Settings for a service that is asked by HTTP."),
                 field<&HTTPExternalAuthFilter::protocol>("protocol", enumeration({"HTTP", "GRPC"}))
                     .required()
                     .doc("How the service is asked."),
             })
      .with({
          {.name = "protocol",
           .cel = "self.protocol == 'GRPC' ? has(self.grpc) : true",
           .message = "the protocol `GRPC` needs the field `grpc`",
           .blame = "protocol"},
          {.name = "protocol",
           .cel = "has(self.grpc) ? self.protocol == 'GRPC' : true",
           .message = "`grpc` is set, and the protocol is not `GRPC`",
           .blame = "grpc"},
          {.name = "protocol",
           .cel = "self.protocol == 'HTTP' ? has(self.http) : true",
           .message = "the protocol `HTTP` needs the field `http`",
           .blame = "protocol"},
          {.name = "protocol",
           .cel = "has(self.http) ? self.protocol == 'HTTP' : true",
           .message = "`http` is set, and the protocol is not `HTTP`",
           .blame = "http"},
      });
}

// A filter of the first `count` types of kFilterMembers.
Type filter_of(std::size_t count, std::vector<Field> fields) {
  std::vector<std::string> types;
  for (std::size_t i = 0; i < count; ++i) types.emplace_back(kFilterMembers[i].type);
  fields.insert(fields.begin(), field<&HTTPRouteFilter::type>("type", enumeration(types))
                                    .required()
                                    .doc("Which filter it is. The field of the same name has its settings."));
  return object(std::move(fields)).with(member_rules(count));
}

std::vector<Field> common_fields() {
  return {
      field<&HTTPRouteFilter::request_header_modifier>("requestHeaderModifier", header_filter(header_value()))
          .doc("Changes headers of requests."),
      field<&HTTPRouteFilter::response_header_modifier>("responseHeaderModifier",
                                                        header_filter(header_value()))
          .doc("Changes headers of responses."),
      field<&HTTPRouteFilter::request_mirror>("requestMirror", request_mirror())
          .doc("Sends copies of requests to another backend."),
      field<&HTTPRouteFilter::extension_ref>("extensionRef", local_object_reference())
          .doc("A filter of another kind, such as HTTPRouteFilter."),
  };
}

}  // namespace

Type header_filter(Type value) {
  const Type header = object({
      field<&HTTPHeader::name>("name", header_name())
          .required()
          .doc("The name of the header, in any letter case."),
      field<&HTTPHeader::value>("value", std::move(value)).required().doc("The value of the header."),
  });
  return object({
      field<&HTTPHeaderFilter::set>("set", list(header).max_items(16).keyed_by({"name"}))
          .doc("Headers to set, whatever they were before."),
      field<&HTTPHeaderFilter::add>("add", list(header).max_items(16).keyed_by({"name"}))
          .doc("Headers to add to what there is of the same name."),
      field<&HTTPHeaderFilter::remove>("remove", list(string()).max_items(16).as_set())
          .doc("Names of headers to take away."),
  });
}

Type grpc_filters() {
  return list(filter_of(kGRPCFilterTypes, common_fields()))
      .max_items(16)
      .with(repetition_rules({"RequestHeaderModifier", "ResponseHeaderModifier"}));
}

Type http_filters() {
  std::vector<Field> fields = common_fields();
  fields.push_back(field<&HTTPRouteFilter::request_redirect>("requestRedirect", request_redirect())
                       .doc("Answers with a redirect."));
  fields.push_back(field<&HTTPRouteFilter::url_rewrite>("urlRewrite", url_rewrite())
                       .doc("Changes host or path for the backend."));
  fields.push_back(field<&HTTPRouteFilter::cors>("cors", cors())
                       .doc("Answers browsers that ask whether another origin may be used."));
  fields.push_back(field<&HTTPRouteFilter::external_auth>("externalAuth", external_auth())
                       .doc("Asks a service whether a request may pass."));
  return list(filter_of(kFilterMembers.size(), std::move(fields)))
      .max_items(16)
      .with(
          {.name = "filter-conflict",
           .cel = "!(self.exists(f, f.type == 'RequestRedirect') && self.exists(f, f.type == 'URLRewrite'))",
           .message = "a `RequestRedirect` and a `URLRewrite` filter exclude each other",
           .suggestion = "keep one of the two"})
      .with(repetition_rules(
          {"CORS", "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite"}));
}

}  // namespace sluice::api
