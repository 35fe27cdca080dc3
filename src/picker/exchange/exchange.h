// One HTTP request and its response, as they pass by either home of the picker: reads what there is to know
// of the request, has the Pool decide, and tells the Pool what becomes of it.
//
//   Exchange exchange(pool, [] { return a_mailbox; });
//   auto verdict = exchange.request_headers(headers, Exchange::Body::kFollows);
//   … verdict = exchange.request_body(chunk, Exchange::End::kNone);
//   … verdict = exchange.request_body(chunk, Exchange::End::kWhole);
//   if (!verdict) …                         // it waits: mail comes, for exchange.mail()
//   exchange.response_headers(…); exchange.response_body(…); exchange.response_end(…);
//
// Bodies stay with the home, which holds a request back until there is a verdict, and puts another model into
// its body where rewrites() says so. An Exchange that is destroyed before its end gives back what it has
// reserved.
//
// Threads: one at a time; different Exchanges of a Pool may be used by different threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "picker/body.h"
#include "picker/exchange/pool.h"
#include "picker/request.h"
#include "picker/response.h"

namespace sluice::picker {

// Headers, or trailers, as the home has them, and dynamic metadata of the HTTP request.
class Message {
 public:
  // The first of this name, which is in lower case.
  virtual std::optional<std::string_view> header(std::string_view name) const = 0;
  // A string, or the strings of a list; nothing where there is no such field.
  virtual std::optional<std::vector<std::string>> metadata(std::string_view name_space,
                                                           std::string_view field) const = 0;

 protected:
  ~Message() = default;
};

class Exchange {
 public:
  // `mailbox` makes, or gives, the mailbox of this request, when it is needed.
  Exchange(Pool& pool, std::function<std::shared_ptr<Mailbox>()> mailbox)
      : pool_(pool), mailbox_(std::move(mailbox)), manner_(pool.manner()) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange();

  // ---- the request ---------------------------------------------------------------------------------
  //
  // Each of these says the verdict as soon as there is one, once.

  enum class Body : std::uint8_t {
    kFollows,
    kNone,  // there is none, or none that is shown before the request goes on
  };
  std::optional<Verdict> request_headers(const Message& headers, Body body);

  enum class End : std::uint8_t {
    kNone,   // more follows
    kWhole,  // this is the last of it
    kCut,    // it goes on, but no more of it is shown
  };
  std::optional<Verdict> request_body(std::string_view chunk, End end);

  // What came with the mailbox.
  std::optional<Verdict> mail(Mail mail);

  // Headers and body are being read; where not, what still comes of the request goes on as it is.
  bool receiving() const { return state_ == State::kReceiving; }
  bool waiting() const { return state_ == State::kWaiting; }
  bool refused() const { return state_ == State::kRefused; }

  // What content-length says of the body; 0 if it does not.
  std::size_t expected_bytes() const { return content_length_; }
  // The body is to get another model.
  bool rewrites() const { return place_.has_value(); }
  std::string rewritten(std::string_view body) const;
  // Bodies of answers tell the pool nothing that it needs.
  bool needs_body() const { return manner_->answers == Answers::kBodies; }
  // The request said where it is to go, or where its prompt is to be prefilled, which is not for it to say.
  bool has_destination_header() const { return has_destination_header_; }
  bool has_prefiller_header() const { return has_prefiller_header_; }

  // ---- the response --------------------------------------------------------------------------------

  // What is to be set on the answer's headers: who has served it, for the next request of its session.
  struct Session {
    std::string header;
    std::string token;
  };
  std::optional<Session> response_headers(const Message& headers, bool end, Body body);
  void response_body(std::string_view chunk);
  // After the body or the trailers, whatever came last; `last` may say who has served.
  void response_end(const Message& last);

 private:
  enum class State : std::uint8_t { kReceiving, kWaiting, kDecided, kRefused };

  void read_headers(const Message& headers);
  std::optional<Verdict> complete(End end);
  std::optional<Verdict> decide();
  Verdict settle(Verdict verdict);
  Verdict refuse(Answer answer);
  Verdict too_large();
  // Nothing, if the body may pass all the same.
  std::optional<Verdict> fault();
  bool hold(std::size_t bytes);
  void body_is_there();
  void note_served(const Message& message);
  void served_by(std::string_view address);
  void first_token();
  void end_ticket(bool finished);
  std::optional<Session> session() const;
  void begin_answer(const Message& headers, Body body);

  Pool& pool_;
  std::function<std::shared_ptr<Mailbox>()> mailbox_;
  const std::shared_ptr<const Pool::Manner> manner_;  // as it was when the request came
  State state_ = State::kReceiving;
  bool reader_fault_ = false;
  bool has_destination_header_ = false;
  bool has_prefiller_header_ = false;
  bool known_api_ = false;
  std::string rewrite_;  // the model to ask the server for
  std::optional<BodyReader::Place> place_;
  std::size_t content_length_ = 0;
  std::size_t seen_ = 0;  // bytes of the body
  std::size_t held_ = 0;  // as accounted for with the pool
  std::optional<Pool::Arrival> arrival_;
  std::optional<BodyReader> reader_;
  Request request_;

  std::optional<Ticket> ticket_;
  std::string first_address_;
  std::string served_by_;  // empty: unknown
  bool succeeded_ = false;
  bool unseen_ = false;  // the response's body does not come by here
  bool had_first_token_ = false;
  std::optional<ResponseReader> response_;
};

}  // namespace sluice::picker
