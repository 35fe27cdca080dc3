#include "wasm/spool.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sluice::wasm {
namespace {

constexpr std::size_t kHead = 1024;

std::unexpected<Failure> storage_failure(std::string_view what) {
  return fail(Reason::kStorage, fmt::format("{}: {}", what, std::strerror(errno)));
}

}  // namespace

Result<Spool> Spool::create(const std::string& folder) {
  Spool spool;
  std::string path = fmt::format("{}/{}XXXXXX", folder, kPrefix);
  spool.file_ = Descriptor(::mkostemp(path.data(), O_CLOEXEC));
  if (!spool.file_) return storage_failure("cannot write to the module cache");
  spool.path_ = std::move(path);
  return spool;
}

Spool::Spool(Spool&& other) noexcept { *this = std::move(other); }

Spool& Spool::operator=(Spool&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(path_, other.path_);
  std::swap(size_, other.size_);
  std::swap(head_, other.head_);
  std::swap(digest_, other.digest_);
  return *this;
}

Spool::~Spool() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

Result<void> Spool::append(std::string_view bytes) {
  digest_.update(bytes);
  size_ += bytes.size();
  if (head_.size() < kHead) head_ += bytes.substr(0, kHead - head_.size());
  while (!bytes.empty()) {
    const auto written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return storage_failure("cannot write to the module cache");
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

int Spool::rewind() {
  ::lseek(file_.get(), 0, SEEK_SET);
  return file_.get();
}

Result<void> Spool::move_to(const std::string& path) {
  if (::fchmod(file_.get(), 0644) != 0 || ::fsync(file_.get()) != 0 ||
      ::rename(path_.c_str(), path.c_str()) != 0) {
    return storage_failure("cannot keep a module in the cache");
  }
  path_.clear();
  return {};
}

}  // namespace sluice::wasm
