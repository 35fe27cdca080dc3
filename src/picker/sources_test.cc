#include "picker/sources.h"

#include <gtest/gtest.h>

namespace sluice::picker {
namespace {

TEST(Sources, AreReadFromAText) {
  EXPECT_EQ(parse_source("/prometheus/metrics"), (Source{.path = "/prometheus/metrics"}));
  EXPECT_EQ(parse_source(":8002"), (Source{.port = 8002, .path = "/metrics"}));
  EXPECT_EQ(parse_source(":8002/x?a=b"), (Source{.port = 8002, .path = "/x?a=b"}));
  EXPECT_EQ(parse_source("https://"), (Source{.tls = true, .path = "/metrics"}));
  EXPECT_EQ(parse_source("https://:8443"), (Source{.tls = true, .port = 8443, .path = "/metrics"}));
  EXPECT_EQ(parse_source("http://:80/m"), (Source{.port = 80, .path = "/m"}));
}

TEST(Sources, OfAnotherFormAreRefused) {
  for (const char* text : {"", "metrics", ":", ":0", ":65536", ":80x", ":80metrics", "ftp://:21/", "/a b",
                           "/a\n", "/a#b", "https:/x"}) {
    EXPECT_FALSE(parse_source(text).has_value()) << text;
  }
}

TEST(Sources, VerifyCertificatesByWhoSignsThem) {
  EXPECT_EQ(parse_source("https://", "ca.crt"),
            (Source{.tls = true, .path = "/metrics", .verify = true, .authorities = "ca.crt"}));
  EXPECT_EQ(parse_source("https://", "system"), (Source{.tls = true, .path = "/metrics", .verify = true}));
  EXPECT_FALSE(parse_source("https://", "")->verify);
  EXPECT_FALSE(parse_source("http://", "ca.crt").has_value());
}

TEST(Sources, HaveNoHostOfTheirOwn) {
  const auto source = parse_source("https://10.0.0.1:8002/metrics");
  ASSERT_FALSE(source.has_value());
  EXPECT_EQ(source.error().message, "each server is asked at its own address, and not at `10.0.0.1`");
}

TEST(Sources, OfModelsSpeakAsThoseOfMetricsAtTheSamePort) {
  const Sources same = sources_with({.tls = true, .path = "/m", .verify = true, .authorities = "ca.pem"});
  EXPECT_EQ(same.models,
            (Source{.tls = true, .path = "/v1/models", .verify = true, .authorities = "ca.pem"}));
  const Sources another = sources_with({.tls = true, .port = 8002, .path = "/m"});
  EXPECT_EQ(another.models, Sources{}.models);
}

}  // namespace
}  // namespace sluice::picker
