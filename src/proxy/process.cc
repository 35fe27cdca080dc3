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
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
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
constexpr int kAppend = O_WRONLY | O_CREAT | O_APPEND;  // to a log file
constexpr std::chrono::seconds kLauncherPatience{10};

// Starts $3 and following with $1 in their environment, tells its pid, waits for the end, and writes the exit
// status (of a signal: 128 and its number) into $2. What it starts begins when there is nothing more to read
// from descriptor 4: it cannot end before it is known.
constexpr char kKeeper[] =
    R"({ read -r _ <&4; exec 4<&-; [ -z "$1" ] || export "$1"; shift 2; exec "$@"; } 3>&- &
  echo $! >&3
  exec 3>&- 4<&-
  wait $!
  code=$?
  umask 077
  [ -z "$2" ] || echo $code >"$2"
)";
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

namespace {

std::vector<std::string> keeper_words(const std::string& script, const Start& start) {
  std::vector<std::string> keeper{"/bin/sh", "-c", script, "sluice-keeper", start.mark, start.exit_path};
  std::ranges::copy(start.arguments, std::back_inserter(keeper));
  return keeper;
}

// Where a keeper tells the pid; what it has started begins when the other is closed.
struct Keeper {
  Descriptor tells;
  Descriptor waits;
};

std::expected<Keeper, std::string> start_keeper(const Start& start) {
  std::vector<std::string> environment;
  for (char** each = environ; *each != nullptr; ++each) {
    if (name_of(*each) != name_of(start.mark)) environment.emplace_back(*each);
  }
  // The outer shell ends at once, so that the keeper belongs to init.
  std::vector<std::string> keeper = keeper_words(fmt::format("{{ {} }} &", kKeeper), start);

  std::optional<Pipe> pid_pipe = make_pipe();
  std::optional<Pipe> known_pipe = make_pipe();
  if (!pid_pipe || !known_pipe) return std::unexpected(error_text("pipe", errno));

  SpawnSettings spawn(POSIX_SPAWN_SETSID);
  ::posix_spawn_file_actions_addopen(spawn.actions(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  for (const auto& [fd, path] :
       {std::pair(STDOUT_FILENO, &start.out_path), {STDERR_FILENO, &start.error_path}}) {
    if (!path->empty()) ::posix_spawn_file_actions_addopen(spawn.actions(), fd, path->c_str(), kAppend, 0600);
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
  ::waitpid(shell, nullptr, 0);  // it leaves the keeper behind at once
  return Keeper{.tells = std::move(pid_pipe->read), .waits = std::move(known_pipe->write)};
}

std::expected<Keeper, std::string> ask_launcher(const Start& start) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  if (start.launcher.size() >= sizeof at.sun_path)
    return std::unexpected(error_text(start.launcher, ENAMETOOLONG));
  std::memcpy(at.sun_path, start.launcher.data(), start.launcher.size());
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // It does not answer where its service cannot be started.
  const timeval patience{.tv_sec = kLauncherPatience.count(), .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
    return std::unexpected(error_text(start.launcher, errno));
  const std::string request = nlohmann::json{{"arguments", start.arguments},
                                             {"mark", start.mark},
                                             {"out", start.out_path},
                                             {"error", start.error_path},
                                             {"exit", start.exit_path}}
                                  .dump() +
                              "\n";
  for (std::size_t sent = 0; sent < request.size();) {
    const ssize_t n = ::send(socket.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR) return std::unexpected(error_text(start.launcher, errno));
    if (n > 0) sent += static_cast<std::size_t>(n);
  }
  return Keeper{.tells = std::move(socket), .waits = {}};
}

std::optional<Start> read_request(const std::string& line) {
  try {
    const nlohmann::json request = nlohmann::json::parse(line);
    return Start{.arguments = request.at("arguments"),
                 .mark = request.at("mark"),
                 .out_path = request.at("out"),
                 .error_path = request.at("error"),
                 .exit_path = request.at("exit")};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

// A line and its end; what there was where it does not come to one.
std::string read_line(int descriptor) {
  std::string line;
  for (char byte = 0; byte != '\n';) {
    const ssize_t n = ::read(descriptor, &byte, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n != 1) break;
    line += byte;
  }
  return line;
}

}  // namespace

std::expected<Started, std::string> start_process(const Start& start) {
  if (start.arguments.empty()) return std::unexpected("no file to run");
  const std::string& file = start.arguments[0];
  if (const int reason = reason_not_to_run(file); reason != 0)
    return std::unexpected(error_text(file, reason));
  const std::expected<Keeper, std::string> keeper =
      start.launcher.empty() ? start_keeper(start) : ask_launcher(start);
  if (!keeper) return std::unexpected(keeper.error());

  const std::string line = read_line(keeper->tells.get());
  int pid = 0;
  std::from_chars(line.data(), line.data() + line.size(), pid);
  if (pid <= 0) {
    return std::unexpected(start.launcher.empty() ? "/bin/sh did not start " + file
                                                  : start.launcher + " did not start " + file);
  }
  Started started{.process = {pid, start_time_of(pid).value_or(0)}, .pidfd = Descriptor(open_pidfd(pid))};
  if (!started.pidfd) return std::unexpected(error_text(file + " ended at once", errno));
  return started;
}

std::string become_keeper(int connection) {
  const std::optional<Start> asked = read_request(read_line(connection));
  if (!asked) return "nobody says on standard input what is to be started";
  const Start& start = *asked;
  for (const auto& [fd, path] :
       {std::pair(STDOUT_FILENO, &start.out_path), {STDERR_FILENO, &start.error_path}}) {
    if (path->empty()) continue;
    const Descriptor log(::open(path->c_str(), kAppend | O_CLOEXEC, 0600));
    if (!log || ::dup2(log.get(), fd) < 0) return error_text(*path, errno);
  }
  const int away = std::max(connection, kKnownDescriptor) + 1;
  const Descriptor nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (::dup2(connection, away) < 0 || ::dup2(away, kPidDescriptor) < 0 ||
      ::dup2(away, kKnownDescriptor) < 0 || ::dup2(nothing.get(), STDIN_FILENO) < 0) {
    return error_text("dup2", errno);
  }
  ::close_range(kKnownDescriptor + 1, ~0U, 0);
  std::vector<std::string> keeper = keeper_words(kKeeper, start);
  ::execv(keeper[0].c_str(), pointers_to(keeper).data());
  return error_text(keeper[0], errno);
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
