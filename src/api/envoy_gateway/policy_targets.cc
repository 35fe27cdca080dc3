#include "api/envoy_gateway/policy_targets.h"

#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "api/envoy_gateway/policy_targets_fields.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

// "'A', 'B'", as a list of CEL has them.
std::string quoted(const std::vector<std::string>& words) {
  return fmt::format("'{}'", fmt::join(words, "', '"));
}

// "`A`, `B` or `C`".
std::string alternatives(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += fmt::format("`{}`", words[i]);
  }
  return text;
}

}  // namespace

std::vector<LocalPolicyTargetReference> PolicyTargets::refs() const {
  std::vector<LocalPolicyTargetReference> all = target_refs;
  if (target_ref) all.insert(all.begin(), *target_ref);
  return all;
}

Type policy_target_ref() {
  using Reference = LocalPolicyTargetReference;
  return object({
      field<&Reference::group>("group", group_name()).required("add `group: gateway.networking.k8s.io`"),
      field<&Reference::kind>("kind", kind_name()).required("add `kind`, as in `kind: HTTPRoute`"),
      field<&Reference::name>("name", object_name()).required(),
      field<&Reference::section_name>("sectionName", section_name())
          .doc("The name of the listener or rule that is meant. By default all of the object."),
  });
}

Type policy_target_selectors() {
  const Type labels = label_selector();
  const Type namespaces =
      object({
                 field<&RouteNamespaces::from>("from", enumeration({"All", "Selector", "Same"}))
                     .required()
                     .defaults_to("Same")
                     .doc("Whether objects of all namespaces are meant, those of namespaces that `selector` "
                          "finds, or those of the policy's own."),
                 field<&RouteNamespaces::selector>("selector", labels).doc("The labels of the namespaces."),
             })
          .with({.name = "target-selector",
                 .cel = "self.from != 'Selector' || has(self.selector)",
                 .message = "`from: Selector` needs the field `selector`",
                 .suggestion = "add `selector`",
                 .blame = "from"});
  return list(
      object({
                 field<&TargetSelector::group>("group", group_name()).defaults_to(kGatewayGroup.data()),
                 field<&TargetSelector::kind>("kind", kind_name()).required(),
                 field<&TargetSelector::labels, &LabelSelector::match_expressions>(
                     "matchExpressions", *labels.find("matchExpressions")->type)
                     .doc("Conditions on labels. All must hold."),
                 field<&TargetSelector::labels, &LabelSelector::match_labels>(
                     "matchLabels", *labels.find("matchLabels")->type)
                     .doc("Labels that must be there with these values."),
                 field<&TargetSelector::namespaces>("namespaces", namespaces)
                     .doc("The namespaces of the objects. By default the policy's own."),
             })
          .with({.name = "policy-target",
                 .cel = "has(self.group) ? self.group == 'gateway.networking.k8s.io' : true ",
                 .message = "the group of a target is `gateway.networking.k8s.io`",
                 .suggestion = "remove `group`, which is that by default",
                 .blame = "group"}));
}

Type merge_type(const char* of) {
  return string().with({.name = "merge-type",
                        .cel = "self != 'Replace'",
                        .message = fmt::format("a merge of type `Replace` is none for an {}", of),
                        .suggestion = "write `StrategicMerge` or `JSONMerge`, or remove it"});
}

std::vector<Rule> policy_target_rules(const PolicyTargetKinds& kinds) {
  const std::string all = quoted(kinds.all);
  const std::string group_message = "the group of a target is `gateway.networking.k8s.io`";
  const std::string kind_message = fmt::format("a target is a {}", alternatives(kinds.all));
  std::vector<Rule> rules{
      {.name = "policy-target",
       .cel = "(has(self.targetRef) && !has(self.targetRefs)) || (!has(self.targetRef) && "
              "has(self.targetRefs)) || (has(self.targetSelectors) && self.targetSelectors.size() > 0) ",
       .message = "a policy needs `targetRefs` or `targetSelectors`, and not `targetRef` beside `targetRefs`",
       .suggestion = "say in `targetRefs` what the policy is about"},
      {.name = "policy-target",
       .cel = "has(self.targetRef) ? self.targetRef.group == 'gateway.networking.k8s.io' : true",
       .message = group_message,
       .suggestion = "write `group: gateway.networking.k8s.io`",
       .blame = "targetRef.group"},
      {.name = "policy-target",
       .cel = fmt::format("has(self.targetRef) ? self.targetRef.kind in [{}] : true", all),
       .message = kind_message,
       .blame = "targetRef.kind",
       .choices = kinds.all},
      {.name = "policy-target",
       .cel = "has(self.targetRefs) ? self.targetRefs.all(ref, ref.group == 'gateway.networking.k8s.io') : "
              "true ",
       .message = group_message,
       .suggestion = "write `group: gateway.networking.k8s.io`",
       .blame = "group"},
      {.name = "policy-target",
       .cel = fmt::format("has(self.targetRefs) ? self.targetRefs.all(ref, ref.kind in [{}]) : true ", all),
       .message = kind_message,
       .blame = "kind",
       .choices = kinds.all},
  };
  if (!kinds.mergeable.empty()) {
    const std::string routes = quoted(kinds.mergeable);
    rules.push_back({.name = "merge-type",
                     .cel = fmt::format(
                         "!has(self.mergeType) || ((!has(self.targetRef) || self.targetRef.kind in [{0}]) && "
                         "(!has(self.targetRefs) || self.targetRefs.all(ref, ref.kind in [{0}])) && "
                         "(!has(self.targetSelectors) || self.targetSelectors.all(sel, sel.kind in [{0}])))",
                         routes),
                     .message = "`mergeType` is for policies about routes only",
                     .suggestion = "remove it, or target routes",
                     .blame = "mergeType"});
  }
  return rules;
}

}  // namespace sluice::api
