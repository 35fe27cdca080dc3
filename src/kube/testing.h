// For tests: a server on this machine, a folder, and what callbacks of other threads tell.
//
// Threads: Told any; the rest are plain values.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "kube/access.h"

namespace sluice::kube {

inline Access local_access(std::uint16_t port) {
  Access access;
  access.tls = false;
  access.host = "127.0.0.1";
  access.port = port;
  access.server_name = access.host;
  return access;
}

// Gone afterwards.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-kube-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  // The path of the file.
  std::string write(std::string_view name, std::string_view text) const {
    std::string path = path_ + "/" + std::string(name);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
    return path;
  }
  std::string script(std::string_view name, std::string_view text) const {
    std::string path = write(name, "#!/bin/sh\n" + std::string(text) + "\n");
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What was told, in order. Whoever waits longer than any test may take gets nothing.
template <typename T>
class Told {
 public:
  void add(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  std::optional<T> next(std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, limit, [this] { return !values_.empty(); })) return std::nullopt;
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> values_;
};

// Until it holds; false where it does not in time.
template <typename Holds>
bool eventually(const Holds& holds, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  for (const auto end = std::chrono::steady_clock::now() + limit; !holds();) {
    if (std::chrono::steady_clock::now() >= end) return false;
    never.wait_for(lock, std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace sluice::kube
