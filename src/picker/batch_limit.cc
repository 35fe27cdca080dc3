#include "picker/batch_limit.h"

#include <algorithm>

namespace sluice::picker {
namespace {

// "As many": vLLM counts after a step, when those that ended with it have left and the next ones have not
// come. What is held up by prefills goes up and down by more than that while its batch ends.
std::uint32_t slack(std::uint32_t most) { return 1 + most / 64; }

}  // namespace

void BatchLimit::seen(std::uint32_t running, std::uint32_t waiting, std::uint32_t ended) {
  if (running > limit_) limit_ = 0;
  if (waiting == 0) {
    most_ = 0;
    return;
  }
  const std::uint32_t most = std::max(most_, running);
  const std::uint32_t least = std::min(least_, running);
  if (most_ == 0 || most - least > slack(most)) {
    most_ = least_ = running;
    ended_ = 0;
    return;
  }
  most_ = most;
  least_ = least;
  ended_ += ended;
  if (ended_ >= most_) limit_ = most_;
}

}  // namespace sluice::picker
