// For tests of what reads tables: the tables that translation reads, each fed by hand and empty at first, and
// a function run once as a stage over them. Where the pipeline's tables are made of each other, these are
// not: a Service is known because a test says what routes may see of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/kinds.h"
#include "flow/graph.h"
#include "translate/attach.h"
#include "translate/extended_filter.h"
#include "translate/policy/traffic.h"
#include "translate/settings.h"
#include "translate/tables.h"
#include "translate/x_backend.h"
#include "tree/parse.h"

namespace sluice::translate {

// An object of text as an API server would send it: bound, not checked.
template <typename T>
T object_of(std::string_view yaml) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(yaml, "", &problems);
  for (const Problem& problem : problems) ADD_FAILURE() << problem.message << " in\n" << yaml;
  const api::ReadObject read = api::read_object(documents.at(0).tree, api::Trust::kFromServer);
  return *std::get<std::shared_ptr<const T>>(read.bound.value().object);
}

// "spec.rules[0].name: there is none; add it [code]".
inline std::string text_of(const Problem& problem) {
  return fmt::format("{}: {}{}{} [{}]", problem.path, problem.message, problem.suggestion.empty() ? "" : "; ",
                     problem.suggestion, problem.code);
}

class StageTest : public testing::Test {
 protected:
  // What the stage makes, given flow::Reads.
  template <typename F>
  auto run(F stage) {
    std::optional<decltype(stage(std::declval<flow::Reads&>()))> made;
    stage_ = [&](flow::Reads& reads) { made = stage(reads); };
    runs_.set(0, runs_.get(0) == nullptr ? 1 : *runs_.get(0) + 1);
    graph_.commit();
    return std::move(*made);
  }

  // A Service of namespace default with a port 80, known to have endpoints or none.
  void add_service(const std::string& name, bool has_endpoints = true) {
    const ObjectKey key{api::kind_of<api::Service>(), {"default", name}};
    ServiceView view;
    view.ports = {{.name = "http", .protocol = "TCP", .app_protocol = "", .port = 80}};
    services_.set(key, std::move(view));
    ServiceReadiness readiness{.ports = {}, .addresses = true, .names = false};
    if (has_endpoints) readiness.ports.insert(endpoint_port("http", "TCP"));
    readiness_.set(key, std::move(readiness));
  }

  // A Backend of namespace default that routes may use.
  void add_backend(const std::string& name, std::string_view spec) {
    const NamespacedName key{"default", name};
    inputs_.backends.set(
        key,
        object_of<api::Backend>(fmt::format(
            "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: Backend\nmetadata: {{name: {}}}\nspec: {}\n",
            name, spec)));
    backends_.set(key, {});
  }

  // An XBackend of namespace default, read as the pipeline does.
  void add_x_backend(const std::string& name, std::string_view spec) {
    const NamespacedName key{"default", name};
    const auto backend = object_of<api::XBackend>(
        fmt::format("apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XBackend\nmetadata: {{name: "
                    "{}}}\nspec: {}\n",
                    name, spec));
    inputs_.x_backends.set(key, backend);
    x_backends_.set(
        key, run([&](flow::Reads& reads) { return read_x_backend(key, backend, inputs_, tables_, reads); }));
  }

  // An XBackendTrafficPolicy of namespace default.
  void add_traffic_policy(const std::string& name, std::string_view spec) {
    const NamespacedName key{"default", name};
    traffic_policies_.set(
        key, read_traffic_policy(
                 key, object_of<api::XBackendTrafficPolicy>(fmt::format(
                          "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XBackendTrafficPolicy\n"
                          "metadata: {{name: {}}}\nspec: {}\n",
                          name, spec))));
  }

  // An HTTPRouteFilter of namespace default.
  void add_filter(const std::string& name, std::string_view spec) {
    const NamespacedName key{"default", name};
    const auto filter =
        object_of<api::ExtendedRouteFilter>(fmt::format("apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: "
                                                        "HTTPRouteFilter\nmetadata: {{name: {}}}\nspec: {}\n",
                                                        name, spec));
    extended_filters_.set(key, run([&](flow::Reads& reads) {
                            return read_extended_filter(key, filter, inputs_, tables_, reads);
                          }));
  }

 private:
  template <typename K, typename V>
  flow::Input<K, V>& input(std::string name) {
    return graph_.input<K, V>(std::move(name));
  }

  flow::Graph graph_;
  flow::Input<ObjectKey, ServiceView>& services_ = input<ObjectKey, ServiceView>("services");
  flow::Input<ObjectKey, ServiceReadiness>& readiness_ = input<ObjectKey, ServiceReadiness>("readiness");
  flow::Input<NamespacedName, BackendRow>& backends_ = input<NamespacedName, BackendRow>("backends");
  flow::Input<NamespacedName, BackendRow>& x_backends_ = input<NamespacedName, BackendRow>("x backends");
  flow::Input<NamespacedName, ExtendedFilterRow>& extended_filters_ =
      input<NamespacedName, ExtendedFilterRow>("extended filters");
  flow::Input<ObjectKey, Named>& unusable_ = input<ObjectKey, Named>("unusable");
  flow::Input<int, int>& runs_ = input<int, int>("runs");
  std::function<void(flow::Reads&)> stage_;

 protected:
  flow::Input<NamespacedName, TrafficPolicyRow>& traffic_policies_ =
      input<NamespacedName, TrafficPolicyRow>("traffic policies");
  const Settings settings_;
  const Inputs inputs_ = Inputs::declare(graph_);
  const Projections tables_{
      .classes = input<NamespacedName, ClassRow>("classes"),
      .classes_of = graph_.index(
          "classes by controller", inputs_.gateway_classes,
          [](const NamespacedName&, const api::GatewayClass& c) { return c.spec.controller_name; }),
      .namespace_labels = input<NamespacedName, api::StringMap>("namespace labels"),
      .grants_in = graph_.index(
          "grants by namespace", inputs_.reference_grants,
          [](const NamespacedName& name, const api::ReferenceGrant&) { return name.namespace_.text(); }),
      .certificates = input<NamespacedName, CertificateRow>("certificates"),
      .services = services_,
      .readiness = readiness_,
      .backends = backends_,
      .x_backends = x_backends_,
      .pools = input<NamespacedName, PoolView>("pools"),
      .picker_answers = input<NamespacedName, ir::AnswersShown>("answers that pickers see"),
      .extended_filters = extended_filters_,
      .backend_tls_policies_of = graph_.index(
          "backend TLS policies by target",
          input<NamespacedName, BackendTlsPolicyRow>("backend TLS policies"),
          [](const NamespacedName&, const BackendTlsPolicyRow& row) { return objects_of(row.targets); }),
      .traffic_policies_of = graph_.index(
          "traffic policies by target", traffic_policies_,
          [](const NamespacedName&, const TrafficPolicyRow& row) { return objects_of(row.targets); }),
      .names = graph_.index("names by namespace", input<ObjectKey, Named>("names"),
                            [](const ObjectKey& object, const Named&) {
                              return NameGroup{object.kind, NameGroup::By::kName, object.name.name};
                            }),
      .unusable = unusable_,
      .host = input<std::string, HostAddresses>("host")};
  flow::Input<ObjectKey, AttachPoints>& attach_points_ = input<ObjectKey, AttachPoints>("attach points");
  const DefaultGatewayIndex& default_gateways_of_ =
      graph_.index("default gateways by scope", input<NamespacedName, Named>("default gateways"),
                   [](const NamespacedName&, const Named&) { return std::string(kDefaultScope); });
  flow::Input<NamespacedName, ExtensionPolicyRow>& extension_policies_ =
      input<NamespacedName, ExtensionPolicyRow>("extension policies");
  const ExtensionPolicyIndex& extension_policies_of_ = graph_.index(
      "extension policies by target", extension_policies_,
      [](const NamespacedName&, const ExtensionPolicyRow& row) { return objects_of(row.targets); });
  flow::Input<NamespacedName, PatchPolicyRow>& patch_policies_ =
      input<NamespacedName, PatchPolicyRow>("patch policies");
  const OwnClusterIndex& own_clusters_ = graph_.index("clusters of rules by route", patch_policies_,
                                                      [](const NamespacedName&, const PatchPolicyRow& row) {
                                                        std::vector<ObjectKey> routes;
                                                        for (const auto& [route, rule] : row.own_clusters)
                                                          routes.push_back(route);
                                                        return routes;
                                                      });
  const RouteEnvironment environment_{
      settings_,    inputs_, tables_, attach_points_, default_gateways_of_, extension_policies_of_,
      own_clusters_};

 private:
  const flow::Table<int, int>& stage_runs_ =
      graph_.map("stage", runs_, [this](const int&, const int& run, flow::Reads& reads) {
        stage_(reads);
        return run;
      });
};

}  // namespace sluice::translate
