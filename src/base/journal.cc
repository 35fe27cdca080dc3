#include "base/journal.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/file.h"
#include "base/log.h"

namespace sluice {
namespace {

constexpr std::size_t kHashDigits = 16;
// A file that has less overtaken lines than that is not worth writing anew.
constexpr std::uint64_t kSlack = 1 << 20;

std::uint64_t hash_of(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

void append_escaped(std::string& line, std::string_view text) {
  while (true) {
    const std::size_t plain = std::min(text.find_first_of("\\\t\n"), text.size());
    line += text.substr(0, plain);
    if (plain == text.size()) return;
    line += '\\';
    line += text[plain] == '\t' ? 't' : text[plain] == '\n' ? 'n' : '\\';
    text.remove_prefix(plain + 1);
  }
}

std::string unescaped(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  while (true) {
    const std::size_t end = std::min(text.find('\\'), text.size());
    plain += text.substr(0, end);
    if (end + 1 >= text.size()) return plain;
    const char what = text[end + 1];
    plain += what == 't' ? '\t' : what == 'n' ? '\n' : what;
    text.remove_prefix(end + 2);
  }
}

// Without hash and end.
std::string line_of(std::string_view key, std::string_view value) {
  std::string line;
  line.reserve(key.size() + value.size() + value.size() / 8 + 1);
  append_escaped(line, key);
  line += '\t';
  append_escaped(line, value);
  return line;
}

std::string hashed(std::string_view line) { return fmt::format("{:016x} {}\n", hash_of(line), line); }

}  // namespace

Journal::Journal(std::string file) : file_(std::move(file)) { read(); }

void Journal::read() {
  descriptor_ = Descriptor(::open(file_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  struct stat status;
  if (!descriptor_ || ::fstat(descriptor_.get(), &status) != 0) return give_up(errno);
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  while (size_ < text.size()) {
    const ssize_t n =
        ::pread(descriptor_.get(), text.data() + size_, text.size() - size_, static_cast<off_t>(size_));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return give_up(n < 0 ? errno : EIO);
    size_ += static_cast<std::uint64_t>(n);
  }
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    take_line(std::string_view(text).substr(begin, end - begin), begin);
  }
  // A torn line would be the beginning of the next one.
  if (begin == text.size()) return;
  if (::ftruncate(descriptor_.get(), static_cast<off_t>(begin)) != 0) return give_up(errno);
  size_ = begin;
}

void Journal::take_line(std::string_view text, std::uint64_t offset) {
  std::uint64_t hash = 0;
  const char* const digits_end = text.data() + std::min(kHashDigits, text.size());
  const auto parsed = std::from_chars(text.data(), digits_end, hash, 16);
  if (text.size() <= kHashDigits || parsed.ptr != digits_end || *digits_end != ' ') return;
  const std::string_view rest = text.substr(kHashDigits + 1);
  if (hash_of(rest) != hash) return;
  const std::size_t tab = rest.find('\t');
  std::string key = unescaped(rest.substr(0, tab));
  if (const auto known = lines_.find(key); known != lines_.end()) {
    live_ -= known->second.size;
    lines_.erase(known);
  }
  if (tab == std::string_view::npos) return;
  const auto size = static_cast<std::uint32_t>(text.size() + 1);
  lines_[std::move(key)] = {.hash = hash, .offset = offset, .size = size};
  live_ += size;
}

std::string Journal::read_line(const Line& line) const {
  std::string text(line.size, '\0');
  const ssize_t n = ::pread(descriptor_.get(), text.data(), text.size(), static_cast<off_t>(line.offset));
  if (n != static_cast<ssize_t>(text.size())) return {};
  return text;
}

std::optional<std::string> Journal::find(std::string_view key) const {
  const auto at = lines_.find(key);
  if (at == lines_.end()) return std::nullopt;
  const std::string line = read_line(at->second);
  const std::size_t tab = line.find('\t');
  if (tab == std::string::npos) return std::nullopt;
  return unescaped(std::string_view(line).substr(tab + 1, line.size() - tab - 2));
}

bool Journal::holds(std::string_view key, std::string_view value) const {
  const auto at = lines_.find(key);
  return at != lines_.end() && at->second.hash == hash_of(line_of(key, value));
}

bool Journal::set(std::string_view key, std::string_view value) {
  if (!is_kept()) return false;
  const std::string text = line_of(key, value);
  const std::uint64_t hash = hash_of(text);
  const auto at = lines_.find(key);
  if (at != lines_.end() && at->second.hash == hash) return true;
  const std::string line = hashed(text);
  const std::uint64_t offset = size_;
  if (!append(line)) return false;
  Line& now = at != lines_.end() ? at->second : lines_[std::string(key)];
  live_ += line.size() - now.size;
  now = {.hash = hash, .offset = offset, .size = static_cast<std::uint32_t>(line.size())};
  rewrite_if_overtaken();
  return true;
}

bool Journal::erase(std::string_view key) {
  const auto at = lines_.find(key);
  if (at == lines_.end()) return is_kept();
  std::string line;
  append_escaped(line, key);
  if (!append(hashed(line))) return false;
  live_ -= at->second.size;
  lines_.erase(at);
  rewrite_if_overtaken();
  return true;
}

void Journal::keep_only(const std::function<bool(const std::string& key)>& wanted) {
  std::vector<std::string> unwanted;
  for (const auto& [key, line] : lines_) {
    if (!wanted(key)) unwanted.push_back(key);
  }
  for (const std::string& key : unwanted) erase(key);
}

void Journal::for_each_key(const std::function<void(const std::string& key)>& visit) const {
  for (const auto& [key, line] : lines_) visit(key);
}

bool Journal::append(std::string_view text) {
  const ssize_t written = ::write(descriptor_.get(), text.data(), text.size());
  if (written == static_cast<ssize_t>(text.size())) {
    size_ += text.size();
    if (std::exchange(failing_, false)) log(Level::kInfo, "the journal is written again", {{"file", file_}});
    return true;
  }
  // The kernel says why only when nothing could be written.
  const int error = written < 0 ? errno : ENOSPC;
  if (written > 0 && ::ftruncate(descriptor_.get(), static_cast<off_t>(size_)) != 0) {
    give_up(errno);
  } else {
    note_failure(strerrordesc_np(error));
  }
  return false;
}

void Journal::rewrite_if_overtaken() {
  if (size_ <= 2 * live_ + kSlack || size_ < rewrite_from_) return;
  std::string text;
  text.reserve(live_);
  std::map<std::string, Line, std::less<>> lines;
  for (const auto& [key, line] : lines_) {
    lines.emplace(key, Line{.hash = line.hash, .offset = text.size(), .size = line.size});
    const std::string copy = read_line(line);
    if (copy.empty()) return give_up(EIO);
    text += copy;
  }
  if (const auto written = write_file(file_, text); !written) {
    rewrite_from_ = size_ + kSlack;  // until then the old one does
    return note_failure(written.error());
  }
  descriptor_ = Descriptor(::open(file_.c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
  if (!descriptor_) return give_up(errno);
  lines_ = std::move(lines);
  size_ = live_ = text.size();
  rewrite_from_ = 0;
}

void Journal::note_failure(const std::string& error) {
  if (std::exchange(failing_, true)) return;
  log(Level::kWarning, "the journal cannot be written", {{"file", file_}, {"error", error}});
}

void Journal::give_up(int error) {
  log(Level::kWarning, "the journal is not kept", {{"file", file_}, {"error", strerrordesc_np(error)}});
  lines_.clear();
  descriptor_.reset();
}

}  // namespace sluice
