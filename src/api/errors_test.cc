// What users read about real mistakes, word for word.

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/kinds.h"
#include "tree/parse.h"

namespace sluice::api {
namespace {

// The problems of a spec, a line each: "line path: message (suggestion) [line path: what else]".
std::string errors_of(std::string_view kind, std::string_view spec) {
  std::string text = fmt::format("apiVersion: {}\nkind: {}\nmetadata: {{name: a}}\nspec:\n",
                                 kind == "Backend" || kind == "EnvoyProxy" ? "gateway.envoyproxy.io/v1alpha1"
                                                                           : "gateway.networking.k8s.io/v1",
                                 kind);
  text += spec;
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text, "", &problems);
  EXPECT_TRUE(problems.empty()) << text;
  std::string all;
  for (const Problem& problem : read_object(documents.at(0).tree, Trust::kCheck).problems) {
    if (!all.empty()) all += '\n';
    all += fmt::format("{} {}: {}", problem.where.line, problem.path, problem.message);
    if (!problem.suggestion.empty()) all += fmt::format(" ({})", problem.suggestion);
    for (const Related& also : problem.also)
      all += fmt::format(" [{} {}: {}]", also.where.line, also.path, also.message);
  }
  return all;
}

struct Row {
  const char* kind;
  const char* spec;  // from line 5 on
  const char* errors;
};

constexpr Row kRows[] = {
    // Names.
    {"HTTPRoute", "  rules:\n  - name: a\n  - name: b\n  - name: b\n  - name: a\n",
     "8 spec.rules[2]: an earlier rule has the same name (rename one of them) [7 spec.rules[1]: the earlier "
     "one is "
     "here]"},
    {"HTTPRoute", "  rules:\n  - timeouts: {request: 10 seconds, backendRequest: 2s}\n",
     "6 spec.rules[0].timeouts.request: invalid value `10 seconds`: expected a duration as in `500ms`, `10s` "
     "or "
     "`1h30m`: whole numbers with h, m, s or ms (did you mean `10s`?)"},
    {"HTTPRoute", "  hostnames: [\"*\"]\n",
     "5 spec.hostnames[0]: invalid value `*`: expected a DNS name, with or without a leading `*.`: "
     "lower-case "
     "letters, digits, `-` and `.`, a letter or digit at both ends of each label (leave it out: every host "
     "is "
     "meant then)"},
    {"HTTPRoute", "  hostnames: [\"https://a.example/x\", \"a.example:80\"]\n",
     "5 spec.hostnames[0]: invalid value `https://a.example/x`: expected a DNS name, with or without a "
     "leading `*.`: "
     "lower-case letters, digits, `-` and `.`, a letter or digit at both ends of each label (did you mean "
     "`a.example`?)\n"
     "5 spec.hostnames[1]: invalid value `a.example:80`: expected a DNS name, with or without a leading "
     "`*.`: "
     "lower-case letters, digits, `-` and `.`, a letter or digit at both ends of each label (did you mean "
     "`a.example`?)"},
    {"HTTPRoute",
     "  rules:\n  - filters:\n    - type: CORS\n      cors: {allowOrigins: [a.example, "
     "\"https://b.example/\"]}\n",
     "8 spec.rules[0].filters[0].cors.allowOrigins[0]: invalid value `a.example`: expected `*`, or an origin "
     "as in "
     "`https://example.com` or `https://*.example.com:8443` (did you mean `https://a.example`?)\n"
     "8 spec.rules[0].filters[0].cors.allowOrigins[1]: invalid value `https://b.example/`: expected `*`, or "
     "an "
     "origin as in `https://example.com` or `https://*.example.com:8443` (did you mean "
     "`https://b.example`?)"},
    {"HTTPRoute", "  parentRef: [{name: eg}]\n",
     "5 spec.parentRef: unknown field `parentRef` (did you mean `parentRefs`?)"},
    {"HTTPRoute", "  ParentRefs: [{name: eg}]\n",
     "5 spec.ParentRefs: unknown field `ParentRefs` (did you mean `parentRefs`?)"},
    {"HTTPRoute", "  rules:\n  - backendRefs:\n    - name: a\n      port: 80\n      wieght: 1\n",
     "9 spec.rules[0].backendRefs[0].wieght: unknown field `wieght` (did you mean `weight`?)"},
    {"HTTPRoute", "  zzz: 1\n", "5 spec.zzz: unknown field `zzz`"},
    {"HTTPRoute", "  rules:\n  - filters:\n    - {type: RequestRedirect, redirect: {port: 80}}\n",
     "7 spec.rules[0].filters[0].redirect: unknown field `redirect` (did you mean `requestRedirect`?)"},
    {"HTTPRoute", "  rules:\n  - filters:\n    - {type: URLRewrite, rewrite: {}}\n",
     "7 spec.rules[0].filters[0].rewrite: unknown field `rewrite` (did you mean `urlRewrite`?)"},
    {"HTTPRoute", "  rules:\n  - filters:\n    - {type: RequestMirror, mirror: {}}\n",
     "7 spec.rules[0].filters[0].mirror: unknown field `mirror` (did you mean `requestMirror`?)"},
    {"HTTPRoute", "  rules:\n  - backends: [{name: a, port: 80}]\n",
     "6 spec.rules[0].backends: unknown field `backends` (did you mean `backendRefs`?)"},
    {"HTTPRoute", "  rules:\n  - services: [{name: a, port: 80}]\n",
     "6 spec.rules[0].services: unknown field `services` (did you mean `backendRefs`?)"},
    {"HTTPRoute", "  rules:\n  - backendRefs: [{name: a, targetPort: 80}]\n",
     "6 spec.rules[0].backendRefs[0].targetPort: unknown field `targetPort` (did you mean `port`?)"},
    {"HTTPRoute", "  parentRefs: [{name: eg, listener: http}]\n",
     "5 spec.parentRefs[0].listener: unknown field `listener` (did you mean `sectionName`?)"},
    {"Gateway",
     "  gatewayClassName: eg\n  listeners:\n  - {name: a, port: 443, protocol: HTTPS, tls: {secretName: "
     "c}}\n",
     "7 spec.listeners[0].tls.secretName: unknown field `secretName` (did you mean `certificateRefs`?)"},
    {"HTTPRoute", "  hosts: [a.example]\n",
     "5 spec.hosts: unknown field `hosts` (did you mean `hostnames`?)"},
    {"HTTPRoute", "  gateways: [eg]\n",
     "5 spec.gateways: unknown field `gateways` (did you mean `parentRefs`?)"},
    {"Gateway", "  class: eg\n  listeners: [{name: a, port: 80, protocol: HTTP}]\n",
     "5 spec.class: unknown field `class` (did you mean `gatewayClassName`?)"},
    // Levels.
    {"HTTPRoute", "  backendRefs: [{name: a, port: 80}]\n",
     "5 spec.backendRefs: unknown field `backendRefs` (`backendRefs` belongs one level deeper, inside "
     "`rules[0]`)"},
    {"HTTPRoute", "  path: {value: /}\n",
     "5 spec.path: unknown field `path` (`path` belongs two levels deeper, inside `rules[0].matches[0]`)"},
    {"HTTPRoute", "  rules:\n  - hostnames: [a.example]\n",
     "6 spec.rules[0].hostnames: unknown field `hostnames` (`hostnames` belongs one level up, beside "
     "`spec.rules`)"},
    {"HTTPRoute", "  rules:\n  - spec: {}\n",
     "6 spec.rules[0].spec: unknown field `spec` (all of this is in `spec` already)"},
    {"HTTPRoute", "  metadata: {name: a}\n",
     "5 spec.metadata: unknown field `metadata` (`metadata` belongs one level up, beside `spec`)"},
    {"Gateway",
     "  gatewayClassName: eg\n  listeners:\n  - name: a\n    port: 443\n    protocol: HTTPS\n    tls: {mode: "
     "Passthrough}\n   "
     " certificateRefs: [{name: c}]\n",
     "11 spec.listeners[0].certificateRefs: unknown field `certificateRefs` (`certificateRefs` belongs one "
     "level deeper, "
     "inside `tls`)"},
    // What other kinds have.
    {"TCPRoute", "  rules:\n  - matches: [{path: {value: /}}]\n    backendRefs: [{name: a, port: 80}]\n",
     "6 spec.rules[0].matches: unknown field `matches` (HTTPRoute has it, and TCPRoute does not)"},
    {"TLSRoute",
     "  hostnames: [a.example]\n  rules:\n  - matches: [{headers: [{name: a, value: b}]}]\n    backendRefs: "
     "[{name: a, port: 80}]\n",
     "7 spec.rules[0].matches: unknown field `matches` (HTTPRoute and GRPCRoute have it, and TLSRoute does "
     "not)"},
    {"UDPRoute", "  hostnames: [a.example]\n  rules: [{backendRefs: [{name: a, port: 80}]}]\n",
     "5 spec.hostnames: unknown field `hostnames` (HTTPRoute, GRPCRoute and TLSRoute have it, and UDPRoute "
     "does not)"},
    {"HTTPRoute", "  rules:\n  - matches: [{method: {service: a.B}}]\n",
     "6 spec.rules[0].matches[0].method: expected a string, found a map (GRPCRoute has it so, and HTTPRoute "
     "does not)"},
    {"GRPCRoute", "  rules:\n  - matches: [{method: GET, queryParams: [{name: a, value: b}]}]\n",
     "6 spec.rules[0].matches[0].method: expected a map of fields, found the string `GET` (HTTPRoute has it "
     "so, and GRPCRoute does not)\n"
     "6 spec.rules[0].matches[0].queryParams: unknown field `queryParams` (HTTPRoute has it, and GRPCRoute "
     "does not)"},
    {"GRPCRoute", "  rules:\n  - filters: [{type: URLRewrite, urlRewrite: {hostname: a.example}}]\n",
     "6 spec.rules[0].filters[0].type: unknown value `URLRewrite`: expected `RequestHeaderModifier`, "
     "`ResponseHeaderModifier`, `RequestMirror` or `ExtensionRef` (HTTPRoute takes it, and GRPCRoute does "
     "not)\n"
     "6 spec.rules[0].filters[0].urlRewrite: unknown field `urlRewrite` (HTTPRoute has it, and GRPCRoute "
     "does "
     "not)"},
    {"BackendTLSPolicy",
     "  targetRefs: [{group: '', kind: Service, name: a}]\n  validation: {hostname: a.example, "
     "wellKnownCACertificates: System}\n  tls: {mode: ClientAndServer}\n",
     "7 spec.tls: unknown field `tls` (XBackend has it, and BackendTLSPolicy does not)"},
    // Types.
    {"HTTPRoute", "  rules:\n  - backendRefs:\n    - name: a\n      port: '80'\n",
     "8 spec.rules[0].backendRefs[0].port: expected an integer, found the string `80` (write it without "
     "quotes: `80`)"},
    {"HTTPRoute", "  hostnames: a.example\n",
     "5 spec.hostnames: expected a list, found the string `a.example` (write a list: `[a.example]`)"},
    {"HTTPRoute", "  parentRefs: eg\n",
     "5 spec.parentRefs: expected a list, found the string `eg` (write a list: `[{name: eg}]`)"},
    {"HTTPRoute", "  parentRefs: [eg]\n",
     "5 spec.parentRefs[0]: expected a map of fields, found the string `eg` (write `{name: eg}`)"},
    {"HTTPRoute", "  rules:\n  - matches:\n    - path: /foo\n",
     "7 spec.rules[0].matches[0].path: expected a map of fields, found the string `/foo` (write `{type: "
     "PathPrefix, value: /foo}`)"},
    {"HTTPRoute", "  rules:\n  - matches:\n    - path: '/foo, or {not}'\n",
     "7 spec.rules[0].matches[0].path: expected a map of fields, found the string `/foo, or {not}` (write "
     "`{type: PathPrefix, value: \"/foo, or {not}\"}`)"},
    {"HTTPRoute", "  rules:\n  - matches:\n    - headers: {x-a: b, x-c: 1}\n",
     "7 spec.rules[0].matches[0].headers: expected a list, found a map (write a list: `[{name: x-a, value: "
     "b}, {name: x-c, value: \"1\"}]`)"},
    {"HTTPRoute", "  rules:\n  - matches:\n    - headers: {a: b, c: d, e: f}\n",
     "7 spec.rules[0].matches[0].headers: expected a list, found a map (write a list: `[{name: a, value: b}, "
     "{name: c, value: d}, …]`)"},
    {"HTTPRoute", "  rules:\n  - matches:\n    - headers: {name: a, value: b}\n",
     "7 spec.rules[0].matches[0].headers: expected a list, found a map (put it into a list: `[{…}]`)"},
    {"HTTPRoute", "  rules:\n    matches: []\n",
     "6 spec.rules: expected a list, found a map (begin each item with `- `)"},
    {"HTTPRoute", "  rules:\n  - timeouts: {request: 10}\n",
     "6 spec.rules[0].timeouts.request: expected a string, found the number `10` (write `10s`)"},
    {"HTTPRoute", "  rules:\n  - matches:\n    - headers: [{name: x, value: 1}]\n",
     "7 spec.rules[0].matches[0].headers[0].value: expected a string, found the number `1` (write it in "
     "quotes: `\"1\"`)"},
    {"Backend", "  fallback: yes\n  endpoints: [{ip: {address: 10.0.0.1, port: 1}}]\n",
     "5 spec.fallback: expected true or false, found the string `yes` (write `true`)"},
    // Values.
    {"HTTPRoute", "  hostnames: [Www.Example.com]\n",
     "5 spec.hostnames[0]: invalid value `Www.Example.com`: expected a DNS name, with or without a leading "
     "`*.`: "
     "lower-case letters, digits, `-` and `.`, a letter or digit at both ends of each label (did you mean "
     "`www.example.com`?)"},
    {"HTTPRoute", "  rules:\n  - matches:\n    - path: {type: Prefix, value: /}\n",
     "7 spec.rules[0].matches[0].path.type: unknown value `Prefix`: expected `Exact`, `PathPrefix` or "
     "`RegularExpression` (did you mean `PathPrefix`?)"},
    {"HTTPRoute",
     "  rules:\n  - filters: [{type: Mirror}]\n    backendRefs: [{name: a, port: 80, weight: 50%}]\n",
     "6 spec.rules[0].filters[0].type: unknown value `Mirror`: expected `RequestHeaderModifier`, "
     "`ResponseHeaderModifier`, `RequestMirror`, `ExtensionRef`, `RequestRedirect`, `URLRewrite`, `CORS` or "
     "`ExternalAuth` (did you mean `RequestMirror`?)\n"
     "7 spec.rules[0].backendRefs[0].weight: expected an integer, found the string `50%` (write `50`)"},
    {"HTTPRoute", "  rules:\n  - matches:\n    - path: {type: exact, value: /}\n",
     "7 spec.rules[0].matches[0].path.type: unknown value `exact`: expected `Exact`, `PathPrefix` or "
     "`RegularExpression` (did you mean `Exact`?)"},
    {"HTTPRoute",
     "  rules:\n  - filters:\n    - type: RequestRedirect\n      requestRedirect: {statusCode: 300}\n",
     "8 spec.rules[0].filters[0].requestRedirect.statusCode: unknown value `300`: expected `301`, `302`, "
     "`303`, `307` or "
     "`308`"},
    {"HTTPRoute", "  rules:\n  - backendRefs: [{name: a, port: 80, weight: -1}]\n",
     "6 spec.rules[0].backendRefs[0].weight: -1 is too small: at least 0 is allowed"},
    // What is missing.
    {"HTTPRoute", "  parentRefs:\n  - kind: Gateway\n",
     "6 spec.parentRefs[0].name: missing field `name` in `spec.parentRefs[0]`"},
    {"TLSRoute", "  rules:\n  - backendRefs: [{name: a, port: 443}]\n",
     "4 spec.hostnames: missing field `hostnames` in `spec`"},
    {"Gateway", "  gatewayClassName: eg\n", "4 spec.listeners: missing field `listeners` in `spec`"},
    // What there is twice.
    {"Gateway",
     "  gatewayClassName: eg\n  listeners:\n  - {name: a, port: 80, protocol: HTTP}\n  - {name: b, port: 81, "
     "protocol: HTTP}\n"
     "  - {name: a, port: 82, protocol: HTTP}\n",
     "9 spec.listeners[2]: a second item with `name` `a` [7 spec.listeners[0]: the first one is here]"},
    {"Gateway",
     "  gatewayClassName: eg\n  listeners:\n  - {name: a, port: 80, protocol: HTTP}\n  - {name: b, port: 81, "
     "protocol: HTTP}\n"
     "  - {name: c, port: 80, protocol: HTTP}\n",
     "9 spec.listeners[2]: an earlier listener has the same port, protocol and hostname (give one of them "
     "another port or "
     "hostname) [7 spec.listeners[0]: the earlier one is here]"},
    {"HTTPRoute", "  parentRefs:\n  - name: eg\n  - name: eg\n",
     "7 spec.parentRefs[1]: an earlier reference names the same parent (remove one, or give them different "
     "values of "
     "`sectionName` or `port`) [6 spec.parentRefs[0]: the earlier one is here]"},
    {"HTTPRoute",
     "  rules:\n  - filters:\n    - type: CORS\n      cors: {}\n    - type: URLRewrite\n      urlRewrite: "
     "{}\n"
     "    - type: CORS\n      cors: {}\n",
     "11 spec.rules[0].filters[2]: a second filter of type `CORS`, at most one is allowed (put all of it "
     "into one filter) "
     "[7 spec.rules[0].filters[0]: the earlier one is here]"},
    // Rules.
    {"HTTPRoute", "  rules:\n  - backendRefs:\n    - name: a\n",
     "7 spec.rules[0].backendRefs[0]: a reference to a Service needs a port (add `port`, the number of a "
     "port of the "
     "Service)"},
    {"HTTPRoute", "  rules:\n  - filters:\n    - type: RequestRedirect\n      urlRewrite: {}\n",
     "7 spec.rules[0].filters[0].type: a filter of type `RequestRedirect` needs the field `requestRedirect` "
     "(add "
     "`requestRedirect`)\n"
     "8 spec.rules[0].filters[0].urlRewrite: `urlRewrite` is set, and the filter's type is not `URLRewrite` "
     "(set `type: "
     "URLRewrite`, or remove `urlRewrite`)"},
    {"HTTPRoute", "  rules:\n  - timeouts: {request: 1s, backendRequest: 2s}\n",
     "6 spec.rules[0].timeouts.backendRequest: `backendRequest` is longer than `request`, of which it is a "
     "part"},
    {"Gateway",
     "  gatewayClassName: eg\n  listeners:\n  - {name: a, port: 80, protocol: HTTP}\n"
     "  - name: b\n    port: 81\n    protocol: HTTP\n    tls: {certificateRefs: [{name: c}]}\n",
     "11 spec.listeners[1].tls: a listener of protocol HTTP, TCP or UDP cannot have `tls` (use protocol "
     "`HTTPS` or `TLS`, "
     "or remove `tls`)"},
    {"Backend",
     "  endpoints:\n  - fqdn: {hostname: a.example, port: 1}\n  - ip: {address: 10.0.0.1, port: 1}\n",
     "7 spec.endpoints[1]: `fqdn` endpoints stand beside endpoints of other addresses (make a Backend of its "
     "own for the "
     "`fqdn` endpoints)"},
};

TEST(Errors, WordForWord) {
  for (const Row& row : kRows) EXPECT_EQ(errors_of(row.kind, row.spec), row.errors) << row.spec;
}

}  // namespace
}  // namespace sluice::api
