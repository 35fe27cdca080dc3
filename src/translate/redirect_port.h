// The port in the Location of a redirect (Gateway API, HTTPRequestRedirectFilter.port).
//
// A filter without a port means the well-known one of its scheme or, without a scheme, that of the listener;
// and what goes without saying is not written: 80 of http, 443 of https. So a redirect depends on the
// listener that requests come to, and is the only part of a rule that does.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <vector>

#include "ir/ir.h"

namespace sluice::translate {

// Where requests come in, as the user has it: what the proxy binds may be another port.
struct Entrance {
  std::uint16_t port = 0;
  bool tls = false;

  auto operator<=>(const Entrance&) const = default;
};

// `redirect.port` is the user's, if there is one.
ir::Redirect redirect_at(const Entrance& entrance, ir::Redirect redirect);

// With all their redirects as they are there; the same routes where nothing depends on it.
using RoutesPtr = std::shared_ptr<const std::vector<ir::Route>>;
RoutesPtr routes_at(const Entrance& entrance, const RoutesPtr& routes);

}  // namespace sluice::translate
