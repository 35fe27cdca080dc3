// HTTPRouteFilter, the kind: what a rule of a route refers to by a filter of type ExtensionRef. The struct
// has another name than the kind, for HTTPRouteFilter is Gateway API's name for a filter of a rule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/gateway_api/types.h"

namespace sluice::api {

struct RegexReplacement {
  std::string pattern;
  std::string substitution;

  bool operator==(const RegexReplacement&) const = default;
};

enum class HostnameModifierType : std::uint8_t { kHeader, kBackend, kPathRegex };

// What the type names is there; for the type kBackend it is nothing.
struct HostnameModifier {
  HostnameModifierType type = HostnameModifierType::kHeader;
  std::optional<std::string> header;
  std::optional<RegexReplacement> path_regex;

  bool operator==(const HostnameModifier&) const = default;
};

enum class RegexPathModifierType : std::uint8_t { kReplaceRegexMatch };

struct RegexPathModifier {
  RegexPathModifierType type = RegexPathModifierType::kReplaceRegexMatch;
  std::optional<RegexReplacement> replace_regex_match;  // always there

  bool operator==(const RegexPathModifier&) const = default;
};

struct ExtendedURLRewrite {
  std::optional<HostnameModifier> hostname;
  std::optional<RegexPathModifier> path;
  std::optional<bool> append_x_forwarded_host;

  bool operator==(const ExtendedURLRewrite&) const = default;
};

enum class ResponseBodyType : std::uint8_t { kInline, kValueRef };

struct ResponseBody {
  ResponseBodyType type = ResponseBodyType::kInline;
  std::optional<std::string> inline_;
  std::optional<LocalObjectReference> value_ref;  // a ConfigMap

  bool operator==(const ResponseBody&) const = default;
};

struct DirectResponse {
  std::optional<ResponseBody> body;
  std::optional<std::string> content_type;
  std::optional<HTTPHeaderFilter> header;
  std::optional<std::int64_t> status_code;

  bool operator==(const DirectResponse&) const = default;
};

struct CredentialInjection {
  SecretObjectReference value_ref;  // credential.valueRef
  std::optional<std::string> header;
  bool overwrite = false;

  bool operator==(const CredentialInjection&) const = default;
};

// What a request must have besides the matches of its rule.
struct ExtendedMatch {
  std::vector<HTTPNameValueMatch> cookies;

  bool operator==(const ExtendedMatch&) const = default;
};

struct ExtendedRouteFilterSpec {
  std::vector<ExtendedMatch> matches;
  std::optional<ExtendedURLRewrite> url_rewrite;
  std::optional<DirectResponse> direct_response;
  std::optional<CredentialInjection> credential_injection;

  bool operator==(const ExtendedRouteFilterSpec&) const = default;
};

struct ExtendedRouteFilter {
  ObjectMeta metadata;
  ExtendedRouteFilterSpec spec;

  bool operator==(const ExtendedRouteFilter&) const = default;
};

}  // namespace sluice::api
