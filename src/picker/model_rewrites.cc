#include "picker/model_rewrites.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace sluice::picker {

ModelRewrites::ModelRewrites(std::vector<ModelRewrite> rules) {
  rules_.reserve(rules.size());
  for (ModelRewrite& rewrite : rules) {
    Rule rule;
    for (const ModelRewrite::Target& target : rewrite.targets) rule.weights += target.weight;
    if (rule.weights == 0) continue;
    rule.credits.assign(rewrite.targets.size(), 0);
    rule.rewrite = std::move(rewrite);
    rules_.push_back(std::move(rule));
  }
}

std::string ModelRewrites::next(std::string_view model) {
  const auto rule = std::ranges::find_if(rules_, [model](const Rule& r) {
    return r.rewrite.models.empty() || std::ranges::find(r.rewrite.models, model) != r.rewrite.models.end();
  });
  if (rule == rules_.end()) return {};
  // Each gets its weight, and who has most goes and pays for all.
  std::size_t most = 0;
  for (std::size_t i = 0; i < rule->credits.size(); ++i) {
    rule->credits[i] += rule->rewrite.targets[i].weight;
    if (rule->credits[i] > rule->credits[most]) most = i;
  }
  rule->credits[most] -= rule->weights;
  return rule->rewrite.targets[most].model;
}

}  // namespace sluice::picker
