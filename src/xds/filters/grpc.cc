#include "xds/filters/grpc.h"

#include "envoy/extensions/filters/http/grpc_stats/v3/config.pb.h"
#include "envoy/extensions/filters/http/grpc_web/v3/grpc_web.pb.h"

namespace sluice::xds {

void add_grpc_web(const ir::HttpChain& chain, HttpConnectionManager* to) {
  if (!chain.filters.contains(ir::RouteFilter::kGrpc)) return;
  add_filter("envoy.filters.http.grpc_web", envoy::extensions::filters::http::grpc_web::v3::GrpcWeb(), to);
}

void add_grpc_stats(const ir::HttpChain& chain, HttpConnectionManager* to) {
  if (!chain.grpc_stats.value_or(chain.filters.contains(ir::RouteFilter::kGrpc))) return;
  envoy::extensions::filters::http::grpc_stats::v3::FilterConfig config;
  config.set_emit_filter_state(true);
  config.mutable_stats_for_all_methods()->set_value(true);
  add_filter("envoy.filters.http.grpc_stats", config, to);
}

}  // namespace sluice::xds
