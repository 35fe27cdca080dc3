#include "translate/filter_order.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sluice::translate {
namespace {

// Who is in front of whom.
struct Wish {
  const std::string* first;
  const std::string* then;
  std::size_t index;  // of the position that says it
};

Wish wish_of(const api::FilterPosition& position, std::size_t index) {
  if (position.before) return {&position.name, &*position.before, index};
  return {&*position.after, &position.name, index};
}

// A way through the wishes from one filter to another; empty: there is none.
std::vector<Wish> way(const std::vector<Wish>& wishes, const std::string& from, const std::string& to) {
  // Each filter that is reached, in the order in which they are, and the wish and place that led there.
  struct Reached {
    const std::string* filter;
    const Wish* by;
    std::size_t parent;
  };
  std::vector<Reached> reached{{&from, nullptr, 0}};
  for (std::size_t i = 0; i < reached.size(); ++i) {
    const std::string& here = *reached[i].filter;
    if (here == to) {
      std::vector<Wish> steps;
      for (std::size_t at = i; at != 0; at = reached[at].parent) steps.push_back(*reached[at].by);
      std::ranges::reverse(steps);
      return steps;
    }
    for (const Wish& wish : wishes) {
      if (*wish.first != here) continue;
      const bool known =
          std::ranges::any_of(reached, [&](const Reached& entry) { return *entry.filter == *wish.then; });
      if (!known) reached.push_back({wish.then, &wish, i});
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
    const Wish wish = wish_of(order[i], i);
    const bool of_itself = *wish.first == *wish.then;
    const std::vector<Wish> others = of_itself ? std::vector<Wish>() : way(wishes, *wish.then, *wish.first);
    wishes.push_back(wish);
    if (!of_itself && others.empty()) continue;
    const ObjectKey self{.kind = api::kind_of<api::EnvoyProxy>(), .name = envoy_proxy};
    std::vector<std::string_view> circle{*wish.then};
    std::vector<Related> also;
    for (const Wish& other : others) {
      circle.push_back(*other.then);
      also.push_back({.where = {},
                      .object = self,
                      .path = fmt::format("spec.filterOrder[{}]", other.index),
                      .message = fmt::format("`{}` is in front of `{}` here", *other.first, *other.then)});
    }
    circle.push_back(*wish.then);
    checked.problems.push_back(
        {.code = "conflict/filter-order",
         .severity = Severity::kError,
         .where = {},
         .object = self,
         .path = fmt::format("spec.filterOrder[{}]", i),
         .message = of_itself
                        ? fmt::format("`{}` cannot be in front of itself", *wish.first)
                        : fmt::format("the positions go round in a circle: {}", fmt::join(circle, " → ")),
         .suggestion = of_itself ? "remove it" : "remove one of them",
         .also = std::move(also)});
  }
  return checked;
}

std::string wrong_filter_order(const api::EnvoyProxy& envoy_proxy) {
  const NamespacedName name{envoy_proxy.metadata.namespace_, envoy_proxy.metadata.name};
  std::vector<std::string> wrong;
  for (const Problem& problem : check_filter_order(name, envoy_proxy.spec.filter_order).problems) {
    wrong.push_back(fmt::format("{} {}: {}", problem.object.to_string(), problem.path, problem.message));
  }
  return fmt::format("{}", fmt::join(wrong, "\n"));
}

}  // namespace sluice::translate
