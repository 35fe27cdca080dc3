#include "api/gateway_api/status.h"

#include <utility>
#include <vector>

#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kReason{R"(^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$)", "one word in CamelCase"};
constexpr Pattern kConditionType{
    R"(^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$)",
    "a word in CamelCase, behind an optional DNS name and `/`"};

Type condition() {
  return object({
      field("lastTransitionTime", string().formatted("date-time"))
          .required()
          .doc("When the condition got its present status."),
      field("message", string().max_length(32768)).required().doc("Details, for people."),
      field("observedGeneration", int64().at_least(0))
          .doc("The generation of the object that this is about."),
      field("reason", string().length(1, 1024).matches(kReason)).required().doc("Why, in one word."),
      field("status", enumeration({"True", "False", "Unknown"}))
          .required()
          .doc("Whether the condition holds."),
      field("type", string().max_length(316).matches(kConditionType))
          .required()
          .doc("The name of the condition."),
  });
}

Type conditions() { return list(condition()).keyed_by({"type"}); }

Tree waiting_conditions(std::initializer_list<const char*> types) {
  std::vector<Tree> list;
  for (const char* const type : types) {
    list.push_back(Tree::map({{.key = "lastTransitionTime", .value = Tree::string("1970-01-01T00:00:00Z")},
                              {.key = "message", .value = Tree::string("Waiting for controller")},
                              {.key = "reason", .value = Tree::string("Pending")},
                              {.key = "status", .value = Tree::string("Unknown")},
                              {.key = "type", .value = Tree::string(type)}}));
  }
  return Tree::list(std::move(list));
}

Type reference_to_parent() {
  return object({
      field("group", group_name()).defaults_to("gateway.networking.k8s.io"),
      field("kind", kind_name()).defaults_to("Gateway"),
      field("name", object_name()).required(),
      field("namespace", namespace_name()),
      field("port", port_number()).doc("The port of the listeners that are meant."),
      field("sectionName", section_name()).doc("The listener that is meant."),
  });
}

Type supported_kinds() {
  return list(object({
                  field("group", group_name()).defaults_to("gateway.networking.k8s.io"),
                  field("kind", kind_name()).required(),
              }))
      .max_items(8);
}

Type listener_statuses() {
  return list(object({
                  field("attachedRoutes", int32())
                      .required()
                      .doc("How many routes are attached to the listener."),
                  field("conditions", conditions().max_items(8))
                      .required()
                      .doc("What is true of the listener."),
                  field("name", section_name()).required().doc("The name of the listener."),
                  field("supportedKinds", supported_kinds()).doc("The kinds of routes that may attach."),
              }))
      .max_items(64)
      .keyed_by({"name"});
}

constexpr const char* kConditions = "What is true of the object.";
constexpr const char* kListeners = "What is true of each listener.";

}  // namespace

Tree waiting_status(std::initializer_list<const char*> types) {
  return Tree::map({{.key = "conditions", .value = waiting_conditions(types)}});
}

Type gateway_class_status() {
  const Type feature = object({field("name", string()).required().doc("The name of the feature.")});
  return object({
      field("conditions", conditions().max_items(8))
          .defaults_to(waiting_conditions({"Accepted"}))
          .doc(kConditions),
      field("supportedFeatures", list(feature).max_items(64).keyed_by({"name"}))
          .doc("The features of Gateway API that the controller has."),
  });
}

Type gateway_status() {
  const Type address =
      gateway_address(field("value", string().length(1, 253)).required())
          .with(
              {.name = "address",
               .cel =
                   R"x(self.type == 'Hostname' ? self.value.matches(r"""^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"""): true)x",
               .message = "the value of an address of type `Hostname` must be a DNS name",
               .blame = "value"});
  return object({
      field("addresses", list(address).max_items(16)).doc("Where the Gateway can be reached."),
      field("attachedListenerSets", int32()).doc("How many ListenerSets are attached."),
      field("conditions", conditions().max_items(8))
          .defaults_to(waiting_conditions({"Accepted", "Programmed"}))
          .doc(kConditions),
      field("listeners", listener_statuses()).doc(kListeners),
  });
}

Type listener_set_status() {
  return object({
      field("conditions", conditions().max_items(8))
          .defaults_to(waiting_conditions({"Accepted", "Programmed"}))
          .doc(kConditions),
      field("listeners", listener_statuses()).doc(kListeners),
  });
}

Type route_status() {
  const Type parent = object({
      field("conditions", conditions().items(1, 8))
          .required()
          .doc("What is true of the route at this parent."),
      field("controllerName", controller_name()).required().doc("The controller that says so."),
      field("parentRef", reference_to_parent()).required().doc("The parent, as the route refers to it."),
  });
  return object(
      {field("parents", list(parent).max_items(32)).required().doc("What each parent says of the route.")});
}

Type policy_status() {
  const Type ancestor = object({
      field("ancestorRef", reference_to_parent())
          .required()
          .doc("The object for which the policy takes effect."),
      field("conditions", conditions().items(1, 8)).required().doc("What is true of the policy there."),
      field("controllerName", controller_name()).required().doc("The controller that says so."),
  });
  return object({field("ancestors", list(ancestor).max_items(16))
                     .required()
                     .doc("Where the policy takes effect, and how.")});
}

Type x_backend_status() {
  const Type parent = object({
      field("conditions", conditions()).doc("What is true of the backend at this parent."),
      field("controllerName", controller_name()).required().doc("The controller that says so."),
      field("parentRef", reference_to_parent())
          .required()
          .doc("The Gateway whose routes refer to the backend."),
  });
  return object({field("parents", list(parent).max_items(32))
                     .doc("What each Gateway that uses it says of the backend.")});
}

Type backend_status() { return object({field("conditions", conditions().max_items(8)).doc(kConditions)}); }

Type envoy_proxy_status() {
  const Type ancestor = object({
      field("ancestorRef", reference_to_parent()).required().doc("The Gateway or GatewayClass that uses it."),
      field("conditions", conditions()).doc("What is true of it there."),
  });
  return object({field("ancestors", list(ancestor)).doc("What uses the EnvoyProxy, and whether it can.")});
}

Type inference_pool_status() {
  const Type gateway = object({
      field("group", group_name().min_length(0)).defaults_to("gateway.networking.k8s.io"),
      field("kind", kind_name()).defaults_to("Gateway"),
      field("name", object_name()).required(),
      field("namespace", namespace_name()),
  });
  const Type parent = object({
      field("conditions", conditions().max_items(8)).doc("What is true of the pool at this parent."),
      field("controllerName", controller_name()).doc("The controller that says so."),
      field("parentRef", gateway).required().doc("The Gateway whose routes send requests to the pool."),
  });
  return object(
      {field("parents", list(parent).max_items(32)).doc("What each Gateway that uses it says of the pool.")});
}

Type inference_objective_status() {
  return object({field("conditions", conditions().max_items(8))
                     .defaults_to(waiting_conditions({"Ready"}))
                     .doc(kConditions)});
}

Type inference_model_rewrite_status() {
  return object({field("conditions", conditions().max_items(8))
                     .defaults_to(waiting_conditions({"Accepted"}))
                     .doc(kConditions)});
}

}  // namespace sluice::api
