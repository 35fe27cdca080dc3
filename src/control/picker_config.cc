#include "control/picker_config.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "api/annotations.h"
#include "base/quote.h"
#include "picker/answers.h"
#include "picker/config/config.h"
#include "picker/sources.h"
#include "translate/near.h"
#include "tree/parse.h"
#include "tree/write.h"

namespace sluice::control {
namespace {

// Values of api::kPickerAnswers.
constexpr std::string_view kAsNeeded = "as-needed";
constexpr std::string_view kHeaders = "headers";

ir::AnswersShown shown(picker::Answers needed) {
  switch (needed) {
    case picker::Answers::kNone:
      return ir::AnswersShown::kNone;
    case picker::Answers::kHeaders:
      return ir::AnswersShown::kHeaders;
    case picker::Answers::kBodies:
      return ir::AnswersShown::kAll;
  }
  return ir::AnswersShown::kAll;
}

class Reader {
 public:
  Reader(const NamespacedName& name, const api::InferencePool& pool, const ConfigMaps& maps)
      : name_(name), pool_(pool), maps_(maps), ours_(!pool.spec.endpoint_picker_ref) {}

  std::optional<PickerConfig> read() {
    const std::string* config = annotation(api::kPickerConfig);
    const std::string* metrics = annotation(api::kPickerMetrics);
    const std::string* answers = annotation(api::kPickerAnswers);
    if (config == nullptr && metrics == nullptr && answers == nullptr) return std::nullopt;
    picker::Config decides{.profile = picker::default_profile(), .metrics = {}, .models = {}};
    if (config != nullptr) read_config(*config, decides);
    if (metrics != nullptr) read_metrics(*metrics, decides.metrics.has_value());
    // The one that is in force in the place of a bad one is unknown here.
    if (ours_ && made_.json) made_.answers = shown(picker::needed_answers(decides.profile));
    if (answers != nullptr) read_answers(*answers);
    return std::move(made_);
  }

 private:
  const std::string* annotation(std::string_view name) const {
    const auto at = pool_.metadata.annotations.find(name);
    return at == pool_.metadata.annotations.end() ? nullptr : &at->second;
  }

  void tell(std::string_view annotation, Severity severity, std::string code, std::string message,
            std::string suggestion) {
    made_.problems.push_back({.code = std::move(code),
                              .severity = severity,
                              .where = {},
                              .object = {.kind = api::kind_of<api::InferencePool>(), .name = name_},
                              .path = fmt::format("metadata.annotations[{}]", annotation),
                              .message = std::move(message),
                              .suggestion = std::move(suggestion),
                              .also = {}});
  }

  void read_config(const std::string& named, picker::Config& decides) {
    made_.json.reset();
    if (!ours_) {
      tell(api::kPickerConfig, Severity::kWarning, "support/no-effect",
           "the pool has a picker of its own, which is not told how to decide",
           "remove the annotation, or `endpointPickerRef`");
      return;
    }
    const ObjectKey key{.kind = api::kind_of<api::ConfigMap>(), .name = {name_.namespace_, named}};
    const api::ConfigMap* map = maps_.find(key.name);
    if (map == nullptr) {
      tell(api::kPickerConfig, Severity::kError, "reference/not-found",
           fmt::format("there is no {}", key.to_string()), maps_.near(key.name));
    } else if (map->data.size() != 1) {
      std::vector<std::string> keys;
      for (const auto& [each, text] : map->data) keys.push_back(each);
      tell(api::kPickerConfig, Severity::kError, "reference/key",
           map->data.empty() ? fmt::format("{} has no key", key.to_string())
                             : fmt::format("{} has more than one key", key.to_string()),
           map->data.empty() ? "put the EndpointPickerConfig under a key, as `config.yaml`"
                             : fmt::format("leave the one with the EndpointPickerConfig: {}",
                                           translate::list_names("it has", keys)));
    } else {
      read_text(key, map->data.begin()->first, map->data.begin()->second, decides);
    }
  }

  // What is wrong with the text of this key is one of the ConfigMap.
  void read_text(const ObjectKey& map, const std::string& key, const std::string& text,
                 picker::Config& decides) {
    std::vector<Problem>& problems = made_.problems;
    const std::size_t first = problems.size();
    const std::vector<Document> documents = parse(text, "", &problems);
    if (problems.size() == first && documents.size() != 1) {
      Problem& problem = problems.emplace_back();
      problem.code = "schema/required";
      problem.message = fmt::format("`{}` has {} documents, and not one EndpointPickerConfig", key,
                                    documents.empty() ? "no" : "several");
    } else if (problems.size() == first) {
      if (auto read = picker::read_config(documents.front().tree, "", &problems)) {
        decides = *std::move(read);
        made_.json = to_json(documents.front().tree);
      }
    }
    for (std::size_t i = first; i < problems.size(); ++i) {
      Problem& problem = problems[i];
      const bool unread = problem.path.empty() && problem.where.line != 0;  // it is no YAML
      if (unread) problem.message += fmt::format(", in line {} of `{}`", problem.where.line, key);
      problem.object = map;
      problem.where = {};  // the source knows the place
      problem.path = fmt::format("data[{}]{}{}", key, problem.path.empty() ? "" : ".", problem.path);
    }
  }

  void read_metrics(const std::string& text, bool by_config) {
    if (!ours_) {
      tell(api::kPickerMetrics, Severity::kWarning, "support/no-effect",
           "the pool has a picker of its own, which is not told where metrics are",
           "remove the annotation, or `endpointPickerRef`");
    } else if (by_config) {
      tell(api::kPickerMetrics, Severity::kWarning, "support/no-effect",
           "the pool's config says where metrics are, by its `metrics-data-source`",
           "remove the annotation, or the plugin");
    } else if (auto source = picker::parse_source(text); !source) {
      tell(api::kPickerMetrics, Severity::kWarning, source.error().code,
           source.error().message + ": they are asked for at `/metrics`", source.error().suggestion);
    } else {
      made_.metrics = text;
    }
  }

  void read_answers(const std::string& text) {
    if (text == kHeaders) {
      made_.reads_answers = false;
      if (made_.answers == ir::AnswersShown::kAll) made_.answers = ir::AnswersShown::kHeaders;
    } else if (text != kAsNeeded) {
      std::string near = translate::near_among(text, {kAsNeeded, kHeaders});
      if (near.empty()) near = fmt::format("write `{}` or `{}`", kAsNeeded, kHeaders);
      tell(api::kPickerAnswers, Severity::kWarning, "value/picker-answers",
           fmt::format("{} is nothing to see of answers: the picker sees as much as it needs", quote(text)),
           std::move(near));
    }
  }

  const NamespacedName& name_;
  const api::InferencePool& pool_;
  const ConfigMaps& maps_;
  const bool ours_;
  PickerConfig made_;
};

}  // namespace

std::optional<PickerConfig> read_picker_config(const NamespacedName& name, const api::InferencePool& pool,
                                               const ConfigMaps& maps) {
  return Reader(name, pool, maps).read();
}

}  // namespace sluice::control
