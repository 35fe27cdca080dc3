// What fuzz targets share.
//
// A target is a function of any bytes. It may be slow or say no, but it neither crashes nor breaks what
// require() says of it: both stop the program, so that the fuzzer keeps the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace sluice::fuzz {

inline void require(bool holds, std::string_view what, const std::string& detail = {}) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: not so: %.*s\n%s\n", static_cast<int>(what.size()), what.data(),
               detail.c_str());
  std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace sluice::fuzz

// libFuzzer's entry points: what a target defines.
extern "C" {
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                    unsigned seed);
}
