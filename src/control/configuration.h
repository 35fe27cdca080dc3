// The file that `--config` names: Envoy Gateway's own configuration, kind EnvoyGateway, taken as it is.
//
// What it says and we do not do, or do not know, is a warning; wrong types and values are errors.
//
// Threads: pure functions, but for reading the file.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/envoy_gateway/configuration.h"
#include "base/log.h"
#include "base/problem.h"
#include "control/cluster.h"
#include "translate/settings.h"

namespace sluice::control {

struct Configuration {
  std::optional<std::vector<std::string>> paths;  // resources are in files, not in a cluster
  std::optional<Level> log_level;
  api::EnvoyGatewayConfiguration file;

  // Sets what the file says of either.
  void apply_to(translate::Settings& settings) const;
  // `provider.access` is to be there already: its namespace is always looked at.
  void apply_to(ClusterProvider& provider) const;
  void apply_to(infra::Settings& settings) const;
};

struct ReadConfiguration {
  std::optional<Configuration> configuration;  // absent where there are errors
  std::vector<Problem> problems;
  std::string text;  // for printing lines of it
};

ReadConfiguration read_configuration(std::string text, std::string_view file);
// A file that cannot be read is a problem "syntax/options".
ReadConfiguration read_configuration_file(const std::string& file);

// As a query has it: "app=web,env in (dev,test),!old".
std::string selector_text(const api::LabelSelector& selector);

}  // namespace sluice::control
