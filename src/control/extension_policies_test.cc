// EnvoyExtensionPolicies: which filters the routes have, on which listeners, and what the policies' statuses
// say.

#include <algorithm>
#include <chrono>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "control/testing.h"

namespace sluice::control {
namespace {

const GroupKind& kPolicy = api::kind_of<api::EnvoyExtensionPolicy>();

class ExtensionPolicies : public YamlPipeline {
 protected:
  // Gateway default/gw with listeners `a` and `b`, ListenerSet default/more with a listener `c`; HTTPRoute
  // default/web with rules `one` and `two`, at all of them.
  ExtensionPolicies() {
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec:
  gatewayClassName: class
  allowedListeners: {namespaces: {from: Same}}
  listeners:
    - {name: a, port: 8001, protocol: HTTP}
    - {name: b, port: 8002, protocol: HTTP}
)");
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more, namespace: default}
spec:
  parentRef: {name: gw}
  listeners: [{name: c, port: 8003, protocol: HTTP}]
)");
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  parentRefs: [{name: gw}, {name: more, kind: ListenerSet}]
  rules:
    - {name: one, matches: [{path: {value: /one}}], backendRefs: [{name: blue, port: 80}]}
    - {name: two, matches: [{path: {value: /two}}], backendRefs: [{name: blue, port: 80}]}
)");
    service("blue");
    pipeline_.set_modules([this](const std::string&, const wasm::Source&) {
      return translate::ModuleState{.state = now_, .stand_in = {}};
    });
  }

  void service(const std::string& name) {
    feed(fmt::format(R"(
apiVersion: v1
kind: Service
metadata: {{name: {}, namespace: default}}
spec: {{ports: [{{port: 80}}]}}
)",
                     name));
  }

  // A policy of namespace default with this in its spec beside the target.
  void policy_with(const std::string& name, const std::string& target, const std::string& spec) {
    feed(fmt::format(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {{name: {}, namespace: default}}
spec:
  {}
  {}
)",
                     name, target, spec));
  }
  // With one script.
  void policy(const std::string& name, const std::string& target, const std::string& more = "") {
    policy_with(name, target,
                R"(lua: [{type: Inline, inline: "function envoy_on_request(handle) end"}])"
                "\n  " +
                    more);
  }

  static std::string at(const std::string& kind, const std::string& name, const std::string& section = "") {
    return fmt::format("targetRefs: [{{group: gateway.networking.k8s.io, kind: {}, name: {}{}}}]", kind, name,
                       section.empty() ? "" : ", sectionName: " + section);
  }

  // "lua/default/p/0" of "envoy.filters.http.lua/envoyextensionpolicy/default/p/lua/0".
  static std::string short_name(const std::string& filter) {
    static const std::regex kName(
        "envoy\\.filters\\.http\\.(\\w+)/envoyextensionpolicy/([^/]+/[^/]+)/[a-z]+/([0-9]+)");
    return std::regex_replace(filter, kName, "$1/$2/$3");
  }

  // The policies whose filters each rule has on each listener: "a/one: p; …". A rule without is left out; one
  // that answers an error by itself has its status.
  std::string filters() {
    pipeline_.commit();
    const translate::RouteResult* web =
        pipeline_.routes().get({api::kind_of<api::HTTPRoute>(), {"default", "web"}});
    const std::map<std::string, std::string> listeners{
        {"default/gw:8001", "a"}, {"default/gw:8002", "b"}, {"default/gw:8003", "c"}};
    std::vector<std::string> words;
    for (const auto& [host, contribution] : web->contributions) {
      for (const ir::Route& route : *contribution.routes) {
        const std::string place = listeners.at(host.table) + "/" + route.rule_name;
        if (const auto* answer = std::get_if<ir::DirectResponse>(&route.action->action)) {
          words.push_back(fmt::format("{}: {}", place, answer->status));
        }
        if (!route.action->extensions) continue;
        std::vector<std::string> names;
        for (const ir::ExtensionUse& use : *route.action->extensions) names.push_back(short_name(use.name));
        words.push_back(fmt::format("{}: {}", place, fmt::join(names, " ")));
      }
    }
    return fmt::format("{}", fmt::join(words, "; "));
  }

  // "<kind>/<name>[/section] Accepted=… ; …".
  std::string status_of(const std::string& name) {
    pipeline_.commit();
    const translate::ObjectStatus* its = status(kPolicy, {"default", name});
    std::vector<std::string> words;
    for (const auto& [ancestor, conditions] : its->ancestors) {
      words.push_back(fmt::format("{}/{}{} {}", ancestor.kind, ancestor.name,
                                  ancestor.section_name ? "/" + *ancestor.section_name : "",
                                  text(conditions)));
    }
    return fmt::format("{}", fmt::join(words, "; "));
  }

  std::string problems() {
    pipeline_.commit();
    std::vector<std::string> words;
    for (const Problem& problem : pipeline_.problems()) {
      if (problem.object.kind != kPolicy) continue;
      words.push_back(fmt::format("{} {}: {}{}{}", problem.object.name.name, problem.path, problem.message,
                                  problem.suggestion.empty() ? "" : "; ", problem.suggestion));
    }
    return fmt::format("{}", fmt::join(words, "\n"));
  }

  wasm::State now_;  // of all modules
};

// ---- which policy is in force ----------------------------------------------------------------------

TEST_F(ExtensionPolicies, OfAGatewayIsForAllRulesOnAllListeners) {
  policy("p", at("Gateway", "gw"));
  EXPECT_EQ(filters(),
            "a/one: lua/default/p/0; a/two: lua/default/p/0; b/one: lua/default/p/0; b/two: lua/default/p/0; "
            "c/one: lua/default/p/0; c/two: lua/default/p/0");
}

TEST_F(ExtensionPolicies, OfAListenerIsForThatOneAlone) {
  policy("p", at("Gateway", "gw", "b"));
  EXPECT_EQ(filters(), "b/one: lua/default/p/0; b/two: lua/default/p/0");
}

TEST_F(ExtensionPolicies, OfAListenerSetIsForItsListeners) {
  policy("p", at("ListenerSet", "more"));
  EXPECT_EQ(filters(), "c/one: lua/default/p/0; c/two: lua/default/p/0");
}

TEST_F(ExtensionPolicies, OfARuleBeatsThatOfTheRouteWhichBeatsThatOfTheGateway) {
  policy("g", at("Gateway", "gw", "a"));
  policy("r", at("HTTPRoute", "web"));
  policy("s", at("HTTPRoute", "web", "one"));
  EXPECT_EQ(filters(),
            "a/one: lua/default/s/0; a/two: lua/default/r/0; b/one: lua/default/s/0; b/two: lua/default/r/0; "
            "c/one: lua/default/s/0; c/two: lua/default/r/0");
}

TEST_F(ExtensionPolicies, ThatMergesKeepsTheListsThatItHasNotItself) {
  service("judge");
  policy("g", at("Gateway", "gw", "a"), "extProc: [{backendRefs: [{name: judge, port: 80}]}]");
  policy("r", at("HTTPRoute", "web", "one"), "mergeType: StrategicMerge");
  EXPECT_EQ(filters(),
            "a/one: ext_proc/default/g/0 lua/default/r/0; a/two: ext_proc/default/g/0 lua/default/g/0; "
            "b/one: lua/default/r/0; c/one: lua/default/r/0");
  EXPECT_EQ(status_of("r"),
            "Gateway/gw Accepted=True/Accepted Merged=True/Merged; ListenerSet/more Accepted=True/Accepted");
}

TEST_F(ExtensionPolicies, ThatSelectByLabelsFindTheirRoutes) {
  policy("p", "targetSelectors: [{kind: HTTPRoute, matchLabels: {app: web}}]");
  policy("q", "targetSelectors: [{kind: HTTPRoute, matchLabels: {app: other}}]");
  EXPECT_EQ(filters().substr(0, 26), "a/one: lua/default/p/0; a/");
  EXPECT_EQ(status_of("q"), "");
}

TEST_F(ExtensionPolicies, ThatEndTakeTheirFiltersAlong) {
  policy("p", at("HTTPRoute", "web", "one"));
  EXPECT_NE(filters(), "");
  pipeline_.erase({kPolicy, {"default", "p"}});
  EXPECT_EQ(filters(), "");
}

// ---- extensions that cannot be used ------------------------------------------------------------------

TEST_F(ExtensionPolicies, WithAScriptThatIsNoneAnswer500OnTheirRulesOnly) {
  policy_with("p", at("HTTPRoute", "web", "one"),
              R"(lua: [{type: Inline, inline: "function envoy_on_request(handle) if then end"}])");
  EXPECT_EQ(filters(), "a/one: 500; b/one: 500; c/one: 500");
  EXPECT_EQ(status_of("p"), "Gateway/gw Accepted=False/Invalid; ListenerSet/more Accepted=False/Invalid");
}

TEST_F(ExtensionPolicies, WithoutTheServiceToAskFailClosedUnlessTheySayOtherwise) {
  const auto asking = [this](const std::string& more) {
    policy_with("p", at("Gateway", "gw", "a"),
                fmt::format("extProc: [{{backendRefs: [{{name: blu, port: 80}}]{}}}]", more));
  };
  asking("");
  EXPECT_EQ(filters(), "a/one: 500; a/two: 500");
  EXPECT_EQ(problems(),
            "p spec.extProc[0].backendRefs[0].name: there is no Service default/blu; did you mean `blue`?");
  asking(", failOpen: true");
  EXPECT_EQ(filters(), "");
  EXPECT_EQ(status_of("p"), "Gateway/gw/a Accepted=False/Invalid");
}

TEST_F(ExtensionPolicies, AnswerLaterWhileAModuleIsOnItsWay) {
  policy_with("p", at("Gateway", "gw", "a"),
              R"(wasm: [{name: m, code: {type: HTTP, http: {url: "https://modules.example/m.wasm"}}}])");
  EXPECT_EQ(filters(), "a/one: 503; a/two: 503");
  EXPECT_EQ(status_of("p"), "Gateway/gw/a Accepted=False/Pending");

  now_ = wasm::Ready{.path = "/m.wasm", .sha256 = "", .warning = ""};
  pipeline_.look_at_module("default/p/wasm/0");
  EXPECT_EQ(filters(), "a/one: wasm/default/p/0; a/two: wasm/default/p/0");
  EXPECT_EQ(status_of("p"), "Gateway/gw/a Accepted=True/Accepted");
}

TEST_F(ExtensionPolicies, TellAllThatIsWrongWithASourceAtOnce) {
  policy_with("p", at("Gateway", "gw", "a"), R"(wasm:
    - name: i
      code:
        type: Image
        image:
          url: "registry.example/team/filter@v1"
          pullSecretRef: {name: pull}
          tls: {caCertificateRef: {name: ca, kind: ConfigMap, group: ""}}
    - name: h
      code:
        type: HTTP
        http: {url: "ftp://modules.example/m.wasm", tls: {caCertificateRef: {name: ca}}})");
  EXPECT_EQ(
      problems(),
      "p spec.wasm[0].code.image.pullSecretRef.name: there is no Secret default/pull\n"
      "p spec.wasm[0].code.image.tls.caCertificateRef.name: there is no ConfigMap default/ca\n"
      "p spec.wasm[1].code.http.tls.caCertificateRef.name: there is no Secret default/ca\n"
      "p spec.wasm[0].code.image.url: the image reference has an @ that no digest follows, as in "
      "`registry/name@sha256:` and 64 hexadecimal digits\n"
      "p spec.wasm[1].code.http.url: the URL `ftp://modules.example/m.wasm` does not begin with `http://` "
      "or `https://`");
  const auto& conditions = status(kPolicy, {"default", "p"})->ancestors.at(0).second;
  const std::string& told = translate::find_condition(conditions, "Accepted")->message;
  EXPECT_EQ(std::ranges::count(told, '\n'), 4) << told;
}

TEST_F(ExtensionPolicies, NameTheDigestThatAModuleHasNot) {
  const auto fetched = [this](const std::string& code) {
    policy_with("p", at("Gateway", "gw", "a"), fmt::format("wasm: [{{name: m, code: {{{}}}}}]", code));
    return problems();
  };
  now_ = wasm::Failed{.failure = {.reason = wasm::Reason::kDigestMismatch,
                                  .message = "the module has another digest",
                                  .of_sha256 = true},
                      .retry_at = std::chrono::system_clock::now()};
  constexpr std::string_view kSaid =
      ": the module has another digest; correct `sha256` if that is the one that you mean; it is tried again";
  EXPECT_EQ(fetched(R"(type: HTTP, http: {url: "https://modules.example/m.wasm"})"),
            fmt::format("p spec.wasm[0].code.http.sha256{}", kSaid));
  EXPECT_EQ(fetched(R"(type: Image, image: {url: "registry.example/m:1"})"),
            fmt::format("p spec.wasm[0].code.image.sha256{}", kSaid));
}

// ---- extensions that proxies refuse -------------------------------------------------------------------

class RefusedPolicies : public ExtensionPolicies {
 protected:
  // The version that is served.
  void refuse(const std::string& name, std::optional<api::Object> last_good) {
    pipeline_.commit();
    const ObjectKey key{kPolicy, {"default", name}};
    pipeline_.refuse(key, std::make_shared<const Refusal>(Refusal{.refused = *pipeline_.object(key),
                                                                  .last_good = std::move(last_good),
                                                                  .message = "no such plugin",
                                                                  .code = pipeline_.code_of(key)}));
  }
  std::optional<api::Object> object(const std::string& name) const {
    return pipeline_.object({kPolicy, {"default", name}});
  }
  // "name: proxy", with `refused` where it is.
  std::string suspects() {
    pipeline_.commit();
    std::vector<std::string> words;
    for (const Pipeline::Contributor& each : pipeline_.changed_contributors()) {
      if (each.object.kind != kPolicy) continue;
      words.push_back(fmt::format("{}: {}{}", each.object.name.name, fmt::join(each.aggregates, " "),
                                  each.refused ? " refused" : ""));
    }
    return fmt::format("{}", fmt::join(words, "; "));
  }
  void module_policy(const std::string& url, const std::string& more = "") {
    policy_with("p", at("HTTPRoute", "web", "one"),
                fmt::format(R"(wasm: [{{code: {{type: HTTP, http: {{url: "{}"}}}}{}}}])", url, more));
  }
};

TEST_F(RefusedPolicies, AreSuspectsOfTheListenersThatHaveTheirFilters) {
  policy("p", at("HTTPRoute", "web"));
  policy("q", at("HTTPRoute", "nobody"));
  EXPECT_EQ(suspects(), "p: default/gw");
  service("green");
  EXPECT_EQ(suspects(), "");
  policy("p", at("HTTPRoute", "web", "one"));
  EXPECT_EQ(suspects(), "p: default/gw");
  refuse("p", std::nullopt);
  EXPECT_EQ(suspects(), "") << "it brings nothing";
}

TEST_F(RefusedPolicies, HaveTheirLastGoodVersionServed) {
  now_ = wasm::Ready{.path = "/m.wasm", .sha256 = "1", .warning = ""};
  module_policy("https://modules.example/good.wasm");
  pipeline_.commit();
  const auto good = object("p");
  policy("p", at("HTTPRoute", "web"));
  EXPECT_EQ(filters().substr(0, 24), "a/one: lua/default/p/0; ");
  refuse("p", good);
  EXPECT_EQ(filters(), "a/one: wasm/default/p/0; b/one: wasm/default/p/0; c/one: wasm/default/p/0");
  EXPECT_EQ(status_of("p"),
            "Gateway/gw Accepted=False/RejectedByProxy; ListenerSet/more Accepted=False/RejectedByProxy");
  EXPECT_EQ(problems(), "p : the proxy rejected it: no such plugin");
}

TEST_F(RefusedPolicies, WithoutAGoodVersionFailClosedUnlessTheySayOtherwise) {
  now_ = wasm::Ready{.path = "/m.wasm", .sha256 = "1", .warning = ""};
  module_policy("https://modules.example/bad.wasm");
  refuse("p", std::nullopt);
  EXPECT_EQ(filters(), "a/one: 500; b/one: 500; c/one: 500");
  module_policy("https://modules.example/bad.wasm", ", failOpen: true");
  EXPECT_EQ(filters(), "a/one: wasm/default/p/0; b/one: wasm/default/p/0; c/one: wasm/default/p/0")
      << "another version is another try";
  refuse("p", std::nullopt);
  EXPECT_EQ(filters(), "");
}

TEST_F(RefusedPolicies, AreServedAgainWithOtherCode) {
  now_ = wasm::Ready{.path = "/1.wasm", .sha256 = "1", .warning = ""};
  module_policy("https://modules.example/m.wasm");
  pipeline_.commit();
  refuse("p", object("p"));
  EXPECT_EQ(filters(), "a/one: 500; b/one: 500; c/one: 500") << "the same text with the same module";
  now_ = wasm::Ready{.path = "/2.wasm", .sha256 = "2", .warning = ""};
  pipeline_.look_at_module("default/p/wasm/0");
  EXPECT_EQ(suspects(), "p: default/gw");
  EXPECT_EQ(filters(), "a/one: wasm/default/p/0; b/one: wasm/default/p/0; c/one: wasm/default/p/0");
}

// ---- services whose clusters proxies refuse --------------------------------------------------------------

class RefusedClusters : public ExtensionPolicies {
 protected:
  RefusedClusters() {
    service("judge");
    policy_with("p", at("Gateway", "gw", "a"),
                R"(lua: [{type: Inline, inline: "function envoy_on_request(handle) end"}]
  extProc:
    - {backendRefs: [{name: blue, port: 80}], processingMode: {request: {}}}
    - {backendRefs: [{name: judge, port: 80}], processingMode: {request: {}}})");
    pipeline_.commit();
  }

  void refuse(const std::string& proxy, const std::optional<std::string>& words) {
    pipeline_.set_cluster_refused({proxy, kCluster}, words);
  }
  // Of the condition Accepted at the first ancestor.
  std::string message_of(const std::string& name) {
    pipeline_.commit();
    const auto& conditions = status(kPolicy, {"default", name})->ancestors.at(0).second;
    return translate::find_condition(conditions, "Accepted")->message;
  }

  static constexpr char kCluster[] = "envoyextensionpolicy/default/p/extproc/1";
};

TEST_F(RefusedClusters, AreToldOfThePolicyWhichGoesOn) {
  const std::string before = filters();
  refuse("default/gw", "no such balancer");
  EXPECT_EQ(status_of("p"), "Gateway/gw/a Accepted=False/RejectedByProxy");
  EXPECT_EQ(message_of("p"), "extProc[1]: the proxy rejected the way to its service: no such balancer");
  EXPECT_EQ(filters(), before);
}

TEST_F(RefusedClusters, AreForgottenWhenTheyAreTaken) {
  refuse("default/gw", "no such balancer");
  pipeline_.commit();
  refuse("default/gw", std::nullopt);
  EXPECT_EQ(status_of("p"), "Gateway/gw/a Accepted=True/Accepted");
}

TEST_F(RefusedClusters, OfAnotherProxyAreNoneOfThisAncestor) {
  refuse("default/other", "no such balancer");
  EXPECT_EQ(status_of("p"), "Gateway/gw/a Accepted=True/Accepted");
}

TEST_F(RefusedClusters, AreToldBesideWhatElseIsWrong) {
  policy_with("p", at("Gateway", "gw", "a"),
              R"(lua: [{type: Inline, inline: "if"}]
  extProc:
    - {backendRefs: [{name: blue, port: 80}], processingMode: {request: {}}}
    - {backendRefs: [{name: judge, port: 80}], processingMode: {request: {}}})");
  refuse("default/gw", "no such balancer");
  EXPECT_EQ(status_of("p"), "Gateway/gw/a Accepted=False/Invalid");
  const std::string message = message_of("p");
  EXPECT_TRUE(message.starts_with("lua[0]: the script is refused")) << message;
  EXPECT_TRUE(message.ends_with("\nextProc[1]: the proxy rejected the way to its service: no such balancer"))
      << message;
}

TEST_F(RefusedClusters, HaveTheirExtensionAsOwner) {
  const auto owner = pipeline_.owner_of_cluster({"default/gw", kCluster});
  EXPECT_EQ(owner.object.to_string() + " " + owner.path, "EnvoyExtensionPolicy default/p spec.extProc[1]");
}

// ---- statuses ---------------------------------------------------------------------------------------

TEST_F(ExtensionPolicies, OfOneTargetTheFirstCountsAndTheOtherIsTold) {
  policy("p", at("Gateway", "gw"));
  policy("q", at("Gateway", "gw"));
  EXPECT_EQ(filters().substr(0, 24), "a/one: lua/default/p/0; ");
  EXPECT_EQ(status_of("p"), "Gateway/gw Accepted=True/Accepted");
  EXPECT_EQ(status_of("q"), "Gateway/gw Accepted=False/Conflicted");
}

TEST_F(ExtensionPolicies, AreToldWhoOverridesThem) {
  policy("g", at("Gateway", "gw"));
  policy("a", at("Gateway", "gw", "a"));
  policy("r", at("HTTPRoute", "web"));
  policy("s", at("HTTPRoute", "web", "one"));
  EXPECT_EQ(status_of("g"), "Gateway/gw Accepted=True/Accepted Overridden=True/Overridden");
  EXPECT_EQ(status_of("a"), "Gateway/gw/a Accepted=True/Accepted Overridden=True/Overridden");
  EXPECT_EQ(status_of("r"),
            "Gateway/gw Accepted=True/Accepted Overridden=True/Overridden; ListenerSet/more "
            "Accepted=True/Accepted Overridden=True/Overridden");
  EXPECT_EQ(status_of("s"), "Gateway/gw Accepted=True/Accepted; ListenerSet/more Accepted=True/Accepted");
}

TEST_F(ExtensionPolicies, WithATargetThatIsNotThereSuggestTheNearest) {
  policy("p", at("HTTPRoute", "webb"));
  policy("q", at("HTTPRoute", "web", "three"));
  EXPECT_EQ(problems(),
            "p spec.targetRefs[0].name: there is no HTTPRoute default/webb; did you mean `web`?\n"
            "q spec.targetRefs[0].sectionName: HTTPRoute default/web has no rule of the name `three`; it has "
            "`one` and `two`");
  EXPECT_EQ(status_of("p"), "");
  EXPECT_EQ(status_of("q"),
            "Gateway/gw Accepted=False/TargetNotFound; ListenerSet/more Accepted=False/TargetNotFound");
}

// ---- what is right in itself, and hardly what was meant
// -----------------------------------------------------

class DoubtfulPolicies : public ExtensionPolicies {
 protected:
  // Like problems(), of which each has to be a warning with this code.
  std::string warnings(const std::string& code) {
    pipeline_.commit();
    for (const Problem& problem : pipeline_.problems()) {
      EXPECT_EQ(problem.severity, Severity::kWarning) << problem.message;
      EXPECT_EQ(problem.code, code);
    }
    return problems();
  }
  void selecting(const std::string& selector) {
    policy("p", fmt::format("targetSelectors: [{{{}}}]", selector));
  }
};

TEST_F(DoubtfulPolicies, SelectNothingByALabelThatNothingHas) {
  selecting("kind: HTTPRoute, matchLabels: {app: wbe}");
  EXPECT_EQ(
      warnings("reference/no-targets"),
      "p spec.targetSelectors[0].matchLabels: no HTTPRoute of namespace default has these labels: nothing "
      "is selected; did you mean `web`?");
}

TEST_F(DoubtfulPolicies, SelectNothingOfAKindOfWhichThereIsNone) {
  selecting("kind: GRPCRoute, matchLabels: {app: web}, namespaces: {from: All}");
  EXPECT_EQ(warnings("reference/no-targets"),
            "p spec.targetSelectors[0]: there is no GRPCRoute: nothing is selected");
}

TEST_F(DoubtfulPolicies, SelectNothingByAnExpressionThatNothingMeets) {
  selecting("kind: HTTPRoute, matchExpressions: [{key: app, operator: DoesNotExist}]");
  EXPECT_EQ(
      warnings("reference/no-targets"),
      "p spec.targetSelectors[0]: no HTTPRoute of namespace default has these labels: nothing is selected");
}

TEST_F(DoubtfulPolicies, SelectNothingInNamespacesThatDoNotLetThemIn) {
  feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: shop, labels: {app: shop}}
spec: {parentRefs: [{name: gw, namespace: default}], rules: [{backendRefs: [{name: blue, namespace: default, port: 80}]}]}
)");
  selecting("kind: HTTPRoute, matchLabels: {app: shop}, namespaces: {from: All}");
  EXPECT_EQ(
      problems(),
      "p spec.targetSelectors[0]: every HTTPRoute with these labels is in a namespace out of reach: nothing "
      "is selected; widen `namespaces`, and add a ReferenceGrant in those of other teams");
}

TEST_F(DoubtfulPolicies, AreToldOnceWhyTheySelectNothing) {
  selecting("kind: HTTPRout, matchLabels: {app: web}");
  EXPECT_EQ(
      warnings("reference/kind"),
      "p spec.targetSelectors[0].kind: there is no kind `gateway.networking.k8s.io/HTTPRout`: nothing is "
      "selected; did you mean `HTTPRoute`?");
}

TEST_F(DoubtfulPolicies, HaveNoExtension) {
  policy_with("p", at("HTTPRoute", "web"), "");
  EXPECT_EQ(
      warnings("value/no-extension"),
      "p spec: the policy has no extension: its targets do without any, also without those of policies for "
      "what they are attached to; add one to `lua`, `extProc`, `wasm` or `dynamicModule`, or remove the "
      "policy");
  policy_with("p", at("HTTPRoute", "web"), "mergeType: JSONMerge");
  EXPECT_EQ(warnings("value/no-extension"),
            "p spec: the policy has no extension: it changes nothing; add one to `lua`, `extProc`, `wasm` or "
            "`dynamicModule`, or remove the policy");
}

TEST_F(DoubtfulPolicies, TellTheirServiceNothing) {
  const std::string kNothing =
      ": the service is told nothing, neither of requests nor of responses: all pass without it; write "
      "`processingMode: {request: {}}` for the headers of requests, and `body` in the braces for their "
      "bodies; "
      "the same for `response`";
  const auto asking = [this](const std::string& more) {
    policy_with("p", at("HTTPRoute", "web"),
                fmt::format("extProc: [{{backendRefs: [{{name: blue, port: 80}}]{}}}]", more));
    return warnings("value/no-processing");
  };
  EXPECT_EQ(asking(""), "p spec.extProc[0]" + kNothing);
  EXPECT_EQ(asking(", processingMode: {allowModeOverride: true}"),
            "p spec.extProc[0].processingMode" + kNothing);
  EXPECT_EQ(asking(", processingMode: {response: {}}"), "");
}

TEST_F(DoubtfulPolicies, HaveAScriptUnderAnotherKey) {
  feed(R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: script, namespace: default}
data: {b.lua: if, a.lua: "function envoy_on_request(handle) end"}
)");
  policy_with("p", at("HTTPRoute", "web"),
              "lua: [{type: ValueRef, valueRef: {group: '', kind: ConfigMap, name: script}}]");
  EXPECT_EQ(
      warnings("reference/key"),
      "p spec.lua[0].valueRef.name: ConfigMap default/script has no key `lua`: the script is that of its "
      "first, `a.lua`; put the script under the key `lua`");
}

// ---- scripts ---------------------------------------------------------------------------------------------

TEST_F(ExtensionPolicies, HaveScriptsThatAreTriedAsTheProxySays) {
  feed_gateway_with_proxy();
  const auto status_with = [&](const std::string& spec, const std::string& script) {
    feed_proxy(spec);
    policy_with("p", at("Gateway", "gw"), fmt::format(R"(lua: [{{type: Inline, inline: "{}"}}])", script));
    return status_of("p");
  };
  constexpr char kFails[] = "function envoy_on_request(handle) handle:there_is_none() end";
  constexpr char kNone[] = "function envoy_on_request(handle) if end";
  constexpr char kAccepted[] = "Gateway/gw Accepted=True/Accepted";
  constexpr char kInvalid[] = "Gateway/gw Accepted=False/Invalid";
  EXPECT_EQ(status_with("", kFails), kInvalid);
  EXPECT_EQ(status_with("lua: {validationType: Strict}", kFails), kInvalid);
  EXPECT_EQ(status_with("lua: {validationType: InsecureSyntax}", kFails), kAccepted);
  EXPECT_EQ(status_with("luaValidation: InsecureSyntax", kFails), kAccepted);
  EXPECT_EQ(status_with("lua: {validationType: InsecureSyntax}", kNone), kInvalid);
  EXPECT_EQ(status_with("lua: {validationType: Disabled}", kNone), kAccepted);
}

// ---- libraries -----------------------------------------------------------------------------------------

class LibrariesOfPolicies : public ExtensionPolicies {
 protected:
  LibrariesOfPolicies() {
    feed_gateway_with_proxy();
    feed_library("https://modules.example/model.so");
  }

  void becomes(wasm::State state) {
    now_ = std::move(state);
    pipeline_.look_at_module("default/proxy/dynamicModules/model");
  }
  static wasm::Ready library() { return {.path = "/m.so", .sha256 = kLibraryDigest, .warning = ""}; }
};

TEST_F(LibrariesOfPolicies, AnswerForTheirRoutesUntilTheyAreThere) {
  policy_with("p", at("HTTPRoute", "web", "one"), "dynamicModule: [{name: model, filterName: model}]");
  EXPECT_EQ(filters(), "a/one: 503");
  EXPECT_EQ(status_of("p"), "Gateway/gw Accepted=False/Pending");
  EXPECT_EQ(problems(), "");
  becomes(library());
  EXPECT_EQ(filters(), "a/one: dynamic_modules/default/p/0");
  EXPECT_EQ(status_of("p"), "Gateway/gw Accepted=True/Accepted");
}

TEST_F(LibrariesOfPolicies, ThatCannotBeHadSayWhy) {
  policy_with("p", at("HTTPRoute", "web", "one"), "dynamicModule: [{name: model, filterName: model}]");
  becomes(
      wasm::Failed{.failure = {wasm::Reason::kNotFound, "`https://modules.example/model.so` is not there"},
                   .retry_at = std::chrono::system_clock::now()});
  EXPECT_EQ(filters(), "a/one: 503");
  EXPECT_EQ(status_of("p"), "Gateway/gw Accepted=False/Invalid");
  EXPECT_EQ(problems(),
            "p spec.dynamicModule[0].name: dynamic module `model`: `https://modules.example/model.so` is not "
            "there; it is tried again");
}

TEST_F(LibrariesOfPolicies, BalanceOnceTheyAreThere) {
  service("judge");
  policy_with("p", at("HTTPRoute", "web", "one"),
              "extProc: [{backendRefs: [{name: judge, port: 80}], backendSettings: {loadBalancer: {type: "
              "DynamicModule, dynamicModule: {name: model, lbPolicyName: nearest}}}}]");
  EXPECT_EQ(filters(), "a/one: 503");
  becomes(library());
  EXPECT_EQ(filters(), "a/one: ext_proc/default/p/0");
  const translate::ClusterRow* row = pipeline_.cluster_rows().get(
      {.proxy = "default/gw", .name = "envoyextensionpolicy/default/p/extproc/0"});
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->cluster.settings->load_balancing->module->path, "/m.so");
}

// ---- proxies on other machines ----------------------------------------------------------------------------

class ModulesOfAFleet : public YamlPipeline {
 protected:
  static translate::Settings with() {
    translate::Settings settings = YamlPipeline::settings();
    settings.on_host = false;
    settings.module_server = "http://10.0.0.1:18002";
    return settings;
  }
  ModulesOfAFleet() : YamlPipeline(with()) {
    pipeline_.set_modules([](const std::string& slot, const wasm::Source&) {
      const char* path = slot.contains("/wasm/") ? "/run/wasm/1.wasm" : "/run/wasm/2.so";
      return translate::ModuleState{.state = wasm::Ready{.path = path, .sha256 = "1", .warning = ""},
                                    .stand_in = {}};
    });
    feed_library("https://modules.example/model.so");
    feed_gateway_with_proxy();
    feed("{apiVersion: v1, kind: Namespace, metadata: {name: default}}");
    feed(
        "{apiVersion: v1, kind: Service, metadata: {name: blue, namespace: default}, spec: {ports: [{port: "
        "80}]}}");
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: default}
spec:
  parentRefs: [{name: gw}]
  rules: [{backendRefs: [{name: blue, port: 80}]}]
)");
  }

  void policy(const std::string& extensions) {
    feed(fmt::format(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {{name: p, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw}}]
  {}
)",
                     extensions));
    pipeline_.commit();
  }
};

TEST_F(ModulesOfAFleet, AreFetchedFromUsByTheirDigests) {
  policy(R"(dynamicModule: [{name: model, filterName: model}]
  wasm: [{code: {type: HTTP, http: {url: "https://modules.example/m.wasm"}}}])");
  const translate::RouteResult* web =
      pipeline_.routes().get({api::kind_of<api::HTTPRoute>(), {"default", "web"}});
  ASSERT_EQ(web->extensions.size(), 2);
  for (const auto& [table, extension] : web->extensions) {
    if (const auto* wasm = std::get_if<ir::Wasm>(&extension->filter)) {
      EXPECT_EQ(wasm->path, "");
      EXPECT_EQ(wasm->uri, "http://10.0.0.1:18002/1.wasm");
      EXPECT_EQ(wasm->cluster, "remote/10.0.0.1:18002");
    } else {
      const auto& module = std::get<ir::DynamicModule>(extension->filter);
      EXPECT_EQ(module.path, "");
      EXPECT_EQ(module.uri, "http://10.0.0.1:18002/2.so");
      EXPECT_EQ(module.sha256, "1");
    }
  }
  EXPECT_NE(pipeline_.cluster_rows().get({.proxy = "default/gw", .name = "remote/10.0.0.1:18002"}), nullptr);
}

TEST_F(ModulesOfAFleet, AreNoLoadBalancers) {
  policy(
      "extProc: [{backendRefs: [{name: blue, port: 80}], backendSettings: {loadBalancer: {type: "
      "DynamicModule, "
      "dynamicModule: {name: model, lbPolicyName: nearest}}}}]");
  std::vector<std::string> messages;
  for (const Problem& problem : pipeline_.problems()) messages.push_back(problem.message);
  EXPECT_NE(std::ranges::find(messages, "Envoy fetches no library for a load balancer"), messages.end());
}

}  // namespace
}  // namespace sluice::control
