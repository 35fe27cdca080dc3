// The name of an image, as users write it:
//
//   [oci://][registry/]repository[:tag][@sha256:digest]
//
// Names are completed as Docker completes them: the registry is docker.io where the first part does not look
// like a host (no dot, no colon, not "localhost"), official images of docker.io are in "library/", and the
// tag is "latest" where there is neither tag nor digest. With both, the digest decides.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "wasm/failure.h"

namespace sluice::wasm {

struct ImageReference {
  std::string registry;    // "docker.io", "ghcr.io", "localhost:5000", "[::1]:5000"
  std::string repository;  // "library/nginx"
  std::string tag;         // empty where only a digest is given
  std::string digest;      // 64 digits, or empty

  bool operator==(const ImageReference&) const = default;

  // The complete name; reading it again gives the same.
  std::string text() const;
  // What a manifest is asked for by: "sha256:…" or the tag.
  std::string selector() const { return digest.empty() ? tag : "sha256:" + digest; }
};

Result<ImageReference> parse_image_reference(std::string_view text);

// One name for each registry: those that docker.io goes by are "docker.io".
std::string canonical_registry(std::string_view registry);

}  // namespace sluice::wasm
