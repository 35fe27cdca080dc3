// What the module is told: the filter's configuration and the bootstrap extension's, both JSON.
//
//   {"pool": "llama", "endpoints": ["10.0.0.1:8000", "10.0.0.2:8000 role=decode"], "objectives": {"batch":
//   -1}}
//   {"pools": [{"pool": "llama", "endpointsFile": "/etc/pools/llama"}, …]}
//   {"pool": "default/llama", "poolFile": "/run/sluice/pickers/1.json"}    as `sluice run` has it on a host
//   {"pool": "default/llama", "contents": {"servers": …}}                  and for Envoys in a cluster
//
// The fields are the options of `sluice picker`; docs/llm.md has the table.
//
//   schema/…, syntax/…   the JSON is not of its form
//   value/…              an address, a series or a profile is no good
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "picker/exchange/keeper.h"
#include "picker/module/pool_file.h"

namespace sluice::picker {

struct PoolSettings {
  std::string name;
  // Nothing but the name: the pool is another's, the bootstrap extension's.
  bool is_reference = false;
  KeeperOptions options;
  std::vector<Endpoint> endpoints;
  std::string endpoints_file;
  // In place of both, and of objectives: pool_file.h.
  std::string pool_file;
  std::optional<PoolContents> contents;
  // Equal where all but the endpoints is: the pool can go on with what it knows.
  std::string identity;
};

struct FilterSettings {
  PoolSettings pool;
  // Whether responses are read, for first tokens and usage. Without, a request ends with the headers of its
  // response.
  bool read_responses = true;
};

// Nothing where there is an error among the problems that are appended.
std::optional<FilterSettings> read_filter_settings(std::string_view json, std::vector<Problem>* problems);
std::optional<std::vector<PoolSettings>> read_bootstrap_settings(std::string_view json,
                                                                 std::vector<Problem>* problems);

}  // namespace sluice::picker
