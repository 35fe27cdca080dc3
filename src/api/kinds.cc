#include "api/kinds.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/annotations.h"
#include "api/declarations.h"
#include "api/relatives.h"
#include "api/vain.h"
#include "base/closest.h"
#include "base/quote.h"
#include "schema/bind.h"
#include "schema/check.h"
#include "schema/deprecation.h"
#include "schema/effect.h"
#include "schema/encode.h"
#include "schema/type.h"
#include "tree/write.h"

namespace sluice::api {

namespace {

// The versions that upstream serves, the one to write first in front.
struct Served {
  std::array<std::string_view, 3> names;
  std::string_view deprecated = {};  // one of them

  bool contains(std::string_view version) const {
    return !version.empty() && std::ranges::find(names, version) != names.end();
  }
};
constexpr Served kV1{{"v1", "", ""}};
constexpr Served kV1AndBeta{{"v1", "v1beta1", ""}};
constexpr Served kV1Alpha1{{"v1alpha1", "", ""}};
constexpr Served kV1Alpha2{{"v1alpha2", "", ""}};
constexpr Served kV1Beta1AndAlpha1{{"v1beta1", "v1alpha1", ""}};
constexpr Served kV1AndAlpha2{{"v1", "v1alpha2", ""}};
constexpr Served kV1AndAlpha3{{"v1", "v1alpha3", ""}, "v1alpha3"};
constexpr Served kV1AndAlphas{{"v1", "v1alpha3", "v1alpha2"}};

// A version whose schema is not that of the others. It is bound to the same struct.
struct OtherSchema {
  std::string_view version;
  schema::Type (*declare)();
};

// Binds into a new T and finishes what fields alone cannot.
using MakeObject = std::optional<Object> (*)(const Tree& document, const schema::Type& type,
                                             const Interned& namespace_name, std::vector<Problem>* problems);

struct KindEntry {
  std::string_view group;
  std::string_view kind;
  Served versions;
  bool is_namespaced;
  schema::Type (*declare)();
  MakeObject make;
  OtherSchema other = {"", nullptr};
};

// stringData wins over data, as in the API server.
void merge_string_data(const Tree& document, Secret* secret) {
  const Tree* const string_data = document.find("stringData");
  if (string_data == nullptr || !string_data->is_map()) return;
  for (const Tree::Member& member : string_data->members()) {
    secret->data[member.key] = member.value.is_string() ? member.value.as_string() : "";
  }
}

template <typename T>
std::optional<Object> make(const Tree& document, const schema::Type& type, const Interned& namespace_name,
                           std::vector<Problem>* problems) {
  auto object = std::make_shared<T>();
  if (!schema::bind(document, type, object.get(), problems)) return std::nullopt;
  object->metadata.namespace_ = namespace_name;
  if constexpr (std::is_same_v<T, Secret>) merge_string_data(document, object.get());
  return Object(std::shared_ptr<const T>(std::move(object)));
}

constexpr std::string_view kGatewayApi = "gateway.networking.k8s.io";
constexpr std::string_view kEnvoyGateway = "gateway.envoyproxy.io";
constexpr std::string_view kLlmD = "llm-d.ai";
constexpr std::string_view kExperiments = "gateway.networking.x-k8s.io";

// In the order of Object's alternatives.
constexpr KindEntry kKinds[] = {
    {kGatewayApi, "GatewayClass", kV1AndBeta, false, gateway_class_type, make<GatewayClass>},
    {kGatewayApi, "Gateway", kV1AndBeta, true, gateway_type, make<Gateway>},
    {kGatewayApi, "ListenerSet", kV1, true, listener_set_type, make<ListenerSet>},
    {kGatewayApi, "HTTPRoute", kV1AndBeta, true, http_route_type, make<HTTPRoute>},
    {kGatewayApi, "GRPCRoute", kV1, true, grpc_route_type, make<GRPCRoute>},
    {kGatewayApi,
     "TLSRoute",
     kV1AndAlphas,
     true,
     tls_route_type,
     make<TLSRoute>,
     {"v1alpha2", tls_route_v1alpha2_type}},
    {kGatewayApi,
     "TCPRoute",
     kV1AndAlpha2,
     true,
     tcp_route_type,
     make<TCPRoute>,
     {"v1alpha2", tcp_route_v1alpha2_type}},
    {kGatewayApi,
     "UDPRoute",
     kV1AndAlpha2,
     true,
     udp_route_type,
     make<UDPRoute>,
     {"v1alpha2", udp_route_v1alpha2_type}},
    {kGatewayApi, "ReferenceGrant", kV1AndBeta, true, reference_grant_type, make<ReferenceGrant>},
    {kGatewayApi, "BackendTLSPolicy", kV1AndAlpha3, true, backend_tls_policy_type, make<BackendTLSPolicy>},
    {kEnvoyGateway, "Backend", kV1Alpha1, true, backend_type, make<Backend>},
    {kEnvoyGateway, "EnvoyProxy", kV1Alpha1, true, envoy_proxy_type, make<EnvoyProxy>},
    {kEnvoyGateway, "EnvoyExtensionPolicy", kV1Alpha1, true, envoy_extension_policy_type,
     make<EnvoyExtensionPolicy>},
    {kEnvoyGateway, "EnvoyPatchPolicy", kV1Alpha1, true, envoy_patch_policy_type, make<EnvoyPatchPolicy>},
    {kEnvoyGateway, "HTTPRouteFilter", kV1Alpha1, true, http_route_filter_type, make<ExtendedRouteFilter>},
    {"", "Namespace", kV1, false, namespace_type, make<Namespace>},
    {"", "Service", kV1, true, service_type, make<Service>},
    {"discovery.k8s.io", "EndpointSlice", kV1, true, endpoint_slice_type, make<EndpointSlice>},
    {"", "Secret", kV1, true, secret_type, make<Secret>},
    {"", "ConfigMap", kV1, true, config_map_type, make<ConfigMap>},
    {"certificates.k8s.io", "ClusterTrustBundle", kV1Beta1AndAlpha1, false, cluster_trust_bundle_type,
     make<ClusterTrustBundle>},
    {"multicluster.x-k8s.io", "ServiceImport", kV1Alpha1, true, service_import_type, make<ServiceImport>},
    {"", "Pod", kV1, true, pod_type, make<Pod>},
    {"inference.networking.k8s.io", "InferencePool", kV1, true, inference_pool_type, make<InferencePool>},
    {kLlmD, "InferenceObjective", kV1Alpha2, true, inference_objective_type, make<InferenceObjective>},
    {kLlmD, "InferenceModelRewrite", kV1Alpha2, true, inference_model_rewrite_type,
     make<InferenceModelRewrite>},
    {kExperiments, "XBackend", kV1Alpha1, true, x_backend_type, make<XBackend>},
    {kExperiments, "XBackendTrafficPolicy", kV1Alpha1, true, x_backend_traffic_policy_type,
     make<XBackendTrafficPolicy>},
};
static_assert(std::size(kKinds) == std::variant_size_v<Object>);

// The group/version text of one of the entry's versions.
std::string api_version_of(const KindEntry& entry, std::string_view version) {
  return entry.group.empty() ? std::string(version) : fmt::format("{}/{}", entry.group, version);
}

// A kind's schema, and that of the version which differs.
struct Declared {
  schema::Type type;
  std::optional<schema::Type> other;
};

// Made when a kind is met first: some are large, and many programs meet few.
const Declared& declared(const KindEntry& entry) {
  struct Slot {
    std::once_flag once;
    Declared declared;
  };
  static auto* const slots = new std::array<Slot, std::size(kKinds)>();
  Slot& slot = (*slots)[static_cast<std::size_t>(&entry - kKinds)];
  std::call_once(slot.once, [&slot, &entry] {
    slot.declared.type = entry.declare();
    if (entry.other.declare != nullptr) slot.declared.other = entry.other.declare();
  });
  return slot.declared;
}

const schema::Type& type_of(const KindEntry& entry, std::string_view version) {
  const Declared& of_kind = declared(entry);
  return of_kind.other && version == entry.other.version ? *of_kind.other : of_kind.type;
}

const KindEntry* find_entry(std::string_view group, std::string_view kind) {
  for (const KindEntry& entry : kKinds) {
    if (entry.group == group && entry.kind == kind) return &entry;
  }
  return nullptr;
}

Problem problem_at(const Tree& tree, std::string code, std::string message, std::string suggestion = {}) {
  Problem problem;
  problem.code = std::move(code);
  problem.where.line = tree.line();
  problem.where.column = tree.column();
  problem.message = std::move(message);
  problem.suggestion = std::move(suggestion);
  return problem;
}

const std::string* text_at(const Tree& document, std::string_view path) {
  const Tree* const value = document.at(path);
  return value != nullptr && value->is_string() ? &value->as_string() : nullptr;
}

// "gateway.networking.k8s.io/v1": group and version; "v1" has the group "".
std::pair<std::string_view, std::string_view> split(std::string_view api_version) {
  const std::size_t slash = api_version.find('/');
  if (slash == std::string_view::npos) return {"", api_version};
  return {api_version.substr(0, slash), api_version.substr(slash + 1)};
}

// "write `kind` instead of `Kind`", where the document has a member of nearly that name.
std::string instead_of_near(const Tree& document, std::string_view name) {
  std::vector<std::string_view> keys;
  for (const Tree::Member& member : document.members()) {
    if (member.key != "kind" && member.key != "apiVersion") keys.emplace_back(member.key);
  }
  const std::string_view near = closest(name, keys);
  return near.empty() ? "" : fmt::format("write `{}` instead of {}", name, quote(near));
}

// What the other of `kind` and `apiVersion` says about the one that is missing.
std::string missing_head(const Tree& document, std::string_view name) {
  if (std::string near = instead_of_near(document, name); !near.empty()) return near;
  const std::string* const kind = text_at(document, "kind");
  const std::string* const api_version = text_at(document, "apiVersion");
  std::vector<std::string> fitting;
  for (const KindEntry& entry : kKinds) {
    if (kind != nullptr && *kind == entry.kind) {
      fitting.push_back(fmt::format("`apiVersion: {}`", api_version_of(entry, entry.versions.names[0])));
    } else if (api_version != nullptr && split(*api_version).first == entry.group) {
      fitting.push_back(fmt::format("`{}`", entry.kind));
    }
  }
  if (kind != nullptr && !fitting.empty()) return fmt::format("add {}", fmt::join(fitting, " or "));
  if (api_version != nullptr && !fitting.empty()) {
    return fmt::format("add `kind`: of {} there are {}", quote(*api_version), fmt::join(fitting, ", "));
  }
  return name == "kind" ? "add `kind`" : "add `apiVersion`, as in `apiVersion: gateway.networking.k8s.io/v1`";
}

// The text of a required member of the document's head, or nullptr and a problem.
const std::string* head_text(const Tree& document, std::string_view name, std::vector<Problem>* problems) {
  const Tree* const value = document.find(name);
  if (value == nullptr || value->is_null()) {
    problems->push_back(problem_at(document, "schema/required", fmt::format("missing field `{}`", name),
                                   missing_head(document, name)));
    problems->back().path = name;
    return nullptr;
  }
  if (!value->is_string()) {
    problems->push_back(problem_at(*value, "schema/wrong-type", fmt::format("`{}` is no string", name),
                                   "write it in quotes"));
    problems->back().path = name;
    return nullptr;
  }
  return &value->as_string();
}

// Neither says what the document is, nor does anything that may have been meant to.
bool has_no_head(const Tree& document) {
  const auto lacks = [&document](std::string_view name) {
    const Tree* const value = document.find(name);
    return (value == nullptr || value->is_null()) && instead_of_near(document, name).empty();
  };
  return lacks("kind") && lacks("apiVersion");
}

// Real kinds of others whose names are near ours.
bool is_others(std::string_view group, std::string_view kind) {
  constexpr std::pair<std::string_view, std::string_view> kOthers[] = {
      {kGatewayApi, "BackendLBPolicy"},
      {"gateway.networking.x-k8s.io", "XListenerSet"},
      {"multicluster.x-k8s.io", "ServiceExport"},
      {"inference.networking.x-k8s.io", "InferencePoolImport"},
      {"inference.networking.x-k8s.io", "InferenceModel"},
  };
  return std::ranges::find(kOthers, std::pair{group, kind}) != std::end(kOthers);
}

// A group of which we know that it has no kind of a name of ours. Others may well have a Gateway of their
// own.
bool has_none_of_ours(std::string_view group) {
  return group.ends_with("k8s.io") || group.find('.') == std::string_view::npos || group == kEnvoyGateway;
}

// See meant_by().
const KindEntry* meant_kind(std::string_view group, std::string_view kind) {
  if (is_others(group, kind)) return nullptr;
  for (const KindEntry& entry : kKinds) {
    if (folded(kind) == folded(entry.kind) && has_none_of_ours(group)) return &entry;
  }
  const KindEntry* meant = nullptr;
  std::size_t distance = 0;
  for (const KindEntry& entry : kKinds) {
    const Near near = nearest(kind, {entry.kind});
    const bool of_group = group == entry.group || !closest(group, {entry.group}).empty();
    if (near.word.empty() || !of_group || (meant != nullptr && distance <= near.distance)) continue;
    meant = &entry;
    distance = near.distance;
  }
  return meant;
}

// The object is served nowhere, whoever wrote it: a kind that is nearly one of ours is an error.
Problem misspelt_kind(const Tree& document, std::string_view api_version, const std::string& kind,
                      const KindEntry& meant) {
  const auto [group, version] = split(api_version);
  const bool kind_is_wrong = kind != meant.kind;
  const bool group_is_wrong = group != meant.group;
  const std::string right =
      api_version_of(meant, meant.versions.contains(version) ? version : meant.versions.names[0]);
  std::string suggestion;
  if (kind_is_wrong) suggestion = fmt::format("write `kind: {}`", meant.kind);
  if (group_is_wrong)
    suggestion += fmt::format("{}`apiVersion: {}`", kind_is_wrong ? " and " : "write ", right);
  const std::string path = kind_is_wrong ? "kind" : "apiVersion";
  Problem problem =
      problem_at(*document.find(path), "schema/kind",
                 fmt::format("{} has no kind {}", quote(api_version), quote(kind)), std::move(suggestion));
  problem.path = path;
  return problem;
}

Problem unknown_kind(const Tree& document, std::string_view api_version, const std::string& kind) {
  Problem problem =
      problem_at(*document.find("kind"), "support/unknown-kind",
                 fmt::format("kind {} of {} is not known and left out", quote(kind), quote(api_version)),
                 kind == "List" ? "a `List` has its objects in `items`, which is a list" : "");
  problem.severity = Severity::kWarning;
  problem.path = "kind";
  return problem;
}

Problem unserved_version(const Tree& document, const KindEntry& entry, std::string_view version) {
  std::string suggestion =
      fmt::format("write `apiVersion: {}`", api_version_of(entry, entry.versions.names[0]));
  for (std::size_t i = 1; i < entry.versions.names.size() && !entry.versions.names[i].empty(); ++i) {
    suggestion += fmt::format(" or `{}`", api_version_of(entry, entry.versions.names[i]));
  }
  Problem problem = problem_at(*document.find("apiVersion"), "schema/unserved-version",
                               fmt::format("{} is not served in version {}", entry.kind, quote(version)),
                               std::move(suggestion));
  problem.path = "apiVersion";
  return problem;
}

Problem deprecated_version(const Tree& document, const KindEntry& entry) {
  Problem problem =
      problem_at(*document.find("apiVersion"), "support/deprecated-version",
                 fmt::format("version `{}` of {} is deprecated", entry.versions.deprecated, entry.kind),
                 fmt::format("write `apiVersion: {}`", api_version_of(entry, entry.versions.names[0])));
  problem.severity = Severity::kWarning;
  problem.path = "apiVersion";
  return problem;
}

// A namespace that an object of the whole cluster has in a file: nobody looks at it.
Problem pointless_namespace(const Tree& place, const KindEntry& entry) {
  Problem problem = problem_at(place, "support/no-effect", fmt::format("a {} is in no namespace", entry.kind),
                               "remove `namespace`");
  problem.severity = Severity::kWarning;
  problem.path = "metadata.namespace";
  return problem;
}

}  // namespace

ReadObject read_object(const Tree& document, Trust trust) {
  ReadObject result;
  if (document.is_map() && has_no_head(document)) {
    result.problems.push_back(problem_at(document, "schema/required",
                                         "the document is no object: it has neither `apiVersion` nor `kind`",
                                         "leave the file out if it is something else"));
    return result;
  }
  if (!document.is_map()) {
    result.problems.push_back(problem_at(
        document, "schema/wrong-type",
        "the document is no object: expected a map with `apiVersion` and `kind`",
        document.is_list() ? "write `---` between objects, or put them into `items` of a `List`" : ""));
    return result;
  }
  const std::string* const kind = head_text(document, "kind", &result.problems);
  const std::string* const api_version = head_text(document, "apiVersion", &result.problems);
  const std::string* const name = text_at(document, "metadata.name");
  const std::string* const namespace_name = text_at(document, "metadata.namespace");
  const auto [group, version] = split(api_version == nullptr ? std::string_view() : *api_version);
  const bool has_head = kind != nullptr && api_version != nullptr;
  const KindEntry* const entry = has_head ? find_entry(group, *kind) : nullptr;
  const KindEntry* const meant = has_head && entry == nullptr ? meant_kind(group, *kind) : entry;
  if (kind != nullptr) {
    result.key.kind = meant != nullptr ? GroupKind(meant->group, meant->kind) : GroupKind(group, *kind);
  }
  if (name != nullptr) result.key.name.name = *name;
  const bool namespaced = meant == nullptr || meant->is_namespaced;
  if (namespaced) {
    result.key.name.namespace_ =
        namespace_name == nullptr || namespace_name->empty() ? "default" : *namespace_name;
  }

  if (entry == nullptr) {
    if (has_head) {
      result.problems.push_back(meant != nullptr ? misspelt_kind(document, *api_version, *kind, *meant)
                                                 : unknown_kind(document, *api_version, *kind));
    }
  } else if (!entry->versions.contains(version)) {
    result.problems.push_back(unserved_version(document, *entry, version));
  } else {
    const schema::Type& type = type_of(*entry, version);
    if (!version.empty() && version == entry->versions.deprecated) {
      result.problems.push_back(deprecated_version(document, *entry));
    }
    if (trust == Trust::kCheck) schema::report_deprecated(document, type, &result.problems);
    if (trust == Trust::kCheck && !entry->is_namespaced && namespace_name != nullptr &&
        !namespace_name->empty()) {
      result.problems.push_back(pointless_namespace(*document.at("metadata.namespace"), *entry));
    }
    const schema::Effort effort =
        trust == Trust::kCheckBriefly ? schema::Effort::kBrief : schema::Effort::kFull;
    const bool has_form =
        trust == Trust::kFromServer || schema::check(document, type, &result.problems, effort);
    if (trust == Trust::kCheck && !has_form) suggest_relatives(document, result.key.kind, result.problems);
    if (has_form) {
      if (trust == Trust::kCheck) {
        schema::report_ineffective(document, type, &result.problems);
        report_annotations(document, result.key.kind, result.problems);
      }
      if (std::optional<Object> object =
              entry->make(document, type, result.key.name.namespace_, &result.problems)) {
        result.bound = BoundObject{result.key, *api_version, std::move(*object)};
      }
    }
  }
  for (Problem& problem : result.problems) {
    problem.object = result.key;
    for (Related& related : problem.also) related.object = result.key;
  }
  return result;
}

std::vector<Problem> said_in_vain(const Tree& document) {
  std::vector<Problem> problems;
  std::vector<Problem> of_head;  // read_object() tells them
  const std::string* const kind = head_text(document, "kind", &of_head);
  const std::string* const api_version = head_text(document, "apiVersion", &of_head);
  if (kind == nullptr || api_version == nullptr) return problems;
  const auto [group, version] = split(*api_version);
  const KindEntry* const entry = find_entry(group, *kind);
  if (entry == nullptr || !entry->versions.contains(version)) return problems;
  schema::report_ineffective(document, type_of(*entry, version), &problems, schema::Writer::kServer);
  report_annotations(document, GroupKind(entry->group, entry->kind), problems);
  return problems;
}

template <typename T>
const GroupKind& kind_of() {
  static const auto* const key = [] {
    const std::size_t index = Object(std::shared_ptr<const T>()).index();
    return new GroupKind(kKinds[index].group, kKinds[index].kind);
  }();
  return *key;
}

template const GroupKind& kind_of<GatewayClass>();
template const GroupKind& kind_of<Gateway>();
template const GroupKind& kind_of<ListenerSet>();
template const GroupKind& kind_of<HTTPRoute>();
template const GroupKind& kind_of<GRPCRoute>();
template const GroupKind& kind_of<TLSRoute>();
template const GroupKind& kind_of<TCPRoute>();
template const GroupKind& kind_of<UDPRoute>();
template const GroupKind& kind_of<ReferenceGrant>();
template const GroupKind& kind_of<BackendTLSPolicy>();
template const GroupKind& kind_of<Backend>();
template const GroupKind& kind_of<EnvoyProxy>();
template const GroupKind& kind_of<EnvoyExtensionPolicy>();
template const GroupKind& kind_of<EnvoyPatchPolicy>();
template const GroupKind& kind_of<ExtendedRouteFilter>();
template const GroupKind& kind_of<Namespace>();
template const GroupKind& kind_of<Service>();
template const GroupKind& kind_of<EndpointSlice>();
template const GroupKind& kind_of<Secret>();
template const GroupKind& kind_of<ConfigMap>();
template const GroupKind& kind_of<ClusterTrustBundle>();
template const GroupKind& kind_of<ServiceImport>();
template const GroupKind& kind_of<Pod>();
template const GroupKind& kind_of<InferencePool>();
template const GroupKind& kind_of<InferenceObjective>();
template const GroupKind& kind_of<InferenceModelRewrite>();
template const GroupKind& kind_of<XBackend>();
template const GroupKind& kind_of<XBackendTrafficPolicy>();

bool equal(const Object& a, const Object& b) {
  return std::visit(
      []<typename T, typename U>(const std::shared_ptr<const T>& x, const std::shared_ptr<const U>& y) {
        if constexpr (std::is_same_v<T, U>) {
          return x == y || *x == *y;
        } else {
          return false;
        }
      },
      a, b);
}

std::string write_object(const Object& object) {
  const KindEntry& entry = kKinds[object.index()];
  const Tree bound =
      std::visit([&entry](const auto& one) { return schema::encode(*one, declared(entry).type); }, object);
  std::vector<Tree::Member> members;
  members.push_back(
      {.key = "apiVersion", .value = Tree::string(api_version_of(entry, entry.versions.names[0]))});
  members.push_back({.key = "kind", .value = Tree::string(std::string(entry.kind))});
  for (const Tree::Member& member : bound.members()) members.push_back(member);
  return to_json(Tree::map(std::move(members)));
}

std::string api_version_of(const GroupKind& kind) {
  const KindEntry* const entry = find_entry(kind.group(), kind.kind());
  return entry == nullptr ? "" : api_version_of(*entry, entry->versions.names[0]);
}

std::optional<GroupKind> meant_by(const GroupKind& written) {
  if (find_entry(written.group(), written.kind()) != nullptr) return std::nullopt;
  const KindEntry* const meant = meant_kind(written.group(), written.kind());
  if (meant == nullptr) return std::nullopt;
  return GroupKind(meant->group, meant->kind);
}

bool is_namespaced(const GroupKind& kind) {
  const KindEntry* const entry = find_entry(kind.group(), kind.kind());
  return entry == nullptr || entry->is_namespaced;
}

std::string KindInfo::api_version(std::string_view version) const {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

const std::vector<KindInfo>& kinds() {
  static const auto* const all = [] {
    auto* const made = new std::vector<KindInfo>();
    for (const KindEntry& entry : kKinds) {
      made->push_back({entry.group, entry.kind, {}, entry.is_namespaced});
      for (const std::string_view version : entry.versions.names) {
        if (!version.empty()) made->back().versions.push_back(version);
      }
    }
    return made;
  }();
  return *all;
}

const schema::Type& type_of(const KindInfo& kind, std::string_view version) {
  return type_of(*find_entry(kind.group, kind.kind), version);
}

}  // namespace sluice::api
