// TLS contexts of both sides, and how secrets are subscribed to.
#pragma once

#include "ir/ir.h"

namespace envoy::config::core::v3 {
class ConfigSource;
class TransportSocket;
}  // namespace envoy::config::core::v3

namespace sluice::xds {

// From our ADS. Whoever waits for the resource goes on without it after initial_fetch_timeout; 0 waits for
// ever.
void fill_ads(ir::Duration initial_fetch_timeout, envoy::config::core::v3::ConfigSource* to);

// One missing secret must not keep a whole proxy from its listeners and clusters.
inline constexpr ir::Duration kSecretTimeout{5'000};

// `checks_host` where it is the context's business to compare the certificate with the name that was sent; a
// cluster whose hosts are the requests' does that itself.
void fill_upstream_tls(const ir::UpstreamTls& tls, bool checks_host,
                       envoy::config::core::v3::TransportSocket* to);
void fill_downstream_tls(const ir::DownstreamTls& tls, envoy::config::core::v3::TransportSocket* to);

// The socket of endpoints that ask for none though their cluster speaks TLS. It verifies nobody:
// `tls` of append_assignment() has to be set wherever the cluster has TLS.
void fill_unasked_tls(envoy::config::core::v3::TransportSocket* to);

}  // namespace sluice::xds
