// One match against one request, as Envoy compares them; and in words.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "explain/request.h"
#include "ir/ir.h"

namespace sluice::explain {

// The patterns of regular expressions match whole values (RE2).
bool takes(const ir::RouteMatch& match, const Arrival& arrival);

// Every part of the match that the request fails, in words: "the method is GET, not POST". None where it
// takes the request.
struct Mismatch {
  bool path = false;  // it is the path
  std::string text;
};
std::vector<Mismatch> mismatches(const ir::RouteMatch& match, const Arrival& arrival);

// "path /a or below, method POST, header x-version = `2`".
std::string describe(const ir::RouteMatch& match);

// Why of two matches in one host the first is tried before the second; empty where their ranks are equal.
std::string why_before(const ir::RouteMatch& first, const ir::RouteMatch& second);

// False only where no request can meet both.
bool may_overlap(const ir::RouteMatch& a, const ir::RouteMatch& b);

// RE2, of the whole text; false for a pattern that is none.
bool full_match(const std::string& text, const std::string& pattern);

}  // namespace sluice::explain
