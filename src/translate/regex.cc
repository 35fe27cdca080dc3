#include "translate/regex.h"

#include <fmt/format.h>
#include <re2/re2.h>

namespace sluice::translate {

std::optional<std::string> fault_of_regex(const std::string& regex) {
  const re2::RE2 compiled(regex, re2::RE2::Quiet);
  if (regex.contains('\0')) return "a regular expression has no character NUL";  // Envoy takes none
  if (compiled.ok()) return std::nullopt;
  return fmt::format("`{}` is no regular expression: {}", regex, compiled.error());
}

std::optional<std::string> fault_of_substitution(const std::string& pattern,
                                                 const std::string& substitution) {
  const re2::RE2 compiled(pattern, re2::RE2::Quiet);
  std::string error;
  if (compiled.CheckRewriteString(substitution, &error)) return std::nullopt;
  const int wanted = re2::RE2::MaxSubmatch(substitution);
  const int groups = compiled.NumberOfCapturingGroups();
  if (wanted <= groups) return fmt::format("`{}` is no substitution: {}", substitution, error);
  return fmt::format("`{}` names the group {}, and the pattern has {}", substitution, wanted,
                     groups == 0 ? std::string("none") : std::to_string(groups));
}

}  // namespace sluice::translate
