// What becomes of certificates, from the first install over years of renewals.
#include "control/certificates.h"

#include <chrono>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using pki::Time;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Time kStart{std::chrono::seconds(1'800'000'000)};
constexpr std::chrono::seconds kDay = 24h;

// A cluster in which what is to be written is written.
struct House {
  CertificateOptions options = {};
  HeldCertificates held = {};

  Renewal renew_at(Time now) {
    Renewal renewal = renew(held, options, now);
    for (const auto& [to, from] : {std::pair(&held.authority, &renewal.authority),
                                   std::pair(&held.server, &renewal.server),
                                   std::pair(&held.client, &renewal.client)}) {
      if (*from) *to = HeldCertificate{.credentials = **from, .is_ours = true};
    }
    return renewal;
  }
  std::size_t trusted() const { return pki::read_certificates(held.client->credentials.authorities)->size(); }
};

// Whether a connection comes about between those who have these at that time.
bool go_together(const pki::Credentials& one, const pki::Credentials& other, Time now) {
  const auto takes = [now](const pki::Credentials& who, const pki::Pair& shown) {
    const auto facts = pki::read_pair(shown);
    if (!facts || !facts->is_valid(now)) return false;
    const auto authorities = pki::read_certificates(who.authorities);
    if (!authorities) return false;
    for (const pki::Facts& authority : *authorities) {
      if (authority.is_valid(now) && pki::is_signed_by(shown.certificate, authority.pem)) return true;
    }
    return false;
  };
  return takes(one, other.own) && takes(other, one.own);
}

TEST(Certificates, TheFirstTimeAllAreMade) {
  House house;
  const Renewal renewal = house.renew_at(kStart);
  EXPECT_TRUE(renewal.authority && renewal.server && renewal.client);
  EXPECT_TRUE(go_together(house.held.server->credentials, house.held.client->credentials, kStart));
  EXPECT_THAT(renewal.reasons, ElementsAre("`sluice-ca`: there is none", "`sluice`: there is none",
                                           "`envoy`: there is none"));
}

TEST(Certificates, TheServersIsForTheNamesOfItsService) {
  House house;
  house.renew_at(kStart);
  EXPECT_THAT(pki::read_pair(house.held.server->credentials.own)->names,
              ElementsAre("sluice", "sluice.sluice-system", "sluice.sluice-system.svc",
                          "sluice.sluice-system.svc.cluster.local"));
}

TEST(Certificates, ThoseThatLastAreLeftAlone) {
  House house;
  house.renew_at(kStart);
  EXPECT_FALSE(house.renew_at(kStart + 59 * kDay).changes());
}

TEST(Certificates, WhenSomethingIsDueIsSaid) {
  House house;
  const Time again = house.renew_at(kStart).again;
  EXPECT_EQ(again, kStart + 60 * kDay);
  EXPECT_FALSE(house.renew_at(again - 1s).changes());
  EXPECT_TRUE(house.renew_at(again).changes());
}

TEST(Certificates, ARenewedCertificateHasTheSameAuthority) {
  House house;
  house.renew_at(kStart);
  const HeldCertificates before = house.held;
  const Renewal renewal = house.renew_at(kStart + 60 * kDay);
  EXPECT_FALSE(renewal.authority);
  ASSERT_TRUE(renewal.server && renewal.client);
  EXPECT_TRUE(go_together(*renewal.server, before.client->credentials, kStart + 60 * kDay));
  EXPECT_TRUE(go_together(before.server->credentials, *renewal.client, kStart + 60 * kDay));
}

// Ten years, a look whenever something is due. Whoever has what was there before, as pods do whose files are
// renewed late, gets along with whoever has the newest.
TEST(Certificates, NobodyIsEverLockedOut) {
  House house;
  int renewals = 0;
  for (Time now = house.renew_at(kStart).again; now < kStart + 10 * 365 * kDay;) {
    const HeldCertificates before = house.held;
    const Renewal renewal = house.renew_at(now);
    ASSERT_TRUE(go_together(house.held.server->credentials, house.held.client->credentials, now));
    ASSERT_TRUE(go_together(house.held.server->credentials, before.client->credentials, now));
    ASSERT_TRUE(go_together(before.server->credentials, house.held.client->credentials, now));
    ASSERT_LT(now, renewal.again);
    now = renewal.again;
    ++renewals;
  }
  EXPECT_GT(renewals, 60);
  EXPECT_LT(renewals, 80);
}

TEST(Certificates, ANewAuthorityComesInThreeSteps) {
  House house;
  house.renew_at(kStart);
  const Time end = kStart + kAuthorityLasts - kAuthorityLeft;
  house.renew_at(end - kDay);  // so that nothing else is due
  const pki::Pair shown = house.held.client->credentials.own;

  const Renewal first = house.renew_at(end);
  EXPECT_TRUE(first.authority);
  EXPECT_EQ(house.trusted(), 2);
  EXPECT_EQ(house.held.client->credentials.own, shown);

  EXPECT_FALSE(house.renew_at(first.again - 1s).changes());
  const Renewal second = house.renew_at(first.again);
  EXPECT_EQ(first.again, end + kOverlap);
  EXPECT_NE(house.held.client->credentials.own, shown);
  EXPECT_EQ(house.trusted(), 2);

  const Renewal third = house.renew_at(second.again);
  EXPECT_EQ(second.again, end + 2 * kOverlap);
  EXPECT_EQ(house.trusted(), 1);
  EXPECT_FALSE(house.renew_at(second.again + 1h).changes());
}

TEST(Certificates, AnAuthorityThatIsLostIsFollowedByAnotherInSteps) {
  House house;
  house.renew_at(kStart);
  const pki::Pair shown = house.held.server->credentials.own;
  house.held.authority.reset();
  house.renew_at(kStart + kDay);
  EXPECT_EQ(house.held.server->credentials.own, shown);
  EXPECT_EQ(house.trusted(), 2);
}

TEST(Certificates, WhoStopsAfterTheAuthorityIsFollowedByAnotherWhoGoesOn) {
  House house;
  house.renew_at(kStart);
  const Time end = kStart + kAuthorityLasts - kAuthorityLeft;
  house.renew_at(end - kDay);
  const HeldCertificates before = house.held;
  house.renew_at(end);
  house.held.server = before.server;
  house.held.client = before.client;
  const Renewal renewal = house.renew_at(end + 5min);
  EXPECT_FALSE(renewal.authority);
  EXPECT_TRUE(renewal.server && renewal.client);
  EXPECT_EQ(house.trusted(), 2);
}

TEST(Certificates, OneThatEndedIsMadeAtOnce) {
  House house;
  house.renew_at(kStart);
  const Time late = kStart + 91 * kDay;
  house.renew_at(late);
  EXPECT_TRUE(go_together(house.held.server->credentials, house.held.client->credentials, late));
}

TEST(Certificates, OneThatIsGoneIsMadeAlone) {
  House house;
  house.renew_at(kStart);
  house.held.client.reset();
  const Renewal renewal = house.renew_at(kStart + kDay);
  EXPECT_FALSE(renewal.authority || renewal.server);
  ASSERT_TRUE(renewal.client);
  EXPECT_TRUE(go_together(house.held.server->credentials, *renewal.client, kStart + kDay));
}

TEST(Certificates, OneThatIsDamagedIsMadeAnew) {
  House house;
  house.renew_at(kStart);
  house.held.server->credentials.own.key = "nothing";
  const Renewal renewal = house.renew_at(kStart + kDay);
  ASSERT_TRUE(renewal.server);
  EXPECT_THAT(renewal.reasons, ElementsAre("`sluice`: its key is no private key in PEM, or is encrypted"));
}

TEST(Certificates, AnotherDomainIsAnotherCertificate) {
  House house;
  house.renew_at(kStart);
  house.options.domain = "example.org";
  EXPECT_TRUE(house.renew_at(kStart + 1min).server);
}

TEST(Certificates, OverwritingTrustsNobodyOfBefore) {
  House house;
  house.renew_at(kStart);
  const HeldCertificates before = house.held;
  house.options.overwrites = true;
  house.renew_at(kStart + kDay);
  EXPECT_EQ(house.trusted(), 1);
  EXPECT_FALSE(go_together(house.held.server->credentials, before.client->credentials, kStart + kDay));
}

// ---- what others have put there ----------------------------------------------------------------

TEST(Certificates, WhatIsNotOursIsLeftAlone) {
  House house;
  house.renew_at(kStart);
  house.held.authority.reset();
  house.held.server->is_ours = false;
  house.held.client->is_ours = false;
  const Renewal renewal = house.renew_at(kStart + kDay);
  EXPECT_FALSE(renewal.changes());
  EXPECT_THAT(renewal.problems, IsEmpty());
}

TEST(Certificates, WhatIsNotOursAndEndsIsToldABitBefore) {
  House house;
  house.renew_at(kStart);
  house.held.server->is_ours = false;
  house.held.client->is_ours = false;
  const Renewal quiet = house.renew_at(kStart + kDay);
  EXPECT_EQ(quiet.again, kStart + 83 * kDay);
  const Renewal renewal = house.renew_at(quiet.again);
  EXPECT_FALSE(renewal.changes());
  ASSERT_EQ(renewal.problems.size(), 2);
  EXPECT_EQ(renewal.problems[0].severity, Severity::kWarning);
  EXPECT_THAT(renewal.problems[0].message, HasSubstr("its certificate ends on 2027-04-15"));
}

TEST(Certificates, BesideOneThatIsNotOursNoneIsMade) {
  House house;
  house.renew_at(kStart);
  house.held.server->is_ours = false;
  house.held.client.reset();
  const Renewal renewal = house.renew_at(kStart + kDay);
  EXPECT_FALSE(renewal.changes());
  ASSERT_EQ(renewal.problems.size(), 1);
  EXPECT_EQ(renewal.problems[0].object.to_string(), "Secret sluice-system/envoy");
}

// ---- Secrets ---------------------------------------------------------------------------------

TEST(Certificates, ASecretIsReadAsItWasWritten) {
  House house;
  house.renew_at(kStart);
  const pki::Credentials& credentials = house.held.client->credentials;
  const json secret = to_secret(credentials, "envoy", "ns", nullptr);
  EXPECT_EQ(secret["type"], "kubernetes.io/tls");
  EXPECT_EQ(secret["metadata"]["namespace"], "ns");
  EXPECT_EQ(decode_base64(secret["data"]["ca.crt"].get<std::string>()), credentials.authorities);
  const HeldCertificate held = read_secret(secret);
  EXPECT_EQ(held.credentials, credentials);
  EXPECT_TRUE(held.is_ours);
}

TEST(Certificates, WhatElseASecretHasStays) {
  const json present = {{"kind", "Secret"},
                        {"metadata", {{"name", "envoy"}, {"resourceVersion", "7"}, {"labels", {{"a", "b"}}}}},
                        {"type", "Opaque"},
                        {"data", {{"more", "eA=="}}}};
  const json secret = to_secret({}, "envoy", "ns", present);
  EXPECT_EQ(secret["metadata"]["resourceVersion"], "7");
  EXPECT_EQ(secret["metadata"]["labels"]["a"], "b");
  EXPECT_EQ(secret["type"], "Opaque");
  EXPECT_EQ(secret["data"]["more"], "eA==");
}

TEST(Certificates, ASecretWithoutOurLabelIsNotOurs) {
  EXPECT_FALSE(read_secret({{"kind", "Secret"}, {"metadata", {{"name", "envoy"}}}}).is_ours);
}

}  // namespace
}  // namespace sluice::control
