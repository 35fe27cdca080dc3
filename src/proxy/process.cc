#include "proxy/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

#include <fmt/format.h>

namespace sluice::proxy {
namespace {

// Files of /proc have no size: read to the end.
std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string_view name_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

bool contains_entry(std::string_view environment, std::string_view entry) {
  while (!environment.empty()) {
    const std::size_t end = std::min(environment.find('\0'), environment.size());
    if (environment.substr(0, end) == entry) return true;
    environment.remove_prefix(std::min(end + 1, environment.size()));
  }
  return false;
}

// By number: the header of glibc 2.36 declares them as C++ functions.
int open_pidfd(int pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

std::string error_text(std::string_view what, int error) { return fmt::format("{}: {}", what, strerrordesc_np(error)); }

struct Attributes {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  Attributes() {
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_init(&actions);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() {
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
  }
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& each : strings) result.push_back(each.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

std::string boot_id() {
  std::string id = read_all("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

std::optional<std::uint64_t> start_time_of(int pid) {
  const std::string stat = read_all(fmt::format("/proc/{}/stat", pid));
  // "pid (comm) state ppid …": comm may hold anything, the last parenthesis ends it.
  const std::size_t close = stat.rfind(')');
  if (close == stat.npos) return std::nullopt;
  std::string_view rest = std::string_view(stat).substr(close + 1);
  constexpr int kFirst = 3;  // the number of the field after comm, as proc(5) counts
  constexpr int kStartTime = 22;
  for (int field = kFirst; field <= kStartTime; ++field) {
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    if (field == kFirst && (rest.starts_with('Z') || rest.starts_with('X'))) return std::nullopt;
    if (field == kStartTime) break;
    rest.remove_prefix(std::min(rest.find(' '), rest.size()));
  }
  std::uint64_t ticks = 0;
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), ticks);
  if (parsed.ec != std::errc()) return std::nullopt;
  return ticks;
}

std::string executable_of(int pid) {
  std::array<char, 4096> path;
  const ssize_t size = ::readlink(fmt::format("/proc/{}/exe", pid).c_str(), path.data(), path.size());
  if (size <= 0) return {};
  std::string result(path.data(), static_cast<std::size_t>(size));
  // An upgrade may have replaced the file meanwhile.
  constexpr std::string_view kDeleted = " (deleted)";
  if (result.ends_with(kDeleted)) result.resize(result.size() - kDeleted.size());
  return result;
}

bool has_in_environment(int pid, std::string_view entry) {
  return contains_entry(read_all(fmt::format("/proc/{}/environ", pid)), entry);
}

std::vector<Process> find_by_environment(std::string_view entry) {
  std::vector<Process> result;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), &::closedir);
  if (!proc) return result;
  while (const dirent* each = ::readdir(proc.get())) {
    const std::string_view name = each->d_name;
    int pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
    const std::optional<std::uint64_t> before = start_time_of(pid);
    if (!before || !has_in_environment(pid, entry) || start_time_of(pid) != before) continue;
    result.push_back({pid, *before});
  }
  return result;
}

std::expected<Started, std::string> start_process(const Start& start) {
  if (start.arguments.empty()) return std::unexpected("no file to run");
  std::vector<std::string> arguments = start.arguments;
  std::vector<std::string> environment;
  for (char** each = environ; *each != nullptr; ++each) {
    if (name_of(*each) != name_of(start.mark)) environment.emplace_back(*each);
  }
  if (!start.mark.empty()) environment.push_back(start.mark);

  Attributes spawn;
  constexpr int kFirstOther = 3;
  ::posix_spawn_file_actions_addopen(&spawn.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  const int append = O_WRONLY | O_CREAT | O_APPEND;
  for (const auto& [fd, path] : {std::pair(STDOUT_FILENO, &start.out_path), {STDERR_FILENO, &start.error_path}}) {
    if (!path->empty()) ::posix_spawn_file_actions_addopen(&spawn.actions, fd, path->c_str(), append, 0600);
  }
  ::posix_spawn_file_actions_addclosefrom_np(&spawn.actions, kFirstOther);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&spawn.attributes, &none);
  ::posix_spawnattr_setsigdefault(&spawn.attributes, &all);
  ::posix_spawnattr_setflags(&spawn.attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  int pid = 0;
  const int error = ::posix_spawnp(&pid, arguments[0].c_str(), &spawn.actions, &spawn.attributes,
                                  pointers(arguments).data(), pointers(environment).data());
  if (error != 0) return std::unexpected(error_text(arguments[0], error));
  // Nobody else waits for our children, so until collect() the pid stays the child's, alive or dead.
  Started started{.process = {pid, start_time_of(pid).value_or(0)}, .pidfd = Descriptor(open_pidfd(pid))};
  if (!started.pidfd) {
    const int reason = errno;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return std::unexpected(error_text("pidfd_open", reason));
  }
  return started;
}

Descriptor open_process(const Process& process) {
  if (process.pid <= 0 || start_time_of(process.pid) != process.start_time) return {};
  Descriptor pidfd(open_pidfd(process.pid));
  // The pid could have changed hands before it was opened; afterwards the descriptor keeps to its process.
  if (pidfd && start_time_of(process.pid) != process.start_time) return {};
  return pidfd;
}

void send_signal(const Descriptor& pidfd, int signal) {
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
}

std::string Exit::to_string() const {
  if (!known) return "gone";
  if (!signaled) return fmt::format("exited with status {}", code);
  const char* name = sigdescr_np(code);
  return fmt::format("killed by signal {} ({})", code, name == nullptr ? "unknown" : name);
}

Exit collect(const Process& process) {
  siginfo_t status{};
  // ECHILD: adopted, so another's child.
  if (::waitid(P_PID, static_cast<id_t>(process.pid), &status, WEXITED | WNOHANG) != 0 || status.si_pid == 0) {
    return {};
  }
  return {.known = true, .signaled = status.si_code != CLD_EXITED, .code = status.si_status};
}

}  // namespace sluice::proxy
