// `sluice run`: files in, or the objects of a cluster; a serving Envoy out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/cluster.h"
#include "translate/settings.h"

namespace sluice::control {

struct RunOptions {
  std::vector<std::string> paths;          // of resources
  std::optional<ClusterProvider> cluster;  // where they are instead
  std::string envoy_path;
  std::vector<std::string> envoy_args;  // appended to every Envoy's command line
  std::string envoy_launcher;           // as proxy::Options::launcher; empty: Envoys are started by us
  bool leave_envoys = false;            // SIGTERM ends us alone
  // Sockets, bootstraps, logs, state. Created with mode 0700; one that others may write to is refused. One
  // sluice a folder.
  std::string run_dir;
  std::string
      picker_module;  // the path of libsluice_picker.so; empty: pools are picked from beside Envoy only
  translate::Settings settings;
  std::string admin_address = "127.0.0.1:0";  // of the admin pages, beside the socket; empty: none
  std::vector<std::string> admin_hosts;       // names by which that may be asked for
  // Where metrics and health are besides, and nothing else: for those who are not to see the page; empty: no.
  std::string metrics_address;
  std::uint32_t look_again_seconds = 600;  // at modules that may change where they are from
  // Where Envoys that are not on this machine are served, over TLS; empty: nowhere. See ads::Options.
  std::string xds_address;
  // A folder with its certificate (certificate_folder.h); empty: the Secrets of the cluster.
  std::string xds_certificates;
  // Of the server from which proxies that are not on this machine get modules (module_server.h); empty: none.
  std::string modules_address;
  std::string modules_url;  // by which they reach it; empty: that of the address
};

// Serves until a signal ends it (signals.h), then drains and ends the Envoys, or leaves them. The exit code:
// 0, or 1 when it could not start. Call from the main thread, before any other is started.
int run(const RunOptions& options);

}  // namespace sluice::control
