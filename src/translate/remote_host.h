// A server that proxies fetch something from, by URL.
//
// Threads: pure functions.
#pragma once

#include <memory>
#include <string_view>

#include "translate/rows.h"

namespace sluice::translate {

// The cluster for an http or https URL, which verifies the server by the authorities of the machine; null
// where the URL names no host.
std::shared_ptr<const ClusterRow> remote_host(std::string_view url);

}  // namespace sluice::translate
