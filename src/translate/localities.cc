#include "translate/localities.h"

#include <algorithm>
#include <iterator>

namespace sluice::translate {

std::vector<ir::Locality> localities_of(const ClusterRow& row, const FindEndpoints& find) {
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
      for (ir::Locality& part : localities_of(*member.row, find)) {
        std::ranges::move(part.endpoints, std::back_inserter(whole.endpoints));
      }
      if (!whole.endpoints.empty()) localities.push_back(std::move(whole));
    }
    return localities;
  }
  if (!row.service_port) return row.fixed.empty() ? row.cluster.dns_localities : row.fixed;
  const ServiceEndpoints* all = find(row.service_port->first);
  if (all == nullptr) return {};
  const auto port = all->by_port.find(row.service_port->second);
  return port == all->by_port.end() ? std::vector<ir::Locality>() : port->second;
}

}  // namespace sluice::translate
