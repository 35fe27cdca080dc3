#include "wasm/manifest.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "base/quote.h"
#include "wasm/digest.h"

namespace sluice::wasm {
namespace {

using nlohmann::json;

constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

constexpr std::array<std::string_view, 3> kWasmLayers{"application/vnd.module.wasm.content.layer.v1+wasm",
                                                      "application/vnd.wasm.content.layer.v1+wasm",
                                                      "application/wasm"};
constexpr std::array<std::string_view, 5> kTarLayers{
    "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar"};

bool is_one_of(std::string_view type, const auto& types) {
  return std::ranges::find(types, type) != types.end();
}

std::unexpected<Failure> malformed(std::string_view why) {
  return fail(Reason::kMalformed, fmt::format("the image's manifest is malformed: {}", why));
}

Result<Blob> blob_of(const json& value) {
  if (!value.is_object()) return malformed("a descriptor is not an object");
  Blob blob{.media_type = string_at(value, "mediaType")};
  const std::string digest = string_at(value, "digest");
  if (!digest.starts_with("sha256:") || !is_sha256(std::string_view(digest).substr(7))) {
    return malformed("a descriptor has no digest by SHA-256");
  }
  blob.digest = digest.substr(7);
  const auto size = value.find("size");
  if (size == value.end() || !size->is_number_unsigned()) return malformed("a descriptor has no size");
  blob.size = size->get<std::uint64_t>();
  return blob;
}

Result<PlatformImage> platform_image_of(const json& value) {
  auto blob = blob_of(value);
  if (!blob) return std::unexpected(blob.error());
  PlatformImage image{.manifest = std::move(*blob)};
  if (const auto platform = value.find("platform"); platform != value.end() && platform->is_object()) {
    image.os = string_at(*platform, "os");
    image.architecture = string_at(*platform, "architecture");
  }
  return image;
}

// Each element of the array `name`; no array is an empty one only where that is allowed.
template <typename T>
Result<std::vector<T>> list_of(const json& object, const char* name, std::size_t limit,
                               Result<T> (*element_of)(const json&)) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return malformed(fmt::format("it has no list `{}`", name));
  if (found->size() > limit) {
    return fail(Reason::kTooLarge, fmt::format("the image's manifest has more than {} `{}`", limit, name));
  }
  std::vector<T> result;
  for (const json& value : *found) {
    auto element = element_of(value);
    if (!element) return std::unexpected(element.error());
    result.push_back(std::move(*element));
  }
  return result;
}

}  // namespace

std::vector<std::string> manifest_media_types() {
  std::vector<std::string> types;
  for (const auto type : {kOciManifest, kOciIndex, kDockerManifest, kDockerList}) types.emplace_back(type);
  return types;
}

Result<Manifest> parse_manifest(std::string_view text, const ManifestLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return fail(Reason::kTooLarge,
                fmt::format("the image's manifest is larger than the limit of {} bytes", limits.max_bytes));
  }
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return malformed("it is not a JSON object");
  if (const auto version = object.find("schemaVersion"); version != object.end() && *version == 1) {
    return malformed("it is of Docker's schema 1, which registries gave up; push the image again");
  }
  const std::string type = string_at(object, "mediaType");
  Manifest manifest{.index = type == kOciIndex || type == kDockerList ||
                             (type.empty() && object.contains("manifests") && !object.contains("layers"))};
  if (manifest.index) {
    auto images = list_of(object, "manifests", limits.max_images, &platform_image_of);
    if (!images) return std::unexpected(images.error());
    manifest.images = std::move(*images);
  } else {
    auto layers = list_of(object, "layers", limits.max_layers, &blob_of);
    if (!layers) return std::unexpected(layers.error());
    manifest.layers = std::move(*layers);
  }
  return manifest;
}

Result<Blob> choose_image(const Manifest& index) {
  const auto rank = [](const PlatformImage& image) {
    if (image.architecture == "wasm" || image.os.starts_with("wasi")) return 0;
    if (image.os == "linux" && image.architecture == "amd64") return 1;
    // What builders attach to images, as their provenance, is for "unknown".
    return image.os == "unknown" ? 3 : 2;
  };
  const auto best = std::ranges::min_element(index.images, {}, rank);
  if (best == index.images.end() || rank(*best) == 3) {
    return fail(Reason::kNotModule, "the index of the image lists no image");
  }
  return best->manifest;
}

Result<Blob> choose_layer(const Manifest& image) {
  std::vector<Blob> modules;
  std::ranges::copy_if(image.layers, std::back_inserter(modules),
                       [](const Blob& layer) { return is_one_of(layer.media_type, kWasmLayers); });
  if (modules.size() > 1) {
    return fail(Reason::kNotModule, fmt::format("the image has {} modules; one is needed", modules.size()));
  }
  if (modules.size() == 1) return modules.front();
  if (image.layers.empty()) return fail(Reason::kNotModule, "the image has no layers");
  const Blob& last = image.layers.back();
  if (is_one_of(last.media_type, kTarLayers)) return last;
  return fail(Reason::kNotModule,
              fmt::format("the image holds no WebAssembly module: its last layer is of the type {}; {} or a "
                          "layer with `plugin.wasm` are understood",
                          quote(last.media_type), kWasmLayers.front()));
}

}  // namespace sluice::wasm
