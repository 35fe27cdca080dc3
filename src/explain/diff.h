// What a change does, in the user's words: two commits compared by what they serve.
//
// Names of xDS, names of rules and listeners, the files and the order in which objects are written do not
// count. What does: sockets and their TLS, the hosts on them, for each host which match leads to what and,
// where two matches can meet one request, which of them comes first; backends and their endpoints; how each
// Envoy is started; and then, apart from that, statuses and problems.
//
// Threads: a pure function of the snapshots, on their threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/problem.h"
#include "explain/snapshot.h"

namespace sluice::explain {

struct Change {
  enum class Kind : std::uint8_t { kAdded, kRemoved, kChanged };
  Kind kind = Kind::kChanged;
  std::string what;                  // "path /a or below"
  std::vector<std::string> details;  // "backends: Service default/one, port 80 → …"

  bool operator==(const Change&) const = default;
};

// The changes of one thing, and of the things in it.
struct Section {
  std::string title;  // "Gateway default/web, port 8080"
  std::vector<Change> changes;
  std::vector<Section> sections;

  bool empty() const { return changes.empty() && sections.empty(); }
};

struct Diff {
  std::vector<Section> served;
  std::vector<Change> statuses;
  std::vector<Change> problems;

  bool empty() const { return served.empty() && statuses.empty() && problems.empty(); }
};

// `problems` are all that is known of each side, those of reading included.
Diff diff(const Snapshot& before, const std::vector<Problem>& problems_before, const Snapshot& after,
          const std::vector<Problem>& problems_after);

}  // namespace sluice::explain
