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

std::vector<std::string> LastGood::files() const {
  std::vector<std::string> files;
  journal_.for_each_key([&files](const std::string& file) { files.push_back(file); });
  return files;
}

std::optional<LoadedFile> LastGood::load(const std::string& file) const {
  std::optional<std::string> found = journal_.find(file);
  if (!found) return std::nullopt;
  const auto text = std::make_shared<const std::string>(*std::move(found));
  return LoadedFile{.file = file, .text = text, .manifest = read_manifest(*text, file)};
}

}  // namespace sluice::source
