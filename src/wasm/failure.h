// Why a module could not be had.
//
// The message is for whoever wrote the manifest: one sentence in lower case, without a full stop, and never
// with a secret in it. Of a URL it shows neither the user nor the query, for either may hold one.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace sluice::wasm {

enum class Reason : std::uint8_t {
  kInvalidSource,   // the source itself is no good, so that trying again would not help
  kUnreachable,     // no such host, nobody answers there, or the connection broke off
  kTimeout,         // it took too long
  kTls,             // no TLS connection, or a certificate that is not trusted
  kRefusedAddress,  // link-local, or of a cloud's metadata
  kRedirect,        // too many, or one that must not be followed
  kUnauthorized,    // credentials are missing or do not suffice
  kNotFound,        // the server knows no such file or image
  kServer,          // any other answer that is no success
  kTooLarge,        // beyond a limit
  kDigestMismatch,  // not the content that was asked for
  kNotModule,       // not a WebAssembly module, or not a shared library
  kMalformed,       // an image or archive that breaks its format
  kStorage,         // the cache is full, or its disk
  kCancelled,       // nobody wants it any more
};

// In kebab case, for the code of a Problem: "digest-mismatch".
std::string_view name_of(Reason reason);

struct Failure {
  Reason reason = Reason::kServer;
  std::string message;
  bool of_sha256 = false;  // of a digest: it is another than the source's `sha256`

  bool operator==(const Failure&) const = default;
};

template <typename T>
using Result = std::expected<T, Failure>;

inline std::unexpected<Failure> fail(Reason reason, std::string message) {
  return std::unexpected(Failure{reason, std::move(message)});
}

}  // namespace sluice::wasm
