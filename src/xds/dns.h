// The cache of names that requests and connections bring along: a cluster of Discovery::kDynamic looks there
// for what a filter before it has had resolved.
#pragma once

namespace envoy::extensions::common::dynamic_forward_proxy::v3 {
class DnsCacheConfig;
}

namespace sluice::xds {

void fill_dns_cache(bool ipv6_preferred,
                    envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig* to);

}  // namespace sluice::xds
