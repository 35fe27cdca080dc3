// wasm_fetch FOLDER REFERENCE [DOCKER_CONFIG]: what a store with this cache makes of an image, as one line:
// "ready SHA256 PATH" or "failed REASON MESSAGE".
#include <fstream>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "base/loop.h"
#include "wasm/image_reference.h"
#include "wasm/source.h"
#include "wasm/store.h"

namespace {

using namespace sluice;

int report(const wasm::State& state) {
  if (const auto* ready = std::get_if<wasm::Ready>(&state)) {
    fmt::print("ready {} {}\n", ready->sha256, ready->path);
    return 0;
  }
  const auto* failed = std::get_if<wasm::Failed>(&state);
  if (failed == nullptr) return 2;
  fmt::print("failed {} {}\n", wasm::name_of(failed->failure.reason), failed->failure.message);
  return 1;
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  if (arguments.size() < 2 || arguments.size() > 3) return 2;
  wasm::ImageSource source{.reference = arguments[1]};
  if (arguments.size() == 3) {
    std::ifstream file(arguments[2]);
    const std::string config(std::istreambuf_iterator<char>(file), {});
    const auto reference = wasm::parse_image_reference(source.reference);
    auto credentials =
        reference ? wasm::credentials_for(*reference, config) : std::unexpected(reference.error());
    if (!credentials) return report(wasm::Failed{.failure = credentials.error()});
    source.credentials = std::move(*credentials);
  }

  Loop loop;
  auto store =
      wasm::open_store(loop, {.cache{.folder = arguments[0]}}, [&](const wasm::Source&) { loop.quit(); });
  if (!store) return report(wasm::Failed{.failure = store.error()});
  (*store)->want({source});
  if (std::holds_alternative<wasm::Pending>((*store)->state(source))) loop.run();
  return report((*store)->state(source));
}
