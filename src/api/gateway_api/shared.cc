#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

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

}  // namespace sluice::api
