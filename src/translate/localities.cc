#include "translate/localities.h"

#include <utility>

namespace sluice::translate {

std::span<const ir::Locality> localities_of(const ClusterRow& row, const FindEndpoints& find,
                                            std::vector<ir::Locality>& room) {
  if (!row.members.empty()) {
    std::vector<ir::Locality> localities;
    for (const ClusterRow::Member& member : row.members) {
      ir::Locality whole{.region = member.row->cluster.name,
                         .zone = "",
                         .priority = member.priority,
                         .weight = member.weight,
                         .tls = "",
                         .endpoints = {}};
      if (!row.cluster.tls_by_name.empty() && member.row->cluster.tls) whole.tls = member.row->cluster.name;
      for (const ir::Locality& part : localities_of(*member.row, find, room)) {
        whole.endpoints.insert(whole.endpoints.end(), part.endpoints.begin(), part.endpoints.end());
      }
      if (!whole.endpoints.empty()) localities.push_back(std::move(whole));
    }
    room = std::move(localities);
    return room;
  }
  if (!row.service_port) return row.fixed.empty() ? row.cluster.dns_localities : row.fixed;
  const ServiceEndpoints* all = find(row.service_port->first);
  if (all == nullptr) return {};
  const auto port = all->by_port.find(row.service_port->second);
  if (port == all->by_port.end()) return {};
  return port->second;
}

}  // namespace sluice::translate
