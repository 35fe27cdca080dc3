#include "translate/route_filters.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "translate/external_auth.h"
#include "translate/header_changes.h"
#include "translate/header_value.h"
#include "translate/joined_backend.h"
#include "translate/upstream_names.h"

namespace sluice::translate {
namespace {

// No request is without a path: by nothing, it is replaced by `/`.
ir::PathRewrite path_rewrite(const api::HTTPPathModifier& modifier) {
  if (modifier.type == api::PathModifierType::kReplaceFullPath) {
    const std::string full = modifier.replace_full_path.value_or("");
    return {.full = full.empty() ? "/" : full, .prefix = {}};
  }
  return {.full = {}, .prefix = modifier.replace_prefix_match.value_or("")};
}

ir::Redirect translate_redirect(const api::HTTPRequestRedirectFilter& filter) {
  ir::Redirect redirect;
  redirect.scheme = filter.scheme;
  redirect.host = filter.hostname;
  if (filter.path) redirect.path = path_rewrite(*filter.path);
  if (filter.port) redirect.port = static_cast<std::uint16_t>(*filter.port);
  redirect.status = static_cast<std::uint16_t>(filter.status_code);
  return redirect;
}

ir::Rewrite translate_rewrite(const api::HTTPURLRewriteFilter& filter) {
  ir::Rewrite rewrite;
  rewrite.host = filter.hostname;
  if (filter.path) rewrite.path = path_rewrite(*filter.path);
  return rewrite;
}

ir::Cors translate_cors(const api::HTTPCORSFilter& filter) {
  ir::Cors cors;
  cors.origins = filter.allow_origins;
  cors.methods = filter.allow_methods;
  cors.headers = filter.allow_headers;
  cors.exposed_headers = filter.expose_headers;
  cors.credentials = filter.allow_credentials.value_or(false);
  cors.max_age = std::chrono::seconds(filter.max_age);
  return cors;
}

class FilterReader {
 public:
  // Without `failures` the filters are those of a backendRef.
  FilterReader(const Place& place, RouteBackends& backends, std::vector<RuleFailure>* failures,
               std::optional<std::size_t> own_rule = std::nullopt)
      : place_(place), backends_(backends), failures_(failures), own_rule_(own_rule) {}

  void read(const api::HTTPRouteFilter& filter, std::size_t index);
  RouteFilters finish();

 private:
  bool of_rule() const { return failures_ != nullptr; }
  void fail(ReferenceFailure failure, const Place& place);
  void fail_unsupported(std::string message, std::string field, const Place& place, std::string suggestion);
  void read_headers(const Boxed<api::HTTPHeaderFilter>& filter, std::string_view field, const Place& place,
                    ir::HeaderChanges& changes);
  void read_mirror(const api::HTTPRequestMirrorFilter& filter, std::size_t index, const Place& place);
  bool check_path(const std::optional<api::HTTPPathModifier>& path, std::string_view filter,
                  const Place& place);
  void add_rewrite(ir::Rewrite rewrite, bool extended, const Place& place);
  void fail_beside(std::size_t first, std::string message, std::string suggestion, const Place& place);
  void read_extension(const api::LocalObjectReference& ref, const Place& place);
  void read_auth(const Boxed<api::HTTPExternalAuthFilter>& filter, const Place& place);
  Related earlier(std::size_t index) const;
  void apply(const ExtendedFilterRow& filter, const Place& place);
  void apply_to_rule(const ExtendedFilterRow& filter, const Place& place);
  void warn(std::string code, std::string message, std::string suggestion, const Place& place,
            std::vector<Related> also = {});

  const Place& place_;
  RouteBackends& backends_;
  std::vector<RuleFailure>* failures_;
  std::optional<std::size_t> own_rule_;
  RouteFilters out_;
  // The first filter that rewrites the host, or the path, that is an HTTPRouteFilter and rewrites, that adds
  // a credential, that has cookies.
  std::optional<std::size_t> host_at_;
  std::optional<std::size_t> path_at_;
  std::optional<std::size_t> extended_at_;
  std::optional<std::size_t> credential_at_;
  std::optional<std::size_t> cookies_at_;
  std::optional<bool> append_x_forwarded_host_;
};

void FilterReader::fail(ReferenceFailure failure, const Place& place) {
  out_.failed = true;
  if (of_rule()) {
    backends_.report(failure, place);
    failures_->push_back({.reason = failure.reason, .message = failure.message});
  } else {
    failure.reason = "InvalidBackendFilters";
    backends_.refuse(std::move(failure), place);
  }
}

// Where the filter is that a later one clashes with.
Related FilterReader::earlier(std::size_t index) const {
  return {.where = {},
          .object = backends_.route(),
          .path = Place{&place_, "filters", index}.to_string(),
          .message = "the first one is here"};
}

void FilterReader::fail_beside(std::size_t first, std::string message, std::string suggestion,
                               const Place& place) {
  fail({.reason = "UnsupportedValue",
        .code = "conflict/filter",
        .field = "",
        .message = std::move(message),
        .suggestion = std::move(suggestion),
        .also = {earlier(first)}},
       place);
}

void FilterReader::warn(std::string code, std::string message, std::string suggestion, const Place& place,
                        std::vector<Related> also) {
  backends_.add_problem({.code = std::move(code),
                         .severity = Severity::kWarning,
                         .where = {},
                         .object = backends_.route(),
                         .path = place.to_string(),
                         .message = std::move(message),
                         .suggestion = std::move(suggestion),
                         .also = std::move(also)});
}

void FilterReader::fail_unsupported(std::string message, std::string field, const Place& place,
                                    std::string suggestion) {
  fail({.reason = "UnsupportedValue",
        .code = "support/filter",
        .field = std::move(field),
        .message = std::move(message),
        .suggestion = std::move(suggestion)},
       place);
}

void FilterReader::read_headers(const Boxed<api::HTTPHeaderFilter>& filter, std::string_view field,
                                const Place& place, ir::HeaderChanges& changes) {
  if (!filter) return;
  std::vector<HeaderChangeFault> faults = faults_of_header_changes(*filter);
  for (HeaderChangeFault& fault : faults) {
    fail({.reason = "UnsupportedValue",
          .code = "value/header",
          .field = fmt::format("{}.{}", field, fault.field),
          .message = std::move(fault.message),
          .suggestion = std::move(fault.suggestion)},
         place);
  }
  if (!faults.empty()) return;
  add_header_changes(*filter, changes);
}

void FilterReader::read_mirror(const api::HTTPRequestMirrorFilter& filter, std::size_t index,
                               const Place& place) {
  BackendPtr backend = backends_.look_up(filter.backend_ref, {&place, "requestMirror.backendRef"});
  if (!backend) {
    out_.failed = true;
    return;
  }
  if (own_rule_) backend = renamed(*backend, upstream_mirror_name(backends_.route(), *own_rule_, index));
  backends_.add_cluster(row_of(backend));
  ir::Mirror mirror{.cluster = backend->cluster(), .numerator = 100, .denominator = 100};
  if (filter.percent) {
    mirror.numerator = static_cast<std::uint32_t>(*filter.percent);
  } else if (filter.fraction) {
    mirror.numerator = static_cast<std::uint32_t>(filter.fraction->numerator);
    mirror.denominator = static_cast<std::uint32_t>(filter.fraction->denominator);
  }
  constexpr std::uint64_t kMillion = 1'000'000;  // Envoy counts in millionths
  if (mirror.numerator > 0 && kMillion * mirror.numerator < mirror.denominator) {
    warn("value/fraction", "less than one request in a million is to be mirrored: none is",
         "write a larger `fraction`", {&place, "requestMirror.fraction"});
  }
  if (!backend->has_endpoints || mirror.numerator == 0) return;
  out_.mirrors.push_back(std::move(mirror));
  if (backend->row.cluster.discovery == ir::Discovery::kDynamic) out_.mirrors_anywhere = true;
}

bool FilterReader::check_path(const std::optional<api::HTTPPathModifier>& path, std::string_view filter,
                              const Place& place) {
  if (!path) return true;
  const bool is_full = path->type == api::PathModifierType::kReplaceFullPath;
  auto fault = fault_of_head((is_full ? path->replace_full_path : path->replace_prefix_match).value_or(""));
  if (!fault) return true;
  fail({.reason = "UnsupportedValue",
        .code = "value/path",
        .field = fmt::format("{}.path.{}", filter, is_full ? "replaceFullPath" : "replacePrefixMatch"),
        .message = std::move(fault->message),
        .suggestion = std::move(fault->suggestion)},
       place);
  return false;
}

// Of Gateway API's filters the first counts. An HTTPRouteFilter rewrites what they do not, and is the only
// one that does.
void FilterReader::add_rewrite(ir::Rewrite rewrite, bool extended, const Place& place) {
  const bool first = !out_.rewrite;
  const std::optional<std::size_t> other_extended = extended_at_;
  if (extended && !extended_at_) extended_at_ = place.index;
  if (!first) {
    if (!extended && !other_extended) return;
    if (rewrites_host(rewrite) && host_at_) {
      return fail_beside(*host_at_, "two filters rewrite the host", "keep one of them", place);
    }
    if (rewrite.path && path_at_) {
      return fail_beside(*path_at_, "two filters rewrite the path", "keep one of them", place);
    }
    if (extended && other_extended) {
      return fail_beside(*other_extended, "two filters rewrite the URL by HTTPRouteFilters",
                         "keep one of them", place);
    }
  }
  if (rewrites_host(rewrite)) host_at_ = place.index;
  if (rewrite.path) path_at_ = place.index;
  if (first) {
    out_.rewrite = std::move(rewrite);
    return;
  }
  if (rewrite.path) out_.rewrite->path = std::move(rewrite.path);
  if (!rewrites_host(rewrite)) return;
  rewrite.path = std::move(out_.rewrite->path);
  out_.rewrite = std::move(rewrite);
}

// Whatever is wrong with it, no request passes.
void FilterReader::read_auth(const Boxed<api::HTTPExternalAuthFilter>& filter, const Place& place) {
  if (!filter) {
    fail_unsupported("the filter ExternalAuth does not say whom to ask", "type", place, "add `externalAuth`");
    return;
  }
  // Those of a rule come before those of its backends.
  constexpr std::uint32_t kOfBackends = 16;
  const auto rank = static_cast<std::uint32_t>(out_.auths.size()) + (of_rule() ? 0 : kOfBackends);
  ExternalAuth auth = read_external_auth(*filter, rank, place, backends_);
  for (ReferenceFailure& failure : auth.failures) fail(std::move(failure), place);
  if (auth.filter) {
    out_.auths.push_back(std::move(auth.filter));
  } else {
    out_.failed = true;
  }
}

void FilterReader::read_extension(const api::LocalObjectReference& ref, const Place& place) {
  const GroupKind& ours = api::kind_of<api::ExtendedRouteFilter>();
  if (ref.group != ours.group() || ref.kind != ours.kind()) {
    const GroupKind written(ref.group, ref.kind);
    KindSlip slip =
        near_kind(written, {&ours, 1}, fmt::format("use an {} of group {}", ours.kind(), ours.group()));
    fail_unsupported(fmt::format("`{}` is no kind of filters", words_of(written)),
                     fmt::format("extensionRef.{}", slip.field), place, std::move(slip.suggestion));
    return;
  }
  const ObjectKey key{.kind = ours, .name = {backends_.route().name.namespace_, ref.name}};
  if (const ExtendedFilterRow* filter = backends_.extended_filter(key.name)) {
    apply(*filter, place);
    return;
  }
  out_.failed = true;
  backends_.refuse({.reason = of_rule() ? "UnsupportedValue" : "InvalidBackendFilters",
                    .code = "reference/not-found",
                    .field = "extensionRef.name",
                    .message = fmt::format("there is no {}", key.to_string()),
                    .suggestion = backends_.near(key)},
                   place);
}

void FilterReader::apply(const ExtendedFilterRow& filter, const Place& place) {
  if (filter.failure) fail(*filter.failure, place);
  if (filter.append_x_forwarded_host) append_x_forwarded_host_ = filter.append_x_forwarded_host;
  if (filter.rewrite) add_rewrite(*filter.rewrite, true, place);
  if (filter.credential) {
    if (credential_at_) {
      warn("conflict/filter", "another filter before it adds a credential too, and the last one's counts",
           "keep one of them", place, {earlier(*credential_at_)});
    }
    credential_at_ = place.index;
    out_.credential = &filter;
  }
  if (of_rule()) {
    apply_to_rule(filter, place);
  } else if (filter.response || !filter.cookies.empty()) {
    warn("support/filter",
         fmt::format("`{}` of an HTTPRouteFilter is for rules, and means nothing for a backendRef",
                     filter.response ? "directResponse" : "matches"),
         "give the filter to the rule", place);
  }
}

void FilterReader::apply_to_rule(const ExtendedFilterRow& filter, const Place& place) {
  out_.matches_nothing = out_.matches_nothing || filter.matches_nothing;
  if (!filter.cookies.empty() && cookies_at_) {
    fail_beside(*cookies_at_, "two HTTPRouteFilters of a rule have `matches`", "write them into one filter",
                place);
  } else if (!filter.cookies.empty()) {
    cookies_at_ = place.index;
    out_.cookies = filter.cookies;
  }
  if (!filter.response) return;
  // To clients of gRPC it is no answer: theirs ends with trailers.
  if (backends_.route().kind == api::kind_of<api::GRPCRoute>() && filter.response->status < 300) {
    fail({.reason = "UnsupportedValue",
          .code = "value/status",
          .field = "extensionRef",
          .message = fmt::format("a direct response with status {} is no answer to a gRPC call",
                                 filter.response->status),
          .suggestion = "set a `statusCode` that is none of success"},
         place);
    return;
  }
  out_.response = filter.response;
  append(filter.response_headers, out_.response_headers);
}

void FilterReader::read(const api::HTTPRouteFilter& filter, std::size_t index) {
  using Type = api::HTTPRouteFilterType;
  // What is answered here needs nothing more but leave.
  if (out_.response && filter.type != Type::kExternalAuth) return;
  const Place here{&place_, "filters", index};
  switch (filter.type) {
    case Type::kRequestHeaderModifier:
      read_headers(filter.request_header_modifier, "requestHeaderModifier", here, out_.request_headers);
      return;
    case Type::kResponseHeaderModifier:
      read_headers(filter.response_header_modifier, "responseHeaderModifier", here, out_.response_headers);
      return;
    case Type::kRequestMirror:
      if (filter.request_mirror) read_mirror(*filter.request_mirror, index, here);
      return;
    case Type::kRequestRedirect:
      if (filter.request_redirect && !out_.redirect &&
          check_path(filter.request_redirect->path, "requestRedirect", here)) {
        out_.redirect = translate_redirect(*filter.request_redirect);
      }
      return;
    case Type::kURLRewrite:
      if (filter.url_rewrite && check_path(filter.url_rewrite->path, "urlRewrite", here)) {
        add_rewrite(translate_rewrite(*filter.url_rewrite), false, here);
      }
      return;
    case Type::kExtensionRef:
      if (filter.extension_ref) read_extension(*filter.extension_ref, here);
      return;
    case Type::kCORS:
      if (!of_rule()) {
        fail_unsupported("a backendRef cannot have a filter CORS", "type", here, "give it to the rule");
      } else if (filter.cors && !out_.cors) {
        out_.cors = translate_cors(*filter.cors);
      }
      return;
    case Type::kExternalAuth:
      read_auth(filter.external_auth, here);
      return;
  }
}

RouteFilters FilterReader::finish() {
  if (append_x_forwarded_host_ && out_.rewrite) {
    out_.rewrite->append_x_forwarded_host = *append_x_forwarded_host_;
  }
  if ((out_.response || out_.redirect) && !out_.mirrors.empty()) {
    fail({.reason = "IncompatibleFilters",
          .code = "support/filter",
          .field = "filters",
          .message =
              fmt::format("a filter RequestMirror stands beside a {}, and nothing is left to be mirrored",
                          out_.response ? "direct response" : "RequestRedirect"),
          .suggestion = "remove one of the two"},
         place_);
  }
  return std::move(out_);
}

}  // namespace

bool rewrites_host(const ir::Rewrite& rewrite) {
  return rewrite.host || rewrite.host_header || rewrite.host_of_endpoint || rewrite.host_from_path;
}

RouteFilters read_rule_filters(const std::vector<api::HTTPRouteFilter>& filters, const Place& rule,
                               RouteBackends& backends, std::vector<RuleFailure>& failures,
                               std::optional<std::size_t> own_rule) {
  FilterReader reader(rule, backends, &failures, own_rule);
  for (std::size_t i = 0; i < filters.size(); ++i) reader.read(filters[i], i);
  return reader.finish();
}

RouteFilters read_backend_filters(const std::vector<api::HTTPRouteFilter>& filters, const Place& backend,
                                  RouteBackends& backends) {
  FilterReader reader(backend, backends, nullptr);
  for (std::size_t i = 0; i < filters.size(); ++i) reader.read(filters[i], i);
  return reader.finish();
}

}  // namespace sluice::translate
