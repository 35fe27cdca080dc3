// The picker as a program: the ext_proc server with a PickerService on its one loop, its health, and
// endpoints that are given or read from a file.
//
// The health service knows "", liveness, readiness and the ext_proc service. The last two are not served
// before all endpoints have been asked once.
//
// Threads: one of the server's own. All members may be called from any.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/problem.h"
#include "extproc/server.h"
#include "picker/service/service.h"

namespace sluice::picker {

struct ServerOptions {
  ServiceOptions service;
  extproc::Options server;  // limits and threads are set by start()
  std::vector<Endpoint> endpoints;
  // More of them; read again when it changes. While it is no good, what was there before stays. Empty: none.
  std::string endpoints_file;
};

class PickerServer {
 public:
  // Null, with *problem, where an address, a certificate or the file is no good. `report` is called later,
  // from other threads, for files that changed for the worse.
  static std::unique_ptr<PickerServer> start(ServerOptions options,
                                             std::function<void(const Problem&)> report, Problem* problem);
  virtual ~PickerServer() = default;

  // Where it listens, with the port that it got.
  virtual const std::string& address() const = 0;
  virtual bool ready() const = 0;
  // Gives the page for Prometheus to the callback, on another thread.
  virtual void metrics(std::function<void(std::string)> callback) = 0;
  // Gives the pool, and what is known of its servers, to the callback, on another thread: for a page of
  // several. The pool is there as long as the server.
  virtual void look(std::function<void(Pool&, std::vector<Scraper::Server>)> callback) = 0;
  // In place of the endpoints and the rules that there were, and of the profile and of where servers are
  // asked, where these are there.
  virtual void update(std::vector<Endpoint> endpoints, TrafficRules rules, std::optional<Profile> profile,
                      std::optional<Sources> sources) = 0;
  // As extproc::Server's.
  virtual void drain(std::chrono::milliseconds timeout) = 0;
};

}  // namespace sluice::picker
