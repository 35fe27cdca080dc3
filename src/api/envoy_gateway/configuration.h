// The kind EnvoyGateway of gateway.envoyproxy.io/v1alpha1: the file that Envoy Gateway is started with. It is
// no object of a cluster, and so none of kinds().
//
// Threads: plain values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/gateway_api/types.h"
#include "api/meta.h"
#include "schema/type.h"

namespace sluice::api {

struct LeaderElection {
  std::optional<Duration> lease_duration;
  std::optional<Duration> renew_deadline;
  std::optional<Duration> retry_period;
  bool disable = false;
};

struct KubernetesWatchMode {
  std::vector<std::string> namespaces;
  std::optional<LabelSelector> namespace_selector;
};

struct KubernetesClientRateLimit {
  std::optional<std::int32_t> qps;
  std::optional<std::int32_t> burst;
};

enum class ConfigurationProvider : std::uint8_t { kKubernetes, kCustom };
enum class DeployType : std::uint8_t { kControllerNamespace, kGatewayNamespace };
enum class ConfigurationLevel : std::uint8_t { kDebug, kInfo, kError, kWarn };

struct EnvoyGatewayConfiguration {
  std::string controller_name;  // or empty
  ConfigurationProvider provider = ConfigurationProvider::kKubernetes;
  LeaderElection leader_election;
  KubernetesWatchMode watch;
  KubernetesClientRateLimit rate_limit;
  DeployType deploy = DeployType::kControllerNamespace;
  std::string shutdown_image;           // or empty
  std::vector<std::string> file_paths;  // of a custom provider
  std::optional<ConfigurationLevel> log_level;
  bool enable_envoy_patch_policy = false;
  bool enable_backend = false;
  bool disable_lua = false;
};

schema::Type envoy_gateway_configuration_type();

}  // namespace sluice::api
