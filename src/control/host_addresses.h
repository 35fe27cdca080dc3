// The addresses of this machine: what they are, and when they change.
#pragma once

#include <functional>
#include <memory>

#include "translate/rows.h"

namespace sluice::control {

// What they are now: of the interfaces that are up, in the network namespace of the caller. None where the
// kernel does not tell.
translate::HostAddresses read_host_addresses();

// What follows the addresses. Destroying it ends the calls; it must not be destroyed by one.
class HostWatch {
 public:
  virtual ~HostWatch() = default;
};

// Fills in what the addresses are now, and calls with all of them whenever they have become others: of the
// interfaces that are up, in the network namespace of the caller. The kernel tells; what changes at one time
// is one call. Null where it does not tell; `now` is filled in all the same.
//
// Threads: may be called from any; it calls from one of its own.
std::unique_ptr<HostWatch> watch_host_addresses(translate::HostAddresses* now,
                                                std::function<void(translate::HostAddresses)> changed);

}  // namespace sluice::control
