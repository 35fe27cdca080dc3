#include "ads/session.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <iterator>
#include <memory>

#include <fmt/format.h>

#include "xds/render.h"

namespace sluice::ads {
namespace {

using Type = xds::ResourceType;

constexpr std::array<Type, xds::kResourceTypes> kTypes = {Type::kCluster, Type::kEndpoints, Type::kSecret,
                                                          Type::kListener, Type::kRoutes};

// A response closes when it has reached this size; Envoy applies it in one go on its main thread.
constexpr std::size_t kResponseBytes = 32 << 20;
// Cluster responses that may be unanswered while a cluster is stuck: its mending must get through.
constexpr std::size_t kStuckResponses = 8;
// More names than that in a refusal's message say nothing.
constexpr std::size_t kHints = 16;
// Commits that are not acknowledged are remembered up to this many.
constexpr std::size_t kCommits = 1'000;

// Types that Envoy subscribes to as a whole.
bool has_wildcard(Type type) { return type == Type::kCluster || type == Type::kListener; }
// Types whose resources wait for clusters.
bool has_gate(Type type) { return type == Type::kListener || type == Type::kRoutes; }

// What Envoy may be told of a name that nobody knows, so that it goes on: no endpoints, no routes.
ResourcePtr empty_resource(Type type, const std::string& name) {
  auto resource = std::make_shared<Resource>();
  resource->type = type;
  resource->name = name;
  std::string bytes =
      type == Type::kEndpoints ? xds::render_endpoints(name, {}, false) : xds::assemble_routes(name, {});
  resource->version = xds::content_hash(bytes);
  resource->bytes = std::make_shared<const std::string>(std::move(bytes));
  return resource;
}
// A cluster or listener that waits for one of these is held up by "there is no such thing", too.
bool has_empty(Type type) { return type == Type::kEndpoints || type == Type::kRoutes; }

// What the node has, but only it knows the bytes of.
ResourcePtr unknown(Type type, const std::string& name, std::uint64_t version) {
  auto resource = std::make_shared<Resource>();
  resource->type = type;
  resource->name = name;
  resource->version = version;
  return resource;
}

bool same_version(const ResourcePtr& a, const ResourcePtr& b) {
  return a && b ? a->version == b->version : !a && !b;
}

// One resource's part in the version of a whole; parts add up in any order.
std::uint64_t version_part(std::string_view name, std::uint64_t version) {
  return xds::content_hash(fmt::format("{} {:x}", name, version));
}

const std::vector<std::string>& clusters_of(const ResourcePtr& resource) {
  static const std::vector<std::string> none;
  return resource ? resource->clusters : none;
}

std::vector<std::string_view> clusters_of(const ResourcePtr& a, const ResourcePtr& b) {
  std::vector<std::string_view> all;
  std::ranges::set_union(clusters_of(a), clusters_of(b), std::back_inserter(all));
  return all;
}

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
  return unknown(type, name, number);
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
        for (const auto& [name, item] : ch.items) hold(name, unknown(type, name, 0));
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
    Item& item = ch.items.find(culprit.name)->second;
    const ResourcePtr best = offered(type, culprit.name, &item);
    auto known = memory_.refusals.find({type, culprit.name});
    if (best && culprit.resource->version == best->version) {
      forget_refusal(type, culprit.name, now);
      ResourcePtr fallback = same_version(item.held, best) ? nullptr : item.held;
      Memory::Refusal refusal{best->version, message, std::move(fallback)};
      use_fallback(refusal, 1, now);
      memory_.refusals[{type, culprit.name}] = std::move(refusal);
    } else if (known != memory_.refusals.end()) {
      // Not even what was sent in its place is good, on a node that was started anew.
      use_fallback(known->second, -1, now);
      known->second.bare = !std::exchange(known->second.fallback, nullptr);
    }
    // That an older version was bad is of no interest any more.
    const ProxyState::Entry* entry = state_->find(type, culprit.name);
    if (entry && entry->resource && entry->resource->version == culprit.resource->version) {
      events_.push_back(Rejected{proxy_, node_, type, culprit.name, culprit.resource->version, message,
                                 commit, item.held != nullptr});
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

// ---- what the node is to hold ------------------------------------------------------------------

ResourcePtr Session::offered(Type type, const std::string& name, const Item* item) const {
  const ProxyState::Entry* entry = state_->find(type, name);
  if (entry && entry->resource) return entry->resource;
  if (!has_empty(type)) return nullptr;

  // Whoever asks is answered. But endpoints go with their cluster, and a route table when it is no longer
  // asked for.
  if (item && item->held && !(type == Type::kEndpoints && live(Type::kCluster, name))) return item->held;
  if (type == Type::kEndpoints && !live(Type::kCluster, name) && !memory_.held.empty()) {
    auto it = memory_.held.find({type, name});
    if (it != memory_.held.end()) return it->second;
  }
  return empty_resource(type, name);
}

ResourcePtr Session::wanted(Type type, const std::string& name, const Item* item) const {
  ResourcePtr resource = offered(type, name, item);
  if (!resource || memory_.refusals.empty()) return resource;
  auto it = memory_.refusals.find({type, name});
  if (it == memory_.refusals.end() || it->second.version != resource->version) return resource;
  if (it->second.fallback) return it->second.fallback;
  if (!has_empty(type) || it->second.bare) return nullptr;
  ResourcePtr empty = empty_resource(type, name);
  return same_version(empty, resource) ? nullptr : empty;
}

bool Session::live(Type type, const std::string& name) const {
  const ProxyState::Entry* entry = state_->find(type, name);
  return entry && entry->resource;
}

Session::Need Session::need(Type type, const std::string& name, const Item& item) const {
  const ResourcePtr resource = wanted(type, name, &item);
  const ResourcePtr& latest = item.on_way ? item.sent : item.held;
  if (resource) {
    if (!resource->bytes) return Need::kNothing;  // the node brought it along and is to keep it
    const bool force = item.force || (type == Type::kEndpoints && memory_.endpoints_due.contains(name));
    return force || !same_version(latest, resource) ? Need::kSend : Need::kNothing;
  }
  if (latest) return has_wildcard(type) ? Need::kRemove : Need::kNothing;
  // "There is no such thing" lets Envoy go on; state-of-the-world has no words for that.
  return item.force && item.named && variant_ == Variant::kDelta ? Need::kRemove : Need::kNothing;
}

void Session::consider(Type type, const std::string& name, Time now) {
  Channel& ch = channel(type);
  if (!state_) return;
  const ProxyState::Entry* entry = state_->find(type, name);
  const bool is_live = entry && entry->resource;
  if (!memory_.refusals.empty()) {
    auto known = ch.items.find(name);
    const ResourcePtr best = offered(type, name, known == ch.items.end() ? nullptr : &known->second);
    auto refusal = memory_.refusals.find({type, name});
    if (refusal != memory_.refusals.end() && !(best && best->version == refusal->second.version)) {
      forget_refusal(type, name, now);
    }
  }
  if (!ch.resolved) return;

  auto it = ch.items.find(name);
  if (it == ch.items.end() && ch.wildcard && is_live) {
    it = ch.items.emplace(name, Item{.id = ++ids_}).first;
  }
  if (it != ch.items.end()) {
    Item& item = it->second;
    if (item.doubtful && !is_live && !item.on_way) {
      item.doubtful = false;
      if (!item.held) put(type, item, unknown(type, name, 0), nullptr, now);  // so that it is removed
    }
    const Need what = need(type, name, item);
    // A cluster's removal has its own time.
    const bool removal =
        type == Type::kCluster && what == Need::kRemove && (item.on_way ? item.sent : item.held);
    set_dirty(type, name, item, what != Need::kNothing && !removal);
    if (type == Type::kCluster) consider_cluster(name, &item, now);
    if (!is_live && !item.named && !item.held && !item.on_way) drop_item(type, name, now);
  }
  // Whether endpoints are to be empty or to stay depends on their cluster.
  if (type == Type::kCluster && channel(Type::kEndpoints).items.contains(name))
    consider(Type::kEndpoints, name, now);
}

void Session::consider_all(Type type, Time now) {
  std::vector<std::string> names;
  for (const auto& [name, item] : channel(type).items) names.push_back(name);
  for (const std::string& name : names) consider(type, name, now);
  if (!channel(type).wildcard) return;
  state_->each(type, [&](const std::string& name, const ProxyState::Entry& entry) {
    if (entry.resource) consider(type, name, now);
  });
}

void Session::consider_cluster(const std::string& name, const Item* item, Time now) {
  const ResourcePtr resource = wanted(Type::kCluster, name, item);
  if (resource) {
    if (same_version(item->held, resource) && !item->on_way) {
      if (unsettled_.erase(name)) gates_changed_ = true;
    } else {
      unsettled_.insert(name);
    }
  } else if (unsettled_.erase(name)) {
    gates_changed_ = true;
  }

  const ResourcePtr& latest = item->on_way ? item->sent : item->held;
  auto it = leaving_.find(name);
  if (resource || !latest) {
    if (it == leaving_.end()) return;
    if (it->second.due) removals_.erase({*it->second.due, name});
    leaving_.erase(it);
    return;
  }
  if (it == leaving_.end()) it = leaving_.emplace(name, Leaving{}).first;
  schedule_removal(name, it->second, now);
}

void Session::schedule_removal(const std::string& name, Leaving& leaving, Time now) {
  const bool free = opaque_ == 0 && !uses_.contains(name);
  if (!free) {
    leaving.free_since.reset();
  } else if (!leaving.free_since) {
    leaving.free_since = now;
  }
  std::optional<Time> due;
  if (free) {
    // One that was never acknowledged was never routed to.
    const Channel& ch = channel(Type::kCluster);
    auto it = ch.items.find(name);
    const bool routed = it != ch.items.end() && it->second.held;
    due = *leaving.free_since + (routed ? removal_grace_ : std::chrono::milliseconds(0));
  }
  if (due == leaving.due) return;
  if (leaving.due) removals_.erase({*leaving.due, name});
  if (due) removals_.emplace(*due, name);
  leaving.due = due;
}

void Session::set_dirty(Type type, const std::string& name, Item& item, bool dirty) {
  Channel& ch = channel(type);
  ch.gated.erase(name);
  if (!dirty) {
    ch.dirty.erase(name);
    drop_pending(item.dirty_since);
    item.latched.reset();
    return;
  }
  ch.dirty.insert(name);
  if (item.dirty_since == 0) {
    const ProxyState::Entry* entry = state_->find(type, name);
    item.dirty_since = entry ? entry->commit : cursor_;
    add_pending(item.dirty_since);
  }
}

void Session::drop_item(Type type, const std::string& name, Time now) {
  Channel& ch = channel(type);
  auto it = ch.items.find(name);
  Item& item = it->second;
  set_dirty(type, name, item, false);
  drop_pending(item.sent_since);
  put(type, item, nullptr, nullptr, now);
  if (type == Type::kCluster) {
    if (unsettled_.erase(name)) gates_changed_ = true;
    if (auto leaving = leaving_.find(name); leaving != leaving_.end()) {
      if (leaving->second.due) removals_.erase({*leaving->second.due, name});
      leaving_.erase(leaving);
    }
  }
  ch.items.erase(it);
}

// ---- clusters and those who name them ----------------------------------------------------------

bool Session::gated(const Resource& resource, std::uint64_t commit) const {
  const Channel& ch = channel(Type::kCluster);
  // A node that comes back while clusters warm asks for clusters only when they are warm.
  if (!ch.resolved) return !resource.clusters.empty();
  const auto blocks = [&](const std::string& cluster) {
    auto it = ch.items.find(cluster);
    if (it == ch.items.end() || !it->second.held) return true;
    if (it->second.on_way && !it->second.sent) return true;
    // It can be routed to. A change of it that is no older than the resource may belong with it; a newer one
    // does not.
    const ProxyState::Entry* entry = state_->find(Type::kCluster, cluster);
    return entry && entry->commit <= commit;
  };
  if (unsettled_.size() < resource.clusters.size()) {
    return std::ranges::any_of(unsettled_, [&](const std::string& cluster) {
      return std::ranges::binary_search(resource.clusters, cluster) && blocks(cluster);
    });
  }
  return std::ranges::any_of(resource.clusters, [&](const std::string& cluster) {
    return unsettled_.contains(cluster) && blocks(cluster);
  });
}

bool Session::may_go_latched(const Item& item) const {
  if (!item.latched || gated(*item.latched, item.latched_commit)) return false;
  // One of its clusters may have been dropped since, before the node had it.
  const Channel& ch = channel(Type::kCluster);
  return std::ranges::all_of(item.latched->clusters, [&](const std::string& cluster) {
    const ProxyState::Entry* entry = state_->find(Type::kCluster, cluster);
    if (entry && (entry->resource || entry->commit <= item.latched_commit)) return true;
    auto it = ch.items.find(cluster);
    return it != ch.items.end() && it->second.held;
  });
}

void Session::latch_gated() {
  for (Type type : {Type::kListener, Type::kRoutes}) {
    Channel& ch = channel(type);
    for (const NameSet* names : {&ch.dirty, &ch.gated}) {
      for (const std::string& name : *names) {
        Item& item = ch.items.find(name)->second;
        // One that may go by now goes first.
        if (may_go_latched(item)) continue;
        item.latched = wanted(type, name, &item);
        item.latched_commit = cursor_;
      }
    }
  }
}

void Session::put(Type type, Item& item, ResourcePtr held, ResourcePtr sent, Time now) {
  const ResourcePtr held_before = std::exchange(item.held, std::move(held));
  const ResourcePtr sent_before = std::exchange(item.sent, std::move(sent));
  if (type == Type::kListener && item.held != held_before) listeners_changed_ = true;
  if (!has_gate(type)) return;

  const auto opaque = [](const ResourcePtr& resource) { return resource && !resource->bytes ? 1 : 0; };
  const int opaque_before = opaque_;
  opaque_ += opaque(item.held) - opaque(held_before);

  const auto before = clusters_of(held_before, sent_before);
  const auto after = clusters_of(item.held, item.sent);
  std::vector<std::string_view> changed;
  std::ranges::set_difference(after, before, std::back_inserter(changed));
  for (std::string_view cluster : changed) count_use(cluster, 1, now);
  changed.clear();
  std::ranges::set_difference(before, after, std::back_inserter(changed));
  for (std::string_view cluster : changed) count_use(cluster, -1, now);

  if ((opaque_ == 0) != (opaque_before == 0)) {
    for (auto& [name, leaving] : leaving_) schedule_removal(name, leaving, now);
  }
}

void Session::use_fallback(const Memory::Refusal& refusal, int more, Time now) {
  if (!refusal.fallback || !has_gate(refusal.fallback->type)) return;
  for (const std::string& cluster : refusal.fallback->clusters) count_use(cluster, more, now);
}

void Session::review_refusals(Time now) {
  std::vector<Memory::Name> names;
  names.reserve(memory_.refusals.size());
  for (const auto& [name, refusal] : memory_.refusals) names.push_back(name);
  for (const auto& [type, name] : names) consider(type, name, now);
}

void Session::forget_refusal(Type type, const std::string& name, Time now) {
  auto it = memory_.refusals.find({type, name});
  if (it == memory_.refusals.end()) return;
  use_fallback(it->second, -1, now);
  memory_.refusals.erase(it);
}

void Session::count_use(std::string_view cluster, int more, Time now) {
  auto it = uses_.find(cluster);
  if (it == uses_.end()) it = uses_.emplace(std::string(cluster), 0).first;
  const int before = it->second;
  it->second += more;
  assert(it->second >= 0);
  if (before != 0 && it->second != 0) return;
  if (it->second == 0) uses_.erase(it);
  auto leaving = leaving_.find(cluster);
  if (leaving != leaving_.end()) schedule_removal(leaving->first, leaving->second, now);
}

// ---- sending -----------------------------------------------------------------------------------

bool Session::may_send(Type type, Time now) const {
  const Channel& ch = channel(type);
  if (!ch.resolved) return false;
  if (ch.unanswered.empty()) return true;
  return type == Type::kCluster && ch.unanswered.size() < kStuckResponses &&
         now >= ch.unanswered.back().at + stuck_after_;
}

std::optional<Response> Session::next(Time now) {
  if (!state_) return std::nullopt;
  if (std::exchange(gates_changed_, false)) {
    for (Type type : {Type::kListener, Type::kRoutes}) channel(type).dirty.merge(channel(type).gated);
  }
  for (Type type : kTypes) {
    if (!may_send(type, now)) continue;
    if (auto response = next_of(type, now)) return response;
  }
  report_acknowledged();
  return std::nullopt;
}

std::optional<Response> Session::next_of(Type type, Time now) {
  Channel& ch = channel(type);
  std::vector<SentItem> batch;
  while (batch.empty() && !ch.doubts.empty()) {
    const std::vector<std::string> group = std::move(ch.doubts.front());
    ch.doubts.pop_front();
    for (const std::string& name : group) plan(type, name, true, batch);
  }
  if (batch.empty()) {
    if (type == Type::kCluster) {
      for (const auto& [due, name] : removals_) {
        if (due > now) break;
        auto it = ch.items.find(name);
        batch.push_back({name, it->second.id, nullptr});
      }
    }
    std::size_t bytes = 0;
    const std::vector<std::string> dirty(ch.dirty.begin(), ch.dirty.end());
    for (const std::string& name : dirty) {
      if (!plan(type, name, false, batch)) continue;
      if (batch.back().resource) bytes += batch.back().resource->bytes->size();
      if (bytes >= kResponseBytes && !whole(type)) break;
    }
  }
  if (ch.whole_first && !ch.gated.empty()) return std::nullopt;
  if (batch.empty() && !(ch.owes_answer && ch.dirty.empty() && ch.gated.empty())) return std::nullopt;
  return send(type, std::move(batch), now);
}

bool Session::plan(Type type, const std::string& name, bool again, std::vector<SentItem>& batch) {
  Channel& ch = channel(type);
  auto it = ch.items.find(name);
  if (it == ch.items.end()) return false;
  Item& item = it->second;
  Need what = need(type, name, item);
  ResourcePtr resource = wanted(type, name, &item);
  if (again && item.on_way) {
    // The same once more, even if there is a newer one: only then it is known what the node holds. A listener
    // that is to go can go at once.
    const bool gone = type == Type::kListener && !resource;
    batch.push_back({name, item.id, gone ? nullptr : item.sent});
    return true;
  }
  if (what == Need::kRemove && type == Type::kCluster && (item.on_way ? item.sent : item.held)) {
    what = Need::kNothing;  // its removal has its own time
  }
  if (what == Need::kNothing) {
    set_dirty(type, name, item, false);
    return false;
  }
  if (what == Need::kRemove) resource = nullptr;
  if (resource && has_gate(type)) {
    const ProxyState::Entry* entry = state_->find(type, name);
    if (gated(*resource, entry ? entry->commit : cursor_)) {
      if (may_go_latched(item)) {
        resource = item.latched;
      } else {
        ch.dirty.erase(name);
        ch.gated.insert(name);
        return false;
      }
    }
  }
  batch.push_back({name, item.id, std::move(resource)});
  return true;
}

Response Session::send(Type type, std::vector<SentItem> batch, Time now) {
  Channel& ch = channel(type);
  Response response;
  response.type = type;
  response.nonce = fmt::format("{}", ++nonces_);
  ch.last_nonce = response.nonce;
  ch.owes_answer = false;
  ch.whole_first = false;

  if (type == Type::kCluster) latch_gated();
  for (const SentItem& sent : batch) {
    Item& item = ch.items.find(sent.name)->second;
    if (item.sent_since == 0) {
      item.sent_since = std::exchange(item.dirty_since, 0);
    } else {
      drop_pending(item.dirty_since);
    }
    item.on_way = true;
    item.force = false;
    item.latched.reset();
    put(type, item, item.held, sent.resource, now);
    if (type == Type::kEndpoints) memory_.endpoints_due.erase(sent.name);
    if (type == Type::kCluster) {
      if (sent.resource) {
        memory_.endpoints_due.insert(sent.name);
      } else {
        // What was to wait for this cluster waits no longer.
        for (Type waiting : {Type::kListener, Type::kRoutes}) {
          for (auto& [name, other] : channel(waiting).items) {
            if (other.latched && std::ranges::binary_search(other.latched->clusters, sent.name))
              other.latched.reset();
          }
        }
      }
    }
  }

  if (whole(type)) {
    NameSet on_way;
    for (const SentItem& sent : batch) on_way.insert(sent.name);
    for (const Unanswered& earlier : ch.unanswered) {
      for (const SentItem& sent : earlier.items) on_way.insert(sent.name);
    }
    // The rest as it is held: what is in doubt is tried another time.
    std::uint64_t sum = 0;
    for (const auto& [name, item] : ch.items) {
      const ResourcePtr& resource = item.on_way && on_way.contains(name) ? item.sent : item.held;
      if (!resource || !resource->bytes) continue;
      sum += version_part(name, resource->version);
      response.resources.push_back(resource);
    }
    response.version = version_text(sum);
  } else {
    for (const SentItem& sent : batch) {
      if (sent.resource) {
        response.resources.push_back(sent.resource);
      } else {
        response.removed.push_back(sent.name);
      }
    }
    response.version = variant_ == Variant::kSotw ? sotw_version(type) : fmt::format("{}", cursor_);
  }

  ch.unanswered.push_back({response.nonce, now, cursor_, false, std::move(batch)});
  // What is newer than what was sent is dirty again.
  const std::vector<SentItem> items = ch.unanswered.back().items;
  for (const SentItem& sent : items) {
    consider(type, sent.name, now);
    if (type == Type::kCluster && channel(Type::kEndpoints).items.contains(sent.name)) {
      consider(Type::kEndpoints, sent.name, now);
    }
  }
  return response;
}

std::string Session::sotw_version(Type type) const {
  std::uint64_t sum = 0;
  for (const auto& [name, item] : channel(type).items) {
    const ResourcePtr& resource = item.on_way ? item.sent : item.held;
    if (resource) sum += version_part(name, resource->version);
  }
  return version_text(sum);
}

// ---- acknowledged ------------------------------------------------------------------------------

void Session::add_pending(std::uint64_t commit) { ++pending_[commit]; }

void Session::drop_pending(std::uint64_t& commit) {
  if (commit == 0) return;
  auto it = pending_.find(commit);
  if (--it->second == 0) pending_.erase(it);
  commit = 0;
}

void Session::find_unasked_tables() {
  unasked_tables_.clear();
  for (const auto& [name, item] : channel(Type::kListener).items) {
    if (!item.held) continue;
    for (const std::string& table : item.held->route_tables) {
      if (!asked_tables_.contains(table)) unasked_tables_.insert(table);
    }
  }
}

void Session::report_acknowledged() {
  if (!channel(Type::kCluster).resolved || !channel(Type::kListener).resolved) return;
  if (std::exchange(listeners_changed_, false)) find_unasked_tables();
  if (!unasked_tables_.empty()) return;
  const std::uint64_t settled = pending_.empty() ? cursor_ : pending_.begin()->first - 1;
  std::uint64_t newest = 0;
  while (!commits_.empty() && commits_.front() <= settled) {
    newest = commits_.front();
    commits_.pop_front();
  }
  if (newest <= acknowledged_) return;
  acknowledged_ = newest;
  events_.push_back(Acknowledged{proxy_, node_, newest});
}

}  // namespace sluice::ads
