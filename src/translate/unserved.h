// A socket that its proxy does not serve though nothing about it is wrong: its port is taken, mostly. That is
// no fault of an object, so no object is held back: the socket's listeners say so until the proxy takes it at
// another try (control/retries.h).
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "translate/rows.h"

namespace sluice::translate {

// Reads a proxy's refusal of a listener. Nothing where it is of another kind than that an address could not
// be bound.
std::optional<Unserved> read_bind_failure(std::string_view message);

// Where another process has it, the port.
std::optional<std::uint16_t> taken_port(const Unserved& unserved);

// For people: "0.0.0.0:80 is in use by another process".
std::string describe(const Unserved& unserved);

// The problem of the socket's listeners, which are all of one proxy; one at least.
Problem unserved_problem(const Unserved& unserved, const std::vector<const ListenerPlan*>& listeners);

// The listener is of such a socket.
void set_unserved(ListenerPlan& listener, const Unserved& unserved);

}  // namespace sluice::translate
