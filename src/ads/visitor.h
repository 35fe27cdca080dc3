// Who comes over TLS: what is shown, and what is logged of those who are sent away. Anybody who reaches the
// port can cause these lines, so there is one in kRefusalsApart at most.
//
// Threads: any for functions of values; a RefusalLog belongs to the server's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <grpcpp/grpcpp.h>

#include "ads/stream.h"

namespace sluice::ads {

inline constexpr std::chrono::seconds kRefusalsApart{10};

// Of a stream over TLS. A certificate comes before a token.
Proof proof_of(const grpc::CallbackServerContext& context);

class RefusalLog {
 public:
  void refused(const std::string& address, const std::string& why, Time now);

 private:
  std::optional<Time> last_;
  std::uint64_t untold_ = 0;  // since then
};

// Has gRPC's errors, which it otherwise prints, in our log: handshakes that failed are told there alone. For
// the whole process, and all times.
void take_over_grpc_log();

}  // namespace sluice::ads
