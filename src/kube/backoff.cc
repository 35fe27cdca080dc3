#include "kube/backoff.h"

#include <memory>
#include <random>

namespace sluice::kube {

Random system_random() {
  return [engine = std::make_shared<std::minstd_rand>(std::random_device()())] {
    return std::uniform_real_distribution<double>(0, 1)(*engine);
  };
}

}  // namespace sluice::kube
