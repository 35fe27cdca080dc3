#include "translate/filter_order.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sluice::translate {
namespace {

// Who is in front of whom.
struct Wish {
  const std::string* first;
  const std::string* then;
};

Wish wish_of(const api::FilterPosition& position) {
  if (position.before) return {&position.name, &*position.before};
  return {&*position.after, &position.name};
}

// A way through the wishes from one filter to another, by name; empty: there is none.
std::vector<std::string> way(const std::vector<Wish>& wishes, const std::string& from,
                             const std::string& to) {
  // The parent of each filter that is reached, in the order in which they are.
  std::vector<std::pair<const std::string*, std::size_t>> reached{{&from, 0}};
  for (std::size_t i = 0; i < reached.size(); ++i) {
    const std::string& here = *reached[i].first;
    if (here == to) {
      std::vector<std::string> names;
      for (std::size_t at = i;; at = reached[at].second) {
        names.push_back(*reached[at].first);
        if (at == 0) break;
      }
      std::ranges::reverse(names);
      return names;
    }
    for (const Wish& wish : wishes) {
      if (*wish.first != here) continue;
      const bool known =
          std::ranges::any_of(reached, [&](const auto& entry) { return *entry.first == *wish.then; });
      if (!known) reached.emplace_back(wish.then, i);
    }
  }
  return {};
}

}  // namespace

std::vector<ir::FilterMove> filter_moves(const std::vector<api::FilterPosition>& order) {
  std::vector<ir::FilterMove> moves;
  moves.reserve(order.size());
  for (const api::FilterPosition& position : order) {
    if (!position.before && !position.after) continue;
    moves.push_back({.filter = position.name,
                     .before = position.before.has_value(),
                     .other = position.before ? *position.before : *position.after});
  }
  return moves;
}

PolicyProblems check_filter_order(const NamespacedName& envoy_proxy,
                                  const std::vector<api::FilterPosition>& order) {
  PolicyProblems checked;
  std::vector<Wish> wishes;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (!order[i].before && !order[i].after) continue;
    const Wish wish = wish_of(order[i]);
    std::vector<std::string> circle = way(wishes, *wish.then, *wish.first);
    wishes.push_back(wish);
    if (circle.empty()) continue;
    circle.push_back(*wish.then);
    checked.problems.push_back(
        {.code = "conflict/filter-order",
         .severity = Severity::kError,
         .where = {},
         .object = {.kind = api::kind_of<api::EnvoyProxy>(), .name = envoy_proxy},
         .path = fmt::format("spec.filterOrder[{}]", i),
         .message = *wish.first == *wish.then
                        ? fmt::format("`{}` cannot be in front of itself", *wish.first)
                        : fmt::format("the positions go round in a circle: {}", fmt::join(circle, " → ")),
         .suggestion = "remove one of them",
         .also = {}});
  }
  return checked;
}

}  // namespace sluice::translate
