#include "api/gateway_api/shared.h"

#include <arpa/inet.h>
#include <fmt/format.h>

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kAddressType{
    R"(^Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$)",
    "`IPAddress`, `Hostname`, `NamedAddress`, or a type of an implementation's as in `example.com/type`"};
constexpr Pattern kControllerName{
    R"(^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$)",
    "a DNS name, `/` and a path, as in `example.com/gateway-controller`"};

// Of references to one parent, all name a section or none does, and the same for ports.
constexpr const char* kPartlySectioned =
    "self.all(p1, self.all(p2, p1.group == p2.group && p1.kind == p2.kind && p1.name == "
    "p2.name && (((!has(p1.__namespace__) || p1.__namespace__ == '') && "
    "(!has(p2.__namespace__) || p2.__namespace__ == '')) || (has(p1.__namespace__) && "
    "has(p2.__namespace__) && p1.__namespace__ == p2.__namespace__)) ? "
    "((!has(p1.sectionName) || p1.sectionName == '') == (!has(p2.sectionName) || "
    "p2.sectionName == '') && (!has(p1.port) || p1.port == 0) == (!has(p2.port) || p2.port "
    "== 0)): true))";
// What other configurations call the field.
constexpr std::string_view kListenerElsewhere[] = {"listener", "listenerName"};

// No two references name the same parent, section and port.
constexpr const char* kRepeated =
    "self.all(p1, self.exists_one(p2, p1.group == p2.group && p1.kind == p2.kind && p1.name "
    "== p2.name && (((!has(p1.__namespace__) || p1.__namespace__ == '') && "
    "(!has(p2.__namespace__) || p2.__namespace__ == '')) || (has(p1.__namespace__) && "
    "has(p2.__namespace__) && p1.__namespace__ == p2.__namespace__ )) && "
    "(((!has(p1.sectionName) || p1.sectionName == '') && (!has(p2.sectionName) || "
    "p2.sectionName == '')) || ( has(p1.sectionName) && has(p2.sectionName) && "
    "p1.sectionName == p2.sectionName)) && (((!has(p1.port) || p1.port == 0) && "
    "(!has(p2.port) || p2.port == 0)) || (has(p1.port) && has(p2.port) && p1.port == "
    "p2.port))))";

}  // namespace

bool is_ip_address(const std::string& text) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 || inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

Type group_name() {
  return string().max_length(253).matches(kGroup).doc("The API group; empty for the core group.");
}
Type kind_name() { return string().length(1, 63).matches(kKind).doc("The kind of the object."); }
Type object_name() { return string().length(1, 253).doc("The name of the object."); }
Type namespace_name() {
  return string().length(1, 63).matches(kLabelName).doc("The namespace of the object.");
}
Type section_name() { return string().length(1, 253).matches(kSubdomain); }
Type port_number() { return int32().range(1, 65535).doc("A port."); }
Type hostname() { return string().length(1, 253).matches(kWildcardSubdomain); }
Type precise_hostname() { return string().length(1, 253).matches(kSubdomain); }
Type gateway_duration() { return string().matches(kDuration); }

Type fraction() {
  return object({
                    field<&Fraction::numerator>("numerator", int32().at_least(0))
                        .required()
                        .doc("How many, of as many as `denominator` says."),
                    field<&Fraction::denominator>("denominator", int32().at_least(1))
                        .defaults_to(100)
                        .doc("Of how many."),
                })
      .with({.name = "fraction",
             .cel = "self.numerator <= self.denominator",
             .message = "the numerator is larger than the denominator"});
}

Type label_selector() {
  return object({
                    field<&LabelSelector::match_labels>("matchLabels", map(string()))
                        .doc("Labels that must be there with these values."),
                    field<&LabelSelector::match_expressions>(
                        "matchExpressions",
                        list(object({
                            field<&LabelSelectorRequirement::key>("key", string())
                                .required()
                                .doc("The key of the label."),
                            field<&LabelSelectorRequirement::operator_>("operator", string())
                                .required()
                                .doc("`In`, `NotIn`, `Exists` or `DoesNotExist`."),
                            field<&LabelSelectorRequirement::values>("values", list(string()))
                                .doc("The values for `In` and `NotIn`."),
                        })))
                        .doc("Conditions on labels. All must hold."),
                })
      .atomic();
}

Type local_object_reference(const char* kind) {
  const bool is_known = kind != nullptr;
  return object({
      field<&LocalObjectReference::group>("group", group_name())
          .required(is_known ? fmt::format("add `group: \"\"`, which is that of {}s", kind) : ""),
      field<&LocalObjectReference::kind>("kind", kind_name())
          .required(is_known ? fmt::format("add `kind: {}`, or what else it is", kind) : ""),
      field<&LocalObjectReference::name>("name", object_name()).required(),
  });
}

Type secret_object_reference() {
  return object({
      field<&SecretObjectReference::group>("group", group_name()).defaults_to(""),
      field<&SecretObjectReference::kind>("kind", kind_name())
          .defaults_to("Secret")
          .doc("The kind of the object."),
      field<&SecretObjectReference::name>("name", object_name()).required(),
      field<&SecretObjectReference::namespace_>("namespace", namespace_name())
          .doc("The namespace of the object. Another one than this needs a ReferenceGrant there."),
  });
}

Type object_reference() {
  return object({
      field<&ObjectReference::group>("group", group_name()).required(),
      field<&ObjectReference::kind>("kind", kind_name()).required(),
      field<&ObjectReference::name>("name", object_name()).required(),
      field<&ObjectReference::namespace_>("namespace", namespace_name())
          .doc("The namespace of the object. Another one than this needs a ReferenceGrant there."),
  });
}

Rule service_needs_port() {
  return {.name = "missing-port",
          .cel = "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true",
          .message = "a reference to a Service needs a port",
          .suggestion = "add `port`, the number of a port of the Service"};
}

Type backend_object_reference() {
  return object({
                    field<&BackendObjectReference::group>("group", group_name()).defaults_to(""),
                    field<&BackendObjectReference::kind>("kind", kind_name())
                        .defaults_to("Service")
                        .doc("The kind of the backend: `Service`, `Backend`, `XBackend` or `ServiceImport`."),
                    field<&BackendObjectReference::name>("name", object_name())
                        .required()
                        .doc("The name of the backend."),
                    field<&BackendObjectReference::namespace_>("namespace", namespace_name())
                        .doc("The namespace of the backend. Another one than the route's needs a "
                             "ReferenceGrant there."),
                    field<&BackendObjectReference::port>("port", port_number())
                        .elsewhere(kPortElsewhere)
                        .doc("The port of the Service. Other kinds may go without."),
                })
      .with(service_needs_port());
}

Type backend_refs() {
  using Reference = BackendObjectReference;
  return list(
             object(
                 {
                     field<&BackendRef::ref, &Reference::group>("group", group_name()).defaults_to(""),
                     field<&BackendRef::ref, &Reference::kind>("kind", kind_name())
                         .defaults_to("Service")
                         .doc(
                             "The kind of the backend: `Service`, `Backend`, `XBackend` or `ServiceImport`."),
                     field<&BackendRef::ref, &Reference::name>("name", object_name())
                         .required()
                         .doc("The name of the backend."),
                     field<&BackendRef::ref, &Reference::namespace_>("namespace", namespace_name())
                         .doc("The namespace of the backend. Another one than the route's needs a "
                              "ReferenceGrant there."),
                     field<&BackendRef::ref, &Reference::port>("port", port_number())
                         .elsewhere(kPortElsewhere)
                         .doc("The port of the Service. Other kinds may go without."),
                     field<&BackendRef::weight>("weight", int32().range(0, 1'000'000))
                         .defaults_to(1)
                         .doc("The share of requests, in proportion to the weights of the others."),
                 })
                 .with(service_needs_port()))
      .items(1, 16);
}

Type parent_refs() {
  const Type parent_ref = object({
      field<&ParentReference::group>("group", group_name()).defaults_to("gateway.networking.k8s.io"),
      field<&ParentReference::kind>("kind", kind_name())
          .defaults_to("Gateway")
          .doc("The kind of the parent: `Gateway` or `ListenerSet`."),
      field<&ParentReference::namespace_>("namespace", namespace_name())
          .doc("The namespace of the parent, by default the route's."),
      field<&ParentReference::name>("name", object_name()).required().doc("The name of the parent."),
      field<&ParentReference::section_name>("sectionName", section_name())
          .elsewhere(kListenerElsewhere)
          .doc("The listener to attach to. By default all that allow it."),
      field<&ParentReference::port>("port", port_number()).doc("Only listeners of this port."),
  });
  return list(parent_ref)
      .max_items(32)
      .with({.name = "parent-refs",
             .cel = kPartlySectioned,
             .message =
                 "of several references to one parent, some name a `sectionName` or `port` and some do not",
             .suggestion = "give each of them a `sectionName`, or each of them a `port`"})
      .with({.name = "parent-refs",
             .cel = kRepeated,
             .message = "an earlier reference names the same parent",
             .suggestion = "remove one, or give them different values of `sectionName` or `port`"});
}

Rule rule_names_differ() {
  return {.name = "rule-name",
          .cel = "self.all(l1, !has(l1.name) || self.exists_one(l2, has(l2.name) && l1.name == l2.name))",
          .message = "an earlier rule has the same name",
          .suggestion = "rename one of them"};
}

Type gateway_address(Field value) {
  const auto in = [](const char* word, Tree list) {
    return Tree::map({{.key = word, .value = std::move(list)}});
  };
  const Tree address = in("enum", Tree::list({Tree::string("IPAddress")}));
  const auto format = [](const char* name) {
    return Tree::map({{.key = "format", .value = Tree::string(name)}});
  };
  const Tree is_address = Tree::map(
      {{.key = "properties",
        .value = Tree::map(
            {{.key = "type", .value = address},
             {.key = "value", .value = in("anyOf", Tree::list({format("ipv4"), format("ipv6")}))}})}});
  const Tree is_other =
      Tree::map({{.key = "properties", .value = Tree::map({{.key = "type", .value = in("not", address)}})}});
  return object({
                    field<&GatewayAddress::type>("type", string().length(1, 253).matches(kAddressType))
                        .defaults_to("IPAddress")
                        .doc("What kind of address it is: `IPAddress`, `Hostname` or `NamedAddress`."),
                    std::move(value).doc("The address."),
                })
      .where(in("oneOf", Tree::list({is_address, is_other})))
      .with({.name = "address",
             .message = "the value of an address of type `IPAddress` must be an IPv4 or IPv6 address",
             .holds =
                 [](const Value& self) {
                   return self["type"].text() != "IPAddress" || !self.has("value") ||
                          is_ip_address(std::string(self["value"].text()));
                 },
             .suggestion = "for a name, use type `Hostname`",
             .blame = "value"});
}

Type controller_name() { return string().length(1, 253).matches(kControllerName); }

Type resource(Field metadata, Field spec, Field status) {
  return object({
      field("apiVersion", string()).passive().doc("The group and version of the kind."),
      field("kind", string()).passive().doc("The kind of the object."),
      std::move(metadata).required().doc("Name, namespace, labels and annotations."),
      std::move(spec).required().doc("What is wanted."),
      std::move(status).ignored().doc(
          "What has become of it. Controllers write it; in files it is left alone."),
  });
}

}  // namespace sluice::api
