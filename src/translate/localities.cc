#include "translate/localities.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

namespace sluice::translate {

namespace {

bool has_zones(const ir::Cluster& cluster) {
  return cluster.prefer_local_zone || (cluster.settings && cluster.settings->by_zone());
}

// Endpoints of one locality, by the zones in which they are.
std::vector<ir::Locality> split(const ir::Locality& whole, const ServiceEndpoints::Zones& zones) {
  std::vector<ir::Locality> parts(zones.names.size());
  for (std::size_t i = 0; i < parts.size(); ++i) parts[i].zone = zones.names[i];
  for (std::size_t i = 0; i < whole.endpoints.size(); ++i) {
    parts[zones.of[i]].endpoints.push_back(whole.endpoints[i]);
  }
  return parts;
}

ir::Locality merge(std::span<const ir::Locality> parts) {
  ir::Locality whole;
  for (const ir::Locality& part : parts) {
    whole.endpoints.insert(whole.endpoints.end(), part.endpoints.begin(), part.endpoints.end());
  }
  std::ranges::sort(whole.endpoints);
  return whole;
}

// Those of a row without members, as it has them.
std::span<const ir::Locality> own_localities(const ClusterRow& row, const FindEndpoints& find,
                                             const ServiceEndpoints::Zones*& zones) {
  if (!row.service_port) return row.fixed.empty() ? row.cluster.dns_localities : row.fixed;
  const ServiceEndpoints* all = find(row.service_port->first);
  if (all == nullptr) return {};
  const auto port = all->by_port.find(row.service_port->second);
  if (port == all->by_port.end()) return {};
  if (const auto found = all->zones.find(port->first); found != all->zones.end()) zones = &found->second;
  return port->second;
}

// One a zone, or just one.
std::span<const ir::Locality> own_localities(const ClusterRow& row, bool by_zone, const FindEndpoints& find,
                                             std::vector<ir::Locality>& room) {
  const ServiceEndpoints::Zones* zones = nullptr;
  const std::span<const ir::Locality> as_found = own_localities(row, find, zones);
  if (as_found.empty()) return as_found;
  if (by_zone) {
    if (zones == nullptr || as_found.size() > 1) return as_found;
    room = split(as_found.front(), *zones);
    return room;
  }
  if (as_found.size() == 1 && as_found.front().zone.empty()) return as_found;
  room = {merge(as_found)};
  return room;
}

std::uint32_t weight_of(const ir::Cluster& cluster, const std::string& zone) {
  if (!cluster.settings || !cluster.settings->load_balancing) return 1;
  const auto& weights = cluster.settings->load_balancing->zone_weights;
  const auto found = std::ranges::lower_bound(weights, zone, {}, &ir::ZoneWeight::zone);
  return found != weights.end() && found->zone == zone ? found->weight : 1;
}

// Envoy adds the weights up in 32 bits, and takes no more.
std::uint32_t capped(std::uint64_t weight, std::size_t localities) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(weight, std::numeric_limits<std::uint32_t>::max() / localities));
}

}  // namespace

std::span<const ir::Locality> localities_of(const ClusterRow& row, const FindEndpoints& find,
                                            std::vector<ir::Locality>& room) {
  const bool by_zone = has_zones(row.cluster);
  const bool weighs = row.cluster.settings && row.cluster.settings->by_zone();
  if (row.members.empty()) {
    const std::span<const ir::Locality> localities = own_localities(row, by_zone, find, room);
    if (!weighs) return localities;
    if (localities.data() != room.data()) room.assign(localities.begin(), localities.end());
    for (ir::Locality& locality : room) {
      locality.weight = capped(weight_of(row.cluster, locality.zone), room.size());
    }
    return room;
  }
  std::vector<ir::Locality> localities;
  std::vector<ir::Locality> of_member;
  std::vector<std::uint64_t> weights;
  for (const ClusterRow::Member& member : row.members) {
    for (const ir::Locality& part : own_localities(*member.row, by_zone, find, of_member)) {
      if (part.endpoints.empty()) continue;
      ir::Locality& locality = localities.emplace_back(part);
      locality.region = member.row->cluster.name;
      locality.priority = member.priority;
      weights.push_back(std::uint64_t{member.weight} * weight_of(row.cluster, part.zone));
      if (!row.cluster.tls_by_name.empty() && member.row->cluster.tls) {
        locality.tls = member.row->cluster.name;
      }
    }
  }
  for (std::size_t i = 0; i < weights.size(); ++i) localities[i].weight = capped(weights[i], weights.size());
  room = std::move(localities);
  return room;
}

}  // namespace sluice::translate
