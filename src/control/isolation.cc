#include "control/isolation.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sluice::control {
namespace {

// So many refusals in a row may choose by words: each names one fault, and there may be hundreds.
constexpr int kChoicesByWords = 3;
constexpr std::uint64_t kNextCommit = ~std::uint64_t{0};

}  // namespace

void Isolation::changed(std::uint64_t commit, const ObjectKey& object,
                        const std::set<std::string>& aggregates) {
  held_.erase(object);
  leave_hunts(object);
  Pending& pending = pending_[object];
  pending.commit = commit;
  pending.aggregates.insert(aggregates.begin(), aggregates.end());
  if (pending.aggregates.empty()) pending_.erase(object);
}

void Isolation::forget(const ObjectKey& object) {
  pending_.erase(object);
  held_.erase(object);
  leave_hunts(object);
}

void Isolation::leave_hunts(const ObjectKey& object, const Hunt* but) {
  for (auto& [aggregate, hunt] : hunts_) {
    if (&hunt == but) continue;
    if (std::erase(hunt.trial.objects, object) > 0) hunt.trial.sibling = 0;
    if (std::erase(hunt.accused, object) > 0) {
      hunt.groups.push_back({.objects = std::exchange(hunt.accused, {}), .id = ++ids_});
    }
    for (Group& group : hunt.groups) {
      if (std::erase(group.objects, object) == 0) continue;
      if (hunt.trial.sibling == group.id) hunt.trial.sibling = 0;
      for (Group& other : hunt.groups) {
        if (other.sibling == group.id) other.sibling = 0;
      }
      group.sibling = 0;
    }
    std::erase_if(hunt.groups, [](const Group& group) { return group.objects.empty(); });
  }
}

void Isolation::acknowledged(const std::set<std::string>& aggregates, std::uint64_t commit) {
  std::set<std::string> answered = aggregates;
  for (auto at = hunts_.begin(); at != hunts_.end();) {
    Hunt& hunt = at->second;
    if (!answered.contains(at->first)) {
      ++at;
      continue;
    }
    if (!hunt.commit || *hunt.commit > commit) {
      answered.erase(at->first);  // of what was sent before the last orders
      ++at;
      continue;
    }
    hunt.refusals = 0;
    narrow(hunt, std::exchange(hunt.accused, {}));
    const Group innocent = std::exchange(hunt.trial, {});
    const auto sibling = std::ranges::find(hunt.groups, innocent.sibling, &Group::id);
    if (innocent.sibling != 0 && sibling != hunt.groups.end()) {
      Objects guilty = std::move(sibling->objects);
      hunt.groups.erase(sibling);
      narrow(hunt, std::move(guilty));
    }
    next_trial(hunt);
    at = hunt.trial.objects.empty() ? hunts_.erase(at) : std::next(at);
  }
  for (auto it = pending_.begin(); it != pending_.end();) {
    Pending& pending = it->second;
    if (pending.commit <= commit && !held_.contains(it->first) && !on_trial(it->first)) {
      std::erase_if(pending.aggregates, [&](const std::string& a) { return answered.contains(a); });
      if (pending.aggregates.empty()) {
        good_.push_back(it->first);
        it = pending_.erase(it);
        continue;
      }
    }
    ++it;
  }
}

// Let go, and no answer yet.
bool Isolation::on_trial(const ObjectKey& object) const {
  return std::ranges::any_of(hunts_, [&](const auto& hunt) {
    const Objects& trial = hunt.second.trial.objects;
    return std::ranges::find(trial, object) != trial.end();
  });
}

bool Isolation::freed_after(const ObjectKey& object, std::uint64_t commit) const {
  return std::ranges::any_of(hunts_, [&](const auto& at) {
    const Hunt& hunt = at.second;
    return (!hunt.commit || *hunt.commit > commit) &&
           std::ranges::find(hunt.trial.objects, object) != hunt.trial.objects.end();
  });
}

bool Isolation::rejected(const std::string& aggregate, std::uint64_t commit, const std::string& message) {
  const auto found = hunts_.find(aggregate);
  if (found != hunts_.end() && (!found->second.commit || *found->second.commit > commit)) {
    return true;  // of what was sent before the last orders
  }
  Objects suspects;
  for (const auto& [object, pending] : pending_) {
    if (pending.aggregates.contains(aggregate) && pending.commit <= commit && !held_.contains(object) &&
        !freed_after(object, commit)) {
      suspects.push_back(object);
    }
  }
  if (suspects.empty() && found == hunts_.end()) return false;
  Hunt& hunt = hunts_[aggregate];
  hunt.message = message;
  hunt.commit.reset();
  ++hunt.refusals;
  // What was refused had nothing else in it that another hunt has taken out since.
  const bool sure = last_hold_ <= commit;
  const auto hold_group = [&](Objects objects) {
    hold(hunt, objects);
    if (!objects.empty()) hunt.groups.push_back({.objects = std::move(objects), .id = ++ids_});
  };
  if (!hunt.trial.objects.empty()) {
    // Everything but these was taken before.
    hunt.trial = {};
    if (sure) {
      hold(hunt, suspects);
      narrow(hunt, std::move(suspects));
    } else {
      hold_group(std::move(suspects));
    }
    next_trial(hunt);
    return true;
  }
  if (!hunt.accused.empty()) {
    hunt.groups.push_back({.objects = std::exchange(hunt.accused, {}), .id = ++ids_});
  }
  if (suspects.empty() && !sure) {
    if (last_hold_ != kNextCommit) hunt.commit = last_hold_;
    return true;
  }
  if (suspects.empty()) {
    for (const Group& group : hunt.groups) {
      for (const ObjectKey& object : group.objects) {
        let_go(object);
        pending_.erase(object);
      }
    }
    hunts_.erase(aggregate);
    return true;
  }
  const bool alone = suspects.size() == 1;
  Objects chosen = alone ? std::move(suspects) : choose(suspects, hunt);
  if (!sure) {
    hold_group(std::move(chosen));
  } else {
    hold(hunt, chosen, alone);
    if (!alone) hunt.accused = std::move(chosen);
  }
  return true;
}

Isolation::Objects Isolation::choose(const Objects& suspects, const Hunt& hunt) const {
  Objects chosen;
  if (clues_.known_good) {
    std::ranges::copy_if(suspects, std::back_inserter(chosen),
                         [this](const ObjectKey& object) { return !clues_.known_good(object); });
  }
  if (chosen.empty()) chosen = suspects;
  if (clues_.carries) {
    Objects carried;
    std::ranges::copy_if(chosen, std::back_inserter(carried),
                         [this](const ObjectKey& object) { return !clues_.carries(object); });
    if (!carried.empty()) chosen = std::move(carried);
  }
  if (clues_.named && chosen.size() > 1 && hunt.refusals <= kChoicesByWords) {
    if (Objects named = clues_.named(chosen, hunt.message); !named.empty()) return named;
  }
  return chosen;
}

void Isolation::hold(const Hunt& hunt, const Objects& objects, bool guilty) {
  if (objects.empty()) return;
  for (const ObjectKey& object : objects) {
    leave_hunts(object, &hunt);
    held_.insert(object);
    orders_[object] = {.object = object, .hold = true, .guilty = guilty, .message = hunt.message};
  }
  for (auto& [aggregate, other] : hunts_) {
    if (&other == &hunt || other.accused.empty()) continue;
    other.groups.push_back({.objects = std::exchange(other.accused, {}), .id = ++ids_});
  }
  last_hold_ = kNextCommit;
}

void Isolation::let_go(const ObjectKey& object) {
  held_.erase(object);
  orders_[object] = {.object = object, .hold = false, .guilty = false, .message = ""};
}

void Isolation::narrow(Hunt& hunt, Objects guilty) {
  if (guilty.empty()) return;
  if (guilty.size() == 1) {
    hold(hunt, guilty, true);
    return;
  }
  const auto middle = guilty.begin() + static_cast<std::ptrdiff_t>(guilty.size() / 2);
  const std::uint64_t first = ++ids_;
  const std::uint64_t second = ++ids_;
  hunt.groups.push_back({.objects = {guilty.begin(), middle}, .id = first, .sibling = second});
  hunt.groups.push_back({.objects = {middle, guilty.end()}, .id = second, .sibling = first});
}

void Isolation::next_trial(Hunt& hunt) {
  hunt.commit.reset();
  const auto largest =
      std::ranges::max_element(hunt.groups, {}, [](const Group& g) { return g.objects.size(); });
  if (largest == hunt.groups.end()) return;
  hunt.trial = std::move(*largest);
  hunt.groups.erase(largest);
  for (const ObjectKey& object : hunt.trial.objects) let_go(object);
}

std::vector<ObjectKey> Isolation::take_good() { return std::exchange(good_, {}); }

std::vector<Isolation::Order> Isolation::take() {
  std::vector<Order> orders;
  for (auto& [object, order] : std::exchange(orders_, {})) orders.push_back(std::move(order));
  return orders;
}

void Isolation::trial_committed(std::uint64_t commit) {
  if (last_hold_ == kNextCommit) last_hold_ = commit;
  for (auto& [aggregate, hunt] : hunts_) {
    if (!hunt.commit) hunt.commit = commit;
  }
}

}  // namespace sluice::control
