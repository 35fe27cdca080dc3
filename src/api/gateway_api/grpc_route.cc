#include "api/declarations.h"
#include "api/gateway_api/route.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

Type method_match() {
  return object({
                    field<&GRPCMethodMatch::type>("type", enumeration({"Exact", "RegularExpression"}))
                        .defaults_to("Exact")
                        .doc("How the values are compared."),
                    field<&GRPCMethodMatch::service>("service", string().max_length(1024))
                        .doc("The name of the service, with its package."),
                    field<&GRPCMethodMatch::method>("method", string().max_length(1024))
                        .doc("The name of the method."),
                })
      .with({
          {.name = "method",
           .cel = R"x(has(self.type) ? has(self.service) || has(self.method) : true)x",
           .message = "neither `service` nor `method` is set",
           .suggestion = "set one of them, or leave out the whole match to match every call"},
          {.name = "method",
           .cel =
               R"x((!has(self.type) || self.type == 'Exact') && has(self.service) ? self.service.matches(r"""^(?i)\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$"""): true)x",
           .message = "the name of a service consists of letters, digits and `_` between dots, as in "
                      "`shop.v1.Orders`",
           .suggestion = "write it without a slash; type `RegularExpression` matches several",
           .blame = "service"},
          {.name = "method",
           .cel =
               R"x((!has(self.type) || self.type == 'Exact') && has(self.method) ? self.method.matches(r"""^[A-Za-z_][A-Za-z_0-9]*$"""): true)x",
           .message = "the name of a method consists of letters, digits and `_`, no digit at the front",
           .suggestion = "use type `RegularExpression` to match several",
           .blame = "method"},
      });
}

Type matches() {
  return list(object({
                  field<&GRPCRouteMatch::method>("method", method_match())
                      .doc("The method of the request. By default any."),
                  field<&GRPCRouteMatch::headers>("headers", name_value_matches(string().length(1, 4096)))
                      .doc("What headers there must be. All must match."),
              }))
      .max_items(64);
}

Type route_rules() {
  const Type filters = grpc_filters();
  return list(object({
                  field<&GRPCRouteRule::name>("name", section_name())
                      .doc("The name of the rule, for policies and messages."),
                  field<&GRPCRouteRule::matches>("matches", matches())
                      .doc("Which requests the rule is for: one of these must match. By default all."),
                  field<&GRPCRouteRule::filters>("filters", filters)
                      .doc("What is done with requests and responses."),
                  field<&GRPCRouteRule::backend_refs>("backendRefs", backend_refs(filters))
                      .elsewhere(kBackendsElsewhere)
                      .doc("Where requests go. Without any, the answer is 500, unless a filter answers."),
                  field<&GRPCRouteRule::session_persistence>("sessionPersistence", session_persistence())
                      .doc("Keeps a client at one backend."),
              }))
      .max_items(kMaxRouteRules)
      .with(match_limit("(has(self[{0}].matches) ? self[{0}].matches.size() : 0)"))
      .with(rule_names_differ());
}

}  // namespace

Type grpc_route_type() {
  return resource<GRPCRoute>(
             metadata_type(kSubdomain, 253),
             object({
                 field<&GRPCRouteSpec::parent_refs>("parentRefs", parent_refs())
                     .elsewhere(kParentsElsewhere)
                     .doc("The Gateways, or listeners of them, to which the route attaches."),
                 field<&GRPCRouteSpec::hostnames>("hostnames", list(hostname()).max_items(16))
                     .elsewhere(kHostnamesElsewhere)
                     .doc("The hosts whose calls are meant, within those of the listener. By default all of "
                          "these."),
                 field<&GRPCRouteSpec::rules>("rules", route_rules())
                     .doc("What is done with which calls. The most specific match wins, not the first."),
                 field<&GRPCRouteSpec::use_default_gateways>("useDefaultGateways",
                                                             enumeration({"All", "None"}))
                     .doc("Whether the route attaches to default Gateways."),
             }),
             field("status", route_status()))
      .doc("gRPC calls: which of them go where, and what is done with them on the way.");
}

}  // namespace sluice::api
