// What several routes bring to one host, as one list in the order in which matches are tried.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "translate/rows.h"

namespace sluice::translate {

// A route is told of so many others that claim a match of its; that there are more is all it hears of them.
inline constexpr std::size_t kMaxOverlaps = 16;

struct MergedHost {
  ir::VirtualHost host;
  Overlaps overlaps;
  std::map<ObjectKey, LostMatches> lost;  // by route

  bool operator==(const MergedHost&) const = default;
};

// Precedence is the specification's (HTTPRouteRule.matches): exact path, then regular expression, then the
// longest prefix; a method; more headers (of as many, more exact ones), more query parameters; then the
// oldest route, then the first by namespace and name, then the order within the route. Of two routes that
// claim the same match the older wins; both hear of it in their conditions, and the other in a problem.
// Routes of all kinds count alike.
MergedHost merge_host(const std::string& host,
                      const std::vector<std::pair<ObjectKey, const Contribution*>>& contributions);

// What a route is told of the matches that it has lost on its hosts.
std::vector<Problem> problems_of_lost(const ObjectKey& route,
                                      const std::vector<std::pair<std::string, const LostMatches*>>& by_host);

// A host that another listener of the socket serves: whoever asks for it here is told so, with 421.
ir::VirtualHost misdirected_host(const std::string& host);

// The clusters that the routes of a host send to, sorted.
std::vector<std::string> clusters_of(const ir::VirtualHost& host);

}  // namespace sluice::translate
