#include "kube/client.h"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/descriptor.h"
#include "kube/testing.h"
#include "kube/testing/api_server.h"
#include "kube/testing/listening.h"

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using kube_testing::ApiServer;
using kube_testing::Certificate;
using kube_testing::Json;
using kube_testing::listen_on_loopback;
using kube_testing::Listening;
using kube_testing::ServedResource;
using testing::AllOf;
using testing::HasSubstr;
using Reason = Failure::Reason;

const ServedResource kConfigMaps{
    .group = "", .version = "v1", .plural = "configmaps", .kind = "ConfigMap", .built_in = true};
constexpr std::string_view kTarget = "/api/v1/configmaps";

Outcome ask(Client& client, Call call) {
  const auto told = std::make_shared<Told<Outcome>>();
  client.call(std::move(call), [told](Outcome outcome) { told->add(std::move(outcome)); });
  return told->next().value_or(std::unexpected(Failure{Reason::kTimeout, "the test has waited in vain"}));
}
Outcome get(Client& client, std::chrono::milliseconds timeout = 20s) {
  return ask(client, {.target = std::string(kTarget), .timeout = timeout});
}
// "200", or the failure's message.
std::string said(const Outcome& outcome) {
  return outcome ? std::to_string(outcome->status) : outcome.error().message;
}

Json config_map(const std::string& name, const std::string& data) {
  return {{"kind", "ConfigMap"}, {"metadata", {{"name", name}, {"namespace", "n"}}}, {"data", {{"d", data}}}};
}

TEST(Client, KeepsItsConnection) {
  ApiServer server({kConfigMaps});
  Client client(local_access(server.port()));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(said(get(client)), "200");
  EXPECT_EQ(server.connections(), 1U);
}

TEST(Client, SendsItsBodyWithItsType) {
  ApiServer server({kConfigMaps});
  Client client(local_access(server.port()));
  const Outcome made = ask(client, {.method = "POST",
                                    .target = "/api/v1/namespaces/n/configmaps",
                                    .body = config_map("a", "x").dump(),
                                    .content_type = "application/json"});
  EXPECT_EQ(said(made), "201");
  EXPECT_EQ(server.get("ConfigMap", "n", "a")["data"]["d"], "x");
  EXPECT_EQ(server.requests()[0].header("content-type"), "application/json");
}

TEST(Client, PutsThePathOfTheServerBeforeTargets) {
  ApiServer server({kConfigMaps});
  Access access = local_access(server.port());
  access.path = "/k8s/c1";
  Client client(access);
  EXPECT_EQ(said(get(client)), "404");
  EXPECT_EQ(server.requests()[0].target, "/k8s/c1/api/v1/configmaps");
}

TEST(Client, GivesStatusBodyAndDelayOfARefusal) {
  ApiServer server({kConfigMaps});
  server.fail({.status = 429, .retry_after = 3});
  Client client(local_access(server.port()));
  const Outcome outcome = get(client);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->status, 429U);
  EXPECT_EQ(outcome->retry_after, 3s);
  EXPECT_THAT(outcome->body, HasSubstr("as the test wants it"));
}

TEST(Client, TakesAnAnswerInSmallPieces) {
  ApiServer server({kConfigMaps}, {.piece = 3});
  server.put(config_map("a", std::string(2'000, 'x')));
  Client client(local_access(server.port()));
  const Outcome outcome = get(client);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(Json::parse(outcome->body)["items"][0]["data"]["d"], std::string(2'000, 'x'));
}

TEST(Client, RunsManyCallsAtATimeAndQueuesTheRest) {
  ApiServer server({kConfigMaps});
  server.fail({.times = -1, .delay = 20ms});
  Client client(local_access(server.port()), {.max_calls = 4});
  Told<Outcome> told;
  for (int i = 0; i < 20; ++i) {
    client.call({.target = std::string(kTarget)}, [&](Outcome outcome) { told.add(std::move(outcome)); });
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(said(told.next().value()), "200");
  EXPECT_EQ(server.connections(), 4U);
}

TEST(Client, LetsAnUrgentCallPassTheQueue) {
  ApiServer server({kConfigMaps});
  server.fail({.in_target = "slow", .times = -1, .hang = true});
  Client client(local_access(server.port()), {.max_calls = 1});
  client.call({.target = std::string(kTarget) + "?slow"}, [](const Outcome&) {});
  EXPECT_EQ(said(ask(client, {.target = std::string(kTarget), .urgent = true})), "200");
}

TEST(Client, SendsAgainWhatFoundAKeptConnectionClosed) {
  ApiServer server({kConfigMaps});
  Client client(local_access(server.port()));
  EXPECT_EQ(said(get(client)), "200");
  // It is closed when the request has arrived: no look at the socket could have told.
  server.fail({.cut_after = 0});
  EXPECT_EQ(said(get(client)), "200");
  EXPECT_EQ(server.requests().size(), 3U);
}

TEST(Client, DoesNotSendAPostTwice) {
  ApiServer server({kConfigMaps});
  Client client(local_access(server.port()));
  EXPECT_EQ(said(get(client)), "200");
  server.fail({.method = "POST", .lose_answer = true});
  const Outcome made =
      ask(client, {.method = "POST", .target = "/api/v1/namespaces/n/configmaps", .body = "{}"});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().reason, Reason::kBroken);
}

TEST(Client, ReconnectsAfterARestartOfTheServer) {
  ApiServer server({kConfigMaps});
  Client client(local_access(server.port()));
  EXPECT_EQ(said(get(client)), "200");
  server.stop();
  const Outcome down = get(client);
  ASSERT_FALSE(down);
  EXPECT_EQ(down.error().reason, Reason::kUnreachable);
  EXPECT_THAT(down.error().message,
              AllOf(HasSubstr("nobody answers at `http://127.0.0.1:"), HasSubstr("refused")));
  server.start();
  EXPECT_EQ(said(get(client)), "200");
}

TEST(Client, TellsABrokenAnswerFromAWholeOne) {
  ApiServer server({kConfigMaps});
  server.put(config_map("a", std::string(10'000, 'x')));
  server.fail({.cut_after = 5'000});
  Client client(local_access(server.port()));
  const Outcome outcome = get(client);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().reason, Reason::kBroken);
}

TEST(Client, GivesUpAtTheTimeLimit) {
  ApiServer server({kConfigMaps});
  server.fail({.hang = true});
  Client client(local_access(server.port()));
  const Outcome outcome = get(client, 100ms);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().reason, Reason::kTimeout);
  EXPECT_EQ(said(get(client)), "200");
}

TEST(Client, RefusesAnAnswerThatIsTooLarge) {
  ApiServer server({kConfigMaps});
  server.put(config_map("a", std::string(10'000, 'x')));
  Client client(local_access(server.port()), {.max_body = 9'000});
  const Outcome outcome = get(client);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().reason, Reason::kTooLarge);
}

TEST(Client, TellsAServerThatIsNone) {
  const Listening listening = listen_on_loopback();
  std::thread server([&] {
    const Descriptor accepted(::accept4(listening.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    constexpr std::string_view kHello = "220 mail.example.com ESMTP\r\n\r\n";
    ::send(accepted.get(), kHello.data(), kHello.size(), MSG_NOSIGNAL);
    char byte = 0;
    while (::recv(accepted.get(), &byte, 1, 0) > 0) {
    }
  });
  {
    Client client(local_access(listening.port));
    const Outcome outcome = get(client);
    EXPECT_EQ(outcome ? Reason::kBroken : outcome.error().reason, Reason::kProtocol);
  }
  server.join();
}

TEST(Client, DropsWhatIsUnderWayWhenItStops) {
  ApiServer server({kConfigMaps});
  server.fail({.times = -1, .hang = true});
  std::atomic<int> told = 0;
  {
    Client client(local_access(server.port()));
    for (int i = 0; i < 3; ++i)
      client.call({.target = std::string(kTarget)}, [&](const Outcome&) { ++told; });
    client.after(1h, [&] { ++told; });
    EXPECT_TRUE(eventually([&] { return server.requests().size() == 3; }));
  }
  EXPECT_EQ(told, 0);
}

TEST(Client, RunsWorkAtOnceAfterItHasStopped) {
  Client client(local_access(1));
  client.stop();
  bool ran = false;
  client.run([&] { ran = true; });
  EXPECT_TRUE(ran);
}

// ---- who we are --------------------------------------------------------------------------------------

TEST(ClientCredential, ReadsATokenThatWasReplaced) {
  ApiServer server({kConfigMaps}, {.tokens = {"one"}});
  const Folder folder;
  Access access = local_access(server.port());
  access.token.file = folder.write("token", "one");
  Client client(access);
  EXPECT_EQ(said(get(client)), "200");
  folder.write("token", "two");
  server.set_tokens({"two"});
  EXPECT_EQ(said(get(client)), "200");
}

TEST(ClientCredential, AsksOnlyOnceWithATokenThatIsRefused) {
  ApiServer server({kConfigMaps}, {.tokens = {"one"}});
  const Folder folder;
  Access access = local_access(server.port());
  access.token.file = folder.write("token", "wrong");
  Client client(access);
  EXPECT_EQ(said(get(client)), "401");
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(ClientCredential, TellsATokenFileThatIsGone) {
  ApiServer server({kConfigMaps});
  Access access = local_access(server.port());
  access.token.file = "/nowhere/token";
  Client client(access);
  const Outcome outcome = get(client);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error(), (Failure{Reason::kCredential, "cannot read `/nowhere/token`"}));
}

TEST(ClientCredential, RunsAPluginOnceForAllCalls) {
  ApiServer server({kConfigMaps}, {.tokens = {"one"}});
  const Folder folder;
  Access access = local_access(server.port());
  access.exec = ExecPlugin{
      .api_version = "client.authentication.k8s.io/v1",
      .command = folder.script(
          "plugin",
          "echo run >>" + folder.path() +
              "/runs; sleep 0.1; echo "
              R"('{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"one"}}')")};
  Client client(access);
  Told<Outcome> told;
  for (int i = 0; i < 5; ++i) {
    client.call({.target = std::string(kTarget)}, [&](Outcome outcome) { told.add(std::move(outcome)); });
  }
  for (int i = 0; i < 5; ++i) EXPECT_EQ(said(told.next().value()), "200");
  EXPECT_EQ(Text{.file = folder.path() + "/runs"}.read(), "run\n");
}

TEST(ClientCredential, TellsAPluginThatHangsAndStopsAllTheSame) {
  ApiServer server({kConfigMaps});
  const Folder folder;
  Access access = local_access(server.port());
  access.exec = ExecPlugin{.api_version = "client.authentication.k8s.io/v1",
                           .command = folder.script("plugin", "sleep 100")};
  {
    Client client(access, {.plugin_timeout = 100ms});
    const Outcome outcome = get(client);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().reason, Reason::kCredential);
    EXPECT_THAT(outcome.error().message, HasSubstr("has not ended within 0.1 s"));
  }
  Client client(access);
  client.call({.target = std::string(kTarget)}, [](const Outcome&) {});
}

// ---- TLS ---------------------------------------------------------------------------------------------

class ClientTls : public testing::Test {
 protected:
  Access access_to(const ApiServer& server) const {
    Access access = local_access(server.port());
    access.tls = true;
    access.authorities.value = authority_.certificate;
    return access;
  }
  const Certificate authority_ = kube_testing::make_authority("authority");
  const Certificate certificate_ =
      kube_testing::make_server_certificate(authority_, {"127.0.0.1", "api.example.com"});
};

TEST_F(ClientTls, TrustsItsAuthority) {
  ApiServer server({kConfigMaps}, {.certificate = certificate_});
  Client client(access_to(server));
  EXPECT_EQ(said(get(client)), "200");
}

TEST_F(ClientTls, TrustsNobodyElses) {
  ApiServer server({kConfigMaps}, {.certificate = certificate_});
  Access access = access_to(server);
  access.authorities.value = kube_testing::make_authority("another").certificate;
  Client client(access);
  const Outcome outcome = get(client);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().reason, Reason::kTls);
  EXPECT_THAT(outcome.error().message, AllOf(HasSubstr("is not trusted"), HasSubstr("issuer")));
}

TEST_F(ClientTls, WantsTheNameInTheCertificate) {
  ApiServer server({kConfigMaps}, {.certificate = certificate_});
  Access access = access_to(server);
  access.server_name = "api.example.com";
  Client named(access);
  EXPECT_EQ(said(get(named)), "200");
  access.server_name = "other.example.com";
  Client other(access);
  EXPECT_THAT(said(get(other)), AllOf(HasSubstr("is not trusted"), HasSubstr("ostname mismatch")));
}

TEST_F(ClientTls, WantsTheAddressInTheCertificate) {
  ApiServer server({kConfigMaps},
                   {.certificate = kube_testing::make_server_certificate(authority_, {"10.0.0.1"})});
  Client client(access_to(server));
  EXPECT_THAT(said(get(client)), HasSubstr("IP address mismatch"));
}

TEST_F(ClientTls, LooksAtNothingWhereItIsToldSo) {
  ApiServer server({kConfigMaps}, {.certificate = certificate_});
  Access access = access_to(server);
  access.authorities = {};
  access.insecure = true;
  access.server_name = "other.example.com";
  Client client(access);
  EXPECT_EQ(said(get(client)), "200");
}

TEST_F(ClientTls, ShowsItsCertificate) {
  ApiServer server({kConfigMaps}, {.certificate = certificate_, .client_authority = authority_.certificate});
  Access access = access_to(server);
  Client stranger(access);
  EXPECT_FALSE(get(stranger));
  const Certificate own = kube_testing::make_client_certificate(authority_, "jane");
  access.certificate.value = own.certificate;
  access.key.value = own.key;
  Client client(access);
  EXPECT_EQ(said(get(client)), "200");
}

TEST_F(ClientTls, ShowsACertificateThatWasReplaced) {
  ApiServer server({kConfigMaps}, {.certificate = certificate_, .client_authority = authority_.certificate});
  const Folder folder;
  const Certificate bad =
      kube_testing::make_client_certificate(kube_testing::make_authority("another"), "jane");
  Access access = access_to(server);
  access.certificate.file = folder.write("cert", bad.certificate);
  access.key.file = folder.write("key", bad.key);
  Client client(access);
  EXPECT_FALSE(get(client));
  const Certificate good = kube_testing::make_client_certificate(authority_, "jane");
  folder.write("cert", good.certificate);
  folder.write("key", good.key);
  EXPECT_EQ(said(get(client)), "200");
}

TEST_F(ClientTls, TellsWhatIsNoCertificate) {
  ApiServer server({kConfigMaps}, {.certificate = certificate_});
  Access access = access_to(server);
  access.authorities.value = "x";
  Client client(access);
  EXPECT_THAT(said(get(client)), HasSubstr("no certificate in PEM"));
  Access keyless = access_to(server);
  keyless.certificate.value = certificate_.certificate;
  keyless.key.value = authority_.key;
  Client other(keyless);
  EXPECT_THAT(said(get(other)), HasSubstr("key"));
}

TEST_F(ClientTls, DoesNotSpeakTlsToWhoDoesNot) {
  ApiServer server({kConfigMaps});
  Client client(access_to(server));
  EXPECT_FALSE(get(client, 200ms));
}

TEST_F(ClientTls, PassesAProxy) {
  ApiServer server({kConfigMaps}, {.certificate = certificate_});
  // A proxy that speaks of its own server only, and forwards one connection.
  const Listening listening = listen_on_loopback();
  std::string asked;
  std::thread proxy([&] {
    const Descriptor near(::accept4(listening.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char byte = 0;
    while (!asked.ends_with("\r\n\r\n") && ::recv(near.get(), &byte, 1, 0) == 1) asked += byte;
    constexpr std::string_view kYes = "HTTP/1.1 200 Connection established\r\n\r\n";
    ::send(near.get(), kYes.data(), kYes.size(), MSG_NOSIGNAL);
    const Descriptor far(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(server.port());
    ASSERT_EQ(::connect(far.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    const auto copy = [](int from, int into) {
      char bytes[4096];
      for (ssize_t n = 0; (n = ::recv(from, bytes, sizeof bytes, 0)) > 0;) {
        ::send(into, bytes, static_cast<std::size_t>(n), MSG_NOSIGNAL);
      }
      ::shutdown(into, SHUT_WR);
    };
    std::thread back([&] { copy(far.get(), near.get()); });
    copy(near.get(), far.get());
    back.join();
  });
  Access access = access_to(server);
  access.proxy = Proxy{.host = "127.0.0.1", .port = listening.port, .authorization = "Basic eA=="};
  {
    Client client(access);
    EXPECT_EQ(said(get(client)), "200");
  }
  proxy.join();
  EXPECT_THAT(asked, AllOf(testing::StartsWith("CONNECT " + server.url().substr(8) + " HTTP/1.1\r\n"),
                           HasSubstr("Proxy-Authorization: Basic eA==\r\n")));
}

// ---- streams -----------------------------------------------------------------------------------------

// One watch, as it tells.
class StreamTest : public testing::Test {
 protected:
  void open(Client& client, const std::string& query, std::chrono::milliseconds silence = 20s) {
    client.run([&] {
      stream_ = client.open({.target = std::string(kTarget) + "?watch=1" + query, .silence = silence},
                            {.opened = [this] { opened_.add(true); },
                             .line = [this](std::string_view line) { lines_.add(std::string(line)); },
                             .ended = [this](Outcome outcome) { ended_.add(std::move(outcome)); }});
    });
  }
  void close(Client& client) {
    client.run([&] { stream_ = {}; });
  }
  Client::Stream stream_;
  Told<bool> opened_;
  Told<std::string> lines_;
  Told<Outcome> ended_;
};

TEST_F(StreamTest, GivesEachLineAsItComes) {
  ApiServer server({kConfigMaps});
  Client client(local_access(server.port()));
  open(client, "&resourceVersion=1000");
  EXPECT_TRUE(opened_.next());
  server.put(config_map("a", "x"));
  EXPECT_EQ(Json::parse(lines_.next().value())["object"]["metadata"]["name"], "a");
  server.put(config_map("b", "x"));
  EXPECT_EQ(Json::parse(lines_.next().value())["object"]["metadata"]["name"], "b");
  close(client);
}

TEST_F(StreamTest, TakesLargeObjectsInSmallPieces) {
  const Certificate authority = kube_testing::make_authority("authority");
  ApiServer server(
      {kConfigMaps},
      {.certificate = kube_testing::make_server_certificate(authority, {"127.0.0.1"}), .piece = 1'111});
  Access access = local_access(server.port());
  access.tls = true;
  access.authorities.value = authority.certificate;
  Client client(access);
  const std::string large(1'500'000, 'x');
  server.put(config_map("a", large));
  server.put(config_map("b", "small"));
  open(client, "");
  EXPECT_EQ(Json::parse(lines_.next().value())["object"]["data"]["d"], large);
  EXPECT_EQ(Json::parse(lines_.next().value())["object"]["data"]["d"], "small");
  close(client);
}

TEST_F(StreamTest, EndsWhenTheServerEndsIt) {
  ApiServer server({kConfigMaps});
  Client client(local_access(server.port()));
  open(client, "");
  opened_.next();
  server.end_watches();
  const Outcome outcome = ended_.next().value();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->status, 200U);
}

TEST_F(StreamTest, BreaksWhenTheConnectionDoes) {
  ApiServer server({kConfigMaps});
  Client client(local_access(server.port()));
  open(client, "");
  opened_.next();
  ASSERT_TRUE(eventually([&] { return server.watches() == 1; }));
  server.break_watches();
  const Outcome outcome = ended_.next().value();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().reason, Reason::kBroken);
}

TEST_F(StreamTest, EndsWhenItIsSilentTooLong) {
  ApiServer server({kConfigMaps});
  Client client(local_access(server.port()));
  open(client, "", 200ms);
  opened_.next();
  server.freeze();
  const Outcome outcome = ended_.next().value();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().reason, Reason::kTimeout);
}

TEST_F(StreamTest, GivesTheAnswerThatIsNoStream) {
  ApiServer server({kConfigMaps});
  server.fail({.status = 410, .reason = "Expired"});
  Client client(local_access(server.port()));
  open(client, "");
  const Outcome outcome = ended_.next().value();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->status, 410U);
  EXPECT_THAT(outcome->body, HasSubstr("Expired"));
}

TEST_F(StreamTest, RefusesALineThatIsTooLong) {
  ApiServer server({kConfigMaps});
  server.put(config_map("a", std::string(10'000, 'x')));
  Client client(local_access(server.port()), {.max_line = 9'000});
  open(client, "");
  const Outcome outcome = ended_.next().value();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().reason, Reason::kTooLarge);
}

TEST_F(StreamTest, TellsNothingAfterItIsClosed) {
  ApiServer server({kConfigMaps});
  Client client(local_access(server.port()));
  open(client, "");
  opened_.next();
  close(client);
  EXPECT_TRUE(eventually([&] { return server.watches() == 0; }));
  EXPECT_FALSE(ended_.next(50ms));
}

TEST_F(StreamTest, MayBeClosedFromWithinALine) {
  ApiServer server({kConfigMaps});
  Client client(local_access(server.port()));
  server.put(config_map("a", "x"));
  server.put(config_map("b", "x"));
  client.run([&] {
    stream_ = client.open({.target = std::string(kTarget) + "?watch=1"},
                          {.opened = {},
                           .line =
                               [this](std::string_view line) {
                                 lines_.add(std::string(line));
                                 stream_ = {};
                               },
                           .ended = [this](Outcome outcome) { ended_.add(std::move(outcome)); }});
  });
  EXPECT_TRUE(lines_.next());
  EXPECT_TRUE(eventually([&] { return server.watches() == 0; }));
  EXPECT_FALSE(lines_.next(50ms));
  EXPECT_FALSE(ended_.next(0ms));
}

}  // namespace
}  // namespace sluice::kube
