#include "translate/reference.h"

#include <fmt/format.h>

#include "translate/testing.h"

namespace sluice::translate {
namespace {

// HTTPRoutes of namespace `web` refer to Service `cart` of namespace `shop`.
class MissingGrant : public StageTest {
 protected:
  void add_grant(const std::string& namespace_, std::string_view from, std::string_view to) {
    inputs_.reference_grants.set({namespace_, "grant"}, object_of<api::ReferenceGrant>(fmt::format(
                                                            "apiVersion: gateway.networking.k8s.io/v1\n"
                                                            "kind: ReferenceGrant\n"
                                                            "metadata: {{name: grant, namespace: {}}}\n"
                                                            "spec: {{from: [{}], to: [{}]}}\n",
                                                            namespace_, from, to)));
  }

  std::string missing() {
    const GroupKind& route = api::kind_of<api::HTTPRoute>();
    const GroupKind& service = api::kind_of<api::Service>();
    const std::string own = "web";
    return run([&](flow::Reads& reads) {
      EXPECT_FALSE(permitted({route, own}, service, {"shop", "cart"}, tables_, reads));
      return missing_grant({route, own}, service, {"shop", "cart"}, tables_, reads);
    });
  }
};

constexpr std::string_view kFrom = "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: web}";
constexpr std::string_view kTo = "{group: '', kind: Service}";

TEST_F(MissingGrant, IsToBeAdded) { EXPECT_EQ(missing(), "add a ReferenceGrant to namespace shop"); }

TEST_F(MissingGrant, IsOneThatDiffersInOneField) {
  struct {
    std::string_view from;
    std::string_view to;
    const char* want;
  } const cases[] = {
      {"{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: wep}", kTo,
       "`spec.from[0].namespace` were `web` instead of `wep`"},
      {"{group: gateway.networking.k8s.io, kind: GRPCRoute, namespace: web}", kTo,
       "`spec.from[0].kind` were `HTTPRoute` instead of `GRPCRoute`"},
      {"{group: '', kind: HTTPRoute, namespace: web}", kTo,
       "`spec.from[0].group` were `gateway.networking.k8s.io` instead of \"\""},
      {kFrom, "{group: core, kind: Service}", "`spec.to[0].group` were \"\" instead of `core`"},
      {kFrom, "{group: '', kind: Secret}, {group: '', kind: Service, name: carts}",
       "`spec.to[0].kind` were `Service` instead of `Secret`"},
      {kFrom, "{group: '', kind: Secret, name: x}, {group: '', kind: Service, name: carts}",
       "`spec.to[1].name` were `cart` instead of `carts`"},
  };
  for (const auto& [from, to, want] : cases) {
    add_grant("shop", from, to);
    EXPECT_EQ(missing(), fmt::format("ReferenceGrant shop/grant would, if its {}", want));
  }
}

TEST_F(MissingGrant, IsNotOneThatDiffersInMore) {
  add_grant("shop", "{group: gateway.networking.k8s.io, kind: GRPCRoute, namespace: other}", kTo);
  EXPECT_EQ(missing(), "add a ReferenceGrant to namespace shop");
  add_grant("shop", "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: other}",
            "{group: '', kind: Service, name: carts}");
  EXPECT_EQ(missing(), "add a ReferenceGrant to namespace shop");
}

TEST_F(MissingGrant, MayBeInTheNamespaceOfThoseWhoRefer) {
  add_grant("web", kFrom, kTo);
  EXPECT_EQ(missing(), "ReferenceGrant web/grant would, if it were in namespace shop");
}

}  // namespace
}  // namespace sluice::translate
