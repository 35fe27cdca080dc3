#include "llm/simulate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <queue>
#include <tuple>

namespace sluice::llmbench {
namespace {

using llmsim::Engine;

struct Life {
  Pod pod = 0;
  bool refused = false;
  std::uint32_t cached = 0;
  Time first{-1};
  Time end{-1};
};

class Run {
 public:
  Run(std::span<const Job> jobs, const Setup& setup, const MakePolicy& make)
      : jobs_(jobs), setup_(setup), lives_(jobs.size()), step_ends_(setup.pods, Engine::kNever) {
    engines_.reserve(setup.pods);
    for (Pod pod = 0; pod < setup.pods; ++pod) engines_.emplace_back(setup.config);
    policy_ =
        make({.engines = engines_, .config = setup.config, .seed = setup.seed, .scenario = setup.scenario});
  }

  void run() {
    for (Pod pod = 0; pod < setup_.pods; ++pod) {
      scrape(pod, Time(0));
      scrapes_.push({Time(setup_.scrape.count() * (pod + 1) / setup_.pods), pod});
    }
    std::size_t next = 0;
    while (next < jobs_.size() || open_ > 0) {
      // Of events at one time: ends of steps, then scrapes, then the policy, then arrivals.
      const Time arrival = next < jobs_.size() ? jobs_[next].at : Time::max();
      const Time step = steps_.empty() ? Time::max() : steps_.top().first;
      const Time scraping = scrapes_.top().first;
      const Time wake = policy_->wake_at().value_or(Time::max());
      const Time now = std::max(now_, std::min({arrival, step, scraping, wake}));
      now_ = now;
      if (step <= now) {
        const auto [at, pod] = steps_.top();
        steps_.pop();
        if (step_ends_[pod] == at) end_step(pod);
      } else if (scraping <= now) {
        const Pod pod = scrapes_.top().second;
        scrapes_.pop();
        scrapes_.push({scraping + setup_.scrape, pod});
        scrape(pod, now);
      } else if (wake <= now) {
        advance();
        // It says no other time until something happens: then that is what it waits for.
        if (policy_->wake_at().value_or(Time::max()) <= now) now_ = now + Time(1);
        continue;
      } else {
        const auto id = static_cast<JobId>(next++);
        ++open_;
        settle(id, policy_->pick(id, jobs_[id], now));
      }
      if (policy_->queues()) advance();
    }
  }

  Outcome outcome() const;

 private:
  using At = std::pair<Time, Pod>;

  void scrape(Pod pod, Time now) { policy_->scraped(pod, engines_[pod].gauges(), now); }

  void advance() {
    for (const auto& [id, answer] : policy_->advance(now_)) settle(id, answer);
  }

  void settle(JobId id, Answer answer) {
    if (answer.kind == Answer::Kind::kQueued) return;
    const Job& job = jobs_[id];
    if (answer.kind == Answer::Kind::kSent) {
      lives_[id].pod = answer.pod;
      const bool taken = engines_[answer.pod].submit({.id = id,
                                                      .adapter = job.adapter,
                                                      .prompt_tokens = job.prompt_tokens,
                                                      .output_tokens = job.output_tokens,
                                                      .prompt = job.chain},
                                                     now_);
      if (taken) {
        watch(answer.pod);
        return;
      }
      policy_->finished(id, job, answer.pod, now_);
    }
    lives_[id].refused = true;
    --open_;
  }

  void watch(Pod pod) {
    const Time end = engines_[pod].step_end();
    if (end == step_ends_[pod]) return;
    step_ends_[pod] = end;
    if (end != Engine::kNever) steps_.push({end, pod});
  }

  void end_step(Pod pod) {
    progress_.first_tokens.clear();
    progress_.finished.clear();
    engines_[pod].end_step(&progress_);
    for (const auto& [id, cached] : progress_.first_tokens) {
      const auto job = static_cast<JobId>(id);
      lives_[job].first = now_;
      lives_[job].cached = cached;
      policy_->first_token(job, jobs_[job], pod, now_);
    }
    for (const auto id : progress_.finished) {
      const auto job = static_cast<JobId>(id);
      lives_[job].end = now_;
      --open_;
      policy_->finished(job, jobs_[job], pod, now_);
    }
    step_ends_[pod] = Engine::kNever;
    watch(pod);
  }

  std::span<const Job> jobs_;
  const Setup& setup_;
  std::vector<Life> lives_;
  std::vector<Engine> engines_;
  std::unique_ptr<Policy> policy_;
  std::vector<Time> step_ends_;  // that steps_ has; others in it are of the past
  std::priority_queue<At, std::vector<At>, std::greater<>> steps_;
  std::priority_queue<At, std::vector<At>, std::greater<>> scrapes_;
  llmsim::Progress progress_;
  Time now_{0};
  std::size_t open_ = 0;  // jobs that have come and neither ended nor were refused
};

double seconds(Time time) { return static_cast<double>(time.count()) * 1e-6; }

double percentile(std::vector<double>* values, double share) {
  if (values->empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values->size() - 1));
  std::nth_element(values->begin(), values->begin() + at, values->end());
  return (*values)[static_cast<std::size_t>(at)];
}

Outcome Run::outcome() const {
  Outcome outcome;
  std::vector<double> firsts;
  std::vector<double> tokens;
  struct Share {
    double part = 0;
    double all = 0;
    double value() const { return all == 0 ? 0 : part / all; }
  };
  std::vector<Share> tenants(kAdapters);
  std::array<Share, 3> lengths;
  std::map<int, Share> good_of;
  std::map<int, Share> refused_of;
  Share hits;
  const std::size_t begin = jobs_.size() / 10;
  std::size_t good = 0;
  std::size_t first_late = 0;
  std::size_t tokens_late = 0;
  std::size_t done = 0;
  Time last{0};
  for (std::size_t id = begin; id < jobs_.size(); ++id) {
    const Job& job = jobs_[id];
    const Life& life = lives_[id];
    const std::size_t length = job.prompt_tokens < kLengths[0] ? 0 : job.prompt_tokens < kLengths[1] ? 1 : 2;
    ++lengths[length].all;
    ++good_of[job.priority].all;
    ++refused_of[job.priority].all;
    ++tenants[job.tenant].all;
    if (life.refused) {
      ++lengths[length].part;
      ++refused_of[job.priority].part;
      continue;
    }
    const double first = seconds(life.first - job.at);
    const double token = job.output_tokens > 1 ? seconds(life.end - life.first) / (job.output_tokens - 1) : 0;
    const double alone = seconds(llmsim::unloaded_first_token(llmsim::kLlama8bOnA100, job.prompt_tokens,
                                                              llmsim::Config{}.max_batched_tokens));
    const bool in_time = first <= 2 + 3 * alone;
    const bool met = in_time && token <= 0.2;
    firsts.push_back(first);
    if (job.output_tokens > 1) tokens.push_back(token * 1000);
    hits.part += life.cached;
    hits.all += job.prompt_tokens;
    ++done;
    last = std::max(last, life.end);
    if (met) {
      ++good;
      ++tenants[job.tenant].part;
      ++good_of[job.priority].part;
    } else {
      ++(in_time ? tokens_late : first_late);
    }
  }
  outcome.jobs = jobs_.size() - begin;
  outcome.seconds = seconds(jobs_.back().at - jobs_[begin].at);
  outcome.goodput = static_cast<double>(good) / static_cast<double>(outcome.jobs);
  outcome.first_late = static_cast<double>(first_late) / static_cast<double>(outcome.jobs);
  outcome.tokens_late = static_cast<double>(tokens_late) / static_cast<double>(outcome.jobs);
  outcome.good_rate = static_cast<double>(good) / outcome.seconds;
  outcome.done_rate = static_cast<double>(done) / std::max(1e-6, seconds(last - jobs_[begin].at));
  outcome.first_p50 = percentile(&firsts, 0.5);
  outcome.first_p99 = percentile(&firsts, 0.99);
  outcome.token_p50 = percentile(&tokens, 0.5);
  outcome.token_p99 = percentile(&tokens, 0.99);
  outcome.prefix_hits = hits.value();
  for (std::size_t i = 0; i < 3; ++i) outcome.refused_by_length[i] = lengths[i].value();
  for (const auto& [priority, share] : good_of) {
    outcome.classes[priority] = {.good = share.value(), .refused = refused_of[priority].value()};
  }

  double sum = 0;
  double squares = 0;
  double count = 0;
  for (const Share& tenant : tenants) {
    if (tenant.all == 0) continue;
    ++count;
    sum += tenant.value();
    squares += tenant.value() * tenant.value();
  }
  outcome.fairness = squares == 0 ? 0 : sum * sum / (count * squares);

  std::uint64_t loads = 0;
  std::uint64_t preemptions = 0;
  for (const Engine& engine : engines_) {
    loads += engine.counters().adapter_loads;
    preemptions += engine.counters().preemptions;
    outcome.steps += engine.counters().steps;
  }
  outcome.adapter_loads = 100.0 * static_cast<double>(loads) / static_cast<double>(jobs_.size());
  outcome.preemptions = 100.0 * static_cast<double>(preemptions) / static_cast<double>(jobs_.size());
  for (const Life& life : lives_) {
    if (life.refused) ++outcome.refused;
    if (life.end.count() >= 0) ++outcome.finished;
    outcome.fingerprint = mix(outcome.fingerprint, static_cast<std::uint64_t>(life.first.count()));
    outcome.fingerprint = mix(outcome.fingerprint, static_cast<std::uint64_t>(life.end.count()));
    outcome.fingerprint = mix(outcome.fingerprint, life.pod);
  }
  return outcome;
}

}  // namespace

llmsim::Config pooled(const llmsim::Config& config, Pod pods) {
  llmsim::Config pool = config;
  pool.costs.prefill_token /= pods;
  pool.costs.decode_sequence /= pods;
  pool.costs.context_token /= pods;
  pool.costs.attention /= pods;
  pool.blocks *= pods;
  pool.max_batched_tokens *= pods;
  pool.max_sequences *= pods;
  pool.adapter_slots *= pods;
  pool.adapter_load /= pods;
  return pool;
}

Outcome simulate(std::span<const Job> jobs, const Setup& setup, const MakePolicy& make) {
  Run run(jobs, setup, make);
  run.run();
  return run.outcome();
}

}  // namespace sluice::llmbench
