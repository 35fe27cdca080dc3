// `sluice check`: reads files as `run` would, and reports what is wrong with them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/console.h"
#include "source/source.h"

namespace sluice::cli {

struct CheckOptions {
  std::vector<std::string> paths;
  bool json = false;
};

// What translation has to say of what was read: problems with object and path, without places.
using Translate = std::function<std::vector<Problem>(const source::Batch&)>;

// The exit code.
int check(const CheckOptions& options, const Translate& translate, Console& console);

// The problems of a batch and those of its translation, with their places, in the order of these; each once.
std::vector<Problem> merge_problems(const source::Source& source, std::vector<Problem> problems,
                                    std::vector<Problem> translated);

}  // namespace sluice::cli
