#include "translate/session.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/quote.h"
#include "translate/header_changes.h"

namespace sluice::translate {
namespace {

// Headers that say how the message is to be read, or have a meaning to every client.
bool is_of_the_message(std::string_view header) {
  constexpr std::string_view kTheirs[] = {"connection",
                                          "content-length",
                                          "cookie",
                                          "host",
                                          "keep-alive",
                                          "set-cookie",
                                          "te",
                                          "trailer",
                                          "upgrade",
                                          "proxy-connection",
                                          "transfer-encoding"};
  return std::ranges::any_of(kTheirs,
                             [header](std::string_view theirs) { return same_name(header, theirs); });
}

bool is_permanent(const api::SessionPersistence& session) {
  return session.type == api::SessionPersistenceType::kCookie &&
         session.cookie_lifetime == api::CookieLifetimeType::kPermanent;
}

}  // namespace

ir::Session read_session(const api::SessionPersistence& from, std::string name) {
  ir::Session session;
  session.kind = from.type == api::SessionPersistenceType::kHeader ? ir::Session::Kind::kHeader
                                                                   : ir::Session::Kind::kCookie;
  session.name = std::move(name);
  if (is_permanent(from)) session.lifetime = from.absolute_timeout;
  return session;
}

std::vector<Problem> check_session(const api::SessionPersistence& from, const ObjectKey& object,
                                   const std::string& path) {
  std::vector<Problem> problems;
  const auto tell = [&](Severity severity, std::string code, const char* field, std::string message,
                        std::string suggestion) {
    problems.push_back({.code = std::move(code),
                        .severity = severity,
                        .where = {},
                        .object = object,
                        .path = path + field,
                        .message = std::move(message),
                        .suggestion = std::move(suggestion),
                        .also = {}});
  };
  const std::string name = from.session_name.value_or("");
  const bool is_header = from.type == api::SessionPersistenceType::kHeader;
  if (!name.empty() && (!is_header_name(name) || (is_header && is_of_the_message(name)))) {
    tell(Severity::kError, "value/session-name", ".sessionName",
         fmt::format("no session is kept: {} cannot be the name of {}", quote(name),
                     is_header ? "a header that tells it" : "a cookie"),
         is_header ? "use a header of your own, of letters, digits and `-`, as in `x-session`"
                   : "use letters, digits, `-` and `_`");
  }
  if (from.absolute_timeout && !is_permanent(from)) {
    tell(Severity::kWarning, "support/session-timeout", ".absoluteTimeout",
         "only a cookie of lifetime `Permanent` ends by a timeout",
         "set `cookieConfig.lifetimeType: Permanent`");
  }
  return problems;
}

}  // namespace sluice::translate
