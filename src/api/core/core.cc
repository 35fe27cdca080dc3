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
  return object(
      {field("clientIP",
             object({field("timeoutSeconds", int32().range(1, 86400)).doc("How long the affinity lasts.")}))
           .doc("Settings of the affinity by address.")});
}

Type object_reference_v1() {
  return object({
      field("apiVersion", string()).doc("The group and version of the kind."),
      field("fieldPath", string()).doc("A part of the object."),
      field("kind", string()).doc("The kind of the object."),
      field("name", string()).doc("The name of the object."),
      field("namespace", string()).doc("The namespace of the object."),
      field("resourceVersion", string()).doc("The version of the object."),
      field("uid", string()).doc("The identity of the object."),
  });
}

std::vector<Field> resource_fields() {
  return {field("apiVersion", string()).doc("The group and version of the kind."),
          field("kind", string()).doc("The kind of the object.")};
}

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
  fields.push_back(field<&Namespace::metadata>("metadata", metadata_type(kLabelName, 63))
                       .required()
                       .doc("Name and labels."));
  fields.push_back(
      field("spec",
            object({field("finalizers", list(string())).doc("What keeps the namespace from being deleted.")}))
          .doc("Not read."));
  fields.push_back(field("status", any()).doc("Written by clusters."));
  return object(std::move(fields)).passive().doc("A space of names. Routes may attach by its labels.");
}

Type service_type() {
  const Type port = object({
      field<&ServicePort::name>("name", optional_label())
          .doc("The name of the port. EndpointSlices and listeners refer to it."),
      field<&ServicePort::protocol>("protocol", protocol())
          .defaults_to("TCP")
          .doc("The protocol of the transport."),
      field<&ServicePort::app_protocol>("appProtocol", string())
          .doc("What is spoken over it: `kubernetes.io/h2c` is HTTP/2 in clear text, for instance."),
      field<&ServicePort::port>("port", port_number())
          .required()
          .doc("The port by which routes refer to it."),
      field("targetPort", int_or_string().range(0, 65535))
          .doc("The port of the pods, or its name. EndpointSlices say which it is."),
      field("nodePort", int32().range(0, 65535)).doc("The port of the nodes. Not read."),
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
          .defaults_to("ClusterIP")
          .doc("How the Service is reached. `ExternalName` has no endpoints."),
      field<&ServiceSpec::cluster_ip>("clusterIP", string())
          .doc("The virtual address, or `None` for a Service without."),
      field("clusterIPs", list(string()).max_items(2)).doc("The virtual addresses, one of each family."),
      field<&ServiceSpec::external_name>("externalName", string())
          .doc("The DNS name that a Service of type `ExternalName` stands for."),
      field<&ServiceSpec::ports>("ports", ports).doc("The ports of the Service."),
      field<&ServiceSpec::traffic_distribution>("trafficDistribution", string())
          .doc("Which endpoints clusters prefer."),
      field<&ServiceSpec::publish_not_ready_addresses>("publishNotReadyAddresses", boolean())
          .doc("Whether endpoints count that are not ready."),
      field("allocateLoadBalancerNodePorts", boolean()).doc("Not read."),
      field("externalIPs", list(string())).doc("Not read."),
      field("externalTrafficPolicy", enumeration({"Cluster", "Local", ""})).doc("Not read."),
      field("healthCheckNodePort", int32().range(0, 65535)).doc("Not read."),
      field("internalTrafficPolicy", enumeration({"Cluster", "Local"})).doc("Not read."),
      field("ipFamilies", list(enumeration({"IPv4", "IPv6"})).max_items(2)).doc("Not read."),
      field("ipFamilyPolicy", enumeration({"SingleStack", "PreferDualStack", "RequireDualStack"}))
          .doc("Not read."),
      field("loadBalancerClass", string()).doc("Not read."),
      field("loadBalancerIP", string()).doc("Not read."),
      field("loadBalancerSourceRanges", list(string())).doc("Not read."),
      field("selector", map(string()))
          .doc("The labels of its pods. Not read: EndpointSlices say where they are."),
      field("sessionAffinity", enumeration({"ClientIP", "None", ""})).doc("Not read."),
      field("sessionAffinityConfig", session_affinity_config()).doc("Not read."),
  });
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&Service::metadata>("metadata", metadata_type(kLabelName, 63))
                       .required()
                       .doc("Name and namespace, by which routes refer to it."));
  fields.push_back(field<&Service::spec>("spec", spec).doc("Its ports and how it is reached."));
  fields.push_back(field("status", any()).doc("Written by clusters."));
  return object(std::move(fields))
      .passive()
      .doc("What routes send requests to: a name for the endpoints that EndpointSlices list.");
}

Type endpoint_slice_type() {
  const Type conditions = object({
      field<&EndpointConditions::ready>("ready", boolean())
          .doc("Whether the endpoint takes new connections. Unset counts as true."),
      field<&EndpointConditions::serving>("serving", boolean())
          .doc("Whether the endpoint answers, also while it terminates."),
      field<&EndpointConditions::terminating>("terminating", boolean())
          .doc("Whether the endpoint is going away."),
  });
  const Type named = object({field("name", string()).required().doc("A name.")});
  const Type endpoint = object({
      field<&SliceEndpoint::addresses>("addresses", list(string()).items(1, 100))
          .required()
          .doc("The addresses of the endpoint. The first one is used."),
      field<&SliceEndpoint::conditions>("conditions", conditions).doc("In which state the endpoint is."),
      field("hostname", string()).doc("The DNS name of the endpoint."),
      field("nodeName", string()).doc("The node on which it runs."),
      field<&SliceEndpoint::zone>("zone", string()).doc("The zone in which it runs."),
      field("deprecatedTopology", map(string())).doc("Not read."),
      field("hints", object({
                         field("forNodes", list(named)).doc("The nodes that should use it."),
                         field("forZones", list(named)).doc("The zones that should use it."),
                     }))
          .doc("For whom the endpoint is meant. Not read."),
      field("targetRef", object_reference_v1()).doc("The pod. Not read."),
  });
  const Type port = object({
      field<&EndpointPort::name>("name", optional_label())
          .doc("The name of the Service's port that this is."),
      field<&EndpointPort::protocol>("protocol", protocol())
          .defaults_to("TCP")
          .doc("The protocol of the transport."),
      field<&EndpointPort::app_protocol>("appProtocol", string()).doc("What is spoken over it."),
      field<&EndpointPort::port>("port", int32().range(0, 65535)).doc("The port of the endpoints."),
  });
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&EndpointSlice::metadata>("metadata", metadata_type(kSubdomain, 253))
                       .required()
                       .doc("The label `kubernetes.io/service-name` says to which Service it belongs."));
  // An API server demands one of IPv4, IPv6 and FQDN. Slices in files are written by hand and often have none
  // or another word, and translation can do without: an address says itself what it is.
  fields.push_back(field<&EndpointSlice::address_type>("addressType", string())
                       .doc("What the addresses are: `IPv4`, `IPv6` or `FQDN`. Not needed."));
  fields.push_back(field<&EndpointSlice::endpoints>("endpoints", list(endpoint).max_items(1000))
                       .doc("Where the Service runs."));
  fields.push_back(field<&EndpointSlice::ports>("ports", list(port).max_items(20000))
                       .doc("The ports of all the endpoints."));
  return object(std::move(fields)).passive().doc("Where a Service runs.");
}

// In a file somebody wrote it down to say where a server is; from an API server comes the rest as well, which
// is nobody's business here.
Type pod_type() {
  const Type condition =
      object({
                 field<&PodCondition::type>("type", string())
                     .required()
                     .doc("The name of the condition. `Ready` is read."),
                 field<&PodCondition::status>("status", enumeration({"True", "False", "Unknown"}))
                     .required()
                     .doc("Whether it holds."),
             })
          .preserving_unknown();
  const Type status =
      object({
                 field<&PodStatus::pod_ip>("podIP", string())
                     .doc("The address of the pod. Without one it is in no pool."),
                 field<&PodStatus::conditions>("conditions", list(condition))
                     .doc("Where there are any, the pod is in a pool only while `Ready` is `True`."),
             })
          .preserving_unknown();
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&Pod::metadata>("metadata", metadata_type(kSubdomain, 253))
                       .required()
                       .doc("Its labels say to which InferencePools it belongs."));
  fields.push_back(field("spec", any()).doc("What it runs. Not read."));
  fields.push_back(field<&Pod::status>("status", status).doc("Where it is, and whether it is ready."));
  return object(std::move(fields)).passive().doc("A server, which InferencePools find by its labels.");
}

Type secret_type() {
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&Secret::metadata>("metadata", metadata_type(kSubdomain, 253))
                       .required()
                       .doc("Name and namespace, by which others refer to it."));
  fields.push_back(field<&Secret::type>("type", string())
                       .doc("What it holds: `kubernetes.io/tls` for a certificate and its key."));
  fields.push_back(field<&Secret::data>("data", data_map(string().formatted("byte")).secret())
                       .doc("The values, in base64."));
  // Merged into data once both are bound.
  fields.push_back(field("stringData", data_map(string()).secret())
                       .doc("Values as plain text. They win over those in `data`."));
  fields.push_back(field("immutable", boolean()).doc("Whether the values can change. Not read."));
  return object(std::move(fields)).passive().doc("Certificates, keys and passwords.").secret();
}

Type config_map_type() {
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&ConfigMap::metadata>("metadata", metadata_type(kSubdomain, 253))
                       .required()
                       .doc("Name and namespace, by which others refer to it."));
  fields.push_back(field<&ConfigMap::data>("data", data_map(string())).doc("The values, as text."));
  fields.push_back(field<&ConfigMap::binary_data>("binaryData", data_map(string().formatted("byte")))
                       .doc("More values, in base64."));
  fields.push_back(field("immutable", boolean()).doc("Whether the values can change. Not read."));
  return object(std::move(fields)).passive().doc("Texts, such as the certificates of authorities.");
}

Type cluster_trust_bundle_type() {
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&ClusterTrustBundle::metadata>("metadata", metadata_type(kTrustBundleName, 253))
                       .required()
                       .doc("The name, by which policies refer to it."));
  fields.push_back(field<&ClusterTrustBundle::spec>(
                       "spec", object({
                                   field("signerName", string()).doc("Who signs with them. Not read."),
                                   field<&ClusterTrustBundleSpec::trust_bundle>("trustBundle", string())
                                       .required()
                                       .doc("Certificates of authorities, in PEM."),
                               }))
                       .required()
                       .doc("The certificates."));
  return object(std::move(fields)).passive().doc("Certificates of authorities, for the whole cluster.");
}

// What translation does not read is nobody's business here: the kind is not ours, and its status grows.
Type service_import_type() {
  const Type port =
      object({
                 field<&ServicePort::name>("name", optional_label()).doc("The name of the port."),
                 field<&ServicePort::protocol>("protocol", protocol())
                     .defaults_to("TCP")
                     .doc("The protocol of the transport."),
                 field<&ServicePort::app_protocol>("appProtocol", string()).doc("What is spoken over it."),
                 field<&ServicePort::port>("port", port_number())
                     .required()
                     .doc("The port by which routes refer to it."),
             })
          .preserving_unknown();
  const Type spec =
      object({
                 // An API server demands it, and translation can do without.
                 field<&ServiceImportSpec::type>("type", enumeration({"ClusterSetIP", "Headless"}))
                     .defaults_to("ClusterSetIP")
                     .doc("Whether it has a virtual address."),
                 field<&ServiceImportSpec::ips>("ips", list(string())).doc("The virtual addresses."),
                 field<&ServiceImportSpec::ports>("ports", list(port))
                     .required()
                     .doc("The ports of the Service."),
                 field("sessionAffinity", string()).doc("Not read."),
                 field("sessionAffinityConfig", session_affinity_config()).doc("Not read."),
             })
          .preserving_unknown();
  std::vector<Field> fields = resource_fields();
  fields.push_back(field<&ServiceImport::metadata>("metadata", metadata_type(kSubdomain, 253))
                       .required()
                       .doc("Name and namespace, by which routes refer to it."));
  fields.push_back(field<&ServiceImport::spec>("spec", spec).doc("Its ports and addresses."));
  fields.push_back(field("status", any()).doc("Written by controllers."));
  return object(std::move(fields)).passive().doc("A Service of other clusters.");
}

}  // namespace sluice::api
