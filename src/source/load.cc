#include "source/load.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/parse.h"

namespace sluice::source {

namespace {

// Below this a second thread costs more than it saves.
constexpr std::size_t kBytesForTwoThreads = 256 * 1024;

// Of a file that is too large one byte more than a text may have: enough to say so, and no file, nor anything
// that never ends, fills the memory.
constexpr std::size_t kMostBytes = kMaxTextBytes + 1;

// Returns errno.
int read_text(const std::string& file, Signature& signature, std::string& text) {
  const bool standard_input = file == kStandardInput;
  const int fd = standard_input ? STDIN_FILENO : open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  struct stat status;
  int error = fstat(fd, &status) != 0 ? errno : S_ISDIR(status.st_mode) ? EISDIR : 0;
  if (error == 0) {
    signature = signature_of(status);
    std::size_t length = 0;
    // One byte more than expected, to see the end without growing.
    text.resize(S_ISREG(status.st_mode) ? std::min<std::size_t>(signature.size + 1, kMostBytes) : 4096);
    while (length < kMostBytes) {
      const ssize_t got = read(fd, text.data() + length, text.size() - length);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) error = errno;
      if (got <= 0) break;
      length += static_cast<std::size_t>(got);
      if (length == text.size()) text.resize(std::min(2 * length, kMostBytes));
    }
    text.resize(length);
  }
  if (!standard_input) close(fd);
  return error;
}

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

void load(const LoadRequest& request, LoadedFile& loaded) {
  loaded.file = request.file;
  loaded.keep = request.once;
  std::string text;
  loaded.error = read_text(request.file, loaded.signature, text);
  if (loaded.error != 0) return;
  if (request.ignore_blank && is_blank(text)) {
    loaded.ignored = true;
    return;
  }
  const bool same = request.before && *request.before == hash_of(text);
  text.shrink_to_fit();
  loaded.text = std::make_shared<const std::string>(std::move(text));
  if (!same) loaded.manifest = read_manifest(*loaded.text, loaded.file);
}

}  // namespace

std::vector<LoadedFile> load_files(std::vector<LoadRequest> requests) {
  std::vector<LoadedFile> loaded(requests.size());
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> bytes = 0;
  const auto work = [&](bool all) {
    while (all || bytes < kBytesForTwoThreads) {
      const std::size_t i = next++;
      if (i >= requests.size()) return;
      load(requests[i], loaded[i]);
      bytes += loaded[i].signature.size;
    }
  };
  work(false);
  if (next < requests.size()) {
    std::thread second(work, true);
    work(true);
    second.join();
  }
  return loaded;
}

Text read_again(const std::string& file) {
  struct stat status;
  if (file == kStandardInput || stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return nullptr;
  Signature signature;
  std::string text;
  if (read_text(file, signature, text) != 0) return nullptr;
  return std::make_shared<const std::string>(std::move(text));
}

Problem unreadable(const LoadedFile& loaded) {
  return {
      .code = "syntax/unreadable-file",
      .where = {loaded.file, 0, 0},
      .message = fmt::format("the file cannot be read: {}", std::generic_category().message(loaded.error))};
}

}  // namespace sluice::source
