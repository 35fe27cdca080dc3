// Traces of a connection manager.
//
// Threads: pure functions.
#pragma once

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

#include "ir/telemetry.h"
#include "xds/filters/extension.h"

namespace sluice::xds {

void fill_tracing(const ir::Tracing& from, HttpConnectionManager::Tracing* to);

void fill_request_id(const ir::RequestId& from, HttpConnectionManager* to);

}  // namespace sluice::xds
