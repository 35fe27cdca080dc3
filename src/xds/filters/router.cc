#include "xds/filters/router.h"

#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"

#include "xds/access_log.h"

namespace sluice::xds {

void add_router(const ir::HttpChain& chain, HttpConnectionManager* to) {
  envoy::extensions::filters::http::router::v3::Router router;
  // No x-envoy-* headers towards clients and backends.
  router.set_suppress_envoy_headers(true);
  fill_access_logs(chain.access_logs, LogOf::kAttempts, router.mutable_upstream_log());
  if (router.upstream_log_size() > 0) {
    router.mutable_upstream_log_options()->set_flush_upstream_log_on_upstream_stream(true);
  }
  add_filter("envoy.filters.http.router", router, to);
}

}  // namespace sluice::xds
