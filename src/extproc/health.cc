#include "extproc/health.h"

#include "base/wire.h"
#include "extproc/wire.h"

namespace sluice::extproc {

bool HealthTable::set(std::string_view service, bool serving) {
  const auto [at, fresh] = serving_.try_emplace(std::string(service), serving);
  if (!fresh && at->second == serving) return false;
  at->second = serving;
  return true;
}

ServingStatus HealthTable::status(std::string_view service) const {
  const auto at = serving_.find(service);
  if (at == serving_.end()) return ServingStatus::kServiceUnknown;
  return at->second ? ServingStatus::kServing : ServingStatus::kNotServing;
}

std::optional<std::string_view> decode_health_request(std::string_view message) {
  std::string_view service;
  FieldReader fields(message);
  while (fields.next()) {
    if (fields.number() == 1) service = fields.bytes();
  }
  if (!fields.ok()) return std::nullopt;
  return service;
}

std::string encode_health_response(ServingStatus status) {
  std::string message;
  append_field(message, 1, static_cast<std::uint64_t>(status));
  return message;
}

}  // namespace sluice::extproc
