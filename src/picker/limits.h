// Requests and tokens a second, by model and fairness id: token buckets.
//
// A limit that names neither is one bucket for each pair that comes by. A request takes one of the requests
// and the tokens of its prompt when it comes, and those of its completion when that is known: a bucket can be
// in debt, and lets nobody in until it is not. Who is refused for another reason after that gets them back.
//
// Memory: at most kMaxBuckets buckets; then those that are full go, which nobody notices, and if none is, or
// we looked for some within the last second, the new pair shares one bucket with all other new pairs.
//
// Threads: as the Picker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/container/inlined_vector.h"

#include "picker/profile.h"
#include "picker/request.h"

namespace sluice::picker {

inline constexpr std::size_t kMaxBuckets = 65536;

class Limits {
 public:
  // The buckets that a request was let in by, for its completion.
  using Charged = absl::InlinedVector<std::uint64_t, 1>;

  explicit Limits(std::vector<RateLimit> limits);

  // Zero: it is let in and charged. Otherwise nothing is charged, and that long it takes until it would be.
  Duration take(const Request& request, Time now, Charged& charged);
  void give_back(const Charged& charged, std::uint32_t prompt_tokens);
  void complete(const Charged& charged, std::uint32_t completion_tokens);

  std::size_t buckets() const { return buckets_.size(); }

 private:
  struct Bucket {
    std::size_t limit;
    double requests;
    double tokens;
    Time at;
  };
  // `key` is that of the shared bucket afterwards, if it has to share.
  Bucket& bucket(std::size_t limit, std::uint64_t& key, Time now);
  void refill(Bucket& bucket, Time now) const;
  void forget_full(Time now);

  std::vector<RateLimit> limits_;
  std::unordered_map<std::uint64_t, Bucket> buckets_;
  Time next_sweep_{};
};

}  // namespace sluice::picker
