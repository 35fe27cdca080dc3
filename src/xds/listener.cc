#include <algorithm>
#include <utility>

#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/filters/udp/udp_proxy/v3/route.pb.h"
#include "envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy.pb.h"

#include "ir/loopback.h"
#include "xds/access_log.h"
#include "xds/dns.h"
#include "xds/filters/order.h"
#include "xds/render.h"
#include "xds/tls.h"
#include "xds/tracing.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace listener_v3 = envoy::config::listener::v3;
namespace tcp_v3 = envoy::extensions::filters::network::tcp_proxy::v3;
namespace udp_v3 = envoy::extensions::filters::udp::udp_proxy::v3;

namespace {

// A listener without its routes would answer 404: it waits for them.
constexpr ir::Duration kRoutesTimeout{0};

const std::string& cluster_or_nowhere(const std::string& cluster) {
  static const auto* const nowhere = new std::string(ir::kNowhere);
  return cluster.empty() ? *nowhere : cluster;
}

void fill_connection_manager(const ir::HttpChain& chain, HttpConnectionManager* to) {
  to->set_stat_prefix(chain.stat_prefix);
  to->mutable_rds()->set_route_config_name(chain.route_table);
  fill_ads(kRoutesTimeout, to->mutable_rds()->mutable_config_source());
  to->mutable_use_remote_address()->set_value(true);
  to->set_server_header_transformation(HttpConnectionManager::PASS_THROUGH);
  // Paths are compared with routes as backends will understand them.
  to->mutable_normalize_path()->set_value(true);
  to->set_merge_slashes(true);
  to->set_path_with_escaped_slashes_action(HttpConnectionManager::UNESCAPE_AND_REDIRECT);
  to->mutable_common_http_protocol_options()->set_headers_with_underscores_action(
      envoy::config::core::v3::HttpProtocolOptions::REJECT_REQUEST);
  auto* http2 = to->mutable_http2_protocol_options();
  http2->mutable_max_concurrent_streams()->set_value(100);
  http2->mutable_initial_stream_window_size()->set_value(65'536);
  http2->mutable_initial_connection_window_size()->set_value(1'048'576);
  fill_access_logs(chain.access_logs, LogOf::kRequests, to->mutable_access_log());
  if (chain.tracing) fill_tracing(*chain.tracing, to->mutable_tracing());
  if (chain.request_id) fill_request_id(*chain.request_id, to);
  for (const HttpFilter* filter : http_filters(chain.filter_order)) {
    if (filter->add != nullptr) filter->add(chain, to);
  }
}

// What all chains have: a name, whose connections they take, and TLS.
template <typename Chain>
void fill_chain(const Chain& chain, listener_v3::FilterChain* to) {
  to->set_name(chain.name);
  for (const std::string& name : chain.server_names) to->mutable_filter_chain_match()->add_server_names(name);
  if (chain.tls) fill_downstream_tls(*chain.tls, to->mutable_transport_socket());
}

void add_network_filter(const char* name, const google::protobuf::Message& config,
                        listener_v3::FilterChain* to) {
  listener_v3::Filter* filter = to->add_filters();
  filter->set_name(name);
  pack(config, filter->mutable_typed_config());
}

void fill_http_chain(const ir::HttpChain& chain, listener_v3::FilterChain* to) {
  fill_chain(chain, to);
  HttpConnectionManager manager;
  fill_connection_manager(chain, &manager);
  add_network_filter("envoy.filters.network.http_connection_manager", manager, to);
}

// The same for connections as filters/loopback_guard.h for requests.
void add_loopback_guard(const ir::TcpChain& chain, listener_v3::FilterChain* to) {
  namespace rbac_v3 = envoy::config::rbac::v3;
  rbac_v3::RBAC rules;
  rules.set_action(rbac_v3::RBAC::DENY);
  const auto deny = [&rules](const char* policy_name, const char* regex) {
    rbac_v3::Policy& policy = (*rules.mutable_policies())[policy_name];
    policy.add_permissions()->mutable_requested_server_name()->mutable_safe_regex()->set_regex(regex);
    policy.add_principals()->set_any(true);
  };
  deny("deny-loopback-sni",
       R"((?i)^(localhost|localhost\.localdomain|ip6-localhost|ip6-loopback|127\.0\.0\.1|::1|\[::1\])\.?$)");
  if (chain.server_names.empty() || std::ranges::any_of(chain.server_names, ir::may_be_loopback)) {
    deny("deny-loopback-sni-of-any-spelling", ir::kLoopbackHost);
  }
  envoy::extensions::filters::network::rbac::v3::RBAC guard;
  *guard.mutable_rules() = std::move(rules);
  guard.set_stat_prefix(chain.stat_prefix);
  add_network_filter("envoy.filters.network.rbac", guard, to);
}

// Has the server name resolved, for the cluster.
void add_resolver(listener_v3::FilterChain* to) {
  envoy::extensions::filters::network::sni_dynamic_forward_proxy::v3::FilterConfig resolver;
  fill_dns_cache({}, false, resolver.mutable_dns_cache_config());
  resolver.set_port_value(443);
  add_network_filter("envoy.filters.network.sni_dynamic_forward_proxy", resolver, to);
}

void fill_tcp_chain(const ir::TcpChain& chain, listener_v3::FilterChain* to) {
  fill_chain(chain, to);
  if (chain.dynamic) {
    add_loopback_guard(chain, to);
    add_resolver(to);
  }
  tcp_v3::TcpProxy proxy;
  proxy.set_stat_prefix(chain.stat_prefix);
  if (chain.shares.size() < 2) {
    proxy.set_cluster(cluster_or_nowhere(chain.shares.empty() ? "" : chain.shares.front().cluster));
  } else {
    for (const ir::StreamShare& share : chain.shares) {
      auto* part = proxy.mutable_weighted_clusters()->add_clusters();
      part->set_name(cluster_or_nowhere(share.cluster));
      part->set_weight(share.weight);
    }
  }
  fill_access_logs(chain.access_logs, LogOf::kRequests, proxy.mutable_access_log());
  add_network_filter("envoy.filters.network.tcp_proxy", proxy, to);
}

void fill_udp(const ir::UdpForward& udp, listener_v3::Listener* to) {
  constexpr auto kUdp = envoy::config::core::v3::SocketAddress::UDP;
  to->mutable_address()->mutable_socket_address()->set_protocol(kUdp);
  for (auto& more : *to->mutable_additional_addresses()) {
    more.mutable_address()->mutable_socket_address()->set_protocol(kUdp);
  }
  udp_v3::Route route;
  route.set_cluster(cluster_or_nowhere(udp.cluster));
  udp_v3::UdpProxyConfig proxy;
  proxy.set_stat_prefix("service");
  auto* action = proxy.mutable_matcher()->mutable_on_no_match()->mutable_action();
  action->set_name("route");
  pack(route, action->mutable_typed_config());
  fill_access_logs(udp.access_logs, LogOf::kRequests, proxy.mutable_access_log());
  auto* filter = to->add_listener_filters();
  filter->set_name("envoy.filters.udp_listener.udp_proxy");
  pack(proxy, filter->mutable_typed_config());
}

// What a socket of connections has, and one of datagrams has not.
void fill_connections(const ir::Listener& listener, listener_v3::Listener* to) {
  to->mutable_per_connection_buffer_limit_bytes()->set_value(32'768);
  // One connection an event: a burst of them spreads over the workers.
  to->mutable_max_connections_to_accept_per_socket_event()->set_value(1);
  bool by_name = false;
  for (const ir::HttpChain& chain : listener.chains) {
    by_name = by_name || !chain.server_names.empty();
    const bool is_default = chain.server_names.empty() && !chain.tls;
    fill_http_chain(chain, is_default ? to->mutable_default_filter_chain() : to->add_filter_chains());
  }
  for (const ir::TcpChain& chain : listener.tcp_chains) {
    by_name = by_name || chain.dynamic || !chain.server_names.empty();
    fill_tcp_chain(chain, to->add_filter_chains());
  }
  if (by_name) {
    auto* inspector = to->add_listener_filters();
    inspector->set_name("envoy.filters.listener.tls_inspector");
    pack(envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector(),
         inspector->mutable_typed_config());
  }
}

}  // namespace

std::string render_listener(const ir::Listener& listener) {
  listener_v3::Listener to;
  to.set_name(listener.name);
  auto* address = to.mutable_address()->mutable_socket_address();
  address->set_address(listener.address);
  address->set_port_value(listener.port);
  address->set_ipv4_compat(listener.dual_stack);
  for (const std::string& more : listener.more_addresses) {
    auto* socket = to.add_additional_addresses()->mutable_address()->mutable_socket_address();
    socket->set_address(more);
    socket->set_port_value(listener.port);
  }
  fill_access_logs(listener.access_logs, LogOf::kUnserved, to.mutable_access_log());
  if (listener.udp) {
    fill_udp(*listener.udp, &to);
  } else {
    fill_connections(listener, &to);
  }
  // Whom to tell when Envoy rejects it.
  std::string out = serialize(to);
  if (!listener.owners.empty()) {
    append_owner(out, listener_v3::Listener::kMetadataFieldNumber, listener.owners.front());
  }
  return out;
}

}  // namespace sluice::xds
