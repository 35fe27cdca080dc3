// The rules of an HTTPRoute, which bring all that rules can have.

#include "translate/route_rules.h"

#include <regex>
#include <set>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "translate/grpc_route.h"
#include "translate/http_route.h"
#include "translate/testing.h"

namespace sluice::translate {
namespace {

// ---- what rules become, in words -------------------------------------------------------------------

std::string in_words(const ir::RouteMatch& match) {
  std::string text = match.path.kind == ir::MatchKind::kExact   ? "= "
                     : match.path.kind == ir::MatchKind::kRegex ? "~ "
                                                                : "";
  text += match.path.value;
  if (!match.method.empty()) text += " " + match.method;
  for (const ir::ValueMatch& header : match.headers) text += " " + header.name;
  for (const ir::ValueMatch& cookie : match.cookies) text += " cookie " + cookie.name;
  if (match.below) text += fmt::format(" below {}/{}", match.below->numerator, match.below->denominator);
  return text;
}

std::string in_words(const ir::RouteAction& action) {
  if (const auto* response = std::get_if<ir::DirectResponse>(&action.action)) {
    return fmt::format("{}", response->status);
  }
  if (const auto* redirect = std::get_if<ir::Redirect>(&action.action)) {
    return fmt::format("redirect {}", redirect->status);
  }
  std::vector<std::string> parts;
  for (const ir::WeightedCluster& part : std::get<ir::Forward>(action.action).clusters) {
    parts.push_back(fmt::format("{} {}", part.weight, part.cluster.empty() ? "error" : part.cluster));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string in_words(const Conditions& conditions) {
  std::vector<std::string> words;
  for (const Condition& c : conditions) {
    words.push_back(fmt::format("{}={}/{}", c.type, c.status ? "True" : "False", c.reason));
  }
  return fmt::format("{}", fmt::join(words, " "));
}

class RuleTest : public StageTest {
 protected:
  // HTTPRoute default/web with these rules, at a Gateway whose only listener serves every host. There are
  // Services `blue`, `green` and, without endpoints, `idle`; Backends `spare`, a fallback, and `any`, which
  // is whatever the request names. And there are HTTPRouteFilters.
  RouteResult translate(std::string_view rules, std::string_view parents = "{name: gw}") {
    add_service("blue");
    add_service("green");
    add_service("idle", false);
    add_backend("spare", "{fallback: true, endpoints: [{ip: {address: 10.0.0.9, port: 80}}]}");
    add_backend("any", "{type: DynamicResolver}");
    inputs_.secrets.set({"default", "token"},
                        api::Secret{.metadata = {}, .type = "Opaque", .data = {{"credential", "Bearer x"}}});
    add_filter("gone", "{directResponse: {statusCode: 410}}");
    add_filter("ok", "{directResponse: {}}");
    add_filter("cookies", "{matches: [{cookies: [{name: a, value: b}]}, {cookies: [{name: c, value: d}]}]}");
    add_filter("bad-cookies", "{matches: [{cookies: [{name: a, type: RegularExpression, value: '*'}]}]}");
    add_filter("token", "{credentialInjection: {credential: {valueRef: {name: token}}}}");
    add_filter("header", "{urlRewrite: {hostname: {type: Header, header: x-host}}}");
    add_filter("by-path",
               "{urlRewrite: {hostname: {type: PathRegex, pathRegex: {pattern: /(.*), substitution: "
               "'\\1'}}}}");
    attach_points_.set(
        {api::kind_of<api::Gateway>(), {"default", "gw"}},
        AttachPoints{
            .proxy = "default/gw", .gateway = {"default", "gw"}, .terms = {}, .listeners = listeners_});
    const auto route = object_of<api::HTTPRoute>(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web}}
spec: {{parentRefs: [{}], rules: [{}]}}
)",
                                                             parents, with_references(rules)));
    return run([&](flow::Reads& reads) {
      return translate_http_route({"default", "web"}, route, environment_, reads);
    });
  }

  // `@name` stands for a filter that refers to an HTTPRouteFilter.
  static std::string with_references(std::string_view rules) {
    return std::regex_replace(std::string(rules), std::regex("@([-\\w]+)"),
                              "{type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: "
                              "HTTPRouteFilter, name: $1}}");
  }

  static AttachPoint listener(std::uint16_t port, bool ends_tls = false) {
    AttachPoint made;
    made.name = fmt::format("at-{}", port);
    made.port = port;
    made.supported_kinds = {{"gateway.networking.k8s.io", "HTTPRoute"}};
    made.ready = true;
    made.ends_tls = ends_tls;
    made.socket = made.route_table = fmt::format("default/gw:{}", port);
    return made;
  }

  static std::vector<ir::Route> routes(const RouteResult& result) {
    return result.contributions.empty() ? std::vector<ir::Route>()
                                        : *result.contributions.at(0).second.routes;
  }

  ir::Forward forward(std::string_view rules) {
    return std::get<ir::Forward>(routes(translate(rules)).at(0).action->action);
  }

  std::vector<AttachPoint> listeners_{listener(8080)};
};

// A sentence, the rules that it is about, and what becomes of them.
struct Row {
  const char* sentence;
  const char* rules;  // YAML
  const char* want;
};

std::string name_of(const testing::TestParamInfo<Row>& row) { return row.param.sentence; }

// ---- routes ----------------------------------------------------------------------------------------

class Routes : public RuleTest, public testing::WithParamInterface<Row> {};

TEST_P(Routes, OfRules) {
  std::vector<std::string> words;
  for (const ir::Route& route : routes(translate(GetParam().rules))) {
    words.push_back(fmt::format("{} → {}", in_words(route.match), in_words(*route.action)));
  }
  EXPECT_EQ(fmt::format("{}", fmt::join(words, "; ")), GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    Each, Routes,
    testing::Values(
        Row{"ARuleWithoutMatchesTakesEveryPath", "{backendRefs: [{name: blue, port: 80}]}",
            "/ → 1 service/default/blue:80"},
        Row{"EachMatchIsARoute",
            "{matches: [{path: {type: Exact, value: /a}}, {path: {type: PathPrefix, value: /b}}], "
            "backendRefs: [{name: blue, port: 80}]}",
            "= /a → 1 service/default/blue:80; /b → 1 service/default/blue:80"},
        Row{"BackendsShareByWeight",
            "{backendRefs: [{name: blue, port: 80, weight: 3}, {name: green, port: 80}]}",
            "/ → 3 service/default/blue:80, 1 service/default/green:80"},
        Row{"ABackendOfWeight0GetsNothing",
            "{backendRefs: [{name: blue, port: 80, weight: 0}, {name: green, port: 80}]}",
            "/ → 1 service/default/green:80"},
        Row{"AnInvalidReferenceKeepsItsShareAsAnError",
            "{backendRefs: [{name: blue, port: 80}, {name: nobody, port: 80}]}",
            "/ → 1 service/default/blue:80, 1 error"},
        Row{"WhereEveryReferenceIsInvalidTheAnswerIsAnError", "{backendRefs: [{name: nobody, port: 80}]}",
            "/ → 500"},
        Row{"ARuleWithoutBackendsIsAnError", "{}", "/ → 500"},
        Row{"ARedirectNeedsNoBackends",
            "{filters: [{type: RequestRedirect, requestRedirect: {hostname: new.example}}]}",
            "/ → redirect 302"},
        Row{"AFilterThatFailsMakesTheRuleAnError",
            "{filters: [{type: ExternalAuth}], backendRefs: [{name: blue, port: 80}]}", "/ → 500"},
        Row{"BackendsThatDifferInMoreThanHeadersAreRoutesWithRisingFractions",
            "{backendRefs: [{name: blue, port: 80, weight: 2}, {name: green, port: 80, filters: "
            "[{type: RequestRedirect, requestRedirect: {statusCode: 301}}]}, {name: nobody, port: 80}]}",
            "/ below 2/4 → 2 service/default/blue:80; / below 3/4 → redirect 301; / → 500"},
        Row{"ARuleWhoseRegularExpressionIsNoneHasNoRoute",
            "{matches: [{path: {type: RegularExpression, value: '/('}}], backendRefs: [{name: blue, port: "
            "80}]}",
            ""},
        Row{"APreflightIsForTheRuleOfTheMethodThatItAsksAbout",
            "{matches: [{method: GET}], filters: [{type: CORS, cors: {allowOrigins: ['*']}}], "
            "backendRefs: [{name: blue, port: 80}]}",
            "/ GET → 1 service/default/blue:80; "
            "/ OPTIONS origin access-control-request-method → 1 service/default/blue:80"},
        Row{"ARuleOfEveryMethodNeedsNoRouteForPreflights",
            "{filters: [{type: CORS, cors: {allowOrigins: ['*']}}], backendRefs: [{name: blue, port: 80}]}",
            "/ → 1 service/default/blue:80"},
        Row{"ADirectResponseNeedsNoBackends", "{filters: [@gone]}", "/ → 410"},
        Row{"CookiesOfAFilterGoWithEachMatch",
            "{matches: [{path: {value: /a}}, {path: {value: /b}}], filters: [@cookies], backendRefs: [{name: "
            "blue, port: 80}]}",
            "/a cookie a → 1 service/default/blue:80; /a cookie c → 1 service/default/blue:80; "
            "/b cookie a → 1 service/default/blue:80; /b cookie c → 1 service/default/blue:80"},
        Row{"ARuleWhoseCookiesAreNoneHasNoRoute",
            "{filters: [@bad-cookies], backendRefs: [{name: blue, port: 80}]}", ""},
        Row{"ABackendWithACredentialIsAClusterOfItsOwn",
            "{backendRefs: [{name: blue, port: 80, filters: [@token]}, {name: blue, port: 80}]}",
            "/ → 1 service/default/blue:80/credential/httproutefilter/default/token, 1 "
            "service/default/blue:80"},
        Row{"ABackendWhoseHostIsNotWrittenDownIsARoute",
            "{backendRefs: [{name: blue, port: 80, filters: [@header]}, {name: green, port: 80}]}",
            "/ below 1/2 → 1 service/default/blue:80; / → 1 service/default/green:80"},
        Row{"AWhateverHostIsNotMadeOfThePath",
            "{filters: [@by-path], backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: any}]}",
            "/ → 500"},
        Row{"AWhateverHostHasToBeAlone",
            "{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: any}, {name: blue, port: "
            "80}]}",
            "/ → 500"}),
    name_of);

TEST_F(RuleTest, ARouteKnowsItsRule) {
  const RouteResult result = translate(
      "{matches: [{path: {type: PathPrefix, value: /a}}, {path: {type: PathPrefix, value: /b}}]}, {name: "
      "last}");
  EXPECT_EQ(*result.contributions.at(0).second.rules, (std::vector<std::uint32_t>{0, 0, 1}));
  EXPECT_EQ(routes(result).at(2).rule_name, "last");
}

TEST_F(RuleTest, AListenerThatTwoParentRefsNameGetsTheRoutesOnce) {
  const RouteResult result = translate("{}", "{name: gw}, {name: gw, sectionName: http}");
  EXPECT_EQ(result.parents.size(), 2U);
  EXPECT_EQ(result.contributions.size(), 1U);
}

// ---- conditions ------------------------------------------------------------------------------------

// ---- leave to pass ---------------------------------------------------------------------------------

class RulesWithAuth : public RuleTest {
 protected:
  // Of each route whether somebody is asked, and what becomes of the request then.
  std::string asked(std::string_view rules) {
    std::vector<std::string> words;
    for (const ir::Route& route : routes(translate(rules))) {
      words.push_back(fmt::format("{}{} → {}", in_words(route.match),
                                  route.action->extensions ? " asked" : "", in_words(*route.action)));
    }
    return fmt::format("{}", fmt::join(words, "; "));
  }
};

constexpr std::string_view kAuth =
    "{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {}, backendRef: {name: idle, port: 80}}}";

TEST_F(RulesWithAuth, AskWhateverTheyDoWithTheRequest) {
  EXPECT_EQ(asked(fmt::format("{{filters: [{}], backendRefs: [{{name: blue, port: 80}}]}}", kAuth)),
            "/ asked → 1 service/default/blue:80");
  EXPECT_EQ(asked(fmt::format("{{filters: [{}, @gone]}}", kAuth)), "/ asked → 410");
  EXPECT_EQ(asked(fmt::format("{{filters: [@gone, {}]}}", kAuth)), "/ asked → 410");
  EXPECT_EQ(asked(fmt::format(
                "{{filters: [{}, {{type: RequestRedirect, requestRedirect: {{hostname: a.b}}}}]}}", kAuth)),
            "/ asked → redirect 302");
}

TEST_F(RulesWithAuth, AskForOneBackendOnARouteOfItsOwn) {
  EXPECT_EQ(
      asked(fmt::format(
          "{{backendRefs: [{{name: blue, port: 80}}, {{name: green, port: 80, filters: [{}]}}]}}", kAuth)),
      "/ below 1/2 → 1 service/default/blue:80; / asked → 1 service/default/green:80");
}

TEST_F(RulesWithAuth, BringTheFilterAndTheClusterOfItsService) {
  const RouteResult result = translate(fmt::format(
      "{{filters: [{0}], backendRefs: [{{name: blue, port: 80}}]}}, "
      "{{matches: [{{path: {{value: /b}}}}], filters: [{0}], backendRefs: [{{name: blue, port: 80}}]}}",
      kAuth));
  ASSERT_EQ(result.extensions.size(), 1U) << "both rules share it";
  EXPECT_EQ(result.extensions[0].first, "default/gw:8080");
  EXPECT_EQ(std::get<ir::ExtAuthz>(result.extensions[0].second->filter).cluster, "service/default/idle:80");
  std::set<std::string> clusters;
  for (const auto& [key, row] : result.clusters) clusters.insert(key.name);
  EXPECT_EQ(clusters, (std::set<std::string>{"service/default/blue:80", "service/default/idle:80"}));
  EXPECT_EQ(find_condition(result.parents.at(0).conditions, "BackendsAvailable")->message,
            "Nothing is ready to answer for Service default/idle");
}

TEST_F(RulesWithAuth, LetNobodyPassWhereTheServiceIsMissing) {
  EXPECT_EQ(
      asked("{filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {}, backendRef: {name: "
            "nobody, port: 80}}}], backendRefs: [{name: blue, port: 80}]}"),
      "/ → 500");
}

class RuleConditions : public RuleTest, public testing::WithParamInterface<Row> {};

TEST_P(RuleConditions, Say) {
  const RouteResult result = translate(GetParam().rules);
  EXPECT_EQ(in_words(result.parents.at(0).conditions), GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    Each, RuleConditions,
    testing::Values(
        Row{"ThatAllIsWell", "{backendRefs: [{name: blue, port: 80}]}",
            "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs"},
        Row{"ThatSomeRuleIsDropped",
            "{backendRefs: [{name: blue, port: 80}]}, {filters: [{type: ExternalAuth}]}",
            "Accepted=True/Accepted PartiallyInvalid=True/UnsupportedValue ResolvedRefs=True/ResolvedRefs"},
        Row{"ThatNoRuleIsLeft", "{filters: [{type: ExternalAuth}]}",
            "Accepted=False/UnsupportedValue ResolvedRefs=True/ResolvedRefs"},
        Row{"ThatAFilterIsMissing", "{filters: [@nothing]}",
            "Accepted=True/Accepted ResolvedRefs=False/UnsupportedValue"},
        Row{"ThatAFilterOfABackendIsMissing", "{backendRefs: [{name: blue, port: 80, filters: [@nothing]}]}",
            "Accepted=True/Accepted ResolvedRefs=False/InvalidBackendFilters"},
        Row{"ThatAFilterIsNoGood", "{filters: [@bad-cookies]}",
            "Accepted=False/UnsupportedValue ResolvedRefs=True/ResolvedRefs"},
        Row{"ThatAReferenceLeadsNowhere", "{backendRefs: [{name: nobody, port: 80}]}",
            "Accepted=True/Accepted ResolvedRefs=False/BackendNotFound"},
        Row{"ThatNobodyAnswersForABackend", "{backendRefs: [{name: idle, port: 80}]}",
            "Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs "
            "BackendsAvailable=False/EndpointsNotFound"}),
    name_of);

// ---- problems --------------------------------------------------------------------------------------

class RuleProblems : public RuleTest, public testing::WithParamInterface<Row> {};

TEST_P(RuleProblems, AreReported) {
  const RouteResult result = translate(GetParam().rules);
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_EQ(text_of(result.problems[0]), GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    Each, RuleProblems,
    testing::Values(
        Row{"NobodyAnswersForARuleWithoutBackends",
            "{filters: [{type: URLRewrite, urlRewrite: {hostname: in.example}}]}",
            "spec.rules[0]: the rule has no backend: every request that it takes is answered with 500; add "
            "`backendRefs`, or a filter that answers, as RequestRedirect does [value/no-backend]"},
        Row{"NobodyAnswersForARuleWhoseWeightsAreAll0",
            "{backendRefs: [{name: blue, port: 80, weight: 0}, {name: green, port: 80, weight: 0}]}",
            "spec.rules[0].backendRefs: the rule has no backend with a weight above 0: every request that it "
            "takes is answered with 500; give one of them a `weight` [value/no-backend]"},
        Row{"APathHasToBeARegularExpression", "{matches: [{path: {type: RegularExpression, value: '/('}}]}",
            "spec.rules[0].matches[0].path.value: `/(` is no regular expression: missing ): /( "
            "[value/regex]"},
        Row{"AHeadersValueHasToBeARegularExpression",
            "{matches: [{}, {headers: [{name: x-a, value: a}, "
            "{name: x-b, type: RegularExpression, value: '*'}]}]}",
            "spec.rules[0].matches[1].headers[1].value: `*` is no regular expression: no argument for "
            "repetition operator: * [value/regex]"},
        Row{"AQueryParametersValueHasToBeARegularExpression",
            "{matches: [{queryParams: [{name: q, type: RegularExpression, value: '['}]}]}",
            "spec.rules[0].matches[0].queryParams[0].value: `[` is no regular expression: missing ]: [ "
            "[value/regex]"},
        Row{"AQueryParametersValueHasOneLine", "{matches: [{queryParams: [{name: q, value: \"a\\nb\"}]}]}",
            "spec.rules[0].matches[0].queryParams[0].value: a value in the head of a message has one line, "
            "and "
            "no character NUL [value/match]"},
        Row{"AQueryParametersValueIsAsClientsSendIt",
            "{matches: [{queryParams: [{name: q, value: a b}]}], backendRefs: [{name: blue, port: 80}]}",
            "spec.rules[0].matches[0].queryParams[0].value: no query has the text `a b`: it is compared with "
            "what is sent; write it as clients send it, with `%20` for a space, for instance [value/match]"},
        Row{"ARegularExpressionHasNoNul",
            "{matches: [{headers: [{name: a, type: RegularExpression, value: \"a\\0\"}]}]}",
            "spec.rules[0].matches[0].headers[0].value: a regular expression has no character NUL "
            "[value/regex]"},
        Row{"APathThatARewriteSetsHasOneLine",
            "{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: "
            "\"/a\\r\\nb\"}}}], backendRefs: [{name: blue, port: 80}]}",
            "spec.rules[0].filters[0].urlRewrite.path.replaceFullPath: a value in the head of a message has "
            "one "
            "line, and no character NUL [value/path]"},
        Row{"APathThatABackendsRedirectSetsHasOneLine",
            "{backendRefs: [{name: blue, port: 80, filters: [{type: RequestRedirect, requestRedirect: {path: "
            "{type: ReplacePrefixMatch, replacePrefixMatch: \"/a\\n/\"}}}]}]}",
            "spec.rules[0].backendRefs[0].filters[0].requestRedirect.path.replacePrefixMatch: a value in the "
            "head of a message has one line, and no character NUL [value/path]"},
        Row{"ASessionsCookieNeedsTheNameOfOne",
            "{sessionPersistence: {sessionName: \"a b;c\"}, backendRefs: [{name: blue, port: 80}]}",
            "spec.rules[0].sessionPersistence.sessionName: no session is kept: `a b;c` cannot be the name of "
            "a "
            "cookie; use letters, digits, `-` and `_` [value/session-name]"},
        Row{"ASessionsHeaderIsNoneOfTheMessageItself",
            "{sessionPersistence: {sessionName: Content-Length, type: Header}, backendRefs: [{name: blue, "
            "port: "
            "80}]}",
            "spec.rules[0].sessionPersistence.sessionName: no session is kept: `Content-Length` cannot be "
            "the "
            "name of a header that tells it; use a header of your own, of letters, digits and `-`, as in "
            "`x-session` [value/session-name]"},
        Row{"AMirrorOfLessThanAMillionthGetsNothing",
            "{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: green, port: 80}, fraction: "
            "{numerator: 1, denominator: 2147483647}}}], backendRefs: [{name: blue, port: 80}]}",
            "spec.rules[0].filters[0].requestMirror.fraction: less than one request in a million is to be "
            "mirrored: none is; write a larger `fraction` [value/fraction]"},
        Row{"OfTheRootPrefixTheSlashItselfIsReplaced",
            "{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: "
            "/new}}}], backendRefs: [{name: blue, port: 80}]}",
            "spec.rules[0].filters[0].urlRewrite.path.replacePrefixMatch: of the prefix `/` the slash is "
            "replaced: `/x` becomes `/newx`; write `/new/` [value/root-prefix]"},
        Row{"OfTheRootPrefixTheSlashItselfIsReplacedForOneBackendToo",
            "{backendRefs: [{name: blue, port: 80, filters: [{type: URLRewrite, urlRewrite: {path: {type: "
            "ReplacePrefixMatch, replacePrefixMatch: /new}}}]}]}",
            "spec.rules[0].backendRefs[0].filters[0].urlRewrite.path.replacePrefixMatch: of the prefix `/` "
            "the slash is replaced: `/x` becomes `/newx`; write `/new/` [value/root-prefix]"},
        Row{"AnotherPrefixBeginsWithASlash",
            "{matches: [{path: {value: /old}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: "
            "ReplacePrefixMatch, replacePrefixMatch: new}}}], backendRefs: [{name: blue, port: 80}]}",
            "spec.rules[0].filters[0].urlRewrite.path.replacePrefixMatch: `new` does not begin with a slash, "
            "as every path does; write `/new` [value/path]"},
        Row{"AnotherPrefixInPlaceOfTheRootHasASlashAtBothEnds",
            "{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: "
            "new}}}], backendRefs: [{name: blue, port: 80}]}",
            "spec.rules[0].filters[0].urlRewrite.path.replacePrefixMatch: `new` does not begin with a slash, "
            "as every path does; write `/new/` [value/path]"},
        Row{"AnotherPathBeginsWithASlash",
            "{filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, "
            "replaceFullPath: new}}}]}",
            "spec.rules[0].filters[0].requestRedirect.path.replaceFullPath: `new` does not begin with a "
            "slash, as every path does; write `/new` [value/path]"},
        Row{"APathIsNotReplacedByNothing",
            "{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: "
            "''}}}], backendRefs: [{name: blue, port: 80}]}",
            "spec.rules[0].filters[0].urlRewrite.path.replaceFullPath: the path is replaced by nothing, "
            "which counts as `/`; write `/` [value/path]"},
        Row{"OnlyAPermanentCookieEndsByATimeout",
            "{sessionPersistence: {absoluteTimeout: 1h}, backendRefs: [{name: blue, port: 80}]}",
            "spec.rules[0].sessionPersistence.absoluteTimeout: only a cookie of lifetime `Permanent` ends by "
            "a "
            "timeout; set `cookieConfig.lifetimeType: Permanent` [support/session-timeout]"},
        Row{"NoSessionHoldsOverBackendsWithFiltersOfTheirOwn",
            "{sessionPersistence: {}, backendRefs: [{name: blue, port: 80}, {name: green, port: 80, filters: "
            "[{type: URLRewrite, urlRewrite: {hostname: in.example}}]}]}",
            "spec.rules[0].sessionPersistence: no session can hold over these backends: one has filters of "
            "its own; remove the filters of the backendRefs, or make a rule of its own for each backend "
            "[support/session]"},
        Row{"AFallbackStandsBesideBackendsWithoutFiltersOnly",
            "{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: spare}, {name: green, port: "
            "80, "
            "filters: [{type: URLRewrite, urlRewrite: {hostname: in.example}}]}]}",
            "spec.rules[0].backendRefs: a backend has filters of its own, and so the fallback beside it gets "
            "its share of the requests at all times; put the filters on the rule [support/fallback]"},
        Row{"AHostOfTheRequestsChoiceStandsAlone",
            "{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: any}, {name: blue, port: "
            "80}]}",
            "spec.rules[0].backendRefs: a Backend of type DynamicResolver stands beside others, and a "
            "request "
            "goes to one host; make it the only backend of its rule [support/dynamic-resolver]"},
        Row{"AHostOfTheRequestsChoiceIsNotMadeOfThePath",
            "{filters: [@by-path], backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: any}]}",
            "spec.rules[0].backendRefs: a filter takes the host from the path, to which a DynamicResolver "
            "never sends; take it from a header [support/dynamic-resolver]"},
        Row{"ARuleDoesNotMakeTheHostOfARequestTheProxysOwnMachine",
            "{filters: [{type: URLRewrite, urlRewrite: {hostname: localhost}}], backendRefs: [{group: "
            "gateway.envoyproxy.io, kind: Backend, name: any}]}",
            "spec.rules[0].filters[0].urlRewrite.hostname: `localhost` is the proxy's own machine, to which "
            "a DynamicResolver never sends [support/dynamic-resolver]"},
        Row{"NorDoesABackendRef",
            "{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: any, filters: [{type: "
            "URLRewrite, urlRewrite: {hostname: 127.0.0.2}}]}]}",
            "spec.rules[0].backendRefs[0].filters[0].urlRewrite.hostname: `127.0.0.2` is the proxy's own "
            "machine, to which a DynamicResolver never sends [support/dynamic-resolver]"},
        Row{"NorForAMirror",
            "{filters: [{type: URLRewrite, urlRewrite: {hostname: a.localhost}}, {type: RequestMirror, "
            "requestMirror: {backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: any}}}], "
            "backendRefs: [{name: blue, port: 80}]}",
            "spec.rules[0].filters[0].urlRewrite.hostname: `a.localhost` is the proxy's own machine, to "
            "which a DynamicResolver never sends [support/dynamic-resolver]"}),
    name_of);

TEST_F(RuleTest, WhoeverSendsToTheHostOfTheRequestIsGuarded) {
  constexpr std::string_view kAny = "group: gateway.envoyproxy.io, kind: Backend, name: any";
  const std::string mirror =
      fmt::format("filters: [{{type: RequestMirror, requestMirror: {{backendRef: {{{}}}}}}}]", kAny);
  EXPECT_FALSE(forward("{backendRefs: [{name: blue, port: 80}]}").dynamic);
  EXPECT_TRUE(forward(fmt::format("{{backendRefs: [{{{}}}]}}", kAny)).dynamic);
  EXPECT_TRUE(forward(fmt::format("{{{}, backendRefs: [{{name: blue, port: 80}}]}}", mirror)).dynamic);
  EXPECT_TRUE(forward(fmt::format("{{backendRefs: [{{name: blue, port: 80, {}}}]}}", mirror)).dynamic);
}

TEST_F(RuleTest, OnlyRedirectsDependOnTheListener) {
  constexpr std::string_view kRedirect =
      "{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301}}]}";
  listeners_ = {listener(8080), listener(8443, true)};
  std::vector<std::optional<std::uint16_t>> ports;
  for (const auto& [host, contribution] : translate(kRedirect).contributions) {
    ports.push_back(std::get<ir::Redirect>(contribution.routes->at(0).action->action).port);
  }
  EXPECT_EQ(ports, (std::vector<std::optional<std::uint16_t>>{8080, 8443}));
  const RouteResult others = translate("{backendRefs: [{name: blue, port: 80}]}");
  EXPECT_EQ(others.contributions.at(0).second.routes, others.contributions.at(1).second.routes) << "shared";
}

// ---- limits ----------------------------------------------------------------------------------------

TEST_F(RuleTest, WithoutRetriesTheOnlyTryIsTheWholeRequest) {
  const ir::Forward made =
      forward("{timeouts: {request: 10s, backendRequest: 2s}, backendRefs: [{name: blue, port: 80}]}");
  EXPECT_EQ(made.timeout, std::chrono::seconds(2));
}

TEST_F(RuleTest, WithRetriesEachTryHasItsOwnLimit) {
  const ir::Forward made = forward(
      "{timeouts: {request: 10s, backendRequest: 2s}, retry: {attempts: 3}, backendRefs: [{name: blue, port: "
      "80}]}");
  EXPECT_EQ(made.timeout, std::chrono::seconds(10));
  EXPECT_EQ(made.retry->per_try_timeout, std::chrono::seconds(2));
}

TEST_F(RuleTest, ARetryWithoutCodesIsOf503) {
  EXPECT_EQ(forward("{retry: {attempts: 3}, backendRefs: [{name: blue, port: 80}]}").retry->codes,
            std::vector<std::uint32_t>{503});
}

TEST_F(RuleTest, ASilentRequestEndsNoEarlierThanItMay) {
  EXPECT_EQ(forward("{timeouts: {request: 2h}, backendRefs: [{name: blue, port: 80}]}").idle_timeout,
            std::chrono::hours(2));
}

TEST_F(RuleTest, ARequestThatMayTakeAnyTimeMayBeSilentForIt) {
  EXPECT_EQ(forward("{timeouts: {request: 0s}, backendRefs: [{name: blue, port: 80}]}").idle_timeout,
            std::chrono::seconds(0));
}

TEST_F(RuleTest, ABackendThatNobodyAnswersForIsNamedOnce) {
  const RouteResult result =
      translate("{backendRefs: [{name: idle, port: 80}]}, {backendRefs: [{name: idle, port: 80}]}");
  EXPECT_EQ(result.parents.at(0).conditions.back().message,
            "Nothing is ready to answer for Service default/idle");
}

TEST_F(RuleTest, NobodyIsAskedOnlyWhereNobodyIsReadyAtAll) {
  EXPECT_TRUE(forward("{backendRefs: [{name: idle, port: 80}]}").nobody_ready);
  EXPECT_FALSE(forward("{backendRefs: [{name: idle, port: 80}, {name: blue, port: 80}]}").nobody_ready);
  EXPECT_FALSE(forward("{backendRefs: [{name: idle, port: 80}, {name: nobody, port: 80}]}").nobody_ready);
}

// ---- sessions and fallbacks: one cluster for several backends ----------------------------------------

TEST_F(RuleTest, OfBackendsThatAreOneClusterOneReadyIsEnough) {
  EXPECT_FALSE(
      forward("{sessionPersistence: {}, backendRefs: [{name: idle, port: 80}, {name: blue, port: 80}]}")
          .nobody_ready);
}

TEST_F(RuleTest, ASessionMakesItsBackendsOneCluster) {
  const ir::Forward made =
      forward("{sessionPersistence: {}, backendRefs: [{name: blue, port: 80}, {name: green, port: 80}]}");
  ASSERT_EQ(made.clusters.size(), 1U);
  EXPECT_TRUE(made.clusters[0].cluster.starts_with("session/default/web/")) << made.clusters[0].cluster;
}

TEST_F(RuleTest, ASessionsClusterKeepsItsNameWhateverTheWeightsAndTheirOrder) {
  const auto cluster = [this](std::string_view backends) {
    return forward(fmt::format("{{sessionPersistence: {{}}, backendRefs: [{}]}}", backends))
        .clusters.at(0)
        .cluster;
  };
  EXPECT_EQ(cluster("{name: blue, port: 80}, {name: green, port: 80}"),
            cluster("{name: green, port: 80, weight: 7}, {name: blue, port: 80}"));
}

TEST_F(RuleTest, ASessionWhoseNameWouldBeLinesOfTheHeadIsNotKept) {
  EXPECT_FALSE(forward("{sessionPersistence: {sessionName: \"x: y\\r\\nSet-Cookie: a=b\", type: Header}, "
                       "backendRefs: [{name: blue, port: 80}]}")
                   .session);
}

TEST_F(RuleTest, ASessionOverOneBackendNeedsNoClusterOfItsOwn) {
  EXPECT_EQ(forward("{sessionPersistence: {}, backendRefs: [{name: blue, port: 80}]}").clusters.at(0).cluster,
            "service/default/blue:80");
}

TEST_F(RuleTest, AFallbackIsOfALaterPriorityInOneCluster) {
  const RouteResult result = translate(
      "{backendRefs: [{name: blue, port: 80}, {group: gateway.envoyproxy.io, kind: Backend, name: spare}]}");
  ASSERT_EQ(result.clusters.size(), 1U);
  std::vector<std::string> members;
  for (const ClusterRow::Member& member : result.clusters[0].second->members) {
    members.push_back(fmt::format("{} {}", member.priority, member.row->cluster.name));
  }
  EXPECT_EQ(members, (std::vector<std::string>{"1 backend/default/spare", "0 service/default/blue:80"}));
}

TEST_F(RuleTest, AFallbackAloneIsUsedAsAnyBackend) {
  EXPECT_EQ(forward("{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: spare}]}")
                .clusters.at(0)
                .cluster,
            "backend/default/spare");
}

// ---- what listeners need for the route ---------------------------------------------------------------

TEST_F(RuleTest, AListenerLearnsOfEachFilterThatARuleNeeds) {
  const RouteResult result = translate(
      "{filters: [{type: CORS, cors: {allowOrigins: ['*']}}], backendRefs: [{name: blue, port: 80}]}, "
      "{sessionPersistence: {}, backendRefs: [{name: blue, port: 80}]}, "
      "{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: any}]}");
  EXPECT_EQ(result.filters, (std::set<ir::RouteFilter>{ir::RouteFilter::kCors, ir::RouteFilter::kSession,
                                                       ir::RouteFilter::kLoopbackGuard}));
}

TEST_F(RuleTest, ACredentialIsAFilterOfTheListenerAndASecret) {
  const RouteResult result = translate("{filters: [@token], backendRefs: [{name: blue, port: 80}]}");
  ASSERT_EQ(result.extensions.size(), 1U);
  EXPECT_EQ(result.extensions[0].first, "default/gw:8080");
  EXPECT_EQ(result.extensions[0].second->name,
            "envoy.filters.http.credential_injector/httproutefilter/default/token");
  ASSERT_EQ(result.secrets.size(), 1U);
  EXPECT_EQ(result.secrets[0].first.name, "credential/httproutefilter/default/token");
  ASSERT_TRUE(routes(result).at(0).action->extensions);
  EXPECT_EQ(routes(result).at(0).action->extensions->at(0).name, result.extensions[0].second->name);
}

TEST_F(RuleTest, ACredentialOfABackendIsNoFilterOfTheListener) {
  const RouteResult result = translate("{backendRefs: [{name: blue, port: 80, filters: [@token]}]}");
  EXPECT_TRUE(result.extensions.empty());
  EXPECT_EQ(result.secrets.size(), 1U);
  ASSERT_EQ(result.clusters.size(), 1U);
  EXPECT_TRUE(result.clusters[0].second->cluster.credential);
}

TEST_F(RuleTest, ARouteKnowsTheHTTPRouteFiltersThatItRead) {
  EXPECT_EQ(translate("{filters: [@gone]}, {filters: [@nothing]}, {filters: [@gone]}").extended_filters,
            (std::vector<NamespacedName>{{"default", "gone"}, {"default", "nothing"}}));
}

// A GRPCRoute with one rule of these filters.
class GrpcFilters : public StageTest {
 protected:
  RouteResult translate(std::string_view filter) {
    add_filter("ok", "{directResponse: {}}");
    add_filter("gone", "{directResponse: {statusCode: 410}}");
    AttachPoint listener;
    listener.supported_kinds = {{"gateway.networking.k8s.io", "GRPCRoute"}};
    listener.ready = true;
    listener.socket = listener.route_table = "default/gw:80";
    attach_points_.set(
        {api::kind_of<api::Gateway>(), {"default", "gw"}},
        AttachPoints{
            .proxy = "default/gw", .gateway = {"default", "gw"}, .terms = {}, .listeners = {listener}});
    const auto route = object_of<api::GRPCRoute>(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {{name: web}}
spec:
  parentRefs: [{{name: gw}}]
  rules:
  - filters:
    - {{type: ExtensionRef, extensionRef: {{group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: {}}}}}
)",
                                                             filter));
    return run([&](flow::Reads& reads) {
      return translate_grpc_route({"default", "web"}, route, environment_, reads);
    });
  }
};

TEST_F(GrpcFilters, ACallMayBeAnsweredWithAnError) {
  const RouteResult result = translate("gone");
  EXPECT_TRUE(result.problems.empty());
  EXPECT_EQ(in_words(*result.contributions.at(0).second.routes->at(0).action), "410");
}

TEST_F(GrpcFilters, ACallIsNotAnsweredWithSuccess) {
  const RouteResult result = translate("ok");
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_EQ(text_of(result.problems[0]),
            "spec.rules[0].filters[0].extensionRef: a direct response with status 200 is no answer to a gRPC "
            "call; set a `statusCode` that is none of success [value/status]");
  EXPECT_EQ(in_words(*result.contributions.at(0).second.routes->at(0).action), "500");
}

// ---- matches by name ---------------------------------------------------------------------------------

TEST(TranslateValues, OfSeveralMatchesOfOneHeaderTheFirstCounts) {
  const auto values = translate_values({{.name = "X-A", .value = "1"}, {.name = "x-a", .value = "2"}}, true);
  ASSERT_EQ(values.size(), 1U);
  EXPECT_EQ(values[0].value, "1");
}

TEST(TranslateValues, QueryParametersDifferByCase) {
  EXPECT_EQ(translate_values({{.name = "Q", .value = "1"}, {.name = "q", .value = "2"}}, false).size(), 2U);
}

}  // namespace
}  // namespace sluice::translate
