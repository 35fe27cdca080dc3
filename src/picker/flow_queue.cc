#include "picker/flow_queue.h"

#include <algorithm>

namespace sluice::picker {

std::size_t FlowQueue::bytes_of(const Waiting& waiting) {
  const Request& request = waiting.request;
  std::size_t bytes = sizeof(Flow) + sizeof(Waiting) + 128;  // and the nodes of tables
  bytes += request.prompt.capacity() * sizeof(BlockHash);
  for (const std::string* text : {&request.model, &request.target_model, &request.adapter,
                                  &request.fairness_id, &request.fairness_id, &request.session}) {
    bytes += text->capacity();
  }
  if (request.subset) {
    for (const std::string& address : *request.subset) bytes += sizeof(address) + address.capacity();
  }
  return bytes;
}

std::optional<FlowQueue::Place> FlowQueue::least(int priority, const std::string& flow) {
  if (levels_.empty()) return std::nullopt;
  const auto level = std::prev(levels_.end());
  if (level->first > priority) return std::nullopt;
  const auto longest = std::ranges::max_element(level->second.turns, {},
                                                [](const Flow& candidate) { return candidate.size(); });
  if (level->first == priority) {
    const auto own = level->second.flows.find(flow);
    const std::size_t length = own == level->second.flows.end() ? 0 : own->second->size();
    if (longest->size() <= length + 1) return std::nullopt;
  }
  std::list<Waiting>& last = longest->late.empty() ? longest->requests : longest->late;
  return Place{level, longest, std::prev(last.end())};
}

bool FlowQueue::push(Waiting waiting, std::vector<Waiting>& shed) {
  const std::size_t bytes = bytes_of(waiting);
  const int priority = waiting.request.priority;
  while (places_.size() + 1 > max_requests_ || bytes_ + bytes > max_bytes_) {
    const std::optional<Place> out = least(priority, waiting.request.fairness_id);
    if (!out) return false;
    shed.push_back(take_out(*out));
  }
  const auto level = levels_.try_emplace(priority).first;
  auto& flows = level->second.flows;
  auto flow = flows.find(waiting.request.fairness_id);
  if (flow == flows.end()) {
    level->second.turns.push_back(Flow{waiting.request.fairness_id, {}, {}});
    flow = flows.emplace(waiting.request.fairness_id, std::prev(level->second.turns.end())).first;
  }
  level->second.work += waiting.work;
  bytes_ += bytes;
  deadlines_.emplace(waiting.deadline, waiting.ticket);
  wanted_.emplace(waiting.wanted, waiting.ticket);
  const std::uint64_t ticket = waiting.ticket;
  flow->second->requests.push_back(std::move(waiting));
  places_[ticket] = {level, flow->second, std::prev(flow->second->requests.end())};
  return true;
}

Waiting FlowQueue::take_out(const Place& at) {
  const Place place = at;  // `at` may be in the table
  bytes_ -= bytes_of(*place.request);
  Waiting taken = std::move(*place.request);
  (taken.late ? place.flow->late : place.flow->requests).erase(place.request);
  (taken.late ? place.level->second.late_work : place.level->second.work) -= taken.work;
  if (!taken.late) wanted_.erase({taken.wanted, taken.ticket});
  deadlines_.erase({taken.deadline, taken.ticket});
  places_.erase(taken.ticket);
  if (place.flow->size() == 0) {
    place.level->second.flows.erase(place.flow->id);
    place.level->second.turns.erase(place.flow);
  }
  if (place.level->second.turns.empty()) levels_.erase(place.level);
  return taken;
}

std::optional<Waiting> FlowQueue::next(std::size_t offers, const std::function<bool(const Waiting&)>& take) {
  if (levels_.empty()) return std::nullopt;
  const auto level = levels_.begin();
  auto& turns = level->second.turns;
  for (std::list<Waiting> Flow::* const kind : {&Flow::requests, &Flow::late}) {
    for (auto flow = turns.begin(); flow != turns.end() && offers > 0; ++flow) {
      std::list<Waiting>& those = (*flow).*kind;
      if (those.empty()) continue;
      --offers;
      if (!take(those.front())) continue;
      turns.splice(turns.end(), turns, flow);
      return take_out({level, flow, those.begin()});
    }
  }
  return std::nullopt;
}

void FlowQueue::outdate(Time now) {
  while (!wanted_.empty() && wanted_.begin()->first < now) {
    const Place& place = places_.at(wanted_.begin()->second);
    wanted_.erase(wanted_.begin());
    place.request->late = true;
    place.level->second.work -= place.request->work;
    place.level->second.late_work += place.request->work;
    place.flow->late.splice(place.flow->late.end(), place.flow->requests, place.request);
  }
}

bool FlowQueue::erase(std::uint64_t ticket) {
  const auto place = places_.find(ticket);
  if (place == places_.end()) return false;
  take_out(place->second);
  return true;
}

std::vector<Waiting> FlowQueue::expired(Time now) {
  std::vector<Waiting> gone;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    gone.push_back(take_out(places_.at(deadlines_.begin()->second)));
  }
  return gone;
}

std::optional<Time> FlowQueue::first_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

Duration FlowQueue::work_before(int priority) const {
  Duration sum{0};
  for (const auto& [at, level] : levels_) {
    if (at < priority) break;
    sum += level.work;
    if (at > priority) sum += level.late_work;
  }
  return sum;
}

Duration FlowQueue::work_before_late(int priority) const {
  const auto level = levels_.find(priority);
  return work_before(priority) + (level == levels_.end() ? Duration(0) : level->second.late_work);
}

}  // namespace sluice::picker
