#include "explain/headers.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/letter_case.h"
#include "translate/header_changes.h"

namespace sluice::explain {
namespace {

// Stands for the address of the client, which is not known here, and for an id that differs from request to
// request: a header with such a value is there, whatever the client sent.
constexpr char kClient[] = "192.0.2.1";
constexpr char kRequestId[] = "00000000-0000-4000-8000-000000000000";

// They are Envoy's own, and not believed of a client.
constexpr std::string_view kNotBelieved[] = {
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-max-retries",
    "x-envoy-original-host",
    "x-envoy-original-path",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-stream-duration-ms",
    "x-forwarded-client-cert",
};
// They are about the connection, not the request.
constexpr std::string_view kOfConnection[] = {"keep-alive", "proxy-connection", "transfer-encoding"};
// A client that has them removed would hide where it comes from.
constexpr std::string_view kNeverNamed[] = {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"};
// As many words in Connection are too many.
constexpr std::size_t kTooManyNamed = 10;

using Values = std::vector<std::string>;

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (lower_case(c) >= 'a' && lower_case(c) <= 'z');
}

// RFC 3986's characters of a host and a port.
bool is_authority(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return is_letter_or_digit(c) || std::string_view("-._~!$&'()*+,;=:@[]%").contains(c);
  });
}

bool is_value(std::string_view text) {
  return std::ranges::none_of(
      text, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F; });
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

const Values& values_of(const Arrival& arrival, std::string_view name) {
  static const Values none;
  const auto at = arrival.headers.find(name);
  return at == arrival.headers.end() ? none : at->second;
}

// "a, b" and "c" → "a", "b", "c".
Values words_of(const Values& values) {
  Values words;
  for (std::string_view rest : values) {
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      std::string_view word = rest.substr(0, end);
      word.remove_prefix(std::min(word.find_first_not_of(" \t"), word.size()));
      word = word.substr(0, word.find_last_not_of(" \t") + 1);
      if (!word.empty()) words.emplace_back(word);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return words;
}

void read_lines(const Request& request, Arrival& arrival) {
  for (const ir::Header& header : request.headers) {
    const std::string name = lower_case(header.name);
    if (!translate::is_header_name(name)) {
      arrival.answer(400, fmt::format("`{}` is no name of a header", header.name));
    } else if (!is_value(header.value)) {
      arrival.answer(400, fmt::format("the value of header `{}` has a control character in it", header.name));
    } else if (name.contains('_')) {
      arrival.answer(400, fmt::format("header `{}` has an underscore in its name", header.name));
    }
    arrival.headers[name].push_back(header.value);
  }
}

// What Connection names is for the next hop only. True where that leaves the request without a host.
bool read_connection(Arrival& arrival) {
  Values named = words_of(values_of(arrival, "connection"));
  std::ranges::transform(named, named.begin(), [](const std::string& word) { return lower_case(word); });
  const Values& upgrades = values_of(arrival, "upgrade");
  if (!upgrades.empty() && std::ranges::find(named, "upgrade") != named.end()) {
    const std::string upgrade = lower_case(fmt::format("{}", fmt::join(upgrades, ",")));
    if (upgrade != "h2c") arrival.upgrade = upgrade;  // that one Envoy leaves out
  }
  if (named.size() >= kTooManyNamed) arrival.answer(400, "Connection names too many headers");
  for (const std::string& name : named) {
    if (std::ranges::find(kNeverNamed, name) != std::end(kNeverNamed) || name.starts_with(':')) {
      arrival.answer(400, fmt::format("Connection must not name {}", name));
    }
    if (name != "te" && name != "upgrade") arrival.headers.erase(name);
  }
  return std::ranges::find(named, "host") != named.end();
}

void read_length(Arrival& arrival) {
  const Values& coding = values_of(arrival, "transfer-encoding");
  const Values& length = values_of(arrival, "content-length");
  if (!length.empty() && (length.size() > 1 || !is_number(length.front()))) {
    arrival.answer(400, "Content-Length is no number");
  }
  if (coding.empty()) return;
  if (!length.empty()) {
    arrival.answer(400, "there is a Content-Length beside Transfer-Encoding");
  } else if (coding.size() > 1 || !equal_but_for_case(coding.front(), "chunked")) {
    arrival.answer(501, "Envoy takes no Transfer-Encoding but `chunked`");
  }
}

bool is_grpc(const Values& types) {
  return types.size() == 1 &&
         (types.front() == "application/grpc" || types.front().starts_with("application/grpc+"));
}

}  // namespace

void read_headers(const Request& request, Arrival& arrival) {
  read_lines(request, arrival);
  read_length(arrival);
  const bool hostless = read_connection(arrival);
  if (!is_authority(request.authority)) {
    arrival.answer(400, fmt::format("`{}` is no host", request.authority));
  }
  arrival.grpc = arrival.status == 0 && is_grpc(values_of(arrival, "content-type"));

  if (hostless) arrival.answer(400, "Connection names Host, so that the request has none");
  if (request.method == "QUERY" && values_of(arrival, "content-type").empty()) {
    arrival.answer(400, "a QUERY says what it asks with: it needs a Content-Type");
  }

  if (arrival.upgrade.empty()) {  // else the backend is to know
    const Values te = words_of(values_of(arrival, "te"));
    for (const char* name : {"te", "connection", "upgrade"}) arrival.headers.erase(name);
    if (std::ranges::find(te, "trailers") != te.end()) arrival.headers["te"] = {"trailers"};
  }
  for (const std::string_view name : kOfConnection) arrival.headers.erase(std::string(name));
  for (const std::string_view name : kNotBelieved) arrival.headers.erase(std::string(name));

  const std::string scheme(request.scheme == Scheme::kHttps ? "https" : "http");
  Values way = values_of(arrival, "x-forwarded-for");
  way.emplace_back(kClient);
  arrival.headers["x-forwarded-for"] = {fmt::format("{}", fmt::join(way, ","))};
  arrival.headers["x-envoy-external-address"] = {kClient};
  arrival.headers["x-request-id"] = {kRequestId};
  arrival.headers["x-forwarded-proto"] = {scheme};
  arrival.headers["host"] = {request.authority};
  arrival.headers[":authority"] = {request.authority};
  arrival.headers[":scheme"] = {scheme};
}

}  // namespace sluice::explain
