// Hostnames of listeners and routes: "*" is every host, "*.example.com" every host below example.com.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::translate {

// True where every host that `narrow` stands for is one that `wide` stands for too: covers("*.a.b", "x.a.b"),
// covers("*", "*.a.b"), covers(h, h).
bool covers(std::string_view wide, std::string_view narrow);

// The narrower of two hosts that overlap, or nothing. "" counts as "*".
std::optional<std::string> intersect(std::string_view a, std::string_view b);

// The hosts under which a route is served on a listener, sorted and without duplicates: the intersections of
// its hostnames (none: all) with the listener's, less what a sibling listener on the same socket claims more
// narrowly (listener isolation, Gateway API v1 GEP-1364: a request belongs to its most specific listener
// only).
std::vector<std::string> served_hosts(const std::vector<std::string>& route_hostnames,
                                      std::string_view listener_hostname,
                                      const std::vector<std::string>& sibling_hostnames);

}  // namespace sluice::translate
