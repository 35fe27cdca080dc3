// What it would cost to send a request to a pod, in seconds: how long its first token takes, and what that
// does to everybody else.
//
//   wait     the prefills before it, less what is done of them, or, where that takes longer, until so many
//            have ended that the pod runs it; room in the KV cache; a slot for its adapter, if all are in use
//   load     its adapter, if it is not there
//   prefill  the tokens of its prompt that the pod has not cached
//   crowd    its tokens come slower the more context the batch has and the more the pod is busy with
//            prefills, and it makes theirs slower
//   price    prefill and load again, for those that wait there: they are held up by it; and for an adapter
//            that loses its slot. Under pressure, also for those that run there
//
// There is pressure while requests have to wait, or are refused. Without, a prefill costs those that run a
// longer step or two, of which they have many, and endpoints do best if each has its share. With it,
// endpoints prefill all the time and not all prompts can be in time: then it is better that the long ones are
// few endpoints' work, and keep few from being in time. The price brings that about: where few run, which is
// where prompts are long, it is low.
//
// The coefficients are learned from all responses of the pool: seconds of a prefill over its uncached tokens,
// seconds of a token over the size of the batch, seconds of an adapter's load, the length of completions, the
// time that it takes. The guesses to begin with are of an 8B model on one A100.
//
// Threads: as the Picker.
#pragma once

#include <cstdint>

#include "picker/pod.h"
#include "picker/work.h"

namespace sluice::picker {

struct Job {
  std::uint64_t adapter = 0;  // 0: the base model
  std::uint32_t prompt_tokens = 0;
  std::uint32_t output_tokens = 0;
  bool decode_only = false;  // another pod does the prefill
};

struct Cost {
  double wait = 0;
  double load = 0;
  double prefill = 0;
  double crowd = 0;
  double price = 0;

  double first_token() const { return wait + load + prefill; }
  double sum() const { return wait + load + prefill + crowd + price; }
};

// The tokens that each step of the pod reads, with what a request costs whatever its length.
double context_tokens(const Pod& pod);

class CostModel {
 public:
  Cost cost(const Pod& pod, const Job& job, std::uint32_t cached_tokens, bool pressure, Time now) const;
  // Of this many uncached tokens on an idle pod.
  double prefill_seconds(const Pod& pod, std::uint32_t tokens) const;
  double prefill_seconds(std::uint32_t tokens) const { return prefill_.at(tokens); }
  std::uint32_t output_tokens(std::uint32_t most) const;
  // Seconds between two tokens of a request on this pod, as things stand.
  double token_seconds(const Pod& pod, Time now) const;

  // A pod worked `took` on a prefill of this many tokens: since its last first token, or since the request
  // came.
  void prefilled(Pod& pod, std::uint32_t tokens, Duration took);
  void loaded(Duration took);
  // A completion of this many tokens took that long after its first, beside that much context and prefill.
  void decoded(std::uint32_t tokens, Duration took, double context, double duty);
  void completed(std::uint32_t tokens) { output_.add(tokens); }
  void stayed(Duration from_pick) { stay_.add(seconds(from_pick)); }

  // Uncached, of a prompt of somebody of whom no more is known.
  std::uint32_t typical_tokens() const { return static_cast<std::uint32_t>(length_.value()); }
  double load_seconds() const { return load_.value(); }
  double stay_seconds() const { return stay_.value(); }
  // Requests a second that end, and make room, on a pod whose batch is full; infinite where it has no limit.
  double turnover(const Pod& pod) const;

 private:
  FadingLine prefill_{0.02, 1.0 / 8000, 4000, 4, 400};
  FadingLine token_{0.018, 1e-7, 100'000, 8, 400};  // where there are no prefills
  FadingMean load_{0.5, 4, 50};
  FadingMean length_{1000, 4, 400};  // of uncached prompts
  FadingMean output_{200, 4, 400};
  FadingMean stay_{4, 4, 200};
};

}  // namespace sluice::picker
