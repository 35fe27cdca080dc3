#include "infra/provider.h"

#include <utility>

#include "tree/write.h"

namespace sluice::infra {

using nlohmann::json;

namespace {

void drop_nulls(json& value) {
  if (value.is_object()) {
    for (auto member = value.begin(); member != value.end();) {
      member = member->is_null() ? value.erase(member) : std::next(member);
    }
  }
  if (value.is_structured()) {
    for (json& item : value) drop_nulls(item);
  }
}

// YAML has numbers that JSON has not, and no field here takes one: then there is nothing.
json parsed(const Tree& tree) {
  json document = json::parse(to_json(tree), nullptr, /*allow_exceptions=*/false);
  return document.is_discarded() ? json() : document;
}

}  // namespace

json to_document(const Tree& tree) {
  json document = parsed(tree);
  drop_nulls(document);
  return document;
}

json Part::find(const char* member) const {
  const auto found = value.find(member);
  return found == value.end() ? json() : *found;
}

json Part::find(const char* member, const char* below) const {
  const json outer = find(member);
  const auto found = outer.find(below);
  return found == outer.end() ? json() : *found;
}

std::string Part::text(const char* member, std::string otherwise) const {
  const json found = find(member);
  return found.is_string() ? found.get<std::string>() : std::move(otherwise);
}

Provider read_provider(const api::EnvoyProxy* envoy_proxy) {
  const Tree* const tree =
      envoy_proxy != nullptr && envoy_proxy->spec.kubernetes ? &*envoy_proxy->spec.kubernetes : nullptr;
  const auto part = [tree](const char* name) {
    Part result{.path = std::string("spec.provider.kubernetes.") + name};
    const Tree* const found = tree != nullptr ? tree->find(name) : nullptr;
    if (found == nullptr || !found->is_map()) return result;
    result.is_there = true;
    result.value = to_document(*found);
    // A null in a patch takes something away.
    if (const Tree* const patch = found->at("patch.value")) {
      result.value["patch"]["value"] = parsed(*patch);
    }
    return result;
  };
  Provider provider{.workload = part("envoyDaemonSet"),
                    .is_daemon_set = false,
                    .service = part("envoyService"),
                    .autoscaler = part("envoyHpa"),
                    .disruption_budget = part("envoyPDB"),
                    .account = part("envoyServiceAccount")};
  provider.is_daemon_set = provider.workload.is_there;
  if (!provider.is_daemon_set) provider.workload = part("envoyDeployment");
  return provider;
}

}  // namespace sluice::infra
