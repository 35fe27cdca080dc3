// Certificates as Secrets of an API server in memory.
#include "control/certificate_secrets.h"

#include <atomic>
#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/certificate_folder.h"
#include "kube/testing.h"
#include "kube/testing/api_server.h"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using kube_testing::ApiServer;
using kube_testing::Json;
using ::testing::HasSubstr;

const kube_testing::ServedResource kSecrets{
    .group = "", .version = "v1", .plural = "secrets", .kind = "Secret", .built_in = true};

class CertificateSecretsTest : public testing::Test {
 protected:
  std::unique_ptr<CertificateSecrets> start() {
    return std::make_unique<CertificateSecrets>(
        client_, options_,
        CertificateSecrets::Events{
            .credentials = [this](pki::Credentials now) { credentials_.add(std::move(now)); },
            .renewed = [this](std::vector<std::string> why) { renewed_.add(std::move(why)); },
            .problems = [this](std::vector<Problem> now) { problems_.add(std::move(now)); }});
  }
  void lead(CertificateSecrets& secrets) {
    client_.run([&] { secrets.set_leads(true); });
  }
  Json secret(const std::string& name) const { return server_.get("Secret", "ns", name); }

  ApiServer server_{{kSecrets}};
  kube::Client client_{kube::local_access(server_.port())};
  CertificateOptions options_{.name_space = "ns"};
  kube::Told<pki::Credentials> credentials_;
  kube::Told<std::vector<std::string>> renewed_;
  kube::Told<std::vector<Problem>> problems_;
};

TEST_F(CertificateSecretsTest, TheLeaderMakesThemAndAllAreTold) {
  const auto follower = start();
  const auto leader = start();
  lead(*leader);
  ASSERT_TRUE(renewed_.next());
  const auto one = credentials_.next();
  const auto other = credentials_.next();
  ASSERT_TRUE(one && other);
  EXPECT_EQ(*one, *other);
  EXPECT_EQ(pki::fault_of(*one), "");
  for (const char* const name : {"sluice-ca", "sluice", "envoy"}) EXPECT_TRUE(secret(name).is_object()) << name;
}

TEST_F(CertificateSecretsTest, WhoDoesNotLeadWritesNothing) {
  const auto follower = start();
  client_.run([] {});
  EXPECT_TRUE(kube::eventually([this] { return server_.watches() == 1; }));
  EXPECT_EQ(server_.count("Secret"), 0);
}

TEST_F(CertificateSecretsTest, TwoWhoMakeThemAtOnceAgree) {
  options_.overwrites = false;
  CertificateOptions same = options_;
  kube::Client other_client(kube::local_access(server_.port()));
  kube::Told<std::expected<Renewal, std::string>> done;
  renew_secrets(client_, options_, [&](auto renewal) { done.add(std::move(renewal)); });
  renew_secrets(other_client, same, [&](auto renewal) { done.add(std::move(renewal)); });
  ASSERT_TRUE(done.next().value());
  ASSERT_TRUE(done.next().value());
  const HeldCertificate server = read_secret(secret("sluice"));
  const HeldCertificate client = read_secret(secret("envoy"));
  EXPECT_EQ(server.credentials.authorities, client.credentials.authorities);
  EXPECT_TRUE(pki::is_signed_by(client.credentials.own.certificate, server.credentials.authorities));
}

TEST_F(CertificateSecretsTest, ASecretThatIsDeletedIsMadeAgain) {
  const auto leader = start();
  lead(*leader);
  ASSERT_TRUE(credentials_.next());
  ASSERT_TRUE(kube::eventually([this] { return secret("envoy").is_object(); }));
  server_.remove("Secret", "ns", "sluice");
  EXPECT_TRUE(credentials_.next());
}

TEST_F(CertificateSecretsTest, WhatMayNotBeWrittenIsAProblemAndTriedAgain) {
  server_.fail({.method = "POST", .in_target = "/secrets", .times = 1, .status = 403, .reason = "Forbidden"});
  const auto leader = start();
  lead(*leader);
  const auto problems = problems_.next();
  ASSERT_TRUE(problems);
  ASSERT_EQ(problems->size(), 1);
  EXPECT_THAT(problems->front().message, HasSubstr("the Secret ns/sluice-ca cannot be written: "));
  EXPECT_TRUE(credentials_.next());
  EXPECT_TRUE(problems_.next()->empty());
}

TEST_F(CertificateSecretsTest, SecretsOfOthersAreServedAndNotWritten) {
  const pki::Validity hour{.made = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
                           .lasts = 24h * 30};
  const pki::Pair authority = pki::make_authority("theirs", hour);
  for (const char* const name : {"sluice", "envoy"}) {
    Json theirs = to_secret({.own = *pki::issue(authority, {name}, pki::Use::kBoth, hour),
                             .authorities = authority.certificate},
                            name, "ns", nullptr);
    theirs["metadata"].erase("labels");
    server_.put(theirs);
  }
  const std::string before = server_.version();
  const auto leader = start();
  lead(*leader);
  EXPECT_EQ(credentials_.next()->authorities, authority.certificate);
  EXPECT_TRUE(kube::eventually([this] {
    return std::ranges::any_of(server_.requests(), [](const auto& request) { return request.target.ends_with("/envoy"); });
  }));
  client_.run([] {});
  EXPECT_EQ(server_.version(), before);
}

TEST(CertificateFolder, TellsOfEachChange) {
  const kube::Folder folder;
  kube::Told<std::expected<pki::Credentials, std::string>> told;
  const CertificateFolder watch(folder.path(), [&](auto now) { told.add(std::move(now)); }, 5ms);
  EXPECT_THAT(told.next()->error(), HasSubstr("cannot be read"));
  const pki::Validity hour{.made = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
                           .lasts = 1h};
  const pki::Pair authority = pki::make_authority("house", hour);
  const pki::Credentials first{.own = *pki::issue(authority, {"sluice"}, pki::Use::kServer, hour),
                               .authorities = authority.certificate};
  ASSERT_TRUE(pki::write_folder(folder.path(), first));
  std::expected<pki::Credentials, std::string> now = std::unexpected("");
  while (!now) now = told.next().value();
  EXPECT_EQ(*now, first);
}

}  // namespace
}  // namespace sluice::control
