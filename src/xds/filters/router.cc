#include "xds/filters/router.h"

#include "envoy/extensions/filters/http/router/v3/router.pb.h"

namespace sluice::xds {

void add_router(const ir::HttpChain&, HttpConnectionManager* to) {
  envoy::extensions::filters::http::router::v3::Router router;
  // No x-envoy-* headers towards clients and backends.
  router.set_suppress_envoy_headers(true);
  add_filter("envoy.filters.http.router", router, to);
}

}  // namespace sluice::xds
