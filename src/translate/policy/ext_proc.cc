#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "translate/backend.h"
#include "translate/cluster_settings.h"
#include "translate/joined_backend.h"
#include "translate/policy/extension_reader.h"
#include "translate/reference.h"

namespace sluice::translate {
namespace {

using Body = ir::ExtProc::Body;

Body body_of(const std::optional<api::BodyProcessingMode>& mode) {
  if (!mode) return Body::kNone;
  switch (*mode) {
    case api::BodyProcessingMode::kStreamed:
      return Body::kStreamed;
    case api::BodyProcessingMode::kBuffered:
      return Body::kBuffered;
    case api::BodyProcessingMode::kBufferedPartial:
      return Body::kBufferedPartial;
    case api::BodyProcessingMode::kFullDuplexStreamed:
      return Body::kFullDuplexStreamed;
  }
  return Body::kNone;
}

ir::ExtProc::Direction direction_of(const std::optional<api::ProcessingOptions>& options) {
  if (!options) return {};
  return {.headers = true, .body = body_of(options->body), .attributes = options->attributes};
}

// The library of a load balancer.
ir::BalancingModule balancing_module(const Library& library) {
  return {.name = library.entry->name,
          .path = library.place.path,
          .policy = {},
          .config = {},
          .do_not_close = library.entry->do_not_close,
          .load_globally = library.entry->load_globally};
}

}  // namespace

PolicyExtension read_ext_proc(ExtensionReader& reader, std::size_t index, const api::ExtProc& ext_proc) {
  const auto broken = [&](ExtensionFailure failure) {
    return reader.broken("extProc", index, std::move(failure), ext_proc.fail_open);
  };
  const ObjectKey owner{.kind = api::kind_of<api::EnvoyExtensionPolicy>(), .name = reader.policy};
  const auto& refs = ext_proc.backends.backend_refs;
  if (refs.empty()) {
    return broken({.field = "backendRefs",
                   .code = "value/backend",
                   .message = "there is no service to ask",
                   .suggestion = "name one in `backendRefs`"});
  }
  const BackendReader backends{.from = api::kind_of<api::EnvoyExtensionPolicy>(),
                               .namespace_ = reader.policy.namespace_,
                               .access = reader.terms.access,
                               .settings = reader.environment.settings,
                               .inputs = reader.environment.inputs,
                               .tables = reader.environment.tables,
                               .grpc = true,
                               .unix_sockets = true};
  std::vector<PolicyUse> uses;
  std::vector<WeightedBackend> services;
  for (std::size_t i = 0; i < refs.size(); ++i) {
    auto service = resolve_backend(refs[i].ref, backends, reader.reads, uses);
    reader.add_backend_tls_policies(std::exchange(uses, {}));
    if (!service) {
      const ReferenceFailure& failure = service.error();
      return broken(
          {.field = fmt::format("backendRefs[{}]{}{}", i, failure.field.empty() ? "" : ".", failure.field),
           .code = failure.code,
           .message = failure.message,
           .suggestion = failure.suggestion});
    }
    if (refs[i].weight == 0) continue;
    services.push_back({.weight = static_cast<std::uint32_t>(refs[i].weight),
                        .backend = *std::move(service),
                        .fallback = refs[i].fallback});
  }
  if (services.empty()) {
    return broken({.field = "backendRefs",
                   .code = "value/weight",
                   .message = "every service has weight 0: there is none to ask",
                   .suggestion = "give one of them a weight"});
  }
  // A cluster of its own: it is named after the extension whose settings it has, not after its services.
  std::shared_ptr<ResolvedBackend> joined =
      join_backends(upstream_own_name(reader.policy, "extproc", index), owner, services, false);

  ir::ExtProc filter;
  filter.authority = authority_of(refs.front().ref, reader.policy.namespace_);
  if (ext_proc.backends.backend_settings) {
    const api::ClusterSettings& wanted = *ext_proc.backends.backend_settings;
    std::optional<ir::BalancingModule> balancing;
    if (wanted.load_balancer && wanted.load_balancer->dynamic_module) {
      constexpr std::string_view kField = "backendSettings.loadBalancer.dynamicModule.name";
      auto library = reader.library("extProc", index, std::string(kField),
                                    wanted.load_balancer->dynamic_module->name, ext_proc.fail_open);
      if (!library) return std::move(library.error());
      if (library->place.path.empty()) {
        return broken({.field = std::string(kField),
                       .code = "value/module",
                       .message = "Envoy fetches no library for a load balancer",
                       .suggestion = "put the file beside Envoy, and register it with `type: Local`"});
      }
      balancing = balancing_module(*library);
    }
    ReadSettings settings =
        read_cluster_settings(wanted, [&balancing](std::string_view) { return balancing; });
    std::ranges::move(unused_by_service(wanted), std::back_inserter(settings.problems));
    for (const SettingProblem& problem : settings.problems) {
      reader.add_problem(problem_at(problem, owner, fmt::format("spec.extProc[{}].backendSettings", index)));
    }
    if (!settings.good()) {
      return broken(
          {.field = {}, .code = {}, .message = "its `backendSettings` cannot be served", .suggestion = {}});
    }
    filter.retry = settings.requests.retry;
    joined->row.cluster.settings = settings_of_service(std::move(settings), filter.authority);
  }
  filter.cluster = joined->cluster();
  if (ext_proc.processing_mode) {
    filter.request = direction_of(ext_proc.processing_mode->request);
    filter.response = direction_of(ext_proc.processing_mode->response);
    filter.allow_mode_override = ext_proc.processing_mode->allow_mode_override;
  }
  if (!filter.request.headers && !filter.response.headers) {
    reader.warn(
        "extProc", index,
        {.field = ext_proc.processing_mode ? "processingMode" : "",
         .code = "value/no-processing",
         .message = "the service is told nothing, neither of requests nor of responses: all pass without it",
         .suggestion = "write `processingMode: {request: {}}` for the headers of requests, and `body` in "
                       "the braces for their bodies; the same for `response`"});
  }
  filter.fail_open = ext_proc.fail_open;
  filter.shadow = ext_proc.shadow_mode;
  filter.message_timeout = ext_proc.message_timeout;
  if (ext_proc.status_on_error)
    filter.status_on_error = static_cast<std::uint32_t>(*ext_proc.status_on_error);
  if (ext_proc.metadata) {
    filter.accessible_namespaces = ext_proc.metadata->accessible_namespaces;
    filter.writable_namespaces = ext_proc.metadata->writable_namespaces;
  }
  return {.filter = reader.filter("ext_proc", "extproc", index, std::move(filter)),
          .cluster = row_of(std::move(joined)),
          .fail_open = ext_proc.fail_open,
          .pending = false};
}

}  // namespace sluice::translate
