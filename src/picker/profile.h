// How a Picker decides: which endpoints come into question, what speaks for each, and who may be served at
// all.
//
// A Stage is filters, then a choice. The choice of the default profile is the lowest cost, in seconds
// (picker.h); the others are llm-d's: scorers that give each endpoint 0…1, summed by weight, and a picker of
// one among the sums. A profile has one stage, or two: with `prefill` there, long uncached prompts are
// prefilled by one endpoint and decoded by another.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "picker/endpoint.h"

namespace sluice::picker {

// Keeps endpoints whose label is one of `values`, or, without values, that have the label at all.
struct LabelFilter {
  std::string label;
  std::vector<std::string> values;
  bool allow_without = false;  // endpoints without the label stay too
  bool except = false;         // those go that would stay, and the others stay

  bool operator==(const LabelFilter&) const = default;
};

enum class Score : std::uint8_t {
  kQueue,           // 1 for the shortest queue of those in question, 0 for the longest
  kRunning,         // the same of running requests
  kKvUsage,         // the share of the KV cache that is free
  kPrefixCache,     // the share of the prompt's blocks that the endpoint has
  kLoraAffinity,    // adapter active 1, a slot free 0.8, adapter waiting 0.6, else 0
  kSession,         // 1 for the address that served the session before
  kLoadAware,       // 0.5 for an empty queue, down to 0 at `threshold` waiting
  kActiveRequests,  // 1 for the fewest requests that we sent and that have not ended, 0 for the most
  kTokenLoad,       // the share that is free of `threshold` tokens that we sent and that are not done
};

struct Scorer {
  Score by = Score::kQueue;
  double weight = 1;
  double threshold = 0;  // of scores that have one; 0: its default

  bool operator==(const Scorer&) const = default;
};

enum class Choice : std::uint8_t { kLowestCost, kMaxScore, kRandom, kWeightedRandom };

struct Stage {
  std::vector<LabelFilter> filters;
  std::vector<Scorer> scorers;  // of choices by score
  Choice choice = Choice::kLowestCost;
  std::uint32_t fallbacks = 3;  // addresses after the first, at most kMaxAddresses - 1

  bool operator==(const Stage&) const = default;
};

// Requests that are let in while endpoints are busy, and what becomes of the others.
struct Admission {
  // Whether requests wait with us while all endpoints are busy; otherwise they are sent. Those of a priority
  // below zero do neither: they are refused while endpoints are busy or others wait.
  bool queue = true;
  // With the choice of the lowest cost, all are busy where each would take this long before it begins with a
  // prompt. That much work in advance keeps a server busy until we hear that a first token is out.
  Duration busy = std::chrono::milliseconds(800);
  // And a request of a priority below zero is refused where the best endpoint would take this long: less
  // than others wait, so that they need not.
  Duration shed = std::chrono::milliseconds(500);
  // With choices by score, where the mean of max(waiting / queue_depth, usage of the KV cache / kv_usage)
  // reaches 1: llm-d's utilization detector and its defaults.
  double queue_depth = 5;
  double kv_usage = 0.8;
  std::uint32_t max_queued = 4096;
  std::uint64_t max_queued_bytes = 64 << 20;
  // When a request's first token is wanted, unless it says so itself: within `objective`, and
  // `objective_per_prefill` times what its prompt takes an idle endpoint, for somebody who sends ten pages
  // expects that to take longer. Of those that wait, who is late already comes after who is not. Two seconds
  // are what MLPerf Inference allows Llama 2 70B (mlcommons.org); three prefills leave room for two of the
  // same length before it.
  Duration objective = std::chrono::seconds(2);
  double objective_per_prefill = 3;
  // Who would be late is refused: at once if the request said itself what is late, for it should know. Of the
  // others, whose objective is our guess, who would be late by this, or, if it is not zero, who would wait
  // for `time_to_live`.
  Duration patience = std::chrono::seconds(3);
  Duration time_to_live{0};
  // And the others that long after one another, on average; zero: as it happens. Endpoints where they come
  // later count as busy.
  Duration token_objective{0};

  bool operator==(const Admission&) const = default;
};

// Token buckets for each pair of model and fairness id that this is about.
struct RateLimit {
  std::string model;               // empty: each model
  std::string fairness_id;         // empty: each fairness id
  double requests_per_second = 0;  // 0: no limit
  double tokens_per_second = 0;    // prompt and completion; 0: no limit
  double burst_seconds = 1;        // what a bucket holds

  bool operator==(const RateLimit&) const = default;
};

struct Profile {
  Stage serve;
  std::optional<Stage> prefill;
  // A prompt with fewer uncached tokens than this is prefilled where it is decoded.
  std::uint32_t prefill_threshold = 0;
  Admission admission;
  std::vector<RateLimit> limits;
  // The header by which a request says who has served its session; empty: the usual one.
  std::string session_header;

  bool operator==(const Profile&) const = default;
};

// Good without tuning.
Profile default_profile();

}  // namespace sluice::picker
