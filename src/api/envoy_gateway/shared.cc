#include "api/envoy_gateway/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

std::vector<Rule> tls_settings_rules() {
  return {
      {.name = "tls-ciphers",
       .cel = "has(self.minVersion) && self.minVersion == '1.3' ? !has(self.ciphers) : true",
       .message = "`ciphers` have no effect when `minVersion` is 1.3",
       .suggestion = "remove `ciphers`",
       .blame = "ciphers"},
      {.name = "tls-versions",
       .cel =
           R"(has(self.minVersion) && has(self.maxVersion) ? {"Auto":0,"1.0":1,"1.1":2,"1.2":3,"1.3":4}[self.minVersion] <= {"1.0":1,"1.1":2,"1.2":3,"1.3":4,"Auto":5}[self.maxVersion] : !has(self.minVersion) && has(self.maxVersion) ? 3 <= {"1.0":1,"1.1":2,"1.2":3,"1.3":4,"Auto":5}[self.maxVersion] : true)",
       .message = "`minVersion`, by default 1.2, is above `maxVersion`",
       .blame = "maxVersion"},
  };
}

}  // namespace sluice::api
