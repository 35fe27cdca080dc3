#include "api/envoy_gateway/shared.h"

#include <iterator>
#include <string_view>

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr std::string_view kVersions[] = {"1.0", "1.1", "1.2", "1.3"};

// The place in kVersions, or `automatic` for "Auto".
int version_index(std::string_view version, int automatic) {
  for (std::size_t i = 0; i < std::size(kVersions); ++i) {
    if (version == kVersions[i]) return static_cast<int>(i);
  }
  return automatic;
}

bool has_ordered_versions(const Value& self) {
  if (!self.has("maxVersion")) return true;
  constexpr int kDefaultMin = 2;  // 1.2
  const int min = self.has("minVersion") ? version_index(self["minVersion"].text(), -1) : kDefaultMin;
  return min <= version_index(self["maxVersion"].text(), static_cast<int>(std::size(kVersions)));
}

}  // namespace

std::vector<Rule> tls_settings_rules() {
  return {
      {.name = "tls-ciphers",
       .message = "`ciphers` have no effect when `minVersion` is 1.3",
       .holds = [](const Value& self) { return self["minVersion"].text() != "1.3" || !self.has("ciphers"); },
       .suggestion = "remove `ciphers`",
       .blame = "ciphers"},
      {.name = "tls-versions",
       .message = "`minVersion` is above `maxVersion`",
       .holds = has_ordered_versions,
       .suggestion = "",
       .blame = "maxVersion"},
  };
}

}  // namespace sluice::api
