#include "picker/limits.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "picker/work.h"

namespace sluice::picker {
namespace {

constexpr Duration kSweepInterval = std::chrono::seconds(1);

// A second's worth of something, at least one of it.
double most(double per_second, const RateLimit& limit) {
  return std::max(1.0, per_second * limit.burst_seconds);
}

double wait(double missing, double per_second) { return missing <= 0 ? 0 : missing / per_second; }

}  // namespace

Limits::Limits(std::vector<RateLimit> limits) : limits_(std::move(limits)) {}

void Limits::refill(Bucket& bucket, Time now) const {
  const RateLimit& limit = limits_[bucket.limit];
  const double passed = std::max(0.0, seconds(now - bucket.at));
  bucket.at = std::max(bucket.at, now);
  bucket.requests =
      std::min(most(limit.requests_per_second, limit), bucket.requests + passed * limit.requests_per_second);
  bucket.tokens =
      std::min(most(limit.tokens_per_second, limit), bucket.tokens + passed * limit.tokens_per_second);
}

void Limits::forget_full(Time now) {
  std::erase_if(buckets_, [&](const auto& entry) {
    Bucket bucket = entry.second;
    refill(bucket, now);
    const RateLimit& limit = limits_[bucket.limit];
    return (limit.requests_per_second <= 0 || bucket.requests >= most(limit.requests_per_second, limit)) &&
           (limit.tokens_per_second <= 0 || bucket.tokens >= most(limit.tokens_per_second, limit));
  });
}

Limits::Bucket& Limits::bucket(std::size_t limit, std::uint64_t& key, Time now) {
  if (buckets_.size() >= kMaxBuckets && !buckets_.contains(key)) {
    // Looking through all of them is not for each request.
    if (now >= next_sweep_) {
      forget_full(now);
      next_sweep_ = now + kSweepInterval;
    }
    if (buckets_.size() >= kMaxBuckets) key = limit;
  }
  const RateLimit& rates = limits_[limit];
  Bucket& bucket = buckets_
                       .try_emplace(key, Bucket{limit, most(rates.requests_per_second, rates),
                                                most(rates.tokens_per_second, rates), now})
                       .first->second;
  refill(bucket, now);
  return bucket;
}

Duration Limits::take(const Request& request, Time now, Charged& charged) {
  double longest = 0;
  for (std::size_t i = 0; i < limits_.size(); ++i) {
    const RateLimit& limit = limits_[i];
    if (!limit.model.empty() && limit.model != request.model) continue;
    if (!limit.fairness_id.empty() && limit.fairness_id != request.fairness_id) continue;
    std::uint64_t key = name_hash(request.model) * 3 + name_hash(request.fairness_id) + i * 0x9e3779b9;
    const Bucket& found = bucket(i, key, now);
    if (limit.requests_per_second > 0) {
      longest = std::max(longest, wait(1 - found.requests, limit.requests_per_second));
    }
    // A prompt of more tokens than the bucket holds is let in by a full one, which is in debt then.
    if (limit.tokens_per_second > 0) {
      const double needed = std::min<double>(request.prompt_tokens, most(limit.tokens_per_second, limit));
      longest = std::max(longest, wait(needed - found.tokens, limit.tokens_per_second));
    }
    charged.push_back(key);
  }
  if (longest > 0) {
    charged.clear();
    return Duration(std::max<std::int64_t>(1, std::llround(longest * 1e6)));
  }
  for (const std::uint64_t key : charged) {
    const auto found = buckets_.find(key);
    if (found == buckets_.end()) continue;
    found->second.requests -= 1;
    found->second.tokens -= request.prompt_tokens;
  }
  return Duration(0);
}

void Limits::give_back(const Charged& charged, std::uint32_t prompt_tokens) {
  for (const std::uint64_t key : charged) {
    const auto found = buckets_.find(key);
    if (found == buckets_.end()) continue;
    found->second.requests += 1;
    found->second.tokens += prompt_tokens;
  }
}

void Limits::complete(const Charged& charged, std::uint32_t completion_tokens) {
  for (const std::uint64_t key : charged) {
    const auto found = buckets_.find(key);
    if (found != buckets_.end()) found->second.tokens -= completion_tokens;
  }
}

}  // namespace sluice::picker
