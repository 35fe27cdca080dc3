#include "translate/extended_filter.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "translate/header_changes.h"
#include "translate/header_value.h"
#include "translate/near.h"
#include "translate/reference.h"
#include "translate/regex.h"

namespace sluice::translate {
namespace {

constexpr char kBodyKey[] = "response.body";  // of a ConfigMap with a body; else its first
// What Envoy lets a direct response have: its status, and (xds/routes.cc) the size of its body.
constexpr std::int64_t kMinStatus = 200;
constexpr std::int64_t kMaxStatus = 599;
constexpr std::size_t kMaxBodySize = 1'048'576;

// What is wrong with a part of the filter.
struct Fault {
  std::string code;
  std::string path;  // below spec
  std::string message;
  std::string suggestion = {};
};

class Reader {
 public:
  Reader(ObjectKey self, const Inputs& inputs, const Projections& tables, flow::Reads& reads)
      : self_(std::move(self)), inputs_(inputs), tables_(tables), reads_(reads) {}

  ExtendedFilterRow read(const api::ExtendedRouteFilterSpec& spec);

 private:
  void fail(Fault fault);
  void add_problem(const Fault& fault, Severity severity);
  bool check_regex(const std::string& regex, const std::string& path, std::string_view code = "value/regex");
  bool check_replacement(const api::RegexReplacement& replacement, const std::string& path);
  bool check_header_name(const std::string& name, const std::string& path);
  void read_matches(const std::vector<api::ExtendedMatch>& matches);
  void read_rewrite(const api::ExtendedURLRewrite& from);
  void read_hostname(const api::HostnameModifier& from, ir::Rewrite& rewrite);
  void read_response(const api::DirectResponse& from);
  std::optional<std::string> body_of(const api::LocalObjectReference& ref);
  bool check_body(std::string_view body, const std::string& path);
  void read_credential(const api::CredentialInjection& from);

  const ObjectKey self_;
  const Inputs& inputs_;
  const Projections& tables_;
  flow::Reads& reads_;
  ExtendedFilterRow row_;
};

void Reader::add_problem(const Fault& fault, Severity severity) {
  row_.problems.push_back({.code = fault.code,
                           .severity = severity,
                           .where = {},
                           .object = self_,
                           .path = "spec." + fault.path,
                           .message = fault.message,
                           .suggestion = fault.suggestion,
                           .also = {}});
}

void Reader::fail(Fault fault) {
  add_problem(fault, Severity::kError);
  if (row_.failure) return;
  row_.failure =
      ReferenceFailure{.reason = "UnsupportedValue",
                       .code = "reference/filter",
                       .field = "extensionRef.name",
                       .message = fmt::format("{} cannot be used: {}", self_.to_string(), fault.message),
                       .suggestion = "see what is wrong with the filter",
                       .accepted = true};
}

bool Reader::check_regex(const std::string& regex, const std::string& path, std::string_view code) {
  auto fault = fault_of_regex(regex);
  if (fault) fail({.code = std::string(code), .path = path, .message = *std::move(fault)});
  return !fault;
}

// A substitution that takes what is not there makes Envoy leave everything as it is.
bool Reader::check_replacement(const api::RegexReplacement& replacement, const std::string& path) {
  using namespace std::string_view_literals;
  if (!check_regex(replacement.pattern, path + ".pattern")) return false;
  if (replacement.substitution.find_first_of("\0\r\n"sv) != std::string::npos) {
    fail({.code = "value/substitution",
          .path = path + ".substitution",
          .message = "a substitution has one line, and no character NUL"});
    return false;
  }
  if (auto fault = fault_of_substitution(replacement.pattern, replacement.substitution)) {
    add_problem({.code = "value/substitution",
                 .path = path + ".substitution",
                 .message = *std::move(fault) + ": nothing is replaced"},
                Severity::kWarning);
  }
  return true;
}

bool Reader::check_header_name(const std::string& name, const std::string& path) {
  if (is_header_name(name)) return true;
  fail({.code = "value/header",
        .path = path,
        .message = name.empty() ? "a header has a name" : fmt::format("`{}` is no name of a header", name),
        .suggestion = "a name has letters, digits and hyphens"});
  return false;
}

void Reader::read_matches(const std::vector<api::ExtendedMatch>& matches) {
  for (std::size_t m = 0; m < matches.size(); ++m) {
    std::vector<ir::ValueMatch>& cookies = row_.cookies.emplace_back();
    for (std::size_t c = 0; c < matches[m].cookies.size(); ++c) {
      const api::HTTPNameValueMatch& from = matches[m].cookies[c];
      const bool exact = from.type == api::StringMatchType::kExact;
      if (!exact && !check_regex(from.value, fmt::format("matches[{}].cookies[{}].value", m, c))) {
        row_.matches_nothing = true;
      }
      cookies.push_back({.name = from.name,
                         .kind = exact ? ir::MatchKind::kExact : ir::MatchKind::kRegex,
                         .value = from.value});
    }
  }
}

void Reader::read_hostname(const api::HostnameModifier& from, ir::Rewrite& rewrite) {
  switch (from.type) {
    case api::HostnameModifierType::kHeader:
      if (from.header && check_header_name(*from.header, "urlRewrite.hostname.header")) {
        rewrite.host_header = from.header;
      }
      return;
    case api::HostnameModifierType::kBackend:
      rewrite.host_of_endpoint = true;
      return;
    case api::HostnameModifierType::kPathRegex:
      if (from.path_regex && check_replacement(*from.path_regex, "urlRewrite.hostname.pathRegex")) {
        rewrite.host_from_path = ir::RegexRewrite{.pattern = from.path_regex->pattern,
                                                  .substitution = from.path_regex->substitution};
      }
      return;
  }
}

void Reader::read_rewrite(const api::ExtendedURLRewrite& from) {
  row_.append_x_forwarded_host = from.append_x_forwarded_host;
  if (!from.hostname && !from.path) return;
  ir::Rewrite& rewrite = row_.rewrite.emplace();
  if (from.hostname) read_hostname(*from.hostname, rewrite);
  if (!from.path || !from.path->replace_regex_match) return;
  const api::RegexReplacement& replacement = *from.path->replace_regex_match;
  if (!check_replacement(replacement, "urlRewrite.path.replaceRegexMatch")) return;
  rewrite.path.emplace().regex =
      ir::RegexRewrite{.pattern = replacement.pattern, .substitution = replacement.substitution};
}

bool Reader::check_body(std::string_view body, const std::string& path) {
  if (body.size() > kMaxBodySize) {
    fail({.code = "value/body",
          .path = path,
          .message = fmt::format("the body has {} bytes, and a direct response can have {}", body.size(),
                                 kMaxBodySize)});
    return false;
  }
  auto fault = fault_of_commands(body);
  if (fault) {
    fail({.code = "value/body",
          .path = path,
          .message = std::move(fault->message),
          .suggestion = std::move(fault->suggestion)});
  }
  return !fault;
}

// Bytes that are no text have no commands: a percent sign among them is one.
std::string without_commands(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) out.append(c == '%' ? 2 : 1, c);
  return out;
}

std::optional<std::string> Reader::body_of(const api::LocalObjectReference& ref) {
  const std::string path = "directResponse.body.valueRef";
  const ObjectKey key{.kind = api::kind_of<api::ConfigMap>(), .name = {self_.name.namespace_, ref.name}};
  if (const GroupKind kind(ref.group, ref.kind); kind != key.kind) {
    KindSlip slip = near_kind(kind, only_kind<api::ConfigMap>(), "");
    fail({.code = "reference/kind",
          .path = fmt::format("{}.{}", path, slip.field),
          .message = fmt::format("a body is in a ConfigMap, not in a `{}`", words_of(kind)),
          .suggestion = std::move(slip.suggestion)});
    return std::nullopt;
  }
  const api::ConfigMap* map = reads_.get(inputs_.config_maps, key.name);
  if (map == nullptr) {
    fail({.code = "reference/not-found",
          .path = path + ".name",
          .message = fmt::format("there is no {}", key.to_string()),
          .suggestion = near_object(key, {}, tables_, reads_)});
    return std::nullopt;
  }
  const auto find = [](const api::StringMap& in, bool named) {
    const auto at = named ? in.find(kBodyKey) : in.begin();
    return at == in.end() ? nullptr : &at->second;
  };
  for (const bool named : {true, false}) {
    if (const std::string* text = find(map->data, named)) {
      return check_body(*text, path) ? std::optional(*text) : std::nullopt;
    }
    if (const std::string* bytes = find(map->binary_data, named)) {
      std::string body = without_commands(*bytes);
      return check_body(body, path) ? std::optional(std::move(body)) : std::nullopt;
    }
  }
  fail({.code = "reference/key",
        .path = path + ".name",
        .message = fmt::format("{} has no key `{}`, and no other", key.to_string(), kBodyKey),
        .suggestion = fmt::format("put the body under the key `{}`", kBodyKey)});
  return std::nullopt;
}

void Reader::read_response(const api::DirectResponse& from) {
  ir::DirectResponse response;
  const std::int64_t status = from.status_code.value_or(kMinStatus);
  if (status < kMinStatus || status > kMaxStatus) {
    fail({.code = "value/status",
          .path = "directResponse.statusCode",
          .message = fmt::format("{} is no status of a response", status),
          .suggestion = fmt::format("use one from {} to {}", kMinStatus, kMaxStatus)});
    return;
  }
  response.status = static_cast<std::uint16_t>(status);
  if (from.body && from.body->type == api::ResponseBodyType::kValueRef) {
    auto body = from.body->value_ref ? body_of(*from.body->value_ref) : std::nullopt;
    if (!body) return;
    response.body = *std::move(body);
  } else if (from.body && from.body->inline_) {
    if (!check_body(*from.body->inline_, "directResponse.body.inline")) return;
    response.body = *from.body->inline_;
  }
  response.content_type = from.content_type.value_or("");
  if (auto fault = fault_of_header_value(response.content_type)) {
    fail({.code = "value/header",
          .path = "directResponse.contentType",
          .message = std::move(fault->message),
          .suggestion = std::move(fault->suggestion)});
    return;
  }
  if (from.header) {
    std::vector<HeaderChangeFault> faults = faults_of_header_changes(*from.header);
    for (HeaderChangeFault& fault : faults) {
      fail({.code = "value/header",
            .path = "directResponse.header." + fault.field,
            .message = std::move(fault.message),
            .suggestion = std::move(fault.suggestion)});
    }
    if (!faults.empty()) return;
    add_header_changes(*from.header, row_.response_headers);
  }
  row_.response = std::move(response);
}

// Why no header can have the credential, without a word of it.
std::string fault_of_credential(const std::string& credential) {
  const auto unfit = [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\t'; };
  const auto first = std::ranges::find_if(credential, unfit);
  if (first == credential.end()) return "";
  const bool only_at_end =
      std::all_of(first, credential.end(), [](char c) { return c == '\n' || c == '\r'; });
  return only_at_end ? "ends with a line break, which no header can have"
                     : "has a line break or a control character, which no header can have";
}

void Reader::read_credential(const api::CredentialInjection& from) {
  const std::string path = "credentialInjection.credential.valueRef";
  const api::SecretObjectReference& ref = from.value_ref;
  const ObjectKey secret{.kind = api::kind_of<api::Secret>(),
                         .name = {ref.namespace_.value_or(self_.name.namespace_), ref.name}};
  if (const GroupKind kind(ref.group, ref.kind); kind != secret.kind) {
    KindSlip slip = near_kind(kind, only_kind<api::Secret>(), "");
    return fail({.code = "reference/kind",
                 .path = fmt::format("{}.{}", path, slip.field),
                 .message = fmt::format("a credential is in a Secret, not in a `{}`", words_of(kind)),
                 .suggestion = std::move(slip.suggestion)});
  }
  if (!permitted({self_.kind, self_.name.namespace_}, secret.kind, secret.name, tables_, reads_)) {
    return fail({.code = "reference/not-permitted",
                 .path = path + ".namespace",
                 .message = fmt::format("no ReferenceGrant in namespace {} lets {}s of {} use {}",
                                        secret.name.namespace_, self_.kind.kind(), self_.name.namespace_,
                                        secret.to_string()),
                 .suggestion = missing_grant({self_.kind, self_.name.namespace_}, secret.kind, secret.name,
                                             tables_, reads_)});
  }
  const api::Secret* found = reads_.get(inputs_.secrets, secret.name);
  if (found == nullptr) {
    return fail({.code = "reference/not-found",
                 .path = path + ".name",
                 .message = fmt::format("there is no {}", secret.to_string()),
                 .suggestion = near_object(secret, {}, tables_, reads_)});
  }
  const auto credential = found->data.find(kCredentialKey);
  if (credential == found->data.end() || credential->second.empty()) {
    return fail(
        {.code = "reference/key",
         .path = path + ".name",
         .message = fmt::format("{} has nothing under the key `{}`", secret.to_string(), kCredentialKey),
         .suggestion = fmt::format("put the value of the header there, as in "
                                   "`stringData: {{{}: Bearer …}}`",
                                   kCredentialKey)});
  }
  if (const std::string fault = fault_of_credential(credential->second); !fault.empty()) {
    return fail({.code = "value/credential",
                 .path = path + ".name",
                 .message = fmt::format("the credential of {} {}", secret.to_string(), fault)});
  }
  const std::string header = from.header.value_or("");
  if (!header.empty()) {
    if (!check_header_name(header, "credentialInjection.header")) return;
    if (!may_change(header)) {
      return fail({.code = "value/header",
                   .path = "credentialInjection.header",
                   .message = fmt::format("the header `{}` cannot be changed by a filter", header)});
    }
  }
  const std::string name = fmt::format("httproutefilter/{}", self_.name.to_string());
  row_.of_secret = SecretSource{
      .name = "credential/" + name, .certificate = {}, .authorities = {}, .credential = secret.name};
  row_.credential = std::make_shared<const ir::Extension>(
      ir::Extension{.name = fmt::format("{}/{}", ir::kCredentialInjector, name),
                    .filter = ir::CredentialInjector{
                        .secret = row_.of_secret->name, .header = header, .overwrite = from.overwrite}});
}

ExtendedFilterRow Reader::read(const api::ExtendedRouteFilterSpec& spec) {
  read_matches(spec.matches);
  if (spec.url_rewrite) read_rewrite(*spec.url_rewrite);
  if (spec.direct_response) read_response(*spec.direct_response);
  if (spec.credential_injection) read_credential(*spec.credential_injection);
  if (!row_.failure) return std::move(row_);
  return {.failure = std::move(row_.failure),
          .matches_nothing = row_.matches_nothing,
          .cookies = std::move(row_.cookies),
          .problems = std::move(row_.problems)};
}

}  // namespace

ExtendedFilterRow read_extended_filter(const NamespacedName& name, const api::ExtendedRouteFilter& filter,
                                       const Inputs& inputs, const Projections& tables, flow::Reads& reads) {
  return Reader({.kind = api::kind_of<api::ExtendedRouteFilter>(), .name = name}, inputs, tables, reads)
      .read(filter.spec);
}

}  // namespace sluice::translate
