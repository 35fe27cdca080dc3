#include "translate/policy/precedence.h"

#include <fmt/format.h>

namespace sluice::translate {

Condition conflicted(const ObjectKey& first) {
  return {"Accepted", false, "Conflicted",
          fmt::format("{} has the same target and takes precedence", first.to_string())};
}

Problem conflict_problem(const ObjectKey& policy, std::string path, const ObjectKey& first,
                         std::string first_path, bool same_age, std::string_view sections) {
  return {.code = "conflict/policy",
          .severity = Severity::kError,
          .where = {},
          .object = policy,
          .path = std::move(path),
          .message = fmt::format("{} has the same target and takes precedence: {}", first.to_string(),
                                 same_age ? "its name comes first" : "it is older"),
          .suggestion =
              sections.empty()
                  ? std::string("remove one of the two")
                  : fmt::format("remove one of the two, or target different {} by `sectionName`", sections),
          .also = {{.where = {},
                    .object = first,
                    .path = std::move(first_path),
                    .message = "it is targeted here first"}}};
}

}  // namespace sluice::translate
