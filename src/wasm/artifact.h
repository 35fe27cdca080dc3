// What a source is to hold, which decides what of it is accepted (content.h) and how its file is called
// (cache.h).
//
// Threads: plain values.
#pragma once

#include <cstdint>

namespace sluice::wasm {

enum class Artifact : std::uint8_t {
  kWasm,     // a WebAssembly module, by itself or in an archive
  kLibrary,  // a shared library for this machine, by itself
};

}  // namespace sluice::wasm
