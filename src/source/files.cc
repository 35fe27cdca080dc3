#include "source/files.h"

#include <cerrno>
#include <utility>

#include "source/file_source.h"

namespace sluice::source {

Batch FileSource::read() {
  Scan found = scan(nullptr);
  set_scan_result(std::move(found.problems), !found.unknown.empty());
  std::vector<LoadRequest> requests;
  for (const auto& [file, which] : found.files) requests.push_back({.file = file, .once = which.once});
  return apply(load_files(std::move(requests)), {}).value_or(Batch());
}

void FileSource::locate(Problem& problem) const {
  const std::lock_guard lock(mutex_);
  files_.locate(problem);
  if (!std::exchange(remembering_, true)) on_remembering();
}

std::string FileSource::line(const std::string& file, std::uint32_t line) const {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(remembering_, true)) on_remembering();
  return files_.line(file, line);
}

void FileSource::forget() {
  const std::lock_guard lock(mutex_);
  remembering_ = false;
  files_.forget();
}

Text FileSource::text(const std::string& file) const {
  const std::lock_guard lock(mutex_);
  return files_.text(file);
}

std::optional<TextHash> FileSource::text_hash(const std::string& file) const {
  const std::lock_guard lock(mutex_);
  return files_.text_hash(file);
}

std::optional<Batch> FileSource::apply(std::vector<LoadedFile> loaded,
                                       const std::vector<std::string>& removed) {
  const std::lock_guard lock(mutex_);
  for (const std::string& file : removed) {
    unreadable_.erase(file);
    files_.remove(file);
  }
  for (LoadedFile& file : loaded) {
    unreadable_.erase(file.file);
    if (file.error == ENOENT) continue;  // gone since the scan: the next one tells what became of it
    if (file.error != 0) {
      unreadable_[file.file] = unreadable(file);
    } else if (file.manifest) {
      files_.put(file.file, std::move(file.text), *std::move(file.manifest), file.keep);
    }
  }
  std::vector<Problem> problems = scan_problems_;
  for (const auto& [_, problem] : unreadable_) problems.push_back(problem);
  files_.set_path_problems(std::move(problems), scan_is_partial_ || !unreadable_.empty());
  return files_.take();
}

std::unique_ptr<Source> read_files(const std::vector<std::string>& paths, Batch* batch) {
  auto source = std::make_unique<FileSource>(paths);
  *batch = source->read();
  return source;
}

std::unique_ptr<Source> watch_files(const std::vector<std::string>& paths, const std::string& journal,
                                    Batch* first, std::function<void(Batch)> on_batch) {
  return std::make_unique<LiveFiles>(paths, journal, Patience(), first, std::move(on_batch));
}

std::string source_line(const Source& source, const std::string& file, unsigned line) {
  const auto* const files = dynamic_cast<const FileSource*>(&source);
  return files == nullptr ? std::string() : files->line(file, line);
}

}  // namespace sluice::source
