#include "translate/unserved.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <system_error>

#include <fmt/format.h>

namespace sluice::translate {
namespace {

// How Envoy says it: source/common/network/listen_socket_impl.cc, SocketBindException; the words after the
// address are the system's (strerror).
constexpr std::string_view kBefore = "cannot bind '";
constexpr std::string_view kBetween = "': ";

constexpr std::string_view kTaken = "Address already in use";

// What the system says, and what it means to who wrote the Gateway; {} is the address.
struct Cause {
  std::string_view words;
  std::string_view code;
  std::string_view message;
  std::string_view suggestion;
};
constexpr Cause kCauses[] = {
    {kTaken, "conflict/port", "{} is in use by another process",
     "end that process (`ss -ltnup` lists them), or use another port"},
    {"Cannot assign requested address", "value/address", "{} is no address of this host at present",
     "give it to an interface, or correct `spec.addresses`"},
    {"Permission denied", "value/port", "Envoy is not allowed to bind {}",
     "run as root or with CAP_NET_BIND_SERVICE, or use a port from 1024 on"},
};

const Cause* cause_of(const Unserved& unserved) {
  const auto* const at = std::ranges::find(kCauses, unserved.words, &Cause::words);
  return at == std::end(kCauses) ? nullptr : at;
}

}  // namespace

std::optional<Unserved> read_bind_failure(std::string_view message) {
  const auto before = message.find(kBefore);
  if (before == std::string_view::npos) return std::nullopt;
  const std::string_view rest = message.substr(before + kBefore.size());
  const auto between = rest.find(kBetween);
  if (between == std::string_view::npos) return std::nullopt;
  std::string_view words = rest.substr(between + kBetween.size());
  words = words.substr(0, words.find('\n'));
  words = words.substr(0, words.find_last_not_of(' ') + 1);
  return Unserved{.address = std::string(rest.substr(0, between)), .words = std::string(words)};
}

std::optional<std::uint16_t> taken_port(const Unserved& unserved) {
  const std::size_t colon = unserved.address.rfind(':');
  if (unserved.words != kTaken || colon == std::string::npos) return std::nullopt;
  std::uint16_t port = 0;
  const char* const end = unserved.address.data() + unserved.address.size();
  const auto parsed = std::from_chars(unserved.address.data() + colon + 1, end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return port;
}

std::string describe(const Unserved& unserved) {
  std::string text;
  if (const Cause* cause = cause_of(unserved)) {
    text = fmt::format(fmt::runtime(cause->message), unserved.address);
  } else if (!unserved.address.empty()) {
    text = fmt::format("{} cannot be bound: {}", unserved.address, unserved.words);
  } else {
    text = fmt::format("the proxy refuses it: {}", unserved.words);
  }
  if (unserved.another) text += "; what was there before is served";
  return text;
}

Problem unserved_problem(const Unserved& unserved, const std::vector<const ListenerPlan*>& listeners) {
  const Cause* cause = cause_of(unserved);
  const bool bind = !unserved.address.empty();
  const auto path = [](const ListenerPlan& listener) {
    return fmt::format("spec.listeners[{}]", listener.index);
  };
  Problem problem{.code = std::string(cause != nullptr ? cause->code
                                      : bind           ? "value/port"
                                                       : "value/rejected"),
                  .severity = Severity::kError,
                  .where = {},
                  .object = listeners.front()->owner,
                  .path = path(*listeners.front()) + (bind ? ".port" : ""),
                  .message = describe(unserved),
                  .suggestion = std::string(cause != nullptr ? cause->suggestion : "")};
  for (auto at = listeners.begin() + 1; at != listeners.end(); ++at) {
    const ListenerPlan& listener = **at;
    problem.also.push_back({.where = {},
                            .object = listener.owner,
                            .path = path(listener),
                            .message = fmt::format("listener {} is not served either", listener.name)});
  }
  return problem;
}

void set_unserved(ListenerPlan& listener, const Unserved& unserved) {
  const std::string reason = unserved.address.empty() ? "RejectedByProxy" : "PortUnavailable";
  set_condition(listener.conditions,
                {"Programmed", false, reason, describe(unserved) + "; it is tried again from time to time"});
}

}  // namespace sluice::translate
