#include "kube/credential.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kube/testing.h"

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::string_view kV1 = "client.authentication.k8s.io/v1";

std::string output(const std::string& status, std::string_view version = kV1) {
  return R"({"kind":"ExecCredential","apiVersion":")" + std::string(version) + R"(","status":)" + status +
         "}";
}

class PluginTest : public testing::Test {
 protected:
  Access with(const std::string& script) {
    Access access = local_access(443);
    access.exec = ExecPlugin{.api_version = std::string(kV1), .command = folder_.script("plugin", script)};
    return access;
  }
  std::string fault_of(const std::string& script, std::chrono::milliseconds limit = 20s) {
    const auto given = run_plugin(with(script), limit, {});
    return given ? "no fault" : given.error();
  }
  Folder folder_;
};

TEST_F(PluginTest, GivesAToken) {
  const auto given = run_plugin(with("echo '" + output(R"({"token":"abc"})") + "'"), 20s, {});
  ASSERT_TRUE(given) << given.error();
  EXPECT_EQ(given->token, "abc");
}

TEST_F(PluginTest, IsToldWhatIsWantedOfIt) {
  Access access = with("echo \"$KUBERNETES_EXEC_INFO\" >" + folder_.path() + "/told; echo '" +
                       output(R"({"token":"abc"})") + "'");
  access.exec->wants_cluster = true;
  access.authorities.value = "CA";
  ASSERT_TRUE(run_plugin(access, 20s, {}));
  const auto told = nlohmann::json::parse(*Text{.file = folder_.path() + "/told"}.read());
  EXPECT_EQ(told,
            nlohmann::json::parse(R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",
      "spec":{"interactive":false,"cluster":{"server":"http://127.0.0.1:443","certificate-authority-data":"Q0E="}}})"));
}

TEST_F(PluginTest, GetsItsArgumentsAndEnvironment) {
  Access access = with("echo '" + output(R"({"token":"TOKEN"})") + "' | sed s/TOKEN/$1-$NAME/");
  access.exec->arguments = {"a"};
  access.exec->environment = {{"NAME", "b"}};
  const auto given = run_plugin(access, 20s, {});
  ASSERT_TRUE(given) << given.error();
  EXPECT_EQ(given->token, "a-b");
}

TEST_F(PluginTest, ThatHangsIsKilledWithWhatItStarted) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(fault_of("sleep 100 & sleep 100", 200ms), HasSubstr("has not ended within 0.2 s"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
}

TEST_F(PluginTest, ThatLeavesAChildBehindIsNotWaitedFor) {
  const auto begin = std::chrono::steady_clock::now();
  const auto given = run_plugin(with("sleep 100 & echo '" + output(R"({"token":"abc"})") + "'"), 60s, {});
  EXPECT_TRUE(given) << given.error();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
}

TEST_F(PluginTest, ThatIsNotWantedAnyMoreIsKilled) {
  std::stop_source stop;
  stop.request_stop();
  const auto given = run_plugin(with("sleep 100"), 60s, stop.get_token());
  ASSERT_FALSE(given);
  EXPECT_THAT(given.error(), HasSubstr("was stopped"));
}

TEST_F(PluginTest, ThatFailsIsQuotedFromItsStandardError) {
  EXPECT_THAT(fault_of("echo 'log in first' >&2; exit 3"),
              HasSubstr("has ended with status 3: `log in first`"));
}

TEST_F(PluginTest, ThatPrintsGarbageIsNotQuoted) {
  EXPECT_THAT(fault_of("echo secret"),
              testing::AllOf(HasSubstr("no JSON object"), testing::Not(HasSubstr("secret"))));
}

TEST_F(PluginTest, ThatPrintsWithoutEndIsRefused) {
  EXPECT_THAT(fault_of("head -c 3000000 /dev/zero"), HasSubstr("has printed more than"));
}

TEST_F(PluginTest, ThatIsNotInstalledIsToldWithItsHint) {
  Access access = with("");
  access.exec->command = "sluice-no-such-plugin";
  access.exec->install_hint = "install it";
  const auto given = run_plugin(access, 20s, {});
  ASSERT_FALSE(given);
  EXPECT_THAT(given.error(), testing::AllOf(HasSubstr("No such file"), HasSubstr("install it")));
}

TEST(PluginOutput, IsReadWithItsExpiry) {
  const auto given = parse_plugin_output(
      output(R"({"token":"a","expirationTimestamp":"2026-01-02T03:04:05.5+01:00"})"), kV1);
  ASSERT_TRUE(given) << given.error();
  EXPECT_EQ(std::chrono::system_clock::to_time_t(*given->expires), 1767319445);
}

TEST(PluginOutput, IsRefusedWhereItIsNotWhatItSays) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"[]", "no JSON object"},
      {R"({"kind":"Pod"})", "not of kind ExecCredential"},
      {output(R"({"token":"a"})", "client.authentication.k8s.io/v1beta1"), "of another apiVersion"},
      {output("null"), "has no status"},
      {output("{}"), "neither a token nor a certificate"},
      {output(R"({"clientCertificateData":"a"})"), "only one of a certificate and its key"},
      {output(R"({"token":"a\nb"})"), "characters that no token has"},
      {output(R"({"token":"a","expirationTimestamp":"soon"})"), "is no time"},
  };
  for (const auto& [text, told] : cases) {
    const auto given = parse_plugin_output(text, kV1);
    ASSERT_FALSE(given) << text;
    EXPECT_THAT(given.error(), HasSubstr(told));
  }
}

TEST(ReadCredential, TakesBlanksOffATokenFile) {
  const Folder folder;
  Access access;
  access.token.file = folder.write("token", " abc\n");
  EXPECT_EQ(read_credential(access)->token, "abc");
}

class KeeperTest : public testing::Test {
 protected:
  const Keeper::Time start_{std::chrono::seconds(1'000'000)};
  const Credential credential_{.token = "a"};
};

TEST_F(KeeperTest, ReadsFilesAgainAfterAMinute) {
  Keeper keeper(false);
  EXPECT_EQ(keeper.current(start_), nullptr);
  keeper.fetched(credential_, start_);
  EXPECT_NE(keeper.current(start_ + 59s), nullptr);
  EXPECT_EQ(keeper.current(start_ + 60s), nullptr);
}

TEST_F(KeeperTest, KeepsWhatAPluginGaveUntilItExpires) {
  Keeper keeper(true);
  Credential credential = credential_;
  credential.expires = start_ + 1h;
  keeper.fetched(credential, start_);
  EXPECT_NE(keeper.current(start_ + 59min), nullptr);
  EXPECT_EQ(keeper.current(start_ + 1h - Keeper::kLeeway), nullptr);
}

TEST_F(KeeperTest, DoesNotRunAPluginWithoutEndForWhatIsExpiredAtOnce) {
  Keeper keeper(true);
  Credential credential = credential_;
  credential.expires = start_;
  keeper.fetched(credential, start_);
  EXPECT_NE(keeper.current(start_ + 9s), nullptr);
  EXPECT_EQ(keeper.current(start_ + 10s), nullptr);
}

TEST_F(KeeperTest, ReadsAgainWhatWasRefused) {
  Keeper keeper(false);
  keeper.fetched(credential_, start_);
  EXPECT_TRUE(keeper.refused(credential_, start_ + 1s));
  EXPECT_EQ(keeper.current(start_ + 1s), nullptr);
}

TEST_F(KeeperTest, KeepsWhatIsNewerThanWhatWasRefused) {
  Keeper keeper(false);
  keeper.fetched({.token = "b"}, start_);
  EXPECT_TRUE(keeper.refused(credential_, start_ + 1s));
  EXPECT_NE(keeper.current(start_ + 1s), nullptr);
}

TEST_F(KeeperTest, DoesNotRunAPluginForEachRefusal) {
  Keeper keeper(true);
  keeper.fetched(credential_, start_);
  EXPECT_FALSE(keeper.refused(credential_, start_ + 9s));
  EXPECT_TRUE(keeper.refused(credential_, start_ + 10s));
}

}  // namespace
}  // namespace sluice::kube
