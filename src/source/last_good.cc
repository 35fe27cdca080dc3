#include "source/last_good.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace sluice::source {

bool LastGood::is_good(const LoadedFile& loaded) {
  return loaded.manifest && std::ranges::none_of(loaded.manifest->problems, [](const Problem& problem) {
           return problem.severity == Severity::kError;
         });
}

bool LastGood::has_secret(const LoadedFile& loaded) {
  return loaded.manifest && std::ranges::any_of(loaded.manifest->objects, [](const Manifest::Object& object) {
           return object.key.kind == api::kind_of<api::Secret>();
         });
}

std::vector<std::string> LastGood::files() const {
  std::vector<std::string> files;
  journal_.for_each_key([&files](const std::string& file) { files.push_back(file); });
  return files;
}

std::optional<LoadedFile> LastGood::load(const std::string& file) const {
  std::optional<std::string> found = journal_.find(file);
  if (!found) return std::nullopt;
  const auto text = std::make_shared<const std::string>(*std::move(found));
  return LoadedFile{.file = file, .text = text, .keep = true, .manifest = read_manifest(*text, file)};
}

}  // namespace sluice::source
