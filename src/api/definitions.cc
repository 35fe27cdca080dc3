#include "api/definitions.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "schema/json_schema.h"
#include "schema/open_api.h"
#include "schema/reference.h"

namespace sluice::api {

namespace {

struct Column {
  std::string_view name;
  std::string_view type;
  std::string_view path;
  int priority = 0;
};

// What a CustomResourceDefinition says besides schemas.
struct Definition {
  std::string_view kind;
  std::string_view plural;
  std::string_view short_name;  // or empty
  // Of the versions, in KindInfo's order: "v1". The others are only served.
  std::string_view storage;
  std::array<std::string_view, 2> deprecated;  // versions that upstream means to drop
  bool has_status;
  std::array<Column, 4> columns;
  bool has_category = true;  // that of its group, by which `kubectl get` finds all kinds of it
};

constexpr Column kAge{"Age", "date", ".metadata.creationTimestamp"};
constexpr Column kHostnames{"Hostnames", "string", ".spec.hostnames"};
constexpr Column kAccepted{"Accepted", "string", R"(.status.conditions[?(@.type=="Accepted")].status)"};
constexpr Column kProgrammed{"Programmed", "string", R"(.status.conditions[?(@.type=="Programmed")].status)"};

constexpr Column kPool{"Inference Pool", "string", ".spec.poolRef.name"};

constexpr Definition kDefinitions[] = {
    {"GatewayClass",
     "gatewayclasses",
     "gc",
     "v1",
     {},
     true,
     {{{"Controller", "string", ".spec.controllerName"},
       kAccepted,
       kAge,
       {"Description", "string", ".spec.description", 1}}}},
    {"Gateway",
     "gateways",
     "gtw",
     "v1",
     {},
     true,
     {{{"Class", "string", ".spec.gatewayClassName"},
       {"Address", "string", ".status.addresses[*].value"},
       kProgrammed,
       kAge}}},
    {"ListenerSet", "listenersets", "lset", "v1", {}, true, {{kAccepted, kProgrammed, kAge}}},
    {"HTTPRoute", "httproutes", "", "v1", {}, true, {{kHostnames, kAge}}},
    {"GRPCRoute", "grpcroutes", "", "v1", {}, true, {{kHostnames, kAge}}},
    {"TLSRoute", "tlsroutes", "", "v1", {"v1alpha2", "v1alpha3"}, true, {{kAge}}},
    {"TCPRoute", "tcproutes", "", "v1", {"v1alpha2"}, true, {{kAge}}},
    {"UDPRoute", "udproutes", "", "v1", {"v1alpha2"}, true, {{kAge}}},
    {"BackendTLSPolicy", "backendtlspolicies", "btlspolicy", "v1", {"v1alpha3"}, true, {{kAge}}},
    {"ReferenceGrant", "referencegrants", "refgrant", "v1beta1", {}, false, {{kAge}}},
    {"Backend",
     "backends",
     "be",
     "v1alpha1",
     {},
     true,
     {{{"Status", "string", R"(.status.conditions[?(@.type=="Accepted")].reason)"}, kAge}}},
    {"EnvoyProxy", "envoyproxies", "eproxy", "v1alpha1", {}, true, {}},
    {"EnvoyExtensionPolicy", "envoyextensionpolicies", "eep", "v1alpha1", {}, true, {{kAge}}, false},
    {"EnvoyPatchPolicy",
     "envoypatchpolicies",
     "epp",
     "v1alpha1",
     {},
     true,
     {{{"Accepted", "string", R"(.status.ancestors[0].conditions[?(@.type=="Accepted")].status)"},
       {"Programmed", "string", R"(.status.ancestors[0].conditions[?(@.type=="Programmed")].status)"},
       kAge}}},
    {"HTTPRouteFilter", "httproutefilters", "hrf", "v1alpha1", {}, false, {{kAge}}},
    {"InferencePool", "inferencepools", "infpool", "v1", {}, true, {}, false},
    {"InferenceObjective",
     "inferenceobjectives",
     "",
     "v1alpha2",
     {},
     true,
     {{kPool, {"Priority", "string", ".spec.priority"}, kAge}},
     false},
    {"InferenceModelRewrite", "inferencemodelrewrites", "", "v1alpha2", {}, true, {{kPool, kAge}}, false},
    {"XBackend", "xbackends", "xbackend", "v1alpha1", {}, true, {{kAge}}},
    {"XBackendTrafficPolicy", "xbackendtrafficpolicies", "xbtrafficpolicy", "v1alpha1", {}, true, {{kAge}}},
};

// Of the kinds whose definitions come from elsewhere.
struct Called {
  std::string_view kind;
  std::string_view plural;
  std::string_view short_name;  // or empty
};
constexpr Called kCalled[] = {
    {"Namespace", "namespaces", "ns"},
    {"Service", "services", "svc"},
    {"EndpointSlice", "endpointslices", ""},
    {"Secret", "secrets", ""},
    {"ConfigMap", "configmaps", "cm"},
    {"ClusterTrustBundle", "clustertrustbundles", ""},
    {"ServiceImport", "serviceimports", "svcim"},
    {"Pod", "pods", "po"},
};

const Definition* find_definition(const KindInfo& kind) {
  const auto* const found = std::ranges::find(kDefinitions, kind.kind, &Definition::kind);
  return found == std::end(kDefinitions) ? nullptr : found;
}

Tree text(std::string_view value) { return Tree::string(std::string(value)); }

std::string lower(std::string_view name) {
  std::string result(name);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

bool is_gateway_api(const KindInfo& kind) {
  return kind.group == "gateway.networking.k8s.io" || kind.group == "gateway.networking.x-k8s.io";
}

// What the definition of a group's kinds says of where it comes from. An API server takes definitions of the
// groups of Kubernetes only with a word of who approved them.
struct Origin {
  std::string_view group;
  std::string_view key;
  std::string_view value;
};
constexpr Origin kOrigins[] = {
    {"gateway.networking.k8s.io", "api-approved.kubernetes.io",
     "https://github.com/kubernetes-sigs/gateway-api/pull/4530"},
    {"gateway.networking.k8s.io", "gateway.networking.k8s.io/bundle-version", "v1.6.1"},
    {"gateway.networking.k8s.io", "gateway.networking.k8s.io/channel", "experimental"},
    {"gateway.networking.x-k8s.io", "api-approved.kubernetes.io",
     "https://github.com/kubernetes-sigs/gateway-api/pull/4530"},
    {"gateway.networking.x-k8s.io", "gateway.networking.k8s.io/bundle-version", "v1.6.1"},
    {"gateway.networking.x-k8s.io", "gateway.networking.k8s.io/channel", "experimental"},
    {"inference.networking.k8s.io", "api-approved.kubernetes.io",
     "https://github.com/kubernetes-sigs/gateway-api-inference-extension/pull/1173"},
    {"inference.networking.k8s.io", "inference.networking.k8s.io/bundle-version", "v1.6.0"},
    {"llm-d.ai", "llm-d.ai/bundle-version", "main-dev"},
};

Tree annotations_of(const KindInfo& kind) {
  std::vector<Tree::Member> members;
  for (const Origin& origin : kOrigins) {
    if (origin.group == kind.group)
      members.push_back({.key = std::string(origin.key), .value = text(origin.value)});
  }
  return Tree::map(std::move(members));
}

Tree names(const KindInfo& kind, const Definition& definition) {
  std::vector<Tree::Member> members;
  if (definition.has_category) {
    members.push_back({.key = "categories",
                       .value = Tree::list({text(is_gateway_api(kind) ? "gateway-api" : "envoy-gateway")})});
  }
  members.push_back({.key = "kind", .value = text(kind.kind)});
  members.push_back({.key = "listKind", .value = Tree::string(fmt::format("{}List", kind.kind))});
  members.push_back({.key = "plural", .value = text(definition.plural)});
  if (!definition.short_name.empty())
    members.push_back({.key = "shortNames", .value = Tree::list({text(definition.short_name)})});
  members.push_back({.key = "singular", .value = text(lower(kind.kind))});
  return Tree::map(std::move(members));
}

Tree columns(const Definition& definition) {
  std::vector<Tree> list;
  for (const Column& column : definition.columns) {
    if (column.name.empty()) continue;
    std::vector<Tree::Member> members{{.key = "jsonPath", .value = text(column.path)},
                                      {.key = "name", .value = text(column.name)}};
    if (column.priority != 0) members.push_back({.key = "priority", .value = Tree::integer(column.priority)});
    members.push_back({.key = "type", .value = text(column.type)});
    list.push_back(Tree::map(std::move(members)));
  }
  return Tree::list(std::move(list));
}

Tree version_of(const KindInfo& kind, const Definition& definition, std::string_view version) {
  const bool is_deprecated = std::ranges::find(definition.deprecated, version) != definition.deprecated.end();
  std::vector<Tree::Member> members;
  const Tree printed = columns(definition);
  if (!printed.items().empty()) members.push_back({.key = "additionalPrinterColumns", .value = printed});
  if (is_deprecated) {
    members.push_back({.key = "deprecated", .value = Tree::boolean(true)});
    members.push_back({.key = "deprecationWarning",
                       .value = Tree::string(fmt::format("{} of {} is out of date: write {}", version,
                                                         kind.kind, definition.storage))});
  }
  members.push_back({.key = "name", .value = text(version)});
  members.push_back(
      {.key = "schema",
       .value = Tree::map({{.key = "openAPIV3Schema", .value = schema::open_api(type_of(kind, version))}})});
  members.push_back({.key = "served", .value = Tree::boolean(true)});
  members.push_back({.key = "storage", .value = Tree::boolean(version == definition.storage)});
  Tree subresources = Tree::map({});
  if (definition.has_status) subresources = Tree::map({{.key = "status", .value = Tree::map({})}});
  members.push_back({.key = "subresources", .value = std::move(subresources)});
  return Tree::map(std::move(members));
}

// The versions of a kind by their schemas, as most kinds have one for all.
std::vector<schema::KindSchema> schemas_of(const KindInfo& kind) {
  std::vector<schema::KindSchema> schemas;
  for (const std::string_view version : kind.versions) {
    const schema::Type* const type = &type_of(kind, version);
    auto known = std::ranges::find(schemas, type, &schema::KindSchema::type);
    if (known == schemas.end())
      known = schemas.insert(known, {.kind = kind.kind, .api_versions = {}, .type = type});
    known->api_versions.push_back(kind.api_version(version));
  }
  return schemas;
}

}  // namespace

std::string_view plural_of(const KindInfo& kind) {
  const Definition* const definition = find_definition(kind);
  return definition == nullptr ? "" : definition->plural;
}

namespace {

Called called_of(const KindInfo& kind) {
  const Definition* const definition = find_definition(kind);
  if (definition != nullptr) return {kind.kind, definition->plural, definition->short_name};
  return *std::ranges::find(kCalled, kind.kind, &Called::kind);
}

}  // namespace

std::string_view resource_name_of(const KindInfo& kind) { return called_of(kind).plural; }

const KindInfo* kind_called(std::string_view word) {
  const std::string wanted = lower(word);
  for (const KindInfo& kind : kinds()) {
    const Called called = called_of(kind);
    for (const std::string_view name : {called.kind, called.plural, called.short_name}) {
      if (name.empty()) continue;
      if (wanted == lower(name) || wanted == fmt::format("{}.{}", lower(name), kind.group)) return &kind;
    }
  }
  return nullptr;
}

Tree custom_resource_definition(const KindInfo& kind) {
  const Definition* const definition = find_definition(kind);
  if (definition == nullptr) return {};
  std::vector<Tree::Member> metadata;
  if (Tree annotations = annotations_of(kind); !annotations.members().empty())
    metadata.push_back({.key = "annotations", .value = std::move(annotations)});
  metadata.push_back(
      {.key = "name", .value = Tree::string(fmt::format("{}.{}", definition->plural, kind.group))});
  std::vector<Tree> versions;
  for (const std::string_view version : kind.versions)
    versions.push_back(version_of(kind, *definition, version));
  Tree spec = Tree::map({{.key = "group", .value = text(kind.group)},
                         {.key = "names", .value = names(kind, *definition)},
                         {.key = "scope", .value = text(kind.is_namespaced ? "Namespaced" : "Cluster")},
                         {.key = "versions", .value = Tree::list(std::move(versions))}});
  return Tree::map({{.key = "apiVersion", .value = text("apiextensions.k8s.io/v1")},
                    {.key = "kind", .value = text("CustomResourceDefinition")},
                    {.key = "metadata", .value = Tree::map(std::move(metadata))},
                    {.key = "spec", .value = std::move(spec)}});
}

Tree json_schema_of(const std::vector<KindInfo>& kinds) {
  std::vector<schema::KindSchema> schemas;
  for (const KindInfo& kind : kinds) {
    for (schema::KindSchema& schema : schemas_of(kind)) schemas.push_back(std::move(schema));
  }
  return schema::json_schema(schemas);
}

std::string reference_page_of(const KindInfo& kind) {
  std::vector<std::string> versions;
  for (const std::string_view version : kind.versions) versions.push_back(kind.api_version(version));
  return schema::reference_page(kind.kind, versions, kind.is_namespaced,
                                type_of(kind, kind.versions.front()));
}

std::string reference_index(const std::vector<KindInfo>& kinds) {
  std::string page =
      "# Reference\n\nThe kinds that sluice knows, with all their fields. `sluice schema docs` writes these "
      "pages.\n\n"
      "| kind | group | |\n|---|---|---|\n";
  for (const KindInfo& kind : kinds) {
    page += fmt::format("| [{}]({}.md) | {} | {} |\n", kind.kind, lower(kind.kind),
                        kind.group.empty() ? "Kubernetes" : fmt::format("`{}`", kind.group),
                        type_of(kind, kind.versions.front()).description);
  }
  return page;
}

}  // namespace sluice::api
