// A model server's address, what it is for, and what it last said of itself.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "picker/request.h"

namespace sluice::picker {

// llm-d's label for what a server is for, where some prefill and others decode: "prefill", "decode", "both";
// profiles filter by it as by any.
inline constexpr std::string_view kRoleLabel = "llm-d.ai/role";

struct Endpoint {
  std::string address;  // "10.0.0.1:8000"
  std::map<std::string, std::string, std::less<>> labels;
  // What /v1/models lists, adapters too. Empty: unknown, it may serve any.
  std::vector<std::string> models;

  bool operator==(const Endpoint&) const = default;
};

// One scrape of a server's metrics page.
struct Load {
  Time taken;
  std::uint32_t waiting = 0;  // requests in the server's queue
  std::uint32_t running = 0;  // requests in its batch
  double kv_usage = 0;        // 0…1 of the KV cache in use
  // Adapters of requests that run or wait: activity, not residency (vllm:lora_requests_info).
  std::vector<std::string> running_adapters;
  std::vector<std::string> waiting_adapters;
  std::uint32_t max_adapters = 0;  // in one batch; 0: unknown, or no adapters
  std::uint32_t block_size = 0;    // tokens; 0: unknown
  std::uint32_t blocks = 0;        // of the KV cache; 0: unknown

  bool operator==(const Load&) const = default;
};

}  // namespace sluice::picker
