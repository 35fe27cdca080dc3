#include "control/good_versions.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "tree/parse.h"
#include "xds/render.h"

namespace sluice::control {
namespace {

constexpr std::size_t kHashDigits = 16;
// Versions that save() writes at most; a few milliseconds.
constexpr int kSlice = 200;
// A file that has less overtaken lines than that is not worth writing anew.
constexpr std::uint64_t kSlack = 1 << 20;

std::string_view shown(const std::string& text) { return text.empty() ? std::string_view("-") : text; }

// Without its hash.
std::string line_of(const ObjectKey& key, const api::Object* object) {
  return fmt::format("{} {} {} {} {}", shown(key.kind.group()), key.kind.kind(), shown(key.name.namespace_),
                     key.name.name, object == nullptr ? "" : api::write_object(*object));
}

std::string hashed(std::string_view line, std::uint64_t hash) {
  return fmt::format("{:016x} {}\n", hash, line);
}

// The next word of a line; takes it and the blank after it off.
std::string_view take_word(std::string_view& line) {
  const std::size_t end = line.find(' ');
  const std::string_view word = line.substr(0, end);
  line = end == std::string_view::npos ? std::string_view() : line.substr(end + 1);
  return word;
}

std::string_view take_text(std::string_view& line) {
  const std::string_view word = take_word(line);
  return word == "-" ? std::string_view() : word;
}

}  // namespace

GoodVersions::GoodVersions(std::string file) : file_(std::move(file)) { read(); }

void GoodVersions::read() {
  descriptor_ = Descriptor(::open(file_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!descriptor_) return give_up(std::strerror(errno));
  const std::string text = read_file(file_).value_or("");
  size_ = text.size();
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    take_line(std::string_view(text).substr(begin, end - begin), begin);
  }
  if (begin != text.size()) append("\n");  // the end of a torn line
}

void GoodVersions::take_line(std::string_view line, std::uint64_t offset) {
  const auto size = static_cast<std::uint32_t>(line.size() + 1);
  std::uint64_t hash = 0;
  const std::string_view digits = take_word(line);
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), hash, 16);
  if (digits.size() != kHashDigits || parsed.ptr != digits.data() + digits.size()) return;
  if (xds::content_hash(line) != hash) return;
  const std::string_view group = take_text(line);
  const std::string_view kind = take_text(line);
  const std::string_view name_space = take_text(line);
  const std::string_view name = take_text(line);
  const ObjectKey key{GroupKind(group, kind), {std::string(name_space), std::string(name)}};
  if (const auto known = entries_.find(key); known != entries_.end()) {
    live_ -= known->second.size;
    entries_.erase(known);
  }
  if (line.empty()) return;
  entries_[key] = {.object = std::nullopt, .hash = hash, .offset = offset, .size = size};
  live_ += size;
}

std::string GoodVersions::read_line(const Entry& entry) const {
  std::string line(entry.size, '\0');
  const ssize_t n = ::pread(descriptor_.get(), line.data(), line.size(), static_cast<off_t>(entry.offset));
  if (n != static_cast<ssize_t>(line.size())) return {};
  return line;
}

std::optional<api::Object> GoodVersions::find(const ObjectKey& key) const {
  const auto at = entries_.find(key);
  if (at == entries_.end()) return std::nullopt;
  if (at->second.object) return at->second.object;
  const std::string line = read_line(at->second);
  std::string_view json = line;
  for (int word = 0; word < 5; ++word) take_word(json);
  std::vector<Problem> problems;
  for (const Document& document : parse(json, file_, &problems)) {
    api::ReadObject read = api::read_object(document.tree, api::Trust::kFromServer);
    if (read.bound && read.key == key) return std::move(read.bound->object);
  }
  return std::nullopt;  // another version of us wrote it
}

bool GoodVersions::holds(const ObjectKey& key, const api::Object& object) const {
  const auto at = entries_.find(key);
  if (at == entries_.end()) return false;
  if (at->second.object) return api::equal(*at->second.object, object);
  return xds::content_hash(line_of(key, &object)) == at->second.hash;
}

void GoodVersions::set(const ObjectKey& key, const api::Object& object) {
  if (std::holds_alternative<std::shared_ptr<const api::Secret>>(object)) return;
  entries_[key].object = object;
  unsaved_.insert(key);
}

void GoodVersions::erase(const ObjectKey& key) {
  const auto at = entries_.find(key);
  if (at == entries_.end()) return;
  live_ -= at->second.size;
  entries_.erase(at);
  unsaved_.insert(key);
}

void GoodVersions::keep_only(const std::function<bool(const ObjectKey&)>& wanted) {
  std::vector<ObjectKey> unwanted;
  for (const auto& [key, entry] : entries_) {
    if (!wanted(key)) unwanted.push_back(key);
  }
  for (const ObjectKey& key : unwanted) erase(key);
}

bool GoodVersions::save() {
  if (!descriptor_) {
    unsaved_.clear();
    return false;
  }
  std::string lines;
  for (int n = 0; n < kSlice && !unsaved_.empty(); ++n) {
    const ObjectKey key = *unsaved_.begin();
    unsaved_.erase(unsaved_.begin());
    const auto at = entries_.find(key);
    const std::string line =
        line_of(key, at == entries_.end() || !at->second.object ? nullptr : &*at->second.object);
    const std::uint64_t hash = xds::content_hash(line);
    if (at != entries_.end()) {
      Entry& entry = at->second;
      if (entry.hash == hash) continue;  // as after a restart
      live_ -= entry.size;
      entry = {.object = std::move(entry.object),
               .hash = hash,
               .offset = size_ + lines.size(),
               .size = static_cast<std::uint32_t>(line.size() + kHashDigits + 2)};
      live_ += entry.size;
    }
    lines += hashed(line, hash);
  }
  if (!append(lines)) return false;
  if (size_ > 2 * live_ + kSlack) rewrite();
  return !unsaved_.empty();
}

bool GoodVersions::append(const std::string& lines) {
  if (!lines.empty() &&
      ::write(descriptor_.get(), lines.data(), lines.size()) != static_cast<ssize_t>(lines.size())) {
    give_up(std::strerror(errno));
    return false;
  }
  size_ += lines.size();
  return true;
}

void GoodVersions::rewrite() {
  std::string text;
  std::map<ObjectKey, Entry> entries;
  for (const auto& [key, entry] : entries_) {
    const std::string line = read_line(entry);
    if (line.empty()) {  // not written yet
      if (entry.object) entries[key].object = entry.object;
      continue;
    }
    entries[key] = {.object = entry.object, .hash = entry.hash, .offset = text.size(), .size = entry.size};
    text += line;
  }
  if (const auto written = write_file(file_, text); !written) return give_up(written.error());
  descriptor_ = Descriptor(::open(file_.c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
  if (!descriptor_) return give_up(std::strerror(errno));
  entries_ = std::move(entries);
  size_ = live_ = text.size();
}

// What is in memory still counts; the file is left as it is.
void GoodVersions::give_up(const std::string& error) {
  log(Level::kWarning, "the journal of good versions is not kept", {{"file", file_}, {"error", error}});
  std::erase_if(entries_, [](const auto& at) { return !at.second.object; });
  descriptor_.reset();
}

}  // namespace sluice::control
