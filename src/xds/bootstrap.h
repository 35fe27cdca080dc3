// The bootstrap of an Envoy that sluice runs.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/problem.h"
#include "ir/ir.h"

namespace sluice::xds {

struct BootstrapPlaces {
  std::string node_id;
  std::string xds_socket;    // Unix socket of ADS
  std::string admin_socket;  // Unix socket (abstract or path) for the admin interface; mode 0600
};

// Of the problems of render_bootstrap.
inline constexpr std::string_view kBootstrapPath = "spec.bootstrap.value";

// The bootstrap as JSON. Delta ADS over the Unix socket, with reconnection after at most 1 s; no static
// listeners. The user's changes (ir::Proxy::bootstrap) are merged, patched in or put in its place; what is
// wrong with them is a Problem ("value/bootstrap"), and then the caller keeps the bootstrap it had.
std::expected<std::string, Problem> render_bootstrap(const ir::Proxy& proxy, const BootstrapPlaces& places);

}  // namespace sluice::xds
