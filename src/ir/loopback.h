// How a request may name the machine that the proxy runs on.
#pragma once

#include <algorithm>
#include <string_view>

namespace sluice::ir {

// RE2, of a whole host, with or without a port. The names and addresses of this machine, in all the ways in
// which resolvers take them: 127.0.0.0/8 and 0, with fewer than four parts, octal and hexadecimal too; ::1
// and ::, spelled out or not, and the IPv4 ones inside IPv6.
inline constexpr char kLoopbackHost[] =
    R"((?i)^(?:(?:[^:]*\.)?localhost\.?|localhost\.localdomain\.?|ip6-localhost|ip6-loopback)"
    R"(|127\.(?:0x[0-9a-f]+|[0-9]+|\.)*|(?:0x[0-9a-f]+\.?)+[0-9.]*|0[0-9.]*|[0-9]+(?:\.[0-9]+){0,2}\.?)"
    R"(|\[?[0:]+1?\]?|\[?[0:]*:(?:ffff:)?(?:127\.|7f)[0-9a-f.:]*\]?)(?::[0-9]+)?$)";

// False only of hosts, with or without a wildcard, under a domain of letters: no way of writing an address
// ends in one, and the names of this machine that do are known.
inline bool may_be_loopback(std::string_view host) {
  const std::size_t dot = host.rfind('.');
  if (dot == std::string_view::npos) return true;
  const std::string_view domain = host.substr(dot + 1);
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return domain.empty() || !std::ranges::all_of(domain, is_letter) || domain == "localhost" ||
         domain == "localdomain";
}

}  // namespace sluice::ir
