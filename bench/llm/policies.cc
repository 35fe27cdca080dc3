#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "llm/policy.h"

namespace sluice::llmbench {
namespace {

using llmsim::Engine;
using llmsim::Gauges;

class Random final : public Policy {
 public:
  explicit Random(const Fleet& fleet) : pods_(fleet.pods()), random_(fleet.seed) {}
  Answer pick(JobId, const Job&, Time) override { return {.pod = static_cast<Pod>(random_() % pods_)}; }

 private:
  Pod pods_;
  std::mt19937_64 random_;
};

class RoundRobin final : public Policy {
 public:
  explicit RoundRobin(const Fleet& fleet) : pods_(fleet.pods()) {}
  Answer pick(JobId, const Job&, Time) override { return {.pod = next_++ % pods_}; }

 private:
  Pod pods_;
  Pod next_ = 0;
};

// Counts the requests that were sent and have not ended.
class Counting : public Policy {
 public:
  explicit Counting(const Fleet& fleet) : open_(fleet.pods()), random_(fleet.seed) {}
  void finished(JobId, const Job&, Pod pod, Time) override { --open_[pod]; }

 protected:
  Answer send(Pod pod) {
    ++open_[pod];
    return {.pod = pod};
  }
  Pod fewest() {
    Pod best = 0;
    std::uint32_t equal = 0;
    for (Pod pod = 0; pod < open_.size(); ++pod) {
      if (open_[pod] > open_[best]) continue;
      if (pod == 0 || open_[pod] < open_[best]) {
        best = pod;
        equal = 1;
      } else if (random_() % ++equal == 0) {
        best = pod;
      }
    }
    return best;
  }

  std::vector<std::uint32_t> open_;
  std::mt19937_64 random_;
};

class LeastRequest final : public Counting {
 public:
  using Counting::Counting;
  Answer pick(JobId, const Job&, Time) override { return send(fewest()); }
};

class PowerOfTwo final : public Counting {
 public:
  using Counting::Counting;
  Answer pick(JobId, const Job&, Time) override {
    const Pod a = static_cast<Pod>(random_() % open_.size());
    const Pod b = static_cast<Pod>(random_() % open_.size());
    return send(open_[b] < open_[a] ? b : a);
  }
};

class Llmd final : public Policy {
 public:
  Llmd(const Fleet& fleet, const LlmdWeights& weights)
      : weights_(weights),
        max_adapters_(fleet.config.adapter_slots),
        gauges_(fleet.pods()),
        // Its index takes its size from the pods' metrics.
        prefixes_(fleet.pods(), fleet.config.blocks) {}

  void scraped(Pod pod, const Gauges& gauges, Time) override { gauges_[pod] = gauges; }

  Answer pick(JobId, const Job& job, Time) override {
    if (job.priority < 0 && saturated(gauges_)) return {.kind = Answer::Kind::kRefused};
    const std::vector<double> queue = queue_scores(gauges_);
    const std::vector<double> running = running_scores(gauges_);
    // Its hashes begin with the model's name, and an adapter is a model.
    const BlockHash salt = mix(0, job.adapter);
    prefixes_.match(job.chain, salt, &matches_);
    double best = -1;
    ties_.clear();
    for (Pod pod = 0; pod < gauges_.size(); ++pod) {
      double score = weights_.queue * queue[pod] + weights_.kv * (1 - gauges_[pod].kv_usage);
      score += weights_.running * running[pod];
      if (!job.chain.empty()) {
        score += weights_.prefix * matches_[pod] /
                 static_cast<double>(std::min<std::size_t>(256, job.chain.size()));
      }
      if (weights_.lora != 0) score += weights_.lora * lora_score(gauges_[pod], job.adapter, max_adapters_);
      if (score > best) {
        best = score;
        ties_.clear();
      }
      if (score == best) ties_.push_back(pod);
    }
    // Equals in turn; the counter starts again after the last of them.
    const Pod pod = ties_[turn_ % ties_.size()];
    if (ties_.size() > 1 && ++turn_ >= ties_.size()) turn_ = 0;
    prefixes_.add(pod, job.chain, salt);
    return {.pod = pod};
  }

 private:
  LlmdWeights weights_;
  std::uint32_t max_adapters_;
  std::vector<Gauges> gauges_;
  PrefixTable prefixes_;
  std::vector<std::uint32_t> matches_;
  std::vector<Pod> ties_;
  std::size_t turn_ = 0;
};

// github.com/sgl-project/sglang, sgl-router/src/policies/cache_aware.rs. The tree holds texts; ours blocks of
// 64 tokens.
class SglangCacheAware final : public Counting {
 public:
  // Defaults of --cache-threshold, --balance-abs-threshold, --balance-rel-threshold. Its trees are cut when
  // they hold more than 2^26 characters for a worker, which none of our runs reaches.
  static constexpr double kCacheThreshold = 0.3;
  static constexpr std::uint32_t kAbsolute = 64;
  static constexpr double kRelative = 1.5;

  explicit SglangCacheAware(const Fleet& fleet) : Counting(fleet), sizes_(fleet.pods()) {}

  Answer pick(JobId, const Job& job, Time) override {
    const auto [min, max] = std::ranges::minmax(open_);
    Pod pod = 0;
    if (max - min > kAbsolute && max > min * kRelative) {
      pod = static_cast<Pod>(std::ranges::min_element(open_) - open_.begin());
    } else {
      std::size_t matched = 0;
      std::uint64_t holders = 0;
      for (; matched < job.chain.size(); ++matched) {
        const auto found = tree_.find(job.chain[matched]);
        if (found == tree_.end()) break;
        holders = found->second;
      }
      const double rate = static_cast<double>(matched) * kBlockTokens / job.prompt_tokens;
      pod = rate > kCacheThreshold ? any_of(holders)
                                   : static_cast<Pod>(std::ranges::min_element(sizes_) - sizes_.begin());
    }
    insert(job, pod);
    return send(pod);
  }

 private:
  Pod any_of(std::uint64_t holders) {
    auto skip = random_() % static_cast<std::uint64_t>(std::popcount(holders));
    for (; skip > 0; --skip) holders &= holders - 1;
    return static_cast<Pod>(std::countr_zero(holders));
  }

  void insert(const Job& job, Pod pod) {
    const std::uint64_t bit = std::uint64_t{1} << pod;
    for (const BlockHash hash : job.chain) {
      std::uint64_t& holders = tree_[hash];
      if ((holders & bit) == 0) sizes_[pod] += kBlockTokens;
      holders |= bit;
    }
    sizes_[pod] += job.prompt_tokens % kBlockTokens;
  }

  absl::flat_hash_map<BlockHash, std::uint64_t> tree_;
  std::vector<std::uint64_t> sizes_;  // tokens
};

class Clairvoyant final : public Policy {
 public:
  explicit Clairvoyant(const Fleet& fleet)
      : fleet_(fleet), backlog_(fleet.pods()), waiting_for_(fleet.pods()) {}

  Answer pick(JobId id, const Job& job, Time now) override {
    Pod best = 0;
    double least = std::numeric_limits<double>::max();
    std::uint32_t best_uncached = 0;
    for (Pod pod = 0; pod < fleet_.pods(); ++pod) {
      const Engine& engine = fleet_.engines[pod];
      const std::uint32_t uncached =
          job.prompt_tokens - std::min(job.prompt_tokens - 1, engine.cached_tokens(job.chain));
      const double end = end_at(pod, job, uncached, now);
      if (end < least) {
        least = end;
        best = pod;
        best_uncached = uncached;
      }
    }
    backlog_[best] += best_uncached;
    if (id >= sent_.size()) sent_.resize(id + 1);
    sent_[id] = best_uncached;
    if (job.adapter != llmsim::kBaseModel) waiting_for_[best][job.adapter] += 1;
    return {.pod = best};
  }

  void first_token(JobId id, const Job& job, Pod pod, Time) override {
    backlog_[pod] -= sent_[id];
    if (job.adapter != llmsim::kBaseModel) waiting_for_[pod][job.adapter] -= 1;
  }

 private:
  double end_at(Pod pod, const Job& job, std::uint32_t uncached, Time now) {
    const Engine& engine = fleet_.engines[pod];
    const llmsim::Config& config = fleet_.config;
    const llmsim::Costs& costs = config.costs;
    const double decoding = engine.decoding();
    const double step = costs.fixed + costs.decode_sequence * decoding +
                        costs.context_token * static_cast<double>(engine.context_tokens());
    // Of the prompts before it, what is really to be computed: what it knew of each when it was sent.
    const double before = static_cast<double>(std::min(backlog_[pod], engine.prefill_backlog()));
    const double budget = std::max(1.0, config.max_batched_tokens - decoding);
    const double tokens = before + uncached;
    double time = std::ceil(tokens / budget) * step + tokens * costs.prefill_token +
                  costs.attention * uncached * (job.prompt_tokens - uncached / 2.0);
    if (engine.step_end() != Engine::kNever) time += static_cast<double>((engine.step_end() - now).count());
    const auto load = static_cast<double>(config.adapter_load.count());
    if (job.adapter != llmsim::kBaseModel && !engine.resident(job.adapter) &&
        waiting_for_[pod][job.adapter] == 0) {
      // It holds up whoever runs there, too.
      time += load * (1 + decoding / 8);
      if (engine.adapters_running() >= config.adapter_slots) time += 2 * load;
    }
    // Requests beyond what fits wait until others end.
    const double blocks = (job.prompt_tokens + job.output_tokens) / static_cast<double>(config.block_size);
    if (blocks > engine.free_blocks()) time += 20 * step + (blocks - engine.free_blocks()) * 1000;
    return time + job.output_tokens * (step + costs.decode_sequence + costs.prefill_token * before / 200);
  }

  Fleet fleet_;
  std::vector<std::uint64_t> backlog_;
  std::vector<std::uint32_t> sent_;
  std::vector<absl::flat_hash_map<Adapter, std::uint32_t>> waiting_for_;
};

}  // namespace

PrefixTable::PrefixTable(Pod pods, std::size_t capacity) : capacity_(capacity), pods_(pods) {}

void PrefixTable::unlink(Lru& lru, std::uint32_t node) {
  const Node& it = lru.nodes[node];
  (it.newer == kNone ? lru.newest : lru.nodes[it.newer].older) = it.older;
  (it.older == kNone ? lru.oldest : lru.nodes[it.older].newer) = it.newer;
}

void PrefixTable::put_first(Lru& lru, std::uint32_t node) {
  lru.nodes[node].newer = kNone;
  lru.nodes[node].older = lru.newest;
  (lru.newest == kNone ? lru.oldest : lru.nodes[lru.newest].newer) = node;
  lru.newest = node;
}

void PrefixTable::match(std::span<const BlockHash> chain, BlockHash salt,
                        std::vector<std::uint32_t>* blocks) const {
  blocks->assign(pods_.size(), 0);
  for (const BlockHash hash : chain.first(std::min<std::size_t>(chain.size(), 256))) {
    const auto found = holders_.find(hash ^ salt);
    if (found == holders_.end() || found->second == 0) return;
    for (std::uint64_t left = found->second; left != 0; left &= left - 1) ++(*blocks)[std::countr_zero(left)];
  }
}

void PrefixTable::add(Pod pod, std::span<const BlockHash> chain, BlockHash salt) {
  Lru& lru = pods_[pod];
  const std::uint64_t bit = std::uint64_t{1} << pod;
  for (const BlockHash plain : chain.first(std::min<std::size_t>(chain.size(), 256))) {
    const BlockHash hash = plain ^ salt;
    const auto [found, added] = lru.at.try_emplace(hash, 0);
    if (!added) {
      unlink(lru, found->second);
      put_first(lru, found->second);
      continue;
    }
    std::uint32_t node = static_cast<std::uint32_t>(lru.nodes.size());
    if (lru.nodes.size() < capacity_) {
      lru.nodes.emplace_back();
    } else {
      node = lru.oldest;
      unlink(lru, node);
      const BlockHash gone = lru.nodes[node].hash;
      lru.at.erase(gone);
      const auto held = holders_.find(gone);
      if ((held->second &= ~bit) == 0) holders_.erase(held);
    }
    lru.nodes[node].hash = hash;
    put_first(lru, node);
    lru.at[hash] = node;
    holders_[hash] |= bit;
  }
}

namespace {

template <typename Value>
std::vector<double> least_is_best(std::span<const Gauges> pods, Value value) {
  std::uint32_t min = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t max = 0;
  for (const Gauges& pod : pods) {
    min = std::min(min, value(pod));
    max = std::max(max, value(pod));
  }
  std::vector<double> scores;
  scores.reserve(pods.size());
  for (const Gauges& pod : pods) {
    scores.push_back(max == min ? 1.0 : static_cast<double>(max - value(pod)) / (max - min));
  }
  return scores;
}

}  // namespace

std::vector<double> queue_scores(std::span<const Gauges> pods) {
  return least_is_best(pods, [](const Gauges& pod) { return pod.waiting; });
}

std::vector<double> running_scores(std::span<const Gauges> pods) {
  return least_is_best(pods, [](const Gauges& pod) { return pod.running; });
}

double lora_score(const Gauges& pod, Adapter adapter, std::uint32_t max_adapters) {
  if (std::ranges::binary_search(pod.running_adapters, adapter)) return 1;
  if (pod.running_adapters.size() + pod.waiting_adapters.size() < max_adapters) return 0.8;
  return std::ranges::binary_search(pod.waiting_adapters, adapter) ? 0.6 : 0;
}

bool saturated(std::span<const Gauges> pods) {
  double sum = 0;
  for (const Gauges& pod : pods) sum += std::max(pod.waiting / 5.0, pod.kv_usage / 0.8);
  return sum >= static_cast<double>(pods.size());
}

std::unique_ptr<Policy> random_policy(const Fleet& fleet) { return std::make_unique<Random>(fleet); }
std::unique_ptr<Policy> round_robin(const Fleet& fleet) { return std::make_unique<RoundRobin>(fleet); }
std::unique_ptr<Policy> least_request(const Fleet& fleet) { return std::make_unique<LeastRequest>(fleet); }
std::unique_ptr<Policy> power_of_two(const Fleet& fleet) { return std::make_unique<PowerOfTwo>(fleet); }
std::unique_ptr<Policy> llmd(const Fleet& fleet, const LlmdWeights& weights) {
  return std::make_unique<Llmd>(fleet, weights);
}
std::unique_ptr<Policy> sglang(const Fleet& fleet) { return std::make_unique<SglangCacheAware>(fleet); }
std::unique_ptr<Policy> clairvoyant(const Fleet& fleet) { return std::make_unique<Clairvoyant>(fleet); }

LlmdWeights matched(const std::string& scenario) {
  // As --match found them on the first halves with seeds 1 and 2, at and 1.25 times beyond the knee of 8
  // pods.
  static const std::map<std::string, LlmdWeights> kMatched{
      {"adapters", {.queue = 1, .kv = 3, .prefix = 3, .lora = 8}},
      {"conversation", {.queue = 3, .kv = 0.5, .prefix = 5, .running = 3}},
      {"synthetic", {.queue = 1, .kv = 2, .prefix = 2, .running = 0.5}},
      {"azure-conv", {.queue = 2, .kv = 2, .prefix = 3, .running = 1}},
      {"classes", {.queue = 2, .kv = 2, .prefix = 3, .running = 1}},
      {"azure-code", {}}};
  return kMatched.at(scenario);
}

}  // namespace sluice::llmbench
