#include "translate/extended_filter.h"

#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "translate/testing.h"

namespace sluice::translate {
namespace {

class ExtendedFilterTest : public StageTest {
 protected:
  // Of an HTTPRouteFilter default/it. There are ConfigMaps and Secrets.
  ExtendedFilterRow read(std::string_view spec) {
    const auto add_map = [&](const char* name, api::StringMap data, api::StringMap binary = {}) {
      inputs_.config_maps.set(
          {"default", name},
          api::ConfigMap{.metadata = {}, .data = std::move(data), .binary_data = std::move(binary)});
    };
    add_map("named", {{"a", "first"}, {"response.body", "it"}});
    add_map("first", {{"b", "second"}, {"a", "first"}});
    add_map("bytes", {},
            {{"logo.png",
              "\x89"
              "50%"}});
    add_map("empty", {});
    const auto add_secret = [&](const char* name, const char* space, api::StringMap data) {
      inputs_.secrets.set({space, name},
                          api::Secret{.metadata = {}, .type = "Opaque", .data = std::move(data)});
    };
    add_secret("token", "default", {{"credential", "Bearer hidden"}});
    add_secret("line", "default", {{"credential", "Bearer hidden\n"}});
    add_secret("other", "default", {{"password", "hidden"}});
    add_secret("far", "elsewhere", {{"credential", "Bearer hidden"}});
    const auto filter =
        object_of<api::ExtendedRouteFilter>(fmt::format("apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: "
                                                        "HTTPRouteFilter\nmetadata: {{name: it}}\nspec: {}\n",
                                                        spec));
    return run([&](flow::Reads& reads) {
      return read_extended_filter({"default", "it"}, filter, inputs_, tables_, reads);
    });
  }
};

// ---- bodies of direct responses --------------------------------------------------------------------

struct Body {
  const char* sentence;
  const char* body;  // YAML
  const char* want;
};

class Bodies : public ExtendedFilterTest, public testing::WithParamInterface<Body> {};

TEST_P(Bodies, Are) {
  const ExtendedFilterRow row = read(fmt::format("{{directResponse: {{body: {}}}}}", GetParam().body));
  EXPECT_TRUE(row.problems.empty());
  ASSERT_TRUE(row.response);
  EXPECT_EQ(row.response->body, GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    OfDirectResponses, Bodies,
    testing::Values(Body{"Inline", "{type: Inline, inline: 'by %PROTOCOL%, 100%%'}", "by %PROTOCOL%, 100%%"},
                    Body{"OfTheKeyOfThatName",
                         "{type: ValueRef, valueRef: {group: '', kind: ConfigMap, name: named}}", "it"},
                    Body{"ElseOfTheFirstKey",
                         "{type: ValueRef, valueRef: {group: '', kind: ConfigMap, name: first}}", "first"},
                    Body{"BytesAsTheyAre",
                         "{type: ValueRef, valueRef: {group: '', kind: ConfigMap, name: bytes}}",
                         "\x89"
                         "50%%"}),
    [](const auto& row) { return std::string(row.param.sentence); });

// ---- what is wrong ---------------------------------------------------------------------------------

struct Bad {
  const char* sentence;
  const char* spec;  // YAML
  const char* want;
};

class BadFilters : public ExtendedFilterTest, public testing::WithParamInterface<Bad> {};

TEST_P(BadFilters, SayWhy) {
  const ExtendedFilterRow row = read(GetParam().spec);
  ASSERT_EQ(row.problems.size(), 1U);
  EXPECT_EQ(text_of(row.problems[0]), GetParam().want);
  ASSERT_TRUE(row.failure);
  EXPECT_EQ(row.failure->reason, "UnsupportedValue");
  EXPECT_FALSE(row.rewrite || row.response || row.credential);
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadFilters,
    testing::Values(
        Bad{"APatternForPathsHasToBeOne",
            "{urlRewrite: {path: {type: ReplaceRegexMatch, replaceRegexMatch: {pattern: '/[a', substitution: "
            "/}}}}",
            "spec.urlRewrite.path.replaceRegexMatch.pattern: `/[a` is no regular expression: missing ]: [a "
            "[value/regex]"},
        Bad{"APatternForHostsHasToBeOne",
            "{urlRewrite: {hostname: {type: PathRegex, pathRegex: {pattern: '(?<x', substitution: a}}}}",
            "spec.urlRewrite.hostname.pathRegex.pattern: `(?<x` is no regular expression: invalid perl "
            "operator: (?< [value/regex]"},
        Bad{"APatternForCookiesHasToBeOne",
            "{matches: [{cookies: [{name: a, value: b}, {name: c, type: RegularExpression, value: '*'}]}]}",
            "spec.matches[0].cookies[1].value: `*` is no regular expression: no argument for repetition "
            "operator: * [value/regex]"},
        Bad{"ASubstitutionIsOneLine",
            "{urlRewrite: {path: {type: ReplaceRegexMatch, replaceRegexMatch: {pattern: a, substitution: "
            "\"a\\nb\"}}}}",
            "spec.urlRewrite.path.replaceRegexMatch.substitution: a substitution has one line, and no "
            "character NUL [value/substitution]"},
        Bad{"TheHostIsThatOfAHeader", "{urlRewrite: {hostname: {type: Header, header: 'a b'}}}",
            "spec.urlRewrite.hostname.header: `a b` is no name of a header; a name has letters, digits and "
            "hyphens [value/header]"},
        Bad{"AStatusIsOneOfAnAnswer", "{directResponse: {statusCode: 99}}",
            "spec.directResponse.statusCode: 99 is no status of a response; use one from 200 to 599 "
            "[value/status]"},
        Bad{"ABodyHasCommandsThatEnvoyKnows",
            "{directResponse: {body: {type: Inline, inline: 'a %PROTOCOLL% b'}}}",
            "spec.directResponse.body.inline: `%PROTOCOLL%` is no command of Envoy's; did you mean "
            "`%PROTOCOL%`? [value/body]"},
        Bad{"ABodysConfigMapExists",
            "{directResponse: {body: {type: ValueRef, valueRef: {group: '', kind: ConfigMap, name: "
            "nothing}}}}",
            "spec.directResponse.body.valueRef.name: there is no ConfigMap default/nothing "
            "[reference/not-found]"},
        Bad{"ABodysConfigMapHasAKey",
            "{directResponse: {body: {type: ValueRef, valueRef: {group: '', kind: ConfigMap, name: empty}}}}",
            "spec.directResponse.body.valueRef.name: ConfigMap default/empty has no key `response.body`, and "
            "no other; put the body under the key `response.body` [reference/key]"},
        Bad{"AHeaderOfTheResponseHasAValueThatEnvoyTakes",
            "{directResponse: {header: {set: [{name: x-a, value: 5%}]}}}",
            "spec.directResponse.header.set[0].value: a `%` stands for the begin of a command of Envoy's, "
            "and "
            "there is none; write `%%` for a percent sign [value/header]"},
        Bad{"ACredentialsSecretExists", "{credentialInjection: {credential: {valueRef: {name: nothing}}}}",
            "spec.credentialInjection.credential.valueRef.name: there is no Secret default/nothing "
            "[reference/not-found]"},
        Bad{"ACredentialHasItsKey", "{credentialInjection: {credential: {valueRef: {name: other}}}}",
            "spec.credentialInjection.credential.valueRef.name: Secret default/other has nothing under the "
            "key "
            "`credential`; put the value of the header there, as in `stringData: {credential: Bearer …}` "
            "[reference/key]"},
        Bad{"ACredentialIsOneLine", "{credentialInjection: {credential: {valueRef: {name: line}}}}",
            "spec.credentialInjection.credential.valueRef.name: the credential of Secret default/line ends "
            "with a line break, which no header can have [value/credential]"},
        Bad{"ACredentialElsewhereNeedsAGrant",
            "{credentialInjection: {credential: {valueRef: {name: far, namespace: elsewhere}}}}",
            "spec.credentialInjection.credential.valueRef.namespace: no ReferenceGrant in namespace "
            "elsewhere "
            "lets HTTPRouteFilters of default use Secret elsewhere/far; add a ReferenceGrant to namespace "
            "elsewhere [reference/not-permitted]"},
        Bad{"TheHostIsNoHeaderForCredentials",
            "{credentialInjection: {credential: {valueRef: {name: token}}, header: Host}}",
            "spec.credentialInjection.header: the header `Host` cannot be changed by a filter "
            "[value/header]"}),
    [](const auto& row) { return std::string(row.param.sentence); });

TEST_F(ExtendedFilterTest, WithoutGoodCookiesNobodyKnowsWhichRequestsItIsFor) {
  EXPECT_TRUE(
      read("{matches: [{cookies: [{name: c, type: RegularExpression, value: '*'}]}]}").matches_nothing);
  EXPECT_FALSE(read("{directResponse: {statusCode: 99}}").matches_nothing);
}

TEST_F(ExtendedFilterTest, AFilterThatFailsKeepsTheCookiesOfItsRequests) {
  EXPECT_EQ(
      read("{matches: [{cookies: [{name: c, value: d}]}], directResponse: {statusCode: 99}}").cookies.size(),
      1U);
}

TEST_F(ExtendedFilterTest, ASubstitutionOfAGroupThatIsNotThereIsAWarning) {
  const ExtendedFilterRow row = read(
      "{urlRewrite: {path: {type: ReplaceRegexMatch, replaceRegexMatch: {pattern: '/(a)', substitution: "
      "'/\\2'}}}}");
  EXPECT_FALSE(row.failure);
  ASSERT_EQ(row.problems.size(), 1U);
  EXPECT_EQ(row.problems[0].severity, Severity::kWarning);
  EXPECT_EQ(
      text_of(row.problems[0]),
      "spec.urlRewrite.path.replaceRegexMatch.substitution: `/\\2` names the group 2, and the pattern has "
      "1: nothing is replaced [value/substitution]");
}

TEST_F(ExtendedFilterTest, ACredentialIsNamedAndNotSaid) {
  const ExtendedFilterRow row =
      read("{credentialInjection: {credential: {valueRef: {name: token}}, header: x-key, overwrite: true}}");
  ASSERT_TRUE(row.credential);
  const auto& injector = std::get<ir::CredentialInjector>(row.credential->filter);
  EXPECT_EQ(injector.header, "x-key");
  EXPECT_TRUE(injector.overwrite);
  EXPECT_EQ(injector.secret, row.of_secret->name);
  EXPECT_EQ(row.of_secret->credential, (NamespacedName{"default", "token"}));
}

}  // namespace
}  // namespace sluice::translate
