// The messages and names of gRPC's health service (github.com/grpc/grpc/blob/master/doc/health-checking.md).
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::extproc {

inline constexpr std::string_view kHealthCheckPath = "/grpc.health.v1.Health/Check";
inline constexpr std::string_view kHealthWatchPath = "/grpc.health.v1.Health/Watch";

enum class ServingStatus : std::uint8_t { kServing = 1, kNotServing = 2, kServiceUnknown = 3 };

// What is served, by name; "" is the server as a whole.
class HealthTable {
 public:
  // True where this is a change.
  bool set(std::string_view service, bool serving);
  ServingStatus status(std::string_view service) const;

 private:
  std::map<std::string, bool, std::less<>> serving_;
};

// The service that a HealthCheckRequest names; nothing where the bytes are none.
std::optional<std::string_view> decode_health_request(std::string_view message);
std::string encode_health_response(ServingStatus status);

}  // namespace sluice::extproc
