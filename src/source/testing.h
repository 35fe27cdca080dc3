// For the tests of this folder: texts of objects, and what a source has handed out.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "source/source.h"

namespace sluice::source {

// ConfigMap default/<name> with data.value.
inline std::string config_map(std::string_view name, std::string_view value = "1") {
  return fmt::format("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\ndata:\n  value: \"{}\"\n", name,
                     value);
}

// One that the schema refuses.
inline std::string bad_config_map(std::string_view name) {
  return fmt::format("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\ndata:\n  value: {{}}\n", name);
}

inline ObjectKey config_map_key(std::string_view name) {
  return {GroupKind("", "ConfigMap"), {"default", std::string(name)}};
}

// The objects of a source as "name=value", by name.
class World {
 public:
  void apply(const Batch& batch) {
    for (const api::BoundObject& object : batch.upserted) {
      const auto* const map = std::get_if<std::shared_ptr<const api::ConfigMap>>(&object.object);
      objects_[object.key] = map == nullptr ? object.key.kind.kind() : (*map)->data.find("value")->second;
    }
    for (const ObjectKey& key : batch.deleted) objects_.erase(key);
    problems_ = batch.problems;
  }

  // "a=1 b=2".
  std::string objects() const {
    std::string text;
    for (const auto& [key, value] : objects_) {
      text += fmt::format("{}{}={}", text.empty() ? "" : " ", key.name.name, value);
    }
    return text;
  }
  const std::vector<Problem>& problems() const { return problems_; }
  // "code file:line:column", one a line.
  std::string places() const {
    std::string text;
    for (const Problem& problem : problems_) {
      text += fmt::format("{} {}:{}:{}\n", problem.code, problem.where.file, problem.where.line,
                          problem.where.column);
    }
    return text;
  }

  bool operator==(const World&) const = default;

 private:
  std::map<ObjectKey, std::string> objects_;
  std::vector<Problem> problems_;
};

}  // namespace sluice::source
