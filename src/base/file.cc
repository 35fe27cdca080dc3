#include "base/file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"

namespace sluice {
namespace {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Errors are errno's.
bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(file, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  // A folder opens, and cannot be read.
  in.peek();
  if (in.bad()) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

std::expected<void, std::string> write_file(const std::string& path, std::string_view text, Lasting lasting) {
  const std::string next = path + ".new";
  const auto fail = [&]() -> std::unexpected<std::string> {
    const int error = errno;
    ::unlink(next.c_str());
    return std::unexpected(fmt::format("cannot write `{}`: {}", path, strerrordesc_np(error)));
  };
  const Descriptor file(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  // The text before the name that leads to it, the name before anybody relies on it.
  if (!file || !write_all(file.get(), text)) return fail();
  if (lasting == Lasting::kForGood && ::fsync(file.get()) != 0) return fail();
  if (::rename(next.c_str(), path.c_str()) != 0) return fail();
  if (lasting == Lasting::kWhileUp) return {};
  const Descriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return fail();
  return {};
}

}  // namespace sluice
