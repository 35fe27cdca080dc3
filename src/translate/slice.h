// What an EndpointSlice must be so that Envoy takes it: one address that is none would have Envoy refuse all
// endpoints of its Service. A cluster's API server refuses such slices; those in files are written by hand.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/kinds.h"
#include "base/problem.h"
#include "translate/tables.h"

namespace sluice::translate {

// Whether requests can be sent there: an IP address, or in a slice of names (addressType FQDN) a name.
bool is_usable(const api::EndpointSlice& slice, const std::string& address);
bool is_usable(const api::EndpointPort& port);

struct SliceProblems {
  std::vector<Problem> problems;

  bool operator==(const SliceProblems&) const = default;
};

// What of a slice is left out, if anything is; and where it is all for nothing, as no Service, or no port of
// its Service, is what the slice is for.
std::optional<SliceProblems> check_slice(const NamespacedName& name, const api::EndpointSlice& slice,
                                         const Projections& tables, flow::Reads& reads);

}  // namespace sluice::translate
