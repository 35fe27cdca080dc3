#include "api/gateway_api/route.h"

#include <string>
#include <utility>

#include <fmt/format.h>

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

// ---- matches -------------------------------------------------------------------------------------

Type header_name() { return string().length(1, 256).matches(kHeaderName); }
Type header_value() { return string().length(1, 4096).matches(kHeaderValue); }

Type name_value_matches(Type value) {
  return list(object({
                  field<&HTTPNameValueMatch::type>("type", enumeration({"Exact", "RegularExpression"}))
                      .defaults_to("Exact")
                      .doc("How the value is compared."),
                  field<&HTTPNameValueMatch::name>("name", header_name())
                      .required()
                      .doc("The name. Names of headers are compared in any letter case."),
                  field<&HTTPNameValueMatch::value>("value", std::move(value))
                      .required()
                      .doc("The value or expression."),
              }))
      .max_items(16)
      .keyed_by({"name"});
}

// ---- rules ---------------------------------------------------------------------------------------

Rule match_limit(const char* matches_of_rule) {
  // CEL has no sums: every index that the list can have is written out.
  std::string sum;
  for (int i = 0; i < kMaxRouteRules; ++i) {
    sum += fmt::format("{}(self.size() > {} ? {} : 0)", i == 0 ? "" : " + ", i,
                       fmt::format(fmt::runtime(matches_of_rule), i));
  }
  return {.name = "matches",
          .cel = sum + " <= 128",
          .message = "more than 128 matches in all the rules of the route",
          .suggestion = "split the route"};
}

Type backend_refs(const Type& filters) {
  using Reference = BackendObjectReference;
  const Type backend_ref =
      object({
                 field<&HTTPBackendRef::ref, &Reference::group>("group", group_name()).defaults_to(""),
                 field<&HTTPBackendRef::ref, &Reference::kind>("kind", kind_name())
                     .defaults_to("Service")
                     .doc("The kind of the backend: `Service`, `Backend`, `XBackend` or `ServiceImport`."),
                 field<&HTTPBackendRef::ref, &Reference::name>("name", object_name())
                     .required()
                     .doc("The name of the backend."),
                 field<&HTTPBackendRef::ref, &Reference::namespace_>("namespace", namespace_name())
                     .doc("The namespace of the backend. Another one than the route's needs a ReferenceGrant "
                          "there."),
                 field<&HTTPBackendRef::ref, &Reference::port>("port", port_number())
                     .elsewhere(kPortElsewhere)
                     .doc("The port of the Service. Other kinds may go without."),
                 field<&HTTPBackendRef::weight>("weight", int32().range(0, 1'000'000))
                     .defaults_to(1)
                     .doc("The share of requests, in proportion to the weights of the others."),
                 field<&HTTPBackendRef::filters>("filters", filters)
                     .doc("Filters for requests that go to this backend."),
             })
          .with(service_needs_port());
  return list(backend_ref).max_items(16);
}

// ---- sessions ------------------------------------------------------------------------------------

Type session_persistence() {
  return object({
                    field<&SessionPersistence::session_name>("sessionName", string().max_length(128))
                        .doc("The name of the cookie or header."),
                    field<&SessionPersistence::absolute_timeout>("absoluteTimeout", gateway_duration())
                        .doc("After this time the session ends."),
                    field<&SessionPersistence::type>("type", enumeration({"Cookie", "Header"}))
                        .defaults_to("Cookie")
                        .doc("Whether a cookie or a header keeps the session."),
                    flattened(
                        "cookieConfig",
                        object({
                            field<&SessionPersistence::cookie_lifetime>("lifetimeType",
                                                                        enumeration({"Permanent", "Session"}))
                                .defaults_to("Session")
                                .doc("Whether the cookie ends with the browser, or with `absoluteTimeout`."),
                        }))
                        .doc("Settings of the cookie."),
                })
      .with({.name = "cookie-lifetime",
             .cel = "!has(self.cookieConfig) || !has(self.cookieConfig.lifetimeType) || "
                    "self.cookieConfig.lifetimeType != 'Permanent' || has(self.absoluteTimeout)",
             .message = "a cookie of lifetime `Permanent` needs `absoluteTimeout`",
             .suggestion = "add `absoluteTimeout`",
             .blame = "cookieConfig.lifetimeType"})
      .with({.name = "cookie-config",
             .cel = "!has(self.cookieConfig) || self.type == 'Cookie'",
             .message = "`cookieConfig` is set, and the type is not `Cookie`",
             .suggestion = "remove `cookieConfig`",
             .blame = "cookieConfig"});
}

}  // namespace sluice::api
