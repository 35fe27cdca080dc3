// `sluice translate`: what a proxy would be told, as files, without running one.
#pragma once

#include <string>
#include <vector>

#include "cli/console.h"
#include "translate/settings.h"

namespace sluice::cli {

struct TranslateOptions {
  std::vector<std::string> paths;
  translate::Settings settings;
  std::string output = "-";  // a folder, or "-": standard output
  // Private keys are printed to standard output too, which others may see or keep. A folder has them: it is
  // all that an Envoy needs.
  bool show_secrets = false;
};

// The exit code. A folder gets xds/<proxy>.json for each proxy, and status.yaml; other files in it are left
// alone, also those of an earlier run. Problems go to console.err.
int translate(const TranslateOptions& options, Console& console);

}  // namespace sluice::cli
