#include "control/picker_config.h"

#include <utility>

#include <fmt/format.h>

#include "api/annotations.h"
#include "picker/config/config.h"
#include "translate/near.h"
#include "tree/parse.h"
#include "tree/write.h"

namespace sluice::control {
namespace {

// Adds what is wrong with the text of this key.
std::optional<std::string> read_text(const ObjectKey& map, const std::string& key, const std::string& text,
                                     std::vector<Problem>& problems) {
  const std::size_t first = problems.size();
  std::optional<std::string> json;
  const std::vector<Document> documents = parse(text, "", &problems);
  if (problems.size() == first && documents.size() != 1) {
    Problem& problem = problems.emplace_back();
    problem.code = "schema/required";
    problem.message = fmt::format("`{}` has {} documents, and not one EndpointPickerConfig", key,
                                  documents.empty() ? "no" : "several");
  } else if (problems.size() == first &&
             picker::read_profile(documents.front().tree, "", &problems).has_value()) {
    json = to_json(documents.front().tree);
  }
  for (std::size_t i = first; i < problems.size(); ++i) {
    Problem& problem = problems[i];
    const bool unread = problem.path.empty() && problem.where.line != 0;  // it is no YAML
    if (unread) problem.message += fmt::format(", in line {} of `{}`", problem.where.line, key);
    problem.object = map;
    problem.where = {};  // the source knows the place
    problem.path = fmt::format("data[{}]{}{}", key, problem.path.empty() ? "" : ".", problem.path);
  }
  return json;
}

}  // namespace

std::optional<PickerConfig> read_picker_config(const NamespacedName& name, const api::InferencePool& pool,
                                               const ConfigMaps& maps) {
  const auto named = pool.metadata.annotations.find(api::kPickerConfig);
  if (named == pool.metadata.annotations.end()) return std::nullopt;
  PickerConfig config;
  const auto tell = [&](Severity severity, std::string code, std::string message, std::string suggestion) {
    config.problems.push_back({.code = std::move(code),
                               .severity = severity,
                               .where = {},
                               .object = {.kind = api::kind_of<api::InferencePool>(), .name = name},
                               .path = fmt::format("metadata.annotations[{}]", api::kPickerConfig),
                               .message = std::move(message),
                               .suggestion = std::move(suggestion),
                               .also = {}});
  };
  if (pool.spec.endpoint_picker_ref) {
    tell(Severity::kWarning, "support/no-effect",
         "the pool has a picker of its own, which is not told how to decide",
         "remove the annotation, or `endpointPickerRef`");
    return config;
  }
  const ObjectKey key{.kind = api::kind_of<api::ConfigMap>(), .name = {name.namespace_, named->second}};
  const api::ConfigMap* map = maps.find(key.name);
  if (map == nullptr) {
    tell(Severity::kError, "reference/not-found", fmt::format("there is no {}", key.to_string()),
         maps.near(key.name));
  } else if (map->data.size() != 1) {
    std::vector<std::string> keys;
    for (const auto& [each, text] : map->data) keys.push_back(each);
    tell(Severity::kError, "reference/key",
         map->data.empty() ? fmt::format("{} has no key", key.to_string())
                           : fmt::format("{} has more than one key", key.to_string()),
         map->data.empty() ? "put the EndpointPickerConfig under a key, as `config.yaml`"
                           : fmt::format("leave the one with the EndpointPickerConfig: {}",
                                         translate::list_names("it has", keys)));
  } else {
    config.json = read_text(key, map->data.begin()->first, map->data.begin()->second, config.problems);
  }
  return config;
}

}  // namespace sluice::control
