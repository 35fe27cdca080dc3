#include "xds/cluster_settings.h"

#include <cstdint>
#include <utility>

#include <sys/socket.h>

#include "envoy/config/cluster/v3/circuit_breaker.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/config/core/v3/protocol.pb.h"
#include "envoy/config/core/v3/proxy_protocol.pb.h"
#include "envoy/config/core/v3/socket_option.pb.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

#include "xds/duration.h"
#include "xds/health_check.h"
#include "xds/load_balancing.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace cluster_v3 = envoy::config::cluster::v3;
namespace core = envoy::config::core::v3;

namespace {

constexpr ir::Duration kConnectTimeout{10'000};
constexpr std::uint32_t kBufferLimit = 32'768;
constexpr std::uint32_t kRetries = 1'024;  // as many as Envoy's default of requests
constexpr std::uint32_t kStreamWindow = 65'536;
constexpr std::uint32_t kConnectionWindow = 1'048'576;
constexpr std::uint32_t kPanicThreshold = 50;  // Envoy's own
constexpr double kPercent = 100;

template <typename T, typename Wrapper>
void set_if(const std::optional<T>& value, Wrapper* (cluster_v3::CircuitBreakers::Thresholds::*field)(),
            cluster_v3::CircuitBreakers::Thresholds* to) {
  if (value) (to->*field)()->set_value(*value);
}

void fill_circuit_breakers(const ir::CircuitBreakers& from, cluster_v3::CircuitBreakers* to) {
  using Thresholds = cluster_v3::CircuitBreakers::Thresholds;
  Thresholds* limits = to->add_thresholds();
  set_if(from.connections, &Thresholds::mutable_max_connections, limits);
  set_if(from.pending, &Thresholds::mutable_max_pending_requests, limits);
  set_if(from.requests, &Thresholds::mutable_max_requests, limits);
  limits->mutable_max_retries()->set_value(from.retries.value_or(kRetries));
  if (from.retry_budget) {
    Thresholds::RetryBudget* budget = limits->mutable_retry_budget();
    budget->mutable_budget_percent()->set_value(from.retry_budget->percent);
    budget->mutable_min_retry_concurrency()->set_value(from.retry_budget->min);
    if (from.retry_budget->interval) {
      fill_duration(*from.retry_budget->interval, budget->mutable_budget_interval());
    }
  }
  if (from.connections_of_endpoint) {
    to->add_per_host_thresholds()->mutable_max_connections()->set_value(*from.connections_of_endpoint);
  }
}

void fill_keepalive(const ir::TcpKeepalive& from, core::TcpKeepalive* to) {
  if (from.probes) to->mutable_keepalive_probes()->set_value(*from.probes);
  if (from.idle_seconds) to->mutable_keepalive_time()->set_value(*from.idle_seconds);
  if (from.interval_seconds) to->mutable_keepalive_interval()->set_value(*from.interval_seconds);
}

void fill_preconnect(const ir::Preconnect& from, cluster_v3::Cluster::PreconnectPolicy* to) {
  if (from.per_endpoint) {
    to->mutable_per_upstream_preconnect_ratio()->set_value(*from.per_endpoint / kPercent);
  }
  if (from.predictive) {
    to->mutable_predictive_preconnect_ratio()->set_value(*from.predictive / kPercent);
  }
}

void add_socket_option(int name, std::uint32_t value, const char* description, core::BindConfig* to) {
  core::SocketOption* option = to->add_socket_options();
  option->set_description(description);
  option->set_level(SOL_SOCKET);
  option->set_name(name);
  option->set_int_value(value);
  option->set_state(core::SocketOption::STATE_PREBIND);
}

void fill_http2_keepalive(const ir::Http2Keepalive& from, core::KeepaliveSettings* to) {
  if (from.interval) fill_duration(*from.interval, to->mutable_interval());
  if (from.timeout) fill_duration(*from.timeout, to->mutable_timeout());
  if (from.jitter_percent) to->mutable_interval_jitter()->set_value(*from.jitter_percent);
  if (from.idle_interval) fill_duration(*from.idle_interval, to->mutable_connection_idle_interval());
}

}  // namespace

void fill_settings(const ir::ClusterSettings& from, cluster_v3::Cluster* to) {
  fill_duration(from.connect_timeout.value_or(kConnectTimeout), to->mutable_connect_timeout());
  to->mutable_per_connection_buffer_limit_bytes()->set_value(from.buffer_limit.value_or(kBufferLimit));
  fill_circuit_breakers(from.circuit_breakers.value_or(ir::CircuitBreakers()),
                        to->mutable_circuit_breakers());
  to->mutable_common_lb_config();
  if (from.panic_threshold.value_or(kPanicThreshold) != kPanicThreshold) {
    to->mutable_common_lb_config()->mutable_healthy_panic_threshold()->set_value(*from.panic_threshold);
  }
  if (from.health_check) fill_health_check(*from.health_check, to->add_health_checks());
  if (from.outlier_detection) {
    fill_outlier_detection(*from.outlier_detection, to->mutable_outlier_detection());
  }
  if (from.tcp_keepalive) {
    fill_keepalive(*from.tcp_keepalive, to->mutable_upstream_connection_options()->mutable_tcp_keepalive());
  }
  if (from.preconnect) fill_preconnect(*from.preconnect, to->mutable_preconnect_policy());
  if (from.socket_buffer) {
    core::BindConfig* bind = to->mutable_upstream_bind_config();
    add_socket_option(SO_RCVBUF, *from.socket_buffer, "what is received", bind);
    add_socket_option(SO_SNDBUF, *from.socket_buffer, "what is sent", bind);
  }
}

void fill_http2(const ir::ClusterSettings& from, core::Http2ProtocolOptions* to) {
  static const ir::Http2 kUnset;
  const ir::Http2& http2 = from.http2 ? *from.http2 : kUnset;
  to->mutable_initial_stream_window_size()->set_value(http2.stream_window.value_or(kStreamWindow));
  to->mutable_initial_connection_window_size()->set_value(
      http2.connection_window.value_or(kConnectionWindow));
  if (http2.max_streams) to->mutable_max_concurrent_streams()->set_value(*http2.max_streams);
  if (http2.error_ends_stream) {
    to->mutable_override_stream_error_on_invalid_http_message()->set_value(*http2.error_ends_stream);
  }
  if (http2.keepalive) fill_http2_keepalive(*http2.keepalive, to->mutable_connection_keepalive());
}

bool fill_http(const ir::ClusterSettings& from,
               envoy::extensions::upstreams::http::v3::HttpProtocolOptions* to) {
  fill_hash(from.hash, to->mutable_hash_policy());
  core::HttpProtocolOptions common;
  if (from.connection_idle_timeout) {
    fill_duration(*from.connection_idle_timeout, common.mutable_idle_timeout());
  }
  if (from.max_connection_duration) {
    fill_duration(*from.max_connection_duration, common.mutable_max_connection_duration());
  }
  if (from.max_stream_duration) {
    fill_duration(*from.max_stream_duration, common.mutable_max_stream_duration());
  }
  if (from.max_requests_per_connection) {
    common.mutable_max_requests_per_connection()->set_value(*from.max_requests_per_connection);
  }
  const bool any = common.ByteSizeLong() != 0;
  if (any) *to->mutable_common_http_protocol_options() = std::move(common);
  return any || !from.hash.empty();
}

void add_proxy_protocol(ir::ProxyProtocol version, core::TransportSocket* socket) {
  namespace proxy_protocol = envoy::extensions::transport_sockets::proxy_protocol::v3;
  proxy_protocol::ProxyProtocolUpstreamTransport around;
  around.mutable_config()->set_version(version == ir::ProxyProtocol::kV2 ? core::ProxyProtocolConfig::V2
                                                                         : core::ProxyProtocolConfig::V1);
  if (socket->name().empty()) {
    socket->set_name("envoy.transport_sockets.raw_buffer");
    pack(envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer(), socket->mutable_typed_config());
  }
  around.mutable_transport_socket()->Swap(socket);
  socket->set_name("envoy.transport_sockets.upstream_proxy_protocol");
  pack(around, socket->mutable_typed_config());
}

}  // namespace sluice::xds
