// Traces of a connection manager.
//
// Threads: pure functions.
#pragma once

#include "ir/telemetry.h"
#include "xds/filters/extension.h"

namespace sluice::xds {

void fill_tracing(const ir::Tracing& from, HttpConnectionManager::Tracing* to);

void fill_request_id(const ir::RequestId& from, HttpConnectionManager* to);

}  // namespace sluice::xds
