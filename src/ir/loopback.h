// How a request may name the machine that the proxy runs on.
#pragma once

namespace sluice::ir {

// RE2, of a whole host, with or without a port. The names and addresses of this machine, in all the ways in
// which resolvers take them: 127.0.0.0/8 and 0, with fewer than four parts, octal and hexadecimal too; ::1
// and ::, spelled out or not, and the IPv4 ones inside IPv6.
inline constexpr char kLoopbackHost[] =
    R"((?i)^(?:(?:[^:]*\.)?localhost\.?|localhost\.localdomain\.?|ip6-localhost|ip6-loopback)"
    R"(|127\.(?:0x[0-9a-f]+|[0-9]+|\.)*|(?:0x[0-9a-f]+\.?)+[0-9.]*|0[0-9.]*|[0-9]+(?:\.[0-9]+){0,2}\.?)"
    R"(|\[?[0:]+1?\]?|\[?[0:]*:(?:ffff:)?(?:127\.|7f)[0-9a-f.:]*\]?)(?::[0-9]+)?$)";

}  // namespace sluice::ir
