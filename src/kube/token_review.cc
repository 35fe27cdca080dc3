#include "kube/token_review.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>

#include "base/base64.h"
#include "kube/object.h"

namespace sluice::kube {

using Json = nlohmann::json;
using namespace nlohmann::literals;  // NOLINT: the only way to a pointer in one word

namespace {

constexpr char kTarget[] = "/apis/authentication.k8s.io/v1/tokenreviews";
constexpr char kPod[] = "authentication.kubernetes.io/pod-name";
constexpr std::string_view kUser = "system:serviceaccount:";
// A stream waits for it, and its Envoy comes again.
constexpr std::chrono::seconds kTimeout{5};
// Tokens of ServiceAccounts have some 1 200 bytes.
constexpr std::size_t kLongestToken = 16 * 1024;

ReviewFault refusal(std::string message) { return {.is_refused = true, .message = std::move(message)}; }

std::string hash_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), bytes.data(), &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

bool names(const Json& audiences, const std::string& audience) {
  return audiences.is_array() && std::ranges::find(audiences, Json(audience)) != audiences.end();
}

std::string text_at(const Json& json, const Json::json_pointer& place) {
  const bool is_text = json.contains(place) && json.at(place).is_string();
  return is_text ? json.at(place).get<std::string>() : std::string();
}

}  // namespace

Review read_review(std::string_view body, const std::string& audience) {
  const Json answer = Json::parse(body, nullptr, false);
  const Json status = answer.is_object() ? answer.value("status", Json()) : Json();
  if (!status.is_object()) {
    return std::unexpected(ReviewFault{.is_refused = false, .message = "the API server's answer is no TokenReview"});
  }
  if (status.value("authenticated", Json(false)) != Json(true)) {
    const std::string why = text_at(status, "/error"_json_pointer);
    return std::unexpected(
        refusal(fmt::format("the API server does not take the token{}{}", why.empty() ? "" : ": ", why)));
  }
  // A server that knows of no audiences does not look at them.
  if (!names(status.value("audiences", Json()), audience)) {
    return std::unexpected(refusal(fmt::format("the token is not for `{}`", audience)));
  }
  const std::string user = text_at(status, "/user/username"_json_pointer);
  const std::size_t colon = user.rfind(':');
  if (!user.starts_with(kUser) || colon < kUser.size()) {
    return std::unexpected(refusal(fmt::format("`{}` is no ServiceAccount", user)));
  }
  Reviewed reviewed{.name_space = user.substr(kUser.size(), colon - kUser.size()),
                    .account = user.substr(colon + 1),
                    .pod = ""};
  reviewed.pod = text_at(status, Json::json_pointer("/user/extra") / kPod / 0);
  return reviewed;
}

std::optional<std::chrono::system_clock::time_point> end_of(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first + 1);
  if (first == token.npos || second == token.npos) return std::nullopt;
  std::string claims(token.substr(first + 1, second - first - 1));
  std::ranges::replace(claims, '-', '+');
  std::ranges::replace(claims, '_', '/');
  const Json json = Json::parse(decode_base64(claims).value_or(""), nullptr, false);
  if (!json.is_object() || !json.contains("exp") || !json["exp"].is_number_integer()) return std::nullopt;
  return std::chrono::system_clock::time_point(std::chrono::seconds(json["exp"].get<std::int64_t>()));
}

const Review* ReviewCache::find(const std::string& hash, Time now) {
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return nullptr;
  if (now < found->second->until) return &found->second->review;
  entries_.erase(found->second);
  by_hash_.erase(found);
  return nullptr;
}

void ReviewCache::keep(const std::string& hash, Review review, std::optional<Time> token_ends, Time now) {
  if (!review && !review.error().is_refused) return;
  Time until = now + (review ? std::chrono::seconds(kLongest) : kRefused);
  if (review && token_ends) until = std::min(until, *token_ends - kLeeway);
  if (until <= now) return;
  if (const auto known = by_hash_.find(hash); known != by_hash_.end()) {
    entries_.erase(known->second);
    by_hash_.erase(known);
  }
  if (entries_.size() >= kMost) {
    by_hash_.erase(entries_.front().hash);
    entries_.pop_front();
  }
  entries_.push_back({.hash = hash, .review = std::move(review), .until = until});
  by_hash_[hash] = std::prev(entries_.end());
}

struct TokenReviewer::Work : std::enable_shared_from_this<Work> {
  Work(Client& its_client, std::string its_audience)
      : client(its_client), audience(std::move(its_audience)) {}

  void review(const std::string& token, Done done) {
    if (over) return;
    if (token.empty() || token.size() > kLongestToken) {
      return done(std::unexpected(refusal("what is shown is no token")));
    }
    const std::string hash = hash_of(token);
    if (const Review* const known = cache.find(hash, std::chrono::system_clock::now())) return done(*known);
    std::vector<Done>& waiting = under_way[hash];
    waiting.push_back(std::move(done));
    if (waiting.size() > 1) return;
    const Json body{{"apiVersion", "authentication.k8s.io/v1"},
                    {"kind", "TokenReview"},
                    {"spec", {{"token", token}, {"audiences", {audience}}}}};
    client.call({.method = "POST",
                 .target = kTarget,
                 .body = body.dump(-1, ' ', false, Json::error_handler_t::replace),
                 .content_type = "application/json",
                 .timeout = kTimeout,
                 .urgent = true},
                [weak = weak_from_this(), hash, ends = end_of(token)](const Outcome& outcome) {
                  if (const auto self = weak.lock(); self && !self->over) self->answered(hash, ends, outcome);
                });
  }

  void answered(const std::string& hash, std::optional<ReviewCache::Time> ends, const Outcome& outcome) {
    Review review = std::unexpected(ReviewFault{.is_refused = false, .message = ""});
    if (!outcome) {
      review.error().message = fmt::format("the API server cannot be asked: {}", outcome.error().message);
    } else if (!outcome->ok()) {
      review.error().message =
          fmt::format("the API server says nothing of tokens: {}", describe(outcome->status, outcome->body));
    } else {
      review = read_review(outcome->body, audience);
    }
    cache.keep(hash, review, ends, std::chrono::system_clock::now());
    for (const Done& done : std::exchange(under_way[hash], {})) done(review);
    under_way.erase(hash);
  }

  Client& client;
  const std::string audience;
  bool over = false;
  ReviewCache cache;
  std::map<std::string, std::vector<Done>> under_way;  // by hash: who waits
};

TokenReviewer::TokenReviewer(Client& client, std::string audience)
    : client_(client), work_(std::make_shared<Work>(client, std::move(audience))) {}

TokenReviewer::~TokenReviewer() {
  client_.run([this] { work_->over = true; });
}

void TokenReviewer::review(std::string token, Done done) {
  client_.post([weak = std::weak_ptr(work_), token = std::move(token), done = std::move(done)]() mutable {
    if (const auto work = weak.lock()) work->review(token, std::move(done));
  });
}

}  // namespace sluice::kube
