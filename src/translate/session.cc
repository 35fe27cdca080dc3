#include "translate/session.h"

#include <utility>

namespace sluice::translate {
namespace {

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

std::optional<Problem> check_session(const api::SessionPersistence& from, const ObjectKey& object,
                                     const std::string& path) {
  if (!from.absolute_timeout || is_permanent(from)) return std::nullopt;
  return Problem{.code = "support/session-timeout",
                 .severity = Severity::kWarning,
                 .where = {},
                 .object = object,
                 .path = path + ".absoluteTimeout",
                 .message = "only a cookie of lifetime `Permanent` ends by a timeout",
                 .suggestion = "set `cookieConfig.lifetimeType: Permanent`",
                 .also = {}};
}

}  // namespace sluice::translate
