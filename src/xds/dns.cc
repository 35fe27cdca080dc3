#include "xds/dns.h"

#include <string>

#include "absl/strings/ascii.h"
#include <fmt/format.h>

#include "envoy/extensions/clusters/dns/v3/dns_cluster.pb.h"
#include "envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache.pb.h"

#include "xds/duration.h"

namespace sluice::xds {

namespace dns_v3 = envoy::extensions::clusters::common::dns::v3;
using Cluster = envoy::config::cluster::v3::Cluster;

namespace {

constexpr ir::Duration kRefresh{30'000};

dns_v3::DnsLookupFamily in_clusters(Cluster::DnsLookupFamily family) {
  switch (family) {
    case Cluster::V4_ONLY:
      return dns_v3::V4_ONLY;
    case Cluster::V6_ONLY:
      return dns_v3::V6_ONLY;
    case Cluster::V4_PREFERRED:
      return dns_v3::V4_PREFERRED;
    case Cluster::AUTO:
      return dns_v3::AUTO;
    default:
      return dns_v3::ALL;
  }
}

}  // namespace

Cluster::DnsLookupFamily dns_family(std::optional<ir::Dns::Family> from, bool ipv6_preferred) {
  if (!from) return ipv6_preferred ? Cluster::ALL : Cluster::V4_PREFERRED;
  switch (*from) {
    case ir::Dns::Family::kIpv4:
      return Cluster::V4_ONLY;
    case ir::Dns::Family::kIpv6:
      return Cluster::V6_ONLY;
    case ir::Dns::Family::kIpv4Preferred:
      return Cluster::V4_PREFERRED;
    case ir::Dns::Family::kIpv6Preferred:
      return Cluster::AUTO;
    case ir::Dns::Family::kBoth:
      return Cluster::ALL;
  }
  return Cluster::V4_PREFERRED;
}

void fill_dns(const ir::Dns& from, bool ipv6_preferred,
              envoy::extensions::clusters::dns::v3::DnsCluster* to) {
  fill_duration(from.refresh.value_or(kRefresh), to->mutable_dns_refresh_rate());
  to->set_respect_dns_ttl(from.respect_ttl.value_or(true));
  to->set_dns_lookup_family(in_clusters(dns_family(from.family, ipv6_preferred)));
}

void fill_dns_cache(const ir::Dns& from, bool ipv6_preferred,
                    envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig* to) {
  const Cluster::DnsLookupFamily family = dns_family(from.family, ipv6_preferred);
  const ir::Duration refresh = from.refresh.value_or(kRefresh);
  // Caches of one name are one, and must be configured alike. The names are Envoy Gateway's, for its
  // dashboards.
  to->set_name(fmt::format("envoy-gateway-dfp-cache-{}-{}ms-{}",
                           absl::AsciiStrToLower(Cluster::DnsLookupFamily_Name(family)), refresh.count(),
                           from.name.empty() ? "default" : from.name));
  fill_duration(refresh, to->mutable_dns_refresh_rate());
  to->set_dns_lookup_family(family);
}

}  // namespace sluice::xds
