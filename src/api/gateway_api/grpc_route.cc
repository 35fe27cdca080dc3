#include <string>

#include <re2/re2.h>

#include "api/declarations.h"
#include "api/gateway_api/route.h"
#include "schema/codec.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kServiceName{R"(^(?i)\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$)",
                               "letters, digits and `_` between dots, as in `shop.v1.Orders`"};
constexpr Pattern kMethodName{R"(^[A-Za-z_][A-Za-z_0-9]*$)",
                              "letters, digits and `_`, no digit at the front"};

bool is_exact(const Value& method) { return method["type"].text() == "Exact"; }

bool has_service_or_method(const Value& method) { return method.has("service") || method.has("method"); }
bool has_valid_service(const Value& method) {
  static const re2::RE2& pattern = *new re2::RE2(kServiceName.regex);
  return !is_exact(method) || !method.has("service") ||
         re2::RE2::FullMatch(method["service"].text(), pattern);
}
bool has_valid_method(const Value& method) {
  static const re2::RE2& pattern = *new re2::RE2(kMethodName.regex);
  return !is_exact(method) || !method.has("method") || re2::RE2::FullMatch(method["method"].text(), pattern);
}

Type method_match() {
  return object({
                    field<&GRPCMethodMatch::type>("type", enumeration({"Exact", "RegularExpression"}))
                        .defaults_to("Exact"),
                    field<&GRPCMethodMatch::service>("service", string().max_length(1024)),
                    field<&GRPCMethodMatch::method>("method", string().max_length(1024)),
                })
      .with({
          {.name = "method",
           .message = "neither `service` nor `method` is set",
           .holds = has_service_or_method,
           .suggestion = "set one of them, or leave out the whole match to match every call"},
          {.name = "method",
           .message = "the name of a service consists of " + std::string(kServiceName.meaning),
           .holds = has_valid_service,
           .suggestion = "use type `RegularExpression` to match several",
           .blame = "service"},
          {.name = "method",
           .message = "the name of a method consists of " + std::string(kMethodName.meaning),
           .holds = has_valid_method,
           .suggestion = "use type `RegularExpression` to match several",
           .blame = "method"},
      });
}

Type matches() {
  return list(object({
                  field<&GRPCRouteMatch::method>("method", method_match()),
                  field<&GRPCRouteMatch::headers>("headers", name_value_matches(string().length(1, 4096))),
              }))
      .max_items(64);
}

Type route_rules() {
  const Type filters = grpc_filters();
  return list(object({
                  field<&GRPCRouteRule::name>("name", section_name()),
                  field<&GRPCRouteRule::matches>("matches", matches()),
                  field<&GRPCRouteRule::filters>("filters", filters),
                  field<&GRPCRouteRule::backend_refs>("backendRefs", backend_refs(filters)),
                  field<&GRPCRouteRule::session_persistence>("sessionPersistence", session_persistence()),
              }))
      .max_items(16)
      .with(match_limit())
      .with(rule_names_differ());
}

}  // namespace

Type grpc_route_type() {
  return resource<GRPCRoute>(
      metadata_type(kSubdomain, 253),
      object({
          field<&GRPCRouteSpec::parent_refs>("parentRefs", parent_refs()),
          field<&GRPCRouteSpec::hostnames>("hostnames", list(hostname()).max_items(16)),
          field<&GRPCRouteSpec::rules>("rules", route_rules()),
          field("useDefaultGateways", enumeration({"All", "None"})),
      }));
}

}  // namespace sluice::api
