#include "control/good_versions.h"

#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tree/parse.h"

namespace sluice::control {
namespace {

// Versions that save() writes at most; a few milliseconds.
constexpr int kSlice = 200;

std::string_view shown(const std::string& text) { return text.empty() ? std::string_view("-") : text; }

std::string line_key(const ObjectKey& key) {
  return fmt::format("{} {} {} {}", shown(key.kind.group()), key.kind.kind(), shown(key.name.namespace_),
                     key.name.name);
}

// The next word; takes it and the blank after it off.
std::string take_word(std::string_view& line) {
  const std::size_t end = line.find(' ');
  const std::string_view word = line.substr(0, end);
  line = end == std::string_view::npos ? std::string_view() : line.substr(end + 1);
  return word == "-" ? std::string() : std::string(word);
}

ObjectKey object_key(std::string_view line) {
  const std::string group = take_word(line);
  const std::string kind = take_word(line);
  std::string name_space = take_word(line);
  return {GroupKind(group, kind), {std::move(name_space), std::string(line)}};
}

}  // namespace

GoodVersions::GoodVersions(std::string file) : journal_(std::move(file)) {}

std::optional<api::Object> GoodVersions::find(const ObjectKey& key) const {
  if (const auto at = unsaved_.find(key); at != unsaved_.end()) return at->second;
  const std::optional<std::string> json = journal_.find(line_key(key));
  if (!json) return std::nullopt;
  std::vector<Problem> problems;
  for (const Document& document : parse(*json, "", &problems)) {
    api::ReadObject read = api::read_object(document.tree, api::Trust::kFromServer);
    if (read.bound && read.key == key) return std::move(read.bound->object);
  }
  return std::nullopt;  // another version of us wrote it
}

bool GoodVersions::holds(const ObjectKey& key, const api::Object& object) const {
  if (const auto at = unsaved_.find(key); at != unsaved_.end()) {
    return at->second && api::equal(*at->second, object);
  }
  return journal_.holds(line_key(key), api::write_object(object));
}

void GoodVersions::set(const ObjectKey& key, const api::Object& object) {
  if (std::holds_alternative<std::shared_ptr<const api::Secret>>(object)) return;
  unsaved_.insert_or_assign(key, object);
}

void GoodVersions::erase(const ObjectKey& key) { unsaved_.insert_or_assign(key, std::nullopt); }

void GoodVersions::keep_only(const std::function<bool(const ObjectKey&)>& wanted) {
  std::vector<ObjectKey> unwanted;
  for (const auto& [key, object] : unsaved_) {
    if (object && !wanted(key)) unwanted.push_back(key);
  }
  journal_.for_each_key([&](const std::string& line) {
    if (ObjectKey key = object_key(line); !wanted(key)) unwanted.push_back(std::move(key));
  });
  for (const ObjectKey& key : unwanted) erase(key);
}

bool GoodVersions::save() {
  for (int n = 0; n < kSlice && !unsaved_.empty(); ++n) {
    const auto& [key, object] = *unsaved_.begin();
    const bool saved =
        object ? journal_.set(line_key(key), api::write_object(*object)) : journal_.erase(line_key(key));
    if (!saved) return false;  // the next call tries again
    unsaved_.erase(unsaved_.begin());
  }
  return !unsaved_.empty();
}

}  // namespace sluice::control
