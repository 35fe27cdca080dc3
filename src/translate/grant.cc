#include "translate/grant.h"

#include <cstddef>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "translate/near.h"

namespace sluice::translate {

std::optional<PolicyProblems> check_grant(const NamespacedName& name, const api::ReferenceGrant& grant) {
  PolicyProblems found;
  const auto check = [&](const GroupKind& kind, std::string_view list, std::size_t index) {
    const auto meant = api::meant_by(kind);
    if (!meant) return;
    KindSlip slip = slip_of(kind, *meant);
    found.problems.push_back(
        {.code = "reference/kind",
         .severity = Severity::kWarning,
         .where = {},
         .object = {.kind = api::kind_of<api::ReferenceGrant>(), .name = name},
         .path = fmt::format("spec.{}[{}].{}", list, index, slip.field),
         .message = fmt::format("there is no kind `{}`: this permits nothing", words_of(kind)),
         .suggestion = std::move(slip.suggestion),
         .also = {}});
  };
  for (std::size_t i = 0; i < grant.spec.from.size(); ++i) {
    check(GroupKind(grant.spec.from[i].group, grant.spec.from[i].kind), "from", i);
  }
  for (std::size_t i = 0; i < grant.spec.to.size(); ++i) {
    check(GroupKind(grant.spec.to[i].group, grant.spec.to[i].kind), "to", i);
  }
  if (found.problems.empty()) return std::nullopt;
  return found;
}

}  // namespace sluice::translate
