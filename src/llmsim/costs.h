// How long one step of an engine takes: the few measured figures of the model. All times are microseconds.
//
//   step = fixed + prefill_token * P + decode_sequence * D + context_token * C + attention * A, where
//   P  tokens of prompts in the step (chunks), D  sequences that get a token each,
//   C  tokens in the KV cache that the step reads: those of the D sequences, and what is before each chunk,
//   A  the sum over the P tokens of how many tokens are before each.
//
// This is what public simulators of vLLM use: the Inference Extension's own (github.com/kubernetes-sigs/
// gateway-api-inference-extension, tools/simulations/llm_ig_simulation/src/constants.py, here "GIE") has the
// first four terms, BLIS (github.com/inference-sim/inference-sim, defaults.yaml, fitted to vLLM 0.8.4) the
// first three. The last matters for prompts beyond some 20 000 tokens only.
//
// Threads: plain values.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sluice::llmsim {

// Since the engine's beginning; whoever drives it says when that is.
using Time = std::chrono::microseconds;

struct Costs {
  double fixed = 0;
  double prefill_token = 0;
  double decode_sequence = 0;
  double context_token = 0;
  double attention = 0;
};

// Llama-3.1-8B in 16 bits on one A100 of 80 GB.
//
// fixed            BLIS, this model and GPU: 16 441. The weights, 16 GB at 2.0 TB/s, take 7.9 ms at best. A
//                  sweep with a recent vLLM on an A100 of 40 GB found 75 tokens a second for a request alone:
//                  13.3 ms (johnmusgrave.com/p/vllm-throughput-latency-sweep-on).
// prefill_token    GIE: 67.69 for Llama-2-7B on an A100, 64 % of the GPU's peak; times 8.03/6.74 parameters.
//                  BLIS's own 47.84 would be 107 % of the peak, so it is not taken.
// decode_sequence  BLIS, this model and GPU: 18.21.
// context_token    GIE: 0.5353 for Llama-2-7B's 512 KiB a token on an A100 of 40 GB, 63 % of its bandwidth.
//                  This model has 128 KiB a token, 8 heads of 32, and the GPU 2.039 TB/s, not 1.555.
// attention        4 * 32 layers * 4096 floating-point operations, at the 200 TFLOP/s that FlashAttention-2
//                  reaches on an A100 (Dao, arXiv 2307.08691).
inline constexpr Costs kLlama8bOnA100{.fixed = 16441,
                                      .prefill_token = 80.65,
                                      .decode_sequence = 18.21,
                                      .context_token = 0.1021,
                                      .attention = 0.00262};

// What vLLM finds room for, beside that model on that GPU: blocks of 16 tokens (BLIS, total_kv_blocks).
inline constexpr std::uint32_t kLlama8bBlocksOnA100 = 29205;

// The first token of a prompt that has an engine for itself and nothing cached; `budget` tokens a step.
inline Time unloaded_first_token(const Costs& costs, std::uint32_t prompt_tokens, std::uint32_t budget) {
  double total = 0;
  for (std::uint32_t start = 0; start < prompt_tokens; start += budget) {
    const double chunk = std::min(budget, prompt_tokens - start);
    total += costs.fixed + costs.prefill_token * chunk + costs.context_token * start +
             costs.attention * chunk * (start + chunk / 2);
  }
  return Time(static_cast<std::int64_t>(total));
}

}  // namespace sluice::llmsim
