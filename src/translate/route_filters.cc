#include "translate/route_filters.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "translate/header_value.h"

namespace sluice::translate {
namespace {

constexpr std::string_view kEnvoyGatewayGroup = "gateway.envoyproxy.io";

// Header names compare without case; of several changes to one header in a filter the first counts.
void add_header_changes(const api::HTTPHeaderFilter& filter, ir::HeaderChanges& changes) {
  const auto known = [&changes](const std::string& name) {
    const auto is_it = [&](const ir::Header& h) { return same_name(h.name, name); };
    return std::ranges::any_of(changes.add, is_it) || std::ranges::any_of(changes.set, is_it);
  };
  for (const api::HTTPHeader& h : filter.add) {
    if (!known(h.name)) changes.add.push_back({h.name, h.value});
  }
  for (const api::HTTPHeader& h : filter.set) {
    if (!known(h.name)) changes.set.push_back({h.name, h.value});
  }
  for (const std::string& name : filter.remove) {
    if (std::ranges::none_of(changes.remove, [&](const std::string& r) { return same_name(r, name); })) {
      changes.remove.push_back(name);
    }
  }
}

// The host is no header like others, nor are names that Envoy keeps for itself.
bool may_change(std::string_view header) {
  return !same_name(header, "host") && header.find_first_of(":/") == std::string_view::npos;
}

const std::string* unchangeable(const api::HTTPHeaderFilter& filter) {
  for (const auto* list : {&filter.add, &filter.set}) {
    for (const api::HTTPHeader& h : *list) {
      if (!may_change(h.name)) return &h.name;
    }
  }
  for (const std::string& name : filter.remove) {
    if (!may_change(name)) return &name;
  }
  return nullptr;
}

struct FaultyValue {
  std::string where;  // "set[0].value"
  HeaderFault fault;
};

std::optional<FaultyValue> faulty_value(const api::HTTPHeaderFilter& filter) {
  const std::pair<std::string_view, const std::vector<api::HTTPHeader>*> lists[] = {{"set", &filter.set},
                                                                                    {"add", &filter.add}};
  for (const auto& [name, headers] : lists) {
    for (std::size_t i = 0; i < headers->size(); ++i) {
      if (auto fault = fault_of_header_value((*headers)[i].value)) {
        return FaultyValue{fmt::format("{}[{}].value", name, i), std::move(*fault)};
      }
    }
  }
  return std::nullopt;
}

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
  FilterReader(const Place& place, RouteBackends& backends, std::vector<RuleFailure>* failures)
      : place_(place), backends_(backends), failures_(failures) {}

  void read(const api::HTTPRouteFilter& filter, std::size_t index);
  RouteFilters finish();

 private:
  bool of_rule() const { return failures_ != nullptr; }
  void fail(ReferenceFailure failure, const Place& place);
  void fail_unsupported(std::string message, const Place& place, std::string suggestion = "");
  void read_headers(const Boxed<api::HTTPHeaderFilter>& filter, std::string_view field, const Place& place,
                    ir::HeaderChanges& changes);
  void read_mirror(const api::HTTPRequestMirrorFilter& filter, const Place& place);
  void read_extension(const api::LocalObjectReference& ref, const Place& place);

  const Place& place_;
  RouteBackends& backends_;
  std::vector<RuleFailure>* failures_;
  RouteFilters out_;
};

void FilterReader::fail(ReferenceFailure failure, const Place& place) {
  out_.failed = true;
  if (of_rule()) {
    backends_.report(failure, place);
    failures_->push_back({.reason = failure.reason, .message = failure.message});
  } else {
    backends_.refuse(std::move(failure), place);
  }
}

void FilterReader::fail_unsupported(std::string message, const Place& place, std::string suggestion) {
  fail({.reason = "UnsupportedValue",
        .code = "support/filter",
        .field = "type",
        .message = std::move(message),
        .suggestion = std::move(suggestion)},
       place);
}

void FilterReader::read_headers(const Boxed<api::HTTPHeaderFilter>& filter, std::string_view field,
                                const Place& place, ir::HeaderChanges& changes) {
  if (!filter) return;
  if (const std::string* name = unchangeable(*filter)) {
    fail({.reason = "UnsupportedValue",
          .code = "value/header",
          .field = std::string(field),
          .message = fmt::format("the header `{}` cannot be changed by a filter", *name),
          .suggestion = same_name(*name, "host") ? "use a filter URLRewrite with a hostname" : ""},
         place);
    return;
  }
  if (auto faulty = faulty_value(*filter)) {
    fail({.reason = "UnsupportedValue",
          .code = "value/header",
          .field = fmt::format("{}.{}", field, faulty->where),
          .message = std::move(faulty->fault.message),
          .suggestion = std::move(faulty->fault.suggestion)},
         place);
    return;
  }
  add_header_changes(*filter, changes);
}

void FilterReader::read_mirror(const api::HTTPRequestMirrorFilter& filter, const Place& place) {
  const auto backend = backends_.resolve(filter.backend_ref, {&place, "requestMirror.backendRef"});
  if (!backend) {
    out_.failed = true;
    return;
  }
  ir::Mirror mirror{.cluster = backend->cluster(), .numerator = 100, .denominator = 100};
  if (filter.percent) {
    mirror.numerator = static_cast<std::uint32_t>(*filter.percent);
  } else if (filter.fraction) {
    mirror.numerator = static_cast<std::uint32_t>(filter.fraction->numerator);
    mirror.denominator = static_cast<std::uint32_t>(filter.fraction->denominator);
  }
  if (!backend->has_endpoints || mirror.numerator == 0) return;
  out_.mirrors.push_back(std::move(mirror));
  if (backend->row.cluster.discovery == ir::Discovery::kDynamic) out_.mirrors_anywhere = true;
}

// The kinds of extensions that upstream has are references; others are no filters at all.
void FilterReader::read_extension(const api::LocalObjectReference& ref, const Place& place) {
  const std::string kind = fmt::format("{}/{}", ref.group, ref.kind);
  if (of_rule() && ref.group == kEnvoyGatewayGroup && ref.kind == "HTTPRouteFilter") {
    out_.failed = true;
    backends_.refuse({.reason = "UnsupportedValue",
                      .code = "support/filter",
                      .field = "extensionRef",
                      .message = fmt::format("filters of kind {} are not supported yet", kind),
                      .suggestion = ""},
                     place);
    return;
  }
  fail_unsupported(of_rule() ? fmt::format("{} is no kind of filters", kind)
                             : std::string("a backendRef cannot have a filter ExtensionRef"),
                   place);
}

void FilterReader::read(const api::HTTPRouteFilter& filter, std::size_t index) {
  using Type = api::HTTPRouteFilterType;
  const Place here{&place_, "filters", index};
  switch (filter.type) {
    case Type::kRequestHeaderModifier:
      read_headers(filter.request_header_modifier, "requestHeaderModifier", here, out_.request_headers);
      return;
    case Type::kResponseHeaderModifier:
      read_headers(filter.response_header_modifier, "responseHeaderModifier", here, out_.response_headers);
      return;
    case Type::kRequestMirror:
      if (filter.request_mirror) read_mirror(*filter.request_mirror, here);
      return;
    case Type::kRequestRedirect:
      if (filter.request_redirect && !out_.redirect) {
        out_.redirect = translate_redirect(*filter.request_redirect);
      }
      return;
    case Type::kURLRewrite:
      if (filter.url_rewrite && !out_.rewrite) out_.rewrite = translate_rewrite(*filter.url_rewrite);
      return;
    case Type::kExtensionRef:
      if (filter.extension_ref) read_extension(*filter.extension_ref, here);
      return;
    case Type::kCORS:
      if (!of_rule()) {
        fail_unsupported("a backendRef cannot have a filter CORS", here, "give it to the rule");
      } else if (filter.cors && !out_.cors) {
        out_.cors = translate_cors(*filter.cors);
      }
      return;
    case Type::kExternalAuth:
      fail_unsupported("the filter ExternalAuth is not supported", here);
      return;
  }
}

RouteFilters FilterReader::finish() {
  if (out_.redirect && !out_.mirrors.empty()) {
    fail({.reason = "IncompatibleFilters",
          .code = "support/filter",
          .field = "filters",
          .message =
              "a filter RequestMirror stands beside a RequestRedirect, and nothing is left to be mirrored",
          .suggestion = "remove one of the two"},
         place_);
  }
  return std::move(out_);
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

RouteFilters read_rule_filters(const std::vector<api::HTTPRouteFilter>& filters, const Place& rule,
                               RouteBackends& backends, std::vector<RuleFailure>& failures) {
  FilterReader reader(rule, backends, &failures);
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
