#include "wasm/registry.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wasm/digest.h"
#include "wasm/testing.h"

namespace sluice::wasm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Auth = TestRegistry::Auth;

class Pull : public testing::Test {
 protected:
  Result<PulledImage> pull(const ImageSource& source, const std::string& known_digest = "") {
    HttpSession session(http_, source.ca_pem, {});
    return pull_image(session, source, folder_.path(), known_digest, limits_, {});
  }
  // Of the module.
  std::string digest(const ImageSource& source) {
    const auto image = pull(source);
    return image ? image->module->sha256() : image.error().message;
  }
  Failure failure(const ImageSource& source) {
    const auto image = pull(source);
    return image ? Failure{} : image.error();
  }
  static ImageSource with_credentials(const TestRegistry& registry, const std::string& password) {
    return {.reference = registry.reference("team/filter:v1"),
            .credentials = Credentials{registry.host(), "tenant", password}};
  }

  Folder folder_;
  HttpLimits http_;
  ContentLimits limits_;
  const std::string module_ = module_bytes("filter");
  const std::string module_digest_ = sha256_of(module_);
};

TEST_F(Pull, AnArtifactIsPulledByTagAndByDigest) {
  TestRegistry registry;
  const auto image = registry.add_image("team/filter", "v1", module_);
  EXPECT_EQ(digest({.reference = registry.reference("team/filter:v1")}), module_digest_);
  EXPECT_EQ(digest({.reference = registry.reference("team/filter@sha256:" + image)}), module_digest_);
}

TEST_F(Pull, TheGivenAuthorityIsTrustedBesidesThoseOfTheSystem) {
  const Folder private_folder;
  const Folder public_folder;
  const Authority own(private_folder.path());
  const Authority everybodys(public_folder.path());
  http_.authorities = public_folder.path() + "/ca.pem";
  for (const Authority* of : {&own, &everybodys}) {
    TestRegistry registry(Auth::kBasic, of);
    registry.add_image("team/filter", "v1", module_);
    ImageSource source = with_credentials(registry, "s3cret");
    source.ca_pem = own.ca_pem;
    EXPECT_EQ(digest(source), module_digest_);
  }
}

TEST_F(Pull, AnImageOfDockerOrOciHoldsItInATarFile) {
  TestRegistry registry;
  registry.add_image("team/oci", "v1", tar_gz_of({{"plugin.wasm", module_}}),
                     "application/vnd.oci.image.layer.v1.tar+gzip");
  const auto layer = tar_gz_of({{"plugin.wasm", module_}});
  registry.add_blob(layer);
  registry.add_manifest(
      "team/docker", "v1",
      image_manifest({descriptor_of("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)},
                     "application/vnd.docker.distribution.manifest.v2+json"));
  EXPECT_EQ(digest({.reference = registry.reference("team/oci:v1")}), module_digest_);
  EXPECT_EQ(digest({.reference = registry.reference("team/docker:v1")}), module_digest_);
}

class PullFromIndex : public Pull {
 protected:
  PullFromIndex() {
    image_ = registry_.add_image("team/filter", "image", module_);
    index_ = registry_.add_manifest(
        "team/filter", "v1",
        fmt::format(
            R"({{"manifests": [{{"digest": "sha256:{}", "size": 1, "platform": {{"architecture": "wasm"}}}}]}})",
            image_));
  }
  ImageSource source(const std::string& sha256 = "") {
    return {.reference = registry_.reference("team/filter:v1"), .sha256 = sha256};
  }
  TestRegistry registry_;
  std::string image_;
  std::string index_;
};

TEST_F(PullFromIndex, AnIndexLeadsToItsImage) { EXPECT_EQ(digest(source()), module_digest_); }

TEST_F(PullFromIndex, TheDigestMayBeThatOfTheIndexOrOfTheImage) {
  EXPECT_EQ(digest(source(index_)), module_digest_);
  EXPECT_EQ(digest(source(image_)), module_digest_);
}

TEST_F(PullFromIndex, AnotherDigestIsRefusedWithBoth) {
  const std::string other = sha256_of("other");
  const auto error = failure(source(other));
  EXPECT_EQ(error.reason, Reason::kDigestMismatch);
  EXPECT_TRUE(error.of_sha256);
  EXPECT_THAT(error.message, HasSubstr(index_));
  EXPECT_THAT(error.message, HasSubstr(other));
}

TEST_F(Pull, AnIndexOfIndexesIsMalformed) {
  TestRegistry registry;
  const auto inner = registry.add_manifest("team/filter", "inner", R"({"manifests": []})");
  registry.add_manifest("team/filter", "v1",
                        fmt::format(R"({{"manifests": [{{"digest": "sha256:{}", "size": 1}}]}})", inner));
  EXPECT_THAT(failure({.reference = registry.reference("team/filter:v1")}).message,
              HasSubstr("lists an index"));
}

TEST_F(Pull, AnImageThatIsNotThereIsSaid) {
  const TestRegistry registry;
  const auto error = failure({.reference = registry.reference("team/filter:v1")});
  EXPECT_EQ(error.reason, Reason::kNotFound);
  EXPECT_THAT(error.message, HasSubstr("team/filter:v1"));
}

class PullWithRight : public Pull, public testing::WithParamInterface<Auth> {
 protected:
  PullWithRight() { registry_.add_image("team/filter", "v1", module_); }
  TestRegistry registry_{GetParam()};
};

TEST_P(PullWithRight, CredentialsGiveTheImage) {
  EXPECT_EQ(digest(with_credentials(registry_, "s3cret")), module_digest_);
}

TEST_P(PullWithRight, WrongCredentialsAreDenied) {
  const auto error = failure(with_credentials(registry_, "wr0ng"));
  EXPECT_EQ(error.reason, Reason::kUnauthorized);
  EXPECT_THAT(error.message, HasSubstr("denies"));
  EXPECT_THAT(error.message, Not(HasSubstr("wr0ng")));
}

TEST_P(PullWithRight, NoCredentialsAreAsked) {
  const auto error = failure({.reference = registry_.reference("team/filter:v1")});
  EXPECT_EQ(error.reason, Reason::kUnauthorized);
  EXPECT_THAT(error.message, HasSubstr("without credentials"));
}

TEST_P(PullWithRight, CredentialsOfAnotherRegistryAreNotSent) {
  ImageSource source = with_credentials(registry_, "s3cret");
  source.credentials->registry = "ghcr.io";
  EXPECT_EQ(failure(source).reason, Reason::kUnauthorized);
  for (const Received& request : registry_.requests()) EXPECT_EQ(request.header("authorization"), "");
}

TEST_P(PullWithRight, CredentialsAreNotSentBeforeTheyAreAskedFor) {
  digest(with_credentials(registry_, "s3cret"));
  EXPECT_EQ(registry_.requests().front().header("authorization"), "");
}

INSTANTIATE_TEST_SUITE_P(, PullWithRight, testing::Values(Auth::kBasic, Auth::kToken),
                         [](const auto& auth) { return auth.param == Auth::kBasic ? "Basic" : "Token"; });

TEST_F(Pull, ATokenIsAskedForOnceAndForThisRepository) {
  TestRegistry registry(Auth::kToken);
  registry.add_image("team/filter", "v1", module_);
  ASSERT_TRUE(pull(with_credentials(registry, "s3cret")));
  EXPECT_EQ(registry.count("GET /token?service=here&scope=repository%3Ateam%2Ffilter%3Apull"), 1);
}

TEST_F(Pull, ATokenServiceElsewhereWithoutTlsIsNotTrusted) {
  const TestServer server([](const Received&, Connection& connection) {
    connection.reply(401, "", "WWW-Authenticate: Bearer realm=\"http://203.0.113.1/token\"\r\n");
  });
  const auto error = failure(
      {.reference = server.host() + "/a", .credentials = Credentials{server.host(), "tenant", "s3cret"}});
  EXPECT_EQ(error.reason, Reason::kUnauthorized);
  EXPECT_THAT(error.message, HasSubstr("not reached by https"));
}

TEST_F(Pull, ARegistryOfThisHostThatMayWantTlsIsSaid) {
  const TestServer server([](const Received&, Connection& connection) { connection.reply(400, "", ""); });
  const auto error = failure({.reference = server.host() + "/a"});
  EXPECT_EQ(error.reason, Reason::kServer);
  EXPECT_THAT(error.message, HasSubstr("name its authority in `tls.caCertificateRef`"));
}

TEST_F(Pull, ALayerOfAnotherContentIsRefused) {
  TestRegistry registry;
  registry.add_image("team/filter", "v1", module_);
  const std::string other = module_bytes("evil-1");
  ASSERT_EQ(other.size(), module_.size());
  registry.lie_about_blob(module_digest_, other);
  const auto error = failure({.reference = registry.reference("team/filter:v1")});
  EXPECT_EQ(error.reason, Reason::kDigestMismatch);
  EXPECT_THAT(error.message, HasSubstr(sha256_of(other)));
}

TEST_F(Pull, ALayerLargerThanItsManifestSaysIsRefused) {
  TestRegistry registry;
  registry.add_image("team/filter", "v1", module_);
  registry.lie_about_blob(module_digest_, module_ + "more");
  EXPECT_EQ(failure({.reference = registry.reference("team/filter:v1")}).reason, Reason::kDigestMismatch);
}

TEST_F(Pull, ALayerBeyondTheLimitIsNotAskedFor) {
  TestRegistry registry;
  registry.add_image("team/filter", "v1", module_);
  limits_.max_bytes = 3;
  EXPECT_EQ(failure({.reference = registry.reference("team/filter:v1")}).reason, Reason::kTooLarge);
  EXPECT_EQ(registry.count("GET /v2/team/filter/blobs/"), 0);
}

TEST_F(Pull, AManifestOfAnotherDigestIsRefused) {
  const TestServer server([&](const Received&, Connection& connection) {
    connection.reply(200, image_manifest({descriptor_of("application/wasm", module_)}));
  });
  const auto error = failure({.reference = server.host() + "/a@sha256:" + sha256_of("other")});
  EXPECT_EQ(error.reason, Reason::kDigestMismatch);
  EXPECT_FALSE(error.of_sha256) << "it is the one in the image's name";
}

TEST_F(Pull, AnImageThatIsStillTheSameCostsOneHead) {
  TestRegistry registry;
  const auto known = registry.add_image("team/filter", "v1", module_);
  const auto image = pull({.reference = registry.reference("team/filter:v1")}, known);
  ASSERT_TRUE(image);
  EXPECT_FALSE(image->module);
  EXPECT_EQ(image->digest, known);
  EXPECT_EQ(registry.count(""), 1);
  EXPECT_EQ(registry.count("HEAD "), 1);
}

TEST_F(Pull, ATagThatMovedGivesTheNewModule) {
  TestRegistry registry;
  const auto known = registry.add_image("team/filter", "v1", module_);
  const auto moved = registry.add_image("team/filter", "v1", module_bytes("new"));
  const auto image = pull({.reference = registry.reference("team/filter:v1")}, known);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->digest, moved);
  EXPECT_EQ(image->module->sha256(), sha256_of(module_bytes("new")));
}

TEST_F(Pull, NothingIsLeftBehind) {
  TestRegistry registry;
  registry.add_image("team/filter", "v1", module_);
  digest({.reference = registry.reference("team/filter:v1")});
  registry.lie_about_blob(module_digest_, "x");
  failure({.reference = registry.reference("team/filter:v1")});
  EXPECT_THAT(folder_.files(), IsEmpty());
}

TEST(Challenges, AreReadWithTheirParameters) {
  EXPECT_THAT(
      parse_challenges(R"(Bearer realm="https://auth.example/token",service=here,scope="a:b,c")"),
      ElementsAre(Challenge{
          "bearer", {{"realm", "https://auth.example/token"}, {"service", "here"}, {"scope", "a:b,c"}}}));
}

TEST(Challenges, OneHeaderMayHaveSeveral) {
  EXPECT_THAT(parse_challenges(R"(Negotiate, Basic Realm = "a \"b\"", Bearer realm="c")"),
              ElementsAre(Challenge{"negotiate", {}}, Challenge{"basic", {{"realm", "a \"b\""}}},
                          Challenge{"bearer", {{"realm", "c"}}}));
}

TEST(Challenges, WhatBreaksTheGrammarIsPassedOver) {
  EXPECT_THAT(parse_challenges(""), IsEmpty());
  EXPECT_THAT(parse_challenges(R"(="x", Basic realm="open)"),
              testing::Contains(Challenge{"basic", {{"realm", "open"}}}));
}

}  // namespace
}  // namespace sluice::wasm
