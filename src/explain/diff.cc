#include "explain/diff.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "explain/match.h"
#include "explain/view.h"

namespace sluice::explain {

namespace {

using Kind = Change::Kind;

constexpr std::size_t kMaxOrders = 10;  // shown of a host

// Calls `see` with the key and both sides' values, of which one may be null, in the order of the keys.
template <typename Map, typename See>
void each_pair(const Map& before, const Map& after, See see) {
  auto b = before.begin();
  auto a = after.begin();
  while (b != before.end() || a != after.end()) {
    if (a == after.end() || (b != before.end() && b->first < a->first)) {
      see(b->first, &b->second, decltype (&b->second)(nullptr));
      ++b;
    } else if (b == before.end() || a->first < b->first) {
      see(a->first, decltype (&a->second)(nullptr), &a->second);
      ++a;
    } else {
      see(b->first, &b->second, &a->second);
      ++b;
      ++a;
    }
  }
}

std::vector<std::string> differences(const Settings& before, const Settings& after) {
  std::vector<std::string> texts;
  each_pair(before, after, [&](const std::string& name, const std::string* b, const std::string* a) {
    if (b != nullptr && a != nullptr && *b == *a) return;
    const auto shown = [](const std::string* value) {
      return value == nullptr || value->empty() ? std::string("none") : *value;
    };
    texts.push_back(fmt::format("{}: {} → {}", name, shown(b), shown(a)));
  });
  return texts;
}

std::vector<std::string> all_of(const Settings& settings) {
  std::vector<std::string> texts;
  for (const auto& [name, value] : settings) {
    if (!value.empty()) texts.push_back(fmt::format("{}: {}", name, value));
  }
  return texts;
}

// Credentials are secrets: of those that differ, that they do.
constexpr char kOtherCredential[] = "credential: its value is another";

bool replaced(const std::set<std::string>& before, const std::set<std::string>& after) {
  return !before.empty() && !after.empty() && before != after;
}

void compare_settings(const Settings& before, const Settings& after, Section& section) {
  for (std::string& text : differences(before, after))
    section.changes.push_back({Kind::kChanged, std::move(text), {}});
}

// Positions of the elements that do not have to move for the rest to be in order: a longest increasing
// subsequence.
std::set<std::size_t> in_order(const std::vector<std::size_t>& positions) {
  std::vector<std::size_t> ends;  // of the best sequence of each length: its index
  std::vector<std::size_t> previous(positions.size());
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const auto at =
        std::ranges::lower_bound(ends, positions[i], {}, [&](std::size_t e) { return positions[e]; });
    previous[i] = at == ends.begin() ? i : *std::prev(at);
    if (at == ends.end()) {
      ends.push_back(i);
    } else {
      *at = i;
    }
  }
  std::set<std::size_t> kept;
  if (ends.empty()) return kept;
  for (std::size_t i = ends.back();; i = previous[i]) {
    kept.insert(i);
    if (previous[i] == i) return kept;
  }
}

class Comparer {
 public:
  std::vector<Section> compare(const View& before, const View& after) {
    each_pair(before.sockets, after.sockets,
              [&](const std::string& title, const SocketView* b, const SocketView* a) {
                static const auto* const none = new SocketView();
                Section section{.title = title, .changes = {}, .sections = {}};
                if (b == nullptr) section.changes.push_back({Kind::kAdded, "the port is opened", {}});
                if (a == nullptr) section.changes.push_back({Kind::kRemoved, "the port is closed", {}});
                if (b != nullptr && a != nullptr) compare_settings(b->settings, a->settings, section);
                compare_chains((b == nullptr ? none : b)->chains, (a == nullptr ? none : a)->chains, section);
                add(std::move(section));
              });
    each_pair(before.backends, after.backends,
              [&](const std::string& title, const BackendView* b, const BackendView* a) {
                compare_backends(title, b, a);
              });
    each_pair(before.proxies, after.proxies,
              [&](const std::string& title, const Settings* b, const Settings* a) {
                Section section{.title = title, .changes = {}, .sections = {}};
                if (b == nullptr) {
                  section.changes.push_back({Kind::kAdded, "it is started", all_of(*a)});
                } else if (a == nullptr) {
                  section.changes.push_back({Kind::kRemoved, "it is stopped", {}});
                } else if (auto texts = differences(*b, *a); !texts.empty()) {
                  section.changes.push_back({Kind::kChanged,
                                             "it is restarted: a new process takes over, the old one drains",
                                             std::move(texts)});
                }
                add(std::move(section));
              });
    return std::move(sections_);
  }

 private:
  void add(Section section) {
    if (!section.empty()) sections_.push_back(std::move(section));
  }

  static void compare_chains(const std::map<std::string, ChainView>& before,
                             const std::map<std::string, ChainView>& after, Section& socket) {
    each_pair(before, after, [&](const std::string& title, const ChainView* b, const ChainView* a) {
      static const auto* const none = new ChainView();
      Section own{.title = title, .changes = {}, .sections = {}};
      Section& section = title.empty() ? socket : own;  // plain HTTP is the socket itself
      if (b != nullptr && a != nullptr) {
        compare_settings(b->settings, a->settings, section);
        if (section.changes.empty() && b->exact != a->exact) {
          section.changes.push_back({Kind::kChanged, "other settings of its connections", {}});
        }
      } else if (!title.empty()) {
        section.changes.push_back({b == nullptr ? Kind::kAdded : Kind::kRemoved,
                                   b == nullptr ? "is served" : "is not served any more",
                                   all_of((b == nullptr ? a : b)->settings)});
      }
      compare_hosts((b == nullptr ? none : b)->hosts, (a == nullptr ? none : a)->hosts, section);
      if (!title.empty() && !own.empty()) socket.sections.push_back(std::move(own));
    });
  }

  static void compare_hosts(const std::map<std::string, HostView>& before,
                            const std::map<std::string, HostView>& after, Section& chain) {
    each_pair(before, after, [&](const std::string& host, const HostView* b, const HostView* a) {
      static const auto* const none = new HostView();
      Section section{.title = host == "*" ? "every host" : "host " + host, .changes = {}, .sections = {}};
      // A host without routes keeps its requests from wider hosts.
      const auto answers = [](const HostView& view) { return fmt::format("answers {}", view.otherwise); };
      if (b == nullptr && a->routes.empty()) section.changes.push_back({Kind::kAdded, answers(*a), {}});
      if (a == nullptr && b->routes.empty()) section.changes.push_back({Kind::kRemoved, answers(*b), {}});
      if (b != nullptr && a != nullptr && b->otherwise != a->otherwise) {
        section.changes.push_back({Kind::kChanged, fmt::format("{} → {}", answers(*b), a->otherwise), {}});
      }
      compare_routes((b == nullptr ? none : b)->routes, (a == nullptr ? none : a)->routes, section);
      if (!section.empty()) chain.sections.push_back(std::move(section));
    });
  }

  static void compare_routes(const std::vector<RouteView>& before, const std::vector<RouteView>& after,
                             Section& section) {
    std::map<std::string_view, std::size_t> old;
    for (std::size_t i = 0; i < before.size(); ++i) old.emplace(before[i].what, i);
    std::vector<std::pair<std::size_t, std::size_t>> common;  // position in before and in after
    for (std::size_t i = 0; i < after.size(); ++i) {
      const RouteView& route = after[i];
      const auto was = old.find(route.what);
      if (was == old.end()) {
        section.changes.push_back({Kind::kAdded, route.what, all_of(route.action)});
        continue;
      }
      common.emplace_back(was->second, i);
      const RouteView& earlier = before[was->second];
      old.erase(was);
      if (earlier.same_action(route)) continue;
      auto texts = differences(earlier.action, route.action);
      if (replaced(earlier.credentials, route.credentials)) texts.emplace_back(kOtherCredential);
      if (texts.empty()) texts.emplace_back("other settings");
      section.changes.push_back({Kind::kChanged, route.what, std::move(texts)});
    }
    for (const RouteView& route : before) {
      if (old.contains(route.what))
        section.changes.push_back({Kind::kRemoved, route.what, all_of(route.action)});
    }
    compare_order(common, after, section);
  }

  // Which of two comes first matters where a request may meet both and they do not do the same.
  static void compare_order(const std::vector<std::pair<std::size_t, std::size_t>>& common,
                            const std::vector<RouteView>& after, Section& section) {
    std::vector<std::size_t> old;
    for (const auto& [b, a] : common) old.push_back(b);
    const std::set<std::size_t> kept = in_order(old);
    std::set<std::pair<std::size_t, std::size_t>> swapped;  // in after: first, second
    for (std::size_t i = 0; i < common.size(); ++i) {
      if (kept.contains(i)) continue;
      for (std::size_t j = 0; j < common.size(); ++j) {
        const bool inverted = (i < j) != (common[i].first < common[j].first);
        if (i == j || !inverted) continue;
        const std::size_t first = common[std::min(i, j)].second;
        const std::size_t second = common[std::max(i, j)].second;
        if (after[first].same_action(after[second]) || !may_overlap(after[first].match, after[second].match))
          continue;
        swapped.emplace(first, second);
      }
    }
    std::size_t shown = 0;
    for (const auto& [first, second] : swapped) {
      if (shown++ == kMaxOrders) break;
      section.changes.push_back(
          {Kind::kChanged,
           fmt::format("{} is tried before {} now", after[first].what, after[second].what),
           {}});
    }
    if (swapped.size() > kMaxOrders) {
      section.changes.push_back(
          {Kind::kChanged, fmt::format("and {} more changes of order", swapped.size() - kMaxOrders), {}});
    }
  }

  void compare_backends(const std::string& title, const BackendView* b, const BackendView* a) {
    static const auto* const none = new BackendView();
    Section section{.title = title, .changes = {}, .sections = {}};
    const BackendView& before = b == nullptr ? *none : *b;
    const BackendView& after = a == nullptr ? *none : *a;
    const auto joined = [](const BackendView& view) {
      Settings settings;
      for (const auto& [name, values] : view.settings) {
        settings[name] = fmt::format("{}", fmt::join(values, "; "));
      }
      return settings;
    };
    compare_settings(joined(before), joined(after), section);
    if (replaced(before.credentials, after.credentials)) {
      section.changes.push_back({Kind::kChanged, kOtherCredential, {}});
    }
    if (section.changes.empty() && before.exact != after.exact) {
      section.changes.push_back({Kind::kChanged, "other settings of its connections", {}});
    }
    for (const std::string& endpoint : after.endpoints) {
      if (!before.endpoints.contains(endpoint)) section.changes.push_back({Kind::kAdded, endpoint, {}});
    }
    for (const std::string& endpoint : before.endpoints) {
      if (!after.endpoints.contains(endpoint)) section.changes.push_back({Kind::kRemoved, endpoint, {}});
    }
    // Of a backend that comes or goes, the routes speak.
    if (b != nullptr && a != nullptr) add(std::move(section));
  }

  std::vector<Section> sections_;
};

// A condition that nobody need hear of when its object comes or goes.
bool is_fine(std::string_view name, std::string_view value) {
  const bool good_if_true = name.ends_with(": Accepted") || name.ends_with(": Programmed") ||
                            name.ends_with(": ResolvedRefs") || name.ends_with(": BackendsAvailable");
  return good_if_true == value.starts_with("True");
}

std::vector<Change> compare_statuses(const View& before, const View& after) {
  std::vector<Change> changes;
  each_pair(before.statuses, after.statuses,
            [&](const std::string& name, const std::string* b, const std::string* a) {
              if (b != nullptr && a != nullptr) {
                if (*b != *a)
                  changes.push_back({Kind::kChanged, fmt::format("{} {} → {}", name, *b, *a), {}});
              } else if (!is_fine(name, b == nullptr ? *a : *b)) {
                changes.push_back({b == nullptr ? Kind::kAdded : Kind::kRemoved,
                                   fmt::format("{} {}", name, b == nullptr ? *a : *b),
                                   {}});
              }
            });
  return changes;
}

// By what is wrong: where in its object, and in which file, may have changed by something else.
using Counted = std::map<std::tuple<ObjectKey, std::string, std::string>, std::vector<const Problem*>>;

Counted by_content(const std::vector<Problem>& problems) {
  Counted counted;
  for (const Problem& problem : problems) {
    // Messages of these name files.
    const bool of_files = problem.code == "conflict/duplicate" || problem.object == ObjectKey();
    counted[{problem.object, problem.code, of_files ? "" : problem.message}].push_back(&problem);
  }
  return counted;
}

std::vector<Change> compare_problems(const std::vector<Problem>& before, const std::vector<Problem>& after) {
  std::vector<Change> changes;
  const auto put = [&](Kind kind, const std::vector<const Problem*>& problems, std::size_t from) {
    for (std::size_t i = from; i < problems.size(); ++i) {
      const Problem& problem = *problems[i];
      std::string where = problem.object == ObjectKey() ? "" : problem.object.to_string();
      if (!problem.path.empty()) where += (where.empty() ? "" : " ") + problem.path;
      if (!where.empty()) where += ": ";
      changes.push_back({kind, fmt::format("{}{} [{}]", where, problem.message, problem.code), {}});
    }
  };
  each_pair(by_content(before), by_content(after),
            [&](const auto&, const std::vector<const Problem*>* b, const std::vector<const Problem*>* a) {
              const std::size_t common = b == nullptr || a == nullptr ? 0 : std::min(b->size(), a->size());
              if (a != nullptr) put(Kind::kAdded, *a, common);
              if (b != nullptr) put(Kind::kRemoved, *b, common);
            });
  return changes;
}

}  // namespace

Diff diff(const Snapshot& before, const std::vector<Problem>& problems_before, const Snapshot& after,
          const std::vector<Problem>& problems_after) {
  const View b = view_of(before);
  const View a = view_of(after);
  return {.served = Comparer().compare(b, a),
          .statuses = compare_statuses(b, a),
          .problems = compare_problems(problems_before, problems_after)};
}

}  // namespace sluice::explain
