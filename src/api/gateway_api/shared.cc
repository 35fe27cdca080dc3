#include "api/gateway_api/shared.h"

#include <set>
#include <tuple>

#include <arpa/inet.h>

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

std::string rule_of_same_name(const Value& rules) {
  std::set<std::string_view> names;
  return rules.first(
      [&names](const Value& rule) { return rule.has("name") && !names.insert(rule["name"].text()).second; });
}

using ParentName = std::tuple<std::string_view, std::string_view, std::string_view, std::string_view>;

ParentName parent_name(const Value& parent) {
  return {parent["group"].text(), parent["kind"].text(), parent["namespace"].text(), parent["name"].text()};
}

std::string repeated_parent(const Value& parents) {
  std::set<std::tuple<ParentName, std::string_view, std::int64_t>> seen;
  return parents.first([&seen](const Value& parent) {
    return !seen.emplace(parent_name(parent), parent["sectionName"].text(), parent["port"].integer()).second;
  });
}

}  // namespace

bool is_ip_address(const std::string& text) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 || inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

Type group_name() { return string().max_length(253).matches(kGroup); }
Type kind_name() { return string().length(1, 63).matches(kKind); }
Type object_name() { return string().length(1, 253); }
Type namespace_name() { return string().length(1, 63).matches(kLabelName); }
Type section_name() { return string().length(1, 253).matches(kSubdomain); }
Type port_number() { return int32().range(1, 65535); }
Type hostname() { return string().length(1, 253).matches(kWildcardSubdomain); }
Type precise_hostname() { return string().length(1, 253).matches(kSubdomain); }
Type gateway_duration() { return string().matches(kDuration); }

Type label_selector() {
  return object({
      field<&LabelSelector::match_labels>("matchLabels", map(string())),
      field<&LabelSelector::match_expressions>(
          "matchExpressions",
          list(object({
              field<&LabelSelectorRequirement::key>("key", string()).required(),
              field<&LabelSelectorRequirement::operator_>("operator", string()).required(),
              field<&LabelSelectorRequirement::values>("values", list(string())),
          }))),
  });
}

Type secret_object_reference() {
  return object({
      field<&SecretObjectReference::group>("group", group_name()).defaults_to(""),
      field<&SecretObjectReference::kind>("kind", kind_name()).defaults_to("Secret"),
      field<&SecretObjectReference::name>("name", object_name()).required(),
      field<&SecretObjectReference::namespace_>("namespace", namespace_name()),
  });
}

Type object_reference() {
  return object({
      field<&ObjectReference::group>("group", group_name()).required(),
      field<&ObjectReference::kind>("kind", kind_name()).required(),
      field<&ObjectReference::name>("name", object_name()).required(),
      field<&ObjectReference::namespace_>("namespace", namespace_name()),
  });
}

Rule service_needs_port() {
  return {.name = "missing-port",
          .message = "a reference to a Service needs a port",
          .holds =
              [](const Value& self) {
                return !self["group"].text().empty() || self["kind"].text() != "Service" || self.has("port");
              },
          .suggestion = "add `port`, the number of a port of the Service"};
}

Type backend_object_reference() {
  return object({
                    field<&BackendObjectReference::group>("group", group_name()).defaults_to(""),
                    field<&BackendObjectReference::kind>("kind", kind_name()).defaults_to("Service"),
                    field<&BackendObjectReference::name>("name", object_name()).required(),
                    field<&BackendObjectReference::namespace_>("namespace", namespace_name()),
                    field<&BackendObjectReference::port>("port", port_number()),
                })
      .with(service_needs_port());
}

Type backend_refs() {
  using Reference = BackendObjectReference;
  return list(
             object({
                        field<&BackendRef::ref, &Reference::group>("group", group_name()).defaults_to(""),
                        field<&BackendRef::ref, &Reference::kind>("kind", kind_name()).defaults_to("Service"),
                        field<&BackendRef::ref, &Reference::name>("name", object_name()).required(),
                        field<&BackendRef::ref, &Reference::namespace_>("namespace", namespace_name()),
                        field<&BackendRef::ref, &Reference::port>("port", port_number()),
                        field<&BackendRef::weight>("weight", int32().range(0, 1'000'000)).defaults_to(1),
                    })
                 .with(service_needs_port()))
      .items(1, 16);
}

Type parent_refs() {
  const Type parent_ref = object({
      field<&ParentReference::group>("group", group_name()).defaults_to("gateway.networking.k8s.io"),
      field<&ParentReference::kind>("kind", kind_name()).defaults_to("Gateway"),
      field<&ParentReference::namespace_>("namespace", namespace_name()),
      field<&ParentReference::name>("name", object_name()).required(),
      field<&ParentReference::section_name>("sectionName", section_name()),
      field<&ParentReference::port>("port", port_number()),
  });
  return list(parent_ref)
      .max_items(32)
      .with({.name = "parent-refs",
             .message =
                 "of several references to one parent, some name a `sectionName` or `port` and some do not",
             .holds =
                 [](const Value& self) {
                   return self.all([&self](const Value& one) {
                     return self.all([&one](const Value& other) {
                       return parent_name(one) != parent_name(other) ||
                              (one["sectionName"].text().empty() == other["sectionName"].text().empty() &&
                               (one["port"].integer() == 0) == (other["port"].integer() == 0));
                     });
                   });
                 },
             .suggestion = "give each of them a `sectionName`, or each of them a `port`"})
      .with({.name = "parent-refs",
             .message = "an earlier reference names the same parent",
             .holds = [](const Value& self) { return repeated_parent(self).empty(); },
             .suggestion = "remove one, or give them different values of `sectionName` or `port`",
             .culprit = repeated_parent});
}

Rule rule_names_differ() {
  return {.name = "rule-name",
          .message = "an earlier rule has the same name",
          .holds = [](const Value& self) { return rule_of_same_name(self).empty(); },
          .suggestion = "rename one of them",
          .culprit = rule_of_same_name};
}

}  // namespace sluice::api
