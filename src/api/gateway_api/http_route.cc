#include <string>
#include <utility>

#include "api/declarations.h"
#include "api/gateway_api/route.h"
#include "schema/codec.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

// ---- matches -------------------------------------------------------------------------------------

// The rules of a path are those of paths that are compared as text.
bool is_text_path(const Value& path) { return path["type"].text() != "RegularExpression"; }
bool contains(const Value& path, std::string_view what) {
  return path["value"].text().find(what) != std::string_view::npos;
}

bool is_absolute(const Value& path) { return !is_text_path(path) || path["value"].text().starts_with('/'); }
bool has_no_double_slash(const Value& path) { return !is_text_path(path) || !contains(path, "//"); }
bool has_no_dots(const Value& path) {
  return !is_text_path(path) ||
         !(contains(path, "/./") || contains(path, "/../") || path["value"].text().ends_with("/..") ||
           path["value"].text().ends_with("/."));
}
bool has_no_escaped_slash(const Value& path) {
  return !is_text_path(path) || !(contains(path, "%2f") || contains(path, "%2F"));
}
bool has_no_fragment(const Value& path) { return !is_text_path(path) || !contains(path, "#"); }
bool has_path_characters(const Value& path) {
  if (!is_text_path(path)) return true;
  constexpr std::string_view kMarks = "-/._~!$&'()*+,;=:@";
  const auto is_hex = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  const std::string_view text = path["value"].text();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
      i += 2;
    } else if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
               !kMarks.contains(c)) {
      return false;
    }
  }
  return !text.empty();
}

Type path_match() {
  const auto rule = [](const char* message, bool (*holds)(const Value&), const char* suggestion) {
    return Rule{
        .name = "path", .message = message, .holds = holds, .suggestion = suggestion, .blame = "value"};
  };
  return object({
                    field<&HTTPPathMatch::type>("type",
                                                enumeration({"Exact", "PathPrefix", "RegularExpression"}))
                        .defaults_to("PathPrefix"),
                    field<&HTTPPathMatch::value>("value", string().max_length(1024)).defaults_to("/"),
                })
      .with(rule("a path must begin with `/`", is_absolute, ""))
      .with(rule("a path cannot contain `//`", has_no_double_slash, "no request matches it: remove one `/`"))
      .with(rule("a path cannot have the segments `.` and `..`", has_no_dots,
                 "write the path that they lead to"))
      .with(rule("a path cannot contain an escaped slash (`%2F`)", has_no_escaped_slash, ""))
      .with(rule("a path cannot contain `#`: fragments are never sent", has_no_fragment, ""))
      .with(rule("a path can only consist of letters, digits, %XX and any of -/._~!$&'()*+,;=:@",
                 has_path_characters, "write other characters as %XX, or use type `RegularExpression`"));
}

Tree default_path() {
  return Tree::map(
      {{.key = "type", .value = Tree::string("PathPrefix")}, {.key = "value", .value = Tree::string("/")}});
}

Tree default_matches() { return Tree::list({Tree::map({{.key = "path", .value = default_path()}})}); }

Type matches() {
  const Type match = object({
      field<&HTTPRouteMatch::path>("path", path_match()).defaults_to(default_path()),
      field<&HTTPRouteMatch::headers>("headers", name_value_matches(header_value())),
      field<&HTTPRouteMatch::query_params>("queryParams", name_value_matches(string().length(1, 1024))),
      field<&HTTPRouteMatch::method>("method", enumeration({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT",
                                                            "OPTIONS", "TRACE", "PATCH"})),
  });
  // An empty list is no absent one to the defaults, and means the same.
  return list(match).max_items(64).finished_by([](void* target) {
    auto& bound = *static_cast<std::vector<HTTPRouteMatch>*>(target);
    if (bound.empty()) bound.emplace_back();
  });
}

// ---- rules ---------------------------------------------------------------------------------------

bool has_redirect_or_backends(const Value& rule) {
  return rule["backendRefs"].size() == 0 ||
         rule["filters"].all([](const Value& filter) { return !filter.has("requestRedirect"); });
}

bool replaces_prefix(const Value& filters, std::string_view member) {
  return filters.count([member](const Value& filter) {
    const Value path = filter[member]["path"];
    return path["type"].text() == "ReplacePrefixMatch" && path.has("replacePrefixMatch");
  }) == 1;
}

bool has_one_prefix_match(const Value& rule) {
  const Value all_matches = rule["matches"];
  return all_matches.size() == 1 && all_matches.at(0).has("path") &&
         all_matches.at(0)["path"]["type"].text() == "PathPrefix";
}

bool backend_replaces_prefix(const Value& rule, std::string_view member) {
  return rule["backendRefs"].count(
             [member](const Value& backend) { return replaces_prefix(backend["filters"], member); }) == 1;
}

bool has_prefix_for_redirect(const Value& rule) {
  return !replaces_prefix(rule["filters"], "requestRedirect") || has_one_prefix_match(rule);
}
bool has_prefix_for_rewrite(const Value& rule) {
  return !replaces_prefix(rule["filters"], "urlRewrite") || has_one_prefix_match(rule);
}
bool has_prefix_for_backend_redirect(const Value& rule) {
  return !backend_replaces_prefix(rule, "requestRedirect") || has_one_prefix_match(rule);
}
bool has_prefix_for_backend_rewrite(const Value& rule) {
  return !backend_replaces_prefix(rule, "urlRewrite") || has_one_prefix_match(rule);
}

bool has_ordered_timeouts(const Value& self) {
  if (!self.has("request") || !self.has("backendRequest")) return true;
  const auto request = parse_duration(self["request"].text());
  const auto backend = parse_duration(self["backendRequest"].text());
  return !request || !backend || request->count() == 0 || *backend <= *request;
}

Type route_rules() {
  const Type rule =
      object(
          {
              field<&HTTPRouteRule::name>("name", section_name()),
              field<&HTTPRouteRule::matches>("matches", matches()).defaults_to(default_matches()),
              field<&HTTPRouteRule::filters>("filters", http_filters()),
              field<&HTTPRouteRule::backend_refs>("backendRefs", backend_refs(http_filters())),
              field<&HTTPRouteRule::timeouts>(
                  "timeouts",
                  object({
                             field<&HTTPRouteTimeouts::request>("request", gateway_duration()),
                             field<&HTTPRouteTimeouts::backend_request>("backendRequest", gateway_duration()),
                         })
                      .with({.name = "timeouts",
                             .message = "`backendRequest` is longer than `request`, of which it is a part",
                             .holds = has_ordered_timeouts,
                             .suggestion = "",
                             .blame = "backendRequest"})),
              field<&HTTPRouteRule::retry>(
                  "retry",
                  object({
                      field<&HTTPRouteRetry::codes>("codes", list(integer().range(400, 599)).as_set()),
                      field<&HTTPRouteRetry::attempts>("attempts", integer().at_least(1)),
                      field<&HTTPRouteRetry::backoff>("backoff", gateway_duration()),
                  })),
              field<&HTTPRouteRule::session_persistence>("sessionPersistence", session_persistence()),
          })
          .with({
              {.name = "redirect-with-backends",
               .message = "a rule with a `RequestRedirect` filter cannot have `backendRefs`",
               .holds = has_redirect_or_backends,
               .suggestion = "remove one of the two",
               .blame = "backendRefs"},
              {.name = "prefix-match",
               .message = "`requestRedirect.path.replacePrefixMatch` needs exactly one match, of path type "
                          "`PathPrefix`",
               .holds = has_prefix_for_redirect,
               .suggestion = "make a rule of its own for each match"},
              {.name = "prefix-match",
               .message =
                   "`urlRewrite.path.replacePrefixMatch` needs exactly one match, of path type `PathPrefix`",
               .holds = has_prefix_for_rewrite,
               .suggestion = "make a rule of its own for each match"},
              {.name = "prefix-match",
               .message =
                   "`requestRedirect.path.replacePrefixMatch` within `backendRefs` needs exactly one match, "
                   "of path type `PathPrefix`",
               .holds = has_prefix_for_backend_redirect,
               .suggestion = "make a rule of its own for each match"},
              {.name = "prefix-match",
               .message =
                   "`urlRewrite.path.replacePrefixMatch` within `backendRefs` needs exactly one match, of "
                   "path type `PathPrefix`",
               .holds = has_prefix_for_backend_rewrite,
               .suggestion = "make a rule of its own for each match"},
          });
  return list(rule).items(1, 16).with(match_limit()).with(rule_names_differ());
}

}  // namespace

Type http_route_type() {
  return resource<HTTPRoute>(
      metadata_type(kSubdomain, 253),
      object({
          field<&HTTPRouteSpec::parent_refs>("parentRefs", parent_refs()),
          field<&HTTPRouteSpec::hostnames>("hostnames", list(hostname()).max_items(16)),
          field<&HTTPRouteSpec::rules>("rules", route_rules())
              .defaults_to(Tree::list({Tree::map({{.key = "matches", .value = default_matches()}})})),
          field("useDefaultGateways", enumeration({"All", "None"})),
      }));
}

}  // namespace sluice::api
