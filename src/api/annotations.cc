#include "api/annotations.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "api/kinds.h"
#include "base/closest.h"
#include "base/quote.h"

namespace sluice::api {
namespace {

constexpr std::string_view kOurs = "sluice.dev/";

struct Annotation {
  std::string_view name;
  GroupKind kind;
  std::string_view objects;  // of that kind
};

const std::vector<Annotation>& known() {
  static const std::vector<Annotation> kKnown{
      {kWasmBodyBehindHeldHeaders, kind_of<EnvoyExtensionPolicy>(), "EnvoyExtensionPolicies"},
      {kPickerHome, kind_of<InferencePool>(), "InferencePools"},
      {kPickerConfig, kind_of<InferencePool>(), "InferencePools"},
      {kPickerMetrics, kind_of<InferencePool>(), "InferencePools"},
      {kPickerAnswers, kind_of<InferencePool>(), "InferencePools"},
  };
  return kKnown;
}

}  // namespace

void report_annotations(const Tree& document, const GroupKind& kind, std::vector<Problem>& problems) {
  const Tree* const annotations = document.at("metadata.annotations");
  if (annotations == nullptr || !annotations->is_map()) return;
  for (const Tree::Member& member : annotations->members()) {
    if (!member.key.starts_with(kOurs)) continue;
    const auto at = std::ranges::find(known(), member.key, &Annotation::name);
    if (at != known().end() && at->kind == kind) continue;
    Problem problem;
    problem.code = "value/annotation";
    problem.severity = Severity::kWarning;
    problem.where.line = member.line;
    problem.where.column = member.column;
    problem.path = fmt::format("metadata.annotations[{}]", member.key);
    if (at != known().end()) {
      problem.message = fmt::format("{} is for {}: it has no effect here", quote(member.key), at->objects);
      problem.suggestion = "remove it";
    } else {
      std::vector<std::string_view> names;
      for (const Annotation& each : known()) {
        if (each.kind == kind) names.push_back(each.name);
      }
      problem.message = fmt::format("there is no annotation {}: it has no effect", quote(member.key));
      problem.suggestion = did_you_mean(closest(member.key, names));
    }
    problems.push_back(std::move(problem));
  }
}

}  // namespace sluice::api
