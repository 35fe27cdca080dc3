// Which model to ask the servers for, in place of the one that a client asks for: InferenceModelRewrites of
// llm-d.
//
// The first rule that names the model counts, or that names none. Its targets share the requests in
// proportion to their weights, each taking its turn: of any hundred requests in a row each target has its
// part, to within one.
//
// Threads: a plain value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::picker {

struct ModelRewrite {
  struct Target {
    std::string model;
    std::uint32_t weight = 1;

    bool operator==(const Target&) const = default;
  };

  std::vector<std::string> models;  // that clients ask for; none: any
  std::vector<Target> targets;

  bool operator==(const ModelRewrite&) const = default;
};

class ModelRewrites {
 public:
  ModelRewrites() = default;
  explicit ModelRewrites(std::vector<ModelRewrite> rules);

  // For the next request for `model`; empty: as it is.
  std::string next(std::string_view model);

 private:
  struct Rule {
    ModelRewrite rewrite;
    std::int64_t weights = 0;           // of all targets
    std::vector<std::int64_t> credits;  // of each: how far it is behind its share
  };
  std::vector<Rule> rules_;
};

}  // namespace sluice::picker
