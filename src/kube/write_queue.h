// Which document is written when: a machine without I/O and clock.
//
// Documents are wanted by key, which is the target they go to. Of several wanted in a row for one key only
// the newest is sent; one write of a key is under way at a time, so they arrive in order. What equals what
// the server has acknowledged last is not sent.
//
// All keys together have `at_once` writes under way, and a token bucket (`rate`, `burst`). A key by itself is
// sent at once when it has been quiet, then after `gap`, and while it keeps changing after twice that each
// time up to `longest_gap`: a Gateway to which a thousand routes attach one after the other costs a handful
// of writes.
//
// A write is tried again, the newest document then, after no answer, 409 with the reason Conflict, 429 and
// 5xx, with a back-off of its key. Other statuses are final: the document is dropped, and is sent again when
// it is wanted again.
//
// Nothing is sent while it is not active. What is wanted meanwhile is kept; and when it becomes active,
// nothing counts as acknowledged, for somebody else may have written.
//
// Threads: one at a time. Time and chance go in.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "kube/backoff.h"
#include "kube/client.h"

namespace sluice::kube {

struct Write {
  enum class Kind : std::uint8_t {
    kApply,       // server-side apply; the target's query names the field manager
    kMergePatch,  // RFC 7396
    kCreate,      // POST to a collection
    kReplace,     // PUT
    kDelete,
  };
  Kind kind = Kind::kApply;
  std::string target;  // with its query
  std::string body;    // JSON; of a delete DeleteOptions, or empty

  bool operator==(const Write&) const = default;
};

// The query of an apply.
std::string apply_query(std::string_view field_manager, bool force);
// As the client sends it.
Call call_of(const Write& write);

class WriteQueue {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Options {
    double rate = 50;  // a second
    double burst = 100;
    std::size_t at_once = 8;
    std::chrono::milliseconds gap{100};
    std::chrono::milliseconds longest_gap{2'000};
    std::chrono::milliseconds first{250};  // of the back-off
    std::chrono::milliseconds longest{30'000};
  };

  WriteQueue(const Options& options, Random random);

  void set_active(bool active);

  void want(const std::string& key, Write write, Time now);
  // Nobody wants the key any more: what waits is dropped, and what was acknowledged is forgotten. What is
  // under way goes on.
  void drop(const std::string& key);
  // The object is not what was acknowledged: what is wanted next is sent though it be the same.
  void forget(const std::string& key);

  struct Sending {
    std::string key;
    Write write;
  };
  // What to send now; answered() has to follow.
  std::optional<Sending> next(Time now);
  // When next() may have something, if nothing happens before.
  std::optional<Time> wake_at() const;

  enum class Verdict : std::uint8_t { kDone, kAgain, kRefused };
  Verdict answered(const std::string& key, const Outcome& outcome, Time now);

  // Nothing waits, nothing is under way.
  bool idle() const;

 private:
  struct Entry {
    std::optional<Write> wanted;
    std::optional<Write> sent;                  // under way
    std::optional<std::uint64_t> acknowledged;  // its hash
    bool forgotten = false;                     // while it was under way: its answer says nothing any more
    bool dropped = false;                       // while it was under way
    std::optional<Time> last;                   // when it was sent last
    std::chrono::milliseconds gap{0};
    Time due;  // of what is wanted
    std::uint64_t order = 0;
    Backoff backoff;

    explicit Entry(const Backoff& b) : backoff(b) {}
  };
  using Ready = std::set<std::pair<std::pair<Time, std::uint64_t>, std::string>>;

  void unschedule(const std::string& key, const Entry& entry);
  void refill(Time now);

  const Options options_;
  const Random random_;
  bool active_ = false;
  std::map<std::string, Entry, std::less<>> entries_;
  Ready ready_;  // those that are wanted and not under way
  std::size_t under_way_ = 0;
  std::uint64_t order_ = 0;
  double tokens_;
  std::optional<Time> filled_;
};

}  // namespace sluice::kube
