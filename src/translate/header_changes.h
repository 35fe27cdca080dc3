// What users have done to headers: which of it can be, and what it is in words of our own.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/kinds.h"
#include "ir/ir.h"

namespace sluice::translate {

// Names of headers compare without case.
bool same_name(std::string_view a, std::string_view b);

// A token of RFC 9110, 5.6.2.
bool is_header_name(std::string_view name);

struct HeaderChangeFault {
  std::string field;  // of the filter: "set[0].value"
  std::string message;
  std::string suggestion;
};

// All reasons why the filter cannot be; none: it can.
std::vector<HeaderChangeFault> faults_of_header_changes(const api::HTTPHeaderFilter& filter);

// Whether users may change it: the host is no header like others, nor are names that Envoy keeps for itself.
bool may_change(std::string_view header);

// Of several changes to one header in a filter the first counts.
void add_header_changes(const api::HTTPHeaderFilter& filter, ir::HeaderChanges& changes);

void append(const ir::HeaderChanges& more, ir::HeaderChanges& to);

}  // namespace sluice::translate
