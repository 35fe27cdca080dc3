#include "api/envoy_gateway/http_route_filter.h"

#include "api/declarations.h"
#include "api/envoy_gateway/shared.h"
#include "api/gateway_api/route.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kSubstitution{R"(^[^\r\n\x00]*$)", "one line without NUL characters"};

Type hostname_modifier() {
  const Type path_regex = object({
      field<&RegexReplacement::pattern>("pattern", string().min_length(1))
          .required()
          .doc("A regular expression that the path is matched with."),
      field<&RegexReplacement::substitution>("substitution", string().min_length(1).matches(kSubstitution))
          .required()
          .doc("The host: `\\1` stands for what the first group matched."),
  });
  const auto rule = [](const char* cel, const char* message, const char* suggestion, const char* blame) {
    return Rule{.name = "hostname-modifier",
                .cel = cel,
                .message = message,
                .suggestion = suggestion,
                .blame = blame};
  };
  return object({
                    field<&HostnameModifier::header>("header", string())
                        .doc("The request header whose value is the host."),
                    field<&HostnameModifier::path_regex>("pathRegex", path_regex)
                        .doc("How the host is made from the path."),
                    field<&HostnameModifier::type>("type", enumeration({"Header", "Backend", "PathRegex"}))
                        .required()
                        .doc("Whether the host is taken from a header, from the backend's name or from the "
                             "path."),
                })
      .with({
          rule("!(has(self.header) && self.type != 'Header')",
               "`header` is set, and the type is not `Header`", "remove `header`, or write `type: Header`",
               "header"),
          rule("!(!has(self.header) && self.type == 'Header')", "the type `Header` needs the field `header`",
               "add `header`", "type"),
          rule("!(has(self.pathRegex) && self.type != 'PathRegex')",
               "`pathRegex` is set, and the type is not `PathRegex`",
               "remove `pathRegex`, or write `type: PathRegex`", "pathRegex"),
          rule("!(!has(self.pathRegex) && self.type == 'PathRegex')",
               "the type `PathRegex` needs the field `pathRegex`", "add `pathRegex`", "type"),
      });
}

Type url_rewrite() {
  const Type replacement = object({
      field<&RegexReplacement::pattern>("pattern", string().min_length(1))
          .required()
          .doc("A regular expression; all that it matches in the path is replaced."),
      field<&RegexReplacement::substitution>("substitution", string())
          .required()
          .doc("What stands there instead: `\\1` stands for what the first group matched."),
  });
  const Type path =
      object({
                 field<&RegexPathModifier::replace_regex_match>("replaceRegexMatch", replacement)
                     .doc("What is replaced, and by what."),
                 field<&RegexPathModifier::type>("type", enumeration({"ReplaceRegexMatch"}))
                     .required()
                     .doc("How the path is made."),
             })
          .with({.name = "path-modifier",
                 .cel = "self.type == 'ReplaceRegexMatch' ? has(self.replaceRegexMatch) : "
                        "!has(self.replaceRegexMatch)",
                 .message = "the type `ReplaceRegexMatch` needs the field `replaceRegexMatch`",
                 .suggestion = "add `replaceRegexMatch`",
                 .blame = "type"});
  return object({
      field<&ExtendedURLRewrite::append_x_forwarded_host>("appendXForwardedHost", boolean())
          .doc("Whether `X-Forwarded-Host` says the host as it was. By default it does."),
      field<&ExtendedURLRewrite::hostname>("hostname", hostname_modifier())
          .doc("How the host for the backend is made."),
      field<&ExtendedURLRewrite::path>("path", path).doc("How the path for the backend is made."),
  });
}

Type direct_response() {
  const Type body =
      object({
                 field<&ResponseBody::inline_>("inline", string()).doc("The body."),
                 field<&ResponseBody::type>("type", said_twice(enumeration({"Inline", "ValueRef"})))
                     .required()
                     .defaults_to("Inline")
                     .doc("Whether the body is here or in a ConfigMap."),
                 field<&ResponseBody::value_ref>("valueRef", local_object_reference("ConfigMap"))
                     .doc("The ConfigMap with the body: under the key `response.body`, or else its first."),
             })
          .with({
              {.name = "response-body",
               .cel = "(!has(self.type) || self.type == 'Inline')? has(self.inline) : true",
               .message = "the type `Inline` needs the field `inline`",
               .suggestion = "add `inline`",
               .blame = "type"},
              {.name = "response-body",
               .cel = "(has(self.type) && self.type == 'ValueRef')? has(self.valueRef) : true",
               .message = "the type `ValueRef` needs the field `valueRef`",
               .suggestion = "add `valueRef`",
               .blame = "type"},
              {.name = "response-body",
               .cel = "has(self.valueRef) ? self.valueRef.kind == 'ConfigMap' : true",
               .message = "only a ConfigMap can be referred to",
               .suggestion = "write `kind: ConfigMap`",
               .blame = "valueRef.kind"},
          });
  return object({
      field<&DirectResponse::body>("body", body)
          .doc("The body of the response. Operators of Envoy's access log stand for values of the request."),
      field<&DirectResponse::content_type>("contentType", string())
          .doc("The `Content-Type` of the response."),
      field<&DirectResponse::header>("header",
                                     header_filter(string().length(1, 4096))
                                         .with({.name = "direct-response",
                                                .cel = "!has(self.remove) || size(self.remove) == 0",
                                                .message = "a direct response has no headers to take away",
                                                .suggestion = "remove `remove`",
                                                .blame = "remove"}))
          .doc("Headers of the response."),
      field<&DirectResponse::status_code>("statusCode", integer())
          .doc("The status of the response. By default 200."),
  });
}

Type credential_injection() {
  const Type credential =
      object({field<&CredentialInjection::value_ref>("valueRef", secret_object_reference())
                  .required()
                  .doc("The Secret with the credential, under the key `credential`.")});
  return object({
      flattened("credential", credential).required().doc("The value of the header."),
      field<&CredentialInjection::header>("header", string())
          .doc("The header to set. By default `Authorization`."),
      field<&CredentialInjection::overwrite>("overwrite", boolean())
          .doc("Whether a header that is there already is replaced."),
  });
}

Type match() {
  const Type cookie = object({
      field<&HTTPNameValueMatch::name>("name", string().length(1, 256))
          .required()
          .doc("The name of the cookie."),
      field<&HTTPNameValueMatch::type>("type", enumeration({"Exact", "RegularExpression"}))
          .defaults_to("Exact")
          .doc("How the value is compared."),
      field<&HTTPNameValueMatch::value>("value", string().length(1, 4096))
          .required()
          .doc("The value, or a regular expression for it."),
  });
  return object({field<&ExtendedMatch::cookies>("cookies", list(cookie).items(1, 16))
                     .doc("Cookies that the request must have, all of them.")})
      .where(Tree::map({{.key = "minProperties", .value = Tree::integer(1)}}))
      .with({.name = "empty-match",
             .message = "a match is empty",
             .holds = [](const Value& self) { return self.has("cookies"); },
             .suggestion = "add `cookies`, or remove it"});
}

}  // namespace

Type http_route_filter_type() {
  using Spec = ExtendedRouteFilterSpec;
  const Type spec = object({
      field<&Spec::credential_injection>("credentialInjection", credential_injection())
          .doc("Adds a credential of the gateway's own to requests."),
      field<&Spec::direct_response>("directResponse", direct_response())
          .doc("Answers without asking a backend."),
      field<&Spec::matches>("matches", list(match()).max_items(8))
          .doc("What requests must have besides the matches of the rule: one of these."),
      field<&Spec::url_rewrite>("urlRewrite", url_rewrite()).doc("Changes host or path for the backend."),
  });
  return resource<ExtendedRouteFilter>(metadata_type(kSubdomain, 253), spec)
      .doc(
          "What Gateway API has no filter for: rewrites by regular expressions, answers without a backend, "
          "credentials, cookies to match.");
}

}  // namespace sluice::api
