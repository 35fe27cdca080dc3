#include "picker/sources.h"

#include <charconv>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/quote.h"

namespace sluice::picker {
namespace {

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// What can stand in the first line of a request.
bool is_path(std::string_view text) {
  if (!text.starts_with('/')) return false;
  for (const char c : text) {
    if (c <= ' ' || c >= 0x7f || c == '#') return false;
  }
  return true;
}

}  // namespace

std::expected<Source, Problem> parse_source(std::string_view text) {
  const auto fail = [written = text](std::string message = {}) {
    if (message.empty()) message = fmt::format("{} is no place to ask for metrics", quote(written));
    return std::unexpected(Problem{.code = "value/metrics-source",
                                   .message = std::move(message),
                                   .suggestion =
                                       "write a path, a port or both, as `/prometheus/metrics`, `:8002` or "
                                       "`https://:8443/metrics`"});
  };
  Source source = Sources{}.metrics;
  if (text.empty()) return fail();
  bool scheme = true;
  if (take(text, "https://")) {
    source.tls = true;
  } else if (take(text, "http://")) {
    source.tls = false;
  } else {
    scheme = false;
  }
  if (take(text, ":")) {
    const std::string_view digits = text.substr(0, text.find('/'));
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), source.port);
    if (error != std::errc() || end != digits.data() + digits.size() || source.port == 0) return fail();
    text.remove_prefix(digits.size());
  } else if (scheme && !text.empty() && !text.starts_with('/')) {
    return fail(fmt::format("each server is asked at its own address, and not at {}",
                            quote(text.substr(0, text.find_first_of(":/")))));
  }
  if (!text.empty()) {
    if (!is_path(text)) return fail();
    source.path = text;
  }
  return source;
}

std::expected<Source, Problem> parse_source(std::string_view text, const std::string& authorities) {
  auto source = parse_source(text);
  if (!source || authorities.empty()) return source;
  if (!source->tls) {
    return std::unexpected(
        Problem{.code = "value/metrics-source",
                .message = fmt::format("{} is asked without a certificate", quote(text)),
                .suggestion = "begin with `https://`, or leave out who signs certificates"});
  }
  source->verify = true;
  if (authorities != kSystemAuthorities) source->authorities = authorities;
  return source;
}

Sources sources_with(Source metrics) {
  Sources sources;
  if (metrics.port == 0) {
    const std::string path = std::move(sources.models.path);
    sources.models = metrics;
    sources.models.path = path;
    sources.models.interval = {};
  }
  sources.metrics = std::move(metrics);
  return sources;
}

}  // namespace sluice::picker
