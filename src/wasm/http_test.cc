#include "wasm/http.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "wasm/testing.h"

namespace sluice::wasm {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::SizeIs;

class Http : public testing::Test {
 protected:
  Result<HttpResponse> get(const std::string& url, const std::string& authorization = "") {
    HttpSession session(limits_, ca_pem_, stop_.get_token());
    body_.clear();
    return session.send({.url = url, .authorization = authorization, .max_bytes = max_bytes_},
                        [&](std::string_view bytes) -> Result<void> {
                          body_ += bytes;
                          return {};
                        });
  }
  Failure failure(const std::string& url) {
    const auto response = get(url);
    EXPECT_FALSE(response) << "status " << (response ? response->status : 0);
    return response ? Failure{} : response.error();
  }
  static TestServer::Handler redirect_to(const std::string& location) {
    return [location](const Received&, Connection& connection) {
      connection.reply(302, "moved", "Location: " + location + "\r\n");
    };
  }
  static void hello(const Received&, Connection& connection) {
    connection.reply(200, "hello", "ETag: \"1\"\r\n");
  }

  HttpLimits limits_{.connect_timeout = milliseconds(2'000),
                     .stall_timeout = milliseconds(2'000),
                     .total_timeout = milliseconds(10'000)};
  std::uint64_t max_bytes_ = 1'000;
  std::string ca_pem_;
  std::stop_source stop_;
  std::string body_;
};

TEST_F(Http, GivesStatusHeadersAndBody) {
  const TestServer server(&hello);
  const auto response = get(server.url("/x"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->header("etag"), "\"1\"");
  EXPECT_EQ(body_, "hello");
}

TEST_F(Http, ABodyLargerThanTheLimitIsRefusedByItsLength) {
  max_bytes_ = 4;
  const TestServer server(&hello);
  EXPECT_EQ(failure(server.url("/")).reason, Reason::kTooLarge);
}

TEST_F(Http, ABodyWithoutALengthIsRefusedWhenItExceedsTheLimit) {
  const TestServer server([](const Received&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 100; ++i) connection.send(fmt::format("64\r\n{}\r\n", std::string(100, 'x')));
    connection.hang();
  });
  EXPECT_EQ(failure(server.url("/")).reason, Reason::kTooLarge);
  EXPECT_LE(body_.size(), max_bytes_);
}

TEST_F(Http, ABodyShorterThanItsLengthIsNoSuccess) {
  const TestServer server([](const Received&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
    connection.close();
  });
  const auto error = failure(server.url("/"));
  EXPECT_EQ(error.reason, Reason::kUnreachable);
  EXPECT_THAT(error.message, HasSubstr("broke off after 5 bytes"));
}

TEST_F(Http, ThePageOfAnErrorDoesNotCount) {
  max_bytes_ = 4;
  for (const std::size_t size : {1'000, 10'000'000}) {
    const TestServer server(
        [&](const Received&, Connection& connection) { connection.reply(404, std::string(size, 'x')); });
    const auto response = get(server.url("/"));
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 404);
    EXPECT_EQ(body_, "");
  }
}

TEST_F(Http, AServerThatHangsIsGivenUp) {
  limits_.stall_timeout = milliseconds(100);
  const TestServer server([](const Received&, Connection& connection) { connection.hang(); });
  const auto error = failure(server.url("/"));
  EXPECT_EQ(error.reason, Reason::kTimeout);
  EXPECT_THAT(error.message, HasSubstr("sent nothing"));
}

TEST_F(Http, AServerThatDripsIsGivenUp) {
  limits_.total_timeout = milliseconds(300);
  const TestServer server([](const Received&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    for (int i = 0; i < 100 && !connection.closed(); ++i) {
      connection.send("x");
      std::this_thread::sleep_for(milliseconds(20));
    }
  });
  const auto error = failure(server.url("/"));
  EXPECT_EQ(error.reason, Reason::kTimeout);
  EXPECT_THAT(error.message, HasSubstr("did not send all"));
}

TEST_F(Http, WhatIsNotHttpIsSaid) {
  const TestServer server([](const Received&, Connection& connection) {
    connection.send("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    connection.close();
  });
  EXPECT_EQ(failure(server.url("/")).reason, Reason::kServer);
}

TEST_F(Http, NobodyAtThePortIsSaid) {
  std::string url;
  {
    const TestServer server(&hello);
    url = server.url("/");
  }
  const auto error = failure(url);
  EXPECT_EQ(error.reason, Reason::kUnreachable);
  EXPECT_THAT(error.message, HasSubstr("nobody answers at `127.0.0.1:"));
}

TEST_F(Http, ARedirectIsFollowed) {
  const TestServer target(&hello);
  const TestServer server(redirect_to(target.url("/there")));
  const auto response = get(server.url("/"));
  ASSERT_TRUE(response);
  EXPECT_EQ(body_, "hello");
  EXPECT_EQ(response->url, target.url("/there"));
}

TEST_F(Http, ARedirectForEverEnds) {
  const TestServer server(redirect_to("/again"));
  const auto error = failure(server.url("/"));
  EXPECT_EQ(error.reason, Reason::kRedirect);
  EXPECT_THAT(error.message, HasSubstr("more than 10 redirects"));
  EXPECT_THAT(server.requests(), SizeIs(11));
}

TEST_F(Http, ARedirectFromHttpsToHttpIsNotFollowed) {
  const Folder folder;
  const Authority authority(folder.path());
  const TestServer target(&hello);
  const TestServer server(redirect_to(target.url("/")), &authority);
  ca_pem_ = authority.ca_pem;
  const auto error = failure(server.url("/"));
  EXPECT_EQ(error.reason, Reason::kRedirect);
  EXPECT_THAT(error.message, HasSubstr("from https to http"));
  EXPECT_THAT(target.requests(), SizeIs(0));
}

TEST_F(Http, ARedirectToWhatIsNotHttpIsNotFollowed) {
  const TestServer server(redirect_to("file:///etc/passwd"));
  EXPECT_EQ(failure(server.url("/")).reason, Reason::kRedirect);
}

TEST_F(Http, ARedirectToALinkLocalAddressIsRefused) {
  const TestServer server(redirect_to("http://169.254.169.254/latest/meta-data"));
  const auto error = failure(server.url("/"));
  EXPECT_EQ(error.reason, Reason::kRefusedAddress);
  EXPECT_THAT(error.message, HasSubstr("169.254.169.254"));
}

TEST_F(Http, AuthorizationGoesToItsOriginOnly) {
  const TestServer target(&hello);
  const TestServer server([&](const Received& request, Connection& connection) {
    connection.reply(307, "",
                     "Location: " + (request.target == "/" ? "/here" : target.url("/there")) + "\r\n");
  });
  ASSERT_TRUE(get(server.url("/"), "Basic s3cret"));
  ASSERT_THAT(server.requests(), SizeIs(2));
  EXPECT_EQ(server.requests()[1].header("authorization"), "Basic s3cret");
  ASSERT_THAT(target.requests(), SizeIs(1));
  EXPECT_EQ(target.requests()[0].header("authorization"), "");
}

TEST_F(Http, TheGivenAuthorityIsTrustedBesidesThoseOfTheSystem) {
  // Their authorities have one name and different keys.
  const Folder private_folder;
  const Folder public_folder;
  const Authority own(private_folder.path());
  const Authority everybodys(public_folder.path());
  limits_.authorities = public_folder.path() + "/ca.pem";
  const TestServer store(&hello, &everybodys);
  // A private registry sends its clients to a public store.
  const TestServer registry(redirect_to(store.url("/blob")), &own);
  EXPECT_TRUE(get(store.url("/")));
  EXPECT_EQ(failure(registry.url("/")).reason, Reason::kTls);
  ca_pem_ = own.ca_pem;
  EXPECT_TRUE(get(store.url("/")));
  EXPECT_TRUE(get(registry.url("/")));
  EXPECT_THAT(store.requests(), SizeIs(3));
}

TEST_F(Http, TheSystemsAuthoritiesAreOfItsFile) {
  const Folder folder;
  const Authority own(folder.path());
  const TestServer server(&hello, &own);
  ca_pem_ = own.ca_pem;
  EXPECT_TRUE(get(server.url("/")));  // besides some hundred
}

TEST_F(Http, AnUnknownAuthorityIsNotTrusted) {
  const Folder folder;
  const Folder other_folder;
  const Authority authority(folder.path());
  const Authority other(other_folder.path());
  const TestServer server(&hello, &authority);
  ca_pem_ = authority.ca_pem;
  EXPECT_TRUE(get(server.url("/")));
  ca_pem_ = other.ca_pem;
  EXPECT_EQ(failure(server.url("/")).reason, Reason::kTls);
  ca_pem_ = "";
  const auto error = failure(server.url("/"));
  EXPECT_EQ(error.reason, Reason::kTls);
  EXPECT_THAT(error.message, HasSubstr("is not trusted"));
  ca_pem_ = "no certificate";
  EXPECT_THAT(failure(server.url("/")).message, HasSubstr("not certificates in PEM"));
}

TEST_F(Http, ProxiesOfTheEnvironmentAreNotUsed) {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  const TestServer server(&hello);
  EXPECT_TRUE(get(server.url("/")));
  ::unsetenv("http_proxy");
}

TEST_F(Http, AStopEndsARequestAtOnce) {
  limits_.stall_timeout = milliseconds(60'000);
  limits_.total_timeout = milliseconds(60'000);
  const TestServer server([&](const Received&, Connection& connection) {
    stop_.request_stop();
    connection.hang();
  });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(failure(server.url("/")).reason, Reason::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(5'000));
}

TEST_F(Http, AFailureOfTheSinkIsTheRequests) {
  const TestServer server(&hello);
  HttpSession session(limits_, "", {});
  const auto response =
      session.send({.url = server.url("/"), .max_bytes = 10},
                   [](std::string_view) -> Result<void> { return fail(Reason::kStorage, "full"); });
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error(), (Failure{Reason::kStorage, "full"}));
}

TEST_F(Http, MessagesShowNoSecretOfTheUrl) {
  const TestServer server([](const Received&, Connection& connection) { connection.reply(404, ""); });
  const auto response = get(fmt::format("http://user:s3cret@{}/a?token=s3cret", server.host()));
  ASSERT_TRUE(response);
  EXPECT_EQ(failure_of(*response).reason, Reason::kNotFound);
  EXPECT_THAT(failure_of(*response).message, testing::Not(HasSubstr("s3cret")));
}

bool refused(const std::string& address) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  if (inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    return is_refused_address(reinterpret_cast<const sockaddr&>(v4));
  }
  EXPECT_EQ(inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr), 1);
  return is_refused_address(reinterpret_cast<const sockaddr&>(v6));
}

TEST(RefusedAddresses, AreLinkLocalAndMetadataInEveryForm) {
  for (const auto* address :
       {"169.254.169.254", "169.254.0.1", "fe80::1", "febf::1", "::ffff:169.254.169.254", "::169.254.169.254",
        "64:ff9b::169.254.169.254", "fd00:ec2::254", "100.100.100.200"}) {
    EXPECT_TRUE(refused(address)) << address;
  }
}

TEST(RefusedAddresses, AreNoOthers) {
  for (const auto* address :
       {"127.0.0.1", "10.0.0.1", "169.253.0.1", "::1", "fec0::1", "fd00::1", "::ffff:10.0.0.1"}) {
    EXPECT_FALSE(refused(address)) << address;
  }
}

}  // namespace
}  // namespace sluice::wasm
