// What was downloaded: recognised by its first bytes, and accepted only where it is what its source is to
// hold (artifact.h). A WebAssembly module may be in an archive, and is unpacked.
//
// An archive is a tar file, a gzip or Zstandard stream, or both in one. Of a tar file the module is
// `plugin.wasm`, in whatever folder, or else its only `*.wasm`.
//
// A shared library is accepted where it is of ELF, for the processor that this program is built for, and
// whole: one that is cut off would not fail to load, it would end Envoy.
//
// Threads: pure functions but for the files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wasm/artifact.h"
#include "wasm/failure.h"
#include "wasm/spool.h"

namespace sluice::wasm {

struct ContentLimits {
  std::uint64_t max_bytes = 256U << 20U;  // of a module, of what is downloaded, and of an archive unpacked
  std::uint64_t max_ratio = 200;          // unpacked to packed, beyond the first MiB
  std::size_t max_entries = 10'000;       // of an archive
};

enum class Content : std::uint8_t {
  kModule,
  kComponent,     // of the component model
  kOtherVersion,  // WebAssembly, of a version that Envoy does not know
  kGzip,
  kZstandard,
  kTar,
  kHtml,
  kJson,
  kElf,     // a program or library for a processor
  kNative,  // the same, of other systems than this
  kText,
  kEmpty,
  kUnknown,
};

// By the first bytes; a KiB is enough.
Content recognise(std::string_view head);

// The module that a download is or holds. `folder` is for the file that it is unpacked to.
Result<Spool> module_in(Spool download, Artifact artifact, const std::string& folder,
                        const ContentLimits& limits);

}  // namespace sluice::wasm
