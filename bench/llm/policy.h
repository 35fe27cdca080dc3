// Who decides which pod gets a request: the peers' ways, as their defaults are documented, and ours.
//
// All see the same: the pods' pages of metrics at each scrape, and, for they stand in the way of the
// requests, first tokens and ends at once. What each makes of that is its own. Only the clairvoyant sees into
// the pods.
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "llm/workload.h"
#include "llmsim/engine.h"

namespace sluice::llmbench {

using Pod = std::uint32_t;
using JobId = std::uint32_t;

struct Answer {
  enum class Kind : std::uint8_t { kSent, kQueued, kRefused };
  Kind kind = Kind::kSent;
  Pod pod = 0;  // of kSent
};

class Policy {
 public:
  virtual ~Policy() = default;

  virtual void scraped(Pod pod, const llmsim::Gauges& gauges, Time now) {
    (void)pod, (void)gauges, (void)now;
  }
  virtual Answer pick(JobId id, const Job& job, Time now) = 0;
  virtual void first_token(JobId id, const Job& job, Pod pod, Time now) {
    (void)id, (void)job, (void)pod, (void)now;
  }
  virtual void finished(JobId id, const Job& job, Pod pod, Time now) {
    (void)id, (void)job, (void)pod, (void)now;
  }

  // Of those that let requests wait: what became of them.
  struct Late {
    JobId id;
    Answer answer;
  };
  virtual std::vector<Late> advance(Time now) {
    (void)now;
    return {};
  }
  virtual std::optional<Time> wake_at() const { return std::nullopt; }
  virtual bool queues() const { return false; }
};

// What a policy is made for.
struct Fleet {
  std::span<const llmsim::Engine> engines;  // for the clairvoyant alone
  llmsim::Config config;
  std::uint64_t seed = 1;
  std::string scenario;  // for what is tuned to it

  Pod pods() const { return static_cast<Pod>(engines.size()); }
};

// Weights of llm-d's scorers.
struct LlmdWeights {
  double queue = 2;
  double kv = 2;
  double prefix = 3;
  double lora = 0;
  double running = 0;
};

std::unique_ptr<Policy> random_policy(const Fleet& fleet);
std::unique_ptr<Policy> round_robin(const Fleet& fleet);
// The pod with the fewest requests that were sent and have not ended.
std::unique_ptr<Policy> least_request(const Fleet& fleet);
// The better one of two random pods, by the same: Envoy's LEAST_REQUEST with its default choice_count.
std::unique_ptr<Policy> power_of_two(const Fleet& fleet);
// llm-d's router: queue, KV cache and prefix cache scorers, maximum score.
std::unique_ptr<Policy> llmd(const Fleet& fleet, const LlmdWeights& weights);
// SGLang's router: cache_aware.
std::unique_ptr<Policy> sglang(const Fleet& fleet);
// Where this request would end first, by what is in the pods and by its true length.
std::unique_ptr<Policy> clairvoyant(const Fleet& fleet);
// picker::Picker with its default profile.
std::unique_ptr<Policy> ours(const Fleet& fleet);
// And another objective for first tokens: who uses it does not know what is counted as in time.
std::unique_ptr<Policy> ours_wanting(const Fleet& fleet, Time first_token);

// llm-d's weights that did best for a scenario, on the tuning halves: `bench_llm --match`.
LlmdWeights matched(const std::string& scenario);

// What the router of llm-d keeps of the prompts that it sent where: the last `capacity` blocks of each pod.
class PrefixTable {
 public:
  PrefixTable(Pod pods, std::size_t capacity);
  // Blocks that each pod has, of the first 256, until one that nobody has.
  void match(std::span<const BlockHash> chain, BlockHash salt, std::vector<std::uint32_t>* blocks) const;
  void add(Pod pod, std::span<const BlockHash> chain, BlockHash salt);

 private:
  static constexpr std::uint32_t kNone = ~0U;
  struct Node {
    BlockHash hash = 0;
    std::uint32_t newer = kNone;
    std::uint32_t older = kNone;
  };
  struct Lru {
    absl::flat_hash_map<BlockHash, std::uint32_t> at;
    std::vector<Node> nodes;
    std::uint32_t newest = kNone;
    std::uint32_t oldest = kNone;
  };
  static void unlink(Lru& lru, std::uint32_t node);
  static void put_first(Lru& lru, std::uint32_t node);

  std::size_t capacity_;
  std::vector<Lru> pods_;
  absl::flat_hash_map<BlockHash, std::uint64_t> holders_;  // a bit a pod
};

// The scores of llm-d's scorers for each pod, 0..1.
std::vector<double> queue_scores(std::span<const llmsim::Gauges> pods);
std::vector<double> running_scores(std::span<const llmsim::Gauges> pods);
double lora_score(const llmsim::Gauges& pod, Adapter adapter, std::uint32_t max_adapters);
// Whether llm-d's saturation detector has requests of a priority below zero refused.
bool saturated(std::span<const llmsim::Gauges> pods);

}  // namespace sluice::llmbench
