#include "explain/rewrite.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <re2/re2.h>

namespace sluice::explain {

namespace {

std::string_view without_trailing_slash(std::string_view prefix) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return prefix;
}

std::string with_prefix(std::string_view replacement, const ir::PathMatch& match, const Arrival& arrival) {
  const std::string_view prefix = without_trailing_slash(replacement);
  if (match.kind != ir::MatchKind::kPrefix) return std::string(prefix);
  // Of "/" the slash is matched that the rest begins with.
  if (match.value == "/" && !prefix.empty()) return std::string(replacement) + arrival.path.substr(1);
  const std::string_view matched = without_trailing_slash(match.value);
  std::string_view rest = std::string_view(arrival.path).substr(matched.size());
  if (!prefix.empty()) return std::string(prefix) + std::string(rest);
  // The slashes that follow go too, so that "/a/b" becomes "/b".
  rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
  return "/" + std::string(rest);
}

std::string replaced(const ir::RegexRewrite& rewrite, std::string text) {
  const re2::RE2 pattern(rewrite.pattern, re2::RE2::Quiet);
  if (pattern.ok()) re2::RE2::GlobalReplace(&text, pattern, rewrite.substitution);
  return text;
}

// A Host without the port that goes without saying, or that the redirect replaces.
std::string_view host_for(std::string_view host, std::string_view scheme, bool other_port, bool was_tls) {
  const std::size_t colon = host.rfind(host.starts_with('[') ? "]:" : ":");
  if (colon == std::string_view::npos) return host;
  const std::size_t end = host.starts_with('[') ? colon + 1 : colon;
  const std::string_view port = host.substr(end);
  const bool changes_scheme = scheme != (was_tls ? "https" : "http");
  const bool implied = changes_scheme && port == (was_tls ? ":443" : ":80");
  return other_port || implied ? host.substr(0, end) : host;
}

}  // namespace

std::string rewritten_path(const ir::PathRewrite& rewrite, const ir::PathMatch& match,
                           const Arrival& arrival) {
  if (rewrite.full) return *rewrite.full + arrival.query;
  if (rewrite.prefix) return with_prefix(*rewrite.prefix, match, arrival) + arrival.query;
  if (rewrite.regex) return replaced(*rewrite.regex, arrival.path) + arrival.query;
  return arrival.path + arrival.query;
}

std::string location(const ir::Redirect& redirect, const ir::PathMatch& match, const Request& request,
                     const Arrival& arrival) {
  const bool tls = request.tls();
  const std::string scheme = !redirect.scheme.empty() ? redirect.scheme : tls ? "https" : "http";
  std::string host = redirect.host.value_or("");
  const bool other_port = redirect.port || redirect.without_port;
  if (host.empty()) host = host_for(request.authority, scheme, other_port, tls);
  if (redirect.port) host += fmt::format(":{}", *redirect.port);

  std::string path = arrival.path;
  std::string query = arrival.query;
  if (redirect.path && redirect.path->full) {
    path = *redirect.path->full;
    if (path.find('?') != std::string::npos) query.clear();
  } else if (redirect.path && redirect.path->prefix) {
    path = with_prefix(*redirect.path->prefix, match, arrival);
  } else if (redirect.path && redirect.path->regex) {
    path = replaced(*redirect.path->regex, path);
  }
  return fmt::format("{}://{}{}{}", scheme, host, path, query);
}

}  // namespace sluice::explain
