#include "control/expiry.h"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "source/files.h"
#include "tree/parse.h"

namespace sluice::control {
namespace {

using std::chrono::sys_days;
using namespace std::chrono_literals;

// The certificates there are valid from 2026-11-23 20:42:15 to 2126-10-30 20:42:15.
class Expiry : public testing::Test {
 protected:
  Expiry() : pipeline_(translate::Settings()) {
    source::Batch batch;
    source::read_files({"test/golden/cases/https/in.yaml"}, &batch);
    for (const api::BoundObject& object : batch.upserted) pipeline_.upsert(object);
    pipeline_.commit();
  }

  Pipeline pipeline_;
};

TEST_F(Expiry, OfAValidCertificateThereIsNothingToSay) {
  EXPECT_TRUE(expired_certificates(pipeline_, sys_days(2026y / 11 / 24)).empty());
  EXPECT_TRUE(expired_certificates(pipeline_, sys_days(2126y / 10 / 30)).empty());
}

TEST_F(Expiry, ACertificateMayBeOutOfDate) {
  const std::vector<Problem> problems = expired_certificates(pipeline_, sys_days(2126y / 10 / 31));
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_EQ(problems[1].severity, Severity::kWarning);
  EXPECT_EQ(problems[1].object.to_string(), "Secret default/shop");
  EXPECT_EQ(problems[1].path, "data[tls.crt]");
  EXPECT_EQ(problems[1].message, "the certificate has expired: it was valid until 2126-10-30 20:42 UTC");
  ASSERT_EQ(problems[1].also.size(), 1U);
  EXPECT_EQ(problems[1].also[0].path, "spec.listeners[0].tls");
  EXPECT_EQ(problems[1].also[0].message, "listener `shop` shows it to clients");
}

TEST_F(Expiry, ACertificateMayBeForLater) {
  const std::vector<Problem> problems = expired_certificates(pipeline_, sys_days(2026y / 11 / 23));
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_EQ(problems[0].object.to_string(), "Secret default/api");
  EXPECT_EQ(problems[0].message, "the certificate is not valid before 2026-11-23 20:42 UTC");
}

// ---- while time passes ---------------------------------------------------------------------------

class Watch : public Expiry {
 protected:
  Watch() { watch_.committed(sys_days(2126y / 10 / 30)); }

  // What has come and gone in the log, as "+ Secret default/shop".
  std::vector<std::string> news() {
    std::vector<std::string> texts;
    const ProblemLog::News news = log_.take({});
    for (const Problem& problem : news.added) texts.push_back("+ " + problem.object.to_string());
    for (const Problem& problem : news.removed) texts.push_back("- " + problem.object.to_string());
    return texts;
  }

  // Both certificates run out.
  static constexpr ExpiryWatch::Time kEnd = sys_days(2126y / 10 / 30) + 20h + 42min + 15s;
  const std::vector<std::string> both_come_{"+ Secret default/api", "+ Secret default/shop"};

  ProblemLog log_;
  ExpiryWatch watch_{pipeline_, log_};
};

TEST_F(Watch, TellsWhenTheFirstRunsOut) {
  EXPECT_EQ(watch_.nearest(), std::chrono::floor<std::chrono::seconds>(kEnd).time_since_epoch().count());
}

TEST_F(Watch, WarnsOnceAndAtTheTime) {
  EXPECT_EQ(news(), std::vector<std::string>());
  EXPECT_EQ(watch_.wait(sys_days(2126y / 10 / 30)), ExpiryWatch::kLookAgain)
      << "the clock may be set meanwhile";
  EXPECT_TRUE(watch_.look_if_due(kEnd - 3s));
  EXPECT_EQ(watch_.wait(kEnd - 3s), 4s) << "the last second is one of the certificate's";
  EXPECT_FALSE(watch_.look_if_due(kEnd));
  EXPECT_EQ(news(), std::vector<std::string>());
  EXPECT_TRUE(watch_.look_if_due(kEnd + 1s));
  EXPECT_EQ(news(), both_come_);
  EXPECT_TRUE(watch_.look_if_due(kEnd + 1s + ExpiryWatch::kLookAgain));
  EXPECT_EQ(news(), std::vector<std::string>());
}

TEST_F(Watch, NoticesThatTheClockWasSetBack) {
  EXPECT_TRUE(watch_.look_if_due(kEnd + 1h));
  EXPECT_EQ(news(), both_come_);
  EXPECT_TRUE(watch_.look_if_due(kEnd - 1h));
  EXPECT_EQ(news(), (std::vector<std::string>{"- Secret default/api", "- Secret default/shop"}));
}

TEST_F(Watch, TakesTheWarningBackWithTheCertificate) {
  watch_.look_if_due(kEnd + 1s);
  EXPECT_EQ(news(), both_come_);
  pipeline_.erase({.kind = api::kind_of<api::Secret>(), .name = {"default", "shop"}});
  pipeline_.commit();
  watch_.committed(kEnd + 2s);
  EXPECT_EQ(news(), std::vector<std::string>{"- Secret default/shop"});
  pipeline_.erase({.kind = api::kind_of<api::Secret>(), .name = {"default", "api"}});
  pipeline_.commit();
  watch_.committed(kEnd + 3s);
  EXPECT_EQ(news(), std::vector<std::string>{"- Secret default/api"});
  EXPECT_EQ(watch_.wait(kEnd + 3s), std::nullopt) << "there is nothing left to wait for";
  EXPECT_EQ(watch_.nearest(), std::nullopt);
}

// ---- of backends ---------------------------------------------------------------------------------

constexpr std::string_view kOutward[] = {R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: out, namespace: default}
spec:
  gatewayClassName: eg
  listeners: [{name: http, port: 8080, protocol: HTTP}]
  tls: {backend: {clientCertificateRef: {name: api}}}
)",
                                         R"(
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: far, namespace: default}
spec:
  endpoints: [{fqdn: {hostname: far.example, port: 443}}]
  tls: {wellKnownCACertificates: System, sni: far.example}
)",
                                         R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: out, namespace: default}
spec:
  parentRefs: [{name: out}]
  rules: [{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: far}]}]
)"};

TEST_F(Expiry, ACertificateThatBackendsAreShownMayBeOutOfDate) {
  pipeline_.erase({.kind = api::kind_of<api::Gateway>(), .name = {"default", "eg"}});
  for (const std::string_view text : kOutward) {
    std::vector<Problem> problems;
    const std::vector<Document> documents = parse(text, "", &problems);
    pipeline_.upsert(api::read_object(documents.at(0).tree, api::Trust::kCheck).bound.value());
  }
  pipeline_.commit();
  EXPECT_TRUE(expired_certificates(pipeline_, sys_days(2126y / 10 / 30)).empty());
  const std::vector<Problem> problems = expired_certificates(pipeline_, sys_days(2126y / 10 / 31));
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].object.to_string(), "Secret default/api");
  EXPECT_EQ(problems[0].message,
            "the certificate that backends are shown has expired: it was valid until 2126-10-30 20:42 UTC");
}

}  // namespace
}  // namespace sluice::control
