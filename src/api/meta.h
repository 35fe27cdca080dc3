// What every object has: its metadata, as far as translation reads it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace sluice::api {

using StringMap = std::map<std::string, std::string, std::less<>>;

struct ObjectMeta {
  std::string name;
  std::string namespace_;
  StringMap labels;
  StringMap annotations;
  // RFC 3339 as written, or empty: then the object counts as younger than any that has one. Comparing the
  // texts compares the times, because Kubernetes writes them in UTC without fractions.
  std::string creation_timestamp;
  // RFC 3339 as written; empty unless the object is being deleted. The time is when that is to be over.
  std::string deletion_timestamp;
  std::int64_t generation = 0;

  bool operator==(const ObjectMeta&) const = default;
};

}  // namespace sluice::api
