#include "api/envoy_gateway/shared.h"

#include <iterator>
#include <string_view>

#include "api/gateway_api/shared.h"

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

std::vector<Field> tls_settings_fields() {
  const Type version = enumeration({"Auto", "1.0", "1.1", "1.2", "1.3"});
  return {
      field("alpnProtocols", list(string())),
      field("ciphers", list(string())),
      field("clientCertificateRef", secret_object_reference()),
      field("ecdhCurves", list(string())),
      field("fingerprints", list(enumeration({"JA3", "JA4"}))),
      field("maxVersion", version),
      field("minVersion", version),
      field("signatureAlgorithms", list(string())),
  };
}

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
