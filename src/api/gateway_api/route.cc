#include "api/gateway_api/route.h"

#include <string>
#include <utility>

#include "schema/codec.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

// ---- matches -------------------------------------------------------------------------------------

Type header_name() { return string().length(1, 256).matches(kHeaderName); }
Type header_value() { return string().length(1, 4096).matches(kHeaderValue); }

Type name_value_matches(Type value) {
  return list(object({
                  field<&HTTPNameValueMatch::type>("type", enumeration({"Exact", "RegularExpression"}))
                      .defaults_to("Exact"),
                  field<&HTTPNameValueMatch::name>("name", header_name()).required(),
                  field<&HTTPNameValueMatch::value>("value", std::move(value)).required(),
              }))
      .max_items(16)
      .keyed_by({"name"});
}

// ---- rules ---------------------------------------------------------------------------------------

Rule match_limit() {
  return {.name = "matches",
          .message = "more than 128 matches in all the rules of the route",
          .holds =
              [](const Value& self) {
                constexpr std::size_t kMaxMatches = 128;
                std::size_t total = 0;
                for (std::size_t i = 0; i < self.size(); ++i) total += self.at(i)["matches"].size();
                return total <= kMaxMatches;
              },
          .suggestion = "split the route"};
}

Type backend_refs(const Type& filters) {
  using Reference = BackendObjectReference;
  const Type backend_ref =
      object({
                 field<&HTTPBackendRef::ref, &Reference::group>("group", group_name()).defaults_to(""),
                 field<&HTTPBackendRef::ref, &Reference::kind>("kind", kind_name()).defaults_to("Service"),
                 field<&HTTPBackendRef::ref, &Reference::name>("name", object_name()).required(),
                 field<&HTTPBackendRef::ref, &Reference::namespace_>("namespace", namespace_name()),
                 field<&HTTPBackendRef::ref, &Reference::port>("port", port_number()),
                 field<&HTTPBackendRef::weight>("weight", int32().range(0, 1'000'000)).defaults_to(1),
                 field<&HTTPBackendRef::filters>("filters", filters),
             })
          .with(service_needs_port());
  return list(backend_ref).max_items(16);
}

// ---- sessions ------------------------------------------------------------------------------------

namespace {

bool has_timeout_for_permanent_cookie(const Value& self) {
  return self["cookieConfig"]["lifetimeType"].text() != "Permanent" || self.has("absoluteTimeout");
}
bool has_cookie_config_for_cookie(const Value& self) {
  return !self.has("cookieConfig") || self["type"].text() == "Cookie";
}

}  // namespace

Type session_persistence() {
  return object({
                    field<&SessionPersistence::session_name>("sessionName", string().max_length(128)),
                    field<&SessionPersistence::absolute_timeout>("absoluteTimeout", gateway_duration()),
                    field<&SessionPersistence::type>("type", enumeration({"Cookie", "Header"}))
                        .defaults_to("Cookie"),
                    flattened("cookieConfig", object({
                                                  field<&SessionPersistence::cookie_lifetime>(
                                                      "lifetimeType", enumeration({"Permanent", "Session"}))
                                                      .defaults_to("Session"),
                                              })),
                })
      .with({.name = "cookie-lifetime",
             .message = "a cookie of lifetime `Permanent` needs `absoluteTimeout`",
             .holds = has_timeout_for_permanent_cookie,
             .suggestion = "add `absoluteTimeout`",
             .blame = "cookieConfig.lifetimeType"})
      .with({.name = "cookie-config",
             .message = "`cookieConfig` is set, and the type is not `Cookie`",
             .holds = has_cookie_config_for_cookie,
             .suggestion = "remove `cookieConfig`",
             .blame = "cookieConfig"});
}

}  // namespace sluice::api
