// The bootstrap of an Envoy that sluice runs, on this host or in a pod.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "ir/ir.h"

namespace sluice::xds {

struct BootstrapPlaces {
  std::string node_id;
  std::string xds_socket;    // Unix socket of ADS
  std::string admin_socket;  // Unix socket (abstract or path) for the admin interface; mode 0600
};

// Where an Envoy in a pod finds us, and where others find it: Kubernetes its readiness, Prometheus its
// metrics. Names, ports and paths are those of Envoy Gateway v1.9 (internal/xds/bootstrap), so that probes
// and dashboards go on working.
struct PodPlaces {
  enum class Family : std::uint8_t { kIpv4, kIpv6, kDualStack };
  // Metrics, compressed for whoever asks for that.
  struct Prometheus {
    enum class Compression : std::uint8_t { kNone, kGzip, kBrotli, kZstd };
    Compression compression = Compression::kNone;
    std::optional<std::uint32_t> min_content_length = {};  // bytes from which on it is compressed
  };
  struct StatName {
    ir::MatchKind kind = ir::MatchKind::kExact;
    std::string value;
  };

  std::string node_id;
  std::string zone;      // of node.locality
  std::string xds_host;  // of ADS: over TLS, with names to resolve
  std::uint16_t xds_port = 0;
  // Files with a secret each, in the form of an answer of SDS: whom Envoy trusts, under the name kTrustedCa;
  // and what it shows, a certificate (kCertificate) or a token in a header (kToken). One of the two is empty.
  std::string ca_file;
  std::string certificate_file;
  std::string token_file;
  Family family = Family::kIpv4;
  std::optional<Prometheus> prometheus = {};
  std::vector<StatName> stat_names = {};  // the statistics that there are; empty: all
  std::uint64_t heap_limit = 0;           // bytes from which on Envoy defends itself; 0: none
};

inline constexpr char kTrustedCa[] = "xds_trusted_ca";
inline constexpr char kCertificate[] = "xds_certificate";
inline constexpr char kToken[] = "jwt-sa-bearer";

// Of a pod.
inline constexpr std::uint16_t kAdminPort = 19'000;  // on the loopback interface
inline constexpr std::uint16_t kStatsPort = 19'001;
inline constexpr std::uint16_t kReadyPort = 19'003;
inline constexpr char kStatsPath[] = "/stats/prometheus";
// 200 from when Envoy has its first configuration until it is told to fail health checks.
inline constexpr char kReadyPath[] = "/ready";

// Of the problems of both below.
inline constexpr std::string_view kBootstrapPath = "spec.bootstrap.value";

// The bootstrap as JSON. Delta ADS over the Unix socket, with reconnection after at most 1 s; no static
// listeners. The user's changes (ir::Proxy::bootstrap) are merged, patched in or put in its place; what is
// wrong with them is a Problem ("value/bootstrap"), and then the caller keeps the bootstrap it had.
std::expected<std::string, Problem> render_bootstrap(const ir::Proxy& proxy, const BootstrapPlaces& places);

// The same for a pod: over mutual TLS, or with a token in `authorization: Bearer …`. Besides, a listener for
// probes, and one for Prometheus.
std::expected<std::string, Problem> render_pod_bootstrap(const ir::Proxy& proxy, const PodPlaces& places);

}  // namespace sluice::xds
