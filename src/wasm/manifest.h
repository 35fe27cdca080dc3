// Manifests and indexes of images, in Docker's and OCI's media types, and what is chosen of them.
//
// Of an index it is the image for WebAssembly (architecture "wasm" or an operating system of "wasi…"); else
// that for linux/amd64, which is what other implementations take; else the first that is for any platform at
// all.
//
// Of an image it is its layer of a Wasm media type, or else the last layer, which has to be a tar file.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wasm/failure.h"

namespace sluice::wasm {

struct ManifestLimits {
  std::size_t max_bytes = 4U << 20U;
  std::size_t max_layers = 128;
  std::size_t max_images = 1'024;  // of an index
};

// A part of an image, by its digest.
struct Blob {
  std::string media_type;
  std::string digest;  // 64 digits
  std::uint64_t size = 0;

  bool operator==(const Blob&) const = default;
};

struct PlatformImage {
  Blob manifest;
  std::string os;
  std::string architecture;

  bool operator==(const PlatformImage&) const = default;
};

struct Manifest {
  bool index = false;
  std::vector<PlatformImage> images;  // of an index
  std::vector<Blob> layers;           // of an image
};

// The media types that we ask for, as values of Accept headers.
std::vector<std::string> manifest_media_types();

Result<Manifest> parse_manifest(std::string_view json, const ManifestLimits& limits);
Result<Blob> choose_image(const Manifest& index);
Result<Blob> choose_layer(const Manifest& image);

}  // namespace sluice::wasm
