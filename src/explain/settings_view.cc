#include "explain/settings_view.h"

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "explain/describe.h"
#include "xds/render.h"

namespace sluice::explain {

namespace {

// Parts of a text, each of a setting that may be absent.
class Words {
 public:
  void add(std::string text) { parts_.push_back(std::move(text)); }
  template <typename T>
  void add(std::string_view format, const std::optional<T>& value) {
    if (value) parts_.push_back(fmt::format(fmt::runtime(format), *value));
  }
  void add(std::string_view format, const std::optional<ir::Duration>& value) {
    if (value) parts_.push_back(fmt::format(fmt::runtime(format), describe_duration(*value)));
  }
  std::string take() const { return fmt::format("{}", fmt::join(parts_, ", ")); }

 private:
  std::vector<std::string> parts_;
};

std::string describe(const ir::LoadBalancing& from) {
  using Kind = ir::LoadBalancing::Kind;
  Words words;
  switch (from.kind) {
    case Kind::kLeastRequest:
      words.add("to the one with the fewest requests");
      break;
    case Kind::kRoundRobin:
      words.add("in turn");
      break;
    case Kind::kRandom:
      words.add("at random");
      break;
    case Kind::kHash:
      words.add("those that are alike to the same one");
      break;
    case Kind::kUtilization:
      words.add("by the load that endpoints report");
      break;
    case Kind::kModule:
      words.add("by the module " + from.module->name);
      break;
  }
  words.add("slow start of {}", from.slow_start);
  if (!from.override_headers.empty()) {
    words.add(fmt::format("or to the one that {} names", fmt::join(from.override_headers, " or ")));
  }
  if (from.prefer_local) words.add("in its own zone first");
  for (const ir::ZoneWeight& zone : from.zone_weights) {
    words.add(fmt::format("zone {} with weight {}", zone.zone, zone.weight));
  }
  return words.take();
}

std::string describe(const std::vector<ir::HashKey>& keys) {
  Words words;
  for (const ir::HashKey& key : keys) {
    switch (key.kind) {
      case ir::HashKey::Kind::kSourceAddress:
        words.add("the client's address");
        break;
      case ir::HashKey::Kind::kHeader:
        words.add("header " + key.name);
        break;
      case ir::HashKey::Kind::kCookie:
        words.add("cookie " + key.name);
        break;
      case ir::HashKey::Kind::kQueryParameter:
        words.add("query parameter " + key.name);
        break;
    }
  }
  return words.take();
}

std::string describe(const ir::HttpQuestion& from) { return "HTTP " + from.path; }
std::string describe(const ir::TcpQuestion&) { return "TCP"; }
std::string describe(const ir::GrpcQuestion& from) {
  return from.service.empty() ? "gRPC" : "gRPC of " + from.service;
}

std::string describe(const ir::HealthCheck& from) {
  Words words;
  words.add(fmt::format("by {} every {}",
                        std::visit([](const auto& q) { return describe(q); }, from.question),
                        describe_duration(from.interval)));
  words.add(fmt::format("each within {}", describe_duration(from.timeout)));
  words.add(fmt::format("out after {} failed, back after {} good", from.unhealthy_after, from.healthy_after));
  if (from.port != 0) words.add(fmt::format("at port {}", from.port));
  return words.take();
}

std::string describe(const ir::OutlierDetection& from) {
  Words words;
  words.add(fmt::format("out for {} after {} answers of 5xx", describe_duration(from.ejection_time),
                        from.server_errors));
  words.add("{} of 502, 503 or 504", from.gateway_errors);
  words.add(fmt::format("{} failures to connect", from.local_failures));
  words.add("{} % of failures", from.failure_percent);
  words.add(fmt::format("at most {} % of them", from.max_ejected_percent));
  return words.take();
}

std::string describe(const ir::CircuitBreakers& from) {
  Words words;
  words.add("{} connections", from.connections);
  words.add("{} connections an endpoint", from.connections_of_endpoint);
  words.add("{} requests", from.requests);
  words.add("{} that wait", from.pending);
  words.add("{} retries", from.retries);
  if (from.retry_budget) {
    const std::optional<ir::Duration>& interval = from.retry_budget->interval;
    words.add(fmt::format("retries of {} %{}, {} at least", from.retry_budget->percent,
                          interval ? " within " + describe_duration(*interval) : "", from.retry_budget->min));
  }
  return words.take();
}

std::string describe_connections(const ir::ClusterSettings& from) {
  Words words;
  words.add("made within {}", from.connect_timeout);
  words.add("closed when idle for {}", from.connection_idle_timeout);
  words.add("closed after {}", from.max_connection_duration);
  words.add("closed after {} requests", from.max_requests_per_connection);
  words.add("a buffer of {} bytes", from.buffer_limit);
  words.add("a buffer of {} bytes in the kernel", from.socket_buffer);
  if (from.tcp_keepalive) words.add("TCP keepalive");
  if (from.preconnect) words.add("made ahead of requests");
  if (from.proxy_protocol) {
    words.add(from.proxy_protocol == ir::ProxyProtocol::kV1 ? "PROXY protocol 1" : "PROXY protocol 2");
  }
  return words.take();
}

std::string describe(const ir::Http2& from) {
  Words words;
  words.add("{} streams a connection", from.max_streams);
  words.add("windows of {} bytes a stream", from.stream_window);
  words.add("{} bytes a connection", from.connection_window);
  if (from.keepalive) words.add("keepalive every {}", from.keepalive->interval);
  return words.take();
}

std::string describe(const ir::Dns& from) {
  Words words;
  words.add("looked up every {}", from.refresh);
  if (from.respect_ttl) words.add(*from.respect_ttl ? "as records say" : "whatever records say");
  return words.take();
}

}  // namespace

Settings view_of(const ir::ClusterSettings& from) {
  Settings settings;
  const auto put = [&settings](const char* name, std::string text) {
    if (!text.empty()) settings[name] = std::move(text);
  };
  const auto put_if = [&](const char* name, const auto& part) {
    if (part) put(name, describe(*part));
  };
  put_if("load balancing", from.load_balancing);
  put("hashed", describe(from.hash));
  put_if("health checks", from.health_check);
  put_if("judged by answers", from.outlier_detection);
  if (from.panic_threshold) put("panic", fmt::format("below {} % healthy", *from.panic_threshold));
  put_if("limits", from.circuit_breakers);
  put("connections", describe_connections(from));
  if (from.max_stream_duration) put("streams", "ended after " + describe_duration(*from.max_stream_duration));
  put_if("HTTP/2", from.http2);
  put_if("DNS", from.dns);
  return settings;
}

std::uint64_t fingerprint(const ir::ClusterSettings& settings) {
  ir::Cluster cluster;
  cluster.settings = settings;
  return xds::content_hash(xds::render_cluster(cluster));
}

}  // namespace sluice::explain
