#include "picker/scores.h"

#include <algorithm>
#include <array>

namespace sluice::picker {
namespace {

double threshold(const Scorer& scorer, double otherwise) {
  return scorer.threshold > 0 ? scorer.threshold : otherwise;
}

std::uint64_t tokens_of(const Pod& pod) { return pod.reserved.prefill_tokens + pod.reserved.decode_tokens; }

bool has(std::span<const std::uint64_t> adapters, std::uint64_t adapter) {
  return std::ranges::find(adapters, adapter) != adapters.end();
}

// Requests of the base model need no slot: they are at home everywhere.
double lora_affinity(const Pod& pod, std::uint64_t adapter) {
  if (adapter == 0 || has(pod.running_adapters, adapter) || pod.adapters.uses(adapter) > 0) return 1;
  std::size_t active = pod.running_adapters.size() + pod.waiting_adapters.size();
  active = std::max<std::size_t>(active, pod.adapters.in_use());
  if (active < pod.adapters.slots()) return 0.8;
  return has(pod.waiting_adapters, adapter) ? 0.6 : 0;
}

// What a scorer looks at, and how that becomes a score: by the range of it over all endpoints (1 for the
// least), or by itself.
struct Formula {
  Score by;
  bool by_range;
  double (*value)(const Scorer& scorer, const Asked& asked, const Pod& pod, std::uint32_t slot);
};

constexpr std::array kFormulas = {
    Formula{Score::kQueue, true,
            [](const Scorer&, const Asked&, const Pod& pod, std::uint32_t) -> double {
              return pod.queue_length();
            }},
    Formula{Score::kRunning, true,
            [](const Scorer&, const Asked&, const Pod& pod, std::uint32_t) -> double {
              return pod.batch() + pod.reserved.waiting;
            }},
    Formula{Score::kKvUsage, false,
            [](const Scorer&, const Asked&, const Pod& pod, std::uint32_t) -> double {
              return 1 - pod.kv_used();
            }},
    Formula{Score::kPrefixCache, false,
            [](const Scorer&, const Asked& asked, const Pod&, std::uint32_t slot) -> double {
              if (asked.request->prompt.empty()) return 0;
              return asked.cached[slot] / static_cast<double>(asked.request->prompt.size());
            }},
    Formula{Score::kLoraAffinity, false,
            [](const Scorer&, const Asked& asked, const Pod& pod, std::uint32_t) -> double {
              return lora_affinity(pod, asked.adapter);
            }},
    Formula{Score::kSession, false,
            [](const Scorer&, const Asked& asked, const Pod& pod, std::uint32_t) -> double {
              return pod.endpoint.address == asked.request->session ? 1 : 0;
            }},
    Formula{Score::kLoadAware, false,
            [](const Scorer& scorer, const Asked&, const Pod& pod, std::uint32_t) -> double {
              const double share = pod.queue_length() / threshold(scorer, kLoadAwareThreshold);
              return 0.5 * (1 - std::min(1.0, share));
            }},
    Formula{Score::kActiveRequests, true,
            [](const Scorer&, const Asked&, const Pod& pod, std::uint32_t) -> double {
              return pod.reserved.waiting + pod.reserved.running;
            }},
    Formula{Score::kTokenLoad, false,
            [](const Scorer& scorer, const Asked&, const Pod& pod, std::uint32_t) -> double {
              const double share =
                  static_cast<double>(tokens_of(pod)) / threshold(scorer, kTokenLoadThreshold);
              return 1 - std::min(1.0, share);
            }},
};

}  // namespace

void add_scores(const Scorer& scorer, const Asked& asked, std::span<const Pod> pods,
                std::span<const std::uint32_t> slots, std::span<double> sums) {
  const auto formula = std::ranges::find(kFormulas, scorer.by, &Formula::by);
  if (formula == kFormulas.end() || slots.empty()) return;
  const auto value = [&](std::uint32_t slot) { return formula->value(scorer, asked, pods[slot], slot); };
  if (!formula->by_range) {
    for (std::size_t i = 0; i < slots.size(); ++i) sums[i] += scorer.weight * value(slots[i]);
    return;
  }
  double least = value(slots.front());
  double most = least;
  for (const std::uint32_t slot : slots) {
    least = std::min(least, value(slot));
    most = std::max(most, value(slot));
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    sums[i] += scorer.weight * (most == least ? 1 : (most - value(slots[i])) / (most - least));
  }
}

double saturation(const Admission& admission, std::span<const Pod> pods,
                  std::span<const std::uint32_t> slots) {
  double sum = 0;
  for (const std::uint32_t slot : slots) {
    const Pod& pod = pods[slot];
    sum += std::max(pod.queue_length() / admission.queue_depth, pod.kv_used() / admission.kv_usage);
  }
  return slots.empty() ? 0 : sum / static_cast<double>(slots.size());
}

}  // namespace sluice::picker
