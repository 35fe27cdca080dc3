// Retries of requests that the proxy itself makes, to the services of filters.
//
// Threads: pure functions.
#pragma once

#include "ir/cluster_settings.h"

namespace envoy::config::core::v3 {
class RetryPolicy;
}

namespace sluice::xds {

// What only routes have is left out: statuses, a time for each try, priorities.
void fill_service_retry(const ir::RetryPolicy& from, envoy::config::core::v3::RetryPolicy* to);

}  // namespace sluice::xds
