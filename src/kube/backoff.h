// How long to wait before the next try: twice as long each time, with jitter, so that those who failed
// together do not come back together.
//
// Threads: one at a time, a Random too. The source of chance goes in.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>

namespace sluice::kube {

// Uniform in [0, 1).
using Random = std::function<double()>;
// Seeded by the system; each call makes one of its own.
Random system_random();

// The duration, and up to `share` of it more.
inline std::chrono::milliseconds jittered(std::chrono::milliseconds duration, double share,
                                          const Random& random) {
  return duration + std::chrono::milliseconds(
                        static_cast<std::int64_t>(static_cast<double>(duration.count()) * share * random()));
}

class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest)
      : first_(first), longest_(longest) {}

  // Between half and all of the first, then of twice that, and so on up to the longest.
  std::chrono::milliseconds next(const Random& random) {
    constexpr int kMost = 20;  // doublings: no overflow
    const std::chrono::milliseconds full = std::min(longest_, first_ * (1 << std::min(tries_, kMost)));
    ++tries_;
    return jittered(full / 2, 1, random);
  }
  void reset() { tries_ = 0; }
  // Since the last reset.
  int tries() const { return tries_; }

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds longest_;
  int tries_ = 0;
};

}  // namespace sluice::kube
