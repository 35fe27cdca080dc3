#include "xds/dns.h"

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache.pb.h"

namespace sluice::xds {

void fill_dns_cache(bool ipv6_preferred,
                    envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig* to) {
  using Cluster = envoy::config::cluster::v3::Cluster;
  constexpr int kRefreshSeconds = 30;
  // Caches of one name are one, and must be configured alike. The names are Envoy Gateway's, for its
  // dashboards.
  to->set_name(ipv6_preferred ? "envoy-gateway-dfp-cache-all-30000ms-default"
                              : "envoy-gateway-dfp-cache-v4_preferred-30000ms-default");
  to->mutable_dns_refresh_rate()->set_seconds(kRefreshSeconds);
  to->set_dns_lookup_family(ipv6_preferred ? Cluster::ALL : Cluster::V4_PREFERRED);
}

}  // namespace sluice::xds
