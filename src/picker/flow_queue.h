// Requests that wait for an endpoint: strict between priorities, in turn between the flows of a priority, and
// first come, first served within a flow. A flow is a fairness id.
//
//   priority 1    anna: ● ● ●      ben: ●          next: anna's first, ben's first, anna's second …
//   priority 0    anna: ●          carl: ● ●       only when nobody of priority 1 waits
//
// Of a priority, those who are late already come after those who are not: under an overload that lasts, first
// come, first served would make all of them late. Of the late the first of a flow is who became it first.
//
// The number of requests and the bytes they hold are bounded. Who comes when it is full takes the place of a
// request that matters less: one of a lower priority, or of the same and a flow that has more here; the last
// of the longest flow of the lowest priority. If there is none it is not let in.
//
// Threads: as the Picker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "picker/request.h"

namespace sluice::picker {

struct Waiting {
  std::uint64_t ticket = 0;
  Request request;
  Time wanted = Time::max();  // sent after this, it comes late
  Time deadline;              // after this, nobody wants it
  Duration work{0};           // what an endpoint will have to do for it
  bool late = false;
};

class FlowQueue {
 public:
  FlowQueue(std::size_t max_requests, std::size_t max_bytes)
      : max_requests_(max_requests), max_bytes_(max_bytes) {}

  // Those that are there stay, also where they are too many now.
  void set_bounds(std::size_t max_requests, std::size_t max_bytes) {
    max_requests_ = max_requests;
    max_bytes_ = max_bytes;
  }
  // False: it is full of requests that matter as much. `shed` are those that had to go.
  bool push(Waiting waiting, std::vector<Waiting>& shed);
  // Those that are `wanted` before now are late from now on.
  void outdate(Time now);
  // Offers the first of each flow in turn, and then the first late one of each, until `take` has said yes to
  // one, at most `offers` of them, and of lower priorities only if there are none above. That one is taken
  // out, and its flow is the last in turn.
  std::optional<Waiting> next(std::size_t offers, const std::function<bool(const Waiting&)>& take);
  bool erase(std::uint64_t ticket);
  // Those whose deadline has passed.
  std::vector<Waiting> expired(Time now);

  std::optional<Time> first_deadline() const;
  std::size_t size() const { return places_.size(); }
  bool empty() const { return places_.empty(); }
  std::size_t bytes() const { return bytes_; }
  // The work of those that are served before a newcomer of this priority, while it is not late and when it
  // is.
  Duration work_before(int priority) const;
  Duration work_before_late(int priority) const;

 private:
  struct Flow {
    std::string id;
    std::list<Waiting> requests;
    std::list<Waiting> late;

    std::size_t size() const { return requests.size() + late.size(); }
  };
  struct Level {
    std::list<Flow> turns;
    std::unordered_map<std::string, std::list<Flow>::iterator> flows;
    Duration work{0};  // of those that are not late
    Duration late_work{0};
  };
  using Levels = std::map<int, Level, std::greater<>>;
  struct Place {
    Levels::iterator level;
    std::list<Flow>::iterator flow;
    std::list<Waiting>::iterator request;
  };
  Waiting take_out(const Place& place);
  static std::size_t bytes_of(const Waiting& waiting);
  // The one that has to go first, if it matters less than a newcomer of this priority and flow.
  std::optional<Place> least(int priority, const std::string& flow);

  std::size_t max_requests_;
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  Levels levels_;
  std::unordered_map<std::uint64_t, Place> places_;
  std::set<std::pair<Time, std::uint64_t>> wanted_;  // of those that are not late
  std::set<std::pair<Time, std::uint64_t>> deadlines_;
};

}  // namespace sluice::picker
