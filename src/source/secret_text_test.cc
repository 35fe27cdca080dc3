#include "source/secret_text.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::source {
namespace {

// The document with what nobody may see left out.
std::string shown(std::string_view document) {
  std::string text(document);
  for (const std::string_view part : secret_parts(document)) {
    for (std::size_t i = 0; i < part.size(); ++i) {
      text[static_cast<std::size_t>(part.data() - document.data()) + i] = '\0';
    }
  }
  std::erase(text, '\0');
  return text;
}

TEST(SecretParts, AreAllOfASecretHoweverItIsWritten) {
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
           "--- {kind: Secret}",
           "kind: !!str Secret\nstringData: {}\n",
           "kind: &k Secret\n",
           "kind:\n  Secret\n",
           "x: &k Secret\nkind: *k\n",
           "\"k\\x69nd\": Secret\n",
           "? kind\n: Secret\n",
           "kind: \"\\x53ecret\"\n",
           "<<: {kind: Secret}\n",
           "kind: ConfigMap\ndata: {}\nkind: Secret\n",
           "apiVersion: v1\n? kind\n: Secret\nspec: {kind: Service}\n",
           R"({apiVersion: v1, "k\u0069nd": "\u0053ecret", spec: {kind: Service}})",
       }) {
    EXPECT_EQ(shown(text), "") << text;
  }
}

TEST(SecretParts, AreAllOfWhatMayHaveBeenMeantAsASecret) {
  for (const char* text : {
           "{apiVersion: v1, kind: secret, metadata: {name: s}, data: {k: SUPERSECRET}}",
           "kind: Secrets\n",
           "kind: Secrt\ndate: {}\n",
           "kind: SealedSecret\n",
           R"({"apiVersion":"v1","kind":"Sekret","data":{}})",
           "Kind: Secret\n",
           "knid: Secret\n",
           "kind: List\nitems:\n- kind: Secrets\n",
           "apiVersion: v1\nmetadata: {name: s}\n",
           "kind\n",
           "kind:\n",
           "",
       }) {
    EXPECT_EQ(shown(text), "") << text;
  }
}

TEST(SecretParts, AreNoneOfOtherKinds) {
  for (const char* text : {
           "kind: ConfigMap\ndata:\n  a: b\n",
           "kind: Deployment # mine\n",
           "kind: Sevice\n",
           "kind: HTTPRoute\nspec: {kind: Secret}\n",
           "kind: Gateway\nspec:\n- kind: Secret\n",
           "kind: 'Gateway'\nspec:\n  data: 1\n",
           "  kind: Gateway\n",
           "kind: List\nitems:\n- kind: Service\n- kind: Gateway\n",
           R"({"kind":"Service"})",
           R"({"kind":"ConfigMap","data":{"a":"b"}})",
           "apiVersion: gateway.networking.k8s.io/v1\nmetadata: {name: a}\n",
       }) {
    EXPECT_EQ(shown(text), text);
  }
}

TEST(SecretParts, AreUnderDataOfAnyKindButAConfigMap) {
  EXPECT_EQ(shown("kind: Opaque\ndata:\n  a: b\nmetadata: {}\n"), "kind: Opaque\nmetadata: {}\n");
  EXPECT_EQ(shown("kind: Gateway\nstringdata: {a: b}\n"), "kind: Gateway\n");
  EXPECT_EQ(shown("kind: Gateway\n\"data\":\n- a\n"), "kind: Gateway\n");
  EXPECT_EQ(shown("{kind: Opaque, data: {a: b}}"), "");
  EXPECT_EQ(shown(R"({"kind": "Opaque", "stringData" : {}})"), "");
}

}  // namespace
}  // namespace sluice::source
