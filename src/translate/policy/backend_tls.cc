#include "translate/policy/backend_tls.h"

#include <algorithm>

#include <fmt/format.h>

#include "translate/ca_bundle.h"
#include "translate/near.h"
#include "translate/policy/ancestors.h"
#include "translate/policy/precedence.h"
#include "translate/policy/target.h"

namespace sluice::translate {
namespace {

ObjectKey key_of(const NamespacedName& name) {
  return {.kind = api::kind_of<api::BackendTLSPolicy>(), .name = name};
}

Problem problem_at(const NamespacedName& policy, std::string path, std::string code, std::string message,
                   std::string suggestion) {
  return {.code = std::move(code),
          .severity = Severity::kError,
          .where = {},
          .object = key_of(policy),
          .path = std::move(path),
          .message = std::move(message),
          .suggestion = std::move(suggestion),
          .also = {}};
}

// The ports of a target by their names; nothing where it does not exist.
std::optional<std::vector<std::string>> sections_of(const ObjectKey& target, const Inputs& inputs,
                                                    const Projections& tables, flow::Reads& reads) {
  std::vector<std::string> sections;
  if (target.kind == api::kind_of<api::Backend>()) {
    const api::Backend* backend = reads.get(inputs.backends, target.name);
    if (backend == nullptr) return std::nullopt;
    for (const api::BackendEndpoint& e : backend->spec.endpoints) {
      if (e.ip) sections.push_back(std::to_string(e.ip->port));
      if (e.fqdn) sections.push_back(std::to_string(e.fqdn->port));
    }
  } else {
    const ServiceView* service = reads.get(tables.services, target);
    if (service == nullptr) return std::nullopt;
    for (const ServiceView::Port& port : service->ports) {
      if (!port.name.empty()) sections.push_back(port.name);
    }
  }
  return sections;
}

Kinds targets() {
  static const GroupKind kKinds[] = {api::kind_of<api::Service>(), api::kind_of<api::ServiceImport>(),
                                     api::kind_of<api::Backend>()};
  return kKinds;
}

}  // namespace

BackendTlsPolicyRow read_backend_tls_policy(const NamespacedName& name, const api::BackendTLSPolicy& policy,
                                            const Inputs& inputs, const Projections& tables,
                                            flow::Reads& reads) {
  BackendTlsPolicyRow row;
  row.creation_timestamp = policy.metadata.creation_timestamp;
  for (const api::LocalPolicyTargetReference& ref : policy.spec.target_refs) {
    row.targets.push_back(policy_target(name.namespace_, ref));
  }
  const api::BackendTLSPolicyValidation& validation = policy.spec.validation;
  row.trust.sni = validation.hostname;
  for (const api::SubjectAltName& san : validation.subject_alt_names) {
    const bool is_uri = san.type == api::SubjectAltNameType::kURI;
    row.trust.subject_alt_names.push_back(
        {.kind = is_uri ? ir::SubjectAltName::Kind::kUri : ir::SubjectAltName::Kind::kDns,
         .value = is_uri ? san.uri : san.hostname});
  }
  // The name to ask for is the name to find, unless others are named.
  if (row.trust.subject_alt_names.empty()) {
    row.trust.subject_alt_names = {{.kind = ir::SubjectAltName::Kind::kDns, .value = validation.hostname}};
  }

  CaReferences ca = resolve_ca(validation.ca_certificate_refs, validation.well_known_ca_certificates,
                               name.namespace_, inputs, tables, reads);
  row.trust.authorities = std::move(ca.authorities);
  for (const CaFailure& failure : ca.failures) {
    row.problems.push_back(problem_at(name, "spec.validation." + failure.field, failure.code, failure.message,
                                      failure.suggestion));
  }
  if (!row.usable()) {
    row.conditions.push_back({"Accepted", false, "NoValidCACertificate", ca.message()});
  } else {
    row.conditions.push_back({"Accepted", true, "Accepted", "The policy is accepted"});
  }
  if (ca.failures.empty()) {
    row.conditions.push_back(
        {"ResolvedRefs", true, "ResolvedRefs", "All references of the policy lead somewhere"});
  } else {
    row.conditions.push_back({"ResolvedRefs", false, ca.failures.front().reason, ca.message()});
  }
  return row;
}

PolicyProblems check_backend_tls_policy(const NamespacedName& name, const BackendTlsPolicyRow& row,
                                        const Inputs& inputs, const Projections& tables, flow::Reads& reads) {
  PolicyProblems checked;
  for (std::size_t i = 0; i < row.targets.size(); ++i) {
    const PolicyTarget& target = row.targets[i];
    const std::string path = fmt::format("spec.targetRefs[{}]", i);
    if (std::ranges::find(targets(), target.object.kind) == targets().end()) {
      KindSlip slip = near_kind(target.object.kind, targets(), "use a Service, a ServiceImport or a Backend");
      checked.problems.push_back(
          problem_at(name, fmt::format("{}.{}", path, slip.field), "reference/kind",
                     fmt::format("a BackendTLSPolicy is for no `{}`", words_of(target.object.kind)),
                     std::move(slip.suggestion)));
      continue;
    }
    const auto sections = sections_of(target.object, inputs, tables, reads);
    if (!sections) {
      checked.problems.push_back(problem_at(name, path + ".name", "reference/not-found",
                                            fmt::format("there is no {}", target.object.to_string()),
                                            near_object(target.object, backend_kinds(), tables, reads)));
      continue;
    }
    if (!target.section.empty() && std::ranges::find(*sections, target.section) == sections->end()) {
      checked.problems.push_back(
          problem_at(name, path + ".sectionName", "reference/port",
                     fmt::format("{} has no port `{}`", target.object.to_string(), target.section),
                     near_name(target.section, "it has", *sections)));
      continue;
    }
    if (auto conflict = find_conflict(reads.group(tables.backend_tls_policies_of, target.object),
                                      api::kind_of<api::BackendTLSPolicy>(), name, row, i, "ports")) {
      checked.problems.push_back(*std::move(conflict));
    }
  }
  return checked;
}

const BackendTlsPolicyRow* backend_tls_policy_of(const ObjectKey& backend, const std::string& section,
                                                 const Projections& tables, flow::Reads& reads,
                                                 std::vector<PolicyUse>& uses) {
  const auto policies = reads.group(tables.backend_tls_policies_of, backend);
  if (policies.empty()) return nullptr;
  const auto look_up = [&](const std::string& name) -> const BackendTlsPolicyRow* {
    return meet_policies(policies, {.object = backend, .section = name},
                         api::kind_of<api::BackendTLSPolicy>(), uses);
  };
  if (!section.empty()) {
    if (const BackendTlsPolicyRow* row = look_up(section)) return row;
  }
  return look_up("");
}

ObjectStatus backend_tls_policy_status(const api::BackendTLSPolicy& policy, const BackendTlsPolicyRow& row,
                                       std::vector<PolicyUse> uses) {
  return status_of_met(policy.metadata.generation, api::kind_of<api::BackendTLSPolicy>(), std::move(uses),
                       row.conditions);
}

}  // namespace sluice::translate
