// Modules on disk: `<folder>/<sha256>.wasm`, or `.so` where it is a shared library, each content once,
// bounded in bytes, the least recently used removed first.
//
// `<folder>/index.json` remembers which source (by its key, see source.h) gave which module. A key has the
// credentials in it, so a module is found only by who fetched it with the same right; whoever asks with
// another has to fetch it, though it ends in the same file.
//
// A module that is wanted is never removed, nor is one that was wanted within the grace, for a node may still
// load it. A start counts as wanting all that is there. What is found on disk is verified by its name.
//
// A folder belongs to one process at a time.
//
// Threads: open() reads and hashes all files. Of the members put() does I/O and is for workers; the others do
// none and never wait for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/descriptor.h"
#include "wasm/artifact.h"
#include "wasm/failure.h"
#include "wasm/spool.h"

namespace sluice::wasm {

struct CacheSettings {
  std::string folder;
  std::uint64_t max_bytes = 1U << 30U;  // of modules; files on the way come on top
  std::chrono::seconds grace{600};
  std::size_t max_sources = 10'000;  // that the index remembers
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
};

struct CachedModule {
  std::string path;
  std::string sha256;
  std::string revision;  // see Fetched

  bool operator==(const CachedModule&) const = default;
};

class Cache {
 public:
  static Result<std::unique_ptr<Cache>> open(CacheSettings settings);

  const std::string& folder() const { return settings_.folder; }

  // These and no others are wanted from now on.
  void set_wanted(std::set<std::string> keys);
  // This one beside those before.
  void add_wanted(const std::string& key);
  std::optional<CachedModule> find(const std::string& key) const;

  // The module is in its place and the index is written when this returns. Fails for a library where the
  // folder is one that nothing can be loaded from.
  Result<CachedModule> put(const std::string& key, Artifact artifact, Spool module,
                           const std::string& revision);

 private:
  using Time = std::chrono::system_clock::time_point;
  struct Module {
    Artifact artifact = Artifact::kWasm;
    std::uint64_t size = 0;
    Time last_wanted;
  };
  struct Origin {  // what a source gave
    std::string sha256;
    std::string revision;
    Time last_wanted;
  };

  explicit Cache(CacheSettings settings) : settings_(std::move(settings)) {}
  Result<void> lock_folder();
  void read_index();
  void verify_files();
  std::string path_of(const std::string& sha256, Artifact artifact) const;
  // With mutex_ held.
  void touch_wanted();
  std::set<std::string> wanted_modules() const;
  // The files that go for it.
  Result<std::vector<std::string>> make_room(std::uint64_t bytes);
  void forget_old_origins();
  std::string index_text() const;

  const CacheSettings settings_;
  Descriptor lock_;
  std::mutex writing_;                     // one put() at a time; taken before mutex_
  mutable std::mutex mutex_;               // for what follows; never held during I/O
  std::map<std::string, Module> modules_;  // by digest
  std::map<std::string, Origin> origins_;  // by key
  std::set<std::string> wanted_;           // keys
};

}  // namespace sluice::wasm
