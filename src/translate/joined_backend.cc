#include "translate/joined_backend.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/content_id.h"

namespace sluice::translate {

namespace {

// The cluster as far as it could be that of other endpoints.
ir::Cluster common_part(const ResolvedBackend& backend) {
  ir::Cluster cluster = backend.row.cluster;
  cluster.name.clear();
  cluster.owner = {};
  cluster.dns_localities.clear();
  return cluster;
}

// The same but for how its endpoints are found and TLS, which each member of a cluster may have of its own.
ir::Cluster connections_of(ir::Cluster cluster) {
  cluster.discovery = {};
  cluster.tls = {};
  cluster.prefer_local_zone = false;
  return cluster;
}

// Of what stands there twice, a backend that is referred to twice, the cluster has one.
void merge_equal(ClusterRow& row) {
  const auto place = [](const ClusterRow::Member& m) { return std::tie(m.row->cluster.name, m.priority); };
  std::ranges::sort(row.members, {}, place);
  std::vector<ClusterRow::Member> once;
  for (ClusterRow::Member& member : row.members) {
    if (!once.empty() && place(once.back()) == place(member)) {
      once.back().weight += member.weight;
    } else {
      once.push_back(std::move(member));
    }
  }
  row.members = std::move(once);
  const auto name = [](const auto& named) -> const std::string& { return named.first; };
  std::ranges::sort(row.cluster.tls_by_name, {}, name);
  row.cluster.tls_by_name.erase(std::ranges::unique(row.cluster.tls_by_name, {}, name).begin(),
                                row.cluster.tls_by_name.end());
}

bool is_fallback(const WeightedBackend& member) { return member.fallback || member.backend->fallback; }

}  // namespace

std::string joined_name(std::string_view what, const ObjectKey& owner, std::string_view identity,
                        std::span<const WeightedBackend> members) {
  std::vector<std::string> names;
  names.reserve(members.size());
  for (const WeightedBackend& member : members) names.push_back(member.backend->cluster());
  std::ranges::sort(names);
  return fmt::format("{}/{}/{}", what, owner.name.to_string(),
                     content_id(fmt::format("{}\n{}", identity, fmt::join(names, "\n"))));
}

std::shared_ptr<ResolvedBackend> join_backends(std::string name, ObjectKey owner,
                                               std::span<const WeightedBackend> members, bool one_protocol) {
  auto joined = std::make_shared<ResolvedBackend>();
  ClusterRow& row = joined->row;
  ir::Cluster& cluster = row.cluster;
  cluster = common_part(*members.front().backend);
  const ir::Cluster connections = connections_of(cluster);
  if (one_protocol && std::ranges::any_of(members, [&connections](const WeightedBackend& member) {
        return connections_of(common_part(*member.backend)) != connections;
      })) {
    return nullptr;
  }
  const bool alike = one_protocol && std::ranges::all_of(members, [&cluster](const WeightedBackend& member) {
                       return common_part(*member.backend) == cluster;
                     });
  cluster.name = std::move(name);
  cluster.owner = std::move(owner);
  // Envoy weighs backends, or looks at zones.
  if (members.size() > 1) cluster.prefer_local_zone = false;
  if (!alike) cluster.tls = {};
  joined->has_endpoints = false;
  const bool any_first =
      std::ranges::any_of(members, [](const WeightedBackend& member) { return !is_fallback(member); });
  for (const WeightedBackend& member : members) {
    const ResolvedBackend& backend = *member.backend;
    joined->has_endpoints = joined->has_endpoints || backend.has_endpoints;
    row.members.push_back({.weight = member.weight,
                           .priority = is_fallback(member) && any_first ? 1U : 0U,
                           .row = row_of(member.backend)});
    row.secrets.insert(row.secrets.end(), backend.row.secrets.begin(), backend.row.secrets.end());
    if (alike) continue;
    // A cluster that resolves names takes addresses as names.
    const ir::Cluster& own = backend.row.cluster;
    if (own.discovery == ir::Discovery::kDns) cluster.discovery = own.discovery;
    if (cluster.protocol == ir::UpstreamProtocol::kHttp1) cluster.protocol = own.protocol;
    if (own.tls) cluster.tls_by_name.emplace_back(own.name, *own.tls);
  }
  // Then those without TLS are not to have it either, and nobody negotiates the protocol.
  if (std::ranges::any_of(members, [](const WeightedBackend& m) { return !m.backend->row.cluster.tls; })) {
    for (auto& [member, tls] : cluster.tls_by_name) tls.beside_plaintext = true;
  }
  merge_equal(row);
  return joined;
}

BackendPtr renamed(const ResolvedBackend& backend, std::string name) {
  auto other = std::make_shared<ResolvedBackend>(backend);
  other->row.cluster.name = std::move(name);
  return other;
}

}  // namespace sluice::translate
