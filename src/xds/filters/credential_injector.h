// The credentials of HTTPRouteFilters: each is a filter of its own (extension.h), or one of a cluster whose
// requests all get it. What the credential is comes by SDS.
#pragma once

#include "xds/filters/order.h"

namespace envoy::extensions::upstreams::http::v3 {
class HttpProtocolOptions;
}

namespace sluice::xds {

void add_credential_injectors(const ir::HttpChain& chain, HttpConnectionManager* to);

// Adds one to what a cluster does with requests, before the codec, which has to be last there.
void add_upstream_credential(const ir::Extension& credential,
                             envoy::extensions::upstreams::http::v3::HttpProtocolOptions* to);

}  // namespace sluice::xds
