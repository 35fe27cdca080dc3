// A pool of model servers as both homes of the picker have it, the ext_proc service and the module inside
// Envoy: a Picker with a lock around it, the requests that wait for it, the bodies that are on their way, and
// what has been counted.
//
// It has no thread and does no I/O; its clock is its options'. Whoever keeps it (keeper.h) tells it of its
// servers, and calls work() when it was woken and when work() said. Requests come as Exchanges (exchange.h).
//
// A decision takes some microseconds under the lock, reading bodies and responses is done outside of it: that
// much of it a processor could share among ten workers of Envoy before they wait for each other.
//
// Memory is bounded: bodies of all requests together by max_held_bytes, each by max_body_bytes and
// body_timeout; the rest as the Picker's.
//
// Threads: any, but for the constructor and the destructor.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "picker/answers.h"
#include "picker/endpoint.h"
#include "picker/exchange/clock.h"
#include "picker/exchange/models_list.h"
#include "picker/model_rewrites.h"
#include "picker/picker.h"
#include "picker/profile.h"
#include "picker/request.h"

namespace sluice::picker {

// What is said of requests by those who own the pool. It may change while the pool is in use.
struct TrafficRules {
  // Of InferenceObjectives, by name. Others have 0.
  std::map<std::string, int, std::less<>> priorities;
  // The first that matches counts; a header that names a model counts before all.
  std::vector<ModelRewrite> rewrites;
};

struct PoolOptions {
  Profile profile = default_profile();  // to begin with
  TrafficRules rules;
  // What names no model: bodies that are no JSON objects, at paths of no API that we know, or without
  // `model`. They are sent to any server, or refused with 400.
  bool pass_unknown = true;
  std::size_t max_body_bytes = 16 << 20;
  std::size_t max_held_bytes = 256 << 20;
  std::chrono::milliseconds body_timeout{60'000};  // until all of it is there
  Time (*clock)() = now;
};

// What has been counted since the start.
struct Counts {
  using Count = std::atomic<std::uint64_t>;
  Count picked = 0;
  Count queued = 0;                // for a while
  std::array<Count, 3> refused{};  // by Refusal
  Count bad_bodies = 0;
  Count too_large = 0;
  Count too_slow = 0;
  Count too_many = 0;      // bodies held at a time
  Count finished = 0;      // responses to their end
  Count dropped = 0;       // not to their end
  Count rewritten = 0;     // models in bodies
  Count served_other = 0;  // by another address than the first
  Count prompt_tokens = 0;
  Count cached_tokens = 0;
  Count completion_tokens = 0;
};

// A request goes to a server.
struct Destination {
  Ticket ticket;
  std::string addresses;  // in the order of preference: "10.0.0.1:8000,10.0.0.2:8000"
  std::string prefiller;  // empty: none
};
// The client gets an answer in place of a server's.
struct Answer {
  std::uint16_t status = 0;
  std::string_view type;    // as OpenAI has them: "overloaded"
  std::string message;      // a sentence
  Duration retry_after{0};  // zero: unknown

  // OpenAI's form of errors, in JSON.
  std::string body() const;
  // The header retry-after: whole seconds; empty where it is unknown.
  std::string retry_after_header() const;
};
using Verdict = std::variant<Destination, Answer>;
// It waits; its mailbox gets the verdict.
struct Waits {
  Ticket ticket;
};
// Its body has not come in time.
struct BodyTooSlow {};
using Mail = std::variant<Verdict, BodyTooSlow>;

// Where a request is told later what has become of it.
class Mailbox {
 public:
  virtual ~Mailbox() = default;
  // From the thread that calls Pool::work(), which holds no lock.
  virtual void deliver(Mail mail) = 0;
};

class Pool {
 public:
  class Keeper {
   public:
    // work() is to be called soon. From any thread, under the pool's lock.
    virtual void wake() = 0;
    // There is a request to decide on. From any thread.
    virtual void asked(Time at) = 0;

   protected:
    ~Keeper() = default;
  };

  // The keeper outlives the pool.
  Pool(PoolOptions options, Keeper& keeper);

  const PoolOptions& options() const { return options_; }
  Time now() const { return options_.clock(); }
  Counts& counts() { return counts_; }

  // ---- of its servers ------------------------------------------------------------------------------

  // What is known of those that stay is kept; so are their models where an endpoint names none.
  void set_endpoints(std::vector<Endpoint> endpoints);
  void observe(std::string_view address, const Load& load);
  void lost(std::string_view address);
  void set_models(std::string_view address, std::vector<ServedModel> models);

  // ---- of its requests -----------------------------------------------------------------------------

  // For requests that come from now on.
  void set_rules(TrafficRules rules);
  // Also for those that wait.
  void set_profile(Profile profile);
  // What the profile says of requests and answers as they pass.
  struct Manner {
    Answers answers = Answers::kBodies;
    std::string session_header;
    bool gives_session = false;  // an answer tells who has served it, under that header
  };
  std::shared_ptr<const Manner> manner() const;
  int priority(std::string_view objective) const;
  // The model to ask for in the place of `model`, for the next request for it; empty: as it is.
  std::string rewrite(std::string_view model);

  // `mailbox` is asked for, by this thread, where the request has to wait. The adapter is filled in here.
  std::variant<Verdict, Waits> decide(Request request,
                                      const std::function<std::shared_ptr<Mailbox>()>& mailbox);
  void served_by(Ticket ticket, std::string_view address);
  void first_token(Ticket ticket);
  void finished(Ticket ticket, const Usage& usage);
  // It has been sent, and no more will be known of it.
  void sent(Ticket ticket);
  // Also of requests that wait: their mailboxes get nothing more, or something that has been on its way.
  void dropped(Ticket ticket);

  // Bytes of bodies: from what was held to what is to be. False, and nothing has changed, where there is no
  // room.
  bool hold(std::size_t before, std::size_t after);

  // A body is on its way: unless body_came() is called within body_timeout, the mailbox gets BodyTooSlow.
  enum class Arrival : std::uint64_t {};
  Arrival await_body(std::shared_ptr<Mailbox> mailbox);
  void body_came(Arrival arrival);

  // ---- of its keeper -------------------------------------------------------------------------------

  // Delivers what has been decided on requests that wait, and ends those whose bodies are late. When it wants
  // to be called next, if at all.
  std::optional<Time> work();

  // ---- for metrics ---------------------------------------------------------------------------------

  std::size_t queued() const;
  std::size_t open_tickets() const;
  std::size_t held_bytes() const { return held_bytes_; }
  Reserved reserved(std::string_view address) const;

 private:
  void remember_adapters(const std::vector<std::string>& names);
  void changed();
  void wake_by(Time at);
  void wake();
  static std::shared_ptr<const Manner> manner_of(const Profile& profile);
  Verdict verdict(const Decision& decision);

  const PoolOptions options_;
  Keeper& keeper_;
  Counts counts_;
  std::atomic<std::size_t> held_bytes_ = 0;

  mutable std::mutex rules_mutex_;  // of these; no other lock is taken under it
  std::shared_ptr<const Manner> manner_;
  std::map<std::string, int, std::less<>> priorities_;
  ModelRewrites rewrites_;

  mutable std::mutex mutex_;  // of what follows
  Picker picker_;
  std::vector<Endpoint> endpoints_;
  std::set<std::string, std::less<>> adapters_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Mailbox>> waiting_;  // by ticket
  // Bodies with their deadlines, both in the order of their beginnings.
  std::map<Arrival, std::pair<Time, std::shared_ptr<Mailbox>>> arriving_;
  Arrival last_arrival_{};
  // When they are looked at: not after the first deadline, and not anew for each body.
  std::optional<Time> look_at_bodies_;
  bool changed_ = false;      // since the last look at the queue
  bool woken_ = false;        // and work() has not been called yet
  std::optional<Time> next_;  // when work() will be called anyway
};

}  // namespace sluice::picker
