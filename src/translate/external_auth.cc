#include "translate/external_auth.h"

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/content_id.h"
#include "base/letter_case.h"
#include "translate/header_changes.h"
#include "translate/inference_pool.h"
#include "translate/reference.h"

namespace sluice::translate {
namespace {

// The service, or null: then that is among the conditions of `backends`.
BackendPtr resolve(const api::HTTPExternalAuthFilter& filter, const Place& place, RouteBackends& backends) {
  const Place here{&place, "externalAuth.backendRef"};
  const api::BackendObjectReference& ref = filter.backend_ref;
  if (ref.group == kPoolGroup && ref.kind == "InferencePool") {
    backends.refuse({.reason = "InvalidKind",
                     .code = "reference/kind",
                     .field = "kind",
                     .message = "an InferencePool cannot decide whether a request may pass",
                     .suggestion = "use a Service, or a Backend of group gateway.envoyproxy.io"},
                    here);
    return nullptr;
  }
  BackendPtr service =
      backends.look_up_service(ref, filter.protocol == api::ExternalAuthProtocol::kGRPC, here);
  if (!service) return nullptr;
  if (service->row.cluster.discovery == ir::Discovery::kDynamic) {
    backends.refuse({.reason = "UnsupportedValue",
                     .code = "support/dynamic-resolver",
                     .field = "name",
                     .message = "a Backend of type DynamicResolver has no address of its own: nobody can be "
                                "asked whether a request may pass",
                     .suggestion = "use a Service, or a Backend with endpoints"},
                    here);
    return nullptr;
  }
  return service;
}

// In lower case, as Envoy has them. What is no header's name no request has: a slip, which must not make of
// the list an empty one. A `*` may be in names, but whoever writes one means something else.
std::vector<std::string> header_names(const std::vector<std::string>& names, std::string_view field,
                                      const Place& place, RouteBackends& backends) {
  std::vector<std::string> out;
  out.reserve(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    out.push_back(lower_case(names[i]));
    const bool starred = names[i].find('*') != std::string::npos;
    if (is_header_name(names[i]) && !starred) continue;
    const Place here{&place, field, i};
    backends.add_problem({.code = "value/header",
                          .severity = Severity::kWarning,
                          .where = {},
                          .object = backends.route(),
                          .path = here.to_string(),
                          .message = fmt::format("no header is called `{}`", names[i]),
                          .suggestion = starred ? "write each name: `*` does not stand for others"
                                                : "write the name of a header",
                          .also = {}});
  }
  return out;
}

// What stands in front of paths, each of which begins with a slash. Nothing where it could lead elsewhere.
std::optional<std::string> path_prefix(const std::string& path) {
  std::string prefix = path.starts_with('/') ? path : "/" + path;
  while (prefix.ends_with('/')) prefix.pop_back();
  std::string whole = lower_case(prefix) + '/';
  for (std::size_t at; (at = whole.find("%2e")) != std::string::npos;) whole.replace(at, 3, ".");
  for (const char* const segment : {"/./", "/../", "//"}) {
    if (whole.find(segment) != std::string::npos) return std::nullopt;
  }
  return prefix;
}

}  // namespace

ExternalAuth read_external_auth(const api::HTTPExternalAuthFilter& filter, std::uint32_t index,
                                const Place& place, RouteBackends& backends) {
  ExternalAuth result;
  const auto fail = [&result](const char* code, const char* field, std::string message,
                              std::string suggestion) {
    result.failures.push_back({.reason = "UnsupportedValue",
                               .code = code,
                               .field = fmt::format("externalAuth.{}", field),
                               .message = std::move(message),
                               .suggestion = std::move(suggestion)});
  };
  ir::ExtAuthz auth;
  if (filter.protocol == api::ExternalAuthProtocol::kHTTP) {
    const api::HTTPAuthConfig http = filter.http.value_or(api::HTTPAuthConfig());
    ir::ExtAuthz::Http& by_http = auth.http.emplace();
    if (auto prefix = path_prefix(http.path)) {
      by_http.path = *std::move(prefix);
    } else {
      fail("value/path", "http.path",
           fmt::format("the path `{}` has a segment that is empty or leads elsewhere", http.path),
           "write it without `.`, `..` and `//`");
    }
    by_http.response_headers = header_names(http.allowed_response_headers,
                                            "externalAuth.http.allowedResponseHeaders", place, backends);
    auth.request_headers =
        header_names(http.allowed_headers, "externalAuth.http.allowedHeaders", place, backends);
  } else {
    const api::GRPCAuthConfig grpc = filter.grpc.value_or(api::GRPCAuthConfig());
    auth.request_headers =
        header_names(grpc.allowed_headers, "externalAuth.grpc.allowedHeaders", place, backends);
  }
  const std::int64_t max_body = filter.forward_body ? filter.forward_body->max_size : 0;
  if (max_body < 0 || max_body > std::numeric_limits<std::uint32_t>::max()) {
    fail("value/size", "forwardBody.maxSize", fmt::format("{} is no size of a body", max_body),
         "write a number of bytes from 0 to 4294967295");
  } else {
    auth.max_body = static_cast<std::uint32_t>(max_body);
  }
  const BackendPtr service = resolve(filter, place, backends);
  if (!service || !result.failures.empty()) return result;
  backends.add_cluster(row_of(service));
  auth.cluster = service->cluster();
  auth.authority = authority_of(filter.backend_ref, backends.route().name.namespace_);
  const ObjectKey& owner = service->row.cluster.owner;
  // By what it says: rules that ask alike share it.
  const std::string id =
      content_id(fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}", auth.cluster, auth.authority,
                             auth.http.has_value(), auth.http ? auth.http->path : "",
                             auth.http ? fmt::format("{}", fmt::join(auth.http->response_headers, " ")) : "",
                             fmt::join(auth.request_headers, " "), auth.max_body));
  std::string name =
      fmt::format("{}/{}/{}/{}", ir::kExtAuthz, lower_case(owner.kind.kind()), owner.name.to_string(), id);
  if (index > 0) name += fmt::format("/{}", index);
  result.filter = std::make_shared<const ir::Extension>(
      ir::Extension{.name = std::move(name), .index = index, .policy = {}, .filter = std::move(auth)});
  return result;
}

}  // namespace sluice::translate
