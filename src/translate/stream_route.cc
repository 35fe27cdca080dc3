#include "translate/stream_route.h"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/letter_case.h"
#include "translate/joined_backend.h"
#include "translate/policy/patch_policy.h"
#include "translate/route_backends.h"

namespace sluice::translate {
namespace {

// The backends of the rules, as a proxy that reaches Services in one way is to see them.
struct Translation {
  Translation(const ObjectKey& owner, const BackendReader& from, bool own, flow::Reads& reads)
      : reader(from), backends(owner, reader, reads), has_own_cluster(own) {}

  BackendReader reader;
  RouteBackends backends;
  bool has_own_cluster = false;  // under Envoy Gateway's name, for a patch speaks of it
  std::vector<ir::StreamShare> shares;
  bool dynamic = false;  // connections go to the server name that they ask for
  bool served = true;    // false: listeners have nothing of the route
};

// Calls f(ref, place) for every reference that is to get something; the others only have to lead somewhere.
template <typename F>
void each_backend(const std::vector<api::StreamRouteRule>& rules, F f) {
  for (std::size_t r = 0; r < rules.size(); ++r) {
    const Place rule{nullptr, "spec.rules", r};
    for (std::size_t i = 0; i < rules[r].backend_refs.size(); ++i) {
      f(rules[r].backend_refs[i], Place{&rule, "backendRefs", i});
    }
  }
}

// Where nothing gets a share of the connections, or of the datagrams.
void warn_of_no_backend(const std::vector<api::StreamRouteRule>& rules, bool datagrams,
                        RouteBackends& backends) {
  bool any = false;
  each_backend(rules, [&any](const api::BackendRef& ref, const Place&) { any = any || ref.weight > 0; });
  if (any) return;
  const Place rule{nullptr, "spec.rules", 0};
  backends.add_problem({.code = "value/no-backend",
                        .severity = Severity::kWarning,
                        .where = {},
                        .object = backends.route(),
                        .path = rules.size() == 1 ? Place{&rule, "backendRefs"}.to_string() : "spec.rules",
                        .message = fmt::format("the route has no backend with a weight above 0: {}",
                                               datagrams ? "every datagram that it takes is dropped"
                                                         : "every connection that it takes is closed"),
                        .suggestion = "give one of them a `weight`",
                        .also = {}});
}

bool is_dynamic(const BackendPtr& backend) {
  return backend && backend->row.cluster.discovery == ir::Discovery::kDynamic;
}

// Where the reference leads, if there is something to forward to. A name to resolve is in the requests of
// HTTP, and in TLS for as long as it is not ended.
BackendPtr resolve(const api::BackendRef& ref, const Place& place, Translation& translation) {
  BackendPtr backend = translation.backends.look_up(ref.ref, place);
  if (!is_dynamic(backend) || translation.reader.passes_tls) return backend;
  const bool ended = translation.reader.from == api::kind_of<api::TLSRoute>();
  if (ended) translation.served = false;
  translation.backends.refuse(
      {.reason = "UnsupportedValue",
       .code = "support/dynamic-resolver",
       .field = "name",
       .message =
           ended ? "a Backend of type DynamicResolver is for listeners that pass TLS through"
                 : "a Backend of type DynamicResolver is for HTTP and TLS, where clients say where to go",
       .suggestion = ended ? "set `tls.mode: Passthrough` on the listener, or use a Backend with endpoints"
                           : "use an HTTPRoute or a TLSRoute, or a Backend with endpoints"},
      place);
  return nullptr;
}

// A cluster that only this route has, without endpoints so far.
ClusterRow own_cluster(const Translation& translation) {
  const ObjectKey& route = translation.backends.route();
  ClusterRow row;
  row.cluster.name = translation.has_own_cluster
                         ? own_cluster_name(route, 0)
                         : fmt::format("{}/{}", lower_case(route.kind.kind()), route.name.to_string());
  row.cluster.owner = route;
  return row;
}

void share_connections(const std::vector<api::StreamRouteRule>& rules, Translation& translation) {
  struct Part {
    std::uint32_t weight;
    BackendPtr backend;
  };
  std::vector<Part> parts;
  each_backend(rules, [&](const api::BackendRef& ref, const Place& place) {
    parts.push_back({static_cast<std::uint32_t>(ref.weight), resolve(ref, place, translation)});
  });
  RouteBackends& backends = translation.backends;
  translation.dynamic = std::ranges::any_of(parts, is_dynamic, &Part::backend);
  if (translation.dynamic && parts.size() > 1) {
    backends.refuse(
        {.reason = "InvalidBackendRef",
         .code = "support/dynamic-resolver",
         .field = "",
         .message = "a Backend of type DynamicResolver stands beside others, and a connection goes "
                    "to one host",
         .suggestion = "make it the only backend of its route"},
        {nullptr, "spec.rules"});
    for (Part& part : parts) part.backend.reset();
    translation.dynamic = false;
  }
  for (Part& part : parts) {
    // That is the clients' business.
    if (part.backend) part.backend = negotiating_no_protocol(std::move(part.backend));
  }
  if (translation.has_own_cluster) {
    std::vector<WeightedBackend> members;
    for (const Part& part : parts) {
      if (part.backend && part.weight > 0)
        members.push_back({.weight = part.weight, .backend = part.backend});
    }
    const std::string name = own_cluster_name(backends.route(), 0);
    BackendPtr whole;
    if (members.size() == 1) whole = renamed(*members.front().backend, name);
    if (members.size() > 1) whole = join_backends(name, backends.route(), members, false);
    for (Part& part : parts) {
      if (part.backend) part.backend = whole;
    }
  }
  std::map<std::string, std::uint32_t> weights;  // by cluster, "" is of what leads nowhere
  for (Part& part : parts) {
    if (part.backend) backends.add_cluster(row_of(part.backend));
    if (part.weight > 0) weights[part.backend ? part.backend->cluster() : ""] += part.weight;
  }
  if (std::ranges::all_of(weights, [](const auto& share) { return share.first.empty(); })) {
    const auto nobody = std::make_shared<const ClusterRow>(own_cluster(translation));
    backends.add_cluster(nobody);
    translation.shares = {{.cluster = nobody->cluster.name, .weight = 1}};
    translation.dynamic = false;
    return;
  }
  for (auto& [cluster, weight] : weights) translation.shares.push_back({cluster, weight});
}

// Its cluster is there whatever becomes of the backends: the socket, and what goes through it, need not
// change.
void share_datagrams(const std::vector<api::StreamRouteRule>& rules, Translation& translation) {
  ClusterRow row = own_cluster(translation);
  std::map<std::string, ClusterRow::Member> members;
  each_backend(rules, [&](const api::BackendRef& ref, const Place& place) {
    const BackendPtr backend = resolve(ref, place, translation);
    if (!backend || ref.weight == 0) return;
    const auto weight = static_cast<std::uint32_t>(ref.weight);
    const auto [member, fresh] = members.try_emplace(backend->cluster());
    member->second.weight = fresh ? weight : member->second.weight + weight;
    member->second.row = row_of(backend);
    // One that resolves names takes addresses as well.
    if (backend->row.cluster.discovery == ir::Discovery::kDns) row.cluster.discovery = ir::Discovery::kDns;
  });
  for (auto& [name, member] : members) row.members.push_back(std::move(member));
  translation.backends.add_cluster(std::make_shared<const ClusterRow>(row));
  translation.shares = {{.cluster = row.cluster.name, .weight = 1}};
}

RouteResult translate(const ObjectKey& owner, const api::ObjectMeta& metadata, const WantedParents& parents,
                      const std::vector<std::string>& hostnames,
                      const std::vector<api::StreamRouteRule>& rules, const RouteEnvironment& environment,
                      flow::Reads& reads) {
  const bool datagrams = owner.kind == api::kind_of<api::UDPRoute>();
  // By how the proxy reaches backends, whether it passes TLS on, and whether it has a cluster of the route.
  std::map<std::tuple<BackendAccess, bool, bool>, std::unique_ptr<Translation>> translations;
  const auto translation_for = [&](const AttachPoints& points, bool passes_tls) -> const Translation& {
    const BackendAccess& access = points.terms.access;
    const bool own = !rules_with_own_clusters(owner, points.proxy, environment.own_clusters, reads).empty();
    std::unique_ptr<Translation>& t = translations[{access, passes_tls, own}];
    if (t != nullptr) return *t;
    t = std::make_unique<Translation>(owner,
                                      BackendReader{.from = owner.kind,
                                                    .namespace_ = owner.name.namespace_,
                                                    .access = access,
                                                    .settings = environment.settings,
                                                    .inputs = environment.inputs,
                                                    .tables = environment.tables,
                                                    .transport = datagrams ? "UDP" : "TCP",
                                                    .passes_tls = passes_tls},
                                      own, reads);
    datagrams ? share_datagrams(rules, *t) : share_connections(rules, *t);
    warn_of_no_backend(rules, datagrams, t->backends);
    return *t;
  };

  RouteResult result;
  Parents attached = attach(owner, parents, hostnames, environment, reads);
  result.problems = std::move(attached.problems);
  for (Parent& parent : attached.parents) {
    std::vector<const Translation*> used;
    for (const Attachment& attachment : parent.attachments) {
      const Translation& translation = translation_for(*parent.points, attachment.listener->passes_tls);
      if (std::ranges::find(used, &translation) == used.end()) used.push_back(&translation);
      if (!translation.served) continue;
      StreamContribution brings{.stream = attachment.listener->stream,
                                .creation_timestamp = metadata.creation_timestamp,
                                .server_names = attachment.hosts,
                                .shares = translation.shares,
                                .dynamic = translation.dynamic};
      // "*" is the only one then: it covers all others.
      if (std::ranges::find(brings.server_names, "*") != brings.server_names.end()) {
        brings.server_names.clear();
      }
      result.streams.emplace_back(XdsKey{.proxy = parent.points->proxy, .name = attachment.listener->socket},
                                  std::move(brings));
    }
    if (used.empty()) used.push_back(&translation_for(*parent.points, false));
    for (const Translation* translation : used) {
      if (parent.accepted()) {
        for (const auto& row : translation->backends.clusters()) {
          result.clusters.push_back({{.proxy = parent.points->proxy, .name = row->cluster.name}, row});
        }
        if (auto missing = translation->backends.backends_available()) {
          set_condition(parent.status.conditions, *std::move(missing));
        }
      }
      for (PolicyUse use : translation->backends.policies()) {
        use.ancestor = parent.status.parent_ref;
        use.ancestor.namespace_ = parent.status.parent.name.namespace_;
        result.policies_met.push_back(std::move(use));
      }
    }
    // With TLS of ours there is more that can be wrong.
    const auto worst =
        std::ranges::find_if(used, [](const Translation* t) { return !t->backends.resolved_refs().status; });
    set_condition(parent.status.conditions,
                  (worst == used.end() ? used.front() : *worst)->backends.resolved_refs());
    result.parents.push_back(std::move(parent.status));
  }

  // Two parentRefs may lead to one listener.
  const auto stream_of = [](const auto& s) { return std::tie(s.first, s.second.stream); };
  std::ranges::stable_sort(result.streams, {}, stream_of);
  result.streams.erase(std::ranges::unique(result.streams, {}, stream_of).begin(), result.streams.end());
  const auto key_of = [](const auto& c) -> const XdsKey& { return c.first; };
  std::ranges::stable_sort(result.clusters, {}, key_of);
  result.clusters.erase(std::ranges::unique(result.clusters, {}, key_of).begin(), result.clusters.end());
  for (const auto& [way, translation] : translations) {
    for (const Problem& problem : translation->backends.problems()) {
      if (std::ranges::find(result.problems, problem) == result.problems.end()) {
        result.problems.push_back(problem);
      }
    }
  }
  return result;
}

template <typename T>
ObjectKey key_of(const NamespacedName& name) {
  return {.kind = api::kind_of<T>(), .name = name};
}

}  // namespace

RouteResult translate_tls_route(const NamespacedName& name, const api::TLSRoute& route,
                                const RouteEnvironment& environment, flow::Reads& reads) {
  return translate(key_of<api::TLSRoute>(name), route.metadata,
                   {route.spec.parent_refs, route.spec.use_default_gateways}, route.spec.hostnames,
                   route.spec.rules, environment, reads);
}

RouteResult translate_tcp_route(const NamespacedName& name, const api::TCPRoute& route,
                                const RouteEnvironment& environment, flow::Reads& reads) {
  return translate(key_of<api::TCPRoute>(name), route.metadata,
                   {route.spec.parent_refs, route.spec.use_default_gateways}, {}, route.spec.rules,
                   environment, reads);
}

RouteResult translate_udp_route(const NamespacedName& name, const api::UDPRoute& route,
                                const RouteEnvironment& environment, flow::Reads& reads) {
  return translate(key_of<api::UDPRoute>(name), route.metadata,
                   {route.spec.parent_refs, route.spec.use_default_gateways}, {}, route.spec.rules,
                   environment, reads);
}

}  // namespace sluice::translate
