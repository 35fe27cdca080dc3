// What a pool is at the moment, in a file that `sluice run` replaces whenever that changes, or in the
// filter's configuration where that comes by itself (xds::render_extension): so that neither a pod nor a rule
// that comes changes a listener of Envoy.
//
//   {"servers": [{"address": "10.0.0.1:8000", "labels": {"llm-d.ai/role": "decode"}}, …],
//    "objectives": {"batch": -1},
//    "rewrites": [{"models": ["chat"], "targets": [{"model": "chat-7b", "weight": 9}, …]}, …],
//    "config": {…}, "metricsAt": ":8002/metrics", "readResponses": false, "keepConfig": false}
//
// All fields may be absent. `metricsAt` and `readResponses` are as in settings.h. The config is an
// EndpointPickerConfig (picker/config), in place of the one that the module was told when it was configured.
// The rewrites are those of model_rewrites.h, in their order. With `keepConfig` the pool goes on deciding as
// it does.
//
// Threads: a pure function.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "picker/config/config.h"
#include "picker/endpoint.h"
#include "picker/exchange/pool.h"
#include "tree/tree.h"

namespace sluice::picker {

struct PoolContents {
  std::vector<Endpoint> endpoints;
  TrafficRules rules;
  std::optional<Config> config;
  std::optional<Source> metrics;
  bool read_responses = true;
  bool keep_config = false;
};

// Nothing where there is an error among the problems that are appended. Warnings about the config are the
// business of whoever wrote it, and left out. `file` is for their places.
std::optional<PoolContents> read_pool_contents(std::string_view json, std::string_view file,
                                               std::vector<Problem>* problems);
// The same of a part of a file: places are below `below`.
std::optional<PoolContents> read_pool_contents(const Tree& tree, std::string_view file,
                                               std::string_view below, std::vector<Problem>* problems);

}  // namespace sluice::picker
