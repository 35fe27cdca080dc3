#include "proxy/hot_restart.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <random>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"

namespace sluice::proxy {
namespace {

// Envoy multiplies by ten: the last digit is the epoch's, modulo three.
std::uint32_t scaled(std::uint32_t base_id) { return base_id * 10; }

std::string memory_name(std::uint32_t base_id) {
  return fmt::format("/envoy_shared_memory_{}", scaled(base_id));
}

// The layout of Envoy's hot restart version 11.104 (`envoy --hot-restart-version`: version and size).
struct SharedMemory {
  std::uint64_t size;
  std::uint64_t version;
  std::array<std::byte, 80> mutexes;
  std::uint64_t flags;
};
constexpr std::uint64_t kVersion = 11;
constexpr std::uint64_t kInitializing = 1;
static_assert(sizeof(SharedMemory) == 104);

}  // namespace

std::uint32_t choose_base_id() {
  std::random_device random;
  std::uniform_int_distribution<std::uint32_t> ids(1, 9'999'999);
  while (true) {
    const std::uint32_t id = ids(random);
    const Descriptor memory(::shm_open(memory_name(id).c_str(), O_RDONLY | O_CLOEXEC, 0));
    if (!memory) return id;
  }
}

bool forget_failed_epoch(std::uint32_t base_id) {
  const Descriptor file(::shm_open(memory_name(base_id).c_str(), O_RDWR | O_CLOEXEC, 0));
  struct stat status;
  if (!file || ::fstat(file.get(), &status) != 0 || status.st_size != sizeof(SharedMemory)) return false;
  void* address = ::mmap(nullptr, sizeof(SharedMemory), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) return false;
  auto* memory = static_cast<SharedMemory*>(address);
  const bool known = memory->size == sizeof(SharedMemory) && memory->version == kVersion;
  if (known) std::atomic_ref(memory->flags).fetch_and(~kInitializing);
  ::munmap(address, sizeof(SharedMemory));
  return known;
}

void remove_traces(std::uint32_t base_id, const std::string& socket_path) {
  ::shm_unlink(memory_name(base_id).c_str());
  constexpr std::uint32_t kEpochs = 3;
  for (const std::string_view end : {"parent", "child", "udp_parent", "udp_child"}) {
    for (std::uint32_t epoch = 0; epoch < kEpochs; ++epoch) {
      ::unlink(fmt::format("{}_{}_{}", socket_path, end, scaled(base_id) + epoch).c_str());
    }
  }
}

}  // namespace sluice::proxy
