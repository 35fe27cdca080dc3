#include "translate/hostname.h"

#include <algorithm>

namespace sluice::translate {
namespace {

// ".example.com" of "*.example.com"; everything ends with the "" of "*".
std::string_view wildcard_suffix(std::string_view host) { return host.substr(1); }

bool is_wildcard(std::string_view host) { return host.starts_with('*'); }

}  // namespace

bool covers(std::string_view wide, std::string_view narrow) {
  if (wide == narrow) return true;
  if (!is_wildcard(wide)) return false;
  const std::string_view suffix = wildcard_suffix(wide);
  if (is_wildcard(narrow)) return wildcard_suffix(narrow).ends_with(suffix);
  return narrow.size() > suffix.size() && narrow.ends_with(suffix);
}

std::optional<std::string> intersect(std::string_view a, std::string_view b) {
  if (a.empty()) a = "*";
  if (b.empty()) b = "*";
  if (covers(a, b)) return std::string(b);
  if (covers(b, a)) return std::string(a);
  return std::nullopt;
}

std::vector<std::string> served_hosts(const std::vector<std::string>& route_hostnames,
                                      std::string_view listener_hostname,
                                      const std::vector<std::string>& sibling_hostnames) {
  std::vector<std::string> hosts;
  const auto add = [&](std::string_view wanted) {
    auto host = intersect(wanted, listener_hostname);
    if (!host) return;
    const bool claimed = std::ranges::any_of(sibling_hostnames, [&](const std::string& sibling) {
      return sibling != listener_hostname &&
             covers(listener_hostname.empty() ? "*" : listener_hostname, sibling) && covers(sibling, *host);
    });
    if (!claimed) hosts.push_back(std::move(*host));
  };
  if (route_hostnames.empty()) {
    add("*");
  } else {
    for (const std::string& wanted : route_hostnames) add(wanted);
  }
  std::ranges::sort(hosts);
  hosts.erase(std::ranges::unique(hosts).begin(), hosts.end());
  return hosts;
}

}  // namespace sluice::translate
