// Our own endpoint pickers: one for each InferencePool that names no other, started with the first route to
// the pool and ended with the last.
//
// A picker is the service of `sluice picker` at a Unix socket, on a thread of its own; or it is inside Envoy,
// as the dynamic module picker/module, and has what it is told from a file that is replaced here. The
// pipeline says which there are to be and what each is told (translate::PickerPlan); a change of pods reaches
// it as it reaches Envoy, or within a tenth of a second.
//
// Threads: the control thread, but for metrics(), which any may call.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "control/pipeline.h"
#include "picker/service/server.h"

namespace sluice::control {

class Pickers {
 public:
  // What the last commit changed. One that could not be started is tried again with the next change of its
  // pool.
  void follow(const Pipeline& pipeline);

  // The page for Prometheus, of those beside Envoy, by pool: empty where there are none. Waits for their
  // threads, each of which is never long at one thing.
  std::string metrics() const;

 private:
  void set(const NamespacedName& pool, const translate::PickerPlan& plan);

  void end(const NamespacedName& pool);

  struct Picker {
    std::shared_ptr<picker::PickerServer> server;  // beside Envoy; or
    std::string file;                              // what one inside is told
    std::string config;                            // the last good one
  };
  mutable std::mutex mutex_;  // for who changes running_, and for metrics()
  std::map<NamespacedName, Picker> running_;
};

}  // namespace sluice::control
