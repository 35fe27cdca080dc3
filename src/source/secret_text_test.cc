#include "source/secret_text.h"

#include <gtest/gtest.h>

namespace sluice::source {
namespace {

TEST(MayBeSecret, HoweverItIsWritten) {
  for (const char* text : {
           "kind: Secret",
           "kind: \"Secret\"\n",
           "kind:   'Secret'   # mine\n",
           "kind : Secret\r\n",
           "kind: List\nitems:\n- kind: Secret\n",
           "kind: SecretList\nitems:\n- data: {}\n",
           "- apiVersion: v1\n  kind: Secret\n",
           R"({"apiVersion":"v1","kind":"Secret","data":{}})",
           "{\n  \"kind\" :\n \"Secret\"\n}",
           "  kind: Secret\n",
           "---\nkind: Secret",
       }) {
    EXPECT_TRUE(may_be_secret(text)) << text;
  }
  for (const char* text : {"", "kind: Secrets\n", "kind: ConfigMap\n", "mankind: 1\nSecret: 2\n", "kind\n",
                           "kind: HTTPRoute\nspec: {kind: Secret}\n", "kind:\n", R"({"kind":"Service"})"}) {
    EXPECT_FALSE(may_be_secret(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::source
