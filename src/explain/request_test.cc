#include "explain/request.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "base/letter_case.h"

namespace sluice::explain {
namespace {

Request read(const std::string& url) {
  auto request = read_url(url);
  EXPECT_TRUE(request.has_value()) << url << ": " << request.error();
  return request.value_or(Request());
}

std::string path_of(const std::string& path) {
  Request request;
  request.authority = "a.example";
  request.path = path;
  const Arrival arrival = arrive(request);
  return arrival.status == 0 ? arrival.path + arrival.query : std::to_string(arrival.status);
}

TEST(Request, Urls) {
  const Request plain = read("http://App.example.com/a?b=c");
  EXPECT_EQ(plain.authority, "App.example.com");
  EXPECT_EQ(plain.port, 80);
  EXPECT_EQ(plain.path, "/a?b=c");
  EXPECT_EQ(plain.sni, "");

  const Request tls = read("https://App.example.com:8443");
  EXPECT_EQ(tls.port, 8443);
  EXPECT_EQ(tls.path, "/");
  EXPECT_EQ(tls.sni, "app.example.com");
  EXPECT_EQ(read("https://10.0.0.1/").sni, "") << "an address is no server name";
  EXPECT_EQ(read("https://[::1]:8443/").port, 8443);
  EXPECT_EQ(read("http://a?b").path, "/?b");
  EXPECT_EQ(read("tls://a.example").port, 443);
  EXPECT_EQ(read("tcp://a.example:5432").scheme, Scheme::kTcp);

  for (const char* url : {"a.example", "ftp://a", "http://", "http://a:0", "http://a:65536", "http://a:b",
                          "tcp://a", "tcp://a:1/x", "udp://a"}) {
    EXPECT_FALSE(read_url(url).has_value()) << url;
  }
}

TEST(Request, UsersAndBrokenAddressesAreNoHosts) {
  for (const char* url : {"http://u:p@x.example:18080/", "http://u@x.example/", "http://u:80@x.example/",
                          "http://[::1:18080/", "http://::1]:18080/", "http://::1/", "http://[::1]x:80/",
                          "http://[]/", "http://[x.example]/", "tcp://[::1:80"}) {
    EXPECT_FALSE(read_url(url).has_value()) << url;
  }
  EXPECT_EQ(read_url("http://u:p@x.example/").error(),
            "a user is no part of the host: clients send it as -H 'Authorization: Basic …'");
  EXPECT_EQ(read_url("http://u:p/w@x.example/").error(), read_url("http://u:p@x.example/").error());
  EXPECT_EQ(without_user("http://u:p/w@x.example/a"), "http://…@x.example/a");
  EXPECT_EQ(without_user("u:p@x.example"), "…@x.example");
  EXPECT_EQ(without_user("http://x.example/a"), "http://x.example/a");
  EXPECT_EQ(read("http://x.example/@a").path, "/@a") << "in a path it is an ordinary character";
  EXPECT_EQ(read("http://[2001:db8::1]/").authority, "[2001:db8::1]");
}

TEST(Request, IsToldWithWhatDiffersFromTheUrl) {
  Request request = read("https://A.example:18443/x?y");
  EXPECT_EQ(to_string(request), "GET https://A.example:18443/x?y");
  ASSERT_TRUE(add_header("Host: b.example", request));
  EXPECT_EQ(to_string(request), "GET https://A.example:18443/x?y, Host b.example");
  request.sni = "c.example";
  EXPECT_EQ(to_string(request), "GET https://A.example:18443/x?y, Host b.example, SNI c.example");
  EXPECT_EQ(to_string(read("tls://a.example:8443")), "tls://a.example:8443");
  EXPECT_EQ(to_string(read("udp://dns:53")), "udp://dns:53");
}

TEST(Request, Headers) {
  Request request = read("https://a.example/");
  EXPECT_TRUE(add_header("X-Version:  2 ", request));
  EXPECT_TRUE(add_header("host: b.example:80", request));
  EXPECT_TRUE(add_header("x-version: 3", request));
  EXPECT_FALSE(add_header("x-version", request));
  EXPECT_FALSE(add_header(": 1", request));
  EXPECT_FALSE(add_header("a: b\nc: d", request)) << "those are two";
  EXPECT_FALSE(add_header(std::string("a: b\0", 5), request));
  EXPECT_EQ(request.sni, "a.example");
  const Arrival arrival = arrive(request);
  EXPECT_EQ(arrival.host, "b.example");
  EXPECT_EQ(arrival.headers.at("x-version"), (std::vector<std::string>{"2", "3"}));
  EXPECT_EQ(arrival.headers.at("x-forwarded-proto"), std::vector<std::string>{"https"});
}

// Each of these was asked of Envoy 1.40; test/explain does so again.
TEST(Request, PathsAsEnvoySeesThem) {
  EXPECT_EQ(path_of("/a/b"), "/a/b");
  EXPECT_EQ(path_of("/a//b/"), "/a/b/");
  EXPECT_EQ(path_of("/a/./b"), "/a/b");
  EXPECT_EQ(path_of("/a/b/../c"), "/a/c");
  EXPECT_EQ(path_of("/a/b/.."), "/a/");
  EXPECT_EQ(path_of("/../a"), "/a");
  EXPECT_EQ(path_of("/a/%2e%2E/b"), "/b");
  EXPECT_EQ(path_of("/a.b/..c"), "/a.b/..c");
  EXPECT_EQ(path_of("/%41%7e%2a"), "/A~%2a");
  EXPECT_EQ(path_of("/%zz"), "/%zz");
  EXPECT_EQ(path_of("/{}|^\""), "/%7B%7D%7C%5E%22");
  EXPECT_EQ(path_of("/a\\b"), "/a/b");
  EXPECT_EQ(path_of("///"), "//");
  EXPECT_EQ(path_of("/a?b//../c"), "/a?b//../c") << "queries are left alone";
  EXPECT_EQ(path_of("/%00"), "400");
  EXPECT_EQ(path_of("/a#b"), "400");
  EXPECT_EQ(path_of("*"), "404");
  EXPECT_EQ(path_of("/a%2Fb"), "307");
}

TEST(Request, ParametersOfDotsAreDropped) {
  EXPECT_EQ(path_of("/a/..;/b"), "/b");
  EXPECT_EQ(path_of("/a/.;/b"), "/a/b");
  EXPECT_EQ(path_of("/a/..;x=1;y/b"), "/b");
  EXPECT_EQ(path_of("/..;"), "/");
  EXPECT_EQ(path_of("/a/b/..;/./..;x/c"), "/c");
  EXPECT_EQ(path_of("/a/..;%00/b"), "/b") << "what is dropped is not looked at";
  EXPECT_EQ(path_of("/a/..;x\\b"), "/") << "a backslash is no slash yet";
  EXPECT_EQ(path_of("/a/..;x%2fb"), "307") << "an escaped slash is one already";
  for (const char* kept :
       {"/a;x/b", "/a/;/b", "/a/...;/b", "/a/x..;/b", "/a/..x;/b", "/a/..%3B/b", "/a?/..;/b"}) {
    EXPECT_EQ(path_of(kept), kept);
  }
  EXPECT_EQ(path_of("/a/%2e%2e;/b"), "/a/..;/b") << "dots with escapes do not count";
}

TEST(Request, MethodsThatEnvoyDoesNotKnowAreRefused) {
  Request request = read("http://a/");
  for (const char* method : {"GET", "PURGE", "PROPFIND", "MSEARCH", "ACL", "UNSUBSCRIBE"}) {
    request.method = method;
    EXPECT_EQ(arrive(request).status, 0) << method;
  }
  for (const char* method : {"FOO", "M-SEARCH", "get", "CONNECT", "A1", ""}) {
    request.method = method;
    EXPECT_EQ(arrive(request).status, 400) << method;
  }
}

TEST(Request, Queries) {
  Request request = read("http://a/?a=1&b&a=2&c=d=e&&%61=x");
  const Arrival arrival = arrive(request);
  EXPECT_EQ(arrival.query_params.at("a"), std::vector<std::string>{"1"});
  EXPECT_EQ(arrival.query_params.at("b"), std::vector<std::string>{""});
  EXPECT_EQ(arrival.query_params.at("c"), std::vector<std::string>{"d=e"});
  EXPECT_EQ(arrival.query_params.at("%61"), std::vector<std::string>{"x"});
}

// What arrives of a request with these headers.
Arrival with(const std::vector<std::string>& headers, const std::string& host = "a.example") {
  Request request = read("http://a.example/a%2Fb");
  request.path = "/";
  request.authority = host;
  for (const std::string& header : headers) EXPECT_TRUE(add_header(header, request)) << header;
  return arrive(request);
}

// "absent", or the values.
std::string seen(const std::string& name, const std::vector<std::string>& headers) {
  const Arrival arrival = with(headers);
  const auto at = arrival.headers.find(name);
  return at == arrival.headers.end() ? "absent" : fmt::format("{}", fmt::join(at->second, " | "));
}

// Each of these, too, was asked of Envoy 1.40.
TEST(RequestHeaders, ThatAreEnvoysOwnAreNotBelieved) {
  for (const char* name : {"x-envoy-upstream-rq-timeout-ms", "X-Envoy-Retry-On", "x-envoy-original-path",
                           "x-envoy-internal", "x-forwarded-client-cert"}) {
    EXPECT_EQ(seen(lower_case(std::string_view(name)), {std::string(name) + ": 1"}), "absent") << name;
  }
  EXPECT_EQ(seen("x-envoy-custom", {"x-envoy-custom: 1"}), "1");
  EXPECT_NE(seen("x-envoy-external-address", {"x-envoy-external-address: 1"}), "1");
  EXPECT_NE(seen("x-request-id", {"x-request-id: mine"}), "mine");
  EXPECT_NE(seen("x-request-id", {}), "absent");
}

TEST(RequestHeaders, SayWhereTheRequestComesFrom) {
  EXPECT_TRUE(seen("x-forwarded-for", {"x-forwarded-for: 10.0.0.1", "x-forwarded-for: b"})
                  .starts_with("10.0.0.1,b,"));
  EXPECT_NE(seen("x-forwarded-for", {}), "absent");
  EXPECT_EQ(seen("x-forwarded-proto", {"x-forwarded-proto: https"}), "http");
}

TEST(RequestHeaders, OfTheConnectionGoNoFurther) {
  for (const char* name : {"keep-alive", "proxy-connection", "upgrade", "connection"}) {
    EXPECT_EQ(seen(name, {std::string(name) + ": x"}), "absent") << name;
  }
  EXPECT_EQ(seen("x-noise", {"connection: close, X-Noise", "x-noise: 1"}), "absent");
  EXPECT_EQ(seen("x-noise", {"connection: x-other", "x-noise: 1"}), "1");
  EXPECT_EQ(seen("transfer-encoding", {"transfer-encoding: Chunked"}), "absent");
}

TEST(RequestHeaders, TeIsTrailersOrNothing) {
  EXPECT_EQ(seen("te", {"te: gzip"}), "absent");
  EXPECT_EQ(seen("te", {"te: trailers;q=1"}), "absent");
  EXPECT_EQ(seen("te", {"te: gzip, trailers"}), "trailers");
  EXPECT_EQ(seen("te", {"te: gzip", "te: trailers", "connection: te"}), "trailers");
}

TEST(RequestHeaders, ThatAreMalformedAreRefused) {
  for (const char* header : {"x_y: 1", "x y: 1", "x : 1", "x(y: 1", "\xC3\xA4: 1", "x: \x01", "x: a\x7F",
                             "content-length: x", "content-length: -1", "connection: x-forwarded-for",
                             "connection: X-Forwarded-Host", "connection: x-forwarded-proto",
                             "connection: :path", "connection: host", "connection: 1,2,3,4,5,6,7,8,9,10"}) {
    EXPECT_EQ(with({header}).status, 400) << header;
  }
  EXPECT_EQ(with({"content-length: 0", "content-length: 0"}).status, 400);
  EXPECT_EQ(with({"content-length: 0", "transfer-encoding: chunked"}).status, 400);
  for (const char* header : {"!#$%&'*+.^`|~-1: x", "x: a\tb", "x: \xC3\xA4", "x:", "content-length: 3",
                             "connection: 1,2,3,4,5,6,7,8,9", "transfer-encoding: chunked"}) {
    EXPECT_EQ(with({header}).status, 0) << header;
  }
}

TEST(RequestHeaders, HostsHaveTheCharactersOfHosts) {
  for (const char* host : {"h.example/x", "a b", "a?b", "a#b", "a^b", "a|b", "{a}", "\xC3\xA4", "a\\b"}) {
    EXPECT_EQ(with({}, host).status, 400) << host;
  }
  for (const char* host : {"", "a@b", "[::1", "a%41", "*", "a_b", "h:80:80", "(a)", "a;b=~'$!+,"}) {
    EXPECT_EQ(with({}, host).status, 0) << host;
  }
}

TEST(RequestHeaders, OtherTransferEncodingsThanChunkedAreNotImplemented) {
  for (const char* coding : {"foo", "gzip, chunked", ""}) {
    EXPECT_EQ(with({fmt::format("transfer-encoding: {}", coding)}).status, 501) << coding;
  }
  EXPECT_EQ(with({"transfer-encoding: chunked", "transfer-encoding: chunked"}).status, 501);
}

TEST(RequestHeaders, AnUpgradeIsOneThatConnectionNames) {
  EXPECT_EQ(with({"connection: keep-alive, Upgrade", "upgrade: WebSocket"}).upgrade, "websocket");
  EXPECT_EQ(with({"connection: close", "upgrade: foo"}).upgrade, "");
  EXPECT_EQ(with({"connection: upgrade"}).upgrade, "");
  EXPECT_EQ(with({"connection: upgrade", "upgrade: H2C"}).upgrade, "") << "Envoy leaves it out";
}

TEST(RequestHeaders, OfAnUpgradeStay) {
  EXPECT_EQ(seen("te", {"te: gzip", "connection: upgrade", "upgrade: foo"}), "gzip");
  EXPECT_EQ(seen("upgrade", {"connection: upgrade", "upgrade: foo"}), "foo");
  EXPECT_EQ(seen("keep-alive", {"keep-alive: 5", "connection: upgrade", "upgrade: foo"}), "absent");
}

TEST(RequestHeaders, OfAQuerySayWhatItsBodyIs) {
  Request request = read("http://a/");
  request.method = "QUERY";
  EXPECT_EQ(arrive(request).status, 400);
  ASSERT_TRUE(add_header("content-type: text/plain", request));
  EXPECT_EQ(arrive(request).status, 0);
}

TEST(RequestHeaders, TellGrpc) {
  EXPECT_TRUE(with({"content-type: application/grpc"}).grpc);
  EXPECT_TRUE(with({"content-type: application/grpc+proto"}).grpc);
  for (const char* type :
       {"application/grpc-web", "application/grpc;x=y", "application/grpcx", "APPLICATION/GRPC"}) {
    EXPECT_FALSE(with({fmt::format("content-type: {}", type)}).grpc) << type;
  }
  EXPECT_FALSE(with({"content-type: application/grpc", "content-type: text/plain"}).grpc);
  EXPECT_FALSE(with({"content-type: application/grpc", "x y: 1"}).grpc) << "that is refused before";
}

}  // namespace
}  // namespace sluice::explain
