#include "translate/virtual_host.h"

#include <algorithm>
#include <compare>
#include <memory>
#include <set>
#include <span>
#include <string_view>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"

namespace sluice::translate {
namespace {

// Smaller comes first.
struct Rank {
  int path_kind = 0;
  std::ptrdiff_t path_length = 0;
  int method = 0;
  std::ptrdiff_t headers = 0;
  std::ptrdiff_t exact_headers = 0;
  std::ptrdiff_t query_params = 0;
  std::ptrdiff_t exact_query_params = 0;
  std::ptrdiff_t cookies = 0;
  std::ptrdiff_t exact_cookies = 0;

  auto operator<=>(const Rank&) const = default;
};

int rank_of(ir::MatchKind kind) {
  switch (kind) {
    case ir::MatchKind::kExact:
      return 0;
    case ir::MatchKind::kRegex:
      return 1;
    case ir::MatchKind::kPrefix:
      return 2;
    case ir::MatchKind::kSuffix:
      return 3;
  }
  return 4;
}

std::ptrdiff_t exact(const std::vector<ir::ValueMatch>& matches) {
  return std::ranges::count(matches, ir::MatchKind::kExact, &ir::ValueMatch::kind);
}

Rank rank_of(const ir::RouteMatch& match) {
  return {.path_kind = rank_of(match.path.kind),
          .path_length = -std::ssize(match.path.value),
          .method = match.method.empty() ? 1 : 0,
          .headers = -std::ssize(match.headers),
          .exact_headers = -exact(match.headers),
          .query_params = -std::ssize(match.query_params),
          .exact_query_params = -exact(match.query_params),
          .cookies = -std::ssize(match.cookies),
          .exact_cookies = -exact(match.cookies)};
}

struct Candidate {
  Rank rank;
  std::size_t route;  // by age
  std::size_t position;
  const ir::Route* what;
};

// What most matches differ in; those of one hash are compared.
struct HashMatch {
  std::size_t operator()(const ir::RouteMatch* match) const {
    std::vector<std::string_view> words{match->path.value, match->method};
    for (const auto* values : {&match->headers, &match->query_params, &match->cookies}) {
      for (const ir::ValueMatch& value : *values) {
        words.push_back(value.name);
        words.push_back(value.value);
      }
    }
    return absl::HashOf(words);
  }
};
struct EqualMatch {
  bool operator()(const ir::RouteMatch* a, const ir::RouteMatch* b) const { return *a == *b; }
};

using Contributions = std::vector<const std::pair<ObjectKey, const Contribution*>*>;

// Of candidates of one rank, sorted. Each route hears of the oldest others that claim its match, no more than
// can be told: where all routes claim one match, all others of each would be the square of what is written.
void add_overlaps(std::span<const Candidate> candidates, const Contributions& by_age, Overlaps& overlaps) {
  absl::flat_hash_map<const ir::RouteMatch*, std::vector<std::size_t>, HashMatch, EqualMatch> claimants;
  for (const Candidate& candidate : candidates) {
    std::vector<std::size_t>& routes = claimants[&candidate.what->match];
    if (routes.empty() || routes.back() != candidate.route) routes.push_back(candidate.route);
  }
  for (const auto& [match, routes] : claimants) {
    for (const std::size_t route : routes) {
      std::set<ObjectKey>* others = nullptr;
      for (std::size_t i = 0; i < routes.size() && i <= kMaxOverlaps + 1; ++i) {
        if (routes[i] == route) continue;
        if (others == nullptr) others = &overlaps[by_age[route]->first];
        others->insert(by_age[routes[i]]->first);
      }
    }
  }
}

}  // namespace

MergedHost merge_host(const std::string& host,
                      const std::vector<std::pair<ObjectKey, const Contribution*>>& contributions) {
  MergedHost merged;
  merged.host.host = host;
  Contributions by_age;
  by_age.reserve(contributions.size());
  for (const auto& contribution : contributions) by_age.push_back(&contribution);
  std::ranges::sort(by_age, {}, [](const auto* c) {
    return std::tuple(c->second->creation_timestamp.empty(), std::string_view(c->second->creation_timestamp),
                      std::cref(c->first.name).get(), c->first.kind);
  });

  std::vector<Candidate> candidates;
  std::size_t count = 0;
  for (const auto* contribution : by_age) count += contribution->second->routes->size();
  candidates.reserve(count);
  for (std::size_t route = 0; route < by_age.size(); ++route) {
    const Contribution& contribution = *by_age[route]->second;
    for (std::size_t i = 0; i < contribution.routes->size(); ++i) {
      const ir::Route& what = (*contribution.routes)[i];
      candidates.push_back({contribution.keep_order ? Rank{} : rank_of(what.match), route, i, &what});
    }
  }
  std::ranges::sort(candidates, {}, [](const Candidate& c) { return std::tie(c.rank, c.route, c.position); });

  merged.host.routes.reserve(candidates.size());
  for (const Candidate& candidate : candidates) merged.host.routes.push_back(*candidate.what);
  // Equal matches have equal ranks: they stand close together.
  for (auto from = candidates.begin(); from != candidates.end();) {
    const auto to =
        std::find_if(from, candidates.end(), [&](const Candidate& c) { return c.rank != from->rank; });
    if (to - from > 1) add_overlaps({from, to}, by_age, merged.overlaps);
    from = to;
  }
  return merged;
}

ir::VirtualHost misdirected_host(const std::string& host) {
  static const auto* const action = new std::shared_ptr<const ir::RouteAction>(
      std::make_shared<const ir::RouteAction>(ir::RouteAction{.action = ir::DirectResponse{.status = 421}}));
  return {.host = host,
          .routes = {{.match = {}, .action = *action, .owner = {}, .rule_name = "misdirected"}}};
}

std::vector<std::string> clusters_of(const ir::VirtualHost& host) {
  std::vector<std::string> clusters;
  // The routes of a host often have one.
  const auto add = [&clusters](const std::string& cluster) {
    if (clusters.empty() || clusters.back() != cluster) clusters.push_back(cluster);
  };
  const ir::RouteAction* last = nullptr;
  for (const ir::Route& route : host.routes) {
    if (route.action.get() == last) continue;
    last = route.action.get();
    const auto* forward = std::get_if<ir::Forward>(&route.action->action);
    if (forward == nullptr) continue;
    for (const ir::WeightedCluster& part : forward->clusters) {
      if (!part.cluster.empty()) add(part.cluster);
    }
    for (const ir::Mirror& mirror : forward->mirrors) add(mirror.cluster);
  }
  std::ranges::sort(clusters);
  clusters.erase(std::ranges::unique(clusters).begin(), clusters.end());
  return clusters;
}

}  // namespace sluice::translate
