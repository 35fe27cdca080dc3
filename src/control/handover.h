// When the Envoy of a proxy that is no longer wanted may end: when those that take its ports serve.
//
// Where Gateways are merged or parted, or one is renamed, the same ports go from one Envoy to another. The
// new one takes a second to start. Until it serves, the old one does, as it did; its sockets and the new
// one's are open side by side. A proxy whose ports nobody takes waits for nobody, and nobody is waited for
// too long: he may never come up, and what was taken away is not to be served for ever.
//
// Threads: one at a time. Knows no clock: time goes in.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "ir/ir.h"

namespace sluice::control {

class Handover {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kLongest{30};

  // The proxy is not wanted as of this commit, with which these others get ports of its.
  void leave(const ir::ProxyKey& proxy, std::uint64_t commit, std::set<ir::ProxyKey> heirs, Time now);
  // It is wanted again. False where it has been taken meanwhile, or never left.
  bool stay(const ir::ProxyKey& proxy) { return leaving_.erase(proxy) > 0; }
  // The proxy serves this commit.
  void serves(const ir::ProxyKey& heir, std::uint64_t commit);
  // The proxy will never serve: it has left itself.
  void gone(const ir::ProxyKey& heir);

  std::optional<Time> wake_at() const;
  // The proxies that wait no longer.
  std::vector<ir::ProxyKey> take(Time now);

 private:
  struct Leaving {
    std::uint64_t commit = 0;
    std::set<ir::ProxyKey> heirs;  // that do not serve yet
    Time until;
  };
  std::map<ir::ProxyKey, Leaving> leaving_;
};

}  // namespace sluice::control
