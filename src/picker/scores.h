// llm-d's scorers: each gives every endpoint in question 0…1. Their formulas are those of its documents, by
// plugin type (config/plugins.h has the names), with one difference: what we sent since the scrape counts.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <span>

#include "picker/pod.h"
#include "picker/profile.h"

namespace sluice::picker {

// llm-d's defaults of `threshold`.
inline constexpr double kLoadAwareThreshold = 128;
inline constexpr double kTokenLoadThreshold = 4 << 20;

struct Asked {
  const Request* request = nullptr;
  std::uint64_t adapter = 0;                   // 0: the base model
  std::span<const std::uint32_t> cached = {};  // blocks of the prompt, by slot
};

// Adds weight times score of the endpoints in these slots to `sums`, which has one place for each.
void add_scores(const Scorer& scorer, const Asked& asked, std::span<const Pod> pods,
                std::span<const std::uint32_t> slots, std::span<double> sums);

// Over these endpoints: 1 is what llm-d's utilization detector calls saturated. Where an endpoint was never
// scraped it counts as idle: what we sent to it is known.
double saturation(const Admission& admission, std::span<const Pod> pods,
                  std::span<const std::uint32_t> slots);

}  // namespace sluice::picker
