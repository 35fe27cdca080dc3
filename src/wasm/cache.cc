#include "wasm/cache.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_text.h"
#include "wasm/digest.h"

namespace sluice::wasm {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr int kIndexVersion = 1;
// How the names of files end.
constexpr std::array kSuffixes{std::pair{Artifact::kWasm, std::string_view(".wasm")},
                               std::pair{Artifact::kLibrary, std::string_view(".so")}};

std::int64_t seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::optional<std::string> hash_file(const std::string& path, std::uint64_t* size) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return std::nullopt;
  Sha256 digest;
  std::array<char, 1U << 16U> buffer{};
  *size = 0;
  while (true) {
    const auto got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) return digest.text();
    digest.update({buffer.data(), static_cast<std::size_t>(got)});
    *size += static_cast<std::uint64_t>(got);
  }
}

bool is_noexec(const std::string& folder) {
  struct statvfs file_system{};
  return ::statvfs(folder.c_str(), &file_system) == 0 && (file_system.f_flag & ST_NOEXEC) != 0;
}

}  // namespace

Result<std::unique_ptr<Cache>> Cache::open(CacheSettings settings) {
  std::unique_ptr<Cache> cache(new Cache(std::move(settings)));
  if (auto locked = cache->lock_folder(); !locked) return std::unexpected(locked.error());
  cache->read_index();
  cache->verify_files();
  return cache;
}

Result<void> Cache::lock_folder() {
  const std::string& folder = settings_.folder;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return fail(Reason::kStorage,
                fmt::format("cannot create the module cache {}: {}", folder, error.message()));
  }
  ::chmod(folder.c_str(), 0755);  // Envoys of other users read it
  lock_ = Descriptor(::open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_) {
    return fail(Reason::kStorage,
                fmt::format("cannot write to the module cache {}: {}", folder, std::strerror(errno)));
  }
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Reason::kStorage, fmt::format("the module cache {} is in use by another process", folder));
  }
  return {};
}

// An index that is missing or damaged is an empty one: modules are fetched again then.
void Cache::read_index() {
  std::ifstream file(settings_.folder + "/index.json");
  const json index = json::parse(file, nullptr, false);
  if (!index.is_object() || index.value("version", json()) != kIndexVersion) return;
  const auto sources = index.find("sources");
  if (sources == index.end() || !sources->is_object()) return;
  for (const auto& [key, source] : sources->items()) {
    if (!source.is_object()) continue;
    const auto wanted = source.find("lastWanted");
    if (wanted == source.end() || !wanted->is_number_integer()) continue;
    origins_[key] = {.sha256 = string_at(source, "sha256"),
                     .revision = string_at(source, "revision"),
                     .last_wanted = Time(std::chrono::seconds(wanted->get<std::int64_t>()))};
  }
}

void Cache::verify_files() {
  std::error_code error;
  for (fs::directory_iterator entry(settings_.folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string path = entry->path();
    const std::string name = entry->path().filename();
    if (name.starts_with(Spool::kPrefix)) ::unlink(path.c_str());
    for (const auto& [artifact, suffix] : kSuffixes) {
      if (!name.ends_with(suffix)) continue;
      const std::string sha256 = name.substr(0, name.size() - suffix.size());
      if (!is_sha256(sha256)) continue;
      Module module{.artifact = artifact, .last_wanted = settings_.now()};
      if (hash_file(path, &module.size) == sha256) {
        modules_[sha256] = module;
      } else {
        ::unlink(path.c_str());
      }
    }
  }
  std::erase_if(origins_, [&](const auto& origin) { return !modules_.contains(origin.second.sha256); });
}

std::string Cache::path_of(const std::string& sha256, Artifact artifact) const {
  const auto* const suffix =
      std::ranges::find(kSuffixes, artifact, [](const auto& each) { return each.first; });
  return fmt::format("{}/{}{}", settings_.folder, sha256, suffix->second);
}

void Cache::set_wanted(std::set<std::string> keys) {
  const std::lock_guard lock(mutex_);
  touch_wanted();  // those that go were wanted until now
  wanted_ = std::move(keys);
}

void Cache::add_wanted(const std::string& key) {
  const std::lock_guard lock(mutex_);
  wanted_.insert(key);
}

std::optional<CachedModule> Cache::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto origin = origins_.find(key);
  if (origin == origins_.end()) return std::nullopt;
  const auto module = modules_.find(origin->second.sha256);
  if (module == modules_.end()) return std::nullopt;
  return CachedModule{.path = path_of(origin->second.sha256, module->second.artifact),
                      .sha256 = origin->second.sha256,
                      .revision = origin->second.revision};
}

Result<CachedModule> Cache::put(const std::string& key, Artifact artifact, Spool module,
                                const std::string& revision) {
  if (artifact == Artifact::kLibrary && is_noexec(settings_.folder)) {
    return fail(Reason::kStorage,
                fmt::format("Envoy cannot load a library from {}, whose file system is mounted `noexec`: "
                            "start sluice with another `--run-dir`",
                            settings_.folder));
  }
  const std::lock_guard one_at_a_time(writing_);
  const std::string sha256 = module.sha256();
  const std::string path = path_of(sha256, artifact);
  std::vector<std::string> removed;
  bool known = false;
  {
    const std::lock_guard lock(mutex_);
    touch_wanted();
    known = modules_.contains(sha256);
    if (known) {
      modules_[sha256].last_wanted = settings_.now();
    } else {
      auto room = make_room(module.size());
      if (!room) return std::unexpected(room.error());
      removed = std::move(*room);
    }
  }
  for (const std::string& old : removed) ::unlink(old.c_str());
  if (!known || ::access(path.c_str(), R_OK) != 0) {
    const std::uint64_t size = module.size();
    if (auto moved = module.move_to(path); !moved) return std::unexpected(moved.error());
    const std::lock_guard lock(mutex_);
    modules_[sha256] = {.artifact = artifact, .size = size, .last_wanted = settings_.now()};
  }
  std::string index;
  {
    const std::lock_guard lock(mutex_);
    origins_[key] = {.sha256 = sha256, .revision = revision, .last_wanted = settings_.now()};
    forget_old_origins();
    index = index_text();
  }
  if (auto written = write_file(settings_.folder + "/index.json", index); !written) {
    return fail(Reason::kStorage, "the index of the module cache: " + written.error());
  }
  return CachedModule{.path = path, .sha256 = sha256, .revision = revision};
}

void Cache::touch_wanted() {
  const Time now = settings_.now();
  for (const std::string& key : wanted_) {
    const auto origin = origins_.find(key);
    if (origin == origins_.end()) continue;
    origin->second.last_wanted = now;
    if (const auto module = modules_.find(origin->second.sha256); module != modules_.end()) {
      module->second.last_wanted = now;
    }
  }
}

std::set<std::string> Cache::wanted_modules() const {
  std::set<std::string> digests;
  for (const std::string& key : wanted_) {
    if (const auto origin = origins_.find(key); origin != origins_.end())
      digests.insert(origin->second.sha256);
  }
  return digests;
}

Result<std::vector<std::string>> Cache::make_room(std::uint64_t bytes) {
  std::uint64_t used = 0;
  for (const auto& [sha256, module] : modules_) used += module.size;
  const std::set<std::string> wanted = wanted_modules();
  const Time now = settings_.now();
  std::vector<std::pair<Time, std::string>> candidates;
  for (const auto& [sha256, module] : modules_) {
    if (!wanted.contains(sha256) && now - module.last_wanted >= settings_.grace) {
      candidates.emplace_back(module.last_wanted, sha256);
    }
  }
  std::ranges::sort(candidates);
  std::vector<std::string> going;
  for (const auto& [time, sha256] : candidates) {
    if (used + bytes <= settings_.max_bytes) break;
    used -= modules_[sha256].size;
    going.push_back(sha256);
  }
  if (used + bytes > settings_.max_bytes) {
    return fail(Reason::kStorage,
                fmt::format("the module cache is full: {} of {} bytes are in use, and {} more are needed",
                            used, settings_.max_bytes, bytes));
  }
  std::vector<std::string> removed;
  for (const std::string& sha256 : going) {
    removed.push_back(path_of(sha256, modules_.at(sha256).artifact));
    modules_.erase(sha256);
  }
  std::erase_if(origins_, [&](const auto& origin) { return !modules_.contains(origin.second.sha256); });
  return removed;
}

void Cache::forget_old_origins() {
  while (origins_.size() > settings_.max_sources) {
    auto oldest = origins_.end();
    for (auto origin = origins_.begin(); origin != origins_.end(); ++origin) {
      if (wanted_.contains(origin->first)) continue;
      if (oldest == origins_.end() || origin->second.last_wanted < oldest->second.last_wanted)
        oldest = origin;
    }
    if (oldest == origins_.end()) return;
    origins_.erase(oldest);
  }
}

std::string Cache::index_text() const {
  json sources = json::object();
  for (const auto& [key, origin] : origins_) {
    sources[key] = {{"sha256", origin.sha256},
                    {"revision", origin.revision},
                    {"lastWanted", seconds(origin.last_wanted)}};
  }
  // An ETag may be any bytes.
  return json{{"version", kIndexVersion}, {"sources", sources}}.dump(1, ' ', false,
                                                                     json::error_handler_t::replace);
}

}  // namespace sluice::wasm
