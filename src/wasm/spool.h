// A file that is being written: it has a temporary name, is hashed as it grows, and is removed unless it is
// moved to its place. What is downloaded goes here, so that memory does not depend on what servers send.
//
// Threads: belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "wasm/digest.h"
#include "wasm/failure.h"

namespace sluice::wasm {

class Spool {
 public:
  // How the name of such a file begins.
  static constexpr std::string_view kPrefix = ".fetch-";

  static Result<Spool> create(const std::string& folder);
  Spool(Spool&& other) noexcept;
  Spool& operator=(Spool&& other) noexcept;
  ~Spool();

  Result<void> append(std::string_view bytes);

  std::uint64_t size() const { return size_; }
  std::string sha256() const { return digest_.text(); }
  // Its first bytes, at most 1 KiB.
  const std::string& head() const { return head_; }
  // For whoever reads it from its beginning.
  int rewind();

  // Gives it this name and mode 0644; it is on disk when this returns.
  Result<void> move_to(const std::string& path);

 private:
  Spool() = default;

  Descriptor file_;
  std::string path_;  // empty when there is nothing to remove
  std::uint64_t size_ = 0;
  std::string head_;
  Sha256 digest_;
};

}  // namespace sluice::wasm
