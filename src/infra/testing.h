// Requests for objects, as tests write them down.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "api/kinds.h"
#include "infra/objects.h"
#include "infra/provider.h"
#include "tree/parse.h"
#include "tree/write.h"

namespace sluice::infra {

// What translation makes of the fields that say how the process is started (translate::proxy_of), as far as
// tests need it.
inline ir::Proxy process_of(const api::EnvoyProxySpec& spec) {
  ir::Proxy proxy;
  if (spec.concurrency) proxy.concurrency = static_cast<std::uint32_t>(*spec.concurrency);
  proxy.log_levels.assign(spec.logging.level.begin(), spec.logging.level.end());
  proxy.extra_args = spec.extra_args;
  if (spec.shutdown) {
    proxy.drain_timeout = spec.shutdown->drain_timeout.value_or(proxy.drain_timeout);
    proxy.min_drain = spec.shutdown->min_drain_duration.value_or(proxy.min_drain);
  }
  if (spec.bootstrap && spec.bootstrap->value) {
    std::vector<Problem> problems;
    proxy.bootstrap_change = spec.bootstrap->type == api::BootstrapType::kMerge
                                 ? ir::Proxy::BootstrapChange::kMerge
                                 : ir::Proxy::BootstrapChange::kReplace;
    proxy.bootstrap = to_json(parse(*spec.bootstrap->value, "", &problems).at(0).tree);
  }
  return proxy;
}

inline std::vector<Tree> trees_of(std::string_view text) {
  std::vector<Problem> problems;
  std::vector<Tree> trees;
  for (const Document& document : parse(text, "", &problems)) trees.push_back(document.tree);
  for (const Problem& problem : problems) ADD_FAILURE() << problem.message;
  return trees;
}

// Sets all of the request that comes from an EnvoyProxy.
inline void use_envoy_proxy(const Tree& document, Request& request) {
  const api::ReadObject read = api::read_object(document, api::Trust::kCheck);
  for (const Problem& problem : read.problems) {
    if (problem.severity == Severity::kError) ADD_FAILURE() << problem.path << ": " << problem.message;
  }
  if (!read.bound) return;
  request.envoy_proxy = std::get<std::shared_ptr<const api::EnvoyProxy>>(read.bound->object);
  ir::Proxy proxy = process_of(request.envoy_proxy->spec);
  proxy.key = request.proxy.key;
  proxy.labels = request.proxy.labels;
  proxy.annotations = request.proxy.annotations;
  request.proxy = std::move(proxy);
  if (const Tree* const metrics = document.at("spec.telemetry.metrics")) request.metrics = *metrics;
}

// A Gateway default/web with an HTTP listener on port 80.
inline Request plain_request() {
  return {.proxy = {.key = "default/web", .log_levels = {{"default", "warn"}}},
          .gateway_class = "sluice",
          .gateways = {{.name = {Interned("default"), "web"}}},
          .sockets = {{.protocol = "HTTP", .port = 80, .container_port = 10'080}}};
}

// The same with an EnvoyProxy default/custom, of which this is the spec.
inline Request request_with(std::string_view spec) {
  Request request = plain_request();
  std::string text =
      "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyProxy\n"
      "metadata: {name: custom, namespace: default}\nspec: ";
  text += spec;
  use_envoy_proxy(trees_of(text).at(0), request);
  return request;
}

// The same, of its provider.kubernetes.
inline Request request_with_provider(std::string_view kubernetes) {
  return request_with("{provider: {type: Kubernetes, kubernetes: " + std::string(kubernetes) + "}}");
}

}  // namespace sluice::infra
