// For tests and benches: the objects that a pipeline is fed, all in the namespace "default".
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "api/kinds.h"
#include "translate/settings.h"

namespace sluice::control::sample {

template <typename T>
api::BoundObject bound(const std::string& name, T value) {
  value.metadata.name = name;
  value.metadata.namespace_ = "default";
  return {.key = {.kind = api::kind_of<T>(), .name = {"default", name}},
          .api_version = "",
          .object = std::make_shared<const T>(std::move(value))};
}

// With them the Gateway below is ours.
inline translate::Settings settings() {
  translate::Settings settings;
  settings.implied_class = "sluice";
  return settings;
}

// One HTTP listener a hostname ("": every host), all on one port.
inline api::BoundObject gateway(const std::vector<std::string>& hostnames = {""}) {
  api::Gateway g;
  g.spec.gateway_class_name = "sluice";
  for (const std::string& hostname : hostnames) {
    api::Listener listener{
        .name = fmt::format("l{}", g.spec.listeners.size()), .port = 8080, .protocol = "HTTP"};
    if (!hostname.empty()) listener.hostname = hostname;
    g.spec.listeners.push_back(std::move(listener));
  }
  return bound("gateway", std::move(g));
}

struct To {
  std::string service;
  int weight = 1;
};

inline api::HTTPRouteRule rule(const std::string& prefix, const std::vector<To>& services) {
  api::HTTPRouteRule made;
  made.matches = {{.path = {.type = api::PathMatchType::kPathPrefix, .value = prefix}}};
  for (const To& to : services) {
    api::HTTPBackendRef ref;
    ref.ref.name = to.service;
    ref.ref.port = 80;
    ref.weight = to.weight;
    made.backend_refs.push_back(std::move(ref));
  }
  return made;
}

inline api::HTTPRoute http_route(const std::vector<std::string>& hostnames,
                                 std::vector<api::HTTPRouteRule> rules) {
  api::HTTPRoute r;
  r.spec.parent_refs.resize(1);
  r.spec.parent_refs[0].name = "gateway";
  r.spec.hostnames = hostnames;
  r.spec.rules = std::move(rules);
  return r;
}

inline api::BoundObject service(const std::string& name) {
  api::Service s;
  s.spec.cluster_ip = "10.0.0.1";
  s.spec.ports = {{.name = "http", .port = 80}};
  return bound(name, std::move(s));
}

inline api::BoundObject slice(const std::string& of_service, const std::vector<std::string>& addresses) {
  api::EndpointSlice s;
  s.metadata.labels["kubernetes.io/service-name"] = of_service;
  s.address_type = "IPv4";
  s.ports = {{.name = "http", .port = 8080}};
  for (const std::string& address : addresses) {
    api::SliceEndpoint endpoint;
    endpoint.addresses = {address};
    s.endpoints.push_back(std::move(endpoint));
  }
  return bound(of_service + "-x", std::move(s));
}

}  // namespace sluice::control::sample
