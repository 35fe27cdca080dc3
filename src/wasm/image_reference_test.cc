#include "wasm/image_reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::wasm {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kDigest(64, 'a');

std::string complete(std::string_view text) {
  const auto reference = parse_image_reference(text);
  return reference ? reference->text() : "";
}

std::string error(std::string_view text) {
  const auto reference = parse_image_reference(text);
  return reference ? "" : reference.error().message;
}

TEST(ImageReference, NamesAreCompletedAsDockerDoes) {
  EXPECT_EQ(complete("nginx"), "docker.io/library/nginx:latest");
  EXPECT_EQ(complete("team/filter:v1"), "docker.io/team/filter:v1");
  EXPECT_EQ(complete("ghcr.io/team/filter"), "ghcr.io/team/filter:latest");
  EXPECT_EQ(complete("localhost/filter"), "localhost/filter:latest");
  EXPECT_EQ(complete("index.docker.io/nginx"), "docker.io/library/nginx:latest");
}

TEST(ImageReference, APortIsNoTag) {
  const auto reference = parse_image_reference("registry.example:5000/a/b");
  ASSERT_TRUE(reference);
  EXPECT_EQ(reference->registry, "registry.example:5000");
  EXPECT_EQ(reference->tag, "latest");
  EXPECT_EQ(complete("[::1]:5000/a:v1"), "[::1]:5000/a:v1");
}

TEST(ImageReference, ADigestDecides) {
  const auto reference = parse_image_reference("ghcr.io/a/b:v1@sha256:" + kDigest);
  ASSERT_TRUE(reference);
  EXPECT_EQ(reference->tag, "v1");
  EXPECT_EQ(reference->selector(), "sha256:" + kDigest);
  EXPECT_EQ(complete("a@sha256:" + kDigest), "docker.io/library/a@sha256:" + kDigest);
}

TEST(ImageReference, TheSchemeOciIsAllowedAndNoOther) {
  EXPECT_EQ(complete("oci://ghcr.io/a/b:v1"), "ghcr.io/a/b:v1");
  EXPECT_THAT(error("https://ghcr.io/a/b"), HasSubstr("begins with `oci://`"));
}

TEST(ImageReference, ACompleteNameStaysAsItIs) {
  for (const std::string text : {"nginx", "a.b:1/c-d/e__f:x.y", "oci://ghcr.io/a/b"}) {
    EXPECT_EQ(complete(complete(text)), complete(text)) << text;
  }
}

TEST(ImageReference, WhatIsWrongIsSaid) {
  EXPECT_THAT(error(""), HasSubstr("empty"));
  EXPECT_THAT(error("ghcr.io/Team/filter"), HasSubstr("in lower case: `team`"));
  EXPECT_THAT(error("ghcr.io/a//b"), HasSubstr("part of its name is empty"));
  EXPECT_THAT(error("ghcr.io/a..b"), HasSubstr("`a..b` is not a name"));
  EXPECT_THAT(error("ghcr.io/a:v 1"), HasSubstr("`v 1` is not a tag"));
  EXPECT_THAT(error("ghcr.io:port/a"), HasSubstr("`ghcr.io:port` is not a registry's host"));
  EXPECT_THAT(error("ghcr.io/a@sha256:12"), HasSubstr("64 lower-case hexadecimal digits"));
  EXPECT_THAT(error("ghcr.io/" + std::string(300, 'a')), HasSubstr("at most 255"));
}

TEST(ImageReference, WhatMayBeAPasswordIsNotQuoted) {
  EXPECT_THAT(error("user:s3cret@ghcr.io/a"), Not(HasSubstr("s3cret")));
  EXPECT_THAT(error("https://user:s3cret@ghcr.io/a"), Not(HasSubstr("s3cret")));
}

}  // namespace
}  // namespace sluice::wasm
