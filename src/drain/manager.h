// The shutdown manager, a container beside Envoy in its pod: it says when Envoy may end.
//
// Kubernetes ends a container after its preStop hook. Envoy's is a request for kReadyPath (drain/address.h),
// which is answered once `sluice envoy shutdown`, this container's hook, has come to its end (drain/door.h):
// with 200. Where nobody drains it is answered with 503 when the ready time-out is over, so that a pod does
// not hang. While somebody drains that time-out does not count, for who drains has times of his own.
//
// If this container alone is begun anew, its hook has run: Envoy is told to pass health checks again.
//
// Threads: the loop's, on which all but the answering of HTTP happens.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "admin/server.h"
#include "base/loop.h"
#include "base/problem.h"
#include "drain/door.h"
#include "proxy/admin_call.h"

namespace sluice::drain {

struct ManagerOptions {
  std::string address;  // "[::]:19002"
  std::chrono::milliseconds ready_timeout;
  std::string envoy_admin;  // "127.0.0.1:19000"
  std::string door = kDoor;
};

class Manager {
 public:
  // The problem says why it cannot listen. The loop must outlive it, and run.
  static std::expected<std::unique_ptr<Manager>, Problem> start(Loop& loop, ManagerOptions options);
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  ~Manager();

  // Where it really listens.
  std::string address() const { return server_->tcp_address(); }
  // `ended` is called, from the loop, as soon as nobody drains and those who wait have their answer.
  void end(std::function<void()> ended);

 private:
  // Who drains, and who waits for that.
  struct Drainer {
    Descriptor socket;
    Loop::Watch watch;
  };
  struct Waiting {
    admin::Respond respond;
    Loop::Timer timeout;
    bool is_late = false;
  };

  Manager(Loop& loop, ManagerOptions options);
  std::expected<void, Problem> listen();
  void pass_health_checks();
  void accept();
  void read(std::list<Drainer>::iterator drainer);
  void wait(admin::Respond respond);
  void answer(std::list<Waiting>::iterator waiting, bool drained);
  void has_drained();
  void gave_up();
  void end_if_idle();

  Loop& loop_;
  const ManagerOptions options_;
  bool drained_ = false;
  bool answered_ = false;  // somebody who waited
  std::function<void()> ended_;
  std::list<Drainer> drainers_;
  std::list<Waiting> waiting_;
  Descriptor door_;
  Loop::Watch knocks_;
  Loop::Timer linger_;
  std::unique_ptr<proxy::AdminCall> call_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what the server has posted to the loop
  std::unique_ptr<admin::Server> server_;                       // ends first: its thread posts to the loop
};

}  // namespace sluice::drain
