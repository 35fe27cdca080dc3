#include "kube/write_queue.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "kube/object.h"

namespace sluice::kube {
namespace {

constexpr std::chrono::seconds kLongestAsked{60};  // of Retry-After

std::uint64_t hash_of(const Write& write) {
  return std::hash<std::string>()(
      fmt::format("{} {}\n{}", static_cast<int>(write.kind), write.target, write.body));
}

bool is_passing(const Answer& answer) {
  if (answer.status == 429 || answer.status >= 500) return true;
  if (answer.status != 409) return false;
  // An object that is there already stays there, and a field that another manager has stays its own.
  const std::optional<Status> status = read_status(answer.body);
  if (!status || status->reason != "Conflict") return false;
  return std::ranges::find(status->causes, "FieldManagerConflict") == status->causes.end();
}

}  // namespace

std::string apply_query(std::string_view field_manager, bool force) {
  return fmt::format("?fieldManager={}&force={}", query_escape(field_manager), force);
}

Call call_of(const Write& write) {
  Call call{.target = write.target, .body = write.body, .content_type = "application/json"};
  switch (write.kind) {
    case Write::Kind::kApply:
      call.method = "PATCH";
      call.content_type = "application/apply-patch+yaml";  // JSON is YAML
      break;
    case Write::Kind::kMergePatch:
      call.method = "PATCH";
      call.content_type = "application/merge-patch+json";
      break;
    case Write::Kind::kCreate:
      call.method = "POST";
      break;
    case Write::Kind::kReplace:
      call.method = "PUT";
      break;
    case Write::Kind::kDelete:
      call.method = "DELETE";
      if (call.body.empty()) call.content_type.clear();
      break;
  }
  return call;
}

WriteQueue::WriteQueue(const Options& options, Random random)
    : options_(options), random_(std::move(random)), tokens_(options.burst) {}

void WriteQueue::set_active(bool active) {
  if (active && !active_) {
    for (auto& [key, entry] : entries_) {
      entry.acknowledged.reset();
      entry.forgotten = entry.sent.has_value();
    }
  }
  active_ = active;
}

void WriteQueue::want(const std::string& key, Write write, Time now) {
  Entry& entry = entries_.try_emplace(key, Backoff(options_.first, options_.longest)).first->second;
  entry.dropped = false;
  const std::uint64_t hash = hash_of(write);
  if (entry.sent ? (!entry.forgotten && *entry.sent == write) : entry.acknowledged == hash) {
    // It is there, or on its way: what else was wanted meanwhile is not wanted any more.
    unschedule(key, entry);
    entry.wanted.reset();
    return;
  }
  if (entry.wanted) {  // it keeps its place
    entry.wanted = std::move(write);
    return;
  }
  entry.wanted = std::move(write);
  if (entry.last && now < *entry.last + 2 * entry.gap) {
    entry.gap = std::min(options_.longest_gap, 2 * entry.gap);
  } else {
    entry.gap = options_.gap;
  }
  entry.order = ++order_;
  entry.due = std::max(entry.due, entry.last ? *entry.last + entry.gap : now);
  if (!entry.sent) ready_.insert({{entry.due, entry.order}, key});
}

void WriteQueue::unschedule(const std::string& key, const Entry& entry) {
  if (entry.wanted) ready_.erase({{entry.due, entry.order}, key});
}

void WriteQueue::drop(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  unschedule(key, found->second);
  if (!found->second.sent) {
    entries_.erase(found);
    return;
  }
  found->second.wanted.reset();
  found->second.dropped = true;
}

void WriteQueue::forget(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  found->second.acknowledged.reset();
  found->second.forgotten = found->second.sent.has_value();
}

void WriteQueue::refill(Time now) {
  if (filled_ && now > *filled_) {
    tokens_ = std::min(options_.burst,
                       tokens_ + options_.rate * std::chrono::duration<double>(now - *filled_).count());
  }
  filled_ = now;
}

std::optional<WriteQueue::Sending> WriteQueue::next(Time now) {
  if (!active_ || under_way_ >= options_.at_once || ready_.empty()) return std::nullopt;
  if (ready_.begin()->first.first > now) return std::nullopt;
  refill(now);
  if (tokens_ < 1) return std::nullopt;
  tokens_ -= 1;
  const std::string key = ready_.begin()->second;
  ready_.erase(ready_.begin());
  Entry& entry = entries_.find(key)->second;
  entry.sent = std::exchange(entry.wanted, std::nullopt);
  entry.forgotten = false;
  entry.last = now;
  ++under_way_;
  return Sending{.key = key, .write = *entry.sent};
}

std::optional<WriteQueue::Time> WriteQueue::wake_at() const {
  if (!active_ || under_way_ >= options_.at_once || ready_.empty()) return std::nullopt;
  const Time due = ready_.begin()->first.first;
  if (tokens_ >= 1 || !filled_) return due;
  const auto missing = std::chrono::duration<double>((1 - tokens_) / options_.rate);
  return std::max(due, *filled_ + std::chrono::ceil<std::chrono::milliseconds>(missing));
}

WriteQueue::Verdict WriteQueue::answered(const std::string& key, const Outcome& outcome, Time now) {
  --under_way_;
  Entry& entry = entries_.find(key)->second;
  Write sent = *std::exchange(entry.sent, std::nullopt);
  const bool dropped = entry.dropped;
  const bool gone = sent.kind == Write::Kind::kDelete && outcome && outcome->status == 404;
  Verdict verdict = Verdict::kRefused;
  if (outcome && (outcome->ok() || gone)) {
    verdict = Verdict::kDone;
    if (!entry.forgotten) entry.acknowledged = hash_of(sent);
    entry.due = now;
    entry.backoff.reset();
  } else if (!outcome || is_passing(*outcome)) {
    verdict = Verdict::kAgain;
    entry.acknowledged.reset();  // nobody knows what it is now
    std::chrono::milliseconds delay = entry.backoff.next(random_);
    if (outcome && outcome->retry_after) {
      delay = std::max(delay, jittered(std::min(*outcome->retry_after, kLongestAsked), 0.25, random_));
    }
    entry.due = now + delay;
    if (!entry.wanted) {
      entry.wanted = std::move(sent);
      entry.order = ++order_;
    }
  } else {
    entry.acknowledged.reset();
    entry.backoff.reset();
    entry.due = now;
  }
  if (dropped) {
    entries_.erase(key);
    return verdict == Verdict::kAgain ? Verdict::kRefused : verdict;
  }
  if (!entry.wanted) return verdict;
  if (entry.acknowledged == hash_of(*entry.wanted)) {
    entry.wanted.reset();
    return verdict;
  }
  entry.due = std::max(entry.due, *entry.last + entry.gap);
  ready_.insert({{entry.due, entry.order}, key});
  return verdict;
}

bool WriteQueue::idle() const { return ready_.empty() && under_way_ == 0; }

}  // namespace sluice::kube
