// Our declarations against the upstream schemas: field names, types, enumerations, defaults, limits,
// patterns, list kinds. Rules are not compared: upstream has them as CEL, and what they refuse is tested in
// parity_test.cc.

#include "api/declarations.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "schema/check.h"
#include "tree/parse.h"

namespace sluice::api {
namespace {

using schema::Field;
using schema::ListKind;
using schema::Type;
using Kind = Type::Kind;

const std::filesystem::path kSchemas = "../shared/crds";

struct Declared {
  const char* file;
  std::set<std::string> versions;
  Type (*declare)();
};

Tree read_tree(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  std::vector<Problem> problems;
  const std::string content = text.str();
  const std::vector<Document> documents = parse(content, path.string(), &problems);
  EXPECT_TRUE(problems.empty()) << path;
  // Upstream's files may hold a second document of another kind.
  EXPECT_FALSE(documents.empty()) << path;
  return documents.empty() ? Tree() : documents[0].tree;
}

std::string text_of(const Tree& schema, std::string_view key) {
  const Tree* const value = schema.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : "";
}

bool is_true(const Tree& schema, std::string_view key) {
  const Tree* const value = schema.find(key);
  return value != nullptr && value->type() == Tree::Type::kBool && value->as_bool();
}

template <typename T>
std::string shown(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : "none";
}

std::string shown(const Tree* value) {
  if (value == nullptr) return "none";
  if (value->is_string()) return value->as_string();
  return fmt::format("{}", value->as_float());
}

class Comparison {
 public:
  void compare(const Type& ours, const Tree& theirs, const std::string& path) {
    ++compared;
    if (ours.kind == Kind::kAny || (ours.preserves_unknown && ours.fields.empty())) return;
    const std::string type =
        is_true(theirs, "x-kubernetes-int-or-string") ? "int-or-string" : text_of(theirs, "type");
    const bool is_map = type == "object" && theirs.find("additionalProperties") != nullptr;
    EXPECT_EQ(type_name(ours.kind), is_map ? "map" : type) << path;
    EXPECT_EQ(ours.is_nullable, is_true(theirs, "nullable")) << path;
    EXPECT_EQ(ours.format, text_of(theirs, "format")) << path;
    EXPECT_EQ(ours.pattern == nullptr ? "" : std::string(ours.pattern->regex), text_of(theirs, "pattern"))
        << path;
    compare_number(ours.minimum, theirs, "minimum", path);
    compare_number(ours.maximum, theirs, "maximum", path);
    const std::string sized = is_map ? "Properties" : ours.kind == Kind::kList ? "Items" : "Length";
    compare_number(ours.min_size, theirs, "min" + sized, path);
    compare_number(ours.max_size, theirs, "max" + sized, path);
    compare_values(ours, theirs, path);
    if (ours.kind == Kind::kList) {
      compare_list_kind(ours, theirs, path);
      compare(*ours.item, *theirs.find("items"), path + "[]");
    }
    if (ours.kind == Kind::kMap) compare(*ours.item, *theirs.find("additionalProperties"), path + "{}");
    if (ours.kind == Kind::kObject) compare_fields(ours, theirs, path);
  }

  std::size_t compared = 0;

 private:
  static std::string type_name(Kind kind) {
    switch (kind) {
      case Kind::kObject:
        return "object";
      case Kind::kList:
        return "array";
      case Kind::kMap:
        return "map";
      case Kind::kString:
        return "string";
      case Kind::kBool:
        return "boolean";
      case Kind::kInteger:
        return "integer";
      case Kind::kNumber:
        return "number";
      case Kind::kIntOrString:
        return "int-or-string";
      case Kind::kAny:
        return "";
    }
    return "";
  }

  template <typename T>
  static void compare_number(const std::optional<T>& ours, const Tree& theirs, const std::string& key,
                             const std::string& path) {
    EXPECT_EQ(shown(ours), shown(theirs.find(key))) << key << " of " << path;
  }

  // The order of an enumeration means nothing.
  static void compare_values(const Type& ours, const Tree& theirs, const std::string& path) {
    std::multiset<std::string> our_values(ours.values.begin(), ours.values.end());
    for (const std::int64_t value : ours.int_values) our_values.insert(fmt::format("{}", value));
    std::multiset<std::string> their_values;
    if (const Tree* const values = theirs.find("enum")) {
      for (const Tree& value : values->items()) their_values.insert(shown(&value));
    }
    EXPECT_EQ(our_values, their_values) << path;
  }

  static void compare_list_kind(const Type& ours, const Tree& theirs, const std::string& path) {
    const std::string kind = text_of(theirs, "x-kubernetes-list-type");
    const ListKind expected = kind == "map"   ? ListKind::kMap
                              : kind == "set" ? ListKind::kSet
                                              : ListKind::kAtomic;
    EXPECT_EQ(ours.list_kind, expected) << path;
    std::vector<std::string> keys;
    if (const Tree* const their_keys = theirs.find("x-kubernetes-list-map-keys")) {
      for (const Tree& key : their_keys->items()) keys.push_back(key.as_string());
    }
    EXPECT_EQ(ours.list_keys, keys) << path;
  }

  void compare_fields(const Type& ours, const Tree& theirs, const std::string& path) {
    std::set<std::string> required;
    if (const Tree* const names = theirs.find("required")) {
      for (const Tree& name : names->items()) required.insert(name.as_string());
    }
    std::set<std::string> their_names;
    const Tree* const properties = theirs.find("properties");
    for (const Tree::Member& property :
         properties == nullptr ? std::vector<Tree::Member>() : properties->members()) {
      const std::string here = path.empty() ? property.key : path + "." + property.key;
      their_names.insert(property.key);
      const Field* const field = ours.find(property.key);
      if (field == nullptr) {
        ADD_FAILURE() << "not declared: " << here;
        continue;
      }
      // Upstream leaves the one to Kubernetes, and we take anything for the other.
      if (here == "metadata" || here == "status") continue;
      EXPECT_EQ(field->is_required, required.contains(property.key)) << here;
      const Tree* const their_default = property.value.find("default");
      EXPECT_EQ(field->default_value.has_value(), their_default != nullptr) << here;
      if (field->default_value && their_default != nullptr) {
        EXPECT_TRUE(*field->default_value == *their_default) << "default of " << here;
      }
      compare(*field->type, property.value, here);
    }
    for (const Field& field : ours.fields) {
      if (path.empty() && field.name == "status") continue;
      EXPECT_TRUE(their_names.contains(field.name)) << "upstream has no " << path << "." << field.name;
    }
  }
};

TEST(Declarations, EqualUpstream) {
  if (!std::filesystem::exists(kSchemas)) {
    std::puts("declarations_test: no upstream schemas here, nothing compared");
    return;
  }
  const std::string gateway_api = "gateway-api/experimental/gateway.networking.k8s.io_";
  const std::string envoy_gateway = "envoy-gateway/gateway.envoyproxy.io_";
  const std::pair<std::string, Declared> kinds[] = {
      {gateway_api, {"gatewayclasses", {"v1", "v1beta1"}, gateway_class_type}},
      {gateway_api, {"gateways", {"v1", "v1beta1"}, gateway_type}},
      {gateway_api, {"listenersets", {"v1"}, listener_set_type}},
      {gateway_api, {"httproutes", {"v1", "v1beta1"}, http_route_type}},
      {gateway_api, {"grpcroutes", {"v1"}, grpc_route_type}},
      {gateway_api, {"tlsroutes", {"v1", "v1alpha3"}, tls_route_type}},
      {gateway_api, {"tlsroutes", {"v1alpha2"}, tls_route_v1alpha2_type}},
      {gateway_api, {"tcproutes", {"v1"}, tcp_route_type}},
      {gateway_api, {"tcproutes", {"v1alpha2"}, tcp_route_v1alpha2_type}},
      {gateway_api, {"udproutes", {"v1"}, udp_route_type}},
      {gateway_api, {"udproutes", {"v1alpha2"}, udp_route_v1alpha2_type}},
      {gateway_api, {"referencegrants", {"v1", "v1beta1"}, reference_grant_type}},
      {gateway_api, {"backendtlspolicies", {"v1", "v1alpha3"}, backend_tls_policy_type}},
      {envoy_gateway, {"backends", {"v1alpha1"}, backend_type}},
      {envoy_gateway, {"envoyproxies", {"v1alpha1"}, envoy_proxy_type}},
  };
  std::map<std::string, std::set<std::string>> compared;  // versions by kind
  std::map<std::string, std::set<std::string>> served;
  for (const auto& [folder, declared] : kinds) {
    SCOPED_TRACE(declared.file);
    const Tree definition = read_tree(kSchemas / (folder + declared.file + ".yaml"));
    const Type ours = declared.declare();
    Comparison comparison;
    for (const Tree& version : definition.at("spec.versions")->items()) {
      if (!is_true(version, "served")) continue;
      const std::string name = text_of(version, "name");
      served[declared.file].insert(name);
      if (!declared.versions.contains(name)) continue;
      compared[declared.file].insert(name);
      comparison.compare(ours, *version.at("schema.openAPIV3Schema"), "");
    }
    EXPECT_GT(comparison.compared, 10u);
  }
  EXPECT_EQ(compared, served);
}

// What the binding trusts: a bound field has a place and a way to take its type.
void expect_sound(const Type& type, const std::string& path) {
  for (const Field& field : type.fields) {
    const std::string here = path + "." + field.name;
    EXPECT_EQ(field.at == nullptr, field.codec == nullptr) << here;
    if (field.codec != nullptr && field.type->kind != Kind::kAny) {
      using CodecKind = schema::Codec::Kind;
      switch (field.codec->kind) {
        case CodecKind::kStruct:
          EXPECT_EQ(field.type->kind, Kind::kObject) << here;
          break;
        case CodecKind::kList:
          EXPECT_EQ(field.type->kind, Kind::kList) << here;
          break;
        case CodecKind::kMap:
          EXPECT_EQ(field.type->kind, Kind::kMap) << here;
          break;
        case CodecKind::kScalar:
          EXPECT_NE(field.codec->store, nullptr) << here;
          break;
      }
    }
    if (field.default_value) {
      std::vector<Problem> problems;
      const Tree parent = Tree::map({{.key = field.name, .value = *field.default_value}});
      Type alone = schema::object({field});
      EXPECT_TRUE(schema::check(parent, alone, &problems)) << here;
    }
    expect_sound(*field.type, here);
  }
  if (type.item != nullptr) expect_sound(*type.item, path + "[]");
}

TEST(Declarations, AreSound) {
  expect_sound(gateway_class_type(), "GatewayClass");
  expect_sound(gateway_type(), "Gateway");
  expect_sound(listener_set_type(), "ListenerSet");
  expect_sound(http_route_type(), "HTTPRoute");
  expect_sound(grpc_route_type(), "GRPCRoute");
  expect_sound(tls_route_type(), "TLSRoute");
  expect_sound(tls_route_v1alpha2_type(), "TLSRoute v1alpha2");
  expect_sound(tcp_route_type(), "TCPRoute");
  expect_sound(tcp_route_v1alpha2_type(), "TCPRoute v1alpha2");
  expect_sound(udp_route_type(), "UDPRoute");
  expect_sound(udp_route_v1alpha2_type(), "UDPRoute v1alpha2");
  expect_sound(reference_grant_type(), "ReferenceGrant");
  expect_sound(backend_tls_policy_type(), "BackendTLSPolicy");
  expect_sound(backend_type(), "Backend");
  expect_sound(envoy_proxy_type(), "EnvoyProxy");
  expect_sound(namespace_type(), "Namespace");
  expect_sound(service_type(), "Service");
  expect_sound(endpoint_slice_type(), "EndpointSlice");
  expect_sound(secret_type(), "Secret");
  expect_sound(config_map_type(), "ConfigMap");
  expect_sound(cluster_trust_bundle_type(), "ClusterTrustBundle");
  expect_sound(service_import_type(), "ServiceImport");
}

}  // namespace
}  // namespace sluice::api
