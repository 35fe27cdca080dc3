#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "api/declarations.h"
#include "api/gateway_api/route.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

// ---- matches -------------------------------------------------------------------------------------

constexpr const char* kResolve = "write the path that it leads to";

Type path_match() {
  // Paths that are compared as text have a form; expressions have none.
  const auto rule = [](const char* message, const char* test, const char* suggestion = "") {
    return Rule{.name = "path",
                .cel = fmt::format("(self.type in ['Exact','PathPrefix']) ? {}", test),
                .message = message,
                .suggestion = suggestion,
                .blame = "value"};
  };
  return object({
                    field<&HTTPPathMatch::type>("type",
                                                enumeration({"Exact", "PathPrefix", "RegularExpression"}))
                        .defaults_to("PathPrefix")
                        .doc("How the value is compared. `PathPrefix` goes by whole segments."),
                    field<&HTTPPathMatch::value>("value", string().max_length(1024))
                        .defaults_to("/")
                        .doc("The path, prefix or expression."),
                })
      .with({
          rule("a path must begin with `/`", "self.value.startsWith('/') : true",
               "write a `/` in front of it"),
          rule("a path cannot contain `//`", "!self.value.contains('//') : true",
               "no request matches it: remove one `/`"),
          rule("a path cannot have the segment `.`", "!self.value.contains('/./') : true", kResolve),
          rule("a path cannot have the segment `..`", "!self.value.contains('/../') : true", kResolve),
          rule("a path cannot contain an escaped slash (`%2f`)", "!self.value.contains('%2f') : true"),
          rule("a path cannot contain an escaped slash (`%2F`)", "!self.value.contains('%2F') : true"),
          rule("a path cannot contain `#`: fragments are never sent", "!self.value.contains('#') : true"),
          rule("a path cannot end with `/..`", "!self.value.endsWith('/..') : true", kResolve),
          rule("a path cannot end with `/.`", "!self.value.endsWith('/.') : true", kResolve),
          {.name = "path",
           .cel = "self.type in ['Exact','PathPrefix'] || self.type == 'RegularExpression'",
           .message = "the type of a path must be `Exact`, `PathPrefix` or `RegularExpression`",
           .blame = "type"},
          rule(
              "a path can only consist of letters, digits, %XX and any of -/._~!$&'()*+,;=:@",
              R"x(self.value.matches(r"""^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$""") : true)x",
              "write other characters as %XX, or use type `RegularExpression`"),
      });
}

Tree default_path() {
  return Tree::map(
      {{.key = "type", .value = Tree::string("PathPrefix")}, {.key = "value", .value = Tree::string("/")}});
}

Tree default_matches() { return Tree::list({Tree::map({{.key = "path", .value = default_path()}})}); }

Type matches() {
  const Type match = object({
      field<&HTTPRouteMatch::path>("path", path_match())
          .defaults_to(default_path())
          .doc("What the path must be."),
      field<&HTTPRouteMatch::headers>("headers", name_value_matches(header_value()))
          .doc("What headers there must be. All must match."),
      field<&HTTPRouteMatch::query_params>("queryParams", name_value_matches(string().length(1, 1024)))
          .doc("What query parameters there must be. All must match."),
      field<&HTTPRouteMatch::method>("method", enumeration({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT",
                                                            "OPTIONS", "TRACE", "PATCH"}))
          .doc("The method of the request. By default any."),
  });
  // An empty list is no absent one to the defaults, and means the same.
  return list(match).max_items(64).finished_by([](void* target) {
    auto& bound = *static_cast<std::vector<HTTPRouteMatch>*>(target);
    if (bound.empty()) bound.emplace_back();
  });
}

// ---- rules ---------------------------------------------------------------------------------------

// A filter that replaces a prefix needs a match that says which: a test of a list of filters `f`.
std::string prefix_rule(std::string_view member, bool of_backends) {
  const std::string replaces = fmt::format(
      "exists_one(f, has(f.{0}) && has(f.{0}.path) && f.{0}.path.type == 'ReplacePrefixMatch' && "
      "has(f.{0}.path.replacePrefixMatch))",
      member);
  const std::string condition =
      of_backends ? fmt::format(
                        "(has(self.backendRefs) && self.backendRefs.exists_one(b, (has(b.filters) && "
                        "b.filters.{}) ))",
                        replaces)
                  : fmt::format("(has(self.filters) && self.filters.{})", replaces);
  return condition +
         " ? ((size(self.matches) != 1 || !has(self.matches[0].path) || self.matches[0].path.type != "
         "'PathPrefix') ? false : true) : true";
}

std::vector<Rule> prefix_rules() {
  std::vector<Rule> rules;
  for (const bool of_backends : {false, true}) {
    for (const std::string_view member : {"requestRedirect", "urlRewrite"}) {
      rules.push_back(
          {.name = "prefix-match",
           .cel = prefix_rule(member, of_backends),
           .message = fmt::format("`{}.path.replacePrefixMatch`{} needs exactly one match, of path "
                                  "type `PathPrefix`",
                                  member, of_backends ? " within `backendRefs`" : ""),
           .suggestion = "make a rule of its own for each match"});
    }
  }
  return rules;
}

Type route_rules() {
  const Type rule =
      object(
          {
              field<&HTTPRouteRule::name>("name", section_name())
                  .doc("The name of the rule, for policies and messages."),
              field<&HTTPRouteRule::matches>("matches", matches())
                  .defaults_to(default_matches())
                  .doc("Which requests the rule is for: one of these must match. By default all."),
              field<&HTTPRouteRule::filters>("filters", http_filters())
                  .doc("What is done with requests and responses."),
              field<&HTTPRouteRule::backend_refs>("backendRefs", backend_refs(http_filters()))
                  .elsewhere(kBackendsElsewhere)
                  .doc("Where requests go. Without any, the answer is 500, unless a filter answers."),
              field<&HTTPRouteRule::timeouts>(
                  "timeouts",
                  object({
                             field<&HTTPRouteTimeouts::request>("request", gateway_duration())
                                 .doc("From the request until the answer is complete, with all tries."),
                             field<&HTTPRouteTimeouts::backend_request>("backendRequest", gateway_duration())
                                 .doc("For one try."),
                         })
                      .with({.name = "timeouts",
                             .cel = "!(has(self.request) && has(self.backendRequest) && "
                                    "duration(self.request) != duration('0s') && "
                                    "duration(self.backendRequest) > duration(self.request))",
                             .message = "`backendRequest` is longer than `request`, of which it is a part",
                             .blame = "backendRequest"}))
                  .doc("How long an answer may take. `0s` is for ever."),
              field<&HTTPRouteRule::retry>(
                  "retry",
                  object({
                      field<&HTTPRouteRetry::codes>("codes", list(integer().range(400, 599)).as_set())
                          .doc("The statuses that call for another try."),
                      field<&HTTPRouteRetry::attempts>("attempts", integer().at_least(1))
                          .doc("How often at most."),
                      field<&HTTPRouteRetry::backoff>("backoff", gateway_duration())
                          .doc("The least time between two tries."),
                  }))
                  .doc("When a request is tried again."),
              field<&HTTPRouteRule::session_persistence>("sessionPersistence", session_persistence())
                  .doc("Keeps a client at one backend."),
          })
          .with({.name = "redirect-with-backends",
                 .cel = "(has(self.backendRefs) && size(self.backendRefs) > 0) ? (!has(self.filters) || "
                        "self.filters.all(f, !has(f.requestRedirect))): true",
                 .message = "a rule with a `RequestRedirect` filter cannot have `backendRefs`",
                 .suggestion = "remove one of the two",
                 .blame = "requestRedirect"})
          .with(prefix_rules());
  return list(rule)
      .items(1, kMaxRouteRules)
      .with(match_limit("self[{0}].matches.size()"))
      .with(rule_names_differ());
}

}  // namespace

Type http_route_type() {
  return resource<HTTPRoute>(
             metadata_type(kSubdomain, 253),
             object({
                 field<&HTTPRouteSpec::parent_refs>("parentRefs", parent_refs())
                     .elsewhere(kParentsElsewhere)
                     .doc("The Gateways, or listeners of them, to which the route attaches."),
                 field<&HTTPRouteSpec::hostnames>("hostnames", list(hostname()).max_items(16))
                     .elsewhere(kHostnamesElsewhere)
                     .doc("The hosts whose requests are meant, within those of the listener. By default all "
                          "of these."),
                 field<&HTTPRouteSpec::rules>("rules", route_rules())
                     .defaults_to(Tree::list({Tree::map({{.key = "matches", .value = default_matches()}})}))
                     .doc("What is done with which requests. The most specific match wins, not the first."),
                 field<&HTTPRouteSpec::use_default_gateways>("useDefaultGateways",
                                                             enumeration({"All", "None"}))
                     .doc("Whether the route attaches to default Gateways."),
             }),
             field("status", route_status()))
      .doc("HTTP requests: which of them go where, and what is done with them on the way.");
}

}  // namespace sluice::api
