#include "lua/files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/quote.h"

namespace sluice::lua {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNeverAllowed[] = {"/etc",   "/proc",        "/sys",
                                              "/certs", "/run/secrets", "/var/run/secrets"};

// As scripts write it: relative to the root, with either slash.
std::string from_root(std::string_view path) {
  std::string result = "/";
  for (const char c : path) {
    const char next = c == '\\' ? '/' : c;
    if (next != '/' || result.back() != '/') result += next;
  }
  if (result.size() > 1 && result.back() == '/') result.pop_back();
  return result;
}

bool has_dots(const std::string& path) {
  return std::ranges::any_of(fs::path(path),
                             [](const fs::path& part) { return part == "." || part == ".."; });
}

// With the links in as much of it as there is followed.
std::string resolve(const std::string& path) {
  std::error_code error;
  const fs::path resolved = fs::weakly_canonical(path, error);
  return error ? path : from_root(resolved.string());
}

bool is_within(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) &&
         (path.size() == folder.size() || folder == "/" || path[folder.size()] == '/');
}

std::string_view forbidden_folder(std::string_view path) {
  const auto* const found = std::ranges::find_if(
      kNeverAllowed, [path](std::string_view folder) { return is_within(path, folder); });
  return found == std::end(kNeverAllowed) ? std::string_view() : *found;
}

std::string never_read(std::string_view folder) { return fmt::format("`{}` is never read", folder); }

bool is_allowed(const Sandbox& sandbox, const std::string& target) {
  return std::ranges::any_of(sandbox.allowed_paths, [&target](const std::string& path) {
    return path.find_first_not_of(" \t") != std::string::npos && is_within(target, resolve(from_root(path)));
  });
}

std::string link_of(int descriptor) {
  std::array<char, 4096> buffer{};
  const ssize_t size =
      readlink(fmt::format("/proc/self/fd/{}", descriptor).c_str(), buffer.data(), buffer.size());
  return size < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(size));
}

}  // namespace

std::expected<std::string, std::string> find_target(const Sandbox& sandbox, std::string_view path) {
  if (path.contains('\0')) return std::unexpected("it has a NUL character");
  const std::string plain = from_root(path);
  if (has_dots(plain)) return std::unexpected("it goes through `.` or `..`");
  if (const std::string_view folder = forbidden_folder(plain); !folder.empty()) {
    return std::unexpected(never_read(folder));
  }
  constexpr std::string_view kNotAllowed = "no path in lua.strictValidation.allowedPaths leads there";
  if (sandbox.allowed_paths.empty()) return std::unexpected(std::string(kNotAllowed));
  std::string target = resolve(plain);
  for (const std::string_view folder : kNeverAllowed) {
    if (is_within(target, folder) || is_within(target, resolve(std::string(folder)))) {
      return std::unexpected(never_read(folder));
    }
  }
  if (!is_allowed(sandbox, target)) return std::unexpected(std::string(kNotAllowed));
  return target;
}

std::expected<std::string, int> read_target(const std::string& target) {
  // A path alone opens neither devices nor pipes. What it is may be looked at, and then opened as it is.
  const Descriptor path(open(target.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (path.get() < 0) return std::unexpected(errno);
  struct stat status{};
  if (fstat(path.get(), &status) != 0) return std::unexpected(errno);
  // A link may have come into its way since it was found.
  if (!S_ISREG(status.st_mode) || link_of(path.get()) != target) return std::unexpected(EACCES);
  const Descriptor file(
      open(fmt::format("/proc/self/fd/{}", path.get()).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0) return std::unexpected(errno);
  std::string text(std::min<std::size_t>(static_cast<std::size_t>(status.st_size), kMaxFile), '\0');
  const ssize_t size = read(file.get(), text.data(), text.size());
  if (size < 0) return std::unexpected(errno);
  text.resize(static_cast<std::size_t>(size));
  return text;
}

}  // namespace sluice::lua
