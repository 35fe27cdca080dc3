#include "xds/filters/ext_authz.h"

#include <map>
#include <vector>

#include <fmt/format.h>

#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb.h"

#include "xds/duration.h"
#include "xds/filters/extension.h"

namespace sluice::xds {
namespace {

namespace ext_authz_v3 = envoy::extensions::filters::http::ext_authz::v3;

// Envoy Gateway's.
constexpr ir::Duration kAnswerWithin{10'000};

// Headers of the service's answer that are about that message alone: no request may have them from it.
constexpr std::string_view kOfTheAnswer[] = {
    "connection", "content-length",   "host",    "keep-alive",       "te",
    "trailer",    "proxy-connection", "upgrade", "transfer-encoding"};

// A tree of words, at a place `at` characters behind the root: whether a word ends there, and how others go
// on.
struct Fork {
  Fork(const std::vector<std::string_view>& words, std::size_t at) {
    for (const std::string_view word : words) {
      if (word.size() == at) {
        is_word = true;
      } else {
        next[word[at]].push_back(word);
        letters += word.size() - at;
      }
    }
  }

  // What leaves the tree here. Names are of visible ASCII, of which alone expressions are short.
  std::string others(std::size_t at) const {
    if (next.empty()) return "[!-~]+";
    std::string letters_left;
    for (int c = '!'; c <= '~'; ++c) {
      const int first = c;
      while (c <= '~' && !next.contains(static_cast<char>(c)) && !(at == 0 && c == ':')) ++c;
      if (c > first) letters_left += fmt::format("\\x{:02x}-\\x{:02x}", first, c - 1);
    }
    return fmt::format("[{}][!-~]*", letters_left);
  }

  bool is_word = false;
  std::map<char, std::vector<std::string_view>> next;
  std::size_t letters = 0;  // of the words, behind here
};

// What can follow where the first `at` characters of the words have been read.
std::string regex_of_others(const std::vector<std::string_view>& words, std::size_t at) {
  const Fork fork(words, at);
  if (fork.next.empty()) return fork.others(at);
  std::string longer;
  for (const auto& [c, rest] : fork.next) longer += fmt::format("|{}{}", c, regex_of_others(rest, at + 1));
  return fmt::format("({}{}{})", fork.is_word ? "" : "|", fork.others(at), longer);
}

// The same as several, with what has been read in front.
void add_regexes_of_others(const std::vector<std::string_view>& words, std::size_t at,
                           std::vector<std::string>& regexes) {
  constexpr std::size_t kLetters = 8;
  const Fork fork(words, at);
  const std::string_view read = words.front().substr(0, at);
  if (fork.letters <= kLetters) {
    regexes.push_back(fmt::format("{}{}", read, regex_of_others(words, at)));
    return;
  }
  // No name is empty.
  const bool may_end = !fork.is_word && at > 0;
  regexes.push_back(fmt::format("{}({}{})", read, may_end ? "|" : "", fork.others(at)));
  for (const auto& [c, rest] : fork.next) add_regexes_of_others(rest, at + 1, regexes);
}

void fill_names(const std::vector<std::string>& names, envoy::type::matcher::v3::ListStringMatcher* to) {
  for (const std::string& name : names) to->add_patterns()->set_exact(name);
}

void render(const ir::ExtAuthz& from, ext_authz_v3::ExtAuthz* to) {
  static const std::vector<std::string> kAllOthers = regexes_of_other_names(kOfTheAnswer);
  to->set_transport_api_version(envoy::config::core::v3::V3);
  if (!from.request_headers.empty()) fill_names(from.request_headers, to->mutable_allowed_headers());
  // Larger ones are refused: a part of a body says nothing of the whole.
  if (from.max_body > 0) to->mutable_with_request_body()->set_max_request_bytes(from.max_body);
  if (!from.http) {
    auto* service = to->mutable_grpc_service();
    service->mutable_envoy_grpc()->set_cluster_name(from.cluster);
    service->mutable_envoy_grpc()->set_authority(from.authority);
    fill_duration(kAnswerWithin, service->mutable_timeout());
    return;
  }
  auto* service = to->mutable_http_service();
  service->mutable_server_uri()->set_uri("http://" + from.authority);
  service->mutable_server_uri()->set_cluster(from.cluster);
  fill_duration(kAnswerWithin, service->mutable_server_uri()->mutable_timeout());
  service->set_path_prefix(from.http->path);
  auto* allowed = service->mutable_authorization_response()->mutable_allowed_upstream_headers();
  if (from.http->response_headers.empty()) {
    for (const std::string& regex : kAllOthers) {
      allowed->add_patterns()->mutable_safe_regex()->set_regex(regex);
    }
  } else {
    fill_names(from.http->response_headers, allowed);
  }
}

}  // namespace

std::vector<std::string> regexes_of_other_names(std::span<const std::string_view> names) {
  std::vector<std::string> regexes;
  add_regexes_of_others({names.begin(), names.end()}, 0, regexes);
  return regexes;
}

void add_ext_authz(const ir::HttpChain& chain, HttpConnectionManager* to) {
  add_extensions(chain, to, render);
}

}  // namespace sluice::xds
