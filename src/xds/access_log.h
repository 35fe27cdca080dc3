// Access logs.
#pragma once

#include "ir/ir.h"

namespace envoy::config::accesslog::v3 {
class AccessLog;
}

namespace sluice::xds {

void fill_access_log(const ir::AccessLog& log, envoy::config::accesslog::v3::AccessLog* to);

}  // namespace sluice::xds
