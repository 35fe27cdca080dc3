// A socket with what its routes bring: the filter chains of its TLS and TCP listeners, where its datagrams
// go.
//
// Routes compete for server names, and the older one wins each (all of a listener is one more name). A TLS
// listener keeps its hostname though no route is there, so that its connections do not fall through to a
// wider one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "translate/rows.h"

namespace sluice::translate {

struct SocketRow {
  ir::Listener listener;
  std::vector<std::string> clusters;  // that it forwards to, kNowhere among them; sorted
  std::vector<Problem> problems;      // of routes that get nothing

  bool operator==(const SocketRow&) const = default;
};

// `routes` bring something to this socket; in any order.
SocketRow assemble_socket(const SocketPlan& plan,
                          const std::vector<std::pair<ObjectKey, const StreamContribution*>>& routes);

}  // namespace sluice::translate
