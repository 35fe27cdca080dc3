// What the epochs of an Envoy share: a number (the base id) that names a piece of shared memory and, with a
// path, the sockets by which a new epoch asks the old one for its listeners.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::proxy {

// One whose shared memory does not exist yet.
std::uint32_t choose_base_id();

// The longest that is appended to the path given with --socket-path, with any base id of ours.
constexpr std::size_t kLongestSocketSuffix = 20;  // "_udp_parent_12345678"

// An epoch that dies while it initialises leaves word that it is still at it, and no other may start beside
// the old one then. Only to be called when no such epoch lives. False if the memory is not of the layout we
// know.
bool forget_failed_epoch(std::uint32_t base_id);

// Removes memory and sockets. Only to be called when no process of this base id lives.
void remove_traces(std::uint32_t base_id, const std::string& socket_path);

}  // namespace sluice::proxy
