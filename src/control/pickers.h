// Our own endpoint pickers: one for each InferencePool that names no other, started with the first route to
// the pool and ended with the last.
//
// A picker is the service of `sluice picker` at a Unix socket, on a thread of its own; or it is inside Envoy,
// as the dynamic module picker/module, and has what it is told from a file that is replaced here. The
// pipeline says which there are to be and what each is told (translate::PickerPlan); a change of pods reaches
// it as it reaches Envoy, or within a tenth of a second.
//
// What the pickers count is asked for where they are: those beside Envoy on their threads, one inside at the
// socket that the module has beside the file, in each Envoy for itself.
//
// Threads: the control thread, but for metrics(), which any may call.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "control/pipeline.h"
#include "ir/ir.h"
#include "picker/service/server.h"

namespace sluice::control {

class Pickers {
 public:
  Pickers();
  Pickers(const Pickers&) = delete;
  Pickers& operator=(const Pickers&) = delete;
  ~Pickers();

  // What the last commit changed. One that could not be started is tried again with the next change of its
  // pool.
  void follow(const Pipeline& pipeline);

  // Asks the module of this proxy's Envoy which serves: `socket` makes the path of its socket from a pid.
  // Calls back soon, or destroys the callback.
  using Ask = std::function<void(const ir::ProxyKey& proxy, std::function<std::string(int pid)> socket,
                                 std::function<void(std::optional<std::string>)> done)>;
  // Gives the page for Prometheus to `done`, once, on whatever thread: by pool, and those inside Envoy by
  // proxy too; empty where there are none. Waits for the threads of those beside Envoy, each of which is
  // never long at one thing, and for nobody else; Envoys that do not answer are left out.
  void metrics(const std::vector<ir::ProxyKey>& proxies, const Ask& ask,
               std::function<void(std::string)> done) const;
  // After this nobody is given a page any more who has to wait for it.
  void close();

 private:
  struct Gate;
  struct Gathering;

  void set(const NamespacedName& pool, const translate::PickerPlan& plan);

  void end(const NamespacedName& pool);

  struct Picker {
    std::shared_ptr<picker::PickerServer> server;  // beside Envoy; or
    std::string file;                              // what one inside is told
    std::string config;                            // the last good one
  };
  mutable std::mutex mutex_;  // for who changes running_, and for metrics()
  std::map<NamespacedName, Picker> running_;
  const std::shared_ptr<Gate> gate_;
};

}  // namespace sluice::control
