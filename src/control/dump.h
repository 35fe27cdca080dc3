// One commit as files: what ADS would serve, and the statuses.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/pipeline.h"
#include "source/source.h"
#include "translate/settings.h"

namespace sluice::control {

struct Dump {
  // By proxy, "/" written as "__": {listeners, routes, clusters, endpoints, secrets} in protobuf JSON.
  std::map<std::string, std::string> xds;
  std::string status_yaml;
  std::vector<Problem> problems;  // without places
};

enum class Secrets : std::uint8_t { kShown, kRedacted };

// Runs the whole of a batch through a new pipeline. `host` is null where it is to hold for any host; without
// `now` it is to hold for any time.
Dump translate_all(const source::Batch& batch, const translate::Settings& settings,
                   Secrets secrets = Secrets::kShown, const translate::HostAddresses* host = nullptr,
                   std::optional<std::chrono::system_clock::time_point> now = std::nullopt);

}  // namespace sluice::control
