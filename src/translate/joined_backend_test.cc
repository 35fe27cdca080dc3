#include "translate/joined_backend.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "translate/localities.h"

namespace sluice::translate {
namespace {

using Members = std::vector<WeightedBackend>;

const ObjectKey kOwner{GroupKind("gateway.networking.k8s.io", "HTTPRoute"), {"default", "web"}};

// A backend at one address.
ResolvedBackend backend(const std::string& name) {
  ResolvedBackend made;
  made.row.cluster.name = name;
  made.row.cluster.owner = {GroupKind("", "Service"), {"default", name}};
  made.row.fixed = {{.endpoints = {{.address = "10.0.0." + name, .port = 80}}}};
  return made;
}

BackendPtr share(ResolvedBackend backend) {
  return std::make_shared<const ResolvedBackend>(std::move(backend));
}

BackendPtr plain(const std::string& name) { return share(backend(name)); }

BackendPtr with_tls(const std::string& name) {
  ResolvedBackend made = backend(name);
  made.row.cluster.tls = ir::UpstreamTls{.sni = name};
  made.row.secrets = {{.name = "ca-" + name, .certificate = {}, .authorities = {}}};
  return share(std::move(made));
}

std::shared_ptr<ResolvedBackend> join(const Members& members, bool one_protocol = false) {
  return join_backends("joined", kOwner, members, one_protocol);
}

// "a 1, b 3 fallback".
std::string in_words(const ClusterRow& row) {
  std::string text;
  for (const ClusterRow::Member& member : row.members) {
    text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", member.row->cluster.name, member.weight,
                        member.priority > 0 ? " fallback" : "");
  }
  return text;
}

TEST(JoinedBackend, HasItsNameAndOwner) {
  const auto joined = join({{.weight = 1, .backend = plain("1")}, {.weight = 1, .backend = plain("2")}});
  EXPECT_EQ(joined->cluster(), "joined");
  EXPECT_EQ(joined->row.cluster.owner, kOwner);
}

TEST(JoinedBackend, HasMembersWithTheirWeightsWhateverTheirOrder) {
  const auto joined = join({{.weight = 3, .backend = plain("2")}, {.weight = 1, .backend = plain("1")}});
  EXPECT_EQ(in_words(joined->row), "1 1, 2 3");
}

TEST(JoinedBackend, HasABackendThatIsThereTwiceOnce) {
  const auto joined =
      join({{.weight = 3, .backend = with_tls("1")}, {.weight = 1, .backend = with_tls("1")}});
  EXPECT_EQ(in_words(joined->row), "1 4");
  EXPECT_EQ(joined->row.cluster.tls_by_name.size(), 1U);
}

TEST(JoinedBackend, HasFallbacksBehindTheOthers) {
  ResolvedBackend spare = backend("9");
  spare.fallback = true;
  const auto joined = join({{.weight = 1, .backend = share(spare)},
                            {.weight = 1, .backend = plain("1")},
                            {.weight = 1, .backend = plain("2"), .fallback = true}});
  EXPECT_EQ(in_words(joined->row), "1 1, 2 1 fallback, 9 1 fallback");
}

TEST(JoinedBackend, OfFallbacksAloneHasNoneBehindOthers) {
  const auto joined = join({{.weight = 1, .backend = plain("1"), .fallback = true},
                            {.weight = 1, .backend = plain("2"), .fallback = true}});
  EXPECT_EQ(in_words(joined->row), "1 1, 2 1");
}

TEST(JoinedBackend, HasEndpointsIfAnyMemberHas) {
  ResolvedBackend idle = backend("2");
  idle.has_endpoints = false;
  EXPECT_TRUE(
      join({{.weight = 1, .backend = share(idle)}, {.weight = 1, .backend = plain("1")}})->has_endpoints);
  EXPECT_FALSE(join({{.weight = 1, .backend = share(idle)}})->has_endpoints);
}

TEST(JoinedBackend, SpeaksTlsAsEachMemberDoes) {
  const auto joined = join({{.weight = 1, .backend = with_tls("2")},
                            {.weight = 1, .backend = plain("3")},
                            {.weight = 1, .backend = with_tls("1")}});
  const ir::Cluster& cluster = joined->row.cluster;
  EXPECT_FALSE(cluster.tls);
  ASSERT_EQ(cluster.tls_by_name.size(), 2U);
  EXPECT_EQ(cluster.tls_by_name[0].first, "1");
  EXPECT_EQ(cluster.tls_by_name[1].second.sni, "2");
  EXPECT_EQ(joined->row.secrets.size(), 2U);
}

TEST(JoinedBackend, KnowsWhetherAnyMemberSpeaksPlaintext) {
  const auto beside_plaintext = [](const Members& members) {
    return join(members)->row.cluster.tls_by_name.at(0).second.beside_plaintext;
  };
  EXPECT_TRUE(
      beside_plaintext({{.weight = 1, .backend = with_tls("1")}, {.weight = 1, .backend = plain("2")}}));
  EXPECT_FALSE(
      beside_plaintext({{.weight = 1, .backend = with_tls("1")}, {.weight = 1, .backend = with_tls("2")}}));
}

TEST(JoinedBackend, ResolvesNamesIfAnyMemberIsAName) {
  ResolvedBackend named = backend("2");
  named.row.cluster.discovery = ir::Discovery::kDns;
  EXPECT_EQ(join({{.weight = 1, .backend = plain("1")}, {.weight = 1, .backend = share(named)}})
                ->row.cluster.discovery,
            ir::Discovery::kDns);
}

TEST(JoinedBackend, SpeaksTheProtocolThatAMemberAsksFor) {
  ResolvedBackend modern = backend("2");
  modern.row.cluster.protocol = ir::UpstreamProtocol::kHttp2;
  EXPECT_EQ(join({{.weight = 1, .backend = plain("1")}, {.weight = 1, .backend = share(modern)}})
                ->row.cluster.protocol,
            ir::UpstreamProtocol::kHttp2);
}

// Envoy would not weigh them.
TEST(JoinedBackend, DoesNotPreferAZone) {
  ResolvedBackend near = backend("1");
  near.row.cluster.prefer_local_zone = true;
  EXPECT_FALSE(join({{.weight = 1, .backend = share(near)}, {.weight = 1, .backend = plain("2")}})
                   ->row.cluster.prefer_local_zone);
}

TEST(JoinedBackend, IsNoneOfMembersThatAreToSpeakOneProtocolAndDoNot) {
  ResolvedBackend modern = backend("2");
  modern.row.cluster.protocol = ir::UpstreamProtocol::kHttp2;
  EXPECT_EQ(join({{.weight = 1, .backend = plain("1")}, {.weight = 1, .backend = share(modern)}}, true),
            nullptr);
}

TEST(JoinedBackend, OfOneProtocolMayHaveMembersWithTlsAndMembersThatAreNames) {
  ResolvedBackend named = backend("2");
  named.row.cluster.discovery = ir::Discovery::kDns;
  const auto joined =
      join({{.weight = 1, .backend = with_tls("1")}, {.weight = 1, .backend = share(named)}}, true);
  ASSERT_NE(joined, nullptr);
  EXPECT_EQ(joined->row.cluster.discovery, ir::Discovery::kDns);
  EXPECT_EQ(joined->row.cluster.tls_by_name.size(), 1U);
}

TEST(JoinedBackend, OfMembersThatAreAlikeHasWhatTheyHaveInCommon) {
  ResolvedBackend first = backend("1");
  ResolvedBackend second = backend("2");
  first.row.cluster.tls = second.row.cluster.tls = ir::UpstreamTls{.sni = "both"};
  const auto joined =
      join({{.weight = 1, .backend = share(first)}, {.weight = 1, .backend = share(second)}}, true);
  ASSERT_NE(joined, nullptr);
  EXPECT_EQ(joined->row.cluster.tls->sni, "both");
}

TEST(JoinedBackend, IsNamedAfterItsMembersAndNotTheirWeights) {
  const auto name = [](const Members& members, std::string_view identity = "rule a") {
    return joined_name("session", kOwner, identity, members);
  };
  const std::string one = name({{.weight = 1, .backend = plain("1")}, {.weight = 2, .backend = plain("2")}});
  EXPECT_TRUE(one.starts_with("session/default/web/")) << one;
  EXPECT_EQ(one, name({{.weight = 5, .backend = plain("2")}, {.weight = 1, .backend = plain("1")}}));
  EXPECT_NE(one, name({{.weight = 1, .backend = plain("1")}, {.weight = 2, .backend = plain("3")}}));
  EXPECT_NE(one,
            name({{.weight = 1, .backend = plain("1")}, {.weight = 2, .backend = plain("2")}}, "rule b"));
}

TEST(JoinedBackend, HasALocalityForEachMember) {
  const auto joined = join({{.weight = 3, .backend = plain("1")}, {.weight = 1, .backend = with_tls("2")}});
  std::vector<ir::Locality> room;
  const auto localities =
      localities_of(joined->row, [](const ObjectKey&) -> const ServiceEndpoints* { return nullptr; }, room);
  ASSERT_EQ(localities.size(), 2U);
  EXPECT_EQ(localities[0].region, "1");
  EXPECT_EQ(localities[0].weight, 3U);
  EXPECT_EQ(localities[0].tls, "");
  EXPECT_EQ(localities[1].tls, "2");
}

}  // namespace
}  // namespace sluice::translate
