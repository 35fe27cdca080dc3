// How many connections an Envoy has, of what its admin interface says.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sluice::proxy {

// What to GET: "downstream_(pre_)?cx_active|server\.total_connections", as a query may hold it. Those with
// "pre" have not said yet what they are, as in TLS before the client's first message.
inline constexpr std::string_view kConnectionStats =
    "/stats?filter=downstream_%28pre_%29%3Fcx_active%7Cserver%5C.total_connections";

// Zero where nobody is connected to its listeners, but for those at `ignored_ports`, which are not for users;
// nothing when the text does not tell. A connection counts more than once where Envoy counts by worker too.
std::optional<std::uint64_t> count_connections(std::string_view stats,
                                               std::span<const std::uint16_t> ignored_ports = {});

}  // namespace sluice::proxy
