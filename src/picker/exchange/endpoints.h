// Endpoints as text, for hosts without Kubernetes:
//
//   10.0.0.1:8000                    # a comment
//   10.0.0.2:8000 role=decode zone=a
//   [fd00::1]:8000, [fd00::2]:8000
//
// An address is an IP address and a port. What follows it up to the end of the line or a comma are labels;
// `role` is short for kRoleLabel: prefill, decode or both.
//
// Threads: pure function.
#pragma once

#include <expected>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "picker/endpoint.h"

namespace sluice::picker {

// Each address once. `file` is for the problem's place; it may be empty.
std::expected<std::vector<Endpoint>, Problem> parse_endpoints(std::string_view text,
                                                              std::string_view file = {});

}  // namespace sluice::picker
