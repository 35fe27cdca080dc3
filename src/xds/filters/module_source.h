// Where Envoy gets a module from: a file of its machine, or a server.
#pragma once

#include <string>

#include "envoy/config/core/v3/base.pb.h"

namespace sluice::xds {

// A file where `path` is not empty; else what `cluster` answers at `uri`, whose SHA-256 has to be `sha256`.
void fill_module(const std::string& path, const std::string& uri, const std::string& cluster,
                 const std::string& sha256, envoy::config::core::v3::AsyncDataSource* to);

}  // namespace sluice::xds
