// Single values of settings, and what is wrong with them: what the parts of translate/cluster_settings.h have
// in common.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/envoy_gateway/cluster_settings.h"
#include "translate/cluster_settings.h"

namespace sluice::translate {

class SettingReader {
 public:
  explicit SettingReader(std::vector<SettingProblem>& problems) : problems_(problems) {}

  void error(std::string path, std::string message, std::string suggestion = "") {
    add({.path = std::move(path), .message = std::move(message), .suggestion = std::move(suggestion)});
  }
  void add(SettingProblem problem) { problems_.push_back(std::move(problem)); }

  // Counts and limits: of 32 bits, never less than nothing.
  std::uint32_t count(std::string_view path, std::int64_t value);
  std::optional<std::uint32_t> count(std::string_view path, std::optional<std::int32_t> value);
  // A count that the kernel takes up to `most` only.
  std::optional<std::uint32_t> count_to(std::string_view path, std::optional<std::int64_t> value,
                                        std::int64_t most);
  // Bytes between the two.
  std::optional<std::uint32_t> bytes(std::string_view path, const std::optional<api::ByteSize>& value,
                                     std::uint64_t least, std::uint64_t most);
  // Times that cannot be nothing.
  ir::Duration positive(std::string_view path, ir::Duration value);
  std::optional<ir::Duration> positive(std::string_view path, std::optional<ir::Duration> value);
  // Names that cannot be empty.
  void require(std::string_view path, std::string_view value);

 private:
  std::vector<SettingProblem>& problems_;
};

// load_balancer.cc
ir::LoadBalancing read_load_balancer(const api::LoadBalancer& from, const FindModule& find_module,
                                     SettingReader& reader);
std::vector<ir::HashKey> read_hash(const api::LoadBalancer& from, SettingReader& reader);

// health_check.cc
ir::HealthCheckLog read_health_check_log(const api::HealthCheckLog& from);
ir::HealthCheck read_health_check(const api::ActiveHealthCheck& from, SettingReader& reader);
ir::OutlierDetection read_outlier_detection(const api::PassiveHealthCheck& from, SettingReader& reader);

}  // namespace sluice::translate
