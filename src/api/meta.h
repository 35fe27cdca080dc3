// What every object has: its metadata, as far as translation reads it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/boxed.h"
#include "base/interned.h"

namespace sluice::api {

using StringMap = std::map<std::string, std::string, std::less<>>;

struct ObjectMeta {
  std::string name;
  Interned namespace_;
  StringMap labels;
  StringMap annotations;
  // RFC 3339 as written, or empty: then the object counts as younger than any that has one. Comparing the
  // texts compares the times, because Kubernetes writes them in UTC without fractions.
  std::string creation_timestamp;
  // RFC 3339 as written, while the object is being deleted: when that is to be over.
  Boxed<std::string> deletion_timestamp;
  std::int64_t generation = 0;
  // Which of several objects that had the name one after the other. Only of kinds that own others: Gateway,
  // GatewayClass.
  Boxed<std::string> uid;

  bool operator==(const ObjectMeta&) const = default;
};

}  // namespace sluice::api
