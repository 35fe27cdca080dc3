// Any bytes as what a registry says an image is: what is chosen of it is one of its parts, known by a digest,
// and no more is taken of it than may be.
#include <algorithm>

#include "fuzz.h"
#include "text.h"
#include "wasm/digest.h"
#include "wasm/manifest.h"

namespace sluice::fuzz {
namespace {

using wasm::Blob;

constexpr wasm::ManifestLimits kLimits{.max_bytes = 2'000, .max_layers = 3, .max_images = 4};

void require_words(const wasm::Failure& failure) {
  require(!failure.message.empty() && is_readable(failure.message), "a failure can be read", failure.message);
}

void require_blob(const Blob& blob) {
  require(wasm::is_sha256(blob.digest), "parts are known by digests", blob.digest);
}

void require_chosen(const wasm::Result<Blob>& chosen, const std::vector<Blob>& blobs) {
  if (!chosen) return require_words(chosen.error());
  require(std::ranges::find(blobs, *chosen) != blobs.end(), "what is chosen is a part", chosen->digest);
}

void run(std::string_view text) {
  const wasm::Result<wasm::Manifest> manifest = wasm::parse_manifest(text, kLimits);
  if (!manifest) return require_words(manifest.error());
  require(text.size() <= kLimits.max_bytes, "what is too large is refused");
  require(manifest->layers.size() <= kLimits.max_layers && manifest->images.size() <= kLimits.max_images,
          "what has too many parts is refused");
  require(manifest->index ? manifest->layers.empty() : manifest->images.empty(),
          "it is an index or an image");

  std::vector<Blob> images;
  for (const wasm::PlatformImage& image : manifest->images) images.push_back(image.manifest);
  for (const std::vector<Blob>& blobs : {images, manifest->layers})
    std::ranges::for_each(blobs, require_blob);
  require_chosen(wasm::choose_image(*manifest), images);
  require_chosen(wasm::choose_layer(*manifest), manifest->layers);
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::fuzz::Watch watch;
  sluice::fuzz::run(sluice::fuzz::text_of(data, size));
  return 0;
}
