#include "infra/pod.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "drain/address.h"
#include "infra/bootstrap.h"
#include "proxy/command_line.h"
#include "xds/bootstrap.h"

namespace sluice::infra {

using nlohmann::json;

namespace {

constexpr int kUser = 65'532;   // Envoy Gateway's, and that of distroless images
constexpr int kFileMode = 420;  // 0644
// A pod may live so much longer than its connections: seconds, Envoy Gateway's.
constexpr std::int64_t kGrace = 300;
constexpr std::int64_t kReadyGrace = 10;
constexpr std::int64_t kTokenLifetime = 3'600;  // seconds; the kubelet renews it when a fifth is left

std::int64_t seconds_of(ir::Duration duration) {
  return std::chrono::ceil<std::chrono::seconds>(duration).count();
}

std::string text_of(ir::Duration duration) {
  if (duration.count() % 1'000 != 0) return fmt::format("{}ms", duration.count());
  return fmt::format("{}s", duration.count() / 1'000);
}

// ---- what containers have in common ----------------------------------------------------------

struct ProbeTimes {
  int period = 10;  // seconds
  int failures = 3;
};

json probe(const char* path, int port, ProbeTimes times) {
  return {{"httpGet", {{"path", path}, {"port", port}, {"scheme", "HTTP"}}},
          {"periodSeconds", times.period},
          {"failureThreshold", times.failures},
          {"successThreshold", 1},
          {"timeoutSeconds", 1}};
}

// Five minutes to start in, as Envoy Gateway's have. These ask each second: who is ready in one would
// otherwise get no connection for another nine.
constexpr ProbeTimes kStartup{.period = 1, .failures = 300};

json from_field(const char* name, const char* field) {
  return {{"name", name}, {"valueFrom", {{"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", field}}}}}};
}

json environment() {
  return {from_field("ENVOY_POD_NAMESPACE", "metadata.namespace"),
          from_field("ENVOY_POD_NAME", "metadata.name"),
          from_field("ENVOY_SERVICE_ZONE", "metadata.annotations['topology.kubernetes.io/zone']")};
}

json requests(const char* cpu, const char* memory) {
  return {{"requests", {{"cpu", cpu}, {"memory", memory}}}};
}

// `writes_files`: to its own root.
json security_context(bool writes_files) {
  json context = {{"allowPrivilegeEscalation", false},
                  {"capabilities", {{"drop", json::array({"ALL"})}}},
                  {"privileged", false},
                  {"runAsGroup", kUser},
                  {"runAsNonRoot", true},
                  {"runAsUser", kUser},
                  {"seccompProfile", {{"type", "RuntimeDefault"}}}};
  if (!writes_files) context["readOnlyRootFilesystem"] = true;
  return context;
}

// The items of the user's list in place of those of their names, or behind.
void amend(const json& users, json& items) {
  for (const json& user : users) {
    const auto same = [&](const json& item) { return item.value("name", "") == user.value("name", ""); };
    const auto found = std::find_if(items.begin(), items.end(), same);
    if (found != items.end()) {
      *found = user;
    } else {
      items.push_back(user);
    }
  }
}

json or_else(json value, json otherwise) { return value.is_null() ? std::move(otherwise) : std::move(value); }

json container(const char* name, const std::string& image) {
  return {{"name", name},
          {"image", image},
          {"imagePullPolicy", "IfNotPresent"},
          {"terminationMessagePath", "/dev/termination-log"},
          {"terminationMessagePolicy", "File"},
          {"env", environment()}};
}

// ---- Envoy -----------------------------------------------------------------------------------

// The tag of an image, with its colon.
std::string_view tag_of(std::string_view image) {
  image = image.substr(0, image.find('@'));
  const std::size_t colon = image.rfind(':');
  const bool is_port = colon != image.npos && image.find('/', colon) != image.npos;
  return colon == image.npos || is_port ? std::string_view() : image.substr(colon);
}

std::string envoy_image(const Settings& settings, const Part& workload) {
  const json repository = workload.find("container", "imageRepository");
  if (repository.is_string()) {
    return fmt::format("{}{}", repository.get<std::string>(), tag_of(settings.envoy_image));
  }
  return or_else(workload.find("container", "image"), settings.envoy_image).get<std::string>();
}

json envoy(const Request& request, const Settings& settings, const Part& workload, const Identity& identity,
           const std::string& bootstrap) {
  json result = container("envoy", envoy_image(settings, workload));
  result["command"] = json::array({"envoy"});
  result["args"] =
      proxy::make_pod_arguments(request.proxy, {"--service-cluster", request.proxy.key, "--service-node",
                                                "$(ENVOY_POD_NAME)", "--config-yaml", bootstrap});
  amend(workload.find("container", "env"), result["env"]);
  result["resources"] = or_else(workload.find("container", "resources"), requests("100m", "512Mi"));
  result["securityContext"] =
      or_else(workload.find("container", "securityContext"), security_context(/*writes_files=*/true));

  json& ports = result["ports"] = json::array();
  if (has_prometheus(request)) {
    ports.push_back({{"name", "metrics"}, {"containerPort", xds::kStatsPort}, {"protocol", "TCP"}});
  }
  ports.push_back({{"name", "readiness"}, {"containerPort", xds::kReadyPort}, {"protocol", "TCP"}});

  json& mounts =
      result["volumeMounts"] = {{{"name", "certs"}, {"mountPath", kCertificatesFolder}, {"readOnly", true}},
                                {{"name", "sds"}, {"mountPath", kSecretsFolder}}};
  if (identity.with_gateway) {
    mounts.push_back({{"name", "sa-token"}, {"mountPath", kTokenFolder}, {"readOnly", true}});
  }
  amend(workload.find("container", "volumeMounts"), mounts);

  result["startupProbe"] = probe(xds::kReadyPath, xds::kReadyPort, kStartup);
  // Who drains gets no more connections as soon as can be.
  result["readinessProbe"] = probe(xds::kReadyPath, xds::kReadyPort, {.period = 5, .failures = 1});
  result["livenessProbe"] = probe(xds::kReadyPath, xds::kReadyPort, {});
  result["lifecycle"]["preStop"]["httpGet"] = {
      {"path", drain::kReadyPath}, {"port", drain::kManagerPort}, {"scheme", "HTTP"}};
  return result;
}

// ---- the shutdown manager --------------------------------------------------------------------

json shutdown_manager(const Request& request, const Settings& settings, const Part& workload) {
  json result = container("shutdown-manager", settings.shutdown_image);
  result["command"] = json::array({"sluice"});
  result["args"] = {
      "envoy", "shutdown-manager",
      fmt::format("--ready-timeout={}s", seconds_of(request.proxy.drain_timeout) + kReadyGrace)};
  json& command = result["lifecycle"]["preStop"]["exec"]["command"] = {"sluice", "envoy", "shutdown"};
  const auto& shutdown = request.envoy_proxy != nullptr ? request.envoy_proxy->spec.shutdown : std::nullopt;
  if (shutdown && shutdown->health_check_failure_delay) {
    command.push_back(
        fmt::format("--health-check-failure-delay={}", text_of(*shutdown->health_check_failure_delay)));
  }
  command.push_back(fmt::format("--drain-timeout={}", text_of(request.proxy.drain_timeout)));
  command.push_back(fmt::format("--min-drain-duration={}", text_of(request.proxy.min_drain)));
  result["resources"] = requests("10m", "32Mi");
  result["securityContext"] =
      or_else(workload.find("container", "securityContext"), security_context(/*writes_files=*/false));
  result["startupProbe"] = probe(drain::kHealthPath, drain::kManagerPort, kStartup);
  result["readinessProbe"] = probe(drain::kHealthPath, drain::kManagerPort, {});
  result["livenessProbe"] = probe(drain::kHealthPath, drain::kManagerPort, {});
  return result;
}

// ---- volumes ---------------------------------------------------------------------------------

json files_of(const std::string& config_map, const std::vector<const char*>& files) {
  json items = json::array();
  for (const char* const file : files) items.push_back({{"key", file}, {"path", file}});
  return {{"name", config_map}, {"items", items}, {"defaultMode", kFileMode}, {"optional", false}};
}

json volumes_of(const Settings& settings, const Part& workload, const Identity& identity) {
  json volumes = json::array();
  if (identity.with_gateway) {
    const json token = {
        {"path", kTokenFile}, {"audience", service_host(settings)}, {"expirationSeconds", kTokenLifetime}};
    volumes.push_back(
        {{"name", "sa-token"},
         {"projected",
          {{"defaultMode", kFileMode}, {"sources", json::array({{{"serviceAccountToken", token}}})}}}});
    volumes.push_back({{"name", "certs"}, {"configMap", files_of(identity.name, {kCaFile})}});
    volumes.push_back({{"name", "sds"}, {"configMap", files_of(identity.name, {kCaSecret, kTokenSecret})}});
  } else {
    volumes.push_back(
        {{"name", "certs"},
         {"secret", {{"secretName", settings.certificate_secret}, {"defaultMode", kFileMode}}}});
    volumes.push_back(
        {{"name", "sds"}, {"configMap", files_of(identity.name, {kCaSecret, kCertificateSecret})}});
  }
  amend(workload.find("pod", "volumes"), volumes);
  return volumes;
}

}  // namespace

json pod_template(const Request& request, const Settings& settings, const Provider& provider,
                  const Identity& identity, const std::string& bootstrap) {
  const Part& workload = provider.workload;
  json labels = identity.labels;
  labels.update(or_else(workload.find("pod", "labels"), json::object()));
  labels.update(json(identity.selector));
  json annotations = json::object();
  if (has_prometheus(request)) {
    annotations = {{"prometheus.io/path", xds::kStatsPath},
                   {"prometheus.io/port", fmt::to_string(xds::kStatsPort)},
                   {"prometheus.io/scrape", "true"}};
  }
  annotations.update(json(request.proxy.annotations));
  annotations.update(or_else(workload.find("pod", "annotations"), json::object()));

  json spec = {{"automountServiceAccountToken", false},
               {"containers",
                {envoy(request, settings, workload, identity, bootstrap),
                 shutdown_manager(request, settings, workload)}},
               {"dnsPolicy", "ClusterFirst"},
               {"restartPolicy", "Always"},
               {"schedulerName", "default-scheduler"},
               {"serviceAccountName", provider.account.text("name", identity.name)},
               {"terminationGracePeriodSeconds", seconds_of(request.proxy.drain_timeout) + kGrace},
               {"volumes", volumes_of(settings, workload, identity)}};
  for (const char* const member : {"affinity", "imagePullSecrets", "nodeSelector", "priorityClassName",
                                   "securityContext", "tolerations", "topologySpreadConstraints"}) {
    const json value = workload.find("pod", member);
    if (!value.is_null()) spec[member] = value;
  }
  const json init_containers = workload.find("initContainers");
  if (!init_containers.is_null()) spec["initContainers"] = init_containers;

  json result = {{"metadata", {{"labels", labels}}}, {"spec", spec}};
  if (!annotations.empty()) result["metadata"]["annotations"] = annotations;
  return result;
}

}  // namespace sluice::infra
