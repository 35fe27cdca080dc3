// The life of one proxy: which of its processes serves, which is to take over, which are on their way out.
//
//                  ensure               ready
//        (nothing) ──────► current ──────────────► current, serving
//            ▲               │ dies: again, at once, then after 50 ms, 100 ms, …
//            └───────────────┘
//
//        serving, ensure with a change: a successor starts beside it (hot restart)
//            successor ready: it is the current one, the old one drains and exits
//            successor dies:  its configuration is refused, the current one goes on
//
//        remove: new connections go to others on the same ports, the current one drains, then everything is
//        ended
//
// A refused configuration is not tried again until another one was wanted; a proxy that dies meanwhile is
// started with the last one that worked. Every change of the processes is on disk before the next one
// happens; where it cannot be written, as on a full disk, serving goes on, and it is written later.
//
// Threads: the loop's; the constructor and the destructor also while the loop does not run.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "proxy/admin_call.h"
#include "proxy/proxy.h"
#include "proxy/record.h"
#include "proxy/retiring_sockets.h"

namespace sluice::proxy {

// What all supervisors of a runner share.
struct Surroundings {
  Loop& loop;
  const Options& options;
  std::function<void(Event)> report;
  // The supervisor of this proxy is finished.
  std::function<void(const ir::ProxyKey&)> finished;
};

// "<ten hex digits>": what the names of a proxy's files begin with.
std::string short_name(const ir::ProxyKey& proxy);

class Supervisor {
 public:
  using Clock = Loop::Clock;

  // A proxy without processes.
  Supervisor(const Surroundings& surroundings, const ir::ProxyKey& proxy);
  // A proxy as an earlier runner left it. Those of its processes that live are adopted.
  Supervisor(const Surroundings& surroundings, ProxyRecord record);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  void ensure(const ir::Proxy& proxy);
  // `others_stay`: proxies on the same ports take its connections over.
  void remove(bool others_stay);
  // Ends what remove() drains.
  void hurry();

  // Of adopted processes: reports them and goes on with what they were at. The first call on the loop's
  // thread.
  void resume();
  void rotate_logs();
  // Of its ports, those on which processes of others listen too.
  void set_shared_ports(const std::set<std::uint16_t>& ports);
  // See Runner::ask.
  void ask(const std::string& target, std::function<void(std::optional<std::string>)> done);
  void ask_part(const std::function<std::string(int pid)>& socket, const std::string& target,
                std::function<void(std::optional<std::string>)> done);

  const ir::ProxyKey& proxy() const { return record_.proxy; }
  bool has_processes() const { return current_ || successor_ || !draining_.empty(); }
  // No process is left and none will be: remove() is done, or an adopted proxy that nobody wanted has died.
  bool finished() const { return finished_; }
  // The TCP ports that it is to listen on; empty of an adopted proxy that nobody wants yet.
  std::set<std::uint16_t> ports() const;
  std::vector<int> pids() const;
  // What its files in run_dir begin with, for every process that lives.
  std::vector<std::string> files_in_use() const;

 private:
  struct Wanted {
    ir::Proxy proxy;
    Configuration configuration;
  };

  struct Running {
    ProcessRecord record;
    std::optional<Wanted> wanted;  // unknown of an adopted one
    Descriptor pidfd;
    Clock::time_point started;
    std::uint64_t error_log_start = 0;
    bool drained = false;    // told to drain its listeners: it has to be replaced if the proxy is to live on
    bool abandoned = false;  // see abandon()
    // Somebody has cleaned the folder: neither we nor its successor reach it by its sockets there.
    bool unreachable = false;
    bool timed_out = false;  // killed by us because it was not ready in time
    bool ending = false;     // has got SIGTERM
    bool dead = false;       // and it is not yet known how it ended
    std::unique_ptr<AdminCall> call;
    Loop::Timer poll;
    Loop::Timer deadline;
    Loop::Watch exit;
    Loop::Timer exit_poll;
  };
  using RunningPtr = std::unique_ptr<Running>;

  std::string path_of(const std::string& name) const;
  std::string log_path(std::string_view stream) const;
  std::string exit_path(const ProcessRecord& process) const { return path_of(process.files + ".exit"); }
  std::string admin_socket_of(const ProcessRecord& record) const;
  xds::BootstrapPlaces places_of(const ProcessRecord& record) const;
  std::expected<Configuration, Problem> configuration_of(const ir::Proxy& proxy) const;

  RunningPtr adopt(ProcessRecord record);
  // What is to run now.
  const Wanted& target() const;
  // Starts whatever is to be started next, if anything is.
  void advance();
  void start(Role role, Wanted wanted, std::uint32_t base_id, std::uint32_t restart_epoch);
  std::expected<void, Problem> try_start(Running& process);
  void watch(Running& process);
  // That it gets ready is no news any more: whoever is about to be ended may still have answered so.
  void stop_asking(Running& process);
  void kill(Running& process);
  // Kills it because something else is wanted.
  void abandon(Running& process);
  // SIGTERM, and SIGKILL if it does not go.
  void end(Running& process);
  // Kills a successor that is not ready when its time is up.
  void expect_in_time(Running& process);

  void poll_readiness(Running& process);
  void became_ready(Running& process);
  void promote();

  // It is dead. How it ended is known a moment later.
  void died(Running& process);
  void poll_exit(Running& process, Clock::time_point until);
  void exited(Running* process, const Exit& status);
  void successor_failed(const Running& process, const std::string& reason);
  void current_failed(const Running& process, const std::string& reason);
  // The process is as the newest ensure() wants it.
  bool is_wanted(const Running& process) const;

  void begin_drain(bool others_stay);
  void await_empty_queues(Clock::time_point until);
  void retire_sockets(std::uint32_t kept);
  void use_all_sockets();
  // Lets go of retiring sockets once their process has closed them.
  void end_retirement();
  void drain_listeners(std::string_view target);
  void poll_connections();
  void ask_at(const std::string& socket, const std::string& target, std::chrono::milliseconds timeout,
              std::function<void(std::optional<std::string>)> done);
  void end_all();
  void finish();

  bool base_id_in_use(std::uint32_t base_id) const;
  std::vector<Running*> all() const;
  void save();
  void forget_files(const ProcessRecord& process);
  State state() const;
  void report(State state, std::string message);
  // The one of them that matters most.
  std::optional<Problem> problem() const;

  const Surroundings& around_;
  const std::string name_;
  ProxyRecord record_;  // its processes are filled in when it is saved

  std::optional<ir::Proxy> ensured_;  // the last one, as it was given
  std::optional<Wanted> wanted_;
  std::optional<Wanted> good_;            // the last one that became ready
  std::optional<Configuration> refused_;  // an Envoy did not come up with it
  std::optional<Problem> problem_;        // see Event::problem
  std::optional<Problem> unsaved_;        // the record could not be written
  std::optional<Problem> shared_;         // a port is not its alone
  RunningPtr current_;
  RunningPtr successor_;
  std::vector<RunningPtr> draining_;

  int failures_ = 0;
  Loop::Timer restart_;
  Clock::time_point taken_over_;
  Loop::Timer next_change_;
  Loop::Timer save_again_;
  std::optional<RetiringSockets> retiring_;
  Loop::Timer retiring_poll_;

  bool finished_ = false;
  Clock::time_point drain_start_;
  int unanswered_ = 0;
  std::unique_ptr<AdminCall> drain_call_;
  Loop::Timer drain_poll_;
  Loop::Timer drain_deadline_;

  std::list<std::unique_ptr<AdminCall>> asked_;
};

}  // namespace sluice::proxy
