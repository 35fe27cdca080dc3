#include "picker/exchange/exchange.h"

#include <array>
#include <charconv>
#include <chrono>
#include <system_error>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/base64.h"
#include "picker/exchange/names.h"
#include "picker/json_text.h"

namespace sluice::picker {
namespace {

template <std::size_t N>
std::optional<std::string_view> header(const Message& message, const std::array<std::string_view, N>& names) {
  for (const std::string_view name : names) {
    if (const auto value = message.header(name); value && !value->empty()) return value;
  }
  return std::nullopt;
}

template <typename T>
std::optional<T> number(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A list of strings, or, as some gateways have it, one string with commas.
std::optional<std::vector<std::string>> subset_of(const Message& message) {
  const auto hint = message.metadata(kSubsetNamespace, kSubset);
  if (!hint) return std::nullopt;
  std::vector<std::string> addresses;
  for (std::string_view text : *hint) {
    while (!text.empty()) {
      const std::size_t comma = text.find(',');
      std::string_view one = text.substr(0, comma);
      text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
      while (one.starts_with(' ')) one.remove_prefix(1);
      while (one.ends_with(' ')) one.remove_suffix(1);
      if (!one.empty()) addresses.emplace_back(one);
    }
  }
  return addresses;
}

}  // namespace

Exchange::~Exchange() {
  hold(0);
  body_is_there();
  end_ticket(false);
}

// ---- the request -------------------------------------------------------------------------------------

std::optional<Verdict> Exchange::request_headers(const Message& headers, Body body) {
  read_headers(headers);
  if (body == Body::kNone) return decide();
  const auto length = number<std::uint64_t>(headers.header("content-length").value_or(""));
  content_length_ = length.value_or(0);
  if (content_length_ > pool_.options().max_body_bytes) return too_large();
  reader_.emplace();
  arrival_ = pool_.await_body(mailbox_());
  return std::nullopt;
}

void Exchange::read_headers(const Message& headers) {
  if (const auto objective = header(headers, kObjective)) request_.priority = pool_.priority(*objective);
  request_.fairness_id = header(headers, kFairnessId).value_or("");
  rewrite_ = header(headers, kModelRewrite).value_or("");
  if (const auto session = headers.header(manner_->session_header))
    request_.session = decode_base64(*session).value_or("");
  if (const auto within = header(headers, kFirstTokenObjective)) {
    const auto milliseconds = number<std::uint32_t>(*within);
    if (milliseconds) request_.objective = std::chrono::milliseconds(*milliseconds);
  }
  request_.subset = subset_of(headers);
  has_destination_header_ = headers.header(kDestination).has_value();
  has_prefiller_header_ = headers.header(kPrefiller).has_value();
  known_api_ = api_of_path(headers.header(":path").value_or("")) != Api::kUnknown;
  request_.streamed = false;  // until the body says so
}

std::optional<Verdict> Exchange::request_body(std::string_view chunk, End end) {
  if (state_ != State::kReceiving) return std::nullopt;
  if (seen_ + chunk.size() > pool_.options().max_body_bytes) return too_large();
  seen_ += chunk.size();
  if (!reader_fault_ && !reader_->feed(chunk)) {
    if (auto verdict = fault()) return verdict;
  }
  if (end != End::kNone) return complete(end);
  if (!hold(seen_)) return refuse({429, "overloaded", "too many bodies wait", {}});
  return std::nullopt;
}

std::optional<Verdict> Exchange::fault() {
  reader_fault_ = true;
  if (pool_.options().pass_unknown && !known_api_) return std::nullopt;
  ++pool_.counts().bad_bodies;
  return refuse({400, "invalid_request_error", reader_->fault_message(), {}});
}

std::optional<Verdict> Exchange::complete(End end) {
  body_is_there();
  if (!reader_fault_ && (seen_ != 0 || known_api_) && !reader_->finish() && end == End::kWhole) {
    if (auto verdict = fault()) return verdict;
  }
  const bool has_model = !reader_fault_ && reader_->has_model();
  if (!has_model && !pool_.options().pass_unknown) {
    ++pool_.counts().bad_bodies;
    return refuse({400, "invalid_request_error", "the body names no model", {}});
  }
  if (has_model) {
    request_.model = reader_->model();
    if (rewrite_.empty()) rewrite_ = pool_.rewrite(request_.model);
    const bool rewritten = !rewrite_.empty() && rewrite_ != request_.model;
    request_.target_model = rewritten ? rewrite_ : request_.model;
    request_.prompt = reader_->prompt(request_.target_model);
    request_.prompt_tokens = reader_->prompt_tokens();
    request_.max_output_tokens = reader_->max_output_tokens();
    request_.streamed = reader_->stream();
    if (rewritten) place_ = reader_->model_place();
  }
  reader_.reset();
  return decide();
}

std::optional<Verdict> Exchange::decide() {
  auto decided = pool_.decide(std::move(request_), mailbox_);
  if (const auto* waits = std::get_if<Waits>(&decided)) {
    ticket_ = waits->ticket;
    if (!hold(seen_)) {
      pool_.dropped(*std::exchange(ticket_, std::nullopt));
      return refuse({429, "overloaded", "too many bodies wait", {}});
    }
    state_ = State::kWaiting;
    return std::nullopt;
  }
  return settle(std::get<Verdict>(std::move(decided)));
}

std::optional<Verdict> Exchange::mail(Mail mail) {
  if (auto* const verdict = std::get_if<Verdict>(&mail)) {
    if (state_ != State::kWaiting) return std::nullopt;  // it has been dropped
    return settle(std::move(*verdict));
  }
  if (state_ != State::kReceiving) return std::nullopt;  // it came just in time
  ++pool_.counts().too_slow;
  return refuse({408, "request_timeout", "the body took too long to arrive", {}});
}

Verdict Exchange::settle(Verdict verdict) {
  hold(0);
  if (const auto* destination = std::get_if<Destination>(&verdict)) {
    state_ = State::kDecided;
    ticket_ = destination->ticket;
    first_address_ = destination->addresses.substr(0, destination->addresses.find(','));
    if (place_) ++pool_.counts().rewritten;
    // Nobody tells what becomes of it.
    if (manner_->answers == Answers::kNone) {
      pool_.sent(*std::exchange(ticket_, std::nullopt));
    }
  } else {
    state_ = State::kRefused;
    ticket_.reset();
  }
  return verdict;
}

Verdict Exchange::refuse(Answer answer) {
  state_ = State::kRefused;
  hold(0);
  body_is_there();
  return answer;
}

Verdict Exchange::too_large() {
  ++pool_.counts().too_large;
  return refuse({413,
                 "request_too_large",
                 fmt::format("the body has more than {} bytes", pool_.options().max_body_bytes),
                 {}});
}

std::string Exchange::rewritten(std::string_view body) const {
  std::string text;
  text.reserve(body.size() + rewrite_.size());
  text.append(body.substr(0, place_->begin));
  text.append(escape_json(rewrite_));
  text.append(body.substr(place_->end));
  return text;
}

bool Exchange::hold(std::size_t bytes) {
  if (bytes == held_) return true;
  if (!pool_.hold(held_, bytes)) {
    ++pool_.counts().too_many;
    return false;
  }
  held_ = bytes;
  return true;
}

void Exchange::body_is_there() {
  if (arrival_) pool_.body_came(*std::exchange(arrival_, std::nullopt));
}

// ---- the response ------------------------------------------------------------------------------------

std::optional<Exchange::Session> Exchange::response_headers(const Message& headers, bool end, Body body) {
  note_served(headers);
  succeeded_ = headers.header(":status").value_or("").starts_with('2');
  if (end) {
    end_ticket(succeeded_);
  } else if (succeeded_ && ticket_) {
    begin_answer(headers, body);
  }
  return session();
}

std::optional<Exchange::Session> Exchange::session() const {
  if (!manner_->gives_session || !succeeded_ || first_address_.empty()) return std::nullopt;
  return Session{.header = manner_->session_header,
                 .token = encode_base64(served_by_.empty() ? first_address_ : served_by_)};
}

void Exchange::begin_answer(const Message& headers, Body body) {
  const bool events = is_event_stream(headers.header("content-type").value_or(""));
  if (body == Body::kFollows) {
    response_.emplace(events);
    return;
  }
  // The headers of a stream of events come with the first of them, and this is all that we see.
  if (events) first_token();
  unseen_ = true;
}

void Exchange::response_body(std::string_view chunk) {
  if (!response_) return;
  response_->feed(chunk);
  if (response_->has_first_token()) first_token();
}

void Exchange::response_end(const Message& last) {
  note_served(last);
  end_ticket(succeeded_);
}

void Exchange::note_served(const Message& message) {
  if (first_address_.empty() || !served_by_.empty()) return;
  if (const auto list = message.metadata(kLoadBalancer, kServed); list && !list->empty()) {
    served_by(list->front());
  } else if (const auto header = message.header(kServed)) {
    served_by(*header);
  }
}

void Exchange::served_by(std::string_view address) {
  if (address.empty()) return;
  served_by_ = address;
  if (address == first_address_) return;
  ++pool_.counts().served_other;
  if (ticket_) pool_.served_by(*ticket_, address);
}

void Exchange::first_token() {
  if (!ticket_ || had_first_token_) return;
  had_first_token_ = true;
  pool_.first_token(*ticket_);
}

void Exchange::end_ticket(bool finished) {
  if (!ticket_) return;
  if (finished || unseen_) {
    pool_.finished(*ticket_, response_ ? response_->usage() : Usage{});
  } else {
    ++pool_.counts().dropped;
    pool_.dropped(*ticket_);
  }
  ticket_.reset();
}

}  // namespace sluice::picker
