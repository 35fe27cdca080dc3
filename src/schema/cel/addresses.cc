// IP addresses, CIDRs and URLs.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <re2/re2.h>

#include "schema/cel/functions.h"

namespace sluice::schema::cel {

namespace {

using Kind = Datum::Kind;
using Form = Function::Form;
using Args = std::span<const Datum>;

constexpr std::size_t kIpv4Bytes = 4;
constexpr std::size_t kIpv6Bytes = 16;
constexpr std::string_view kMappedPrefix("\0\0\0\0\0\0\0\0\0\0\xFF\xFF", 12);

Datum unfit(Heap& heap, std::string_view function, const Datum& value) {
  return heap.error(fmt::format("`{}` does not take {}", function, words_for(value.kind)));
}

// The bytes; empty where the text is no address. Kubernetes takes neither zones nor IPv4 in IPv6.
std::string parse_ip(std::string_view text) {
  unsigned char bytes[kIpv6Bytes];
  const std::string terminated(text);
  if (terminated.size() != std::string_view(terminated.c_str()).size()) return "";
  if (inet_pton(AF_INET, terminated.c_str(), bytes) == 1)
    return {reinterpret_cast<const char*>(bytes), kIpv4Bytes};
  if (inet_pton(AF_INET6, terminated.c_str(), bytes) != 1) return "";
  std::string result(reinterpret_cast<const char*>(bytes), kIpv6Bytes);
  return result.starts_with(kMappedPrefix) ? "" : result;
}

struct Cidr {
  std::string bytes;
  int bits = 0;
};

std::optional<Cidr> parse_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  Cidr cidr{.bytes = parse_ip(text.substr(0, slash))};
  const std::string_view digits = text.substr(slash + 1);
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), cidr.bits);
  if (cidr.bytes.empty() || error != std::errc() || stop != digits.data() + digits.size() || digits.empty() ||
      digits.front() == '-' || (digits.size() > 1 && digits.front() == '0') ||
      cidr.bits > static_cast<int>(cidr.bytes.size()) * 8) {
    return std::nullopt;
  }
  return cidr;
}

std::string masked_bytes(std::string_view bytes, std::int64_t bits) {
  std::string result(bytes);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::int64_t kept = std::clamp<std::int64_t>(bits - static_cast<std::int64_t>(i) * 8, 0, 8);
    result[i] = static_cast<char>(static_cast<unsigned char>(result[i]) & (0xFF00 >> kept));
  }
  return result;
}

Datum cidr_datum(Heap& heap, std::string bytes, std::int64_t bits) {
  Datum result = Datum::of_text(heap.keep(std::move(bytes)), Kind::kCidr);
  result.integer = bits;
  return result;
}

Datum is_ip(Heap& heap, Args args) {
  return args[0].is(Kind::kString) ? Datum::of(!parse_ip(args[0].text).empty())
                                   : unfit(heap, "isIP", args[0]);
}
Datum is_cidr(Heap& heap, Args args) {
  return args[0].is(Kind::kString) ? Datum::of(parse_cidr(args[0].text).has_value())
                                   : unfit(heap, "isCIDR", args[0]);
}

Datum ip(Heap& heap, Args args) {
  if (args[0].is(Kind::kCidr)) return Datum::of_text(args[0].text, Kind::kIp);  // cidr.ip()
  if (!args[0].is(Kind::kString)) return unfit(heap, "ip", args[0]);
  std::string bytes = parse_ip(args[0].text);
  if (bytes.empty()) return heap.error("the value is no IP address");
  return Datum::of_text(heap.keep(std::move(bytes)), Kind::kIp);
}

Datum cidr(Heap& heap, Args args) {
  if (!args[0].is(Kind::kString)) return unfit(heap, "cidr", args[0]);
  std::optional<Cidr> parsed = parse_cidr(args[0].text);
  if (!parsed) return heap.error("the value is no CIDR");
  return cidr_datum(heap, std::move(parsed->bytes), parsed->bits);
}

Datum family(Heap& heap, Args args) {
  if (!args[0].is(Kind::kIp)) return unfit(heap, "family", args[0]);
  return Datum::of_int(args[0].text.size() == kIpv4Bytes ? 4 : 6);
}

bool is_unspecified(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}
bool is_loopback(std::string_view bytes) {
  return bytes.size() == kIpv4Bytes ? bytes[0] == 127
                                    : bytes.find_first_not_of('\0') == kIpv6Bytes - 1 && bytes.back() == 1;
}
bool is_link_local_multicast(std::string_view bytes) {
  return bytes.size() == kIpv4Bytes ? bytes.starts_with(std::string_view("\xE0\0\0", 3))
                                    : bytes[0] == '\xFF' && (bytes[1] & 0x0F) == 2;
}
bool is_link_local_unicast(std::string_view bytes) {
  return bytes.size() == kIpv4Bytes ? bytes.starts_with("\xA9\xFE")
                                    : bytes[0] == '\xFE' && (bytes[1] & 0xC0) == 0x80;
}
bool is_global_unicast(std::string_view bytes) {
  const bool is_multicast = bytes.size() == kIpv4Bytes ? (bytes[0] & 0xF0) == 0xE0 : bytes[0] == '\xFF';
  return !is_unspecified(bytes) && !is_loopback(bytes) && !is_multicast && !is_link_local_unicast(bytes) &&
         bytes != "\xFF\xFF\xFF\xFF";
}

template <bool (*kTest)(std::string_view)>
Datum test_ip(Heap& heap, Args args) {
  return args[0].is(Kind::kIp) ? Datum::of(kTest(args[0].text)) : unfit(heap, "a test of addresses", args[0]);
}

bool covers(const Datum& outer, std::string_view bytes) {
  return outer.text.size() == bytes.size() &&
         masked_bytes(outer.text, outer.integer) == masked_bytes(bytes, outer.integer);
}

Datum contains_ip(Heap& heap, Args args) {
  if (!args[0].is(Kind::kCidr)) return unfit(heap, "containsIP", args[0]);
  const Datum inner = args[1].is(Kind::kIp) ? args[1] : ip(heap, args.subspan(1));
  return inner.is_error() ? inner : Datum::of(covers(args[0], inner.text));
}
Datum contains_cidr(Heap& heap, Args args) {
  if (!args[0].is(Kind::kCidr)) return unfit(heap, "containsCIDR", args[0]);
  const Datum inner = args[1].is(Kind::kCidr) ? args[1] : cidr(heap, args.subspan(1));
  return inner.is_error() ? inner
                          : Datum::of(inner.integer >= args[0].integer && covers(args[0], inner.text));
}
Datum masked(Heap& heap, Args args) {
  if (!args[0].is(Kind::kCidr)) return unfit(heap, "masked", args[0]);
  return cidr_datum(heap, masked_bytes(args[0].text, args[0].integer), args[0].integer);
}
Datum prefix_length(Heap& heap, Args args) {
  return args[0].is(Kind::kCidr) ? Datum::of_int(args[0].integer) : unfit(heap, "prefixLength", args[0]);
}

// ---- URLs ----------------------------------------------------------------------------------------

struct Url {
  std::string scheme;
  std::string host;  // with the port
  std::string path;
  std::string query;
};

// With a scheme, or a path that begins with a slash, as Kubernetes wants it.
std::optional<Url> parse_url(std::string_view text) {
  static const auto* const kRegex = new re2::RE2(
      R"((?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://(?:[^/?#@]*@)?((?:\[[0-9A-Fa-f:.]+\]|[^/?#:@\[\]\s]*)(?::\d*)?))?([^?#\s]*)(?:\?([^#\s]*))?(?:#\S*)?)");
  Url url;
  if (!re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *kRegex, &url.scheme, &url.host,
                           &url.path, &url.query))
    return std::nullopt;
  if (url.scheme.empty() && !url.path.starts_with('/')) return std::nullopt;
  return url;
}

Datum is_url(Heap& heap, Args args) {
  heap.spend(args[0].text.size());
  return args[0].is(Kind::kString) ? Datum::of(parse_url(args[0].text).has_value())
                                   : unfit(heap, "isURL", args[0]);
}
Datum url(Heap& heap, Args args) {
  if (!args[0].is(Kind::kString)) return unfit(heap, "url", args[0]);
  heap.spend(args[0].text.size());
  if (!parse_url(args[0].text)) return heap.error("the value is no URL");
  return Datum::of_text(args[0].text, Kind::kUrl);
}

std::string host_name(const Url& url) {
  if (url.host.starts_with('[')) return url.host.substr(1, url.host.find(']') - 1);
  return url.host.substr(0, url.host.find(':'));
}
std::string port(const Url& url) {
  const std::size_t colon =
      url.host.find(':', url.host.find(']') == std::string::npos ? 0 : url.host.find(']'));
  return colon == std::string::npos ? "" : url.host.substr(colon + 1);
}
std::string scheme(const Url& url) { return url.scheme; }
std::string host(const Url& url) { return url.host; }
std::string path(const Url& url) { return url.path; }

template <std::string (*kPart)(const Url&)>
Datum part_of_url(Heap& heap, Args args) {
  if (!args[0].is(Kind::kUrl)) return unfit(heap, "a part of a URL", args[0]);
  heap.spend(args[0].text.size());
  const std::optional<Url> parsed = parse_url(args[0].text);
  return heap.text(parsed ? kPart(*parsed) : "");
}

constexpr Function kFunctions[] = {
    {"isIP", Form::kGlobal, 1, 1, is_ip},
    {"ip", Form::kBoth, 1, 1, ip},
    {"family", Form::kMethod, 1, 1, family},
    {"isUnspecified", Form::kMethod, 1, 1, test_ip<is_unspecified>},
    {"isLoopback", Form::kMethod, 1, 1, test_ip<is_loopback>},
    {"isLinkLocalMulticast", Form::kMethod, 1, 1, test_ip<is_link_local_multicast>},
    {"isLinkLocalUnicast", Form::kMethod, 1, 1, test_ip<is_link_local_unicast>},
    {"isGlobalUnicast", Form::kMethod, 1, 1, test_ip<is_global_unicast>},
    {"isCIDR", Form::kGlobal, 1, 1, is_cidr},
    {"cidr", Form::kGlobal, 1, 1, cidr},
    {"containsIP", Form::kMethod, 2, 2, contains_ip},
    {"containsCIDR", Form::kMethod, 2, 2, contains_cidr},
    {"masked", Form::kMethod, 1, 1, masked},
    {"prefixLength", Form::kMethod, 1, 1, prefix_length},
    {"isURL", Form::kGlobal, 1, 1, is_url},
    {"url", Form::kGlobal, 1, 1, url},
    {"getScheme", Form::kMethod, 1, 1, part_of_url<scheme>},
    {"getHost", Form::kMethod, 1, 1, part_of_url<host>},
    {"getHostname", Form::kMethod, 1, 1, part_of_url<host_name>},
    {"getPort", Form::kMethod, 1, 1, part_of_url<port>},
    {"getEscapedPath", Form::kMethod, 1, 1, part_of_url<path>},
};

}  // namespace

std::span<const Function> address_functions() { return kFunctions; }

std::string text_of_ip(std::string_view bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(bytes.size() == kIpv4Bytes ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

}  // namespace sluice::schema::cel
