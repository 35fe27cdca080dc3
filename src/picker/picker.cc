#include "picker/picker.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <tuple>
#include <unordered_map>

#include "picker/cost.h"
#include "picker/flow_queue.h"
#include "picker/limits.h"
#include "picker/pod.h"
#include "picker/prefix_index.h"
#include "picker/scores.h"
#include "picker/work.h"

namespace sluice::picker {
namespace {

// Endpoints that cost the same but for this are told apart by rendezvous hashing, so that replicas of the
// picker send equal prompts and adapters to equal endpoints while there is nothing else to go by.
constexpr double kTie = 0.002;
// The endpoint that served a session before may know more of it than we.
constexpr double kSessionShare = 0.2;
// Heads of flows that are tried in one step of advance(): what is behind them has to wait.
constexpr std::size_t kOffers = 64;
constexpr Duration kShortestPause = std::chrono::milliseconds(2);
constexpr Duration kTokenPause = std::chrono::milliseconds(20);
constexpr Duration kLongestPause = std::chrono::milliseconds(200);
// As long as pods remember their prefills: who had to wait, or was refused, tells of pressure for this long.
constexpr Duration kPressure = kDutyWindow;
constexpr Duration kMostRetryAfter = std::chrono::seconds(60);

Duration from_seconds(double s) { return Duration(std::llround(s * 1e6)); }

using Mask = std::vector<std::uint64_t>;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

void put(Mask& mask, std::size_t slot) { mask[slot / 64] |= std::uint64_t{1} << (slot % 64); }
bool any(const Mask& mask) {
  return std::ranges::any_of(mask, [](std::uint64_t word) { return word != 0; });
}

bool passes(const Endpoint& endpoint, const Stage& stage) {
  return std::ranges::all_of(stage.filters, [&](const LabelFilter& filter) {
    const auto label = endpoint.labels.find(filter.label);
    const bool keeps =
        label == endpoint.labels.end()
            ? filter.allow_without
            : filter.values.empty() || std::ranges::find(filter.values, label->second) != filter.values.end();
    return keeps != filter.except;
  });
}

// A request that was picked for, or waits here.
struct Flight {
  enum class At : std::uint8_t { kFree, kQueued, kWaiting, kRunning };
  At at = At::kFree;
  bool streamed = true;
  bool loads = false;  // its adapter, we thought
  std::uint32_t generation = 0;
  // The slots and their epochs: where its prompt is prefilled, and where it is decoded.
  std::uint32_t prefill_slot = kNoIndex, prefill_epoch = 0;
  std::uint32_t decode_slot = kNoIndex, decode_epoch = 0;
  // In the list of the prefilling pod.
  std::uint32_t before = kNoIndex, after = kNoIndex;
  std::uint64_t adapter = 0;
  std::uint32_t uncached = 0;
  std::uint32_t kv_tokens = 0;
  std::uint32_t context_tokens = 0;
  std::uint32_t output = 0;
  Duration work{0};
  Time sent{};
  Time started{};
  double context = 0;  // of its pod at its first token
  double duty = 0;
  Limits::Charged charged;
};

}  // namespace

struct Picker::State {
  State(Profile decided_by, std::uint64_t seed)
      : profile(std::move(decided_by)),
        queue(profile.admission.max_queued, profile.admission.max_queued_bytes),
        limits(profile.limits),
        random(seed | 1) {}

  // What is known of a request while it is decided upon.
  struct Question {
    const Request* request;
    std::uint64_t salt;
    std::uint64_t model;
    std::uint64_t tie;
    Job job;
  };
  struct Choice {
    std::vector<std::uint32_t>& order;  // the best kMaxAddresses of `slots`
    bool busy = false;
    Cost cost;              // of the best; of choices by cost only
    double least_wait = 0;  // over all
    double turnover = 0;    // of all, where they are bound by their batches; of choices by cost only
  };

  Question question(const Request& request) const;
  void candidates(const Question& question, const Mask& stage);
  Choice choose(const Question& question, const Stage& stage, Time now);
  // Whether those that run there get their tokens later than they should.
  bool too_slow(const Pod& pod, Time now) const {
    const Duration wanted_in = profile.admission.token_objective;
    return wanted_in > Duration(0) && pod.batch() > 0 && model.token_seconds(pod, now) > seconds(wanted_in);
  }
  void order_by_cost(const Question& question, Choice& choice, Time now);
  void order_by_scores(const Question& question, const Stage& stage, Choice& choice);
  void settle_unstreamed(Time now);

  struct Plan {
    bool busy = false;
    double least_wait = 0;
    // Of the first of `slots`, in seconds; of choices by cost only.
    double wait = 0;
    double first_token = 0;
    // Of an endpoint, in seconds: for the prefill, if it goes where most is cached, or, where batches are
    // full, until one more has ended.
    double work = 0;
    std::uint32_t prefill_slot = kNoIndex;
    absl::InlinedVector<std::uint32_t, kMaxAddresses> slots;  // of decoding, in order; empty: none is left
  };
  Plan plan(const Question& question, Time now);
  // Of one that waited and is no longer in the queue; its flight is still open.
  Late refuse(const Waiting& waiting, Refused refused);
  Picked send(std::uint32_t flight, const Question& question, const Plan& plan, Time now);

  std::uint32_t open(Flight::At at);
  Flight* find(Ticket ticket, std::uint32_t* index = nullptr);
  Ticket ticket(std::uint32_t index) const {
    return Ticket{static_cast<std::uint64_t>(flights[index].generation) << 32 | (index + 1)};
  }
  void close(std::uint32_t index);
  Pod* pod_of(std::uint32_t slot, std::uint32_t epoch) {
    return slot != kNoIndex && pods[slot].epoch == epoch ? &pods[slot] : nullptr;
  }
  void reserve(std::uint32_t index, Time now);
  void release(std::uint32_t index);
  // It has ended.
  void leave(std::uint32_t index, Time now);
  void link(Pod& pod, std::uint32_t index);
  void unlink(Pod& pod, std::uint32_t index);
  void head_changed(Pod& pod);
  void start(std::uint32_t index, Time now, bool observed);

  // Which endpoints come into question, as the profile and they are now.
  void sort_endpoints();

  Duration objective(const Question& question) const;
  Duration time_to_live(const Question& question) const;
  Duration retry_after(double wait) const;
  double until_sent(Duration work) const;
  std::uint32_t endpoint_count() const { return static_cast<std::uint32_t>(slot_of.size()); }
  double roll() {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return static_cast<double>(random >> 11) * 0x1p-53;
  }

  Profile profile;
  std::vector<Pod> pods;  // by slot; slots of endpoints that are gone are used again
  std::vector<std::uint32_t> free_slots;
  std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> slot_of;
  Mask serving, prefilling, reachable;
  Mask lists_nothing;                             // endpoints whose models are unknown
  std::unordered_map<std::uint64_t, Mask> lists;  // who lists a model
  PrefixIndex prefixes;
  CostModel model;
  std::vector<Flight> flights;
  std::vector<std::uint32_t> free_flights;
  std::size_t open_count = 0;
  FlowQueue queue;
  Limits limits;
  std::uint64_t random;
  std::vector<Late> late;  // decisions that advance() has yet to tell
  std::optional<Time> pause_ends;
  Time pressure_ends{};

  // Of one decision; members so that it allocates nothing.
  Mask mask, wanted;
  std::vector<std::uint32_t> slots, order, cached;
  std::vector<double> values;
};

namespace {

// Adapters have caches and slots of their own; 0 is no adapter.
std::uint64_t adapter_id(const Request& request) {
  return request.adapter.empty() ? 0 : name_hash(request.adapter) | 1;
}

}  // namespace

Picker::State::Question Picker::State::question(const Request& request) const {
  const std::string& target = request.target_model.empty() ? request.model : request.target_model;
  Question question{&request, 0, name_hash(target), 0, {}};
  question.job.adapter = adapter_id(request);
  question.salt = question.model ^ question.job.adapter * 0x9e3779b97f4a7c15;
  question.tie = request.prompt.empty() ? question.salt : question.salt ^ request.prompt.front();
  if (question.job.adapter != 0) question.tie = question.job.adapter;
  question.job.prompt_tokens = request.prompt_tokens;
  question.job.output_tokens = model.output_tokens(request.max_output_tokens);
  return question;
}

// Fills `slots`: those of the stage that the gateway allows, that list the model if any does, and that answer
// if any does.
void Picker::State::candidates(const Question& question, const Mask& stage) {
  mask = stage;
  const Request& request = *question.request;
  if (request.subset) {
    wanted.assign(mask.size(), 0);
    for (const std::string& address : *request.subset) {
      const auto slot = slot_of.find(address);
      if (slot != slot_of.end()) put(wanted, slot->second);
    }
    for (std::size_t i = 0; i < mask.size(); ++i) mask[i] &= wanted[i];
  }
  const auto narrow = [&](auto&& word) {
    wanted.resize(mask.size());
    for (std::size_t i = 0; i < mask.size(); ++i) wanted[i] = mask[i] & word(i);
    if (any(wanted)) mask.swap(wanted);
  };
  if (!lists.empty()) {
    auto listed = lists.find(question.model);
    if (listed == lists.end() && question.job.adapter != 0) listed = lists.find(name_hash(request.adapter));
    if (listed != lists.end()) narrow([&](std::size_t i) { return listed->second[i] | lists_nothing[i]; });
  }
  narrow([&](std::size_t i) { return reachable[i]; });
  slots.clear();
  for (std::size_t i = 0; i < mask.size(); ++i) {
    for (std::uint64_t word = mask[i]; word != 0; word &= word - 1) {
      slots.push_back(static_cast<std::uint32_t>(i * 64) +
                      static_cast<std::uint32_t>(std::countr_zero(word)));
    }
  }
}

void Picker::State::order_by_cost(const Question& question, Choice& choice, Time now) {
  const Request& request = *question.request;
  Cost best;
  const double busy = seconds(profile.admission.busy);
  const bool pressure = now < pressure_ends;
  choice.busy = true;
  double least = std::numeric_limits<double>::infinity();
  choice.least_wait = least;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const Pod& pod = pods[slots[i]];
    const auto cached_tokens = static_cast<std::uint32_t>(cached[slots[i]] * kBlockTokens);
    const Cost cost = model.cost(pod, question.job, cached_tokens, pressure, now);
    values[i] = cost.sum() + kTie * rendezvous(question.tie, pod.key);
    if (!request.session.empty() && pod.endpoint.address == request.session) {
      values[i] -= kSessionShare * cost.prefill + kTie;
    }
    choice.least_wait = std::min(choice.least_wait, cost.wait);
    choice.turnover += model.turnover(pod);
    if (cost.wait < busy && !too_slow(pod, now)) choice.busy = false;
    if (values[i] < least) {
      least = values[i];
      best = cost;
    }
  }
  choice.cost = best;
}

void Picker::State::order_by_scores(const Question& question, const Stage& stage, Choice& choice) {
  const Asked asked{question.request, question.job.adapter, cached};
  std::fill_n(values.begin(), slots.size(), 0.0);
  for (const Scorer& scorer : stage.scorers) add_scores(scorer, asked, pods, slots, values);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    switch (stage.choice) {
      case picker::Choice::kLowestCost:
      case picker::Choice::kMaxScore:  // equal scores: any of them
        values[i] = -values[i] + 1e-9 * roll();
        break;
      case picker::Choice::kRandom:
        values[i] = roll();
        break;
      case picker::Choice::kWeightedRandom:
        // The least of these is slot i with a probability in proportion to its score (Efraimidis, Spirakis).
        values[i] = values[i] > 0 ? -std::log(roll() + 1e-300) / values[i] : 1e300 * (1 + roll());
        break;
    }
  }
  choice.busy = saturation(profile.admission, pods, slots) >= 1;
}

// Of `slots`, with `cached` filled.
Picker::State::Choice Picker::State::choose(const Question& question, const Stage& stage, Time now) {
  Choice choice{.order = order};
  if (values.size() < slots.size()) values.resize(pods.size());
  if (stage.choice == picker::Choice::kLowestCost) {
    order_by_cost(question, choice, now);
  } else {
    order_by_scores(question, stage, choice);
  }
  const std::size_t most =
      std::min<std::size_t>({slots.size(), kMaxAddresses, static_cast<std::size_t>(stage.fallbacks) + 1});
  order.clear();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (order.size() == most && values[i] >= values[order.back()]) continue;
    if (order.size() == most) order.pop_back();
    auto place = order.end();
    while (place != order.begin() && values[i] < values[*(place - 1)]) --place;
    order.insert(place, static_cast<std::uint32_t>(i));
  }
  for (std::uint32_t& at : order) at = slots[at];
  return choice;
}

Picker::State::Plan Picker::State::plan(const Question& asked, Time now) {
  Plan made;
  Question question = asked;
  candidates(question, serving);
  if (slots.empty()) return made;
  cached.resize(pods.size());
  prefixes.match(question.request->prompt, question.salt, cached);

  std::uint32_t most_cached = 0;
  for (const std::uint32_t slot : slots) most_cached = std::max(most_cached, cached[slot]);
  const std::size_t missing = question.job.prompt_tokens -
                              std::min<std::size_t>(most_cached * kBlockTokens, question.job.prompt_tokens);
  made.work = model.prefill_seconds(static_cast<std::uint32_t>(missing));
  double prefill_seconds = 0;
  if (profile.prefill && missing > 0 && missing >= profile.prefill_threshold) {
    candidates(question, prefilling);
    if (!slots.empty()) {
      const Choice choice = choose(question, *profile.prefill, now);
      made.prefill_slot = choice.order.front();
      made.busy = choice.busy;
      made.least_wait = choice.least_wait;
      prefill_seconds = choice.cost.first_token();
      question.job.decode_only = true;
    }
    candidates(question, serving);
  }
  const Choice choice = choose(question, profile.serve, now);
  made.busy = made.busy || choice.busy;
  made.least_wait = std::max(made.least_wait, choice.least_wait);
  made.wait = choice.cost.wait;
  if (choice.turnover > 0)
    made.work = std::max(made.work, static_cast<double>(slots.size()) / choice.turnover);
  made.first_token = prefill_seconds + choice.cost.first_token();
  made.slots.assign(choice.order.begin(), choice.order.end());
  if (made.prefill_slot == kNoIndex) made.prefill_slot = made.slots.front();
  return made;
}

Picked Picker::State::send(std::uint32_t index, const Question& question, const Plan& plan, Time now) {
  const Request& request = *question.request;
  Pod& prefiller = pods[plan.prefill_slot];
  Pod& server = pods[plan.slots.front()];
  Flight& flight = flights[index];
  flight.at = Flight::At::kWaiting;
  flight.streamed = request.streamed;
  flight.prefill_slot = plan.prefill_slot;
  flight.prefill_epoch = prefiller.epoch;
  flight.decode_slot = plan.slots.front();
  flight.decode_epoch = server.epoch;
  flight.adapter = question.job.adapter;
  flight.loads = flight.adapter != 0 && server.adapters.residency(flight.adapter) != Residency::kLoaded;
  flight.uncached =
      request.prompt_tokens -
      std::min<std::uint32_t>(static_cast<std::uint32_t>(cached[plan.prefill_slot] * kBlockTokens),
                              request.prompt_tokens);
  flight.output = question.job.output_tokens;
  flight.kv_tokens = flight.uncached + flight.output;
  flight.context_tokens = request.prompt_tokens + flight.output;
  flight.work = from_seconds(model.prefill_seconds(prefiller, flight.uncached));
  flight.sent = now;
  reserve(index, now);
  prefiller.add_duty(flight.work, now);
  if (flight.loads) server.add_duty(from_seconds(model.load_seconds()), now);
  prefixes.add(plan.slots.front(), request.prompt, question.salt);
  if (&prefiller != &server) prefixes.add(plan.prefill_slot, request.prompt, question.salt);

  Picked picked{ticket(index), {}, {}};
  for (const std::uint32_t slot : plan.slots) picked.addresses.push_back(pods[slot].endpoint.address);
  if (&prefiller != &server) picked.prefiller = prefiller.endpoint.address;
  return picked;
}

Picker::Late Picker::State::refuse(const Waiting& waiting, Refused refused) {
  const Ticket ticket{waiting.ticket};
  if (const Flight* flight = find(ticket)) limits.give_back(flight->charged, waiting.request.prompt_tokens);
  return {ticket, refused};
}

std::uint32_t Picker::State::open(Flight::At at) {
  if (free_flights.empty()) {
    free_flights.push_back(static_cast<std::uint32_t>(flights.size()));
    flights.emplace_back();
  }
  const std::uint32_t index = free_flights.back();
  free_flights.pop_back();
  const std::uint32_t generation = flights[index].generation + 1;
  flights[index] = {};
  flights[index].generation = generation;
  flights[index].at = at;
  ++open_count;
  return index;
}

void Picker::State::close(std::uint32_t index) {
  flights[index].at = Flight::At::kFree;
  free_flights.push_back(index);
  --open_count;
}

Flight* Picker::State::find(Ticket ticket, std::uint32_t* index) {
  const auto number = static_cast<std::uint64_t>(ticket);
  const auto place = static_cast<std::uint32_t>(number & 0xffffffff) - 1;
  if (place >= flights.size() || flights[place].generation != number >> 32) return nullptr;
  if (flights[place].at == Flight::At::kFree) return nullptr;
  if (index != nullptr) *index = place;
  return &flights[place];
}

void Picker::State::head_changed(Pod& pod) {
  if (pod.first == kNoIndex) return;
  pod.first_sent = flights[pod.first].sent;
  pod.first_work = flights[pod.first].work;
}

void Picker::State::link(Pod& pod, std::uint32_t index) {
  Flight& flight = flights[index];
  flight.before = pod.last;
  flight.after = kNoIndex;
  (pod.last == kNoIndex ? pod.first : flights[pod.last].after) = index;
  pod.last = index;
  head_changed(pod);
}

void Picker::State::unlink(Pod& pod, std::uint32_t index) {
  Flight& flight = flights[index];
  (flight.before == kNoIndex ? pod.first : flights[flight.before].after) = flight.after;
  (flight.after == kNoIndex ? pod.last : flights[flight.after].before) = flight.before;
  flight.before = flight.after = kNoIndex;
  head_changed(pod);
}

// The reservations of a flight, by what it does at the moment.
void Picker::State::reserve(std::uint32_t index, Time) {
  Flight& flight = flights[index];
  if (Pod* pod = pod_of(flight.prefill_slot, flight.prefill_epoch);
      pod != nullptr && flight.at == Flight::At::kWaiting) {
    ++pod->reserved.waiting;
    pod->reserved.prefill_tokens += flight.uncached;
    pod->prefill_work += flight.work;
    link(*pod, index);
  }
  if (Pod* pod = pod_of(flight.decode_slot, flight.decode_epoch)) {
    if (flight.at == Flight::At::kRunning) {
      ++pod->reserved.running;
      if (!flight.streamed) ++pod->supposed;
    }
    pod->reserved.decode_tokens += flight.output;
    pod->reserved.kv_tokens += flight.kv_tokens;
    pod->reserved.context_tokens += flight.context_tokens;
    if (flight.adapter != 0) pod->adapters.begin(flight.adapter);
  }
}

void Picker::State::release(std::uint32_t index) {
  Flight& flight = flights[index];
  if (Pod* pod = pod_of(flight.prefill_slot, flight.prefill_epoch);
      pod != nullptr && flight.at == Flight::At::kWaiting) {
    --pod->reserved.waiting;
    pod->reserved.prefill_tokens -= flight.uncached;
    pod->prefill_work -= flight.work;
    unlink(*pod, index);
  }
  if (Pod* pod = pod_of(flight.decode_slot, flight.decode_epoch)) {
    if (flight.at == Flight::At::kRunning) {
      --pod->reserved.running;
      if (!flight.streamed) --pod->supposed;
    }
    pod->reserved.decode_tokens -= flight.output;
    pod->reserved.kv_tokens -= flight.kv_tokens;
    pod->reserved.context_tokens -= flight.context_tokens;
    if (flight.adapter != 0) pod->adapters.end(flight.adapter);
  }
}

void Picker::State::leave(std::uint32_t index, Time now) {
  if (Pod* pod = pod_of(flights[index].decode_slot, flights[index].decode_epoch)) {
    ++pod->ended;
    if (pod->batch_full()) pod->slot_freed = now;
  }
  release(index);
}

// Its prefill is done, as we hear, or as we suppose.
void Picker::State::start(std::uint32_t index, Time now, bool observed) {
  Flight& flight = flights[index];
  Pod* prefiller = pod_of(flight.prefill_slot, flight.prefill_epoch);
  if (prefiller != nullptr) {
    const Duration took = now - std::max(prefiller->prefilled, flight.sent);
    if (observed && flight.loads) {
      model.loaded(took - flight.work);
    } else if (observed) {
      model.prefilled(*prefiller, flight.uncached, took);
    }
    --prefiller->reserved.waiting;
    prefiller->reserved.prefill_tokens -= flight.uncached;
    prefiller->prefill_work -= flight.work;
    prefiller->prefilled = now;
    unlink(*prefiller, index);
  }
  flight.at = Flight::At::kRunning;
  flight.started = now;
  if (Pod* server = pod_of(flight.decode_slot, flight.decode_epoch)) {
    ++server->reserved.running;
    if (!flight.streamed) ++server->supposed;
    flight.context = context_tokens(*server);
    flight.duty = server->duty(now);
  }
}

// A response that is sent as a whole says nothing of its first token: its prefill is supposed to take what
// was estimated, from when the batch had room for it.
void Picker::State::settle_unstreamed(Time now) {
  for (Pod& pod : pods) {
    while (pod.first != kNoIndex && !flights[pod.first].streamed && !pod.batch_full()) {
      const Time done = std::max({pod.prefilled, pod.first_sent, pod.slot_freed}) + pod.first_work;
      if (done > now) break;
      start(pod.first, done, false);
    }
  }
}

Duration Picker::State::objective(const Question& question) const {
  if (question.request->objective > Duration(0)) return question.request->objective;
  const double prefill = model.prefill_seconds(question.job.prompt_tokens);
  return profile.admission.objective + from_seconds(profile.admission.objective_per_prefill * prefill);
}

Duration Picker::State::time_to_live(const Question& question) const {
  if (question.request->objective > Duration(0)) return question.request->objective;
  if (profile.admission.time_to_live > Duration(0)) return profile.admission.time_to_live;
  return objective(question) + profile.admission.patience;
}

Duration Picker::State::retry_after(double wait) const {
  return std::clamp(from_seconds(wait), Duration(std::chrono::seconds(1)), kMostRetryAfter);
}

// Until those are sent that wait with this much work.
double Picker::State::until_sent(Duration work) const {
  return seconds(work) / std::max(1U, endpoint_count());
}

Picker::Picker(Profile profile, std::uint64_t seed)
    : state_(std::make_unique<State>(std::move(profile), seed)) {}
Picker::~Picker() = default;
Picker::Picker(Picker&&) noexcept = default;
Picker& Picker::operator=(Picker&&) noexcept = default;

void Picker::set_endpoints(std::span<const Endpoint> endpoints) {
  State& state = *state_;
  for (Pod& pod : state.pods) pod.there = false;
  std::vector<const Endpoint*> new_ones;
  for (const Endpoint& endpoint : endpoints) {
    const auto slot = state.slot_of.find(endpoint.address);
    if (slot == state.slot_of.end()) {
      new_ones.push_back(&endpoint);
      continue;
    }
    state.pods[slot->second].there = true;
    state.pods[slot->second].endpoint = endpoint;
  }
  std::erase_if(state.slot_of, [&](const auto& entry) {
    Pod& pod = state.pods[entry.second];
    if (pod.there) return false;
    const std::uint32_t epoch = pod.epoch + 1;
    pod = {};
    pod.epoch = epoch;
    state.prefixes.forget(entry.second);
    state.free_slots.push_back(entry.second);
    return true;
  });
  std::ranges::sort(state.free_slots, std::greater<>());
  for (const Endpoint* endpoint : new_ones) {
    if (state.slot_of.contains(endpoint->address)) continue;  // twice in the list
    if (state.free_slots.empty()) {
      state.free_slots.push_back(static_cast<std::uint32_t>(state.pods.size()));
      state.pods.emplace_back();
      state.prefixes.resize(state.pods.size());
    }
    const std::uint32_t slot = state.free_slots.back();
    state.free_slots.pop_back();
    state.slot_of.emplace(endpoint->address, slot);
    Pod& pod = state.pods[slot];
    pod.there = true;
    pod.endpoint = *endpoint;
    pod.key = name_hash(endpoint->address);
  }
  state.sort_endpoints();
}

void Picker::State::sort_endpoints() {
  const std::size_t words = (pods.size() + 63) / 64;
  for (Mask* each : {&serving, &prefilling, &reachable, &lists_nothing}) each->assign(words, 0);
  lists.clear();
  for (std::size_t slot = 0; slot < pods.size(); ++slot) {
    const Pod& pod = pods[slot];
    if (!pod.there) continue;
    if (!pod.lost) put(reachable, slot);
    if (passes(pod.endpoint, profile.serve)) put(serving, slot);
    if (profile.prefill && passes(pod.endpoint, *profile.prefill)) put(prefilling, slot);
    if (pod.endpoint.models.empty()) put(lists_nothing, slot);
    for (const std::string& name : pod.endpoint.models) {
      Mask& listing = lists[name_hash(name)];
      listing.resize(words);
      put(listing, slot);
    }
  }
}

void Picker::set_profile(Profile profile) {
  State& state = *state_;
  if (profile == state.profile) return;
  if (profile.limits != state.profile.limits) state.limits = Limits(profile.limits);
  state.queue.set_bounds(profile.admission.max_queued, profile.admission.max_queued_bytes);
  state.profile = std::move(profile);
  state.sort_endpoints();
}

void Picker::observe(std::string_view address, const Load& load) {
  State& state = *state_;
  const auto found = state.slot_of.find(address);
  if (found == state.slot_of.end()) return;
  Pod& pod = state.pods[found->second];
  pod.lost = false;
  put(state.reachable, found->second);
  pod.observed = true;
  pod.waiting = load.waiting;
  pod.running = load.running;
  pod.kv_usage = std::clamp(load.kv_usage, 0.0, 1.0);
  pod.at_scrape = pod.reserved;
  // Requests of ours are counted by the pod as waiting or as running; what is more than those has others'
  // senders.
  const std::uint32_t ours = pod.reserved.waiting + pod.reserved.running;
  const std::uint32_t others = load.waiting + load.running - std::min(ours, load.waiting + load.running);
  pod.foreign_waiting = std::min(load.waiting, others);
  pod.foreign_running = others - pod.foreign_waiting;
  pod.misjudged = load.waiting - std::min(load.waiting, pod.foreign_waiting + pod.reserved.waiting);
  pod.batch_limit.seen(load.running, load.waiting, std::exchange(pod.ended, 0));
  const auto hashes = [](const std::vector<std::string>& names, std::vector<std::uint64_t>& into) {
    into.clear();
    for (const std::string& name : names) into.push_back(name_hash(name) | 1);
  };
  hashes(load.running_adapters, pod.running_adapters);
  hashes(load.waiting_adapters, pod.waiting_adapters);
  if (load.max_adapters > 0 && load.max_adapters != pod.adapters.slots()) {
    pod.adapters.set_slots(load.max_adapters);
  }
  pod.adapters.seen(pod.running_adapters);
  const std::uint64_t capacity = std::uint64_t{load.block_size} * load.blocks;
  if (capacity > 0 && capacity != pod.kv_capacity) {
    pod.kv_capacity = capacity;
    state.prefixes.set_capacity(found->second, static_cast<std::uint32_t>(std::min<std::uint64_t>(
                                                   capacity / kBlockTokens, kMaxPodBlocks)));
  }
}

void Picker::lost(std::string_view address) {
  const auto found = state_->slot_of.find(address);
  if (found == state_->slot_of.end()) return;
  state_->pods[found->second].lost = true;
  state_->reachable[found->second / 64] &= ~(std::uint64_t{1} << (found->second % 64));
}

Decision Picker::decide(Request request, Time now) {
  State& state = *state_;
  Limits::Charged charged;
  if (!state.profile.limits.empty()) {
    const Duration wait = state.limits.take(request, now, charged);
    if (wait > Duration(0)) return Refused{Refusal::kRateLimited, wait};
  }
  state.settle_unstreamed(now);
  const State::Question question = state.question(request);
  const State::Plan plan = state.plan(question, now);
  const auto refuse = [&, prompt_tokens = request.prompt_tokens](Refused refused) {
    state.limits.give_back(charged, prompt_tokens);
    return refused;
  };
  if (plan.slots.empty()) return refuse({Refusal::kNoEndpoint, {}});

  // Requests wait here, or would: the endpoints have as much as they can use.
  state.queue.outdate(now);
  const Admission& admission = state.profile.admission;
  const double before = state.until_sent(state.queue.work_before(request.priority));
  const Refused overloaded{Refusal::kOverloaded, state.retry_after(before + plan.least_wait)};
  if (request.priority < 0 && (plan.busy || !state.queue.empty() || plan.wait >= seconds(admission.shed))) {
    return refuse(overloaded);
  }
  if (admission.queue) {
    const Duration objective = state.objective(question);
    const Duration time_to_live = state.time_to_live(question);
    // Where it would cost least, so much is before it that it would come too late. Anywhere else it would
    // keep more from being in time than itself.
    if (plan.wait >= seconds(admission.busy) && from_seconds(plan.first_token) > time_to_live) {
      state.pressure_ends = now + kPressure;
      return refuse({Refusal::kOverloaded, state.retry_after(plan.wait)});
    }
    const bool first = state.queue.work_before(request.priority) == Duration(0);
    if (plan.busy || (!state.queue.empty() && !first)) {
      state.pressure_ends = now + kPressure;
      // Of those that wait, only such of its priority and above are in its way: no request is refused for
      // lower ones, and refusing them would make none come sooner. Nor is one for those that are late.
      const double behind_all = state.until_sent(state.queue.work_before_late(request.priority));
      if (from_seconds(before + plan.first_token) > objective &&
          from_seconds(behind_all + plan.first_token) > time_to_live) {
        return refuse(overloaded);
      }
      Waiting waiting;
      waiting.work = std::max(Duration(1), from_seconds(plan.work));
      waiting.wanted = now + std::max(Duration(0), objective - waiting.work - admission.busy);
      waiting.deadline = now + std::max(Duration(0), time_to_live - waiting.work);
      const std::uint32_t index = state.open(Flight::At::kQueued);
      state.flights[index].charged = charged;
      waiting.ticket = static_cast<std::uint64_t>(state.ticket(index));
      waiting.request = std::move(request);
      std::vector<Waiting> shed;
      const bool in = state.queue.push(std::move(waiting), shed);
      for (const Waiting& out : shed) {
        state.late.push_back(state.refuse(out, overloaded));
      }
      if (!in) {
        state.close(index);
        return refuse(overloaded);
      }
      return Queued{state.ticket(index)};
    }
  }
  const std::uint32_t index = state.open(Flight::At::kWaiting);
  state.flights[index].charged = std::move(charged);
  return state.send(index, question, plan, now);
}

std::vector<Picker::Late> Picker::advance(Time now) {
  State& state = *state_;
  std::vector<Late> told = std::move(state.late);
  state.late.clear();
  state.pause_ends.reset();
  state.queue.outdate(now);
  for (const Waiting& waiting : state.queue.expired(now)) {
    const double wait = state.until_sent(state.queue.work_before(waiting.request.priority));
    told.push_back(state.refuse(waiting, {Refusal::kOverloaded, state.retry_after(wait)}));
  }
  for (Late& refused : told) {
    std::uint32_t index = 0;
    if (state.find(refused.ticket, &index) != nullptr) state.close(index);
  }
  if (state.queue.empty()) return told;

  state.settle_unstreamed(now);
  double pause = seconds(kLongestPause);
  State::Plan plan;
  // The plan is made for the request in the queue, which is moved when it is taken out: only `plan` and what
  // State has of the decision live on, and the question is asked anew.
  const auto fits = [&](const Waiting& waiting) {
    plan = state.plan(state.question(waiting.request), now);
    // Tokens that come too slowly do so for a while.
    const double more = plan.least_wait - seconds(state.profile.admission.busy);
    if (plan.busy) pause = std::min(pause, more > 0 ? more : seconds(kTokenPause));
    return !plan.busy;
  };
  while (std::optional<Waiting> waiting = state.queue.next(kOffers, fits)) {
    const Ticket ticket{waiting->ticket};
    std::uint32_t index = 0;
    state.find(ticket, &index);
    if (plan.slots.empty()) {
      told.push_back(state.refuse(*waiting, {Refusal::kNoEndpoint, {}}));
      state.close(index);
    } else {
      told.push_back({ticket, state.send(index, state.question(waiting->request), plan, now)});
    }
  }
  if (!state.queue.empty()) {
    state.pause_ends = now + std::clamp(from_seconds(pause), kShortestPause, kLongestPause);
  }
  return told;
}

std::optional<Time> Picker::wake_at() const {
  if (!state_->late.empty()) return Time{};
  if (state_->queue.empty()) return std::nullopt;
  const Time deadline = *state_->queue.first_deadline();
  return std::min(deadline, state_->pause_ends.value_or(Time{}));
}

std::size_t Picker::queued() const { return state_->queue.size() + state_->late.size(); }

void Picker::served_by(Ticket ticket, std::string_view address) {
  std::uint32_t index = 0;
  Flight* flight = state_->find(ticket, &index);
  if (flight == nullptr || flight->at == Flight::At::kQueued) return;
  const auto slot = state_->slot_of.find(address);
  if (slot != state_->slot_of.end() && slot->second == flight->decode_slot &&
      state_->pods[slot->second].epoch == flight->decode_epoch) {
    return;
  }
  state_->release(index);
  if (slot == state_->slot_of.end()) {
    state_->close(index);
    return;
  }
  const bool together = flight->prefill_slot == flight->decode_slot;
  flight->decode_slot = slot->second;
  flight->decode_epoch = state_->pods[slot->second].epoch;
  if (together) {
    flight->prefill_slot = flight->decode_slot;
    flight->prefill_epoch = flight->decode_epoch;
  }
  state_->reserve(index, flight->sent);
}

void Picker::first_token(Ticket ticket, Time now) {
  std::uint32_t index = 0;
  const Flight* flight = state_->find(ticket, &index);
  if (flight == nullptr || flight->at != Flight::At::kWaiting || !flight->streamed) return;
  state_->start(index, now, true);
}

void Picker::finished(Ticket ticket, const Usage& usage, Time now) {
  State& state = *state_;
  std::uint32_t index = 0;
  Flight* flight = state.find(ticket, &index);
  if (flight == nullptr || flight->at == Flight::At::kQueued) return dropped(ticket, now);
  if (usage.completion_tokens > 0) {
    state.limits.complete(flight->charged, usage.completion_tokens);
    state.model.completed(usage.completion_tokens);
    if (const Pod* pod = state.pod_of(flight->decode_slot, flight->decode_epoch);
        pod != nullptr && flight->at == Flight::At::kRunning && flight->streamed) {
      state.model.decoded(usage.completion_tokens, now - flight->started,
                          (flight->context + context_tokens(*pod)) / 2, (flight->duty + pod->duty(now)) / 2);
    }
  }
  state.model.stayed(now - (flight->at == Flight::At::kRunning ? flight->started : flight->sent));
  state.leave(index, now);
  state.close(index);
}

void Picker::dropped(Ticket ticket, Time now) {
  State& state = *state_;
  std::uint32_t index = 0;
  const Flight* flight = state.find(ticket, &index);
  if (flight == nullptr) return;
  if (flight->at == Flight::At::kQueued) {
    state.queue.erase(static_cast<std::uint64_t>(ticket));
    std::erase_if(state.late, [&](const Late& late) { return late.ticket == ticket; });
  } else {
    state.leave(index, now);
  }
  state.close(index);
}

Reserved Picker::reserved(std::string_view address) const {
  const auto slot = state_->slot_of.find(address);
  return slot == state_->slot_of.end() ? Reserved{} : state_->pods[slot->second].reserved;
}

std::size_t Picker::open_tickets() const { return state_->open_count; }

}  // namespace sluice::picker
