#include "xds/filters/router.h"

#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

#include "xds/wire.h"

namespace sluice::xds {

void add_router(const ir::HttpChain&, HttpConnectionManager* to) {
  envoy::extensions::filters::http::router::v3::Router router;
  // No x-envoy-* headers towards clients and backends.
  router.set_suppress_envoy_headers(true);
  auto* filter = to->add_http_filters();
  filter->set_name("envoy.filters.http.router");
  pack(router, filter->mutable_typed_config());
}

}  // namespace sluice::xds
