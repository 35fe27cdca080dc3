// Pulls images from registries by the OCI distribution protocol.
//
// Who may pull is asked of the registry with the source's own credentials, each time: as the registry wants
// it, that is by Basic or by a token from the service that its challenge names. Manifests and blobs are
// accepted only with the digest that they were asked for by.
//
// Registries are spoken to by https; only those on the loopback of this machine, without CA certificates, by
// http.
//
// Threads: as HttpSession.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wasm/content.h"
#include "wasm/failure.h"
#include "wasm/http.h"
#include "wasm/manifest.h"
#include "wasm/source.h"
#include "wasm/spool.h"

namespace sluice::wasm {

struct PulledImage {
  // Null where the reference still names the image of known_digest.
  std::optional<Spool> module;
  std::string digest;  // of the manifest or index that the reference names
};

// `folder` is for files on the way. With the `known_digest` of an earlier pull, an image that is still the
// same costs one HEAD.
Result<PulledImage> pull_image(HttpSession& session, const ImageSource& source, const std::string& folder,
                               const std::string& known_digest, const ContentLimits& content_limits,
                               const ManifestLimits& manifest_limits);

// One of those that WWW-Authenticate names (RFC 9110, 11.6.1).
struct Challenge {
  std::string scheme;                             // in lower case
  std::map<std::string, std::string> parameters;  // names in lower case

  bool operator==(const Challenge&) const = default;
};
std::vector<Challenge> parse_challenges(std::string_view header);

}  // namespace sluice::wasm
