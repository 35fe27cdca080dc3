#include "picker/exchange/endpoints.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "base/quote.h"
#include "picker/exchange/scraper.h"

namespace sluice::picker {
namespace {

constexpr std::string_view kBlanks = " \t\r";

// The next word, which it takes off the front; empty at the end.
std::string_view take_word(std::string_view& text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  text.remove_prefix(begin);
  const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
  text.remove_prefix(word.size());
  return word;
}

std::expected<Endpoint, std::string> parse_one(std::string_view text) {
  Endpoint endpoint;
  endpoint.address = take_word(text);
  if (!is_address(endpoint.address))
    return std::unexpected(fmt::format("{} is no IP address with a port", quote(endpoint.address)));
  for (std::string_view word = take_word(text); !word.empty(); word = take_word(text)) {
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return std::unexpected(fmt::format("{} is no label", quote(word)));
    const std::string_view value = word.substr(equals + 1);
    const bool role = word.substr(0, equals) == "role";
    if (role && value != "both" && value != "prefill" && value != "decode")
      return std::unexpected(fmt::format("the role {} is none of both, prefill and decode", quote(value)));
    endpoint.labels.insert_or_assign(std::string(role ? kRoleLabel : word.substr(0, equals)),
                                     std::string(value));
  }
  return endpoint;
}

}  // namespace

std::expected<std::vector<Endpoint>, Problem> parse_endpoints(std::string_view text, std::string_view file) {
  std::vector<Endpoint> endpoints;
  std::uint32_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t newline = text.find('\n');
    std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    line = line.substr(0, line.find('#'));
    while (!line.empty()) {
      const std::size_t comma = line.find(',');
      const std::string_view entry = line.substr(0, comma);
      line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
      if (entry.find_first_not_of(kBlanks) == std::string_view::npos) continue;
      auto endpoint = parse_one(entry);
      std::string message = endpoint ? std::string() : endpoint.error();
      if (endpoint && std::ranges::find(endpoints, endpoint->address, &Endpoint::address) != endpoints.end())
        message = fmt::format("{} is there twice", quote(endpoint->address));
      if (!message.empty()) {
        Problem problem{
            .code = "value/endpoint",
            .message = message,
            .suggestion = "an endpoint is written as `10.0.0.1:8000` or `[fd00::1]:8000 role=decode`"};
        if (!file.empty()) problem.where = {.file = std::string(file), .line = number};
        return std::unexpected(problem);
      }
      endpoints.push_back(*std::move(endpoint));
    }
  }
  return endpoints;
}

}  // namespace sluice::picker
