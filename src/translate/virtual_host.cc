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
#include <fmt/format.h>

#include "translate/route_rules.h"

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

std::uint32_t rule_of(const Candidate& candidate, const Contributions& by_age) {
  return (*by_age[candidate.route]->second->rules)[candidate.position];
}

// Of two with one match. Where several routes share the requests of a match, the last says that it is lost.
void add_lost(const Candidate& loser, const Candidate& winner, const Contributions& by_age,
              std::map<ObjectKey, LostMatches>& lost) {
  if (loser.what->match.below || is_preflight(loser.what->match)) return;
  const auto& [losing, its] = *by_age[loser.route];
  const auto& [winning, others] = *by_age[winner.route];
  const LostMatch match{.rule = rule_of(loser, by_age),
                        .winner = winning,
                        .winning_rule = rule_of(winner, by_age),
                        .older = its->creation_timestamp != others->creation_timestamp};
  if (loser.route == winner.route && match.rule == match.winning_rule) return;
  lost[losing].matches.push_back(match);
}

// Of candidates of one rank, sorted. Each route hears of the oldest others that claim its match, no more than
// can be told: where all routes claim one match, all others of each would be the square of what is written.
// Those after the first rule have lost the match.
void add_overlaps(std::span<const Candidate> candidates, const Contributions& by_age, MergedHost& merged) {
  struct Claimants {
    const Candidate* first = nullptr;
    std::vector<std::size_t> routes;
  };
  absl::flat_hash_map<const ir::RouteMatch*, Claimants, HashMatch, EqualMatch> claimants;
  for (const Candidate& candidate : candidates) {
    Claimants& its = claimants[&candidate.what->match];
    if (its.first == nullptr) {
      its.first = &candidate;
    } else {
      add_lost(candidate, *its.first, by_age, merged.lost);
    }
    if (its.routes.empty() || its.routes.back() != candidate.route) its.routes.push_back(candidate.route);
  }
  Overlaps& overlaps = merged.overlaps;
  for (const auto& [match, its] : claimants) {
    const std::vector<std::size_t>& routes = its.routes;
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
    if (to - from > 1) add_overlaps({from, to}, by_age, merged);
    from = to;
  }
  for (auto& [route, lost] : merged.lost) {
    std::ranges::sort(lost.matches);
    lost.matches.erase(std::ranges::unique(lost.matches).begin(), lost.matches.end());
  }
  return merged;
}

std::vector<Problem> problems_of_lost(
    const ObjectKey& route, const std::vector<std::pair<std::string, const LostMatches*>>& by_host) {
  std::map<LostMatch, std::set<std::string>> hosts;
  for (const auto& [host, lost] : by_host) {
    for (const LostMatch& match : lost->matches) hosts[match].insert(host);
  }
  std::vector<Problem> problems;
  for (const auto& [match, on] : hosts) {
    const std::string where = fmt::format("spec.rules[{}]", match.winning_rule);
    const bool own = match.winner == route;
    const std::string more = on.size() == 1 ? "" : fmt::format(" and {} more", on.size() - 1);
    problems.push_back(
        {.code = "conflict/match",
         .severity = Severity::kWarning,
         .where = {},
         .object = route,
         .path = fmt::format("spec.rules[{}]", match.rule),
         .message = fmt::format(
             "{} has the same match for {}{}, and gets the requests: it is {}",
             own ? fmt::format("`{}`", where) : match.winner.to_string(),
             *on.begin() == "*" ? std::string("every host") : fmt::format("host {}", *on.begin()), more,
             own           ? "the earlier rule"
             : match.older ? "older"
                           : "as old, and the first by name"),
         .suggestion = "remove one of the two, or let their matches differ",
         .also = {{.where = {}, .object = match.winner, .path = where, .message = "this one gets them"}}});
  }
  return problems;
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
