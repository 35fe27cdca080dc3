#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <string_view>
#include <utility>

#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/file_source.h"

namespace sluice::source {

namespace {

// Trees are remembered for the next question this long.
constexpr std::chrono::milliseconds kMemory{1'000};

constexpr std::size_t kLargeText = 1U << 20U;

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Two batches, one after the other, as one.
Batch merged(Batch batch, Batch next) {
  std::map<ObjectKey, api::BoundObject> upserted;
  std::set<ObjectKey> deleted(batch.deleted.begin(), batch.deleted.end());
  for (api::BoundObject& object : batch.upserted) upserted.insert_or_assign(object.key, std::move(object));
  for (const ObjectKey& key : next.deleted) {
    upserted.erase(key);
    deleted.insert(key);
  }
  for (api::BoundObject& object : next.upserted) {
    deleted.erase(object.key);
    upserted.insert_or_assign(object.key, std::move(object));
  }
  next.upserted.clear();
  for (auto& [key, object] : upserted) next.upserted.push_back(std::move(object));
  next.deleted.assign(deleted.begin(), deleted.end());
  next.noticed = batch.noticed;
  return next;
}

bool is_older(const Signature& signature, std::chrono::nanoseconds age) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return now - std::chrono::nanoseconds(signature.modified) > age;
}

}  // namespace

LiveFiles::LiveFiles(std::vector<std::string> paths, std::string journal, Patience patience, Batch* first,
                     std::function<void(Batch)> on_batch)
    : FileSource(std::move(paths)),
      patience_(patience),
      on_batch_(std::move(on_batch)),
      journal_(std::move(journal)) {
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  rescan_ = true;
  *first = refresh().value_or(Batch());
  recall(first);
  thread_ = std::thread([this] { run(); });
}

LiveFiles::~LiveFiles() {
  stopping_ = true;
  wake();
  thread_.join();
  close(wake_fd_);
}

void LiveFiles::wake() const {
  const std::uint64_t one = 1;
  // It fails only when the thread has been woken and not looked yet.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

void LiveFiles::on_remembering() const { wake(); }

void LiveFiles::run() {
  update_last_good();
  while (!stopping_) {
    int timeout = -1;
    if (const std::optional<Clock::time_point> deadline = next_deadline()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now());
      timeout = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    }
    std::array<pollfd, 2> fds = {pollfd{wake_fd_, POLLIN, 0}, pollfd{watch_.fd(), POLLIN, 0}};
    poll(fds.data(), fds.size(), timeout);
    if (stopping_) return;
    if (fds[0].revents != 0) {
      std::uint64_t count = 0;
      if (::read(wake_fd_, &count, sizeof(count)) > 0) forget_at_ = Clock::now() + kMemory;
    }
    if (fds[1].revents != 0) watch_.drain(*this);

    const Clock::time_point now = Clock::now();
    if (forget_at_ && now >= *forget_at_) {
      forget_at_.reset();
      forget();
    }
    if (polls() && now >= next_poll_) rescan_ = true;
    if (const auto deadline = next_deadline(); !deadline || now < *deadline) continue;
    // Editors take the old file away before they put the new one there: give them as long as there is.
    if (first_event_ && now < *first_event_ + patience_.latest && has_vanished()) {
      last_event_ = *first_event_ + patience_.latest;
      continue;
    }
    if (std::optional<Batch> batch = refresh()) on_batch_(std::move(*batch));
    update_last_good();
  }
}

void LiveFiles::note() {
  last_event_ = Clock::now();
  if (!first_event_) first_event_ = last_event_;
}

void LiveFiles::on_file(const std::string& file, FileWatch::Change change) {
  // Whatever is new may be a link to a folder.
  if (!may_be_ours(file) && (change != FileWatch::Change::kReplaced || is_left_out(name_of(file)))) return;
  Touched& touched = touched_[file];
  switch (change) {
    case FileWatch::Change::kWritten:
      touched = {.open = true, .last_write = Clock::now()};
      return;  // nothing to read until it is closed
    case FileWatch::Change::kReplaced:
    case FileWatch::Change::kClosed:
      touched.open = false;
      break;
    case FileWatch::Change::kTouched:
      break;
  }
  note();
}

void LiveFiles::on_structure() {
  rescan_ = true;
  note();
}

void LiveFiles::on_overflow() {
  // Also what was closed may be lost.
  for (auto& [_, touched] : touched_) touched.open = false;
  rescan_ = reread_ = true;
  note();
}

std::optional<LiveFiles::Clock::time_point> LiveFiles::next_deadline() const {
  // While files change, the rest waits.
  if (first_event_) return std::min(last_event_ + patience_.quiet, *first_event_ + patience_.latest);
  std::optional<Clock::time_point> next = forget_at_;
  const auto add = [&next](Clock::time_point at) { next = next ? std::min(*next, at) : at; };
  for (const auto& [_, touched] : touched_) {
    if (touched.open && !touched.blank) add(touched.last_write + patience_.open);
  }
  if (polls()) add(next_poll_);
  return next;
}

bool LiveFiles::is_open(const std::string& file) const {
  const auto found = touched_.find(file);
  return found != touched_.end() && found->second.open &&
         (found->second.blank || Clock::now() < found->second.last_write + patience_.open);
}

bool LiveFiles::has_vanished() const {
  return std::ranges::any_of(touched_, [this](const auto& touched) {
    return known_.contains(touched.first) && access(touched.first.c_str(), F_OK) != 0;
  });
}

bool LiveFiles::may_be_ours(const std::string& file) const {
  const std::string_view name = name_of(file);
  return known_.contains(file) || (any_name_ ? !is_left_out(name) : is_manifest_name(name));
}

bool LiveFiles::is_plain_change(const std::string& file) const {
  struct stat status;
  const bool there = lstat(file.c_str(), &status) == 0;
  const bool plain = there && S_ISREG(status.st_mode);
  const auto known = known_.find(file);
  if (known != known_.end()) {
    const bool watched = known->second.linked && known->second.signature.inode == status.st_ino;
    return plain && !known->second.symlink && (status.st_nlink == 1 || watched);
  }
  return !there || (plain && !may_be_ours(file));
}

std::optional<Batch> LiveFiles::refresh() {
  const Clock::time_point noticed = std::exchange(first_event_, std::nullopt).value_or(Clock::now());
  std::set<std::string> due;
  for (const auto& [file, touched] : touched_) {
    if (!is_open(file)) due.insert(file);
  }
  if (!std::ranges::all_of(due, [this](const std::string& file) { return is_plain_change(file); }))
    rescan_ = true;

  std::vector<std::string> removed;
  if (std::exchange(rescan_, false)) removed = rescan(due);

  std::vector<LoadRequest> requests;
  for (const std::string& file : due) {
    const auto known = known_.find(file);
    if (known == known_.end() || is_open(file)) continue;
    const std::optional<TextHash> before = text_hash(file);
    const bool once = known->second.once;
    if (once && before) continue;
    const auto touched = touched_.find(file);
    const bool open = touched != touched_.end() && touched->second.open;
    requests.push_back({.file = file, .before = before, .once = once, .ignore_blank = open});
  }
  std::erase_if(touched_, [&](const auto& touched) {
    const auto& [file, state] = touched;
    return due.contains(file) && (!state.open || !known_.contains(file));
  });
  std::vector<LoadedFile> loaded = load_files(std::move(requests));
  for (const LoadedFile& file : loaded) {
    if (file.ignored) {
      touched_[file.file].blank = true;
    } else {
      touched_.erase(file.file);
      FoundFile& known = known_[file.file];
      if (file.error == 0) known.signature = file.signature;
      if (known.once) continue;
      if (!LastGood::is_good(file)) {
        bad_[file.file] = file.error;
      } else {
        if (LastGood::has_secret(file)) {
          good_.erase(file.file);
          gone_.insert(file.file);
        } else {
          good_.insert_or_assign(file.file, file.text);
          gone_.erase(file.file);
        }
      }
    }
  }
  std::erase_if(loaded, [](const LoadedFile& file) { return file.ignored; });
  std::size_t bytes = 0;
  for (const LoadedFile& file : loaded) bytes += file.manifest ? file.signature.size : 0;
  std::optional<Batch> batch = apply(std::move(loaded), removed);
  if (batch) batch->noticed = noticed;
  // The trees of large texts are gone: give their memory back.
  if (bytes > kLargeText) malloc_trim(0);
  return batch;
}

LastGood& LiveFiles::last_good() {
  if (!last_good_) last_good_.emplace(journal_);
  return *last_good_;
}

// The last good text first, then the one of now: as if it had changed while we looked. Another commit in
// between would take away what is served.
void LiveFiles::recall(Batch* first) {
  if (journal_.empty() || (bad_.empty() && unseen_.empty())) return;
  std::vector<LoadedFile> before;
  std::vector<LoadedFile> now;
  for (const std::string& file : unseen_) {
    if (std::optional<LoadedFile> remembered = last_good().load(file))
      before.push_back(*std::move(remembered));
  }
  for (const auto& [file, error] : bad_) {
    std::optional<LoadedFile> remembered = last_good().load(file);
    if (!remembered) continue;
    before.push_back(*std::move(remembered));
    LoadedFile& loaded = now.emplace_back(LoadedFile{.file = file, .error = error});
    loaded.text = text(file);
    if (loaded.text != nullptr) loaded.manifest = read_manifest(*loaded.text, file);
  }
  if (std::optional<Batch> batch = apply(std::move(before), {}))
    *first = merged(std::move(*first), *std::move(batch));
  if (std::optional<Batch> batch = apply(std::move(now), {}))
    *first = merged(std::move(*first), *std::move(batch));
}

void LiveFiles::update_last_good() {
  const bool starting = std::exchange(starting_, false);
  bad_.clear();
  unseen_.clear();
  const std::map<std::string, Text> good = std::exchange(good_, {});
  const std::set<std::string> gone = std::exchange(gone_, {});
  if (journal_.empty() || (!starting && good.empty() && gone.empty())) return;
  if (starting) last_good().keep_only([this](const std::string& file) { return known_.contains(file); });
  if (!last_good().is_kept()) return;
  // What cannot be written now, on a full disk, is tried again with the next change.
  for (const std::string& file : gone) {
    if (!last_good().erase(file)) gone_.insert(file);
  }
  for (const auto& [file, text] : good) {
    if (!last_good().set(file, *text)) good_.emplace(file, text);
  }
}

std::vector<std::string> LiveFiles::rescan(std::set<std::string>& due) {
  watch_.begin_scan();
  Scan found = scan(&watch_);
  for (const auto& [file, now] : found.files) {
    if (!now.linked) continue;
    watch_.linked(file);
    // It may have been written to before it was watched.
    if (const auto known = known_.find(file); known != known_.end() && !known->second.linked)
      due.insert(file);
  }
  watch_.end_scan();
  next_poll_ = Clock::now() + patience_.poll;
  if (watch_.must_poll()) {
    found.problems.push_back({.code = "support/no-file-events",
                              .severity = Severity::kWarning,
                              .message = "files are only looked at once a second: " + watch_.poll_reason()});
  }
  set_scan_result(std::move(found.problems), !found.unknown.empty());
  any_name_ = found.any_name;

  const bool all = std::exchange(reread_, false);
  for (auto& [file, now] : found.files) {
    const auto known = known_.find(file);
    if (known == known_.end()) {
      due.insert(file);
      continue;
    }
    // Without events only its age tells that a file is complete.
    const bool settled = !polls() || is_older(now.signature, patience_.latest);
    if (all || (known->second.signature != now.signature && settled)) due.insert(file);
    now.signature = known->second.signature;  // until it is read
  }

  std::vector<std::string> removed;
  for (const auto& [file, was] : known_) {
    if (found.files.contains(file)) continue;
    touched_.erase(file);
    due.erase(file);
    if (found.is_unknown(file)) {
      found.files.emplace(file, was);
    } else {
      removed.push_back(file);
      good_.erase(file);
      gone_.insert(file);
    }
  }
  if (starting_ && !journal_.empty() && !found.unknown.empty()) {
    for (const std::string& file : last_good().files()) {
      if (!found.is_unknown(file) || !found.files.try_emplace(file).second) continue;
      unseen_.push_back(file);
    }
  }
  known_ = std::move(found.files);
  return removed;
}

}  // namespace sluice::source
