#include "api/declarations.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"
#include "api/inference/types.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

// Upstream's schema says that a group may have no letters.
Type picker_group() { return group_name().min_length(0); }

Type endpoint_picker_ref() {
  return object({
                    field<&EndpointPickerRef::failure_mode>("failureMode",
                                                            enumeration({"FailOpen", "FailClose"}))
                        .defaults_to("FailClose")
                        .doc("What becomes of requests while the picker does not answer: with `FailOpen` any "
                             "pod gets them, with `FailClose` they are answered with 503."),
                    field<&EndpointPickerRef::group>("group", picker_group()).defaults_to(""),
                    field<&EndpointPickerRef::kind>("kind", kind_name())
                        .defaults_to("Service")
                        .doc("The kind of the object: `Service` or `Backend`."),
                    field<&EndpointPickerRef::name>("name", object_name()).required(),
                    flattened("port", object({field<&EndpointPickerRef::port>("number", port_number())
                                                  .required()
                                                  .doc("The number of the port.")}))
                        .doc("The port of the Service. Other kinds may go without."),
                })
      .with({.name = "missing-port",
             .cel = "self.kind != 'Service' || has(self.port)",
             .message = "a reference to a Service needs a port",
             .suggestion = "add `port: {number: 9002}`, with the number of a port of the Service"});
}

Type target_ports() {
  const Type port = object({field<&PoolPort::number>("number", port_number())
                                .required()
                                .doc("The port of the pods at which a model is served.")});
  return list(port).items(1, 8).with({.name = "target-port",
                                      .cel = "self.all(p1, self.exists_one(p2, p1.number==p2.number))",
                                      .message = "an earlier port has the same number",
                                      .suggestion = "remove one of the two"});
}

}  // namespace

Type inference_pool_type() {
  const Type labels = map(string().length(0, 63).matches(kLabelValue)).items(1, 64);
  const Type selector = object({
      field<&InferencePoolSpec::match_labels>("matchLabels", labels)
          .required()
          .doc("Labels that a pod must all have."),
  });
  const Type spec = object({
      field<&InferencePoolSpec::app_protocol>("appProtocol", enumeration({"http", "kubernetes.io/h2c"}))
          .defaults_to("http")
          .doc("What the pods speak: HTTP/1.1, or with `kubernetes.io/h2c` HTTP/2 in clear text."),
      field<&InferencePoolSpec::endpoint_picker_ref>("endpointPickerRef", endpoint_picker_ref())
          .doc("Who decides which pod gets a request. By default sluice's own picker."),
      flattened("selector", selector).required().doc("Which Pods of the pool's namespace are its members."),
      field<&InferencePoolSpec::target_ports>("targetPorts", target_ports())
          .required()
          .doc("The ports of the pods. Each port of a pod is an endpoint by itself."),
  });
  return resource<InferencePool>(metadata_type(kSubdomain, 253), spec,
                                 field("status", inference_pool_status()))
      .doc("Pods that serve a model, and who decides which of them gets a request.");
}

}  // namespace sluice::api
