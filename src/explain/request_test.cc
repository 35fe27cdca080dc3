#include "explain/request.h"

#include <string>

#include <gtest/gtest.h>

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
  for (const char* method : {"FOO", "QUERY", "M-SEARCH", "get", "CONNECT", "A1", ""}) {
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

TEST(Request, UnderscoresAreRefused) {
  Request request = read("http://a/");
  ASSERT_TRUE(add_header("x_y: 1", request));
  EXPECT_EQ(arrive(request).status, 400);
}

}  // namespace
}  // namespace sluice::explain
