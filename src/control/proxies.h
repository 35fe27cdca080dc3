// The proxies that are wanted, how far each is, and those that are wanted no longer and still serve.
//
// follow() takes the wanted ones from a commit. An Envoy that is wanted no longer stays until its heirs serve
// (control/handover.h); take_ended() tells when. On a host these are who gets its ports. In a cluster each
// has an address of its own, and its heirs are who gets its Gateways; of one that no node of is connected
// here, that it is ready has to do.
//
// Threads: belongs to the control thread. Knows no clock: time goes in.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/problem.h"
#include "control/handover.h"
#include "control/pipeline.h"

namespace sluice::control {

class Proxies {
 public:
  enum class Heirs : std::uint8_t { kOfPorts, kOfGateways };
  explicit Proxies(Heirs heirs) : heirs_(heirs) {}

  struct Proxy {
    ir::Proxy process;  // as its runner knows it
    bool ready = false;
    std::uint64_t acknowledged = 0;  // a commit; 0: none yet
    std::optional<Problem> problem;  // as its last event had it
    std::set<NamespacedName> gateways;
    std::set<std::string> aggregates;  // its route tables, itself for its listeners, and what is patched
  };

  // Null where it is not wanted.
  Proxy* find(const ir::ProxyKey& key);

  // What the last commit changed.
  struct Changes {
    std::vector<ir::ProxyKey> added;
    std::vector<ir::ProxyKey> to_run;  // new or another process: these and those of `added`
    std::map<ir::ProxyKey, Proxy> removed;
  };
  Changes follow(const flow::Table<ir::ProxyKey, translate::ProxyPlan>& wanted);
  // The removed leave with this commit, in which these others get something.
  void leave(std::map<ir::ProxyKey, Proxy> removed, std::uint64_t commit,
             const std::vector<ir::ProxyKey>& served, Handover::Time now);
  // The Envoys that the last process has left and nothing wants leave. Which ports they have is not known:
  // they wait for all that serve now.
  void leave_orphans(const std::vector<ir::ProxyKey>& adopted, std::uint64_t commit, Handover::Time now);

  void set_ready(const ir::ProxyKey& key, bool ready);
  // True the first time. The proxy is wanted.
  bool acknowledge(const ir::ProxyKey& key, std::uint64_t commit);

  std::optional<Handover::Time> wake_at() const { return handover_.wake_at(); }
  // Those whose Envoys may end: nobody waits for them any more.
  std::vector<ir::ProxyKey> take_ended(Handover::Time now);

 private:
  bool inherits(const Proxy& heir, const Proxy& left) const;

  const Heirs heirs_;
  std::map<ir::ProxyKey, Proxy> wanted_;
  std::map<ir::ProxyKey, Proxy> leaving_;  // they wait in handover_
  Handover handover_;
};

}  // namespace sluice::control
