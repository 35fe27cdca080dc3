// Any bytes as what a server sends for a module, archives among them: what is accepted is a module and no
// larger than it may be, and no file stays behind. The same for a shared library.
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "fuzz.h"
#include "text.h"
#include "wasm/content.h"
#include "wasm/digest.h"

namespace sluice::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr wasm::ContentLimits kLimits{.max_bytes = 2U << 20U, .max_ratio = 100, .max_entries = 8};

// For files on the way. It goes with the program.
const std::string& folder() {
  static const auto* const path = [] {
    std::string name = (fs::temp_directory_path() / "sluice-fuzz-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    return new std::string(std::move(name));
  }();
  static const int registered = std::atexit([] {
    std::error_code ignored;
    fs::remove_all(*path, ignored);
  });
  require(registered == 0, "the folder goes with the program");
  return *path;
}

void read(std::string_view bytes) {
  wasm::Result<wasm::Spool> download = wasm::Spool::create(folder());
  require(download.has_value() && download->append(bytes).has_value(), "a download is written");
  const bool is_module = wasm::recognise(download->head()) == wasm::Content::kModule;

  const wasm::Result<wasm::Spool> module =
      wasm::module_in(*std::move(download), wasm::Artifact::kWasm, folder(), kLimits);
  if (!module) {
    require(!is_module, "a module is one");
    const std::string& message = module.error().message;
    require(!message.empty() && is_readable(message), "a failure can be read", message);
    return;
  }
  require(wasm::recognise(module->head()) == wasm::Content::kModule, "what is accepted is a module");
  require(module->size() <= kLimits.max_bytes, "what is too large is refused");
  if (is_module) require(module->sha256() == wasm::sha256_of(bytes), "a module stays as it is");
}

// As a shared library: nothing is unpacked, and nothing is taken that is no ELF file.
void read_library(std::string_view bytes) {
  wasm::Result<wasm::Spool> download = wasm::Spool::create(folder());
  require(download.has_value() && download->append(bytes).has_value(), "a download is written");
  const wasm::Result<wasm::Spool> library =
      wasm::module_in(*std::move(download), wasm::Artifact::kLibrary, folder(), kLimits);
  if (!library) {
    const std::string& message = library.error().message;
    require(!message.empty() && is_readable(message), "a failure can be read", message);
    return;
  }
  require(wasm::recognise(library->head()) == wasm::Content::kElf, "what is accepted is of ELF");
  require(library->sha256() == wasm::sha256_of(bytes), "a library stays as it is");
}

void run(std::string_view bytes) {
  read(bytes);
  read_library(bytes);
  require(fs::is_empty(folder()), "no file stays behind");
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::fuzz::Watch watch;
  sluice::fuzz::run(sluice::fuzz::text_of(data, size));
  return 0;
}
