#include "explain/match.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include "base/letter_case.h"

namespace sluice::explain {

namespace {

using ir::MatchKind;

bool below(std::string_view path, std::string_view prefix) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

bool compare(MatchKind kind, const std::string& pattern, const std::string& text) {
  switch (kind) {
    case MatchKind::kExact:
      return text == pattern;
    case MatchKind::kPrefix:
      return text.starts_with(pattern);
    case MatchKind::kRegex:
      return full_match(text, pattern);
    case MatchKind::kSuffix:
      return text.ends_with(pattern);
  }
  return false;
}

bool takes_path(const ir::PathMatch& match, const std::string& path) {
  return match.kind == MatchKind::kPrefix ? below(path, match.value) : compare(match.kind, match.value, path);
}

using Values = Arrival::Values;

// The values of a header, of a query parameter: none where it is absent.
std::span<const std::string> values_of(const Values& values, const std::string& name) {
  const auto at = values.find(name);
  return at == values.end() ? std::span<const std::string>() : at->second;
}

// Cookies of the Cookie headers.
Values cookies_of(const Arrival& arrival) {
  Values cookies;
  for (std::string_view rest : values_of(arrival.headers, "cookie")) {
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      std::string_view cookie = rest.substr(0, end);
      while (cookie.starts_with(' ')) cookie.remove_prefix(1);
      if (const std::size_t equal = cookie.find('='); equal != std::string_view::npos) {
        cookies.try_emplace(std::string(cookie.substr(0, equal)),
                            std::vector{std::string(cookie.substr(equal + 1))});
      }
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return cookies;
}

// Of several headers of a name it is enough that one matches.
bool takes_one_of(const ir::ValueMatch& match, std::span<const std::string> values) {
  return std::ranges::any_of(
      values, [&](const std::string& value) { return compare(match.kind, match.value, value); });
}

// Calls `see` with the word for the value, the match and the request's values, until it says no.
template <typename See>
void each_value(const ir::RouteMatch& match, const Arrival& arrival, See see) {
  for (const ir::ValueMatch& m : match.headers) {
    if (!see("header", m, values_of(arrival.headers, lower_case(m.name)))) return;
  }
  for (const ir::ValueMatch& m : match.query_params) {
    if (!see("query parameter", m, values_of(arrival.query_params, m.name))) return;
  }
  if (match.cookies.empty()) return;
  const Values cookies = cookies_of(arrival);
  for (const ir::ValueMatch& m : match.cookies) {
    if (!see("cookie", m, values_of(cookies, m.name))) return;
  }
}

std::string describe_value(std::string_view what, const ir::ValueMatch& match) {
  switch (match.kind) {
    case MatchKind::kExact:
      return fmt::format("{} {} = `{}`", what, match.name, match.value);
    case MatchKind::kPrefix:
      return fmt::format("{} {} begins with `{}`", what, match.name, match.value);
    case MatchKind::kRegex:
      return fmt::format("{} {} ~ `{}`", what, match.name, match.value);
    case MatchKind::kSuffix:
      return fmt::format("{} {} ends with `{}`", what, match.name, match.value);
  }
  return "";
}

std::string describe_path(const ir::PathMatch& path) {
  switch (path.kind) {
    case MatchKind::kExact:
      return "path = " + path.value;
    case MatchKind::kPrefix:
      return path.value == "/" ? "every path" : fmt::format("path {} or below", path.value);
    case MatchKind::kRegex:
      return fmt::format("path ~ `{}`", path.value);
    case MatchKind::kSuffix:
      return fmt::format("path that ends with {}", path.value);
  }
  return "";
}

std::string path_mismatch(const ir::PathMatch& match, const std::string& path) {
  switch (match.kind) {
    case MatchKind::kExact:
      return fmt::format("the path is not {}", match.value);
    case MatchKind::kPrefix:
      return path.starts_with(match.value)
                 ? fmt::format("the path only begins like {}: prefixes match whole segments", match.value)
                 : fmt::format("the path is not {} or below", match.value);
    case MatchKind::kRegex:
      return fmt::format("the path as a whole does not match `{}`", match.value);
    case MatchKind::kSuffix:
      return fmt::format("the path does not end with {}", match.value);
  }
  return "";
}

std::string_view name_of(MatchKind kind) {
  switch (kind) {
    case MatchKind::kExact:
      return "an exact path";
    case MatchKind::kPrefix:
      return "a path prefix";
    case MatchKind::kRegex:
      return "a regular expression for the path";
    case MatchKind::kSuffix:
      return "the end of a path";
  }
  return "";
}

std::ptrdiff_t exact(const std::vector<ir::ValueMatch>& matches) {
  return std::ranges::count(matches, MatchKind::kExact, &ir::ValueMatch::kind);
}

// Two exact matches of one value that differ.
bool exclude_each_other(const std::vector<ir::ValueMatch>& a, const std::vector<ir::ValueMatch>& b,
                        bool fold_case) {
  for (const ir::ValueMatch& x : a) {
    for (const ir::ValueMatch& y : b) {
      const bool same = fold_case ? lower_case(x.name) == lower_case(y.name) : x.name == y.name;
      if (!same) continue;
      if (x.kind == MatchKind::kExact && !compare(y.kind, y.value, x.value)) return true;
      if (y.kind == MatchKind::kExact && !compare(x.kind, x.value, y.value)) return true;
    }
  }
  return false;
}

bool paths_may_overlap(const ir::PathMatch& a, const ir::PathMatch& b) {
  if (a.kind == MatchKind::kExact) return takes_path(b, a.value);
  if (b.kind == MatchKind::kExact) return takes_path(a, b.value);
  if (a.kind == MatchKind::kPrefix && b.kind == MatchKind::kPrefix) {
    return below(a.value, b.value) || below(b.value, a.value);
  }
  return true;  // nobody knows about two regular expressions
}

}  // namespace

bool full_match(const std::string& text, const std::string& pattern) {
  const re2::RE2 regex(pattern, re2::RE2::Quiet);
  return regex.ok() && re2::RE2::FullMatch(text, regex);
}

bool takes(const ir::RouteMatch& match, const Arrival& arrival) {
  // The cheap ones first.
  if (!match.method.empty() && match.method != arrival.method) return false;
  if (!takes_path(match.path, arrival.path)) return false;
  bool good = true;
  each_value(match, arrival,
             [&](std::string_view, const ir::ValueMatch& m, std::span<const std::string> values) {
               return good = takes_one_of(m, values);
             });
  return good;
}

std::vector<Mismatch> mismatches(const ir::RouteMatch& match, const Arrival& arrival) {
  std::vector<Mismatch> found;
  if (!takes_path(match.path, arrival.path)) found.push_back({true, path_mismatch(match.path, arrival.path)});
  if (!match.method.empty() && match.method != arrival.method) {
    found.push_back({false, fmt::format("the method is {}, not {}", arrival.method, match.method)});
  }
  each_value(
      match, arrival,
      [&](std::string_view what, const ir::ValueMatch& m, std::span<const std::string> values) {
        if (values.empty()) {
          found.push_back({false, fmt::format("{} {} is absent", what, m.name)});
        } else if (!takes_one_of(m, values)) {
          found.push_back(
              {false, fmt::format("{} {} is `{}`, {} `{}`", what, m.name, fmt::join(values, "`, `"),
                                  m.kind == MatchKind::kRegex ? "which does not match" : "not", m.value)});
        }
        return true;
      });
  return found;
}

std::string describe(const ir::RouteMatch& match) {
  std::vector<std::string> parts{describe_path(match.path)};
  if (!match.method.empty()) parts.push_back("method " + match.method);
  for (const ir::ValueMatch& m : match.headers) parts.push_back(describe_value("header", m));
  for (const ir::ValueMatch& m : match.query_params) parts.push_back(describe_value("query parameter", m));
  for (const ir::ValueMatch& m : match.cookies) parts.push_back(describe_value("cookie", m));
  if (match.below) {
    parts.push_back(fmt::format("up to {} of {} requests", match.below->numerator, match.below->denominator));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string why_before(const ir::RouteMatch& first, const ir::RouteMatch& second) {
  if (first.path.kind != second.path.kind) {
    return fmt::format("{} comes before {}", name_of(first.path.kind), name_of(second.path.kind));
  }
  if (first.path.value.size() != second.path.value.size()) {
    return fmt::format("{} is longer than {}", first.path.value, second.path.value);
  }
  if (first.method.empty() != second.method.empty()) return "a match with a method comes first";
  if (first.headers.size() != second.headers.size()) return "a match with more headers comes first";
  if (exact(first.headers) != exact(second.headers)) return "a match with more exact headers comes first";
  if (first.query_params.size() != second.query_params.size()) {
    return "a match with more query parameters comes first";
  }
  if (exact(first.query_params) != exact(second.query_params)) {
    return "a match with more exact query parameters comes first";
  }
  if (first.cookies.size() != second.cookies.size()) return "a match with more cookies comes first";
  if (exact(first.cookies) != exact(second.cookies)) return "a match with more exact cookies comes first";
  return "";
}

bool may_overlap(const ir::RouteMatch& a, const ir::RouteMatch& b) {
  if (!a.method.empty() && !b.method.empty() && a.method != b.method) return false;
  return paths_may_overlap(a.path, b.path) && !exclude_each_other(a.headers, b.headers, true) &&
         !exclude_each_other(a.query_params, b.query_params, false) &&
         !exclude_each_other(a.cookies, b.cookies, false);
}

}  // namespace sluice::explain
