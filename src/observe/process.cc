#include "observe/process.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

namespace sluice::observe {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Seconds since boot at which this process was started.
double started_after_boot() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  // The name, in parentheses, may hold anything; the start time is the 20th word after it.
  std::istringstream words(text.substr(text.rfind(')') + 1));
  std::string word;
  for (int i = 0; i < 20; ++i) words >> word;
  return words ? std::stod(word) / static_cast<double>(::sysconf(_SC_CLK_TCK)) : 0;
}

}  // namespace

ProcessNumbers read_process() {
  ProcessNumbers numbers;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  numbers.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);

  timespec now{}, since_boot{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  numbers.start_time = static_cast<double>(now.tv_sec - since_boot.tv_sec) + started_after_boot();

  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  numbers.resident_bytes = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));

  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (!error) numbers.open_files = static_cast<std::uint64_t>(std::distance(begin(files), end(files)));
  return numbers;
}

}  // namespace sluice::observe
