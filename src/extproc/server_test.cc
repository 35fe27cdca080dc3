// The server, asked by gRPC's own client, and by raw bytes where that is too well-behaved.
#include "extproc/server.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <envoy/service/ext_proc/v3/external_processor.pb.h>

#include "base/descriptor.h"
#include "extproc/health.h"

namespace sluice::extproc {
namespace {

namespace pb = envoy::service::ext_proc::v3;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kProcess[] = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

// Tells what it saw in a header: "<messages of this stream>:<bytes of the body>". A few bodies ask for more.
class Teller final : public Handler {
 public:
  explicit Teller(Exchange& exchange, std::atomic<int>& alive) : exchange_(exchange), alive_(alive) {
    ++alive_;
  }
  ~Teller() override { --alive_; }

  void on_request(const Request& request) override {
    ++messages_;
    if (request.body == "later") {
      const Part part = request.part;
      timer_ = exchange_.loop().after(milliseconds(20), [this, part] { tell(part, 0); });
      return;
    }
    if (request.body == "refuse") return exchange_.send(ImmediateResponse{.status = 403});
    if (request.body == "fail") return exchange_.fail(GrpcStatus::kUnavailable, "50 % of é");
    if (request.body == "finish") return exchange_.finish();
    if (request.body == "flood") {
      const std::string large(100'000, 'x');
      for (int i = 0; i < 1000; ++i)
        exchange_.send(Response{.part = request.part, .body = ReplaceBody{large}});
      return;
    }
    tell(request.part, request.body.size());
  }

 private:
  void tell(Part part, std::size_t size) {
    const std::string value = std::to_string(messages_) + ":" + std::to_string(size);
    const std::array set{HeaderChange{.name = "x-seen", .value = value}};
    exchange_.send(Response{.part = part, .set_headers = set});
  }

  Exchange& exchange_;
  std::atomic<int>& alive_;
  int messages_ = 0;
  Loop::Timer timer_;
};

class TellerService final : public Service {
 public:
  explicit TellerService(std::atomic<int>& alive) : alive_(alive) {}
  std::unique_ptr<Handler> start(Exchange& exchange) override {
    return std::make_unique<Teller>(exchange, alive_);
  }

 private:
  std::atomic<int>& alive_;
};

// A bidirectional call of gRPC's generic client, which waits for each step.
class Call {
 public:
  Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
       const std::string& authority = "localhost")
      : stub_(channel) {
    context_.set_deadline(std::chrono::system_clock::now() + seconds(20));
    context_.set_authority(authority);
    stream_ = stub_.PrepareCall(&context_, method, &queue_);
    stream_->StartCall(tag());
    ok_ = wait();
  }
  ~Call() {
    context_.TryCancel();
    finish();
    queue_.Shutdown();
    void* ignored = nullptr;
    bool ok = false;
    while (queue_.Next(&ignored, &ok)) {
    }
  }

  bool write(const std::string& message) {
    const grpc::Slice slice(message);
    stream_->Write(grpc::ByteBuffer(&slice, 1), tag());
    return wait();
  }
  bool write(const pb::ProcessingRequest& message) { return write(message.SerializeAsString()); }
  bool writes_done() {
    stream_->WritesDone(tag());
    return wait();
  }
  std::optional<std::string> read() {
    grpc::ByteBuffer buffer;
    stream_->Read(&buffer, tag());
    if (!wait()) return std::nullopt;
    grpc::Slice slice;
    EXPECT_TRUE(buffer.DumpToSingleSlice(&slice).ok());
    return std::string(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  std::optional<pb::ProcessingResponse> read_response() {
    const auto bytes = read();
    pb::ProcessingResponse response;
    if (!bytes || !response.ParseFromString(*bytes)) return std::nullopt;
    return response;
  }
  grpc::Status finish() {
    if (!finished_) {
      stream_->Finish(&status_, tag());
      wait();
      finished_ = true;
    }
    return status_;
  }
  void cancel() { context_.TryCancel(); }

 private:
  void* tag() { return this; }
  bool wait() {
    void* which = nullptr;
    bool ok = false;
    return queue_.Next(&which, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  grpc::Status status_;
  bool ok_ = false;
  bool finished_ = false;
};

pb::ProcessingRequest body(const std::string& text) {
  pb::ProcessingRequest message;
  message.mutable_request_body()->set_body(text);
  return message;
}

std::string seen(const std::optional<pb::ProcessingResponse>& response) {
  if (!response) return "nothing";
  return response->request_body().response().header_mutation().set_headers(0).header().raw_value();
}

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "extproc.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~ServerTest() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void start(Options options = {}) {
    if (options.address.empty()) options.address = "127.0.0.1:0";
    Problem problem;
    server_ = start_server(
        options, [this](Loop&) { return std::make_unique<TellerService>(alive_); },
        [this](const Problem& p) {
          const std::lock_guard lock(mutex_);
          reported_.push_back(p.message);
        },
        &problem);
    ASSERT_NE(server_, nullptr) << problem.message;
  }

  std::shared_ptr<grpc::Channel> channel(
      const std::shared_ptr<grpc::ChannelCredentials>& credentials = grpc::InsecureChannelCredentials()) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetSslTargetNameOverride("localhost");
    arguments.SetMaxReceiveMessageSize(-1);
    return grpc::CreateCustomChannel(server_->address(), credentials, arguments);
  }

  // Waits until all handlers are gone.
  bool all_gone() {
    for (int i = 0; i < 200 && alive_ > 0; ++i) std::this_thread::sleep_for(milliseconds(10));
    return alive_ == 0;
  }

  std::string folder_;
  std::atomic<int> alive_ = 0;
  std::mutex mutex_;
  std::vector<std::string> reported_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersMessageByMessageAndEndsWithTheClient) {
  start();
  {
    Call call(channel(), kProcess);
    ASSERT_TRUE(call.write(body("12345")));
    EXPECT_EQ(seen(call.read_response()), "1:5");
    ASSERT_TRUE(call.write(body("")));
    EXPECT_EQ(seen(call.read_response()), "2:0");
    ASSERT_TRUE(call.writes_done());
    EXPECT_EQ(call.read(), std::nullopt);
    EXPECT_TRUE(call.finish().ok());
  }
  EXPECT_TRUE(all_gone());
}

TEST_F(ServerTest, AnswersLater) {
  start();
  Call call(channel(), kProcess);
  ASSERT_TRUE(call.write(body("later")));
  EXPECT_EQ(seen(call.read_response()), "1:0");
}

TEST_F(ServerTest, AnswersInTheClientsStead) {
  start();
  Call call(channel(), kProcess);
  ASSERT_TRUE(call.write(body("refuse")));
  EXPECT_EQ(call.read_response()->immediate_response().status().code(), 403);
}

TEST_F(ServerTest, AHandlerMayFail) {
  start();
  Call call(channel(), kProcess);
  ASSERT_TRUE(call.write(body("fail")));
  EXPECT_EQ(call.read(), std::nullopt);
  EXPECT_EQ(call.finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(call.finish().error_message(), "50 % of é");
}

TEST_F(ServerTest, AHandlerMayFinish) {
  start();
  Call call(channel(), kProcess);
  ASSERT_TRUE(call.write(body("finish")));
  EXPECT_EQ(call.read(), std::nullopt);
  EXPECT_TRUE(call.finish().ok());
}

TEST_F(ServerTest, AHandlerEndsWithItsStream) {
  start();
  {
    Call call(channel(), kProcess);
    ASSERT_TRUE(call.write(body("later")));  // its timer is not over when the stream is
    call.cancel();
  }
  EXPECT_TRUE(all_gone());
}

TEST_F(ServerTest, ALargeMessageArrives) {
  start();
  Call call(channel(), kProcess);
  ASSERT_TRUE(call.write(body(std::string(3'000'000, 'x'))));
  EXPECT_EQ(seen(call.read_response()), "1:3000000");
}

TEST_F(ServerTest, ATooLargeMessageEndsOnlyItsStream) {
  Options options;
  options.limits.max_message_bytes = 1000;
  start(options);
  const auto connection = channel();
  Call other(connection, kProcess);
  Call call(connection, kProcess);
  call.write(body(std::string(2000, 'x')));
  EXPECT_EQ(call.read(), std::nullopt);
  EXPECT_EQ(call.finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  ASSERT_TRUE(other.write(body("1")));
  EXPECT_EQ(seen(other.read_response()), "1:1");
}

TEST_F(ServerTest, WhatIsNoMessageEndsTheStream) {
  start();
  Call call(channel(), kProcess);
  ASSERT_TRUE(call.write(std::string("\xff\xff\xff")));
  EXPECT_EQ(call.read(), std::nullopt);
  EXPECT_EQ(call.finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServerTest, AnUnknownMethodIsUnimplemented) {
  start();
  Call call(channel(), "/some.Service/Method");
  EXPECT_EQ(call.read(), std::nullopt);
  EXPECT_EQ(call.finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

// 100 MB of answers wait, of which the client takes nothing.
TEST_F(ServerTest, AClientThatTakesNothingCostsBoundedMemory) {
  start();
  Call call(channel(), kProcess);
  ASSERT_TRUE(call.write(body("flood")));
  while (call.read()) {
  }
  EXPECT_FALSE(call.finish().ok());
}

TEST_F(ServerTest, ManyStreamsOnSeveralThreads) {
  Options options;
  options.threads = 2;
  start(options);
  std::vector<std::jthread> clients;
  std::atomic<int> right = 0;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&] {
      const auto connection = channel();
      for (int i = 0; i < 50; ++i) {
        Call call(connection, kProcess);
        if (call.write(body("abc")) && seen(call.read_response()) == "1:3") ++right;
      }
    });
  }
  clients.clear();
  EXPECT_EQ(right, 200);
  EXPECT_TRUE(all_gone());
}

TEST_F(ServerTest, TellsItsHealthAndWhenItChanges) {
  start();
  const auto connection = channel();
  const auto check = [&](const std::string& name) {
    Call call(connection, std::string(kHealthCheckPath));
    call.write(name.empty() ? "" : std::string("\x0a") + static_cast<char>(name.size()) + name);
    call.writes_done();
    const auto answer = call.read();
    return answer ? *answer : std::to_string(call.finish().error_code());
  };
  EXPECT_EQ(check(""), encode_health_response(ServingStatus::kServing));
  EXPECT_EQ(check("envoy.service.ext_proc.v3.ExternalProcessor"),
            encode_health_response(ServingStatus::kServing));
  EXPECT_EQ(check("readiness"), std::to_string(grpc::StatusCode::NOT_FOUND));

  Call watch(connection, std::string(kHealthWatchPath));
  watch.write(std::string("\x0a\x09readiness"));
  watch.writes_done();
  EXPECT_EQ(watch.read(), encode_health_response(ServingStatus::kServiceUnknown));
  server_->set_serving("readiness", false);
  EXPECT_EQ(watch.read(), encode_health_response(ServingStatus::kNotServing));
  server_->set_serving("readiness", false);  // no news
  server_->set_serving("readiness", true);
  EXPECT_EQ(watch.read(), encode_health_response(ServingStatus::kServing));
}

TEST_F(ServerTest, WhatItIsCalledDoesNotMatter) {
  start();
  Call call(channel(), std::string(kHealthCheckPath), "backend/default/models:80/http2");  // Envoy's cluster
  call.write("");
  call.writes_done();
  EXPECT_EQ(call.read(), encode_health_response(ServingStatus::kServing));
}

TEST_F(ServerTest, ListensAtAUnixSocketAndReplacesADeadOne) {
  Options options;
  options.address = "unix:" + folder_ + "/ext.sock";
  start(options);
  EXPECT_EQ(std::filesystem::status(folder_ + "/ext.sock").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  Problem problem;
  const auto service = [this](Loop&) { return std::make_unique<TellerService>(alive_); };
  EXPECT_EQ(start_server(options, service, {}, &problem), nullptr);  // somebody listens there
  EXPECT_NE(problem.message.find("Address already in use"), std::string::npos) << problem.message;
  server_.reset();
  // A death leaves the file behind.
  const std::string path = options.address.substr(5);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  const Descriptor dead(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  start(options);
  Call call(channel(), kProcess);
  ASSERT_TRUE(call.write(body("1")));
  EXPECT_EQ(seen(call.read_response()), "1:1");
}

TEST_F(ServerTest, DrainsWithoutEndingWhatIsUnderWay) {
  start();
  const auto connection = channel();
  auto call = std::make_unique<Call>(connection, kProcess);
  ASSERT_TRUE(call->write(body("1")));
  ASSERT_TRUE(call->read_response());
  std::jthread drainer([this] { server_->drain(seconds(10)); });
  std::this_thread::sleep_for(milliseconds(300));
  ASSERT_TRUE(call->write(body("12")));
  EXPECT_EQ(seen(call->read_response()), "2:2");
  const auto begin = std::chrono::steady_clock::now();
  call.reset();
  drainer.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(8));  // it did not wait for the time to be over
}

TEST_F(ServerTest, TheFileOfAUnixSocketGoesAtTheEnd) {
  Options options;
  const std::string path = folder_ + "/ext.sock";
  options.address = "unix:" + path;
  start(options);
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
  start(options);
  server_->drain(milliseconds(0));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ServerTest, TheFileOfASuccessorStays) {
  Options options;
  const std::string path = folder_ + "/ext.sock";
  options.address = "unix:" + path;
  start(options);
  std::unique_ptr<Server> drained = std::move(server_);
  drained->drain(milliseconds(0));
  start(options);
  drained.reset();
  EXPECT_TRUE(std::filesystem::exists(path));
  // Of one that does not look who listens.
  std::unique_ptr<Server> robbed = std::move(server_);
  std::filesystem::remove(path);
  start(options);
  robbed.reset();
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(ServerTest, AnAddressThatIsNone) {
  for (const char* address : {"localhost:80", "127.0.0.1", "127.0.0.1:x", "unix:", "[::1:80"}) {
    Options options;
    options.address = address;
    Problem problem;
    EXPECT_EQ(start_server(
                  options, [this](Loop&) { return std::make_unique<TellerService>(alive_); }, {}, &problem),
              nullptr);
    EXPECT_EQ(problem.code, "value/address") << address;
  }
}

// ---- TLS -------------------------------------------------------------------------------------

class TlsTest : public ServerTest {
 protected:
  TlsTest() {
    authority("ca");
    leaf("server", "ca");
    leaf("client", "ca");
  }

  void openssl(const std::string& arguments) {
    const std::string command = "cd " + folder_ + " && openssl " + arguments + " >/dev/null 2>&1";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  void authority(const std::string& name) {
    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=" + name +
            " -keyout " + name + ".key -out " + name + ".pem");
  }
  void leaf(const std::string& name, const std::string& ca) {
    std::ofstream(folder_ + "/ext") << "subjectAltName=DNS:localhost\n";
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + name + " -keyout " + name +
            ".key -out " + name + ".csr");
    openssl("x509 -req -in " + name + ".csr -CA " + ca + ".pem -CAkey " + ca +
            ".key -CAcreateserial -days 2 -extfile ext -out " + name + ".pem");
  }
  std::string text(const std::string& file) {
    std::ifstream in(folder_ + "/" + file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Options options() {
    Options options;
    options.tls = TlsFiles{.certificate_chain = folder_ + "/server.pem",
                           .private_key = folder_ + "/server.key",
                           .client_ca = folder_ + "/ca.pem"};
    return options;
  }
  bool answers(const std::string& ca, const std::string& client) {
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = text(ca + ".pem");
    if (!client.empty()) {
      ssl.pem_cert_chain = text(client + ".pem");
      ssl.pem_private_key = text(client + ".key");
    }
    Call call(channel(grpc::SslCredentials(ssl)), kProcess);
    return call.write(body("1")) && seen(call.read_response()) == "1:1";
  }
};

TEST_F(TlsTest, AsksClientsForACertificate) {
  start(options());
  EXPECT_TRUE(answers("ca", "client"));
  EXPECT_FALSE(answers("ca", ""));
  authority("other");
  leaf("stranger", "other");
  EXPECT_FALSE(answers("ca", "stranger"));
}

TEST_F(TlsTest, LargeMessagesOverTls) {
  start(options());
  grpc::SslCredentialsOptions ssl{text("ca.pem"), text("client.key"), text("client.pem")};
  Call call(channel(grpc::SslCredentials(ssl)), kProcess);
  for (int i = 1; i <= 5; ++i) {
    ASSERT_TRUE(call.write(body(std::string(2'000'000, 'x'))));
    EXPECT_EQ(seen(call.read_response()), std::to_string(i) + ":2000000");
  }
}

TEST_F(TlsTest, CertificatesAreReadAgainAndABadOneChangesNothing) {
  start(options());
  EXPECT_TRUE(answers("ca", "client"));
  std::this_thread::sleep_for(milliseconds(1100));
  std::ofstream(folder_ + "/server.pem") << "no certificate";
  EXPECT_TRUE(answers("ca", "client"));
  {
    const std::lock_guard lock(mutex_);
    ASSERT_EQ(reported_.size(), 1U);
    EXPECT_NE(reported_[0].find("cannot use the certificate " + folder_ + "/server.pem"), std::string::npos);
  }
  std::this_thread::sleep_for(milliseconds(1100));
  authority("ca2");
  leaf("server", "ca2");
  EXPECT_FALSE(answers("ca", "client"));
  EXPECT_TRUE(answers("ca2", "client"));
}

TEST_F(TlsTest, FilesThatAreMissing) {
  Options with = options();
  with.address = "127.0.0.1:0";
  with.tls->private_key = folder_ + "/none";
  Problem problem;
  EXPECT_EQ(start_server(
                with, [this](Loop&) { return std::make_unique<TellerService>(alive_); }, {}, &problem),
            nullptr);
  EXPECT_EQ(problem.code, "value/tls");
}

}  // namespace
}  // namespace sluice::extproc
