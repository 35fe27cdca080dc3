// How names are resolved: those of a cluster's endpoints, and those that requests and connections bring
// along. The latter are in a cache: a cluster of Discovery::kDynamic looks there for what a filter before it
// has had resolved.
//
// Threads: pure functions.
#pragma once

#include <optional>

#include "envoy/config/cluster/v3/cluster.pb.h"

#include "ir/cluster_settings.h"

namespace envoy::extensions::clusters::dns::v3 {
class DnsCluster;
}
namespace envoy::extensions::common::dynamic_forward_proxy::v3 {
class DnsCacheConfig;
}

namespace sluice::xds {

// `ipv6_preferred` is of the proxy, and counts where nothing else is said.
envoy::config::cluster::v3::Cluster::DnsLookupFamily dns_family(std::optional<ir::Dns::Family> from,
                                                                bool ipv6_preferred);

void fill_dns(const ir::Dns& from, bool ipv6_preferred, envoy::extensions::clusters::dns::v3::DnsCluster* to);

void fill_dns_cache(const ir::Dns& from, bool ipv6_preferred,
                    envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig* to);

}  // namespace sluice::xds
