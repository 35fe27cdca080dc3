#include "wasm/manifest.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wasm/digest.h"
#include "wasm/testing.h"

namespace sluice::wasm {
namespace {

using testing::HasSubstr;

constexpr std::string_view kWasmLayer = "application/vnd.module.wasm.content.layer.v1+wasm";
constexpr std::string_view kOciTar = "application/vnd.oci.image.layer.v1.tar+gzip";
constexpr std::string_view kDockerTar = "application/vnd.docker.image.rootfs.diff.tar.gzip";

std::string index_of(const std::vector<std::pair<std::string, std::string>>& platforms) {
  std::string images;
  for (const auto& [os, architecture] : platforms) {
    if (!images.empty()) images += ", ";
    images += fmt::format(
        R"({{"digest": "sha256:{}", "size": 1, "platform": {{"os": "{}", "architecture": "{}"}}}})",
        sha256_of(os + "/" + architecture), os, architecture);
  }
  return fmt::format(R"({{"schemaVersion": 2, "manifests": [{}]}})", images);
}

// "linux/amd64" of those that an index has, or what is wrong.
std::string chosen(const std::vector<std::pair<std::string, std::string>>& platforms) {
  const auto index = parse_manifest(index_of(platforms), {});
  if (!index) return index.error().message;
  const auto image = choose_image(*index);
  if (!image) return image.error().message;
  for (const auto& [os, architecture] : platforms) {
    if (sha256_of(os + "/" + architecture) == image->digest) return os + "/" + architecture;
  }
  return "";
}

// The media type of the layer that is chosen, or what is wrong.
std::string layer_of(const std::vector<std::string_view>& types) {
  std::vector<std::string> layers;
  for (const auto type : types) layers.push_back(descriptor_of(std::string(type), "x"));
  const auto manifest = parse_manifest(image_manifest(layers), {});
  if (!manifest) return manifest.error().message;
  const auto layer = choose_layer(*manifest);
  return layer ? layer->media_type : layer.error().message;
}

Failure failure(std::string_view json, const ManifestLimits& limits = {}) {
  const auto manifest = parse_manifest(json, limits);
  return manifest ? Failure{} : manifest.error();
}

TEST(Index, TheImageForWebAssemblyIsChosenFirst) {
  EXPECT_EQ(chosen({{"linux", "amd64"}, {"wasip1", "wasm"}}), "wasip1/wasm");
  EXPECT_EQ(chosen({{"linux", "amd64"}, {"js", "wasm"}}), "js/wasm");
}

TEST(Index, ThenThatForAmd64ThenTheFirst) {
  EXPECT_EQ(chosen({{"linux", "arm64"}, {"linux", "amd64"}}), "linux/amd64");
  EXPECT_EQ(chosen({{"linux", "arm64"}, {"linux", "s390x"}}), "linux/arm64");
}

TEST(Index, AttachmentsOfBuildersAreNoImages) {
  EXPECT_EQ(chosen({{"unknown", "unknown"}, {"linux", "arm64"}}), "linux/arm64");
  EXPECT_THAT(chosen({{"unknown", "unknown"}}), HasSubstr("lists no image"));
  EXPECT_THAT(chosen({}), HasSubstr("lists no image"));
}

TEST(Index, DockersListIsOne) {
  const auto list = parse_manifest(
      R"({"mediaType": "application/vnd.docker.distribution.manifest.list.v2+json", "manifests": []})", {});
  ASSERT_TRUE(list);
  EXPECT_TRUE(list->index);
}

TEST(Layer, TheLayerOfAWasmTypeIsChosen) {
  EXPECT_EQ(layer_of({"application/vnd.module.wasm.config.v1+json", kWasmLayer}), kWasmLayer);
  EXPECT_EQ(layer_of({"application/wasm"}), "application/wasm");
  EXPECT_EQ(layer_of({kWasmLayer, kOciTar}), kWasmLayer);
}

TEST(Layer, ElseTheLastOneIfItIsATarFile) {
  EXPECT_EQ(layer_of({kOciTar}), kOciTar);
  EXPECT_EQ(layer_of({kOciTar, kDockerTar}), kDockerTar);
}

TEST(Layer, WhatHoldsNoModuleIsNamed) {
  EXPECT_THAT(layer_of({}), HasSubstr("has no layers"));
  EXPECT_THAT(layer_of({"text/plain"}), HasSubstr("of the type `text/plain`"));
  EXPECT_THAT(layer_of({kWasmLayer, kWasmLayer}), HasSubstr("has 2 modules"));
}

TEST(Manifest, BreakingTheFormatIsMalformed) {
  for (const auto* json :
       {"", "[]", "<html>", "{}", R"({"layers": 1})", R"({"layers": [1]})", R"({"layers": [{}]})",
        R"({"layers": [{"digest": "sha256:12", "size": 1}]})", R"({"schemaVersion": 1, "fsLayers": []})"}) {
    EXPECT_EQ(failure(json).reason, Reason::kMalformed) << json;
  }
  EXPECT_THAT(failure(R"({"schemaVersion": 1})").message, HasSubstr("schema 1"));
}

TEST(Manifest, ANegativeSizeIsMalformed) {
  const auto json = fmt::format(R"({{"layers": [{{"digest": "sha256:{}", "size": -1}}]}})", sha256_of(""));
  EXPECT_THAT(failure(json).message, HasSubstr("no size"));
}

TEST(Manifest, DeepNestingIsMalformedAndNoMore) {
  EXPECT_EQ(failure(std::string(1'000'000, '[')).reason, Reason::kMalformed);
  EXPECT_EQ(failure(std::string(1'000'000, '[') + std::string(1'000'000, ']')).reason, Reason::kMalformed);
}

TEST(Manifest, HasLimits) {
  EXPECT_EQ(failure(index_of({{"a", "b"}}), {.max_bytes = 10}).reason, Reason::kTooLarge);
  EXPECT_EQ(failure(index_of({{"a", "b"}, {"c", "d"}}), {.max_images = 1}).reason, Reason::kTooLarge);
  const auto layer = descriptor_of("x", "y");
  EXPECT_EQ(failure(image_manifest({layer, layer}), {.max_layers = 1}).reason, Reason::kTooLarge);
}

}  // namespace
}  // namespace sluice::wasm
