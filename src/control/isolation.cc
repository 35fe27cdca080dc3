#include "control/isolation.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sluice::control {

void Isolation::changed(std::uint64_t commit, const ObjectKey& object,
                        const std::set<std::string>& aggregates) {
  // A new version of a held object gets a chance of its own: its refusal is of the version before.
  held_.erase(object);
  for (auto& [aggregate, hunt] : hunts_) {
    std::erase(hunt.trial, object);
    for (auto& group : hunt.groups) std::erase(group, object);
  }
  Pending& pending = pending_[object];
  pending.commit = commit;
  pending.aggregates.insert(aggregates.begin(), aggregates.end());
  if (pending.aggregates.empty()) pending_.erase(object);
}

void Isolation::forget(const ObjectKey& object) {
  pending_.erase(object);
  held_.erase(object);
  for (auto& [aggregate, hunt] : hunts_) {
    std::erase(hunt.trial, object);
    for (auto& group : hunt.groups) std::erase(group, object);
  }
}

void Isolation::acknowledged(const std::set<std::string>& aggregates, std::uint64_t commit) {
  std::set<std::string> answered = aggregates;
  for (auto hunt = hunts_.begin(); hunt != hunts_.end();) {
    if (!answered.contains(hunt->first)) {
      ++hunt;
      continue;
    }
    if (!hunt->second.commit || *hunt->second.commit > commit) {
      answered.erase(hunt->first);  // of what was sent before we held something back
      ++hunt;
      continue;
    }
    hunt->second.trial.clear();  // innocent
    next_trial(hunt->second);
    const bool over = hunt->second.groups.empty() && hunt->second.trial.empty();
    hunt = over ? hunts_.erase(hunt) : std::next(hunt);
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
    return std::ranges::find(hunt.second.trial, object) != hunt.second.trial.end();
  });
}

void Isolation::rejected(const std::string& aggregate, std::uint64_t commit, const std::string& message) {
  const auto found = hunts_.find(aggregate);
  if (found != hunts_.end() && (!found->second.commit || *found->second.commit > commit)) {
    return;  // of what was sent before we held something back
  }
  std::vector<ObjectKey> suspects;
  for (const auto& [object, pending] : pending_) {
    if (pending.aggregates.contains(aggregate) && pending.commit <= commit && !held_.contains(object)) {
      suspects.push_back(object);
    }
  }
  if (suspects.empty()) return;  // nobody to blame: the proxy keeps what it has
  Hunt& hunt = hunts_[aggregate];
  hunt.message = message;
  hold(hunt, std::move(suspects));
}

void Isolation::hold(Hunt& hunt, std::vector<ObjectKey> objects) {
  for (const ObjectKey& object : objects) {
    held_.insert(object);
    orders_.push_back({object, true, hunt.message});
  }
  if (objects.size() > 1) {
    const auto middle = objects.begin() + static_cast<std::ptrdiff_t>(objects.size() / 2);
    hunt.groups.emplace_back(middle, objects.end());
    hunt.groups.emplace_back(objects.begin(), middle);
  }
  hunt.trial.clear();
  hunt.commit.reset();
}

void Isolation::next_trial(Hunt& hunt) {
  hunt.commit.reset();
  while (!hunt.groups.empty() && hunt.groups.back().empty()) hunt.groups.pop_back();
  if (hunt.groups.empty()) return;
  hunt.trial = std::move(hunt.groups.back());
  hunt.groups.pop_back();
  for (const ObjectKey& object : hunt.trial) {
    held_.erase(object);
    orders_.push_back({object, false, ""});
  }
}

std::vector<ObjectKey> Isolation::take_good() { return std::exchange(good_, {}); }

std::vector<Isolation::Order> Isolation::take() { return std::exchange(orders_, {}); }

void Isolation::trial_committed(std::uint64_t commit) {
  for (auto& [aggregate, hunt] : hunts_) {
    if (!hunt.commit) hunt.commit = commit;
  }
}

}  // namespace sluice::control
