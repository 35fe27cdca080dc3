#include "picker/exchange/pool.h"

#include <algorithm>

#include <fmt/format.h>

#include "picker/exchange/names.h"
#include "picker/json_text.h"

namespace sluice::picker {
namespace {

constexpr std::size_t kMaxAdapters = 10'000;

Answer answer_of(const Refused& refused) {
  switch (refused.reason) {
    case Refusal::kNoEndpoint:
      return {503, "service_unavailable", "no model server is there for this request", {}};
    case Refusal::kOverloaded:
      return {429, "overloaded", "all model servers are busy", refused.retry_after};
    case Refusal::kRateLimited:
      return {429, "rate_limit_exceeded", "there are more requests or tokens than the limit allows",
              refused.retry_after};
  }
  return {500, "internal_error", "", {}};
}

std::string joined(const Picked& picked) {
  std::string text(picked.addresses.front());
  for (std::size_t i = 1; i < picked.addresses.size(); ++i) {
    text += ',';
    text += picked.addresses[i];
  }
  return text;
}

}  // namespace

std::string Answer::body() const {
  return fmt::format(R"({{"error":{{"message":"{}","type":"{}","code":{}}}}})", escape_json(message), type,
                     status);
}

std::string Answer::retry_after_header() const {
  if (retry_after <= Duration(0)) return {};
  return fmt::format("{}", std::chrono::ceil<std::chrono::seconds>(retry_after).count());
}

Pool::Pool(PoolOptions options, Keeper& keeper)
    : options_(std::move(options)),
      keeper_(keeper),
      manner_(manner_of(options_.profile)),
      priorities_(options_.rules.priorities),
      rewrites_(options_.rules.rewrites),
      picker_(options_.profile) {}

// ---- of its servers ----------------------------------------------------------------------------------

void Pool::set_endpoints(std::vector<Endpoint> endpoints) {
  const std::lock_guard lock(mutex_);
  for (Endpoint& endpoint : endpoints) {
    const auto before = std::ranges::find(endpoints_, endpoint.address, &Endpoint::address);
    if (before != endpoints_.end() && endpoint.models.empty()) endpoint.models = before->models;
  }
  endpoints_ = std::move(endpoints);
  picker_.set_endpoints(endpoints_);
  changed();
}

void Pool::observe(std::string_view address, const Load& load) {
  const std::lock_guard lock(mutex_);
  remember_adapters(load.running_adapters);
  remember_adapters(load.waiting_adapters);
  picker_.observe(address, load);
  changed();
}

void Pool::lost(std::string_view address) {
  const std::lock_guard lock(mutex_);
  picker_.lost(address);
  changed();
}

void Pool::set_models(std::string_view address, std::vector<ServedModel> models) {
  const std::lock_guard lock(mutex_);
  const auto endpoint = std::ranges::find(endpoints_, address, &Endpoint::address);
  if (endpoint == endpoints_.end()) return;
  std::vector<std::string> names;
  std::vector<std::string> adapters;
  for (ServedModel& model : models) {
    if (model.is_adapter) adapters.push_back(model.id);
    names.push_back(std::move(model.id));
  }
  remember_adapters(adapters);
  if (names == endpoint->models) return;
  endpoint->models = std::move(names);
  picker_.set_endpoints(endpoints_);
  changed();
}

void Pool::remember_adapters(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (adapters_.size() < kMaxAdapters && !adapters_.contains(name)) adapters_.insert(name);
  }
}

// ---- of its requests ---------------------------------------------------------------------------------

void Pool::set_rules(TrafficRules rules) {
  ModelRewrites rewrites(std::move(rules.rewrites));
  const std::lock_guard lock(rules_mutex_);
  priorities_ = std::move(rules.priorities);
  rewrites_ = std::move(rewrites);
}

std::shared_ptr<const Pool::Manner> Pool::manner_of(const Profile& profile) {
  const auto by_session = [](const Stage& stage) {
    return std::ranges::find(stage.scorers, Score::kSession, &Scorer::by) != stage.scorers.end();
  };
  return std::make_shared<const Manner>(Manner{
      .answers = needed_answers(profile),
      .session_header = profile.session_header.empty() ? std::string(kSessionToken) : profile.session_header,
      .gives_session = by_session(profile.serve)});
}

std::shared_ptr<const Pool::Manner> Pool::manner() const {
  const std::lock_guard lock(rules_mutex_);
  return manner_;
}

void Pool::set_profile(Profile profile) {
  auto manner = manner_of(profile);
  {
    const std::lock_guard lock(rules_mutex_);
    manner_ = std::move(manner);
  }
  const std::lock_guard lock(mutex_);
  picker_.set_profile(std::move(profile));
  changed();
}

int Pool::priority(std::string_view objective) const {
  const std::lock_guard lock(rules_mutex_);
  const auto at = priorities_.find(objective);
  return at == priorities_.end() ? 0 : at->second;
}

std::string Pool::rewrite(std::string_view model) {
  const std::lock_guard lock(rules_mutex_);
  return rewrites_.next(model);
}

std::variant<Verdict, Waits> Pool::decide(Request request,
                                          const std::function<std::shared_ptr<Mailbox>()>& mailbox) {
  const Time at = now();
  keeper_.asked(at);
  const std::lock_guard lock(mutex_);
  if (adapters_.contains(request.target_model)) request.adapter = request.target_model;
  const Decision decision = picker_.decide(std::move(request), at);
  // One that is refused may have been put before others, which are refused then.
  if (!std::holds_alternative<Picked>(decision)) {
    if (const std::optional<Time> late = picker_.wake_at()) wake_by(*late);
  }
  if (const auto* queued = std::get_if<Queued>(&decision)) {
    ++counts_.queued;
    waiting_[static_cast<std::uint64_t>(queued->ticket)] = mailbox();
    return Waits{queued->ticket};
  }
  return verdict(decision);
}

Verdict Pool::verdict(const Decision& decision) {
  if (const auto* picked = std::get_if<Picked>(&decision)) {
    ++counts_.picked;
    return Destination{picked->ticket, joined(*picked), std::string(picked->prefiller)};
  }
  const auto& refused = std::get<Refused>(decision);
  ++counts_.refused[static_cast<std::size_t>(refused.reason)];
  return answer_of(refused);
}

void Pool::served_by(Ticket ticket, std::string_view address) {
  const std::lock_guard lock(mutex_);
  picker_.served_by(ticket, address);
}

void Pool::first_token(Ticket ticket) {
  const Time at = now();
  const std::lock_guard lock(mutex_);
  picker_.first_token(ticket, at);
  changed();
}

void Pool::finished(Ticket ticket, const Usage& usage) {
  ++counts_.finished;
  counts_.prompt_tokens += usage.prompt_tokens;
  counts_.cached_tokens += usage.cached_tokens;
  counts_.completion_tokens += usage.completion_tokens;
  const Time at = now();
  const std::lock_guard lock(mutex_);
  picker_.finished(ticket, usage, at);
  changed();
}

void Pool::sent(Ticket ticket) {
  ++counts_.finished;
  dropped(ticket);
}

void Pool::dropped(Ticket ticket) {
  const Time at = now();
  const std::lock_guard lock(mutex_);
  waiting_.erase(static_cast<std::uint64_t>(ticket));
  picker_.dropped(ticket, at);
  changed();
}

bool Pool::hold(std::size_t before, std::size_t after) {
  if (after <= before) {
    held_bytes_ -= before - after;
    return true;
  }
  const std::size_t more = after - before;
  if (held_bytes_.fetch_add(more) + more <= options_.max_held_bytes) return true;
  held_bytes_ -= more;
  return false;
}

Pool::Arrival Pool::await_body(std::shared_ptr<Mailbox> mailbox) {
  const Time deadline = now() + options_.body_timeout;
  const std::lock_guard lock(mutex_);
  last_arrival_ = Arrival{static_cast<std::uint64_t>(last_arrival_) + 1};
  arriving_.emplace_hint(arriving_.end(), last_arrival_, std::pair(deadline, std::move(mailbox)));
  if (!look_at_bodies_) {
    look_at_bodies_ = deadline;
    wake_by(deadline);
  }
  return last_arrival_;
}

void Pool::body_came(Arrival arrival) {
  const std::lock_guard lock(mutex_);
  arriving_.erase(arrival);
}

// ---- of its keeper -----------------------------------------------------------------------------------

// Under the lock.
void Pool::changed() {
  if (picker_.queued() == 0) return;
  changed_ = true;
  wake();
}

// Under the lock.
void Pool::wake_by(Time at) {
  if (!next_ || at < *next_) wake();
}

// Under the lock.
void Pool::wake() {
  if (woken_) return;
  woken_ = true;
  keeper_.wake();
}

std::optional<Time> Pool::work() {
  const Time at = now();
  std::vector<std::pair<std::shared_ptr<Mailbox>, Mail>> mails;
  std::optional<Time> next;
  {
    const std::lock_guard lock(mutex_);
    woken_ = false;
    if (std::optional<Time> late = picker_.wake_at(); changed_ || (late && *late <= at)) {
      changed_ = false;
      for (const Picker::Late& each : picker_.advance(at)) {
        auto node = waiting_.extract(static_cast<std::uint64_t>(each.ticket));
        if (!node.empty()) mails.emplace_back(std::move(node.mapped()), verdict(each.decision));
      }
    }
    if (look_at_bodies_ && *look_at_bodies_ <= at) {
      auto first = arriving_.begin();
      for (; first != arriving_.end() && first->second.first <= at; first = arriving_.erase(first))
        mails.emplace_back(std::move(first->second.second), BodyTooSlow{});
      look_at_bodies_.reset();
      if (first != arriving_.end()) look_at_bodies_ = first->second.first;
    }
    next = picker_.wake_at();
    if (look_at_bodies_ && (!next || *look_at_bodies_ < *next)) next = look_at_bodies_;
    next_ = next;
  }
  for (auto& [mailbox, mail] : mails) mailbox->deliver(std::move(mail));
  return next;
}

// ---- for metrics -------------------------------------------------------------------------------------

std::size_t Pool::queued() const {
  const std::lock_guard lock(mutex_);
  return picker_.queued();
}

std::size_t Pool::open_tickets() const {
  const std::lock_guard lock(mutex_);
  return picker_.open_tickets();
}

Reserved Pool::reserved(std::string_view address) const {
  const std::lock_guard lock(mutex_);
  return picker_.reserved(address);
}

}  // namespace sluice::picker
