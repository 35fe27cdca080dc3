// What several declarations of the group share: references, names, selectors.
//
// Threads: pure functions.
#pragma once

#include "api/gateway_api/types.h"
#include "api/patterns.h"
#include "schema/type.h"

namespace sluice::api {

inline constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";

schema::Type group_name();
schema::Type kind_name();
schema::Type object_name();
schema::Type namespace_name();
schema::Type section_name();
schema::Type port_number();
schema::Type hostname();
schema::Type precise_hostname();
schema::Type gateway_duration();
schema::Type fraction();        // bound to Fraction, with the rule that it is at most one
schema::Type label_selector();  // bound to LabelSelector
// To LocalObjectReference; `kind` is one of the core group that is likely meant, for whoever leaves it out.
schema::Type local_object_reference(const char* kind = nullptr);
schema::Type secret_object_reference();   // to SecretObjectReference
schema::Type object_reference();          // to ObjectReference
schema::Type backend_object_reference();  // to BackendObjectReference, with the rule about ports

// What other configurations call what routes have, for suggestions.
inline constexpr std::string_view kParentsElsewhere[] = {"gateways", "gateway"};
inline constexpr std::string_view kHostnamesElsewhere[] = {"hosts", "host", "domains"};
inline constexpr std::string_view kPortElsewhere[] = {"targetPort", "servicePort"};  // of backendRefs
inline constexpr std::string_view kBackendsElsewhere[] = {"services", "service", "destinations", "upstreams"};

schema::Type backend_tls_validation();  // to BackendTLSPolicyValidation, with its rules

schema::Type backend_refs();  // to std::vector<BackendRef>, at least one
schema::Type parent_refs();   // to std::vector<ParentReference>, with the rules about doubles

// A reference to a Service names a port.
schema::Rule service_needs_port();
// No two rules of a route have the same name.
schema::Rule rule_names_differ();

// An address of either family.
bool is_ip_address(const std::string& text);

// A GatewayAddress, with `value` as it is in a spec or status.
schema::Type gateway_address(schema::Field value);
schema::Type controller_name();

// The root of a kind: apiVersion, kind, metadata, spec, and a status (see status.h) that is not looked at.
schema::Type resource(schema::Field metadata, schema::Field spec, schema::Field status);
template <typename T>
schema::Type resource(schema::Type metadata, schema::Type spec,
                      schema::Field status = schema::field("status", schema::any())) {
  return resource(schema::field<&T::metadata>("metadata", std::move(metadata)),
                  schema::field<&T::spec>("spec", std::move(spec)), std::move(status));
}

}  // namespace sluice::api
