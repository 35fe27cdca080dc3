#include "wasm/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::wasm {
namespace {

using testing::HasSubstr;
using testing::Not;

ImageReference reference(std::string_view text) { return *parse_image_reference(text); }

std::optional<Credentials> found(std::string_view image, std::string_view config) {
  return credentials_for(reference(image), config).value_or(std::nullopt);
}

TEST(Source, SourcesOfOneContentAndRightHaveOneKey) {
  EXPECT_EQ(key_of(ImageSource{.reference = "nginx"}),
            key_of(ImageSource{.reference = "oci://docker.io/library/nginx:latest"}));
  EXPECT_EQ(key_of(ImageSource{.reference = "a", .pull_policy = PullPolicy::kAlways}),
            key_of(ImageSource{.reference = "a"}));
}

TEST(Source, OtherCredentialsMakeAnotherKey) {
  const ImageSource nobody{.reference = "ghcr.io/a"};
  ImageSource one = nobody;
  one.credentials = Credentials{"ghcr.io", "tenant", "1"};
  ImageSource other = nobody;
  other.credentials = Credentials{"ghcr.io", "tenant", "2"};
  EXPECT_NE(key_of(nobody), key_of(one));
  EXPECT_NE(key_of(one), key_of(other));
}

TEST(Source, FieldsDoNotRunIntoEachOther) {
  EXPECT_NE(key_of(HttpSource{.url = "http://a", .ca_pem = "b"}), key_of(HttpSource{.url = "http://ab"}));
  EXPECT_NE(key_of(HttpSource{.url = "a"}), key_of(ImageSource{.reference = "a"}));
  EXPECT_NE(key_of(HttpSource{.url = "a"}), key_of(HttpSource{.url = "a", .artifact = Artifact::kLibrary}));
}

TEST(Source, TextShowsNeitherUserNorQuery) {
  EXPECT_EQ(text_of(HttpSource{.url = "https://user:s3cret@host:1/a?token=s3cret#x"}), "https://host:1/a");
  EXPECT_EQ(text_of(HttpSource{.url = "https://host/a@b"}), "https://host/a@b");
  EXPECT_THAT(text_of(ImageSource{.reference = "user:s3cret@ghcr.io/a"}), Not(HasSubstr("s3cret")));
}

TEST(Source, CheckFindsWhatNobodyNeedsToBeAskedFor) {
  EXPECT_TRUE(check(HttpSource{.url = "https://host/a"}));
  EXPECT_TRUE(check(ImageSource{.reference = "ghcr.io/a"}));
  EXPECT_THAT(check(HttpSource{.url = "ftp://host/a"}).error().message, HasSubstr("does not begin with"));
  EXPECT_THAT(check(HttpSource{.url = "oci://host/a"}).error().message, HasSubstr("names an image"));
  EXPECT_THAT(check(HttpSource{.url = "http://a", .sha256 = "12"}).error().message, HasSubstr("64"));
  EXPECT_EQ(check(ImageSource{.reference = "A"}).error().reason, Reason::kInvalidSource);
}

TEST(Source, OnlyNamesWithoutADigestMove) {
  const auto always = PullPolicy::kAlways;
  const std::string digest(64, 'a');
  EXPECT_TRUE(may_move(ImageSource{.reference = "a:v1", .pull_policy = always}));
  EXPECT_FALSE(may_move(ImageSource{.reference = "a:v1"}));
  EXPECT_FALSE(may_move(ImageSource{.reference = "a@sha256:" + digest, .pull_policy = always}));
  EXPECT_FALSE(may_move(ImageSource{.reference = "a:v1", .sha256 = digest, .pull_policy = always}));
  EXPECT_TRUE(may_move(HttpSource{.url = "http://a", .pull_policy = always}));
  EXPECT_FALSE(may_move(HttpSource{.url = "http://a", .sha256 = digest, .pull_policy = always}));
}

TEST(Source, LatestIsPulledAlwaysWhereNothingIsSaid) {
  EXPECT_EQ(default_pull_policy("a"), PullPolicy::kAlways);
  EXPECT_EQ(default_pull_policy("a:v1"), PullPolicy::kIfNotPresent);
}

TEST(DockerConfig, AnEntryHasUserAndPasswordOrBothInBase64) {
  const Credentials expected{"ghcr.io", "tenant", "s3:cret"};
  EXPECT_EQ(found("ghcr.io/a", R"({"auths": {"ghcr.io": {"username": "tenant", "password": "s3:cret"}}})"),
            expected);
  EXPECT_EQ(found("ghcr.io/a", R"({"auths": {"ghcr.io": {"auth": "dGVuYW50OnMzOmNyZXQ="}}})"), expected);
}

TEST(DockerConfig, DockerHubGoesByItsOldNames) {
  for (const std::string name : {"https://index.docker.io/v1/", "docker.io", "index.docker.io"}) {
    EXPECT_TRUE(found("nginx", R"({"auths": {")" + name + R"(": {"username": "u", "password": "p"}}})"))
        << name;
  }
}

TEST(DockerConfig, TheLongestEntryThatIsAPrefixWins) {
  const auto config = R"({"auths": {"ghcr.io": {"username": "all", "password": "p"},
                                    "https://ghcr.io/team": {"username": "team", "password": "p"}}})";
  EXPECT_EQ(found("ghcr.io/team/a", config)->user, "team");
  EXPECT_EQ(found("ghcr.io/teamwork/a", config)->user, "all");
}

TEST(DockerConfig, CredentialsOfOtherRegistriesAreNotTaken) {
  EXPECT_FALSE(found("quay.io/a", R"({"auths": {"ghcr.io": {"username": "u", "password": "p"}}})"));
  EXPECT_FALSE(
      found("ghcr.io.evil.example/a", R"({"auths": {"ghcr.io": {"username": "u", "password": "p"}}})"));
}

TEST(DockerConfig, WhatIsWrongIsSaidWithoutQuoting) {
  const auto error = [](std::string_view config) {
    return credentials_for(reference("ghcr.io/a"), config).error().message;
  };
  EXPECT_THAT(error("s3cret"), HasSubstr("not a JSON object"));
  EXPECT_THAT(error("s3cret"), Not(HasSubstr("s3cret")));
  EXPECT_THAT(error(R"({"auths": []})"), HasSubstr("`auths`"));
  EXPECT_THAT(error(R"({"auths": {"ghcr.io": {"auth": "s3cret!"}}})"), HasSubstr("not base64"));
  EXPECT_THAT(error(R"({"auths": {"ghcr.io": {"auth": "s3cret!"}}})"), Not(HasSubstr("s3cret")));
  EXPECT_THAT(error(R"({"auths": {"ghcr.io": {"identitytoken": "x"}}})"), HasSubstr("only a token"));
}

}  // namespace
}  // namespace sluice::wasm
