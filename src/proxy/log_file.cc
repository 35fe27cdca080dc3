#include "proxy/log_file.h"

#include <algorithm>

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/utf8.h"

namespace sluice::proxy {

std::uint64_t file_size(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

void rotate_log(const std::string& path, std::uint64_t max_bytes) {
  const std::uint64_t size = file_size(path);
  if (size <= max_bytes) return;
  const Descriptor from(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  const Descriptor to(::open((path + ".1").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!from) return;
  auto offset = static_cast<off_t>(size - max_bytes);
  while (to && ::sendfile(to.get(), from.get(), &offset, 1u << 20) > 0) {
  }
  [[maybe_unused]] const int emptied = ::ftruncate(from.get(), 0);
}

namespace {

// What is in the file from there on.
std::string read_from(const std::string& path, std::uint64_t start) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const std::uint64_t size = file_size(path);
  if (!file || start >= size) return {};
  std::string text(size - start, '\0');
  const ssize_t got = ::pread(file.get(), text.data(), text.size(), static_cast<off_t>(start));
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

}  // namespace

std::string last_bytes(const std::string& path, std::uint64_t bytes) {
  const std::uint64_t size = file_size(path);
  return read_from(path, size - std::min(size, bytes));
}

std::string last_lines(const std::string& path, std::uint64_t from, int lines) {
  constexpr std::uint64_t kMost = 4096;
  const std::uint64_t size = file_size(path);
  if (from > size) from = 0;  // it was rotated meanwhile
  const std::uint64_t start = std::max(from, size > kMost ? size - kMost : 0);
  std::string text = read_from(path, start);
  if (start != from) text.erase(0, text.find('\n'));  // a line cut in two
  while (text.ends_with('\n')) text.pop_back();
  std::size_t begin = text.size();
  for (int i = 0; i < lines && begin != 0; ++i) {
    const std::size_t newline = text.rfind('\n', begin - 1);
    begin = newline == text.npos ? 0 : newline;
  }
  text.erase(0, begin);
  if (text.starts_with('\n')) text.erase(0, 1);
  return as_utf8(text);
}

}  // namespace sluice::proxy
