// One fetch: a source is asked for its module, on the thread of whoever calls.
//
// Threads: any; calls share nothing.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "wasm/content.h"
#include "wasm/failure.h"
#include "wasm/http.h"
#include "wasm/manifest.h"
#include "wasm/source.h"
#include "wasm/spool.h"

namespace sluice::wasm {

struct FetchLimits {
  HttpLimits http;
  ContentLimits content;
  ManifestLimits manifest;
};

struct Fetched {
  std::optional<Spool> module;  // null: still what the revision was given for
  // What is cheap to ask about later: the digest of an image, the ETag of a file; empty where there is none.
  std::string revision;
};

// `folder` is for files on the way.
Result<Fetched> fetch(const Source& source, const std::string& known_revision, const std::string& folder,
                      const FetchLimits& limits, const std::stop_token& stop);

}  // namespace sluice::wasm
