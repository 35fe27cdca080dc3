// Whose a ServiceAccount's token is: the API server says so (kind TokenReview of authentication.k8s.io).
//
// What it has said counts until shortly before the token ends, for at most kLongest; so pods may come back
// while the API server does not answer, and many streams of one pod cost one review. A refusal counts for
// kRefused: who shows one token again and again does not keep the API server busy. Of both kMost are kept, by
// a hash, never the token itself.
//
// What it says is for one audience: a token for another one, as each pod has for the API server, is refused.
//
// Threads: review() from any; `done` is called on the client's thread. The client must outlive
// the reviewer, though it may have been stopped; then `done` is not called any more.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kube/client.h"

namespace sluice::kube {

struct Reviewed {
  std::string name_space;
  std::string account;
  std::string pod;  // that the token was made for; empty: for none

  bool operator==(const Reviewed&) const = default;
};

struct ReviewFault {
  bool is_refused = true;  // or else the API server could not be asked
  std::string message;     // a sentence, without the token

  bool operator==(const ReviewFault&) const = default;
};

using Review = std::expected<Reviewed, ReviewFault>;

// The answer to a TokenReview for the audience.
Review read_review(std::string_view body, const std::string& audience);
// When a token that has been reviewed ends, as it says itself; nothing where it is no JWT or says nothing.
std::optional<std::chrono::system_clock::time_point> end_of(std::string_view token);

// Reviews by the hash of their token.
class ReviewCache {
 public:
  using Time = std::chrono::system_clock::time_point;
  static constexpr std::chrono::minutes kLongest{60};
  static constexpr std::chrono::seconds kRefused{10};
  static constexpr std::chrono::seconds kLeeway{30};  // clocks of machines differ
  static constexpr std::size_t kMost = 10'000;

  // Null: none that counts at that time.
  const Review* find(const std::string& hash, Time now);
  // A fault that is no refusal is not kept.
  void keep(const std::string& hash, Review review, std::optional<Time> token_ends, Time now);
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string hash;
    Review review;
    Time until;
  };
  std::list<Entry> entries_;  // the oldest first
  std::map<std::string, std::list<Entry>::iterator> by_hash_;
};

class TokenReviewer {
 public:
  using Done = std::function<void(Review)>;

  TokenReviewer(Client& client, std::string audience);
  TokenReviewer(const TokenReviewer&) = delete;
  TokenReviewer& operator=(const TokenReviewer&) = delete;
  ~TokenReviewer();

  void review(std::string token, Done done);

 private:
  struct Work;
  Client& client_;
  std::shared_ptr<Work> work_;
};

}  // namespace sluice::kube
