#include <string>
#include <string_view>
#include <utility>

#include "api/core/types.h"
#include "api/declarations.h"
#include "api/gateway_api/shared.h"
#include "api/patterns.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kConfigKey{R"(^[-._a-zA-Z0-9]+$)", "letters, digits, `-`, `_` and `.`"};
constexpr std::size_t kMaxConfigKey = 253;
// One of a signer has the signer's name and colons in front.
constexpr Pattern kTrustBundleName{R"(^[^/%]+$)", "a name without `/` and `%`"};

Type protocol() { return enumeration({"TCP", "UDP", "SCTP"}); }

// The names of ports and the like: nothing, or a DNS label.
Type optional_label() { return string().max_length(63).matches(kLabelNameOrNothing); }

Type session_affinity_config() {
  return object({field("clientIP", object({field("timeoutSeconds", int32().range(1, 86400))}))});
}

Type object_reference_v1() {
  return object({
      field("apiVersion", string()),
      field("fieldPath", string()),
      field("kind", string()),
      field("name", string()),
      field("namespace", string()),
      field("resourceVersion", string()),
      field("uid", string()),
  });
}

std::vector<Field> resource_fields() { return {field("apiVersion", string()), field("kind", string())}; }

bool has_short_keys(const Value& self) {
  for (const Tree::Member& member : self.tree()->members()) {
    if (member.key.size() > kMaxConfigKey) return false;
  }
  return true;
}

Type data_map(Type item) {
  return map(std::move(item))
      .keys_match(kConfigKey)
      .with({.name = "length", .message = "a key can have at most 253 characters", .holds = has_short_keys});
}

}  // namespace

Type namespace_type() {
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&Namespace::metadata>("metadata", metadata_type(kLabelName, 63)).required());
  fields.push_back(field("spec", object({field("finalizers", list(string()))})));
  fields.push_back(field("status", any()));
  return object(std::move(fields));
}

Type service_type() {
  const Type port = object({
      field<&ServicePort::name>("name", optional_label()),
      field<&ServicePort::protocol>("protocol", protocol()).defaults_to("TCP"),
      field<&ServicePort::app_protocol>("appProtocol", string()),
      field<&ServicePort::port>("port", port_number()).required(),
      field<&ServicePort::target_port>("targetPort", int_or_string().range(0, 65535)),
      field("nodePort", int32().range(0, 65535)),
  });
  const Type ports =
      list(port)
          .keyed_by({"port", "protocol"})
          .with({.name = "required",
                 .message = "each of several ports needs a name",
                 .holds =
                     [](const Value& self) {
                       return self.size() < 2 || self.all([](const Value& item) { return item.has("name"); });
                     },
                 .suggestion = "add `name`"});
  const Type spec = object({
      field<&ServiceSpec::type>("type",
                                enumeration({"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"}))
          .defaults_to("ClusterIP"),
      field<&ServiceSpec::cluster_ip>("clusterIP", string()),
      field<&ServiceSpec::cluster_ips>("clusterIPs", list(string()).max_items(2)),
      field<&ServiceSpec::external_name>("externalName", string()),
      field<&ServiceSpec::ports>("ports", ports),
      field<&ServiceSpec::traffic_distribution>("trafficDistribution", string()),
      field<&ServiceSpec::publish_not_ready_addresses>("publishNotReadyAddresses", boolean()),
      field("allocateLoadBalancerNodePorts", boolean()),
      field("externalIPs", list(string())),
      field("externalTrafficPolicy", enumeration({"Cluster", "Local", ""})),
      field("healthCheckNodePort", int32().range(0, 65535)),
      field("internalTrafficPolicy", enumeration({"Cluster", "Local"})),
      field("ipFamilies", list(enumeration({"IPv4", "IPv6"})).max_items(2)),
      field("ipFamilyPolicy", enumeration({"SingleStack", "PreferDualStack", "RequireDualStack"})),
      field("loadBalancerClass", string()),
      field("loadBalancerIP", string()),
      field("loadBalancerSourceRanges", list(string())),
      field("selector", map(string())),
      field("sessionAffinity", enumeration({"ClientIP", "None", ""})),
      field("sessionAffinityConfig", session_affinity_config()),
  });
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&Service::metadata>("metadata", metadata_type(kLabelName, 63)).required());
  fields.push_back(field<&Service::spec>("spec", spec));
  fields.push_back(field("status", any()));
  return object(std::move(fields));
}

Type endpoint_slice_type() {
  const Type conditions = object({
      field<&EndpointConditions::ready>("ready", boolean()),
      field<&EndpointConditions::serving>("serving", boolean()),
      field<&EndpointConditions::terminating>("terminating", boolean()),
  });
  const Type named = object({field("name", string()).required()});
  const Type endpoint = object({
      field<&SliceEndpoint::addresses>("addresses", list(string()).items(1, 100)).required(),
      field<&SliceEndpoint::conditions>("conditions", conditions),
      field<&SliceEndpoint::hostname>("hostname", string()),
      field<&SliceEndpoint::node_name>("nodeName", string()),
      field<&SliceEndpoint::zone>("zone", string()),
      field("deprecatedTopology", map(string())),
      field("hints", object({
                         field("forNodes", list(named)),
                         field("forZones", list(named)),
                     })),
      field("targetRef", object_reference_v1()),
  });
  const Type port = object({
      field<&EndpointPort::name>("name", optional_label()),
      field<&EndpointPort::protocol>("protocol", protocol()).defaults_to("TCP"),
      field<&EndpointPort::app_protocol>("appProtocol", string()),
      field<&EndpointPort::port>("port", int32().range(0, 65535)),
  });
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&EndpointSlice::metadata>("metadata", metadata_type(kSubdomain, 253)).required());
  // An API server demands one of IPv4, IPv6 and FQDN. Slices in files are written by hand and often have none
  // or another word, and translation can do without: an address says itself what it is.
  fields.push_back(field<&EndpointSlice::address_type>("addressType", string()));
  fields.push_back(field<&EndpointSlice::endpoints>("endpoints", list(endpoint).max_items(1000)));
  fields.push_back(field<&EndpointSlice::ports>("ports", list(port).max_items(20000)));
  return object(std::move(fields));
}

Type secret_type() {
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&Secret::metadata>("metadata", metadata_type(kSubdomain, 253)).required());
  fields.push_back(field<&Secret::type>("type", string()));
  fields.push_back(field<&Secret::data>("data", data_map(string().formatted("byte")).secret()));
  // Merged into data once both are bound.
  fields.push_back(field("stringData", data_map(string()).secret()));
  fields.push_back(field("immutable", boolean()));
  return object(std::move(fields)).secret();
}

Type config_map_type() {
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&ConfigMap::metadata>("metadata", metadata_type(kSubdomain, 253)).required());
  fields.push_back(field<&ConfigMap::data>("data", data_map(string())));
  fields.push_back(field<&ConfigMap::binary_data>("binaryData", data_map(string().formatted("byte"))));
  fields.push_back(field("immutable", boolean()));
  return object(std::move(fields));
}

Type cluster_trust_bundle_type() {
  std::vector<Field> fields = resource_fields();
  fields.push_back(
      field<&ClusterTrustBundle::metadata>("metadata", metadata_type(kTrustBundleName, 253)).required());
  fields.push_back(
      field<&ClusterTrustBundle::spec>(
          "spec", object({
                      field("signerName", string()),
                      field<&ClusterTrustBundleSpec::trust_bundle>("trustBundle", string()).required(),
                  }))
          .required());
  return object(std::move(fields));
}

// What translation does not read is nobody's business here: the kind is not ours, and its status grows.
Type service_import_type() {
  const Type port = object({
                               field<&ServicePort::name>("name", optional_label()),
                               field<&ServicePort::protocol>("protocol", protocol()).defaults_to("TCP"),
                               field<&ServicePort::app_protocol>("appProtocol", string()),
                               field<&ServicePort::port>("port", port_number()).required(),
                           })
                        .preserving_unknown();
  const Type spec =
      object({
                 // An API server demands it, and translation can do without.
                 field<&ServiceImportSpec::type>("type", enumeration({"ClusterSetIP", "Headless"}))
                     .defaults_to("ClusterSetIP"),
                 field<&ServiceImportSpec::ips>("ips", list(string())),
                 field<&ServiceImportSpec::ports>("ports", list(port)).required(),
                 field("sessionAffinity", string()),
                 field("sessionAffinityConfig", session_affinity_config()),
             })
          .preserving_unknown();
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&ServiceImport::metadata>("metadata", metadata_type(kSubdomain, 253)).required());
  fields.push_back(field<&ServiceImport::spec>("spec", spec));
  fields.push_back(field("status", any()));
  return object(std::move(fields));
}

}  // namespace sluice::api
