// The server over TLS: who is let in, and certificates that change.
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "envoy/service/discovery/v3/ads.grpc.pb.h"

#include "ads/channel_test.h"
#include "ads/server.h"
#include "pki/pki.h"

namespace sluice::ads {
namespace {

using namespace std::chrono_literals;
using envoy::service::discovery::v3::AggregatedDiscoveryService;
using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using ::testing::HasSubstr;

pki::Validity an_hour() {
  return {.made = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()), .lasts = 1h};
}

// An authority, and what it signs.
struct House {
  pki::Pair authority = pki::make_authority("test", an_hour());
  pki::Pair server = *pki::issue(authority, {"sluice"}, pki::Use::kServer, an_hour());
  pki::Pair client = *pki::issue(authority, {"envoy"}, pki::Use::kClient, an_hour());

  pki::Credentials credentials() const { return {.own = server, .authorities = authority.certificate}; }
};

Resource cluster(std::string name, std::string bytes) {
  Resource r{.type = xds::ResourceType::kCluster, .name = std::move(name), .version = xds::content_hash(bytes)};
  r.bytes = std::make_shared<const std::string>(std::move(bytes));
  return r;
}

template <typename Request>
Request first_request() {
  Request request;
  request.mutable_node()->set_id("pod-1");
  request.mutable_node()->set_cluster("default/web");
  request.set_type_url(std::string(xds::type_url(xds::ResourceType::kCluster)));
  return request;
}

// A delta stream of one node, on a connection of its own.
class Visit {
 public:
  using Stream = grpc::ClientReaderWriter<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

  explicit Visit(const std::shared_ptr<grpc::Channel>& channel, const std::string& authorization = "")
      : stub_(AggregatedDiscoveryService::NewStub(channel)) {
    context_.set_deadline(std::chrono::system_clock::now() + 20s);
    if (!authorization.empty()) context_.AddMetadata("authorization", authorization);
    stream_ = stub_->DeltaAggregatedResources(&context_);
    stream_->Write(first_request<DeltaDiscoveryRequest>());
  }
  ~Visit() { context_.TryCancel(); }

  // The names of the next response's resources; nothing: the stream has ended.
  std::optional<std::string> next() {
    DeltaDiscoveryResponse response;
    if (!stream_->Read(&response)) return std::nullopt;
    std::string names;
    for (const auto& resource : response.resources()) names += resource.name() + ' ';
    DeltaDiscoveryRequest answer;
    answer.set_type_url(response.type_url());
    answer.set_response_nonce(response.nonce());
    stream_->Write(answer);
    return names;
  }
  // Why it has ended, without any response.
  grpc::Status refusal() {
    EXPECT_EQ(next(), std::nullopt);
    return stream_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<AggregatedDiscoveryService::Stub> stub_;
  std::unique_ptr<Stream> stream_;
};

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tls-XXXXXX").string();
    dir_ = mkdtemp(pattern.data());
    options_.socket_path = dir_ / "xds.sock";
    options_.tcp_address = "127.0.0.1:0";
  }
  ~TlsTest() override {
    server_.reset();
    std::filesystem::remove_all(dir_);
  }

  void start() {
    Problem problem;
    server_ = start_server(options_, [](const Event&) {}, &problem);
    ASSERT_TRUE(server_) << problem.message;
    const auto set = server_->set_credentials(house_.credentials());
    ASSERT_TRUE(set) << set.error().message;
    server_->update("default/web", {1, {cluster("a", "A")}, {}});
  }
  // Tokens "good" and "bad".
  void take_tokens(Tokens::Access access, const std::string& pod = "") {
    options_.tokens.review = [pod](const std::string& token, const Tokens::Done& done) {
      if (token == "good") return done(Account{.name_space = "team", .name = "envoy-web", .pod = pod});
      if (token == "bad") return done(std::unexpected(TokenFault{true, "it is for somebody else"}));
      done(std::unexpected(TokenFault{false, "the API server does not answer"}));
    };
    options_.tokens.authorize = [access](const Account& account, const ir::ProxyKey& proxy) {
      return account.name == "envoy-web" && proxy == "default/web" ? access : Tokens::Access::kDenied;
    };
  }
  std::shared_ptr<grpc::Channel> with_certificate(const pki::Pair& own) const {
    return tls_channel(server_->tcp_port(), house_.authority.certificate, own);
  }
  std::shared_ptr<grpc::Channel> without_certificate() const {
    return tls_channel(server_->tcp_port(), house_.authority.certificate, std::nullopt);
  }

  std::filesystem::path dir_;
  const House house_;
  Options options_;
  std::mutex mutex_;
  std::condition_variable kept_;
  Tokens::Done kept_review_;
  std::unique_ptr<Server> server_;
};

// ---- certificates ------------------------------------------------------------------------------

TEST_F(TlsTest, ACertificateOfOursIsServedDelta) {
  start();
  EXPECT_EQ(Visit(with_certificate(house_.client)).next(), "a ");
}

TEST_F(TlsTest, ACertificateOfOursIsServedTheStateOfTheWorld) {
  start();
  const auto ads = AggregatedDiscoveryService::NewStub(with_certificate(house_.client));
  grpc::ClientContext context;
  const auto stream = ads->StreamAggregatedResources(&context);
  ASSERT_TRUE(stream->Write(first_request<DiscoveryRequest>()));
  DiscoveryResponse response;
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_EQ(response.resources_size(), 1);
  EXPECT_EQ(response.resources(0).value(), "A");
  context.TryCancel();
}

TEST_F(TlsTest, AStrangersCertificateIsRefused) {
  start();
  const House stranger;
  EXPECT_EQ(Visit(with_certificate(stranger.client)).refusal().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, WithoutProofAStreamIsRefused) {
  start();
  const grpc::Status status = Visit(without_certificate()).refusal();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(status.error_message(), "there is neither a certificate nor a token");
}

// The version of TLS that a client gets which speaks this one at most; empty: none.
std::string version_with(std::uint16_t port, int version) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string got;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, version);
    constexpr unsigned char kProtocols[] = "\x02h2";
    SSL_CTX_set_alpn_protos(context, kProtocols, sizeof kProtocols - 1);
    SSL* const ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) == 1) got = SSL_get_version(ssl);
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
  close(fd);
  return got;
}

TEST_F(TlsTest, NoVersionBeforeThirteenIsSpoken) {
  start();
  EXPECT_EQ(version_with(server_->tcp_port(), TLS1_3_VERSION), "TLSv1.3");
  EXPECT_EQ(version_with(server_->tcp_port(), TLS1_2_VERSION), "");
}

// ---- tokens ------------------------------------------------------------------------------------

TEST_F(TlsTest, ATokenOfTheProxysAccountIsServed) {
  take_tokens(Tokens::Access::kGranted, "pod-1");
  start();
  EXPECT_EQ(Visit(without_certificate(), "Bearer good").next(), "a ");
}

TEST_F(TlsTest, ATokenThatIsNoneIsRefused) {
  take_tokens(Tokens::Access::kGranted);
  start();
  const grpc::Status status = Visit(without_certificate(), "Bearer bad").refusal();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(status.error_message(), "it is for somebody else");
}

TEST_F(TlsTest, ATokenThatNobodyCanLookAtMayBeShownAgain) {
  take_tokens(Tokens::Access::kGranted);
  start();
  EXPECT_EQ(Visit(without_certificate(), "Bearer other").refusal().error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, ATokenOfAnotherAccountDoesNotGetTheProxy) {
  take_tokens(Tokens::Access::kDenied);
  start();
  const grpc::Status status = Visit(without_certificate(), "Bearer good").refusal();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(status.error_message(), "the proxy `default/web` is not of the ServiceAccount team/envoy-web");
}

TEST_F(TlsTest, ATokenIsNotRefusedForAProxyThatIsNotKnownYet) {
  take_tokens(Tokens::Access::kUnknownYet);
  start();
  EXPECT_EQ(Visit(without_certificate(), "Bearer good").refusal().error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, ATokenOfOnePodIsNoOther) {
  take_tokens(Tokens::Access::kGranted, "pod-2");
  start();
  const grpc::Status status = Visit(without_certificate(), "Bearer good").refusal();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("pod-2"));
}

TEST_F(TlsTest, ATokenWhereOnlyCertificatesAreTakenIsRefused) {
  start();
  EXPECT_EQ(Visit(without_certificate(), "Bearer good").refusal().error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(TlsTest, AReviewMayOutliveTheServer) {
  options_.tokens.review = [this](const std::string&, Tokens::Done done) {
    const std::lock_guard lock(mutex_);
    kept_review_ = std::move(done);
    kept_.notify_all();
  };
  start();
  Visit visit(without_certificate(), "Bearer good");
  {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(kept_.wait_for(lock, 20s, [this] { return kept_review_ != nullptr; }));
  }
  server_.reset();
  kept_review_(Account{});
  EXPECT_EQ(visit.refusal().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// ---- change ------------------------------------------------------------------------------------

TEST_F(TlsTest, AStreamGoesOnWhenCertificatesChange) {
  start();
  Visit visit(with_certificate(house_.client));
  ASSERT_EQ(visit.next(), "a ");
  ASSERT_TRUE(server_->set_credentials(House().credentials()));
  server_->update("default/web", {2, {cluster("b", "B")}, {}});
  EXPECT_EQ(visit.next(), "b ");
}

TEST_F(TlsTest, NewConnectionsSeeTheNewCertificate) {
  start();
  ASSERT_EQ(Visit(with_certificate(house_.client)).next(), "a ");
  const House next;
  ASSERT_TRUE(server_->set_credentials(next.credentials()));
  EXPECT_EQ(Visit(tls_channel(server_->tcp_port(), next.authority.certificate, next.client)).next(), "a ");
}

TEST_F(TlsTest, TheOldAuthorityIsTrustedAsLongAsItIsNamed) {
  start();
  const House next;
  pki::Credentials both = next.credentials();
  both.authorities += house_.authority.certificate;
  ASSERT_TRUE(server_->set_credentials(both));
  EXPECT_EQ(Visit(tls_channel(server_->tcp_port(), both.authorities, house_.client)).next(), "a ");
  ASSERT_TRUE(server_->set_credentials(next.credentials()));
  EXPECT_EQ(Visit(tls_channel(server_->tcp_port(), both.authorities, house_.client)).refusal().error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, ABadCertificateLeavesTheOldOne) {
  start();
  pki::Credentials bad = house_.credentials();
  bad.own.key = House().server.key;
  const auto set = server_->set_credentials(bad);
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().message,
            "Envoys cannot be shown this certificate: tls.crt and tls.key: the certificate and the key do not "
            "go together");
  EXPECT_EQ(Visit(with_certificate(house_.client)).next(), "a ");
}

TEST_F(TlsTest, NobodyListensBeforeThereIsACertificate) {
  Problem problem;
  server_ = start_server(options_, [](const Event&) {}, &problem);
  ASSERT_TRUE(server_);
  EXPECT_EQ(server_->tcp_port(), 0);
}

TEST_F(TlsTest, APortThatIsTakenIsAProblem) {
  start();
  Options other = options_;
  other.socket_path = dir_ / "other.sock";
  other.tcp_address = fmt::format("127.0.0.1:{}", server_->tcp_port());
  Problem problem;
  const auto second = start_server(other, [](const Event&) {}, &problem);
  ASSERT_TRUE(second);
  const auto set = second->set_credentials(house_.credentials());
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code, "value/xds-address");
}

}  // namespace
}  // namespace sluice::ads
