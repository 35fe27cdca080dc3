#include "translate/near.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "schema/check.h"

namespace sluice::translate {
namespace {

std::string list_names(std::string_view it_has, const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  quoted.reserve(names.size());
  for (const std::string& name : names) quoted.push_back(fmt::format("`{}`", name));
  return list(it_has, quoted);
}

}  // namespace

std::string near_object(const ObjectKey& missing, const Projections& tables, flow::Reads& reads) {
  std::vector<std::string_view> beside;
  for (const auto& [object, _] : reads.group(
           tables.names, NameGroup{missing.kind, NameGroup::By::kNamespace, missing.name.namespace_})) {
    beside.emplace_back(object.name.name);
  }
  const std::string_view near = schema::closest(missing.name.name, beside);
  if (!near.empty()) return fmt::format("did you mean `{}`?", near);
  std::vector<std::string> namespaces;
  for (const auto& [object, _] :
       reads.group(tables.names, NameGroup{missing.kind, NameGroup::By::kName, missing.name.name})) {
    namespaces.push_back(object.name.namespace_);
  }
  if (namespaces.empty()) return "";
  return list_names(namespaces.size() == 1 ? "there is one in namespace" : "there are some in the namespaces",
                    namespaces);
}

std::string near_name(std::string_view missing, std::string_view it_has,
                      const std::vector<std::string>& names) {
  const std::string_view near = schema::closest(missing, {names.begin(), names.end()});
  return near.empty() ? list_names(it_has, names) : fmt::format("did you mean `{}`?", near);
}

std::optional<Problem> near_parent(const ObjectKey& object, std::string_view path, const GroupKind& parent,
                                   const std::vector<std::string>& kinds) {
  const std::string& group = api::kind_of<api::Gateway>().group();
  const std::string_view kind = schema::closest(parent.kind(), {kinds.begin(), kinds.end()});
  if (kind.empty() && schema::closest(parent.group(), {group}).empty()) return std::nullopt;
  const bool group_is_wrong = kind == parent.kind();
  return Problem{.code = "reference/kind",
                 .severity = Severity::kWarning,
                 .where = {},
                 .object = object,
                 .path = fmt::format("{}.{}", path, group_is_wrong ? "group" : "kind"),
                 .message = fmt::format("`{}{}{}` is no kind of parent", parent.group(),
                                        parent.group().empty() ? "" : "/", parent.kind()),
                 .suggestion = group_is_wrong ? fmt::format("its group is {}", group)
                               : kind.empty() ? fmt::format("use a {}", fmt::join(kinds, " or a "))
                                              : fmt::format("did you mean `{}`?", kind)};
}

std::string list(std::string_view it_has, const std::vector<std::string>& items) {
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i != 0) text += i + 1 == items.size() ? " and " : ", ";
    text += items[i];
  }
  return text.empty() ? "" : fmt::format("{} {}", it_has, text);
}

}  // namespace sluice::translate
