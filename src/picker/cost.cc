#include "picker/cost.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sluice::picker {
namespace {

// A request in the batch costs a step as much as this many tokens of context.
constexpr double kRequestContext = 160;
// How much a second counts that a request loses which waits, or runs: it has a second or two for its first
// token, and ten times that for the others.
constexpr double kPriceOfWaiting = 0.5;
constexpr double kPriceOfRunning = 0.05;
// How much a load counts that another adapter will need again, whose slot this one takes.
constexpr double kPriceOfEviction = 0.5;
// However many prefills there are, tokens come: with chunked prefill, each step brings them.
constexpr double kLeastFree = 0.1;

}  // namespace

double Pod::kv_held() const {
  const double since = static_cast<double>(reserved.kv_tokens) - static_cast<double>(at_scrape.kv_tokens);
  return std::max(static_cast<double>(reserved.kv_tokens),
                  kv_usage * static_cast<double>(kv_capacity) + since);
}

double Pod::kv_used() const {
  if (kv_capacity == 0) return kv_usage;
  return std::min(1.0, kv_held() / static_cast<double>(kv_capacity));
}

double context_tokens(const Pod& pod) {
  const double ours = static_cast<double>(pod.reserved.context_tokens);
  const double scraped = pod.kv_usage * static_cast<double>(pod.kv_capacity);
  // What others have there, if any do, is what the scrape says beyond ours.
  const double others =
      pod.foreign_running > 0 ? std::max(0.0, scraped - static_cast<double>(pod.at_scrape.kv_tokens)) : 0;
  return ours + others + kRequestContext * (pod.batch() + pod.queue_length());
}

double Pod::duty(Time now) const {
  const double fade = std::exp(-std::max(0.0, seconds(now - recent_at)) / seconds(kDutyWindow));
  return std::min(recent_prefill * fade / seconds(kDutyWindow), 1 - kLeastFree);
}

void Pod::add_duty(Duration prefill, Time now) {
  const double fade = std::exp(-std::max(0.0, seconds(now - recent_at)) / seconds(kDutyWindow));
  recent_prefill = recent_prefill * fade + seconds(prefill);
  recent_at = std::max(recent_at, now);
}

double CostModel::prefill_seconds(const Pod& pod, std::uint32_t tokens) const {
  return prefill_.at(tokens) * pod.slowness.value();
}

double CostModel::turnover(const Pod& pod) const {
  if (pod.batch_limit.value() == 0) return std::numeric_limits<double>::infinity();
  return pod.batch_limit.value() / std::max(stay_.value(), 1e-3);
}

std::uint32_t CostModel::output_tokens(std::uint32_t most) const {
  const auto mean = static_cast<std::uint32_t>(std::max(1.0, output_.value()));
  return most == 0 ? mean : std::min(mean, most);
}

Cost CostModel::cost(const Pod& pod, const Job& job, std::uint32_t cached_tokens, bool pressure,
                     Time now) const {
  Cost cost;
  const double others = pod.queue_length();
  if (!job.decode_only) {
    const std::uint32_t others_waiting = pod.queue_length() - pod.reserved.waiting;
    cost.wait = seconds(pod.prefill_work) + others_waiting * prefill_seconds(pod, typical_tokens());
    if (pod.first != kNoIndex) {
      // A tenth of the first one is never counted as done: it is not, as long as there is no first token.
      const double done = seconds(now - std::max(pod.prefilled, pod.first_sent));
      cost.wait -= std::clamp(done, 0.0, 0.9 * seconds(pod.first_work));
    }
    cost.prefill = prefill_seconds(pod, job.prompt_tokens - std::min(cached_tokens, job.prompt_tokens));
  }
  // One that waits there is always let in: it keeps the batch full, and shows whether the limit is one.
  const std::uint32_t all = pod.batch() + pod.queue_length();
  if (all > pod.batch_limit.value()) {
    cost.wait = std::max(cost.wait, (all - pod.batch_limit.value()) / turnover(pod));
  }
  if (pod.kv_capacity > 0) {
    // What is too much has to end first; of a prompt that has no room at all, no more than what is there.
    const double capacity = static_cast<double>(pod.kv_capacity);
    const double held = pod.kv_held();
    const double needed = held + job.prompt_tokens - cached_tokens + job.output_tokens;
    if (needed > capacity && held > 0) {
      cost.wait += std::min(needed - capacity, held) / held * stay_.value();
    }
  }
  double held_up = cost.prefill;
  double evicted = 0;
  if (job.adapter != 0) {
    const Residency residency = pod.adapters.residency(job.adapter);
    if (residency == Residency::kMustWait) cost.wait += stay_.value() * pod.adapters.slot_wait();
    if (residency != Residency::kLoaded) {
      cost.load = load_.value();
      held_up += cost.load;
      if (pod.adapters.evicts()) evicted = kPriceOfEviction * cost.load;
    }
  }
  const double running = pod.batch() + others;
  const double now_free = 1 - pod.duty(now);
  const double then_free = std::max(kLeastFree, now_free - held_up / seconds(kDutyWindow));
  cost.price = evicted + held_up * kPriceOfWaiting * others;
  if (pressure) cost.price += held_up * kPriceOfRunning * pod.batch() / now_free;
  const double tokens = job.prompt_tokens + job.output_tokens + kRequestContext;
  cost.crowd = kPriceOfRunning * job.output_tokens *
               (token_.at(context_tokens(pod)) / then_free + token_.slope() * tokens * running / now_free);
  return cost;
}

void CostModel::prefilled(Pod& pod, std::uint32_t tokens, Duration took) {
  const double expected = prefill_.at(tokens);
  pod.slowness.add(std::clamp(seconds(took) / std::max(expected, 1e-6), 0.0, 10.0) * expected, expected);
  prefill_.add(tokens, seconds(took));
  length_.add(tokens);
}

void CostModel::loaded(Duration took) { load_.add(std::max(0.0, seconds(took))); }

// While prefills take a share of the time, as many tokens take longer by that share.
double CostModel::token_seconds(const Pod& pod, Time now) const {
  return token_.at(context_tokens(pod)) / (1 - pod.duty(now));
}

void CostModel::decoded(std::uint32_t tokens, Duration took, double context, double duty) {
  if (tokens > 1) token_.add(context, seconds(took) / (tokens - 1) * (1 - duty));
}

}  // namespace sluice::picker
