// What fuzz targets share.
//
// A target is a function of any bytes. It may say no, but it neither crashes, nor breaks what require() says
// of it, nor takes long: all of them stop the program, so that the fuzzer keeps the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

namespace sluice::fuzz {

inline void require(bool holds, std::string_view what, const std::string& detail = {}) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: not so: %.*s\n%s\n", static_cast<int>(what.size()), what.data(),
               detail.c_str());
  std::abort();
}

// Stands for as long as an input is read. What takes seconds, where others of its length take milliseconds,
// would hold up whoever reads it. Only the processor's time counts, for the machine may have much else to do;
// and more than enough of it, for sanitizers take most.
class Watch {
 public:
  Watch() : begin_(now()) {}
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() {
    const double took = now() - begin_;
    require(took < kMaxSeconds, "an input is read in time", std::to_string(took) + " s of a processor");
  }

 private:
  static constexpr double kMaxSeconds = 10;

  static double now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  }

  double begin_;
};

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
