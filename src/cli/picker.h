// `sluice picker`: the picker of LLM endpoints, beside an Envoy that asks it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/console.h"
#include "kube/access.h"

namespace sluice::cli {

struct PickerOptions {
  std::string listen = "127.0.0.1:9002";
  std::vector<std::string> endpoints;
  std::string endpoints_file;
  std::vector<std::string> paths;  // of an InferencePool, its Pods and what is for it: instead of all these
  std::optional<kube::Access> cluster;  // ... or of these there
  std::string pool;                     // which of them, "namespace/name"; empty: the only one
  std::string config_file;              // an EndpointPickerConfig; empty: the default profile
  std::string metrics_at;  // where servers are asked for metrics: "https://:8443/metrics"; empty: as usual
  std::string metrics_ca;  // who signs the servers' certificates: a file, or "system"
  std::uint32_t metrics_interval_ms = 50;
  std::uint32_t metrics_idle_interval_ms = 1000;
  std::vector<std::string> metrics;     // "waiting=my_queue_length"; empty: the usual ones
  std::vector<std::string> objectives;  // "NAME=PRIORITY"
  std::string certificate;
  std::string key;
  std::string client_ca;
  std::string admin_address = "127.0.0.1:0";  // empty: none
  std::uint32_t max_body_mib = 16;
  bool refuse_unknown = false;
  bool buffered = false;
};

// Serves until a signal comes. The exit code.
int serve_picker(const PickerOptions& options, Console& console);

}  // namespace sluice::cli
