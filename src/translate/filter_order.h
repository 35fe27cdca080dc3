// EnvoyProxy's filterOrder: the user's word on the order of HTTP filters.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "translate/rows.h"

namespace sluice::translate {

std::vector<ir::FilterMove> filter_moves(const std::vector<api::FilterPosition>& order);

// Positions that cannot all be met: of a circle the last is what is wrong. They are applied one after the
// other all the same, so that it is the earlier one that gives way.
PolicyProblems check_filter_order(const NamespacedName& envoy_proxy,
                                  const std::vector<api::FilterPosition>& order);

// The same for the conditions of an EnvoyProxy and of what names it; empty: the order is good.
std::string wrong_filter_order(const api::EnvoyProxy& envoy_proxy);

}  // namespace sluice::translate
