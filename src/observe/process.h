// What the kernel says of this process.
//
// Threads: any.
#pragma once

#include <cstdint>

namespace sluice::observe {

struct ProcessNumbers {
  double cpu_seconds = 0;
  double start_time = 0;  // seconds since the epoch
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_files = 0;
};

ProcessNumbers read_process();

}  // namespace sluice::observe
