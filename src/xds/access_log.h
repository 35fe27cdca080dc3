// Access logs: whose they are, what is in them, and which lines there are.
//
// Threads: pure functions.
#pragma once

#include "google/protobuf/repeated_field.h"

#include "ir/ir.h"

namespace envoy::config::accesslog::v3 {
class AccessLog;
}

namespace sluice::xds {

// Who writes.
enum class LogOf : std::uint8_t {
  kRequests,  // whoever serves requests or connections
  kUnserved,  // the listener
  kAttempts,  // the router
};

// Those of the logs that are for it.
void fill_access_logs(const ir::AccessLogs& logs, LogOf of,
                      google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>* to);

}  // namespace sluice::xds
