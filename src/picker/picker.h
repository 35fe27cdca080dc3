// Picks the endpoint for each request of a pool.
//
// A request is decided at once, or waits here until an endpoint is free for it, or is refused. Who is picked
// has a ticket, under which the caller tells what became of the request. Between two scrapes the picker knows
// what it sent itself: a reservation is made with the pick, follows the first token and ends with the
// request. When no ticket is open, all reservations are zero.
//
//   picker.set_endpoints(endpoints);
//   picker.observe("10.0.0.1:8000", load);            // each scrape
//   Decision decision = picker.decide(std::move(request), now);
//   picker.first_token(ticket, now);                  // the response's first bytes
//   picker.finished(ticket, usage, now);              // or dropped(): the client or the endpoint is gone
//   for (auto& [ticket, decision] : picker.advance(now)) …
//
// advance() decides on requests that wait. It is called after any of the above if `queued()`, and at
// wake_at().
//
// The picker has no clock and does no I/O; equal calls make equal decisions.
//
// Memory: for each endpoint its part of the prefix index (prefix_index.h) and some hundred bytes; some
// hundred bytes for each open ticket, whose number is the caller's to bound; the queue and the buckets of
// rate limits have bounds of their own (profile.h, limits.h). Nothing grows with the number of models,
// adapters, sessions or fairness ids that clients think up. Threads: one, or the caller's lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/inlined_vector.h"

#include "picker/endpoint.h"
#include "picker/profile.h"
#include "picker/request.h"

namespace sluice::picker {

enum class Ticket : std::uint64_t {};

inline constexpr std::size_t kMaxAddresses = 4;

struct Picked {
  Ticket ticket;
  // In the order of preference, at least one. The views are good until the next set_endpoints().
  absl::InlinedVector<std::string_view, kMaxAddresses> addresses;
  std::string_view prefiller;  // empty: none
};
struct Queued {
  Ticket ticket;
};
enum class Refusal : std::uint8_t {
  kNoEndpoint,   // 503: there is none, or none that the subset or the filters leave
  kOverloaded,   // 429
  kRateLimited,  // 429
};
struct Refused {
  Refusal reason;
  Duration retry_after{0};  // zero: unknown
};
using Decision = std::variant<Picked, Queued, Refused>;

// What the response said; zero is unknown.
struct Usage {
  std::uint32_t prompt_tokens = 0;
  std::uint32_t cached_tokens = 0;
  std::uint32_t completion_tokens = 0;
};

// What we sent to an endpoint and what has not ended.
struct Reserved {
  std::uint32_t waiting = 0;         // requests without a first token
  std::uint32_t running = 0;         // requests after it
  std::uint64_t prefill_tokens = 0;  // uncached, of those waiting
  std::uint64_t decode_tokens = 0;   // expected, of both
  std::uint64_t kv_tokens = 0;       // uncached and expected ones, of both
  std::uint64_t context_tokens = 0;  // prompts and expected outputs, of both

  bool operator==(const Reserved&) const = default;
};

class Picker {
 public:
  explicit Picker(Profile profile, std::uint64_t seed = 1);
  ~Picker();
  Picker(Picker&&) noexcept;
  Picker& operator=(Picker&&) noexcept;

  // From now on it decides by this one. What is known of endpoints stays, and so do requests that wait, with
  // their deadlines; the buckets of rate limits only where the limits are the same.
  void set_profile(Profile profile);
  // Those that were there before keep what is known of them. Tickets of those that are gone stay good.
  void set_endpoints(std::span<const Endpoint> endpoints);
  // Of unknown addresses nothing is kept.
  void observe(std::string_view address, const Load& load);
  // It does not answer: it is not picked until observed again, unless there is no other.
  void lost(std::string_view address);

  Decision decide(Request request, Time now);
  // The gateway went to another address than the first. An address that is no endpoint's ends the
  // reservation.
  void served_by(Ticket ticket, std::string_view address);
  // Each may be called in any state of the ticket, and with tickets that have ended: then it does nothing.
  void first_token(Ticket ticket, Time now);
  void finished(Ticket ticket, const Usage& usage, Time now);
  // Also of requests that are queued: their client is gone.
  void dropped(Ticket ticket, Time now);

  struct Late {
    Ticket ticket;  // of Queued; a Picked has the same
    Decision decision;
  };
  std::vector<Late> advance(Time now);
  // When a queued request runs out of time, or one may be sent though nothing has happened.
  std::optional<Time> wake_at() const;
  std::size_t queued() const;

  // For metrics, tests and the page.
  Reserved reserved(std::string_view address) const;
  std::size_t open_tickets() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::picker
