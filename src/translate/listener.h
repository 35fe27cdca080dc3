// One listener by itself: what it may carry, whose routes it takes, with which certificates it ends TLS. What
// it is beside others is the proxy's plan (translate/proxy_plan.h).
#pragma once

#include <string_view>
#include <vector>

#include "translate/tables.h"

namespace sluice::translate {

// What a listener of each protocol may carry.
struct Protocol {
  std::string_view name;
  std::vector<std::string_view> route_kinds;
  std::string_view transport;  // what shares a socket number
};

const std::vector<Protocol>& protocols();
// Null where the specification has no such protocol.
const Protocol* protocol_named(std::string_view name);

// `owner` is the Gateway or ListenerSet that has it as its listener number `index`: references start there.
ListenerPlan read_listener(const ObjectKey& owner, std::size_t index, const api::Listener& listener,
                           const Projections& tables, flow::Reads& reads, std::vector<Problem>& problems);

}  // namespace sluice::translate
