// Where model servers are asked how they are, and what they serve.
//
// Most say it where they serve: `/metrics` and `/v1/models` of the endpoint's own address. Others have
// another path (trtllm-serve: `/prometheus/metrics`), or another port (Triton: 8002).
//
// Threads: plain values and a pure function.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/problem.h"

namespace sluice::picker {

// Where users name the authorities of servers' certificates: those of the system.
inline constexpr std::string_view kSystemAuthorities = "system";

struct Source {
  bool tls = false;
  std::uint16_t port = 0;  // 0: the endpoint's
  std::string path;
  // Whether the server's certificate has to be for its address, and by one of these: a file in PEM, or, where
  // it is empty, the system's.
  bool verify = false;
  std::string authorities = {};
  // For servers that ask who we are: files in PEM; empty: nothing is shown.
  std::string certificate = {};
  std::string key = {};
  std::chrono::milliseconds interval{0};  // between two questions; 0: whatever else says

  bool operator==(const Source&) const = default;
};

struct Sources {
  Source metrics{.path = "/metrics"};
  Source models{.path = "/v1/models"};

  bool operator==(const Sources&) const = default;
};

// "/prometheus/metrics", ":8002", "https://:8443/metrics": scheme, port and path, of which at least one is
// there. What is not said is as usual.
std::expected<Source, Problem> parse_source(std::string_view text);

// The same with `authorities` as users name them: a file, kSystemAuthorities, or nothing, where certificates
// are not looked at.
std::expected<Source, Problem> parse_source(std::string_view text, const std::string& authorities);

// Those where metrics are asked for there. Models are then asked for by the same scheme, as long as that is
// the same port.
Sources sources_with(Source metrics);

}  // namespace sluice::picker
