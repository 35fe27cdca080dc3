// The addresses of this machine.
//
// Threads: may be called from any.
#pragma once

#include "translate/rows.h"

namespace sluice::control {

translate::HostAddresses read_host_addresses();

}  // namespace sluice::control
