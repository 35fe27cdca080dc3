// Of Session: what goes out next, and what of it is acknowledged.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ads/session.h"
#include "ads/session_types.h"

namespace sluice::ads {
namespace {

// A response closes when it has reached this size; Envoy applies it in one go on its main thread.
constexpr std::size_t kResponseBytes = 32 << 20;

}  // namespace

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
    if (gated(item, *resource, entry ? entry->commit : cursor_)) {
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
