#include "proxy/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error_text.h"
#include "base/spawn.h"

namespace sluice::proxy {
namespace {

// Files of /proc have no size: read to the end. They end early, with an error, when their process does; the
// iterators of a stream would throw it.
std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string all;
  for (std::array<char, 4096> block; in.read(block.data(), block.size()) || in.gcount() > 0;) {
    all.append(block.data(), static_cast<std::size_t>(in.gcount()));
  }
  return all;
}

std::string_view name_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

// As /proc has lists of strings: each ends with a zero.
std::vector<std::string> split_list(std::string_view list) {
  std::vector<std::string> result;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find('\0'), list.size());
    result.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return result;
}

std::vector<std::string> environment_of(int pid) {
  return split_list(read_all(fmt::format("/proc/{}/environ", pid)));
}

// By number: the header of glibc 2.36 declares them as C++ functions.
int open_pidfd(int pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

constexpr int kPidDescriptor = 3;
constexpr int kKnownDescriptor = 4;

// The outer shell ends at once, so that the keeper belongs to init. The keeper starts $3 and following with
// $1 in their environment, tells its pid, waits for the end, and writes the exit status (of a signal: 128 and
// its number) into $2. What it starts begins when descriptor 4 is closed: it cannot end before it is known.
constexpr char kKeeper[] = R"({
  { read -r _ <&4; exec 4<&-; [ -z "$1" ] || export "$1"; shift 2; exec "$@"; } 3>&- &
  echo $! >&3
  exec 3>&- 4<&-
  wait $!
  code=$?
  umask 077
  [ -z "$2" ] || echo $code >"$2"
} &)";
constexpr int kSignalBase = 128;  // of a shell's exit status

// An errno, or 0. The keeper's exec would fail the same way, but then only the log knows why.
int reason_not_to_run(const std::string& file) {
  if (file.find('/') != std::string::npos) return ::access(file.c_str(), X_OK) == 0 ? 0 : errno;
  const char* const path = ::getenv("PATH");
  std::string_view folders = path == nullptr ? "/usr/bin:/bin" : path;
  while (true) {
    const std::size_t end = std::min(folders.find(':'), folders.size());
    if (::access(fmt::format("{}/{}", folders.substr(0, end), file).c_str(), X_OK) == 0) return 0;
    if (end == folders.size()) return ENOENT;
    folders.remove_prefix(end + 1);
  }
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
  const std::vector<std::string> environment = environment_of(pid);
  return std::ranges::find(environment, entry) != environment.end();
}

std::vector<std::string> arguments_of(int pid) {
  return split_list(read_all(fmt::format("/proc/{}/cmdline", pid)));
}

std::vector<Process> find_by_environment(std::string_view entry) {
  std::vector<Process> result;
  for (const Marked& each : find_by_start_of_entry(entry)) {
    if (each.entry == entry) result.push_back(each.process);
  }
  return result;
}

std::vector<Marked> find_by_start_of_entry(std::string_view beginning) {
  std::vector<Marked> result;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), &::closedir);
  if (!proc) return result;
  while (const dirent* each = ::readdir(proc.get())) {
    const std::string_view name = each->d_name;
    int pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
    const std::optional<std::uint64_t> before = start_time_of(pid);
    if (!before) continue;
    for (std::string& entry : environment_of(pid)) {
      if (!entry.starts_with(beginning) || start_time_of(pid) != before) continue;
      result.push_back({.process = {pid, *before}, .entry = std::move(entry)});
      break;
    }
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

  if (const int reason = reason_not_to_run(arguments[0]); reason != 0) {
    return std::unexpected(error_text(arguments[0], reason));
  }
  std::vector<std::string> keeper{"/bin/sh", "-c", kKeeper, "sluice-keeper", start.mark, start.exit_path};
  std::ranges::move(arguments, std::back_inserter(keeper));

  std::optional<Pipe> pid_pipe = make_pipe();
  std::optional<Pipe> known_pipe = make_pipe();  // its write end is closed when we are done
  if (!pid_pipe || !known_pipe) return std::unexpected(error_text("pipe", errno));

  SpawnSettings spawn(POSIX_SPAWN_SETSID);
  ::posix_spawn_file_actions_addopen(spawn.actions(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  const int append = O_WRONLY | O_CREAT | O_APPEND;
  for (const auto& [fd, path] :
       {std::pair(STDOUT_FILENO, &start.out_path), {STDERR_FILENO, &start.error_path}}) {
    if (!path->empty()) ::posix_spawn_file_actions_addopen(spawn.actions(), fd, path->c_str(), append, 0600);
  }
  // By way of numbers that neither has: the one must not close the other.
  const int away = std::max({pid_pipe->write.get(), known_pipe->read.get(), kKnownDescriptor}) + 1;
  ::posix_spawn_file_actions_adddup2(spawn.actions(), pid_pipe->write.get(), away);
  ::posix_spawn_file_actions_adddup2(spawn.actions(), known_pipe->read.get(), away + 1);
  ::posix_spawn_file_actions_adddup2(spawn.actions(), away, kPidDescriptor);
  ::posix_spawn_file_actions_adddup2(spawn.actions(), away + 1, kKnownDescriptor);
  ::posix_spawn_file_actions_addclosefrom_np(spawn.actions(), kKnownDescriptor + 1);

  int shell = 0;
  const int error = ::posix_spawn(&shell, keeper[0].c_str(), spawn.actions(), spawn.attributes(),
                                  pointers_to(keeper).data(), pointers_to(environment).data());
  if (error != 0) return std::unexpected(error_text(keeper[0], error));
  pid_pipe->write.reset();
  known_pipe->read.reset();
  ::waitpid(shell, nullptr, 0);  // it leaves the keeper behind at once

  std::string line;
  for (char byte = 0; ::read(pid_pipe->read.get(), &byte, 1) == 1 && byte != '\n';) line += byte;
  int pid = 0;
  std::from_chars(line.data(), line.data() + line.size(), pid);
  if (pid <= 0) return std::unexpected("/bin/sh did not start " + start.arguments[0]);
  Started started{.process = {pid, start_time_of(pid).value_or(0)}, .pidfd = Descriptor(open_pidfd(pid))};
  if (!started.pidfd) return std::unexpected(error_text(start.arguments[0] + " ended at once", errno));
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

std::optional<Exit> read_exit(const std::string& exit_path) {
  const std::string text = read_all(exit_path);
  int code = 0;
  if (!text.ends_with('\n') ||
      std::from_chars(text.data(), text.data() + text.size(), code).ec != std::errc()) {
    return std::nullopt;
  }
  const bool signaled = code > kSignalBase;
  return Exit{.known = true, .signaled = signaled, .code = signaled ? code - kSignalBase : code};
}

}  // namespace sluice::proxy
