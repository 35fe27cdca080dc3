// `sluice diff`: what a change of files does to what is served.
#pragma once

#include <string>

#include "cli/console.h"
#include "explain/diff.h"
#include "translate/settings.h"

namespace sluice::cli {

struct DiffOptions {
  std::string before;
  std::string after;
  translate::Settings settings;
  bool json = false;
};

// As diff(1): 0 where both do the same, 1 where they do not, 2 where one of them cannot be read.
int diff(const DiffOptions& options, Console& console);

std::string print_diff(const explain::Diff& diff, bool color);

}  // namespace sluice::cli
