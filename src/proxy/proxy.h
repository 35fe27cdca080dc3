// Runs real Envoys as child processes, one a proxy: writes the bootstrap, starts, waits until it is ready,
// restarts with back-off when it dies, hot-restarts when its bootstrap changes, drains when it is told to
// stop.
//
// An Envoy outlives the sluice that started it. A state file (pid, start time from /proc/<pid>/stat,
// bootstrap hash, base id, restart epoch) under a lock lets the next sluice adopt it, through a pidfd; a pid
// whose start time is not the recorded one is not ours and is never touched.
//
// A change never takes a serving Envoy away: the new epoch starts beside the old one, and if it does not come
// up, the old one goes on. A proxy that dies is started with the newest configuration, or with the last one
// that worked when the newest is known not to.
//
// Threads: one thread of its own inside; every method may be called from any thread and does not block,
// except the destructor.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/problem.h"
#include "ir/ir.h"
#include "xds/bootstrap.h"

namespace sluice::proxy {

// Where Envoy's standard output and standard error go.
enum class LogTo : std::uint8_t {
  kFiles,    // <name>.out.log and <name>.err.log in run_dir, each with one older part (".1")
  kInherit,  // those of this process; then an Event cannot quote what Envoy said
};

struct Options {
  std::string envoy_path;               // binary
  std::vector<std::string> extra_args;  // appended to every Envoy's command line
  // Where others start Envoys for us, so that they do not belong to our service: the path of a Unix socket,
  // see Start::launcher in process.h. Empty: we start them.
  std::string launcher;
  std::string run_dir;     // state files, bootstraps, logs, admin sockets; created with mode 0700
  std::string xds_socket;  // Unix socket of ads::Server
  std::chrono::milliseconds restart_delay_max{5'000};  // back-off doubles from 50 ms up to this
  // How the bootstrap is made: xds::render_bootstrap, or a test's own. Must be set; called on the runner's
  // thread, and equal arguments must give equal texts.
  std::function<std::expected<std::string, Problem>(const ir::Proxy&, const xds::BootstrapPlaces&)> render;
  LogTo log_to = LogTo::kFiles;
  std::uint64_t log_max_bytes = 64u << 20;  // a log file is cut at this size
  // A new epoch that is not ready by then is killed, and the old one goes on serving.
  std::chrono::milliseconds hot_restart_timeout{60'000};
  // How often it is looked whether log files are too long, and whether others have the ports of Envoys too.
  std::chrono::milliseconds look_around{5'000};
};

// Of a proxy as a whole, not of one process: while a hot restart is under way, or has failed, a proxy is
// kReady.
enum class State : std::uint8_t { kStarting, kReady, kDraining, kExited, kBackingOff };

struct Event {
  ir::ProxyKey proxy;
  State state = State::kStarting;
  int pid = 0;          // of the process that serves, or is to; 0: none
  std::string message;  // exit status, last lines on stderr, …; for people
  // What keeps the proxy from running as it is wanted: the bootstrap cannot be rendered, an Envoy did not
  // come up with it, or none can be started. What was there goes on. It is in every event until a process
  // that is as wanted has become ready. Of proxies that run as they are wanted: that its record cannot be
  // written, or that other processes listen on its ports too, until that is over. It has no object: if it has
  // a path, that is one of whatever says how the proxy is started.
  std::optional<Problem> problem;
};

class Runner {
 public:
  virtual ~Runner() = default;  // leaves the Envoys running, for the next sluice to adopt

  // Starts, adopts or (when its bootstrap or arguments changed) hot-restarts the Envoy of this proxy. Of
  // several changes in a row the newest counts. Does nothing when nothing changed, and after stop().
  virtual void ensure(const ir::Proxy& proxy) = 0;
  // Drains and ends the Envoy of a proxy that is no more. The last event of it is kExited.
  virtual void remove(const ir::ProxyKey& proxy) = 0;
  // Drains and ends all of them: SIGTERM's way. `stopped` is called on the runner's thread when they are
  // gone; drain_timeout and some seconds bound that. Their events go on until then.
  virtual void stop(std::function<void()> stopped) = 0;
  // Ends at once what stop() and remove() still drain.
  virtual void hurry() = 0;
  // These are TCP ports that Envoys are refused. Whenever somebody has listened on one and nobody does any
  // more, `freed` is called with it, on the runner's thread. Takes the place of the last call.
  virtual void await_free(std::set<std::uint16_t> ports, std::function<void(std::uint16_t)> freed) = 0;
  // Asks the admin interface of the proxy's Envoy, as GET. `done` is called on the runner's thread, with the
  // body of the answer, or with nothing where there was none; not at all if the proxy or the runner goes
  // first.
  virtual void ask(const ir::ProxyKey& proxy, const std::string& target,
                   std::function<void(std::optional<std::string>)> done) = 0;
  // The same of a part of that Envoy, a module, which listens at a Unix socket of its own: `socket` makes the
  // path from the pid of the process that serves. It has little time to answer.
  virtual void ask_part(const ir::ProxyKey& proxy, std::function<std::string(int pid)> socket,
                        const std::string& target, std::function<void(std::optional<std::string>)> done) = 0;
  // The proxies, sorted, whose Envoys were found running at the start and were neither ensured nor removed
  // since. Without either they go on as they are, and are not restarted when they die.
  virtual std::vector<ir::ProxyKey> adopted() const = 0;
};

// The end of what the proxy's Envoys have said on standard error, 64 KB of it at most; empty where it is not
// kept in a file.
std::string last_said(const Options& options, const ir::ProxyKey& proxy);

// Takes the lock of run_dir. Returns null and fills in *problem when another sluice holds it or run_dir is
// unusable. on_event is called on the runner's thread, never after the destructor; it may call ensure() and
// remove().
std::unique_ptr<Runner> start_runner(const Options& options, std::function<void(Event)> on_event,
                                     Problem* problem);

}  // namespace sluice::proxy
