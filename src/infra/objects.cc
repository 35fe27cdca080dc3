#include "infra/objects.h"

#include <algorithm>
#include <expected>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "api/kinds.h"
#include "infra/bootstrap.h"
#include "infra/merge_fields.h"
#include "infra/names.h"
#include "infra/pod.h"
#include "infra/provider.h"
#include "infra/service.h"
#include "patch/strategic_merge.h"

namespace sluice::infra {

using nlohmann::json;

namespace {

struct Kind {
  const char* group;
  const char* version;
  const char* kind;

  std::string api_version() const { return *group == '\0' ? version : fmt::format("{}/{}", group, version); }
};
constexpr Kind kServiceAccount{"", "v1", "ServiceAccount"};
constexpr Kind kConfigMap{"", "v1", "ConfigMap"};
constexpr Kind kService{"", "v1", "Service"};
constexpr Kind kDeployment{"apps", "v1", "Deployment"};
constexpr Kind kDaemonSet{"apps", "v1", "DaemonSet"};
constexpr Kind kAutoscaler{"autoscaling", "v2", "HorizontalPodAutoscaler"};
constexpr Kind kBudget{"policy", "v1", "PodDisruptionBudget"};

class Maker {
 public:
  Maker(const Request& request, const Settings& settings)
      : request_(request),
        settings_(settings),
        provider_(read_provider(request.envoy_proxy.get())),
        identity_(identity_of(request, settings)) {}

  Result make() && {
    add(make_object(kServiceAccount, provider_.account.text("name", identity_.name),
                    {{"automountServiceAccountToken", false}}),
        kServiceAccount);
    add(make_object(kConfigMap, identity_.name, {{"data", secret_files(settings_, identity_)}}), kConfigMap);
    const std::string workload = make_workload();
    make_service();
    make_autoscaler(workload);
    make_budget();
    return std::move(result_);
  }

 private:
  json make_object(const Kind& kind, const std::string& name, json members) const {
    json metadata = {{"name", name}, {"namespace", identity_.namespace_}, {"labels", identity_.labels}};
    keep_labels(metadata);
    if (!request_.proxy.annotations.empty()) metadata["annotations"] = request_.proxy.annotations;
    if (!identity_.owners.empty()) metadata["ownerReferences"] = identity_.owners;
    json document = {{"apiVersion", kind.api_version()}, {"kind", kind.kind}, {"metadata", metadata}};
    document.update(members);
    return document;
  }

  // Those by which the object is found.
  void keep_labels(json& metadata) const {
    metadata["labels"].update(json(identity_.selector));
    if (!settings_.controller.empty()) metadata["labels"][kControllerLabel] = settings_.controller;
  }

  static ObjectKey key_of(const Kind& kind, const json& document) {
    const json& metadata = document["metadata"];
    return {.kind = GroupKind(kind.group, kind.kind),
            .name = {.namespace_ = Interned(metadata["namespace"].get<std::string>()),
                     .name = metadata["name"].get<std::string>()}};
  }

  void add(json document, const Kind& kind) {
    ObjectKey key = key_of(kind, document);
    result_.objects.push_back({std::move(key), std::move(document)});
  }

  // Adds the object with the user's patch of it, or withholds it. Its name.
  std::string add_patched(json document, const Kind& kind, const Part& part) {
    const ObjectKey unpatched = key_of(kind, document);
    if (!apply_patch(kind, part, document)) {
      result_.withheld.push_back(unpatched);
      return unpatched.name.name;
    }
    json& labels = document["metadata"]["labels"];
    if (!labels.is_object()) labels = json::object();
    keep_labels(document["metadata"]);
    add(std::move(document), kind);
    return result_.objects.back().key.name.name;
  }

  bool complain(std::string path, std::string message, std::string suggestion = {}) {
    Problem problem{.code = "value/patch", .path = std::move(path), .message = std::move(message)};
    problem.suggestion = std::move(suggestion);
    return complain(std::move(problem));
  }

  bool complain(Problem problem) {
    const api::ObjectMeta& metadata = request_.envoy_proxy->metadata;
    problem.object = {.kind = api::kind_of<api::EnvoyProxy>(),
                      .name = {.namespace_ = metadata.namespace_, .name = metadata.name}};
    result_.problems.push_back(std::move(problem));
    return false;
  }

  bool apply_patch(const Kind& kind, const Part& part, json& document) {
    const json patch = part.find("patch");
    if (patch.is_null()) return true;
    const json value = patch.value("value", json());
    const std::string type = patch.value("type", "StrategicMerge");
    const std::string path = part.path + ".patch.value";
    const json before = document;
    if (type == "JSONMerge") {
      if (!value.is_object()) return complain(path, "a patch is an object, as a part of what it changes");
      document.merge_patch(value);
    } else if (type == "StrategicMerge") {
      const auto merged = patch::merge_strategically(value, merge_fields_of(kind.kind), document);
      if (!merged) {
        const patch::Failure& failure = merged.error();
        return complain(failure.field.empty() ? path : fmt::format("{}.{}", path, failure.field),
                        failure.message, failure.suggestion);
      }
    } else {
      return complain(part.path + ".patch.type", "a patch is of type `StrategicMerge` or `JSONMerge`");
    }
    return check_identity(kind, before, document, path);
  }

  // Whatever else a patch makes of it, it must be the object that it was.
  bool check_identity(const Kind& kind, const json& before, const json& after, const std::string& path) {
    for (const char* const member : {"/apiVersion", "/kind", "/metadata/namespace"}) {
      const json::json_pointer pointer(member);
      if (after.contains(pointer) && after[pointer] == before[pointer]) continue;
      std::string field = member;
      std::ranges::replace(field, '/', '.');
      return complain(path + field,
                      fmt::format("`{}` of the {} must stay as it is", field.substr(1), kind.kind));
    }
    const json name = after["metadata"].value("name", json());
    if (name.is_string() && !name.get_ref<const std::string&>().empty()) return true;
    return complain(path + ".metadata.name", fmt::format("the {} needs a name", kind.kind));
  }

  std::string make_workload() {
    const Kind& kind = provider_.is_daemon_set ? kDaemonSet : kDeployment;
    const Part& part = provider_.workload;
    const std::string name = part.text("name", identity_.name);
    const std::expected<std::string, Problem> bootstrap =
        bootstrap_of(request_, settings_, provider_, identity_);
    if (!bootstrap) {
      complain(bootstrap.error());
      result_.withheld.push_back(key_of(kind, make_object(kind, name, json::object())));
      return name;
    }
    json spec = {{"selector", {{"matchLabels", identity_.selector}}},
                 {"template", pod_template(request_, settings_, provider_, identity_, *bootstrap)}};
    json strategy = part.find("strategy");
    if (strategy.is_null()) strategy = {{"type", "RollingUpdate"}};
    if (provider_.is_daemon_set) {
      spec["updateStrategy"] = std::move(strategy);
    } else {
      spec["strategy"] = std::move(strategy);
      spec["revisionHistoryLimit"] = 10;
      spec["progressDeadlineSeconds"] = 600;
      // An autoscaler's own, where there is one.
      const json replicas = part.find("replicas");
      if (!replicas.is_null() && !provider_.autoscaler.is_there) spec["replicas"] = replicas;
    }
    return add_patched(make_object(kind, name, {{"spec", std::move(spec)}}), kind, part);
  }

  void make_service() {
    const Part& part = provider_.service;
    json document = make_object(kService, part.text("name", identity_.service_name), json::object());
    json spec = service_of(request_, provider_, identity_);
    if (spec.is_null()) {
      result_.withheld.push_back(key_of(kService, document));
      return;
    }
    document["spec"] = std::move(spec);
    json& metadata = document["metadata"];
    if (const json labels = part.find("labels"); !labels.is_null()) {
      metadata["labels"].update(labels);
    }
    if (const json annotations = part.find("annotations"); !annotations.is_null()) {
      metadata["annotations"].update(annotations);
    }
    add_patched(std::move(document), kService, part);
  }

  void make_autoscaler(const std::string& workload) {
    const Part& part = provider_.autoscaler;
    if (!part.is_there || provider_.is_daemon_set) return;
    const json cpu = {{"name", "cpu"}, {"target", {{"type", "Utilization"}, {"averageUtilization", 80}}}};
    json spec = {
        {"scaleTargetRef",
         {{"apiVersion", kDeployment.api_version()}, {"kind", kDeployment.kind}, {"name", workload}}},
        {"metrics", json::array({{{"type", "Resource"}, {"resource", cpu}}})}};
    for (const char* const member : {"minReplicas", "maxReplicas", "metrics", "behavior"}) {
      const json value = part.find(member);
      if (!value.is_null() && value != json::array()) spec[member] = value;
    }
    add_patched(make_object(kAutoscaler, part.text("name", identity_.name), {{"spec", std::move(spec)}}),
                kAutoscaler, part);
  }

  void make_budget() {
    const Part& part = provider_.disruption_budget;
    if (!part.is_there) return;
    json spec = {{"selector", {{"matchLabels", identity_.selector}}}};
    for (const char* const member : {"minAvailable", "maxUnavailable"}) {
      const json value = part.find(member);
      if (!value.is_null()) spec[member] = value;
    }
    add_patched(make_object(kBudget, part.text("name", identity_.name), {{"spec", std::move(spec)}}), kBudget,
                part);
  }

  const Request& request_;
  const Settings& settings_;
  const Provider provider_;
  const Identity identity_;
  Result result_;
};

}  // namespace

Result make_objects(const Request& request, const Settings& settings) {
  return Maker(request, settings).make();
}

}  // namespace sluice::infra
