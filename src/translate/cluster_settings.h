// The user's settings of backends → how a proxy treats a cluster, and requests to it.
//
// Envoy refuses a cluster as a whole for one value that it cannot take, and a Gateway without a cluster is
// worse than a policy that is told off: whatever Envoy would refuse, or the kernel for each connection, is a
// problem here. Defaults are those of the schema; what users leave out and Envoy decides is left out.
//
// Threads: pure functions.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/envoy_gateway/cluster_settings.h"
#include "base/problem.h"
#include "ir/cluster_settings.h"

namespace sluice::translate {

// What is wrong with a setting; whoever knows the object makes it a Problem.
struct SettingProblem {
  std::string code = "value/setting";
  Severity severity = Severity::kError;
  std::string path;  // below the settings: "healthCheck.active.timeout"
  std::string message;
  std::string suggestion;

  bool operator==(const SettingProblem&) const = default;
};

struct ReadSettings {
  ir::ClusterSettings cluster;  // without what is about requests
  ir::RequestSettings requests;
  std::vector<SettingProblem> problems;

  bool good() const;  // no error is among the problems: else nothing of it is to be used
};

// The library of a dynamic module by the name under which the EnvoyProxy registers it: its name, path and how
// it is loaded. Nothing where there is none.
using FindModule = std::function<std::optional<ir::BalancingModule>(std::string_view name)>;

ReadSettings read_cluster_settings(const api::ClusterSettings& from, const FindModule& find_module = {});

// For a service that the proxy itself asks under the name of this authority, to which leads no route: the
// cluster has what it can of the settings of requests, and is watched from the start, for there may be no
// requests for long. Empty where that is nothing.
Boxed<ir::ClusterSettings> settings_of_service(ReadSettings read, const std::string& authority);

// Warnings: what of the settings is nothing for such a service. Envoy's request to it has neither the
// client's address nor its headers, and no route.
std::vector<SettingProblem> unused_by_service(const api::ClusterSettings& from);

// "spec.extProc[0].backendSettings" and what is wrong below it.
Problem problem_at(const SettingProblem& of, const ObjectKey& object, std::string_view path);

}  // namespace sluice::translate
