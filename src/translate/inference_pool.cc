#include "translate/inference_pool.h"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/annotations.h"
#include "api/gateway_api/shared.h"
#include "base/content_id.h"
#include "base/quote.h"
#include "translate/near.h"
#include "translate/policy/ancestors.h"
#include "translate/reference.h"
#include "translate/remote_host.h"
#include "tree/tree.h"
#include "tree/write.h"

namespace sluice::translate {
namespace {

// How soon a picker that is gone is known to be. Ours says itself how it is; of others it is asked whether
// they take connections, for their health service may have a port of its own.
constexpr ir::Duration kAskOurs{100};
constexpr ir::Duration kAskOthers{250};
constexpr ir::Duration kAnswerWithin{1'000};
// The service that the protocol's health checks ask for.
constexpr const char* kExtProcService = "envoy.service.ext_proc.v3.ExternalProcessor";

// Digits of the module's digest, of 64.
constexpr std::size_t kDigestInName = 12;

// Values of api::kPickerHome.
constexpr std::string_view kInside = "inside-envoy";
constexpr std::string_view kBeside = "beside-envoy";

Problem problem_of(const ObjectKey& object, Severity severity, std::string code, std::string path,
                   std::string message, std::string suggestion) {
  return {.code = std::move(code),
          .severity = severity,
          .where = {},
          .object = object,
          .path = std::move(path),
          .message = std::move(message),
          .suggestion = std::move(suggestion),
          .also = {}};
}

api::BackendObjectReference reference_of(const api::EndpointPickerRef& picker) {
  return {
      .group = picker.group, .kind = picker.kind, .name = picker.name, .namespace_ = {}, .port = picker.port};
}

BackendReader reader_for_picker(const NamespacedName& pool, const BackendAccess& access,
                                const Settings& settings, const Inputs& inputs, const Projections& tables) {
  return {.from = api::kind_of<api::InferencePool>(),
          .namespace_ = pool.namespace_,
          .access = access,
          .settings = settings,
          .inputs = inputs,
          .tables = tables,
          .grpc = true,
          .unix_sockets = true};
}

// A picker's queue decides how many requests there are at a time, not Envoy's default of 1024.
ir::CircuitBreakers no_limits() {
  constexpr auto kNone = std::numeric_limits<std::uint32_t>::max();
  ir::CircuitBreakers breakers;
  breakers.connections = kNone;
  breakers.pending = kNone;
  breakers.requests = kNone;
  return breakers;
}

// Envoy goes on without a picker, but not with what it has begun to send to one: so nothing is sent there
// from the first failed connection until it takes connections again, which its health check says.
ir::OutlierDetection out_at_once() {
  ir::OutlierDetection detection;
  detection.max_ejected_percent = 100;
  detection.server_errors = std::numeric_limits<std::uint32_t>::max();  // its answers say nothing of it
  detection.local_apart = true;
  detection.local_failures = 1;
  return detection;
}

bool fails_open(const std::optional<api::EndpointPickerRef>& picker) {
  return !picker || picker->failure_mode == api::PickerFailureMode::kFailOpen;
}

ir::ClusterSettings settings_of_picker(const std::optional<api::EndpointPickerRef>& picker) {
  const bool ours = !picker;
  ir::ClusterSettings settings;
  if (!ours && fails_open(picker)) settings.outlier_detection = out_at_once();
  ir::HealthCheck& check = settings.health_check.emplace();
  if (ours) {
    check.question = ir::GrpcQuestion{.service = kExtProcService, .authority = "picker"};
  } else {
    check.question = ir::TcpQuestion{};
  }
  check.interval = ours ? kAskOurs : kAskOthers;
  check.timeout = kAnswerWithin;
  check.unhealthy_after = 1;
  check.while_idle = true;
  settings.panic_threshold = 0;
  settings.circuit_breakers = no_limits();
  return settings;
}

const ServiceView* service_of(const NamespacedName& pool, const api::EndpointPickerRef& picker,
                              const Projections& tables, flow::Reads& reads) {
  return reads.get(tables.services, ObjectKey{api::kind_of<api::Service>(), {pool.namespace_, picker.name}});
}

bool is_external(const NamespacedName& pool, const api::EndpointPickerRef& picker, const Projections& tables,
                 flow::Reads& reads) {
  const ServiceView* service = service_of(pool, picker, tables, reads);
  return service != nullptr && !service->external_name.empty();
}

// Pickers of the Inference Extension speak TLS with a certificate that they sign themselves. A Service says
// that its picker does not by the protocol of its port, or whom to trust by a BackendTLSPolicy; a Backend
// says all that itself.
bool speaks_own_tls(const api::EndpointPickerRef& picker, const NamespacedName& pool,
                    const ir::Cluster& cluster, const Projections& tables, flow::Reads& reads) {
  if (picker.kind != "Service" || cluster.tls) return false;
  const ServiceView* service = service_of(pool, picker, tables, reads);
  if (service == nullptr) return false;
  const auto port = std::ranges::find_if(service->ports, [&](const ServiceView::Port& p) {
    return p.port == *picker.port && p.protocol == "TCP";
  });
  return port == service->ports.end() || port->app_protocol != "kubernetes.io/h2c";
}

// The cluster of whoever picks for the pool.
std::expected<std::shared_ptr<ResolvedBackend>, ReferenceFailure> resolve_picker(
    const NamespacedName& pool, const PoolView& view, const BackendReader& reader, flow::Reads& reads,
    std::vector<PolicyUse>& policies) {
  auto picker = std::make_shared<ResolvedBackend>();
  if (!view.picker) {
    picker->row.cluster.protocol = ir::UpstreamProtocol::kHttp2;
    picker->row.fixed = {{.endpoints = {{.unix_path = picker_socket(reader.settings, pool)}}}};
  } else {
    auto service =
        resolve_backend(reference_of(*view.picker),
                        reader_for_picker(pool, reader.access, reader.settings, reader.inputs, reader.tables),
                        reads, policies);
    if (!service) return std::unexpected(std::move(service.error()));
    *picker = **service;
    ir::Cluster& cluster = picker->row.cluster;
    if (speaks_own_tls(*view.picker, pool, cluster, reader.tables, reads)) {
      cluster.tls =
          ir::UpstreamTls{.sni = fmt::format("{}.{}", view.picker->name, pool.namespace_), .alpn = {"h2"}};
    }
  }
  ir::Cluster& cluster = picker->row.cluster;
  cluster.name = "picker/" + pool.to_string();
  cluster.owner = {.kind = api::kind_of<api::InferencePool>(), .name = pool};
  cluster.settings = settings_of_picker(view.picker);
  return picker;
}

// What the module is told on a host: nothing that changes with the pool's pods, for that would change
// listeners.
std::string config_inside(const Settings& settings, const NamespacedName& pool) {
  return to_json(Tree::map({{.key = "pool", .value = Tree::string(pool.to_string())},
                            {.key = "poolFile", .value = Tree::string(picker_file(settings, pool))}}));
}

// Not by its conditions alone: a Pod that is being deleted says that it is ready until its server has ended.
bool is_ready(const api::Pod& pod) {
  if (pod.metadata.deletion_timestamp) return false;
  if (pod.status.conditions.empty()) return true;
  const auto ready = std::ranges::find(pod.status.conditions, "Ready", &api::PodCondition::type);
  return ready != pod.status.conditions.end() && ready->status == "True";
}

bool has_labels(const api::StringMap& wanted, const api::StringMap& labels) {
  return std::ranges::all_of(wanted, [&labels](const auto& label) {
    const auto at = labels.find(label.first);
    return at != labels.end() && at->second == label.second;
  });
}

std::string group_of(const std::string& namespace_, const std::string& key, const std::string& value) {
  return fmt::format("{}\n{}\n{}", namespace_, key, value);
}

PoolExtraRow read_extra(const ObjectKey& object, const api::ObjectMeta& metadata,
                        const api::PoolReference& ref, const Projections& tables, flow::Reads& reads) {
  PoolExtraRow row{.pool = {object.name.namespace_, ref.name},
                   .creation_timestamp = metadata.creation_timestamp,
                   .conditions = {},
                   .problems = {}};
  const auto refuse = [&](std::string reason, std::string code, std::string field, const std::string& message,
                          std::string suggestion) {
    row.conditions = {{"Accepted", false, std::move(reason), message}};
    row.problems.push_back(problem_of(object, Severity::kError, std::move(code), "spec.poolRef" + field,
                                      message, std::move(suggestion)));
  };
  if (ref.name.empty()) return row;  // without a spec: that is a problem of the schema
  const ObjectKey pool{.kind = api::kind_of<api::InferencePool>(), .name = row.pool};
  if (ref.group != kPoolGroup || ref.kind != "InferencePool") {
    refuse("InvalidKind", "reference/kind", ref.kind == "InferencePool" ? ".group" : ".kind",
           fmt::format("`{}/{}` is no kind of pool", ref.group, ref.kind),
           "leave out `group` and `kind`: it is an InferencePool");
  } else if (const PoolView* view = reads.get(tables.pools, row.pool); view == nullptr) {
    refuse("PoolNotFound", "reference/not-found", ".name", fmt::format("there is no {}", pool.to_string()),
           near_object(pool, {}, tables, reads));
  } else {
    row.conditions = {{"Accepted", true, "Accepted",
                       view->picker ? "The pool's own picker is to read the object"
                                    : "The object is in force for its pool"}};
    if (view->picker) {
      row.problems.push_back(
          problem_of(object, Severity::kWarning, "support/other-picker", "spec.poolRef",
                     fmt::format("the picker of {} is not sluice's: nothing is done with this object here",
                                 pool.to_string()),
                     "see that the picker reads it, or remove `endpointPickerRef` from the pool"));
    }
  }
  return row;
}

// The module, and the server that proxies of other machines have it from; null: they have its file.
std::shared_ptr<const ClusterRow> place_module(const Settings& settings, ir::EndpointPicker& picker) {
  std::shared_ptr<const ClusterRow> server;
  if (!settings.on_host && !settings.module_server.empty() && !settings.picker_module_sha256.empty())
    server = remote_host(settings.module_server);
  if (server == nullptr) {
    picker.module = settings.picker_module;
    return nullptr;
  }
  picker.uri = fmt::format("{}/{}.so", settings.module_server, settings.picker_module_sha256);
  picker.uri_cluster = server->cluster.name;
  picker.sha256 = settings.picker_module_sha256;
  return server;
}

// Envoy fetches a module while a listener starts, so one with another module is another filter.
std::string name_inside(const Settings& settings, const NamespacedName& pool) {
  std::string name = fmt::format("{}/{}", ir::kEndpointPicker, pool.to_string());
  if (!settings.on_host && !settings.picker_module_sha256.empty())
    name += fmt::format("/{}", settings.picker_module_sha256.substr(0, kDigestInName));
  return name;
}

// Where our own picker is to be.
void read_home(const NamespacedName& name, const api::InferencePool& pool, const Settings& settings,
               PoolView& view) {
  // Where the proxy is on another machine nothing of ours is beside it.
  const bool elsewhere = !settings.on_host;
  view.inside = elsewhere && !view.picker && !settings.picker_module.empty();
  const auto warn_at = [&](std::string path, std::string code, std::string message, std::string suggestion) {
    view.problems.push_back(problem_of({.kind = api::kind_of<api::InferencePool>(), .name = name},
                                       Severity::kWarning, std::move(code), std::move(path),
                                       std::move(message), std::move(suggestion)));
  };
  if (elsewhere && !view.picker && !view.inside) {
    warn_at("spec", "support/picker-module",
            "there is no libsluice_picker.so beside this sluice: requests go to any server",
            "take an image that has it, or name a picker in `endpointPickerRef`");
  }
  const auto at = pool.metadata.annotations.find(api::kPickerHome);
  if (at == pool.metadata.annotations.end()) return;
  const auto warn = [&](std::string code, std::string message, std::string suggestion) {
    warn_at(fmt::format("metadata.annotations[{}]", api::kPickerHome), std::move(code), std::move(message),
            std::move(suggestion));
  };
  const bool inside = at->second == kInside;
  if (!inside && at->second != kBeside) {
    std::string near = near_among(at->second, {kInside, kBeside});
    if (near.empty()) near = fmt::format("write `{}` or `{}`", kInside, kBeside);
    warn("value/picker-home",
         fmt::format("{} is no place for a picker: it stays {} Envoy", quote(at->second),
                     elsewhere ? "inside" : "beside"),
         std::move(near));
  } else if (view.picker) {
    warn("support/no-effect", "the pool has a picker of its own: where ours would be does not matter",
         "remove the annotation, or `endpointPickerRef`");
  } else if (inside && settings.picker_module.empty() && !elsewhere) {
    warn("support/picker-module",
         "there is no libsluice_picker.so beside this sluice: the picker stays beside Envoy",
         "build it with `make build`, or copy it to the folder of the program");
  } else if (elsewhere && !inside) {
    warn("support/picker-home",
         "Envoys in a cluster have nothing of sluice beside them: the picker is inside",
         "for one outside run `sluice picker` and name its Service in `endpointPickerRef`");
  } else if (!elsewhere) {
    view.inside = inside;
  }
}

}  // namespace

PoolView read_pool(const NamespacedName& name, const api::InferencePool& pool, const Settings& settings,
                   const Inputs& inputs, const Projections& tables, flow::Reads& reads) {
  PoolView view{.protocol = pool.spec.app_protocol,
                .picker = pool.spec.endpoint_picker_ref,
                .no_picker = {},
                .inside = false,
                .problems = {}};
  read_home(name, pool, settings, view);
  if (!view.picker) return view;
  const api::EndpointPickerRef& ref = *view.picker;
  const ObjectKey key{.kind = api::kind_of<api::InferencePool>(), .name = name};
  const GroupKind& backend = api::kind_of<api::Backend>();
  const bool service = ref.group.empty() && ref.kind == "Service";
  if (!service && !(ref.group == backend.group() && ref.kind == backend.kind())) {
    const GroupKind written(ref.group, ref.kind);
    const GroupKind kinds[] = {api::kind_of<api::Service>(), backend};
    KindSlip slip = near_kind(written, kinds, "use a Service, or a Backend of group gateway.envoyproxy.io");
    // No group may be the one that is left out.
    view.no_picker = {.reason = "InvalidExtensionRef",
                      .code = "reference/kind",
                      .field = ref.group.empty() ? "kind" : slip.field,
                      .message = fmt::format("`{}` is no kind of endpoint picker", words_of(written)),
                      .suggestion = std::move(slip.suggestion)};
  } else {
    std::vector<PolicyUse> policies;
    const BackendAccess access;
    auto found = resolve_backend(reference_of(ref), reader_for_picker(name, access, settings, inputs, tables),
                                 reads, policies);
    if (!found) {
      view.no_picker = std::move(found.error());
      if (view.no_picker->field == "port") view.no_picker->field = "port.number";
    } else if (service && is_external(name, ref, tables, reads)) {
      view.no_picker = {
          .reason = "",
          .code = "support/external-name",
          .field = "name",
          .message = fmt::format("Service {}/{} is a name of DNS, which no endpoint picker may be",
                                 name.namespace_, ref.name),
          .suggestion = "use a Backend with its `fqdn`"};
    }
  }
  if (view.no_picker) {
    view.no_picker->reason = "InvalidExtensionRef";
    view.problems.push_back(problem_of(
        key, Severity::kError, view.no_picker->code,
        "spec.endpointPickerRef" + (view.no_picker->field.empty() ? "" : "." + view.no_picker->field),
        view.no_picker->message, view.no_picker->suggestion));
  }
  return view;
}

std::expected<std::shared_ptr<ResolvedBackend>, ReferenceFailure> resolve_pool(
    const ObjectKey& key, const BackendReader& reader, flow::Reads& reads, std::vector<PolicyUse>& policies) {
  const PoolView* view = reads.get(reader.tables.pools, key.name);
  if (view == nullptr) {
    return std::unexpected(
        ReferenceFailure{.reason = "BackendNotFound",
                         .code = "reference/not-found",
                         .field = "name",
                         .message = fmt::format("there is no {}", key.to_string()),
                         .suggestion = near_object(key, backend_kinds(), reader.tables, reads)});
  }
  auto resolved = std::make_shared<ResolvedBackend>();
  ir::Cluster& cluster = resolved->row.cluster;
  cluster.name = "pool/" + key.name.to_string();
  cluster.owner = key;
  if (view->protocol == api::PoolProtocol::kH2c) cluster.protocol = ir::UpstreamProtocol::kHttp2;
  resolved->row.service_port = {key, ""};
  const ServiceReadiness* readiness = reads.get(reader.tables.readiness, key);
  resolved->has_endpoints = readiness != nullptr && readiness->ports.contains("");
  ir::ClusterSettings settings;
  settings.circuit_breakers = no_limits();

  const bool open = fails_open(view->picker);
  if (view->inside) {
    ir::EndpointPicker inside;
    inside.pool = key.name;
    inside.discovered = !reader.settings.on_host;
    if (!inside.discovered) inside.config = config_inside(reader.settings, key.name);
    resolved->picker_cluster = place_module(reader.settings, inside);
    resolved->picker =
        std::make_shared<ir::Extension>(ir::Extension{.name = name_inside(reader.settings, key.name),
                                                      .index = 0,
                                                      .policy = {},
                                                      .filter = std::move(inside)});
    settings.load_balancing.emplace().picked = true;
    cluster.settings = std::move(settings);
    return resolved;
  }
  std::expected<std::shared_ptr<ResolvedBackend>, ReferenceFailure> picker;
  if (view->no_picker) {
    picker = std::unexpected(*view->no_picker);
  } else {
    picker = resolve_picker(key.name, *view, reader, reads, policies);
  }
  if (picker) {
    if (const ir::AnswersShown* shown = reads.get(reader.tables.picker_answers, key.name)) {
      resolved->picker_sees = *shown;
    }
    resolved->picker_cluster = row_of(*picker);
    resolved->picker = std::make_shared<ir::Extension>(ir::Extension{
        .name = fmt::format("{}/{}", ir::kEndpointPicker, key.name.to_string()),
        .index = 0,
        .policy = {},
        .filter = ir::EndpointPicker{
            .cluster = (*picker)->cluster(),
            .authority =
                view->picker ? authority_of(reference_of(*view->picker), key.name.namespace_) : "picker",
            .fail_open = open,
            .streamed = view->picker.has_value()}});
    settings.load_balancing.emplace().picked = true;
  } else {
    resolved->no_picker = !open;
  }
  cluster.settings = std::move(settings);
  return resolved;
}

std::vector<std::string> label_groups(const api::Pod& pod) {
  std::vector<std::string> groups;
  groups.reserve(pod.metadata.labels.size());
  for (const auto& [key, value] : pod.metadata.labels) {
    groups.push_back(group_of(pod.metadata.namespace_, key, value));
  }
  return groups;
}

std::string label_group(const NamespacedName& pool, const api::InferencePoolSpec& spec) {
  if (spec.match_labels.empty()) return {};
  const auto& [key, value] = *spec.match_labels.begin();
  return group_of(pool.namespace_, key, value);
}

bool is_member(const api::InferencePoolSpec& pool, const api::Pod& pod) {
  return !pool.match_labels.empty() && has_labels(pool.match_labels, pod.metadata.labels) && is_ready(pod) &&
         api::is_ip_address(pod.status.pod_ip);
}

ServiceEndpoints join_pods(const api::InferencePoolSpec& pool, const std::vector<const api::Pod*>& pods) {
  ServiceEndpoints joined;
  ir::Locality locality;
  for (const api::Pod* pod : pods) {
    if (!is_member(pool, *pod)) continue;
    for (const api::PoolPort& port : pool.target_ports) {
      locality.endpoints.push_back(
          {.address = pod->status.pod_ip, .port = static_cast<std::uint16_t>(port.number)});
    }
  }
  std::ranges::sort(locality.endpoints);
  locality.endpoints.erase(std::ranges::unique(locality.endpoints).begin(), locality.endpoints.end());
  if (locality.endpoints.empty()) return joined;
  joined.addresses = true;
  joined.by_port[""].push_back(std::move(locality));
  return joined;
}

std::optional<PodProblems> check_pod(const NamespacedName& name, const api::Pod& pod) {
  if (pod.status.pod_ip.empty() || api::is_ip_address(pod.status.pod_ip)) return std::nullopt;
  return PodProblems{{problem_of(
      {.kind = api::kind_of<api::Pod>(), .name = name}, Severity::kError, "value/address", "status.podIP",
      fmt::format("{} is no IP address: the Pod is in no pool", quote(pod.status.pod_ip)),
      "write the address of the server")}};
}

std::optional<PodProblems> check_members(const NamespacedName& name, const api::InferencePoolSpec& pool,
                                         const std::vector<const api::Pod*>& in_namespace) {
  const auto has_all = [&pool](const api::Pod* pod) {
    return has_labels(pool.match_labels, pod->metadata.labels);
  };
  if (std::ranges::any_of(in_namespace, has_all)) return std::nullopt;
  std::vector<const api::StringMap*> labels;
  labels.reserve(in_namespace.size());
  for (const api::Pod* pod : in_namespace) labels.push_back(&pod->metadata.labels);
  return PodProblems{
      {problem_of({.kind = api::kind_of<api::InferencePool>(), .name = name}, Severity::kWarning,
                  "reference/no-pods", "spec.selector.matchLabels",
                  fmt::format("no Pod of namespace {} has these labels: the pool is empty", name.namespace_),
                  in_namespace.empty() ? "add a Pod for each server, with the labels and `status.podIP`"
                                       : near_labels(pool.match_labels, labels, "Pod"))}};
}

PoolExtraRow read_objective(const NamespacedName& name, const api::InferenceObjective& objective,
                            const Projections& tables, flow::Reads& reads) {
  return read_extra({.kind = api::kind_of<api::InferenceObjective>(), .name = name}, objective.metadata,
                    objective.spec.pool_ref, tables, reads);
}

PoolExtraRow read_model_rewrite(const NamespacedName& name, const api::InferenceModelRewrite& rewrite,
                                const Projections& tables, flow::Reads& reads) {
  return read_extra({.kind = api::kind_of<api::InferenceModelRewrite>(), .name = name}, rewrite.metadata,
                    rewrite.spec.pool_ref, tables, reads);
}

ObjectStatus status_of(const PoolExtraRow& row, std::int64_t generation) {
  ObjectStatus status;
  status.generation = generation;
  status.conditions = row.conditions;
  return status;
}

std::string picker_socket(const Settings& settings, const NamespacedName& pool) {
  // The path of a socket has room for about a hundred characters.
  return fmt::format("{}/{}.sock", settings.picker_folder, content_id(pool.to_string()));
}

std::string picker_file(const Settings& settings, const NamespacedName& pool) {
  return fmt::format("{}/{}.json", settings.picker_folder, content_id(pool.to_string()));
}

std::vector<api::ModelRewriteRule> order_rewrites(ModelRewrites rewrites) {
  // An object without a time counts as younger than all that have one.
  std::ranges::sort(rewrites, {}, [](const auto& rewrite) {
    const std::string& created = rewrite.second->metadata.creation_timestamp;
    return std::tuple(created.empty(), std::string_view(created), rewrite.first);
  });
  std::vector<api::ModelRewriteRule> rules;
  for (const bool with_matches : {true, false}) {
    for (const auto& [name, rewrite] : rewrites) {
      for (const api::ModelRewriteRule& rule : rewrite->spec.rules) {
        if (rule.matches.empty() != with_matches && !rule.targets.empty()) rules.push_back(rule);
      }
    }
  }
  return rules;
}

ObjectStatus pool_status(const api::InferencePool& pool, const PoolView& view,
                         const std::vector<PoolUse>& uses) {
  ObjectStatus status;
  status.generation = pool.metadata.generation;
  const Condition resolved =
      view.no_picker
          ? Condition{"ResolvedRefs", false, "InvalidExtensionRef", view.no_picker->message}
          : Condition{"ResolvedRefs", true, "ResolvedRefs", "All references of the pool lead somewhere"};
  for (const PoolUse& use : uses) {
    const Condition accepted =
        use.accepted ? Condition{"Accepted", true, "Accepted", "The Gateway sends requests to the pool"}
                     : Condition{"Accepted", false, "HTTPRouteNotAccepted",
                                 "The Gateway has accepted none of the routes that refer to the pool"};
    status.parents.emplace_back(
        api::ParentReference{.namespace_ = use.gateway.namespace_, .name = use.gateway.name},
        Conditions{accepted, resolved});
  }
  status.parents = limit_parents(std::move(status.parents));
  return status;
}

}  // namespace sluice::translate
