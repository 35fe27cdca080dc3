#include "explain/request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/letter_case.h"
#include "base/quote.h"
#include "explain/headers.h"

namespace sluice::explain {

namespace {

struct SchemeRow {
  std::string_view name;
  Scheme scheme;
  std::uint16_t port;  // 0: the URL has to say it
};

constexpr SchemeRow kSchemes[] = {
    {"http", Scheme::kHttp, 80}, {"https", Scheme::kHttps, 443}, {"tls", Scheme::kTls, 443},
    {"tcp", Scheme::kTcp, 0},    {"udp", Scheme::kUdp, 0},
};

// Those that Envoy's parser takes, sorted. CONNECT is left out: it comes with a host and a port, and no path.
constexpr std::string_view kMethods[] = {
    "ACL",    "BIND",       "CHECKOUT",   "COPY",   "DELETE", "GET",     "HEAD",       "LINK",    "LOCK",
    "MERGE",  "MKACTIVITY", "MKCALENDAR", "MKCOL",  "MOVE",   "MSEARCH", "NOTIFY",     "OPTIONS", "PATCH",
    "POST",   "PROPFIND",   "PROPPATCH",  "PURGE",  "PUT",    "QUERY",   "REBIND",     "REPORT",  "SEARCH",
    "SOURCE", "SUBSCRIBE",  "TRACE",      "UNBIND", "UNLINK", "UNLOCK",  "UNSUBSCRIBE"};

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_address(std::string_view host) {
  return host.starts_with('[') ||
         (!host.empty() && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

// Where the port of an authority begins, with its colon.
std::size_t port_start(std::string_view authority) {
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos) return colon;
  const std::size_t bracket = authority.rfind(']');
  return bracket != std::string_view::npos && bracket > colon ? std::string_view::npos : colon;
}

constexpr char kUser[] = "a user is no part of the host: clients send it as -H 'Authorization: Basic …'";

// What is wrong with the address of a URL, but for its port; empty: nothing.
std::string problem_of(const std::string& address) {
  if (address.find('@') != std::string::npos) {
    return kUser;
  }
  const std::string host = address.substr(0, port_start(address));
  if (host.empty()) return "the URL has no host";
  if (host.find_first_of("[]:") == std::string::npos) return "";
  in6_addr bytes;
  const bool enclosed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (enclosed && inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &bytes) == 1) return "";
  return fmt::format("`{}` is no host: an IPv6 address is written [::1]", host);
}

// The SNI of a client that asks for this host.
std::string sni_for(std::string_view host) { return is_address(host) ? "" : lower_case(host); }

// ---- paths -----------------------------------------------------------------------------------

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (lower_case(c) >= 'a' && lower_case(c) <= 'f') return lower_case(c) - 'a' + 10;
  return -1;
}

// The value of an escape "%41" at this place; -1 where there is none.
int escaped(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size() || text[at] != '%' || hex(text[at + 1]) < 0 || hex(text[at + 2]) < 0) return -1;
  return hex(text[at + 1]) * 16 + hex(text[at + 2]);
}

// RFC 3986's unreserved characters: with and without an escape they are the same.
bool is_unreserved(int c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

bool must_be_escaped(unsigned char c) {
  return c <= ' ' || c >= 0x7F ||
         std::string_view("\"#<>?^`{|}").find(static_cast<char>(c)) != std::string_view::npos;
}

// Bytes of a dot, which may be escaped; 0 where there is none.
std::size_t dot_at(std::string_view text, std::size_t at) {
  if (at >= text.size()) return 0;
  if (text[at] == '.') return 1;
  return escaped(text, at) == '.' ? 3 : 0;
}

bool is_slash(char c) { return c == '/' || c == '\\'; }

// "%2F" → "/", "%5C" → "\"; whether there was one.
bool unescape_slashes(std::string& path) {
  std::string out;
  bool found = false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const int value = escaped(path, i);
    if (value == '/' || value == '\\') {
      out.push_back(static_cast<char>(value));
      i += 2;
      found = true;
    } else {
      out.push_back(path[i]);
    }
  }
  path = std::move(out);
  return found;
}

// "/..;a=1/" → "/../": what a segment of dots has behind a semicolon goes, before anything else is read. Here
// dots and semicolons with escapes are ordinary characters, and only slashes part segments.
void drop_parameters_of_dots(std::string& path) {
  std::string out;
  for (std::size_t start = 0; start < path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    std::string_view segment = std::string_view(path).substr(start, end - start);
    if (segment.starts_with(".;") || segment.starts_with("..;"))
      segment = segment.substr(0, segment.find(';'));
    out += segment;
    if (end < path.size()) out.push_back('/');
    start = end + 1;
  }
  path = std::move(out);
}

// As browsers do it (the URL Standard): segments "." and ".." are walked, and characters that need no escape
// lose it, those that need one get it. False where the path holds a NUL.
bool canonicalize(std::string& path) {
  std::string out;
  bool good = true;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (const std::size_t dot = dot_at(path, i); dot > 0) {
      std::size_t end = i + dot;
      const std::size_t second = out.ends_with('/') ? dot_at(path, end) : 0;
      if (second > 0) end += second;
      const bool segment = out.ends_with('/') && (end == path.size() || is_slash(path[end]));
      if (!segment) {
        out.push_back('.');
        i += dot - 1;
        continue;
      }
      if (second > 0 && out.size() > 1) out.resize(out.rfind('/', out.size() - 2) + 1);
      i = end;  // with its slash
    } else if (c == '\\') {
      out.push_back('/');
    } else if (c == '%') {
      const int value = escaped(path, i);
      if (is_unreserved(value)) {
        out.push_back(static_cast<char>(value));
        i += 2;
      } else {
        good = good && value != 0;
        out.push_back('%');
      }
    } else if (must_be_escaped(static_cast<unsigned char>(c))) {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out.push_back(c);
    }
  }
  path = std::move(out);
  return good;
}

// A path of nothing but slashes becomes two: so it is with Envoy.
void merge_slashes(std::string& path) {
  if (path.size() > 1 && path.find_first_not_of('/') == std::string::npos) {
    path = "//";
    return;
  }
  const auto repeated = std::ranges::unique(path, [](char a, char b) { return a == '/' && b == '/'; });
  path.erase(repeated.begin(), repeated.end());
}

void read_path(const std::string& sent, Arrival& arrival) {
  if (!sent.starts_with('/')) {
    arrival.answer(404, "a path begins with a slash");
    arrival.path = sent;
    return;
  }
  const std::size_t question = sent.find('?');
  arrival.path = sent.substr(0, question);
  if (question != std::string::npos) arrival.query = sent.substr(question);
  if (sent.find('#') != std::string::npos) {
    arrival.answer(400, "a request has no fragment: `#` does not belong into its path");
    return;
  }
  const bool slashes = unescape_slashes(arrival.path);
  drop_parameters_of_dots(arrival.path);
  if (!canonicalize(arrival.path)) {
    arrival.answer(400, "the path cannot be normalised");
    return;
  }
  merge_slashes(arrival.path);
  if (slashes && arrival.grpc) {
    arrival.answer(400, "the path has escaped slashes, and gRPC clients cannot be sent to the plain path");
  } else if (slashes) {
    arrival.answer(307, "escaped slashes are resolved first: the client is sent to the plain path");
    arrival.location = arrival.path + arrival.query;
  }
}

void read_query(Arrival& arrival) {
  std::string_view rest = arrival.query;
  if (!rest.empty()) rest.remove_prefix(1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view parameter = rest.substr(0, end);
    const std::size_t equal = parameter.find('=');
    const std::string_view value =
        equal == std::string_view::npos ? std::string_view() : parameter.substr(equal + 1);
    arrival.query_params.try_emplace(std::string(parameter.substr(0, equal)),
                                     std::vector{std::string(value)});
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

}  // namespace

bool is_known_method(std::string_view method) { return std::ranges::binary_search(kMethods, method); }

std::string_view name_of(Scheme scheme) {
  return std::ranges::find(kSchemes, scheme, &SchemeRow::scheme)->name;
}

std::expected<Request, std::string> read_url(std::string_view url) {
  const std::size_t colon = url.find("://");
  const std::string scheme = lower_case(url.substr(0, colon == std::string_view::npos ? 0 : colon));
  const auto* const row = std::ranges::find(kSchemes, scheme, &SchemeRow::name);
  if (row == std::end(kSchemes)) {
    return std::unexpected("a URL begins with http://, https://, tls://, tcp:// or udp://");
  }
  Request request{.scheme = row->scheme, .port = row->port};
  std::string_view rest = url.substr(colon + 3);
  const std::size_t path = std::min(rest.find_first_of("/?"), rest.size());
  request.address = rest.substr(0, path);
  request.authority = request.address;
  rest.remove_prefix(path);

  // Of a password with a slash in it, the address would be the part before, and is not to be repeated.
  const bool has_user = url.find('@') != std::string_view::npos;
  if (const std::string problem = problem_of(request.address); !problem.empty()) {
    return std::unexpected(has_user ? kUser : problem);
  }
  const std::size_t port = port_start(request.address);
  if (port != std::string::npos) {
    const std::string_view digits = std::string_view(request.address).substr(port + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), request.port);
    if (error != std::errc() || end != digits.data() + digits.size() || request.port == 0) {
      return std::unexpected(has_user ? kUser : fmt::format("`{}` is no port", digits));
    }
  }
  if (request.port == 0) return std::unexpected(fmt::format("a {}:// URL needs a port", scheme));
  if (!request.http() && !rest.empty() && rest != "/") {
    return std::unexpected(fmt::format("a {}:// URL has no path", scheme));
  }
  if (request.http()) request.path = rest.starts_with('/') ? rest : "/" + std::string(rest);
  if (request.tls()) request.sni = sni_for(request.address.substr(0, port));
  return request;
}

std::string without_user(std::string_view url) {
  const std::size_t at = url.rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  const std::size_t colon = url.find("://");
  const std::size_t begin = colon < at ? colon + 3 : 0;
  return fmt::format("{}…{}", url.substr(0, begin), url.substr(at));
}

std::expected<void, std::string> add_header(std::string_view text, Request& request) {
  const std::size_t colon = text.find(':');
  if (text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
    return std::unexpected(fmt::format("{} is no header: it has a line break in it", quote(text)));
  }
  const std::string_view name = text.substr(0, std::min(colon, text.size()));
  if (colon == std::string_view::npos || name.empty()) {
    return std::unexpected(fmt::format("`{}` is no header: write 'Name: value'", text));
  }
  const std::string_view value = trim(text.substr(colon + 1));
  if (lower_case(name) == "host") {
    request.authority = value;
  } else {
    request.headers.push_back({std::string(name), std::string(value)});
  }
  return {};
}

std::string to_string(const Request& request) {
  std::string text = request.http() ? request.method + " " : "";
  text += fmt::format("{}://{}", name_of(request.scheme), request.address);
  if (request.http()) text += request.path;
  if (request.http() && request.authority != request.address) {
    text += fmt::format(", Host {}", request.authority);
  }
  const auto host = std::string_view(request.address).substr(0, port_start(request.address));
  if (request.tls() && request.sni != sni_for(host)) {
    text += request.sni.empty() ? ", no SNI" : ", SNI " + request.sni;
  }
  return text;
}

void Arrival::answer(std::uint16_t with, std::string because) {
  if (status != 0) return;
  status = with;
  why = std::move(because);
}

Arrival arrive(const Request& request) {
  Arrival arrival;
  arrival.method = request.method;
  arrival.host = lower_case(std::string_view(request.authority).substr(0, port_start(request.authority)));
  if (!is_known_method(request.method)) {
    arrival.answer(400, fmt::format("Envoy takes no method `{}` in HTTP/1.1", request.method));
  }
  read_headers(request, arrival);
  read_path(request.path, arrival);
  read_query(arrival);
  arrival.headers[":method"] = {request.method};
  arrival.headers[":path"] = {arrival.path + arrival.query};
  return arrival;
}

}  // namespace sluice::explain
