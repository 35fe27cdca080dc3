// For tests: a pipeline that is fed with YAML and asked for conditions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "control/pipeline.h"
#include "tree/parse.h"

namespace sluice::control {

class YamlPipeline : public testing::Test {
 protected:
  explicit YamlPipeline(translate::Settings with = settings()) : pipeline_(std::move(with)) {}

  // Gateways of class `class` are ours.
  static translate::Settings settings() {
    translate::Settings settings;
    settings.implied_class = "class";
    return settings;
  }

  // One object, without a mistake.
  ObjectKey feed(std::string_view yaml) {
    std::vector<Problem> problems;
    const std::string text(yaml);
    const std::vector<Document> documents = parse(text, "", &problems);
    api::ReadObject object = api::read_object(documents.at(0).tree, api::Trust::kCheck);
    for (const Problem& problem : object.problems) ADD_FAILURE() << problem.path << ": " << problem.message;
    pipeline_.upsert(object.bound.value());
    return object.key;
  }

  // A Gateway in default with the listener `a`, for which the EnvoyProxy default/proxy is.
  void feed_gateway_with_proxy(std::string_view name = "gw", int port = 8001) {
    feed(fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {}, namespace: default}}
spec:
  gatewayClassName: class
  infrastructure: {{parametersRef: {{group: gateway.envoyproxy.io, kind: EnvoyProxy, name: proxy}}}}
  listeners: [{{name: a, port: {}, protocol: HTTP}}]
)",
                     name, port));
  }
  // That EnvoyProxy: `spec` is what is in its braces.
  void feed_proxy(std::string_view spec) {
    feed(fmt::format(R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {{name: proxy, namespace: default}}
spec: {{{}}}
)",
                     spec));
  }
  // ... which registers the dynamic module `model`, to be fetched from here.
  static constexpr char kLibraryDigest[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
  void feed_library(std::string_view url) {
    feed_proxy(fmt::format(
        R"(dynamicModules: [{{name: model, source: {{type: Remote, remote: {{url: "{}", sha256: {}}}}}}}])",
        url, kLibraryDigest));
  }

  const translate::ObjectStatus* status(const GroupKind& kind, const NamespacedName& name) const {
    for (const KindStatuses& of_kind : pipeline_.statuses()) {
      if (of_kind.kind == kind) return of_kind.table.get(name);
    }
    return nullptr;
  }

  // "Accepted=True/Accepted Programmed=…" of the object and of each listener by name.
  static std::string text(const translate::Conditions& conditions) {
    std::string out;
    for (const translate::Condition& c : conditions) {
      if (!out.empty()) out += ' ';
      out += fmt::format("{}={}/{}", c.type, c.status ? "True" : "False", c.reason);
    }
    return out;
  }

  Pipeline pipeline_;
};

}  // namespace sluice::control
