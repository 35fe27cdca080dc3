#include "kube/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/testing.h"

namespace sluice::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr std::string_view kWhole = R"(apiVersion: v1
kind: Config
current-context: here
contexts:
- name: here
  context: {cluster: c, user: u, namespace: web}
- name: there
  context: {cluster: d, user: u}
clusters:
- name: c
  cluster:
    server: https://10.0.0.1:6443/k8s/
    certificate-authority-data: Q0E=
    tls-server-name: api.example.com
    proxy-url: http://me:p%40ss@proxy.example.com:3128
- name: d
  cluster: {server: "http://[fd00::1]:8080"}
users:
- name: u
  user:
    tokenFile: token
    client-certificate: /etc/cert.pem
    client-key-data: S0VZ
    as: jane
    as-groups: [dev]
)";

class AccessTest : public testing::Test {
 protected:
  std::expected<Access, std::vector<Problem>> read(std::string_view text, std::string_view context = {}) {
    return read_kubeconfig({folder_.write("config", text)}, context);
  }
  // A kubeconfig with this in its cluster and in its user.
  std::expected<Access, std::vector<Problem>> with(const std::string& cluster,
                                                   const std::string& user = "{}") {
    return read(
        "current-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nclusters:\n- name: a\n  "
        "cluster: " +
        cluster + "\nusers:\n- name: a\n  user: " + user + "\n");
  }
  static std::string first(const std::expected<Access, std::vector<Problem>>& read) {
    if (read) return "no problem";
    const Problem& problem = read.error()[0];
    return problem.path + ": " + problem.message;
  }

  Folder folder_;
};

TEST_F(AccessTest, ReadsTheServerOfTheCurrentContext) {
  const auto access = read(kWhole);
  ASSERT_TRUE(access) << first(access);
  EXPECT_TRUE(access->tls);
  EXPECT_EQ(access->host, "10.0.0.1");
  EXPECT_EQ(access->port, 6443);
  EXPECT_EQ(access->path, "/k8s");
  EXPECT_EQ(access->server_name, "api.example.com");
  EXPECT_EQ(access->authorities.value, "CA");
  EXPECT_EQ(access->name_space, "web");
  EXPECT_EQ(access->url(), "https://10.0.0.1:6443/k8s");
}

TEST_F(AccessTest, ReadsTheUser) {
  const auto access = read(kWhole);
  ASSERT_TRUE(access) << first(access);
  EXPECT_EQ(access->token.file, folder_.path() + "/token");
  EXPECT_EQ(access->certificate.file, "/etc/cert.pem");
  EXPECT_EQ(access->key.value, "KEY");
  EXPECT_THAT(access->headers,
              ElementsAre(Pair("Impersonate-User", "jane"), Pair("Impersonate-Group", "dev")));
}

TEST_F(AccessTest, ReadsTheProxyWithItsUser) {
  const auto access = read(kWhole);
  ASSERT_TRUE(access) << first(access);
  EXPECT_EQ(access->proxy,
            (Proxy{.host = "proxy.example.com", .port = 3128, .authorization = "Basic bWU6cEBzcw=="}));
}

TEST_F(AccessTest, ReadsTheContextThatIsAskedFor) {
  const auto access = read(kWhole, "there");
  ASSERT_TRUE(access) << first(access);
  EXPECT_EQ(access->url(), "http://[fd00::1]:8080");
  EXPECT_EQ(access->name_space, "default");
}

TEST_F(AccessTest, TellsAMissingContextWithItsPlace) {
  const auto access = read("current-context: heer\ncontexts:\n- name: here\n  context: {}\n");
  ASSERT_FALSE(access);
  EXPECT_EQ(first(access), "current-context: there is nothing named `heer` among `contexts`");
  EXPECT_EQ(access.error()[0].where, (Where{folder_.path() + "/config", 1, 18}));
  EXPECT_EQ(access.error()[0].suggestion, "did you mean `here`?");
}

TEST_F(AccessTest, TakesTheFirstFileThatDefinesAName) {
  const std::string one = folder_.write("one", "clusters: [{name: c, cluster: {server: 'https://one'}}]\n");
  const std::string two = folder_.write("two", kWhole);
  const auto access = read_kubeconfig({folder_.path() + "/none", one, two});
  ASSERT_TRUE(access) << first(access);
  EXPECT_EQ(access->url(), "https://one:443");
}

TEST_F(AccessTest, TellsThatThereIsNoFile) {
  EXPECT_THAT(first(read_kubeconfig({"/nowhere/config"})), HasSubstr("no such kubeconfig"));
  EXPECT_THAT(first(read_kubeconfig({})), HasSubstr("there is no kubeconfig"));
}

TEST_F(AccessTest, TellsWhatIsWrongAndWhere) {
  struct Case {
    std::string cluster;
    std::string user;
    std::string told;
  };
  const std::string ok = "{server: 'https://a'}";
  const std::vector<Case> cases{
      {"{}", "{}", "clusters[0].cluster.server: the cluster has no server"},
      {"{server: a.example.com}", "{}", "clusters[0].cluster.server: this is no URL of http or https"},
      {"{server: 'https://a:99999'}", "{}", "clusters[0].cluster.server: this is no URL of http or https"},
      {"{server: 5}", "{}", "clusters[0].cluster.server: `server` has to be a string"},
      {"{server: 'https://a', certificate-authority-data: '%'}", "{}",
       "clusters[0].cluster.certificate-authority-data: `certificate-authority-data` is no base64"},
      {"{server: 'https://a', certificate-authority-data: Q0E=, insecure-skip-tls-verify: true}", "{}",
       "clusters[0].cluster.insecure-skip-tls-verify: a certificate authority is given"},
      {"{server: 'https://a', proxy-url: 'socks5://b'}", "{}",
       "clusters[0].cluster.proxy-url: only proxies of http"},
      {ok, "{username: a, password: b}", "users[0].user.username: `username` is not supported"},
      {ok, "{client-certificate: a}", "users[0].user.client-certificate: a client certificate and its key"},
      {ok, "{client-key: a}", "users[0].user.client-key: a client certificate and its key"},
      {ok, "{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: a}}",
       "users[0].user.exec.apiVersion: plug-ins of this version"},
      {ok, "{exec: {apiVersion: client.authentication.k8s.io/v1}}",
       "users[0].user.exec.command: the plug-in has no"},
      {ok, "{exec: {apiVersion: client.authentication.k8s.io/v1, command: a, interactiveMode: Always}}",
       "users[0].user.exec.interactiveMode: the plug-in wants to ask"},
      {ok, "{exec: {apiVersion: client.authentication.k8s.io/v1, command: a, args: [1]}}",
       "users[0].user.exec.args: arguments are strings"},
      {ok, "{as: \"a\\nb\"}", "users[0].user.as: who is impersonated"},
  };
  for (const Case& each : cases) {
    EXPECT_THAT(first(with(each.cluster, each.user)), testing::StartsWith(each.told));
  }
}

TEST_F(AccessTest, ReadsAnExecPlugin) {
  const auto access =
      with("{server: 'https://a'}",
           "{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: bin/get, args: [x], env: "
           "[{name: A, value: b}], provideClusterInfo: true, installHint: get it}}");
  ASSERT_TRUE(access) << first(access);
  EXPECT_EQ(access->exec, (ExecPlugin{.api_version = "client.authentication.k8s.io/v1beta1",
                                      .command = folder_.path() + "/bin/get",
                                      .arguments = {"x"},
                                      .environment = {{"A", "b"}},
                                      .install_hint = "get it",
                                      .wants_cluster = true}));
}

TEST_F(AccessTest, FindsAServiceAccount) {
  folder_.write("token", "t");
  folder_.write("ca.crt", "CA");
  folder_.write("namespace", "system\n");
  const auto access = in_cluster({.host = "10.96.0.1", .port = "443", .folder = folder_.path()});
  ASSERT_TRUE(access);
  EXPECT_EQ(access->url(), "https://10.96.0.1:443");
  EXPECT_EQ(access->token.file, folder_.path() + "/token");
  EXPECT_EQ(access->name_space, "system");
}

TEST_F(AccessTest, TellsThatThisIsNoPod) {
  const auto access = in_cluster({});
  ASSERT_FALSE(access);
  EXPECT_THAT(access.error().message, HasSubstr("this is no pod"));
}

TEST_F(AccessTest, TellsThatNoTokenIsMounted) {
  const auto access = in_cluster({.host = "10.96.0.1", .port = "443", .folder = "/nowhere"});
  ASSERT_FALSE(access);
  EXPECT_EQ(access.error().message, "cannot read `/nowhere/token`");
}

}  // namespace
}  // namespace sluice::kube
