// Where a module comes from, as the user wrote it.
//
// Threads: plain values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "wasm/artifact.h"
#include "wasm/failure.h"
#include "wasm/image_reference.h"

namespace sluice::wasm {

// Whether a source is looked at again, whose content may change under its name. One with a digest never is.
enum class PullPolicy : std::uint8_t {
  kIfNotPresent,
  kAlways,  // with every start, and then at an interval
};

struct HttpSource {
  std::string url;     // http or https
  std::string sha256;  // of the module, 64 digits; empty: any content
  PullPolicy pull_policy = PullPolicy::kIfNotPresent;
  std::string ca_pem;  // authorities that are trusted besides those of the system
  Artifact artifact = Artifact::kWasm;

  bool operator==(const HttpSource&) const = default;
};

// Is sent to this registry, and to the token service that it names, and nowhere else.
struct Credentials {
  std::string registry;  // as in ImageReference
  std::string user;
  std::string password;

  bool operator==(const Credentials&) const = default;
};

// Of a WebAssembly module.
struct ImageSource {
  std::string reference;  // see image_reference.h
  std::optional<Credentials> credentials;
  std::string sha256;  // of the image: the digest of its manifest or index; empty: any
  PullPolicy pull_policy = PullPolicy::kIfNotPresent;
  std::string ca_pem;  // as in HttpSource

  bool operator==(const ImageSource&) const = default;
};

using Source = std::variant<HttpSource, ImageSource>;

// A name for what is fetched and with which right, stable over restarts: two sources of one key are one. It
// is a hash, credentials included, so it gives no secret away. The pull policy is not part of it.
std::string key_of(const Source& source);
// For messages and logs: the complete reference, or the URL without user and query.
std::string text_of(const Source& source);

Artifact artifact_of(const Source& source);

// What is wrong with it, as far as that can be seen without asking anybody.
Result<void> check(const Source& source);
// Whether the content can change under the name and is to be looked at again.
bool may_move(const Source& source);

// What applies where the user names no policy: kAlways for images of the tag "latest".
PullPolicy default_pull_policy(std::string_view reference);

// The credentials for an image in a `.dockerconfigjson`, by the longest entry that is a prefix of its name;
// null where there are none for its registry.
Result<std::optional<Credentials>> credentials_for(const ImageReference& reference,
                                                   std::string_view docker_config_json);

// Without user, query and fragment, for either may hold a secret; in ASCII, and cut where it is long.
std::string url_for_display(std::string_view url);

}  // namespace sluice::wasm
