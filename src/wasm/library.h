// Libraries that are loaded when the first module is fetched: libcurl and libarchive bring thirty others
// along, which would cost a gateway without modules 9 MB and its start 10 ms.
//
// library.cc defines the functions of the two that are used here as calls of the loaded ones. Whoever calls
// them has seen load_curl() or load_archive() succeed.
//
// Threads: any.
#pragma once

#include <string>

namespace sluice::wasm {

// Empty, or why the library is not there. A failure is for good.
const std::string& load_curl();
const std::string& load_archive();

}  // namespace sluice::wasm
