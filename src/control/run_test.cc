// `sluice run` as a whole, in this process, with Envoys that do not start.
#include "control/run.h"

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "kube/testing.h"
#include "kube/testing/api_server.h"
#include "source/cluster/testing/served_kinds.h"
#include "source/scratch_folder.h"

namespace sluice::control {
namespace {

class RunTest : public testing::Test {
 protected:
  RunTest() {
    // Blocked here, they are blocked in every thread that this one starts: run() has to wait for them.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    // Whatever it is that runs us.
    std::signal(SIGHUP, SIG_DFL);
    std::signal(SIGPIPE, SIG_DFL);

    folder_.make_folder("files");
    options_.paths = {folder_ / "files"};
    options_.envoy_path = "/no/such/envoy";
    options_.run_dir = folder_ / "run";
    options_.settings.implied_class = "class";
    options_.admin_address.clear();
  }
  ~RunTest() override {
    if (!run_.joinable()) return;
    signal(SIGTERM);
    run_.join();
  }

  void start() {
    run_ = std::thread([this] { result_ = run(options_); });
  }
  static void signal(int number) { kill(getpid(), number); }
  int wait() {
    run_.join();
    return result_;
  }

  // What the admin socket answers; empty where nobody does.
  std::string ask(const std::string& path) const {
    const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    (options_.run_dir + "/admin.sock").copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return {};
    const std::string request =
        fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    if (send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
    std::string answer;
    char block[4096];
    for (ssize_t n = 0; (n = recv(socket.get(), block, sizeof(block), 0)) > 0;) {
      answer.append(block, static_cast<std::size_t>(n));
    }
    return answer;
  }

  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
  // Waits until it is part of the answer.
  bool answers(const std::string& path, const std::string& part) const {
    for (int i = 0; i < 2'000; ++i) {
      if (contains(ask(path), part)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  // Waits until there is an answer of which it is no part.
  bool ceases(const std::string& path, const std::string& part) const {
    for (int i = 0; i < 2'000; ++i) {
      const std::string answer = ask(path);
      if (!answer.empty() && !contains(answer, part)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  source::ScratchFolder folder_;
  RunOptions options_;

 private:
  std::thread run_;
  int result_ = -1;
};

constexpr char kGateway[] = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec:
  gatewayClassName: class
  listeners: [{name: http, port: 8080, protocol: HTTP}]
---
)";

// Its Service is missing: whoever looks is told the line.
std::string route_with_a_problem(int i) {
  return fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r{0}, namespace: default}}
spec:
  parentRefs: [{{name: web}}]
  rules: [{{backendRefs: [{{name: missing{0}, port: 80}}]}}]
---
)",
                     i);
}

TEST_F(RunTest, AFolderThatOthersMayWriteToIsRefusedAsItIs) {
  using std::filesystem::perms;
  folder_.make_folder("run");
  std::filesystem::permissions(options_.run_dir, perms::all | perms::sticky_bit);
  start();
  EXPECT_EQ(wait(), 1);
  EXPECT_EQ(std::filesystem::status(options_.run_dir).permissions(), perms::all | perms::sticky_bit);
  EXPECT_TRUE(std::filesystem::is_empty(options_.run_dir));
}

TEST_F(RunTest, ItEndsWithItsTerminal) {
  start();
  signal(SIGHUP);
  EXPECT_EQ(wait(), 0);
}

TEST_F(RunTest, ItOutlivesWhoReadsItsLog) {
  start();
  while (ask("/healthz").empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  signal(SIGPIPE);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_NE(ask("/healthz"), "");
  signal(SIGTERM);
  EXPECT_EQ(wait(), 0);
}

TEST_F(RunTest, AnEnvoyThatCannotBeStartedIsAProblem) {
  folder_.write("files/gateway.yaml", kGateway);
  start();
  EXPECT_TRUE(answers("/api/state", R"("code":"value/envoy","severity":"error")"));
  EXPECT_TRUE(answers("/api/status", "no Envoy can be started: /no/such/envoy: No such file or directory"));
}

TEST_F(RunTest, WhyEnvoyDoesNotStartStaysSaid) {
  options_.envoy_path = "/bin/false";
  folder_.write("files/gateway.yaml", kGateway);
  start();
  EXPECT_TRUE(answers("/api/state", R"("code":"value/bootstrap")"));
  for (int i = 0; i < 100; ++i) {  // it is started again and again meanwhile
    EXPECT_TRUE(contains(ask("/api/state"), R"("code":"value/bootstrap")"));
    EXPECT_TRUE(contains(ask("/api/status"), "Envoy does not start with this configuration: exited"));
  }
}

template <typename Write>
std::string pem_of(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> out(BIO_new(BIO_s_mem()), &BIO_free_all);
  write(out.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

// A Gateway with a certificate that is valid for so long from now on.
std::string https_gateway(std::chrono::seconds valid) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), valid.count());
  X509_set_pubkey(certificate.get(), key.get());
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  std::string pems[] = {pem_of([&](BIO* out) { PEM_write_bio_X509(out, certificate.get()); }),
                        pem_of([&](BIO* out) {
                          PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
                        })};
  for (std::string& pem : pems) {
    for (std::size_t at = 0; (at = pem.find('\n', at)) != std::string::npos; at += 2)
      pem.replace(at, 1, "\\n");
  }
  return fmt::format(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: web, namespace: default}}
spec:
  gatewayClassName: class
  listeners: [{{name: https, port: 8443, protocol: HTTPS, tls: {{certificateRefs: [{{name: soon}}]}}}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: soon, namespace: default}}
type: kubernetes.io/tls
stringData: {{tls.crt: "{}", tls.key: "{}"}}
)",
                     pems[0], pems[1]);
}

TEST_F(RunTest, ACertificateThatRunsOutWhileItServesIsAProblem) {
  folder_.write("files/gateway.yaml", https_gateway(std::chrono::seconds(4)));
  const auto began = std::chrono::steady_clock::now();
  start();
  EXPECT_TRUE(answers("/metrics", "sluice_certificate_nearest_expiry_timestamp_seconds "));
  const bool early = contains(ask("/api/status"), "value/certificate-expired");
  if (std::chrono::steady_clock::now() - began < std::chrono::seconds(4)) {
    EXPECT_FALSE(early);
  }
  EXPECT_TRUE(answers("/api/status", R"("code":"value/certificate-expired","severity":"warning")"));
  // Another certificate mends it.
  folder_.write("files/gateway.yaml", https_gateway(std::chrono::hours(1)));
  EXPECT_TRUE(ceases("/api/status", "value/certificate-expired"));
}

TEST_F(RunTest, ItEndsWhileSomebodyLooks) {
  std::string text = kGateway;
  for (int i = 0; i < 500; ++i) text += route_with_a_problem(i);
  folder_.write("files/all.yaml", text);
  start();
  std::atomic<int> answers = 0;
  std::atomic<bool> ended = false;
  const auto look = [&] {
    while (!ended) {
      if (contains(ask("/api/state"), "missing499")) ++answers;
    }
  };
  const std::array<std::jthread, 4> lookers{std::jthread(look), std::jthread(look), std::jthread(look),
                                            std::jthread(look)};
  while (answers < 4) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  // The places of problems are sought anew after each commit.
  folder_.write("files/all.yaml", text + route_with_a_problem(500));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  signal(SIGTERM);
  EXPECT_EQ(wait(), 0);
  ended = true;
}

class RunInClusterTest : public RunTest {
 protected:
  RunInClusterTest() {
    options_.cluster.emplace().access = kube::local_access(server_.port());
    server_.put({{"kind", "Gateway"},
                 {"metadata", {{"name", "web"}, {"namespace", "default"}}},
                 {"spec",
                  {{"gatewayClassName", "class"},
                   {"listeners", {{{"name", "http"}, {"port", 8080}, {"protocol", "HTTP"}}}}}}});
  }
  bool gateway_has_status() const {
    return kube::eventually([this] { return server_.get("Gateway", "default", "web").contains("status"); });
  }

  kube_testing::ApiServer server_{source_testing::all_kinds_and_leases()};
};

TEST_F(RunInClusterTest, ServesItsObjectsAndWritesTheirStatuses) {
  start();
  EXPECT_TRUE(answers("/api/status", R"("name":"web")"));
  EXPECT_TRUE(gateway_has_status());
}

TEST_F(RunInClusterTest, IsReadyWhenThereIsNothing) {
  server_.remove("Gateway", "default", "web");
  start();
  EXPECT_TRUE(answers("/readyz", "HTTP/1.1 200"));
}

TEST_F(RunInClusterTest, WaitsForItsServerAndSaysSo) {
  server_.stop();
  start();
  EXPECT_TRUE(answers("/readyz", "nothing has been read yet"));
  EXPECT_TRUE(answers("/api/status", R"("code":"cluster/api-server")"));
  server_.start();
  EXPECT_TRUE(ceases("/api/status", "cluster/api-server"));
  EXPECT_TRUE(gateway_has_status());
}

TEST_F(RunInClusterTest, EndsWhileItWaits) {
  server_.stop();
  start();
  ASSERT_TRUE(answers("/api/status", "cluster/api-server"));
  signal(SIGTERM);
  EXPECT_EQ(wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run/status.yaml"));
}

}  // namespace
}  // namespace sluice::control
