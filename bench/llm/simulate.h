// Runs jobs through pods under a policy, from event to event in virtual time, and says what came of it.
//
// An event is a job's arrival, the end of a pod's step, a scrape of a pod's metrics, or the policy's own wish
// to wake. Scrapes of different pods are spread evenly over the interval. Between gateway and pods there is
// no distance: a job is with its pod when the policy answers. A run goes on until all jobs have ended or were
// refused; equal inputs make equal outcomes.
//
// Objectives, the same for all policies: the first token within two seconds and three times what the prompt
// would take alone on an idle pod with nothing cached; and 200 ms a token after it, on average. Two seconds
// and 200 ms are those of MLPerf Inference for Llama 2 70B (mlcommons.org), whose prompts are short; with a
// limit that does not grow with the prompt, who refuses long ones would win. A job that misses either, or was
// refused, is no good. The first tenth of the jobs is to fill the caches and does not count.
//
// Threads: each run is its own.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "llm/policy.h"
#include "llm/workload.h"

namespace sluice::llmbench {

struct Setup {
  Pod pods = 8;
  llmsim::Config config;  // of each
  Time scrape{50'000};
  std::uint64_t seed = 1;
  std::string scenario;
};

// The one server that all pods together would be, with one cache: it has their blocks, slots and budget, and
// each cost but that of a step itself is a share. No policy can spread requests better.
llmsim::Config pooled(const llmsim::Config& config, Pod pods);

using MakePolicy = std::function<std::unique_ptr<Policy>(const Fleet&)>;

// Lengths of prompts that rejects are told apart by.
inline constexpr std::array<std::uint32_t, 2> kLengths{1024, 8192};

struct Outcome {
  std::size_t jobs = 0;  // that count; all shares are of these
  double seconds = 0;    // from the first arrival that counts to the last
  double goodput = 0;    // share that met both objectives
  double good_rate = 0;  // these, a second
  double done_rate = 0;  // jobs that were answered, a second until the last of them
  double first_p50 = 0;  // seconds
  double first_p99 = 0;
  double token_p50 = 0;  // milliseconds a token after the first
  double token_p99 = 0;
  // Shares that were answered and missed an objective: the first token's, or only the others'.
  double first_late = 0;
  double tokens_late = 0;
  double prefix_hits = 0;                     // share of the prompts' tokens that were found
  double adapter_loads = 0;                   // per 100 jobs, of all jobs
  double preemptions = 0;                     // likewise
  double fairness = 0;                        // Jain's index of the tenants' shares of good jobs
  std::array<double, 3> refused_by_length{};  // share of those of the length: < 1 Ki, < 8 Ki, more
  struct Class {
    double good = 0;  // shares
    double refused = 0;
  };
  std::map<int, Class> classes;  // by priority

  std::size_t finished = 0;  // of all jobs
  std::size_t refused = 0;
  std::uint64_t steps = 0;
  std::uint64_t fingerprint = 0;  // of all times of all jobs
};

Outcome simulate(std::span<const Job> jobs, const Setup& setup, const MakePolicy& make);

}  // namespace sluice::llmbench
