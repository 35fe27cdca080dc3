#include "translate/route_filters.h"

#include <regex>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "translate/header_changes.h"
#include "translate/testing.h"

namespace sluice::translate {
namespace {

// ---- what a rule's or a backendRef's filters become, in words ------------------------------------

void add_words(std::string_view whose, const ir::HeaderChanges& changes, std::vector<std::string>& words) {
  for (const ir::Header& h : changes.set)
    words.push_back(fmt::format("{} set {}={}", whose, h.name, h.value));
  for (const ir::Header& h : changes.add)
    words.push_back(fmt::format("{} add {}={}", whose, h.name, h.value));
  for (const std::string& name : changes.remove) words.push_back(fmt::format("{} remove {}", whose, name));
}

std::string path_words(const auto& path) {
  if (!path) return "";
  if (path->regex) return fmt::format(" path by {}", path->regex->pattern);
  return path->full ? fmt::format(" path {}", *path->full)
                    : fmt::format(" prefix {}", path->prefix.value_or("none"));
}

std::string host_words(const ir::Rewrite& rewrite) {
  if (rewrite.host) return " host " + *rewrite.host;
  if (rewrite.host_header) return " host of header " + *rewrite.host_header;
  if (rewrite.host_of_endpoint) return " host of the endpoint";
  return rewrite.host_from_path ? " host by " + rewrite.host_from_path->pattern : "";
}

std::string in_words(const RouteFilters& filters) {
  std::vector<std::string> words;
  if (filters.failed) words.emplace_back("500");
  add_words("request", filters.request_headers, words);
  add_words("response", filters.response_headers, words);
  if (const auto& redirect = filters.redirect) {
    std::string text = fmt::format("redirect {}", redirect->status);
    if (!redirect->scheme.empty()) text += " scheme " + redirect->scheme;
    if (redirect->host) text += " host " + *redirect->host;
    if (redirect->port) text += fmt::format(" port {}", *redirect->port);
    words.push_back(text + path_words(redirect->path));
  }
  if (const auto& rewrite = filters.rewrite) {
    words.push_back(fmt::format("rewrite{}{}{}", host_words(*rewrite), path_words(rewrite->path),
                                rewrite->append_x_forwarded_host ? "" : ", the old host is told nobody"));
  }
  if (const auto& response = filters.response) {
    words.push_back(fmt::format("answer {} {} {}", response->status, response->content_type, response->body));
  }
  for (const std::vector<ir::ValueMatch>& cookies : filters.cookies) {
    std::string text = "cookies";
    for (const ir::ValueMatch& cookie : cookies) {
      text +=
          fmt::format(" {}{}{}", cookie.name, cookie.kind == ir::MatchKind::kRegex ? "~" : "=", cookie.value);
    }
    words.push_back(std::move(text));
  }
  if (filters.credential != nullptr) words.push_back("credential " + filters.credential->of_secret->name);
  for (const ir::ExtensionPtr& filter : filters.auths) {
    const auto& auth = std::get<ir::ExtAuthz>(filter->filter);
    words.push_back(
        fmt::format("ask {} {} by {}", auth.cluster, auth.authority, auth.http ? "HTTP" : "gRPC"));
    if (auth.http)
      words.push_back(
          fmt::format("path {} answer {}", auth.http->path, fmt::join(auth.http->response_headers, ",")));
    words.push_back(fmt::format("shown {} body {}", fmt::join(auth.request_headers, ","), auth.max_body));
  }
  for (const ir::Mirror& mirror : filters.mirrors) {
    words.push_back(fmt::format("mirror {}/{} to {}", mirror.numerator, mirror.denominator, mirror.cluster));
  }
  if (const auto& cors = filters.cors) {
    words.push_back(fmt::format("cors {} {}s{}", fmt::join(cors->origins, " "), cors->max_age.count(),
                                cors->credentials ? " with credentials" : ""));
  }
  return fmt::format("{}", fmt::join(words, "; "));
}

// A sentence, the filters that it is about, and what becomes of them.
struct Row {
  const char* sentence;
  const char* filters;  // YAML
  const char* want;
};

std::string name_of(const testing::TestParamInfo<Row>& row) { return row.param.sentence; }

class FilterTest : public StageTest {
 protected:
  enum class Of { kRule, kBackend };

  struct Outcome {
    RouteFilters filters;
    std::vector<RuleFailure> failures;
    std::vector<Problem> problems;
    std::string resolved_refs;  // reason of a false one
  };

  // There are Services `blue` and, without endpoints, `idle`; and some HTTPRouteFilters.
  Outcome read(Of of, std::string_view filters) {
    add_service("blue");
    add_service("idle", false);
    inputs_.secrets.set({"default", "token"},
                        api::Secret{.metadata = {}, .type = "Opaque", .data = {{"credential", "Bearer x"}}});
    add_filter("host", "{urlRewrite: {hostname: {type: Header, header: x-host}}}");
    add_filter("endpoint", "{urlRewrite: {hostname: {type: Backend}, appendXForwardedHost: false}}");
    add_filter("path",
               "{urlRewrite: {path: {type: ReplaceRegexMatch, replaceRegexMatch: {pattern: /a, substitution: "
               "/b}}}}");
    add_filter("bad",
               "{urlRewrite: {path: {type: ReplaceRegexMatch, replaceRegexMatch: {pattern: /(, substitution: "
               "/b}}}}");
    add_filter(
        "answer",
        "{directResponse: {statusCode: 410, contentType: text/plain, body: {type: Inline, inline: gone}, "
        "header: {set: [{name: x-why, value: old}]}}}");
    add_filter("ok", "{directResponse: {}}");
    add_filter("cookie", "{matches: [{cookies: [{name: a, value: b}]}]}");
    add_filter("cookies",
               "{matches: [{cookies: [{name: c, value: d}]}, {cookies: [{name: e, type: RegularExpression, "
               "value: .*}]}]}");
    add_filter("token", "{credentialInjection: {credential: {valueRef: {name: token}}}}");
    add_backend("any", "{type: DynamicResolver}");
    const auto route = object_of<api::HTTPRoute>(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web}}
spec: {{rules: [{{filters: [{}]}}]}}
)",
                                                             with_references(filters)));
    const auto& list = route.spec.rules.at(0).filters;
    const ObjectKey key{api::kind_of<api::HTTPRoute>(), {"default", "web"}};
    const BackendAccess access;
    const BackendReader reader{key.kind, key.name.namespace_, access, settings_, inputs_, tables_};
    return run([&](flow::Reads& reads) {
      RouteBackends backends(key, reader, reads);
      Outcome outcome;
      const Place rule{nullptr, "rule"};
      outcome.filters = of == Of::kRule ? read_rule_filters(list, rule, backends, outcome.failures)
                                        : read_backend_filters(list, rule, backends);
      outcome.problems = backends.problems();
      const Condition refs = backends.resolved_refs();
      if (!refs.status) outcome.resolved_refs = refs.reason;
      return outcome;
    });
  }

  // `@name` stands for a filter that refers to an HTTPRouteFilter.
  static std::string with_references(std::string_view filters) {
    return std::regex_replace(std::string(filters), std::regex("@(\\w+)"),
                              "{type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: "
                              "HTTPRouteFilter, name: $1}}");
  }

  // "rule.filters[1]: …", and in parentheses the other places, all of the route.
  static std::string text_with_places(const Problem& problem) {
    std::string text = text_of(problem);
    for (const Related& also : problem.also) {
      EXPECT_EQ(also.object, problem.object);
      text += fmt::format(" ({}: {})", also.path, also.message);
    }
    return text;
  }

  // The only problem; the filters fail with it.
  std::string problem(const Outcome& outcome) {
    EXPECT_TRUE(outcome.filters.failed);
    return outcome.problems.size() == 1 ? text_with_places(outcome.problems[0])
                                        : fmt::format("{} problems", outcome.problems.size());
  }
};

// ---- filters without a mistake ---------------------------------------------------------------------

class GoodFilters : public FilterTest, public testing::WithParamInterface<Row> {};

TEST_P(GoodFilters, Become) {
  const Outcome outcome = read(Of::kRule, GetParam().filters);
  EXPECT_EQ(in_words(outcome.filters), GetParam().want);
  EXPECT_TRUE(outcome.problems.empty());
}

INSTANTIATE_TEST_SUITE_P(
    OfARule, GoodFilters,
    testing::Values(
        Row{"HeadersAreSetAddedAndRemoved",
            "{type: RequestHeaderModifier, requestHeaderModifier: "
            "{set: [{name: x-a, value: '1'}], add: [{name: x-b, value: '2'}], remove: [x-c]}}",
            "request set x-a=1; request add x-b=2; request remove x-c"},
        Row{"HeadersOfAnswersAreOthersThanThoseOfRequests",
            "{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-a, value: '1'}]}}",
            "response set x-a=1"},
        Row{"OfSeveralChangesToOneHeaderTheFirstCountsWhateverItsCase",
            "{type: RequestHeaderModifier, requestHeaderModifier: "
            "{set: [{name: X-A, value: '1'}, {name: x-a, value: '2'}]}}",
            "request set X-A=1"},
        Row{"ExternalAuthByHttpAsksWithAPathInFront",
            "{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {path: check/, allowedHeaders: [X-A], "
            "allowedResponseHeaders: [X-User, x-group]}, forwardBody: {maxSize: 100}, backendRef: {name: "
            "blue, "
            "port: 80}}}",
            "ask service/default/blue:80 blue.default:80 by HTTP; path /check answer x-user,x-group; "
            "shown x-a body 100"},
        Row{"ExternalAuthByGrpcAsksInHttp2",
            "{type: ExternalAuth, externalAuth: {protocol: GRPC, grpc: {}, backendRef: {name: blue, port: "
            "80}}}",
            "ask service/default/blue:80/http2 blue.default:80 by gRPC; shown  body 0"},
        Row{"WhatIsAnsweredHereNeedsLeaveAllTheSame",
            "@ok, {type: ExternalAuth, externalAuth: {protocol: GRPC, grpc: {}, backendRef: {name: blue, "
            "port: "
            "80}}}",
            "answer 200  ; ask service/default/blue:80/http2 blue.default:80 by gRPC; shown  body 0"},
        Row{"AHeaderIsRemovedOnce",
            "{type: RequestHeaderModifier, requestHeaderModifier: {remove: [x-a, X-A]}}",
            "request remove x-a"},
        Row{"ARedirectSaysWhatItChanges",
            "{type: RequestRedirect, requestRedirect: "
            "{scheme: https, hostname: new.example, port: 8443, statusCode: 308}}",
            "redirect 308 scheme https host new.example port 8443"},
        Row{"OfSeveralRedirectsTheFirstCounts",
            "{type: RequestRedirect, requestRedirect: {hostname: one.example}}, "
            "{type: RequestRedirect, requestRedirect: {hostname: two.example}}",
            "redirect 302 host one.example"},
        Row{"APathIsReplacedWhole",
            "{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /all}}}",
            "rewrite path /all"},
        Row{"APrefixIsReplaced",
            "{type: URLRewrite, urlRewrite: {hostname: in.example, "
            "path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}",
            "rewrite host in.example prefix /new"},
        Row{"OfSeveralRewritesTheFirstCounts",
            "{type: URLRewrite, urlRewrite: {hostname: one.example}}, "
            "{type: URLRewrite, urlRewrite: {hostname: two.example}}",
            "rewrite host one.example"},
        Row{"AMirrorWithoutAShareGetsEveryRequest",
            "{type: RequestMirror, requestMirror: {backendRef: {name: blue, port: 80}}}",
            "mirror 100/100 to service/default/blue:80"},
        Row{"AMirrorGetsItsPercentage",
            "{type: RequestMirror, requestMirror: {backendRef: {name: blue, port: 80}, percent: 25}}",
            "mirror 25/100 to service/default/blue:80"},
        Row{"AMirrorGetsItsFraction",
            "{type: RequestMirror, requestMirror: {backendRef: {name: blue, port: 80}, "
            "fraction: {numerator: 1, denominator: 3}}}",
            "mirror 1/3 to service/default/blue:80"},
        Row{"AMirrorOfNoRequestsIsNone",
            "{type: RequestMirror, requestMirror: {backendRef: {name: blue, port: 80}, percent: 0}}", ""},
        Row{"AMirrorThatNobodyAnswersForIsNone",
            "{type: RequestMirror, requestMirror: {backendRef: {name: idle, port: 80}}}", ""},
        Row{"AnHTTPRouteFilterTakesTheHostFromAHeader", "@host", "rewrite host of header x-host"},
        Row{"AnHTTPRouteFilterTakesTheHostOfTheEndpoint", "@endpoint",
            "rewrite host of the endpoint, the old host is told nobody"},
        Row{"AnHTTPRouteFilterReplacesPartsOfThePath", "@path", "rewrite path by /a"},
        Row{"ARewriteAndAnHTTPRouteFilterGoTogetherWhereTheyChangeAnother",
            "{type: URLRewrite, urlRewrite: {hostname: in.example}}, @path",
            "rewrite host in.example path by /a"},
        Row{"SoTheyDoTheOtherWayRound",
            "@host, {type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /all}}}",
            "rewrite host of header x-host path /all"},
        Row{"ADirectResponseIsWhatComesOfTheRule",
            "{type: RequestRedirect, requestRedirect: {hostname: one.example}}, @answer",
            "response set x-why=old; redirect 302 host one.example; answer 410 text/plain gone"},
        Row{"BehindADirectResponseNothingIsRead",
            "@ok, {type: RequestMirror, requestMirror: {backendRef: {name: nobody, port: 80}}}",
            "answer 200  "},
        Row{"CookiesAreMatches", "@cookies", "cookies c=d; cookies e~.*"},
        Row{"ACredentialIsASecret", "@token", "credential credential/httproutefilter/default/token"},
        Row{"CorsIsTakenAsItStands",
            "{type: CORS, cors: {allowOrigins: ['https://a.example'], allowCredentials: true, maxAge: 60}}",
            "cors https://a.example 60s with credentials"}),
    name_of);

// ---- filters that fail -----------------------------------------------------------------------------

class BadRuleFilters : public FilterTest, public testing::WithParamInterface<Row> {};

TEST_P(BadRuleFilters, AreReported) {
  EXPECT_EQ(problem(read(Of::kRule, GetParam().filters)), GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    OfARule, BadRuleFilters,
    testing::Values(
        Row{"TheHostIsNoHeaderToChange",
            "{type: RequestHeaderModifier, requestHeaderModifier: {remove: [Host]}}",
            "rule.filters[0].requestHeaderModifier.remove[0]: the header `Host` cannot be changed by a "
            "filter; "
            "use a filter URLRewrite with a hostname [value/header]"},
        Row{"PseudoHeadersAreEnvoys",
            "{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: ':status', value: "
            "'200'}]}}",
            "rule.filters[0].responseHeaderModifier.set[0].name: the header `:status` cannot be changed by a "
            "filter [value/header]"},
        Row{"AValueThatEnvoyWouldRefuseIsNamedWithItsPlace",
            "{type: RequestHeaderModifier, requestHeaderModifier: "
            "{add: [{name: x-a, value: fine}, {name: x-b, value: 100%}]}}",
            "rule.filters[0].requestHeaderModifier.add[1].value: a `%` stands for the begin of a command of "
            "Envoy's, and there is none; write `%%` for a percent sign [value/header]"},
        Row{"AMirrorHasToLeadSomewhere",
            "{type: RequestMirror, requestMirror: {backendRef: {name: nobody, port: 80}}}",
            "rule.filters[0].requestMirror.backendRef.name: there is no Service default/nobody "
            "[reference/not-found]"},
        Row{"NothingIsLeftToMirrorBesideARedirect",
            "{type: RequestMirror, requestMirror: {backendRef: {name: blue, port: 80}}}, "
            "{type: RequestRedirect, requestRedirect: {hostname: new.example}}",
            "rule.filters: a filter RequestMirror stands beside a RequestRedirect, and nothing is left to be "
            "mirrored; remove one of the two [support/filter]"},
        Row{"AnExtensionOfAnUnknownKindIsNoFilter",
            "{type: ExtensionRef, extensionRef: {group: example.com, kind: Magic, name: it}}",
            "rule.filters[0].extensionRef.kind: `example.com/Magic` is no kind of filters; use an "
            "HTTPRouteFilter of group gateway.envoyproxy.io [support/filter]"},
        Row{"AnExtensionMayBeOfNearlyTheRightKind",
            "{type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: HttpRouteFilters, name: "
            "it}}",
            "rule.filters[0].extensionRef.kind: `gateway.envoyproxy.io/HttpRouteFilters` is no kind of "
            "filters; did you mean `HTTPRouteFilter`? [support/filter]"},
        Row{"AnExtensionMayBeOfTheWrongGroup",
            "{type: ExtensionRef, extensionRef: {group: gateway.networking.k8s.io, kind: HTTPRouteFilter, "
            "name: it}}",
            "rule.filters[0].extensionRef.group: `gateway.networking.k8s.io/HTTPRouteFilter` is no kind of "
            "filters; its group is gateway.envoyproxy.io [support/filter]"},
        Row{"AnHTTPRouteFilterHasToExist", "@nothing",
            "rule.filters[0].extensionRef.name: there is no HTTPRouteFilter default/nothing "
            "[reference/not-found]"},
        Row{"AnHTTPRouteFilterHasToBeGood", "@bad",
            "rule.filters[0].extensionRef.name: HTTPRouteFilter default/bad cannot be used: `/(` is no "
            "regular "
            "expression: missing ): /(; see what is wrong with the filter [reference/filter]"},
        Row{"TheHostIsRewrittenOnce", "{type: URLRewrite, urlRewrite: {hostname: in.example}}, @host",
            "rule.filters[1]: two filters rewrite the host; keep one of them [conflict/filter] "
            "(rule.filters[0]: the first one is here)"},
        Row{"TheFirstThatRewritesTheHostIsNotTheFirstThatRewrites",
            "{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /all}}}, "
            "{type: RequestHeaderModifier, requestHeaderModifier: {remove: [x-a]}}, @host, @endpoint",
            "rule.filters[3]: two filters rewrite the host; keep one of them [conflict/filter] "
            "(rule.filters[2]: the first one is here)"},
        Row{"ThePathIsRewrittenOnce",
            "@path, {type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /all}}}",
            "rule.filters[1]: two filters rewrite the path; keep one of them [conflict/filter] "
            "(rule.filters[0]: the first one is here)"},
        Row{"OfHTTPRouteFiltersOneRewrites", "@host, @path",
            "rule.filters[1]: two filters rewrite the URL by HTTPRouteFilters; keep one of them "
            "[conflict/filter] (rule.filters[0]: the first one is here)"},
        Row{"OfHTTPRouteFiltersOneHasMatches", "@cookie, @cookies",
            "rule.filters[1]: two HTTPRouteFilters of a rule have `matches`; write them into one filter "
            "[conflict/filter] (rule.filters[0]: the first one is here)"},
        Row{"NothingIsLeftToMirrorBeforeADirectResponse",
            "{type: RequestMirror, requestMirror: {backendRef: {name: blue, port: 80}}}, @ok",
            "rule.filters: a filter RequestMirror stands beside a direct response, and nothing is left to be "
            "mirrored; remove one of the two [support/filter]"},
        Row{"ExternalAuthSaysWhomToAsk", "{type: ExternalAuth}",
            "rule.filters[0].type: the filter ExternalAuth does not say whom to ask; add `externalAuth` "
            "[support/filter]"},
        Row{"ExternalAuthAsksSomebodyWhoIsThere",
            "{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {}, backendRef: {name: nobody, port: "
            "80}}}",
            "rule.filters[0].externalAuth.backendRef.name: there is no Service default/nobody "
            "[reference/not-found]"},
        Row{"NoPoolDecides",
            "{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {}, backendRef: {group: "
            "inference.networking.k8s.io, kind: InferencePool, name: llama}}}",
            "rule.filters[0].externalAuth.backendRef.kind: an InferencePool cannot decide whether a request "
            "may pass; use a Service, or a Backend of group gateway.envoyproxy.io [reference/kind]"},
        Row{"WhoDecidesHasAnAddress",
            "{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {}, backendRef: {group: "
            "gateway.envoyproxy.io, kind: Backend, name: any}}}",
            "rule.filters[0].externalAuth.backendRef.name: a Backend of type DynamicResolver has no address "
            "of "
            "its own: nobody can be asked whether a request may pass; use a Service, or a Backend with "
            "endpoints [support/dynamic-resolver]"},
        Row{"ThePathOfExternalAuthLeadsNowhereElse",
            "{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {path: /check/../x}, backendRef: "
            "{name: "
            "blue, port: 80}}}",
            "rule.filters[0].externalAuth.http.path: the path `/check/../x` has a segment that is empty or "
            "leads elsewhere; write it without `.`, `..` and `//` [value/path]"},
        Row{"NorDoesItInOtherLetters",
            "{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {path: /check/%2E%2e}, backendRef: "
            "{name: "
            "blue, port: 80}}}",
            "rule.filters[0].externalAuth.http.path: the path `/check/%2E%2e` has a segment that is empty or "
            "leads elsewhere; write it without `.`, `..` and `//` [value/path]"},
        Row{"ABodyHasASize",
            "{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {}, forwardBody: {maxSize: -1}, "
            "backendRef: {name: blue, port: 80}}}",
            "rule.filters[0].externalAuth.forwardBody.maxSize: -1 is no size of a body; write a number of "
            "bytes from 0 to 4294967295 [value/size]"}),
    name_of);

class BadBackendFilters : public FilterTest, public testing::WithParamInterface<Row> {};

TEST_P(BadBackendFilters, AreReported) {
  EXPECT_EQ(problem(read(Of::kBackend, GetParam().filters)), GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    OfABackend, BadBackendFilters,
    testing::Values(Row{"CorsIsForRules", "{type: CORS, cors: {allowOrigins: ['*']}}",
                        "rule.filters[0].type: a backendRef cannot have a filter CORS; give it to the rule "
                        "[support/filter]"},
                    Row{"AnHTTPRouteFilterHasToExist", "@nothing",
                        "rule.filters[0].extensionRef.name: there is no HTTPRouteFilter default/nothing "
                        "[reference/not-found]"}),
    name_of);

// ---- who hears of a failure ------------------------------------------------------------------------

class FailedFilters : public FilterTest {};

TEST_F(FailedFilters, OfARuleAreAFailureOfTheRule) {
  const Outcome outcome = read(Of::kRule, "{type: ExternalAuth}");
  ASSERT_EQ(outcome.failures.size(), 1U);
  EXPECT_EQ(outcome.failures[0].reason, "UnsupportedValue");
  EXPECT_EQ(outcome.resolved_refs, "");
}

TEST_F(FailedFilters, OfABackendAreAFailureOfItsReference) {
  EXPECT_EQ(read(Of::kBackend, "{type: ExternalAuth}").resolved_refs, "InvalidBackendFilters");
}

TEST_F(FailedFilters, ThatDoNotExistAreAFailureOfTheReference) {
  const Outcome outcome = read(Of::kRule, "@nothing");
  EXPECT_EQ(outcome.resolved_refs, "UnsupportedValue");
  EXPECT_TRUE(outcome.failures.empty());
}

TEST_F(FailedFilters, ThatAreNoGoodAreAFailureOfTheRule) {
  const Outcome outcome = read(Of::kRule, "@bad");
  EXPECT_EQ(outcome.resolved_refs, "");
  ASSERT_EQ(outcome.failures.size(), 1U);
  EXPECT_EQ(outcome.failures[0].reason, "UnsupportedValue");
}

// ---- what means nothing ----------------------------------------------------------------------------

class WarnedFilters : public FilterTest {
 protected:
  std::string warning(Of of, std::string_view filters) {
    const Outcome outcome = read(of, filters);
    EXPECT_FALSE(outcome.filters.failed);
    return outcome.problems.size() == 1 ? text_with_places(outcome.problems[0]) : "";
  }
};

TEST_F(WarnedFilters, ABackendRefAnswersNothingItself) {
  EXPECT_EQ(warning(Of::kBackend, "@ok"),
            "rule.filters[0]: `directResponse` of an HTTPRouteFilter is for rules, and means nothing for a "
            "backendRef; give the filter to the rule [support/filter]");
}

TEST_F(WarnedFilters, ABackendRefMatchesNothing) {
  EXPECT_EQ(warning(Of::kBackend, "@cookie"),
            "rule.filters[0]: `matches` of an HTTPRouteFilter is for rules, and means nothing for a "
            "backendRef; give the filter to the rule [support/filter]");
}

TEST_F(WarnedFilters, OneCredentialIsEnough) {
  EXPECT_EQ(
      warning(Of::kRule, "@token, @token"),
      "rule.filters[1]: another filter before it adds a credential too, and the last one's counts; keep "
      "one of them [conflict/filter] (rule.filters[0]: the first one is here)");
}

TEST_F(FailedFilters, ThatReferToNothingAreAFailureOfTheReference) {
  const Outcome outcome =
      read(Of::kRule, "{type: RequestMirror, requestMirror: {backendRef: {name: nobody, port: 80}}}");
  EXPECT_EQ(outcome.resolved_refs, "BackendNotFound");
  EXPECT_TRUE(outcome.failures.empty());
}

TEST_F(FailedFilters, LeaveTheOthersAsTheyAre) {
  const Outcome outcome =
      read(Of::kRule, "{type: ExternalAuth}, {type: URLRewrite, urlRewrite: {hostname: in.example}}");
  EXPECT_EQ(in_words(outcome.filters), "500; rewrite host in.example");
}

TEST_F(FailedFilters, AllMistakesWithHeadersAreTold) {
  const Outcome outcome = read(Of::kRule,
                               "{type: RequestHeaderModifier, requestHeaderModifier: "
                               "{set: [{name: host, value: 1%}, {name: x-a, value: a}], "
                               "add: [{name: x-b, value: 2%}], remove: [x-c, ':path']}}");
  std::vector<std::string> places;
  for (const Problem& problem : outcome.problems) places.push_back(problem.path);
  const std::string filter = "rule.filters[0].requestHeaderModifier.";
  EXPECT_EQ(places, (std::vector{filter + "set[0].name", filter + "set[0].value", filter + "add[0].value",
                                 filter + "remove[1]"}));
}

// ---- who is asked --------------------------------------------------------------------------------

class ExternalAuths : public FilterTest {
 protected:
  static std::string auth(std::string_view more) {
    return fmt::format("{{type: ExternalAuth, externalAuth: {{backendRef: {{name: blue, port: 80}}, {}}}}}",
                       more);
  }
  std::string name(std::string_view filters, Of of = Of::kRule, std::size_t at = 0) {
    return read(of, filters).filters.auths.at(at)->name;
  }
};

TEST_F(ExternalAuths, AreNamedByWhatTheySay) {
  const std::string http = auth("protocol: HTTP, http: {}");
  EXPECT_TRUE(name(http).starts_with("envoy.filters.http.ext_authz/service/default/blue/")) << name(http);
  EXPECT_EQ(name(http), name(auth("protocol: HTTP, http: {path: /}, forwardBody: {maxSize: 0}")));
  for (const char* const other :
       {"protocol: GRPC, grpc: {}", "protocol: HTTP, http: {path: /a}",
        "protocol: HTTP, http: {allowedHeaders: [a]}", "protocol: HTTP, http: {allowedResponseHeaders: [a]}",
        "protocol: HTTP, http: {}, forwardBody: {maxSize: 1}"}) {
    EXPECT_NE(name(http), name(auth(other))) << other;
  }
}

TEST_F(ExternalAuths, AreAskedInTheirOrderThoseOfARuleFirst) {
  const std::string two = auth("protocol: HTTP, http: {}") + ", " + auth("protocol: GRPC, grpc: {}");
  const RouteFilters filters = read(Of::kRule, two).filters;
  EXPECT_EQ(filters.auths.at(0)->index, 0U);
  EXPECT_EQ(filters.auths.at(1)->index, 1U);
  EXPECT_TRUE(filters.auths.at(1)->name.ends_with("/1"));
  EXPECT_GT(read(Of::kBackend, two).filters.auths.at(0)->index, 1U);
}

// Else a slip would make a list of nothing, which stands for all headers.
TEST_F(ExternalAuths, KeepNamesThatNoHeaderHas) {
  const Outcome outcome = read(Of::kRule, auth("protocol: GRPC, grpc: {allowedHeaders: ['X-*', 'a b']}"));
  EXPECT_EQ(std::get<ir::ExtAuthz>(outcome.filters.auths.at(0)->filter).request_headers,
            (std::vector<std::string>{"x-*", "a b"}));
  ASSERT_EQ(outcome.problems.size(), 2U);
  EXPECT_EQ(outcome.problems[0].severity, Severity::kWarning);
  EXPECT_EQ(text_of(outcome.problems[0]),
            "rule.filters[0].externalAuth.grpc.allowedHeaders[0]: no header is called `X-*`; write each "
            "name: `*` does "
            "not stand for others [value/header]");
  EXPECT_EQ(text_of(outcome.problems[1]),
            "rule.filters[0].externalAuth.grpc.allowedHeaders[1]: no header is called `a b`; write the name "
            "of a header "
            "[value/header]");
}

TEST_F(ExternalAuths, OfABackendThatIsNotThereAreAFailureOfTheReference) {
  const Outcome outcome =
      read(Of::kRule,
           "{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {}, backendRef: {name: "
           "nobody, port: 80}}}");
  EXPECT_EQ(outcome.resolved_refs, "BackendNotFound");
  EXPECT_TRUE(outcome.failures.empty());
  EXPECT_TRUE(outcome.filters.failed);
}

TEST(HeaderNames, CompareWithoutCase) {
  EXPECT_TRUE(same_name("X-Token", "x-tOKEN"));
  EXPECT_FALSE(same_name("x-token", "x-tokens"));
}

}  // namespace
}  // namespace sluice::translate
