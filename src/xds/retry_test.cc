#include "xds/retry.h"

#include <gtest/gtest.h>

#include "envoy/config/core/v3/base.pb.h"

namespace sluice::xds {
namespace {

using namespace std::chrono_literals;

envoy::config::core::v3::RetryPolicy made_from(const ir::RetryPolicy& from) {
  envoy::config::core::v3::RetryPolicy made;
  fill_service_retry(from, &made);
  return made;
}

// As in the parity case envoyextensionpolicy-with-extproc-with-retries.
TEST(ServiceRetry, SaysWhatIsRetriedHowOftenAndWhen) {
  const auto made = made_from({.attempts = 2,
                               .on = {"5xx", "deadline-exceeded", "internal", "unavailable"},
                               .base_interval = 200ms,
                               .max_interval = 3s,
                               .per_try_timeout = 3s});
  EXPECT_EQ(made.retry_on(), "5xx,deadline-exceeded,internal,unavailable");
  EXPECT_EQ(made.num_retries().value(), 2U);
  EXPECT_EQ(made.retry_back_off().base_interval().nanos(), 200'000'000);
  EXPECT_EQ(made.retry_back_off().max_interval().seconds(), 3);
}

TEST(ServiceRetry, OfNoFailuresInParticularIsOfThoseOfRoutes) {
  EXPECT_EQ(made_from({}).retry_on(),
            "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes");
  EXPECT_FALSE(made_from({}).has_retry_back_off());
}

// Envoy takes none without the first interval, and none that is shorter.
TEST(ServiceRetry, WithTheLongestIntervalAloneStartsAsEnvoyDoes) {
  EXPECT_EQ(made_from({.max_interval = 1s}).retry_back_off().base_interval().nanos(), 25'000'000);
  EXPECT_EQ(made_from({.max_interval = 5ms}).retry_back_off().base_interval().nanos(), 5'000'000);
}

TEST(ServiceRetry, WithoutAnIntervalWaitsTheShortestThatEnvoyTakes) {
  EXPECT_EQ(made_from({.base_interval = 0ms}).retry_back_off().base_interval().nanos(), 1'000'000);
}

}  // namespace
}  // namespace sluice::xds
