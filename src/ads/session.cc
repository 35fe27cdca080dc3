#include "ads/session.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "ads/session_types.h"
#include "ads/words.h"

namespace sluice::ads {
namespace {

// More names than that in a refusal's message say nothing.
constexpr std::size_t kHints = 16;
// Commits that are not acknowledged are remembered up to this many.
constexpr std::size_t kCommits = 1'000;

}  // namespace

std::string version_text(std::uint64_t version) { return fmt::format("{:016x}", version); }

Session::Session(Variant variant, ir::ProxyKey proxy, std::string node, const Options& options, Memory memory)
    : variant_(variant),
      proxy_(std::move(proxy)),
      node_(std::move(node)),
      removal_grace_(options.removal_grace),
      stuck_after_(options.stuck_after),
      memory_(std::move(memory)) {
  for (const auto& [name, refusal] : memory_.refusals) use_fallback(refusal, 1, Time());
}

bool Session::whole(Type type) const { return variant_ == Variant::kSotw && has_wildcard(type); }

// ---- inputs ------------------------------------------------------------------------------------

void Session::on_state(const ProxyState* state, Time now) {
  const bool first = !state_;
  state_ = state;
  if (state_->commit() == cursor_) return;
  const std::uint64_t since = std::exchange(cursor_, state_->commit());
  commits_.push_back(cursor_);
  if (commits_.size() > kCommits) commits_.pop_front();
  if (first) {
    review_refusals(now);
    for (Type type : kTypes) {
      if (channel(type).subscribed) resolve(type, now);
    }
  } else {
    const bool told = state_->changes_since(
        since,
        [&](Type type, const std::string& name, const ProxyState::Entry&) { consider(type, name, now); });
    if (!told) {
      review_refusals(now);
      for (Type type : kTypes) consider_all(type, now);
    }
  }
  report_acknowledged();
}

void Session::on_request(const DeltaRequest& request, Time now) {
  const Type type = request.type;
  Channel& ch = channel(type);
  const bool first = !std::exchange(ch.subscribed, true);
  if (first) {
    ch.initial_versions = request.initial_versions;
    ch.wildcard = has_wildcard(type) && request.subscribe.empty() && request.unsubscribe.empty();
  }
  if (!request.answer.nonce.empty()) on_answer(type, request.answer, now);
  for (const std::string& name : request.unsubscribe) unsubscribe(type, name, now);
  for (const std::string& name : request.subscribe) subscribe(type, name, now);
  if (first) {
    ch.owes_answer = ch.wildcard && ch.initial_versions.empty();
    if (state_) resolve(type, now);
  }
  report_acknowledged();
}

void Session::on_request(const SotwRequest& request, Time now) {
  const Type type = request.type;
  Channel& ch = channel(type);
  const bool first = !std::exchange(ch.subscribed, true);
  if (first) {
    ch.initial_version = request.version;
    ch.owes_answer = has_wildcard(type) && request.version.empty();
  } else if (!request.answer.nonce.empty()) {
    if (request.answer.nonce != ch.last_nonce)
      return;  // an answer to the newest response will say it all again
    on_answer(type, request.answer, now);
  }

  if (request.names.empty() && !ch.had_names) {
    if (!ch.wildcard && has_wildcard(type)) set_wildcard(type, true, now);
  } else {
    ch.had_names = true;
    NameSet names(request.names.begin(), request.names.end());
    const bool wildcard = names.erase("*") > 0;
    std::vector<std::string> gone;
    for (const auto& [name, item] : ch.items) {
      if (item.named && !names.erase(name)) gone.push_back(name);
    }
    for (const std::string& name : gone) unsubscribe(type, name, now);
    for (const std::string& name : names) subscribe(type, name, now);
    if (wildcard != ch.wildcard) set_wildcard(type, wildcard, now);
  }
  if (first && state_) resolve(type, now);
  report_acknowledged();
}

void Session::retry(Type type, const std::string& name, Time now) {
  if (!memory_.refusals.contains({type, name})) return;
  forget_refusal(type, name, now);
  retried_.insert({type, name});
  consider(type, name, now);
}

void Session::on_time(Time now) {
  Channel& ch = channel(Type::kCluster);
  bool news = false;
  NameSet stuck;
  for (Unanswered& response : ch.unanswered) {
    if (now < response.at + stuck_after_) continue;
    news |= !std::exchange(response.stuck, true);
    for (const SentItem& sent : response.items) {
      if (sent.resource) stuck.insert(sent.name);
    }
  }
  if (news && !stuck.empty()) events_.push_back(Stuck{proxy_, node_, {stuck.begin(), stuck.end()}});
  if (!awaited_.empty() && now >= *awaited_until_) {
    awaited_.clear();
    gates_changed_ = true;
  }
}

std::optional<Time> Session::wake_at() const {
  const Channel& ch = channel(Type::kCluster);
  std::optional<Time> at;
  const auto by = [&](Time time) { at = at ? std::min(*at, time) : time; };
  for (const Unanswered& response : ch.unanswered) {
    if (!response.stuck) by(response.at + stuck_after_);
  }
  if (ch.unanswered.empty()) {
    if (!removals_.empty()) by(removals_.begin()->first);
  } else if (ch.unanswered.size() < kStuckResponses) {
    const Time window = ch.unanswered.back().at + stuck_after_;
    if (!ch.dirty.empty()) by(window);
    if (!removals_.empty()) by(std::max(window, removals_.begin()->first));
  }
  if (!awaited_.empty()) by(*awaited_until_);
  return at;
}

std::vector<Event> Session::take_events() { return std::exchange(events_, {}); }

Memory Session::take_memory() {
  Memory memory = std::move(memory_);
  const Channel& endpoints = channel(Type::kEndpoints);
  if (variant_ == Variant::kSotw) {
    for (Type type : {Type::kCluster, Type::kEndpoints, Type::kListener}) {
      if (!channel(type).resolved) continue;  // it did not stay long enough
      std::erase_if(memory.held, [&](const auto& known) { return known.first.first == type; });
      for (const auto& [name, item] : channel(type).items) {
        if (item.held && item.held->bytes) memory.held[{type, name}] = item.held;
      }
    }
  }
  if (variant_ == Variant::kDelta) {
    for (Type type : {Type::kCluster, Type::kListener}) {
      for (const auto& [name, item] : channel(type).items) {
        if (item.on_way || item.doubtful) memory.doubtful.insert({type, name});
      }
    }
  }
  for (const Unanswered& response : endpoints.unanswered) {
    for (const SentItem& sent : response.items) memory.endpoints_due.insert(sent.name);
  }
  return memory;
}

// ---- subscriptions -----------------------------------------------------------------------------

void Session::subscribe(Type type, const std::string& name, Time now) {
  if (name == "*") {
    set_wildcard(type, true, now);
    return;
  }
  Channel& ch = channel(type);
  Item& item = ch.items[name];
  if (item.id == 0) item.id = ++ids_;
  item.named = true;
  item.force = true;  // asked for again, it is sent again
  if (type == Type::kRoutes) {
    asked_tables_.insert(name);
    unasked_tables_.erase(name);
  }
  consider(type, name, now);
}

void Session::unsubscribe(Type type, const std::string& name, Time now) {
  if (name == "*") {
    set_wildcard(type, false, now);
    return;
  }
  Channel& ch = channel(type);
  auto it = ch.items.find(name);
  if (it == ch.items.end()) return;
  it->second.named = false;
  if (ch.wildcard) {
    it->second.force = true;  // the node has dropped it, the wildcard still covers it
    consider(type, name, now);
  } else {
    drop_item(type, name, now);
  }
}

void Session::set_wildcard(Type type, bool wildcard, Time now) {
  Channel& ch = channel(type);
  if (std::exchange(ch.wildcard, wildcard) == wildcard) return;
  if (wildcard) {
    if (ch.resolved) consider_all(type, now);
    return;
  }
  std::vector<std::string> gone;
  for (const auto& [name, item] : ch.items) {
    if (!item.named) gone.push_back(name);
  }
  for (const std::string& name : gone) drop_item(type, name, now);
}

ResourcePtr Session::brought(Type type, const std::string& name, const std::string& version) const {
  const auto is = [&](const ResourcePtr& resource) {
    return resource && version_text(resource->version) == version;
  };
  const ProxyState::Entry* entry = state_->find(type, name);
  if (entry && is(entry->resource)) return entry->resource;
  if (auto it = memory_.refusals.find({type, name});
      it != memory_.refusals.end() && is(it->second.fallback)) {
    return it->second.fallback;
  }
  if (has_empty(type)) {
    ResourcePtr empty = empty_resource(type, name);
    if (is(empty)) return empty;
  }
  std::uint64_t number = 0;
  std::from_chars(version.data(), version.data() + version.size(), number, 16);
  return unknown_resource(type, name, number);
}

void Session::resolve(Type type, Time now) {
  Channel& ch = channel(type);
  ch.resolved = true;
  if (type == Type::kCluster) gates_changed_ = true;
  const auto hold = [&](const std::string& name, ResourcePtr resource) {
    Item& item = ch.items[name];
    if (item.id == 0) item.id = ++ids_;
    item.force = false;
    put(type, item, std::move(resource), nullptr, now);
  };
  for (const auto& [name, version] : std::exchange(ch.initial_versions, {})) {
    if (ch.wildcard || ch.items.contains(name)) hold(name, brought(type, name, version));
  }
  for (auto it = memory_.doubtful.begin(); it != memory_.doubtful.end();) {
    if (it->first != type) {
      ++it;
      continue;
    }
    if (ch.wildcard && !ch.items.contains(it->second))
      ch.items[it->second] = {.id = ++ids_, .doubtful = true};
    it = memory_.doubtful.erase(it);
  }
  if (variant_ == Variant::kSotw) {
    // The same version of the whole means: it holds exactly what it is to hold.
    if (ch.wildcard) {
      state_->each(type, [&](const std::string& name, const ProxyState::Entry& entry) {
        if (!entry.resource) return;
        Item& item = ch.items[name];
        if (item.id == 0) item.id = ++ids_;
      });
    }
    std::uint64_t sum = 0;
    for (const auto& [name, item] : ch.items) {
      if (ResourcePtr resource = wanted(type, name, &item)) sum += version_part(name, resource->version);
    }
    if (ch.initial_version == version_text(sum)) {
      for (auto& [name, item] : ch.items) {
        if (ResourcePtr resource = wanted(type, name, &item)) hold(name, std::move(resource));
      }
    } else {
      if (type == Type::kCluster && ch.initial_version.empty()) memory_.held.clear();  // a new Envoy
      if (has_wildcard(type) && ch.wildcard) {
        for (const auto& [name, resource] : memory_.held) {
          if (name.first == type) hold(name.second, resource);
        }
        ch.whole_first = !ch.initial_version.empty();
        ch.owes_answer = true;  // it may hold what is to go
      } else if (type == Type::kRoutes && !ch.initial_version.empty()) {
        for (const auto& [name, item] : ch.items) hold(name, unknown_resource(type, name, 0));
      }
      // Whatever it acknowledged last may have been overtaken.
      for (auto& [name, item] : ch.items) item.force = true;
    }
  }
  for (const auto& [name, refusal] : memory_.refusals) {
    if (name.first != type) continue;
    const ProxyState::Entry* entry = state_->find(type, name.second);
    if (!entry || !entry->resource || entry->resource->version != refusal.version) continue;
    const auto item = ch.items.find(name.second);
    const bool holds_another = item != ch.items.end() && item->second.held;
    events_.push_back(
        Rejected{proxy_, node_, type, name.second, refusal.version, refusal.message, cursor_, holds_another});
  }
  consider_all(type, now);
}

void Session::on_answer(Type type, const Answer& answer, Time now) {
  Channel& ch = channel(type);
  auto it = std::ranges::find(ch.unanswered, answer.nonce, &Unanswered::nonce);
  if (it == ch.unanswered.end()) return;
  // State-of-the-world answers the newest only, and means the ones before too.
  auto first = variant_ == Variant::kSotw ? ch.unanswered.begin() : it;
  std::vector<Unanswered> answered(std::make_move_iterator(first), std::make_move_iterator(std::next(it)));
  ch.unanswered.erase(first, std::next(it));
  if (type == Type::kCluster) gates_changed_ = true;

  if (!answer.error) {
    for (const Unanswered& response : answered) {
      for (const SentItem& sent : response.items) accept(type, sent, now);
    }
    return;
  }
  std::map<std::string, SentItem> items;
  for (Unanswered& response : answered) {
    for (SentItem& sent : response.items) {
      std::string name = sent.name;
      items.insert_or_assign(std::move(name), std::move(sent));
    }
  }
  std::vector<SentItem> all;
  all.reserve(items.size());
  for (auto& [name, sent] : items) all.push_back(std::move(sent));
  refuse(type, std::move(all), answered.back().commit, *answer.error, now);
}

void Session::accept(Type type, const SentItem& sent, Time now) {
  Channel& ch = channel(type);
  auto it = ch.items.find(sent.name);
  if (it == ch.items.end() || it->second.id != sent.id) return;  // unsubscribed meanwhile
  Item& item = it->second;
  item.doubtful = false;
  if (retried_.erase({type, sent.name}) > 0) events_.push_back(Recovered{proxy_, node_, type, sent.name});
  if (item.on_way && item.sent == sent.resource) {
    item.on_way = false;
    put(type, item, sent.resource, nullptr, now);
    drop_pending(item.sent_since);
  } else {
    // A newer one is on its way; and if it was removed in between, the node has nothing now.
    const bool removed = std::ranges::any_of(ch.unanswered, [&](const Unanswered& later) {
      return std::ranges::any_of(later.items,
                                 [&](const SentItem& s) { return s.id == sent.id && !s.resource; });
    });
    put(type, item, removed ? nullptr : sent.resource, item.sent, now);
  }
  if (type == Type::kCluster && !sent.resource) {
    memory_.endpoints_due.erase(sent.name);
    memory_.held.erase({Type::kEndpoints, sent.name});
  }
  consider(type, sent.name, now);
}

void Session::refuse(Type type, std::vector<SentItem> items, std::uint64_t commit, const std::string& message,
                     Time now) {
  Channel& ch = channel(type);
  std::erase_if(items, [&](const SentItem& sent) {
    auto it = ch.items.find(sent.name);
    return it == ch.items.end() || it->second.id != sent.id;
  });
  const auto names = [](auto begin, auto end) {
    std::vector<std::string> result;
    std::transform(begin, end, std::back_inserter(result), [](const SentItem& sent) { return sent.name; });
    return result;
  };
  const auto removals =
      std::ranges::stable_partition(items, [](const SentItem& sent) { return sent.resource != nullptr; });
  const auto resources_end = removals.begin();
  const std::ptrdiff_t resources = resources_end - items.begin();
  if (resources == 0) {
    // A node cannot refuse to lose something.
    for (const SentItem& sent : items) accept(type, sent, now);
    return;
  }

  std::vector<std::vector<std::string>> groups;
  if (resources_end != items.end()) groups.push_back(names(resources_end, items.end()));
  if (resources == 1) {
    const SentItem& culprit = items.front();
    const std::string words = in_short(message);
    Item& item = ch.items.find(culprit.name)->second;
    const ResourcePtr best = offered(type, culprit.name, &item);
    auto known = memory_.refusals.find({type, culprit.name});
    if (best && culprit.resource->version == best->version) {
      forget_refusal(type, culprit.name, now);
      ResourcePtr fallback = same_version(item.held, best) ? nullptr : item.held;
      Memory::Refusal refusal{best->version, words, std::move(fallback)};
      use_fallback(refusal, 1, now);
      memory_.refusals[{type, culprit.name}] = std::move(refusal);
      if (type == Type::kCluster && !item.held) await_verdict(culprit.name, now);
    } else if (known != memory_.refusals.end()) {
      // Not even what was sent in its place is good, on a node that was started anew.
      use_fallback(known->second, -1, now);
      known->second.bare = !std::exchange(known->second.fallback, nullptr);
    }
    // That an older version was bad is of no interest any more.
    const ProxyState::Entry* entry = state_->find(type, culprit.name);
    if (entry && entry->resource && entry->resource->version == culprit.resource->version) {
      events_.push_back(Rejected{proxy_, node_, type, culprit.name, culprit.resource->version, words, commit,
                                 item.held != nullptr});
    }
    retried_.erase({type, culprit.name});
    if (item.sent == culprit.resource) {
      item.on_way = false;
      put(type, item, item.held, nullptr, now);
      drop_pending(item.sent_since);
    }
    consider(type, culprit.name, now);
  } else {
    // Envoy's words often name those at fault. The others go first: they are most likely good, and then they
    // are the ground on which the suspects are tried.
    const auto suspects = std::stable_partition(items.begin(), resources_end, [&](const SentItem& sent) {
      return message.find(sent.name) == std::string::npos;
    });
    const auto suspected = static_cast<std::size_t>(resources_end - suspects);
    if (suspected > 0 && suspected <= kHints && suspects != items.begin()) {
      groups.push_back(names(items.begin(), suspects));
      for (auto it = suspects; it != resources_end; ++it) groups.push_back({it->name});
    } else {
      const auto middle = items.begin() + resources / 2;
      groups.push_back(names(items.begin(), middle));
      groups.push_back(names(middle, resources_end));
    }
  }
  ch.doubts.insert(ch.doubts.begin(), std::make_move_iterator(groups.begin()),
                   std::make_move_iterator(groups.end()));
}

}  // namespace sluice::ads
