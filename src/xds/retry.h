// Retries of requests that the proxy itself makes, to the services of filters.
//
// Threads: pure functions.
#pragma once

#include "ir/cluster_settings.h"

namespace envoy::config::core::v3 {
class RetryPolicy;
}
namespace google::protobuf {
class Duration;
}

namespace sluice::xds {

// How long the proxy waits before it tries again: 1 ms at least, for it takes no less (RetryBackOff and
// BackoffStrategy in its protos).
void fill_back_off(ir::Duration wanted, google::protobuf::Duration* to);

// What only routes have is left out: statuses, a time for each try, priorities.
void fill_service_retry(const ir::RetryPolicy& from, envoy::config::core::v3::RetryPolicy* to);

}  // namespace sluice::xds
