#include "translate/slice.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "api/gateway_api/shared.h"
#include "base/quote.h"

namespace sluice::translate {
namespace {

bool has_names(const api::EndpointSlice& slice) { return slice.address_type == "FQDN"; }

bool is_name(std::string_view text) {
  constexpr std::size_t kLongest = 253;  // RFC 1035, without the last dot
  return !text.empty() && text.size() <= kLongest && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

}  // namespace

bool is_usable(const api::EndpointSlice& slice, const std::string& address) {
  return has_names(slice) ? is_name(address) : api::is_ip_address(address);
}

bool is_usable(const api::EndpointPort& port) { return port.port && *port.port != 0; }

std::optional<SliceProblems> check_slice(const NamespacedName& name, const api::EndpointSlice& slice) {
  SliceProblems found;
  const auto add = [&](std::string path, std::string message, std::string suggestion) {
    found.problems.push_back({.code = "value/address",
                              .object = {api::kind_of<api::EndpointSlice>(), name},
                              .path = std::move(path),
                              .message = std::move(message),
                              .suggestion = std::move(suggestion)});
  };
  for (std::size_t i = 0; i < slice.endpoints.size(); ++i) {
    const std::vector<std::string>& addresses = slice.endpoints[i].addresses;
    for (std::size_t j = 0; j < addresses.size(); ++j) {
      if (is_usable(slice, addresses[j])) continue;
      add(fmt::format("endpoints[{}].addresses[{}]", i, j),
          fmt::format("{} is no {}: nothing is sent there", quote(addresses[j]),
                      has_names(slice) ? "name of a host" : "IP address"),
          !has_names(slice) && is_name(addresses[j]) &&
                  addresses[j].find_first_not_of("0123456789.") != std::string::npos
              ? "names are for slices of `addressType: FQDN`"
              : "");
    }
  }
  for (std::size_t i = 0; i < slice.ports.size(); ++i) {
    if (slice.ports[i].port != 0) continue;
    add(fmt::format("ports[{}].port", i), "nothing can be sent to port 0", "");
  }
  return found.problems.empty() ? std::nullopt : std::optional(std::move(found));
}

}  // namespace sluice::translate
