#include "proxy/supervisor.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <csignal>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "proxy/command_line.h"
#include "proxy/connections.h"
#include "proxy/hot_restart.h"
#include "proxy/log_file.h"

namespace sluice::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kFirstRestartDelay{50};
constexpr seconds kLongLife{10};  // who lives so long did not die of how it was started
constexpr milliseconds kReadyPoll{20};
constexpr milliseconds kSlowReadyPoll{100};
constexpr seconds kSlowAfter{3};
constexpr milliseconds kConnectionPoll{200};
// What is to be in a listening socket's queue is there by then: round trips are shorter.
constexpr milliseconds kHandshake{500};
constexpr milliseconds kQueuePoll{10};
constexpr seconds kQueueTimeout{2};
constexpr milliseconds kExitPoll{1};
constexpr seconds kAdminTimeout{2};
// Of a module, which has a thread that is never long at one thing.
constexpr milliseconds kPartTimeout{250};
constexpr seconds kKillAfter{5};  // SIGTERM to SIGKILL
constexpr seconds kOldEpochGrace{5};
constexpr seconds kSaveAgain{1};
constexpr int kMostUnanswered = 3;
constexpr int kQuotedLines = 5;

// What tells that the file at this path is another one now.
std::string file_identity(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return {};
  return fmt::format("{} {} {}", status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

std::string readable(const ir::ProxyKey& proxy) {
  constexpr std::size_t kMost = 100;
  std::string result = proxy.substr(0, kMost);
  for (char& c : result) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '.') c = '_';
  }
  return result;
}

// Of one of an Envoy's two streams; empty where it is in no file.
std::string log_path(const Options& options, const ir::ProxyKey& proxy, std::string_view stream) {
  if (options.log_to == LogTo::kInherit) return {};
  return fmt::format("{}/{}.{}.{}.log", options.run_dir, readable(proxy), short_name(proxy), stream);
}

// Of what Envoy said last: below the usage, its last line has what is wrong with the command line.
std::string_view reason_in(std::string_view said) {
  return said.contains("For complete USAGE and HELP type:") ? said.substr(said.rfind('\n') + 1) : said;
}

// True where that is about one of these arguments, as in "-l (--log-level) -- Argument already set!".
bool names_one_of(const std::vector<std::string>& arguments, std::string_view reason) {
  const std::string_view line = reason.substr(reason.rfind('\n') + 1);
  const std::size_t end = line.find(" -- ");
  if (end == std::string_view::npos) return false;
  const std::string_view named = line.substr(0, end);
  return std::ranges::any_of(arguments, [&](const std::string& argument) {
    return argument.starts_with('-') && named.contains(argument);
  });
}

// An Envoy did not come up. The path is of what it most likely refuses; without one, it is no object's doing.
Problem bootstrap_problem(const ir::Proxy* proxy, const std::vector<std::string>& common_args,
                          std::string_view reason) {
  const bool extra = proxy != nullptr && names_one_of(proxy->extra_args, reason);
  if (!extra && names_one_of(common_args, reason)) {
    return {.code = "value/envoy-arg",
            .message = fmt::format("Envoy does not start with these arguments: {}", reason),
            .suggestion = "correct what `--envoy-arg` says"};
  }
  Problem problem{.code = "value/bootstrap",
                  .path = "spec",
                  .message = fmt::format("Envoy does not start with this configuration: {}", reason)};
  if (extra) {
    problem.path = "spec.extraArgs";
  } else if (proxy != nullptr && proxy->bootstrap_change != ir::Proxy::BootstrapChange::kNone) {
    problem.path = "spec.bootstrap";
  } else if (proxy != nullptr && !proxy->extra_args.empty()) {
    problem.path = "spec.extraArgs";
  }
  return problem;
}

}  // namespace

std::string short_name(const ir::ProxyKey& proxy) {
  return fmt::format("{:010x}", hash_text(proxy) & 0xff'ffff'ffffu);
}

std::string last_said(const Options& options, const ir::ProxyKey& proxy) {
  constexpr std::uint64_t kMost = 64u << 10;
  return last_bytes(log_path(options, proxy, "err"), kMost);
}

Supervisor::Supervisor(const Surroundings& surroundings, const ir::ProxyKey& proxy)
    : around_(surroundings), name_(short_name(proxy)) {
  record_.proxy = proxy;
}

Supervisor::Supervisor(const Surroundings& surroundings, ProxyRecord record)
    : around_(surroundings), name_(short_name(record.proxy)), record_(std::move(record)) {
  std::vector<ProcessRecord> dead;
  for (const ProcessRecord& each : std::exchange(record_.processes, {})) {
    const Role role = each.role;
    RunningPtr process = adopt(each);
    if (!process) {
      dead.push_back(each);
      continue;
    }
    if (role == Role::kDraining) {
      draining_.push_back(std::move(process));
    } else {
      (role == Role::kCurrent ? current_ : successor_) = std::move(process);
    }
  }
  for (const ProcessRecord& each : dead) forget_files(each);
  if (!current_) current_ = std::move(successor_);
  if (current_) {
    current_->record.role = Role::kCurrent;
    current_->drained = record_.removing;
    if (current_->record.ready && !successor_) forget_failed_epoch(current_->record.base_id);
  }
}

Supervisor::~Supervisor() = default;

// ---- names -----------------------------------------------------------------------------------

std::string Supervisor::path_of(const std::string& name) const {
  return fmt::format("{}/{}", around_.options.run_dir, name);
}

std::string Supervisor::log_path(std::string_view stream) const {
  return proxy::log_path(around_.options, record_.proxy, stream);
}

std::string Supervisor::admin_socket_of(const ProcessRecord& record) const {
  return path_of(record.files + ".admin");
}

xds::BootstrapPlaces Supervisor::places_of(const ProcessRecord& record) const {
  // Two epochs are two nodes: they are connected at the same time.
  return {.node_id = fmt::format("{}/{}", record_.proxy, record.restart_epoch),
          .xds_socket = around_.options.xds_socket,
          .admin_socket = admin_socket_of(record)};
}

std::expected<Configuration, Problem> Supervisor::configuration_of(const ir::Proxy& proxy) const {
  // Of no process in particular, so that only what matters makes a difference.
  const ProcessRecord nobody{.files = name_};
  const std::expected<std::string, Problem> bootstrap = around_.options.render(proxy, places_of(nobody));
  if (!bootstrap) return std::unexpected(bootstrap.error());
  const std::vector<std::string> arguments = make_arguments(proxy, around_.options.extra_args, {});
  const std::string& path = around_.options.envoy_path;
  return Configuration{.bootstrap_hash = hash_text(*bootstrap),
                       .arguments_hash = hash_text(
                           fmt::format("{}\n{}\n{}", path, file_identity(path), fmt::join(arguments, "\n")))};
}

// ---- what is wanted --------------------------------------------------------------------------

void Supervisor::ensure(const ir::Proxy& proxy) {
  if (finished_) return;
  if (record_.removing) {
    record_.removing = false;
    drain_call_.reset();
    drain_poll_.reset();
    drain_deadline_.reset();
    if (current_) use_all_sockets();  // its successor inherits its sockets
  } else if (ensured_ == proxy) {
    return;
  }
  ensured_ = proxy;
  record_.drain_timeout = proxy.drain_timeout;
  record_.min_drain = proxy.min_drain;
  std::expected<Configuration, Problem> configuration = configuration_of(proxy);
  if (!configuration) {
    problem_ = std::move(configuration.error());
    report(state(), problem_->message);
    return advance();
  }
  if (!wanted_ || wanted_->configuration != *configuration) {
    refused_.reset();
    failures_ = 0;
    restart_.reset();
  }
  wanted_ = Wanted{proxy, *configuration};
  if (current_ && current_->record.ready && is_wanted(*current_)) {
    good_ = wanted_;
    if (std::exchange(problem_, std::nullopt)) report(state(), "runs as wanted");
  }
  save();
  advance();
}

const Supervisor::Wanted& Supervisor::target() const {
  return good_ && refused_ == wanted_->configuration ? *good_ : *wanted_;
}

void Supervisor::advance() {
  // One change at a time; when it is through, this is called again and takes the newest of what came
  // meanwhile.
  if (record_.removing || finished_ || !wanted_ || successor_) return;
  if (current_ && (current_->ending || current_->dead)) return;
  if (current_ && refused_ == wanted_->configuration && !current_->drained) return;
  const Wanted& next = target();
  if (!current_) {
    if (restart_.pending()) return;
    // A new base id: an older epoch may still drain under the last one.
    return start(Role::kCurrent, next, choose_base_id(), 0);
  }
  if (current_->record.configuration == next.configuration && !current_->drained) return;
  if (!current_->record.ready) {
    return abandon(*current_);  // it serves nothing yet; its exit brings us back
  }
  if (!draining_.empty()) {
    // Envoy ends the oldest epoch when a third one starts. It gets at least the least time that is for
    // draining.
    const auto since = std::chrono::duration_cast<milliseconds>(Clock::now() - taken_over_);
    if (since < record_.min_drain) {
      next_change_ = around_.loop.after(record_.min_drain - since, [this] { advance(); });
      return;
    }
  }
  const std::uint32_t workers = concurrency_of(make_arguments(next.proxy, around_.options.extra_args, {}));
  // A hot restart goes through sockets in the folder. Without them the next one starts as if it were alone,
  // and has the same ports beside it.
  if (current_->unreachable) return start(Role::kSuccessor, next, choose_base_id(), 0);
  start(Role::kSuccessor, next, current_->record.base_id, current_->record.restart_epoch + 1);
  // Of the sockets that it will not take over. While it starts, handshakes come to their end.
  if (successor_) retire_sockets(workers);
}

// ---- processes -------------------------------------------------------------------------------

void Supervisor::start(Role role, Wanted wanted, std::uint32_t base_id, std::uint32_t restart_epoch) {
  RunningPtr& slot = role == Role::kSuccessor ? successor_ : current_;
  slot = std::make_unique<Running>();
  Running& process = *slot;
  process.wanted = std::move(wanted);
  process.started = Clock::now();
  const std::uint64_t serial = record_.next_serial++;
  const std::string files = fmt::format("{}.{}", name_, serial);
  process.record = {.role = role,
                    .mark = make_mark(around_.options.run_dir, files, record_.proxy),
                    .boot_id = boot_id(),
                    .files = files,
                    .base_id = base_id,
                    .restart_epoch = restart_epoch,
                    .configuration = process.wanted->configuration};
  std::expected<void, Problem> started = try_start(process);
  if (!started) {
    const RunningPtr failed = std::move(slot);
    forget_files(failed->record);
    save();
    problem_ = std::move(started.error());
    return role == Role::kSuccessor ? successor_failed(*failed, problem_->message)
                                    : current_failed(*failed, problem_->message);
  }
  watch(process);
  save();
  if (role == Role::kSuccessor) {
    expect_in_time(process);
    report(State::kReady,
           fmt::format("hot restart: epoch {} (pid {}) starts", restart_epoch, process.record.process.pid));
  } else {
    report(State::kStarting, fmt::format("started with base id {}", base_id));
  }
  poll_readiness(process);
}

std::expected<void, Problem> Supervisor::try_start(Running& process) {
  const auto failed = [](std::string_view error, std::string suggestion = {}) {
    return std::unexpected(Problem{.code = "value/envoy",
                                   .message = fmt::format("no Envoy can be started: {}", error),
                                   .suggestion = std::move(suggestion)});
  };
  const ProcessRecord& record = process.record;
  const ir::Proxy& proxy = process.wanted->proxy;
  const std::expected<std::string, Problem> bootstrap = around_.options.render(proxy, places_of(record));
  if (!bootstrap) return failed(bootstrap.error().message);
  const std::string bootstrap_path = path_of(record.files + ".json");
  if (auto written = write_file(bootstrap_path, *bootstrap); !written) return failed(written.error());
  // If we die from here on, the next runner finds the process by its mark.
  save();

  Start start{.arguments = {around_.options.envoy_path},
              .mark = record.mark,
              .out_path = log_path("out"),
              .error_path = log_path("err"),
              .exit_path = exit_path(record),
              .launcher = around_.options.launcher};
  const Launch launch{.bootstrap_path = bootstrap_path,
                      .hot_restart_path = path_of(name_),
                      .base_id = record.base_id,
                      .restart_epoch = record.restart_epoch};
  std::ranges::move(make_arguments(proxy, around_.options.extra_args, launch),
                    std::back_inserter(start.arguments));
  process.error_log_start = file_size(start.error_path);
  std::expected<Started, std::string> started = start_process(start);
  if (!started) return failed(started.error(), "--envoy says which file is run");
  process.record.process = started->process;
  process.pidfd = std::move(started->pidfd);
  return {};
}

Supervisor::RunningPtr Supervisor::adopt(ProcessRecord record) {
  std::optional<Started> found = find_process(record);
  if (!found) return nullptr;
  auto process = std::make_unique<Running>();
  process->record = std::move(record);
  process->pidfd = std::move(found->pidfd);
  process->started = Clock::now();
  process->error_log_start = file_size(log_path("err"));
  process->unreachable =
      process->record.ready && ::access(admin_socket_of(process->record).c_str(), F_OK) != 0;
  return process;
}

void Supervisor::resume() {
  for (Running* each : all()) watch(*each);
  for (const RunningPtr& each : draining_) {
    each->deadline =
        around_.loop.after(record_.drain_timeout + kOldEpochGrace, [this, &each = *each] { end(each); });
  }
  taken_over_ = Clock::now();
  if (record_.removing) {
    record_.removing = false;
    return remove(true);
  }
  report(state(), "adopted");
  if (current_ && !successor_) use_all_sockets();
  if (current_ && !current_->record.ready) poll_readiness(*current_);
  if (successor_) {
    expect_in_time(*successor_);
    poll_readiness(*successor_);
  }
}

void Supervisor::watch(Running& process) {
  process.exit = around_.loop.watch(process.pidfd.get(), EPOLLIN, [this, &process](auto) { died(process); });
}

void Supervisor::stop_asking(Running& process) {
  process.call.reset();
  process.poll.reset();
}

void Supervisor::kill(Running& process) {
  stop_asking(process);
  send_signal(process.pidfd, SIGKILL);
}

void Supervisor::abandon(Running& process) {
  process.abandoned = true;
  kill(process);
}

void Supervisor::end(Running& process) {
  if (std::exchange(process.ending, true)) return;
  stop_asking(process);
  send_signal(process.pidfd, SIGTERM);
  process.deadline = around_.loop.after(kKillAfter, [this, &process] { kill(process); });
}

void Supervisor::expect_in_time(Running& process) {
  process.deadline = around_.loop.after(around_.options.hot_restart_timeout, [this, &process] {
    process.timed_out = true;
    kill(process);
  });
}

// ---- coming up -------------------------------------------------------------------------------

void Supervisor::poll_readiness(Running& process) {
  process.call = std::make_unique<AdminCall>(
      around_.loop, admin_socket_of(process.record), "GET", "/ready", kAdminTimeout,
      [this, &process](const std::optional<AdminAnswer>& answer) {
        if (answer && answer->status == 200 && answer->body.starts_with("LIVE")) return became_ready(process);
        const bool slow = Clock::now() - process.started > kSlowAfter;
        process.poll = around_.loop.after(slow ? kSlowReadyPoll : kReadyPoll,
                                          [this, &process] { poll_readiness(process); });
      });
}

void Supervisor::became_ready(Running& process) {
  process.record.ready = true;
  process.record.executable = executable_of(process.record.process.pid);
  if (process.wanted) good_ = process.wanted;
  if (is_wanted(process)) problem_.reset();
  const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - process.started);
  const bool successor = &process == successor_.get();
  if (successor) promote();
  save();
  report(State::kReady, successor ? fmt::format("hot restart: epoch {} took over after {} ms",
                                                process.record.restart_epoch, took.count())
                                  : fmt::format("ready after {} ms", took.count()));
  advance();
}

void Supervisor::promote() {
  // The old one does not learn that it is to close its sockets: new connections go to the others.
  if (current_->unreachable) retire_sockets(0);
  // The new epoch tells the old one to drain, and after its parent-shutdown-time to exit. If the new one dies
  // before, nobody tells it.
  const ir::Duration patience =
      (ensured_ ? parent_shutdown_time(*ensured_) : record_.drain_timeout) + kOldEpochGrace;
  current_->record.role = Role::kDraining;
  current_->deadline = around_.loop.after(patience, [this, &old = *current_] { end(old); });
  draining_.push_back(std::move(current_));
  current_ = std::move(successor_);
  current_->record.role = Role::kCurrent;
  current_->deadline.reset();
  taken_over_ = Clock::now();
  if (retiring_) return end_retirement();
  use_all_sockets();  // an earlier runner may have steered
}

// ---- going away ------------------------------------------------------------------------------

void Supervisor::died(Running& process) {
  process.dead = true;
  process.exit.reset();
  process.deadline.reset();
  stop_asking(process);
  // A successor may be waiting for answers of the one that died.
  if (&process == current_.get() && successor_) abandon(*successor_);
  poll_exit(process, Clock::now() + kKeeperDelay);
}

void Supervisor::poll_exit(Running& process, Clock::time_point until) {
  const std::optional<Exit> status = read_exit(exit_path(process.record));
  if (status || Clock::now() >= until) return exited(&process, status.value_or(Exit{}));
  process.exit_poll = around_.loop.after(kExitPoll, [this, &process, until] { poll_exit(process, until); });
}

void Supervisor::exited(Running* process, const Exit& status) {
  RunningPtr gone;
  if (process == current_.get()) {
    gone = std::move(current_);
  } else if (process == successor_.get()) {
    gone = std::move(successor_);
  } else {
    const auto found = std::ranges::find(draining_, process, &RunningPtr::get);
    gone = std::move(*found);
    draining_.erase(found);
  }
  const Role role = gone->record.role;
  forget_files(gone->record);
  save();

  std::string reason = status.to_string();
  if (!gone->ending && role != Role::kDraining && around_.options.log_to == LogTo::kFiles) {
    const std::string said = last_lines(log_path("err"), gone->error_log_start, kQuotedLines);
    if (!said.empty()) reason += fmt::format("\n{}", reason_in(said));
  }
  const bool planned = record_.removing || gone->ending || gone->abandoned;
  if (role == Role::kDraining) {
    report(state(), fmt::format("epoch {} (pid {}) has drained: {}", gone->record.restart_epoch,
                                gone->record.process.pid, status.to_string()));
  } else if (role == Role::kSuccessor) {
    if (current_) {
      forget_failed_epoch(current_->record.base_id);
      if (!record_.removing) use_all_sockets();
    }
    if (gone->timed_out) reason = fmt::format("not ready in time: {}", reason);
    if (!planned) {
      problem_ = bootstrap_problem(gone->wanted ? &gone->wanted->proxy : nullptr, around_.options.extra_args,
                                   reason);
      return successor_failed(*gone, reason);
    }
  } else {
    if (!planned) {
      if (status.known && !status.signaled && !gone->record.ready) {
        problem_ = bootstrap_problem(gone->wanted ? &gone->wanted->proxy : nullptr,
                                     around_.options.extra_args, reason);
        if (good_ && good_->configuration != gone->record.configuration)
          refused_ = gone->record.configuration;
      }
      return current_failed(*gone, reason);
    }
  }
  if (record_.removing) {
    if (!current_ && has_processes()) end_all();
    if (!has_processes()) finish();
    return;
  }
  if (!wanted_ && !has_processes()) return finish();
  advance();
}

void Supervisor::successor_failed(const Running& process, const std::string& reason) {
  refused_ = process.record.configuration;
  report(state(), fmt::format("hot restart failed, epoch {} goes on: {}",
                              current_ ? current_->record.restart_epoch : 0, reason));
  if (current_ && current_->drained) {
    // There is nothing to go back to, so it is tried again; not without end at full speed.
    next_change_ = around_.loop.after(around_.options.restart_delay_max, [this] { advance(); });
    return;
  }
  advance();
}

bool Supervisor::is_wanted(const Running& process) const {
  return wanted_ && ensured_ == wanted_->proxy && process.record.configuration == wanted_->configuration;
}

void Supervisor::current_failed(const Running& process, const std::string& reason) {
  around_.report(Event{.proxy = record_.proxy,
                       .state = State::kExited,
                       .pid = process.record.process.pid,
                       .message = reason,
                       .problem = problem()});
  if (!wanted_) {
    if (!has_processes()) finish();
    return;
  }
  if (Clock::now() - process.started >= kLongLife) failures_ = 0;
  const int doublings = std::min(failures_ - 1, 20);
  ++failures_;
  if (doublings >= 0) {
    const milliseconds delay =
        std::min<milliseconds>(kFirstRestartDelay * (1 << doublings), around_.options.restart_delay_max);
    restart_ = around_.loop.after(delay, [this] { advance(); });
    report(State::kBackingOff, fmt::format("next start in {} ms", delay.count()));
    return;
  }
  advance();
}

void Supervisor::remove(bool others_stay) {
  if (record_.removing || finished_) return;
  record_.removing = true;
  ensured_.reset();
  wanted_.reset();
  problem_.reset();
  shared_.reset();
  restart_.reset();
  next_change_.reset();
  if (!has_processes()) return finish();
  save();
  report(State::kDraining, "draining");
  if (successor_) abandon(*successor_);
  if (current_ && current_->record.ready) return begin_drain(others_stay);
  end_all();
}

void Supervisor::hurry() {
  if (record_.removing) end_all();
}

void Supervisor::begin_drain(bool others_stay) {
  current_->drained = true;
  drain_start_ = Clock::now();
  unanswered_ = 0;
  drain_deadline_ = around_.loop.after(record_.drain_timeout, [this] { end_all(); });
  retiring_.reset();
  if (others_stay) retire_sockets(0);
  if (!retiring_) return drain_listeners("/drain_listeners?graceful");
  drain_poll_ = around_.loop.after(
      kHandshake, [this, until = drain_start_ + kQueueTimeout] { await_empty_queues(until); });
}

void Supervisor::await_empty_queues(Clock::time_point until) {
  if (!current_) return;
  if (!retiring_->queues_are_empty() && Clock::now() < until) {
    drain_poll_ = around_.loop.after(kQueuePoll, [this, until] { await_empty_queues(until); });
    return;
  }
  drain_listeners(retiring_->complete() ? "/drain_listeners" : "/drain_listeners?graceful");
}

// "graceful" leaves them open for a while, for those who will look for this proxy and no other.
void Supervisor::drain_listeners(std::string_view target) {
  const std::string socket = admin_socket_of(current_->record);
  drain_call_ = std::make_unique<AdminCall>(
      around_.loop, socket, "POST", std::string(target), kAdminTimeout, [this, socket](const auto&) {
        end_retirement();
        drain_call_ = std::make_unique<AdminCall>(around_.loop, socket, "POST", "/healthcheck/fail",
                                                  kAdminTimeout, [this](const auto&) { poll_connections(); });
      });
}

void Supervisor::retire_sockets(std::uint32_t kept) {
  retiring_.reset();
  auto retired = RetiringSockets::retire(current_->record.process.pid, current_->pidfd, kept);
  if (!retired) {
    report(state(), fmt::format("connections that wait while it closes its sockets will be reset: {}",
                                retired.error()));
  } else if (!retired->empty()) {
    retiring_ = *std::move(retired);
  }
}

// Those of the current one serve again; an earlier runner may have retired them.
void Supervisor::use_all_sockets() {
  retiring_.reset();
  RetiringSockets::undo(current_->record.process.pid, current_->pidfd);
}

void Supervisor::end_retirement() {
  if (!retiring_) return;
  if (retiring_->closed_by_process()) return retiring_.reset();
  retiring_poll_ = around_.loop.after(kConnectionPoll, [this] { end_retirement(); });
}

void Supervisor::poll_connections() {
  if (!current_) return;
  drain_call_ = std::make_unique<AdminCall>(
      around_.loop, admin_socket_of(current_->record), "GET", kConnectionStats, kAdminTimeout,
      [this](const std::optional<AdminAnswer>& answer) {
        // A process that lost its admin interface to a successor that failed cannot tell.
        unanswered_ = answer ? 0 : unanswered_ + 1;
        const bool quiet = answer ? count_connections(answer->body) == 0u : unanswered_ >= kMostUnanswered;
        const auto since = std::chrono::duration_cast<milliseconds>(Clock::now() - drain_start_);
        if (quiet && since >= record_.min_drain) return end_all();
        drain_poll_ = around_.loop.after(kConnectionPoll, [this] { poll_connections(); });
      });
}

void Supervisor::ask(const std::string& target, std::function<void(std::optional<std::string>)> done) {
  if (!current_) return done(std::nullopt);
  ask_at(admin_socket_of(current_->record), target, kAdminTimeout, std::move(done));
}

void Supervisor::ask_part(const std::function<std::string(int pid)>& socket, const std::string& target,
                          std::function<void(std::optional<std::string>)> done) {
  if (!current_) return done(std::nullopt);
  ask_at(socket(current_->record.process.pid), target, kPartTimeout, std::move(done));
}

void Supervisor::ask_at(const std::string& socket, const std::string& target, milliseconds timeout,
                        std::function<void(std::optional<std::string>)> done) {
  const auto call = asked_.emplace(asked_.end());
  *call =
      std::make_unique<AdminCall>(around_.loop, socket, "GET", target, timeout,
                                  [this, call, done = std::move(done)](std::optional<AdminAnswer> answer) {
                                    const auto tell = done;
                                    asked_.erase(call);  // and with it this function
                                    const bool good = answer && answer->status == 200;
                                    tell(good ? std::optional(std::move(answer->body)) : std::nullopt);
                                  });
}

void Supervisor::end_all() {
  drain_call_.reset();
  drain_poll_.reset();
  drain_deadline_.reset();
  for (Running* each : all()) end(*each);
}

void Supervisor::finish() {
  finished_ = true;
  save_again_.reset();
  unsaved_.reset();
  ::unlink(path_of(name_ + ".state").c_str());
  around_.report(Event{.proxy = record_.proxy, .state = State::kExited, .message = "ended"});
  around_.finished(record_.proxy);
}

// ---- the rest --------------------------------------------------------------------------------

std::vector<Supervisor::Running*> Supervisor::all() const {
  std::vector<Running*> result;
  if (current_) result.push_back(current_.get());
  if (successor_) result.push_back(successor_.get());
  for (const RunningPtr& each : draining_) result.push_back(each.get());
  return result;
}

bool Supervisor::base_id_in_use(std::uint32_t base_id) const {
  return std::ranges::any_of(all(), [&](const Running* each) { return each->record.base_id == base_id; });
}

std::set<std::uint16_t> Supervisor::ports() const {
  if (!ensured_) return {};
  return {ensured_->ports.begin(), ensured_->ports.end()};
}

std::vector<int> Supervisor::pids() const {
  std::vector<int> result;
  for (const Running* each : all()) result.push_back(each->record.process.pid);
  return result;
}

std::vector<std::string> Supervisor::files_in_use() const {
  std::vector<std::string> result;
  for (const Running* each : all()) result.push_back(each->record.files);
  return result;
}

void Supervisor::save() {
  record_.processes.clear();
  for (const Running* each : all()) record_.processes.push_back(each->record);
  const std::expected<void, std::string> written =
      write_file(path_of(name_ + ".state"), encode_record(record_));
  if (written) {
    save_again_.reset();
    if (std::exchange(unsaved_, std::nullopt)) report(state(), "its record is written again");
    return;
  }
  save_again_ = around_.loop.after(kSaveAgain, [this] { save(); });
  if (unsaved_) return;
  unsaved_ = Problem{.code = "value/run-dir",
                     .message = written.error(),
                     .suggestion = "make room; if sluice dies before, the next one may not find its Envoys"};
  report(state(), unsaved_->message);
}

void Supervisor::forget_files(const ProcessRecord& process) {
  ::unlink(path_of(process.files + ".json").c_str());
  ::unlink(exit_path(process).c_str());
  ::unlink(admin_socket_of(process).c_str());
  if (!base_id_in_use(process.base_id)) remove_traces(process.base_id, path_of(name_));
}

void Supervisor::rotate_logs() {
  if (around_.options.log_to == LogTo::kInherit) return;
  rotate_log(log_path("out"), around_.options.log_max_bytes);
  rotate_log(log_path("err"), around_.options.log_max_bytes);
}

void Supervisor::set_shared_ports(const std::set<std::uint16_t>& ports) {
  std::optional<Problem> now;
  if (!ports.empty()) {
    now = Problem{
        .code = "conflict/port",
        .severity = Severity::kWarning,
        .message = fmt::format("on port {} of {} another process listens too: each connection goes to "
                               "one of the two, whichever the kernel draws",
                               fmt::join(ports, ", "), record_.proxy),
        .suggestion = "end that process (`ss -ltnp` lists them), or use another port"};
  }
  if (now == shared_ || finished_) return;
  shared_ = std::move(now);
  report(state(), shared_ ? shared_->message : "its ports are its alone again");
}

std::optional<Problem> Supervisor::problem() const {
  return problem_ ? problem_ : unsaved_ ? unsaved_ : shared_;
}

State Supervisor::state() const {
  if (record_.removing) return State::kDraining;
  if (!current_) return restart_.pending() ? State::kBackingOff : State::kExited;
  return current_->record.ready ? State::kReady : State::kStarting;
}

void Supervisor::report(State state, std::string message) {
  around_.report(Event{.proxy = record_.proxy,
                       .state = state,
                       .pid = current_ ? current_->record.process.pid : 0,
                       .message = std::move(message),
                       .problem = problem()});
}

}  // namespace sluice::proxy
