#include "control/options.h"

#include <array>
#include <map>
#include <utility>

#include "api/gateway_api/shared.h"
#include "api/patterns.h"
#include "base/file.h"
#include "schema/bind.h"
#include "schema/check.h"
#include "tree/parse.h"

namespace sluice::control {

// As the file says it.
struct ControllerOptions {
  translate::Settings settings;
  std::string envoy_proxy_for_gateway_class;
  bool lua_disabled = false;
};

namespace {

using namespace schema;  // NOLINT: the declaration is written in its words

constexpr Pattern kNamespacedName{
    R"(^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$)",
    "a namespace and a name, as in `default/web`"};
constexpr Pattern kSha256{R"(^[a-f0-9]{64}$)", "a SHA-256: 64 lower-case hexadecimal digits"};

// What Envoy Gateway's own configuration calls the same.
constexpr std::array<std::string_view, 1> kControllerName{"controllerName"};
constexpr std::array<std::string_view, 1> kEnableBackend{"enableBackend"};
constexpr std::array<std::string_view, 1> kDisableLua{"disableLua"};
constexpr std::array<std::string_view, 1> kEnableEnvoyPatchPolicy{"enableEnvoyPatchPolicy"};

Type declare() {
  const translate::Settings defaults;
  return object({
      field<&ControllerOptions::settings, &translate::Settings::controller_name>("gatewayControllerName",
                                                                                 api::controller_name())
          .defaults_to(defaults.controller_name.c_str())
          .elsewhere(kControllerName)
          .doc("GatewayClasses with this controller are ours."),
      field<&ControllerOptions::settings, &translate::Settings::implied_class>(
          "gatewayClassName", string().matches(api::kSubdomain))
          .doc("Gateways of this class are ours even without a GatewayClass object."),
      field<&ControllerOptions::envoy_proxy_for_gateway_class>("envoyProxyForGatewayClass",
                                                               string().matches(kNamespacedName))
          .doc("The EnvoyProxy of a class that names none."),
      field<&ControllerOptions::settings, &translate::Settings::merge_gateways>("mergeGateways", boolean())
          .defaults_to(defaults.merge_gateways)
          .doc("One Envoy a class, whatever its EnvoyProxy says."),
      field<&ControllerOptions::settings, &translate::Settings::merge_backends>("mergeBackends", boolean())
          .defaults_to(defaults.merge_backends)
          .doc("As `mergeBackends` in every EnvoyProxy."),
      field<&ControllerOptions::settings, &translate::Settings::backend_enabled>("backendEnabled", boolean())
          .defaults_to(defaults.backend_enabled)
          .elsewhere(kEnableBackend)
          .doc("Whether the kind Backend may be used."),
      field<&ControllerOptions::lua_disabled>("luaEnvoyExtensionPolicyDisabled", boolean())
          .defaults_to(!defaults.lua_enabled)
          .elsewhere(kDisableLua)
          .doc("Whether EnvoyExtensionPolicies with scripts are refused."),
      field<&ControllerOptions::settings, &translate::Settings::patch_policies_enabled>(
          "envoyPatchPolicyEnabled", boolean())
          .defaults_to(defaults.patch_policies_enabled)
          .elsewhere(kEnableEnvoyPatchPolicy)
          .doc("Whether EnvoyPatchPolicies may change what Envoy is sent."),
      field<&ControllerOptions::settings, &translate::Settings::on_host>("runningOnHost", boolean())
          .defaults_to(defaults.on_host)
          .doc("Whether Envoys run on this machine, not in a cluster."),
      field<&ControllerOptions::settings, &translate::Settings::endpoint_routing_disabled>(
          "endpointRoutingDisabled", boolean())
          .defaults_to(defaults.endpoint_routing_disabled)
          .doc("Send to a Service's cluster IP instead of to its endpoints."),
      field<&ControllerOptions::settings, &translate::Settings::known_modules>(
          "wasmModules",
          map(object({
              field<&wasm::Ready::path>("path", string().min_length(1)).required().doc("The file."),
              field<&wasm::Ready::sha256>("sha256", string().matches(kSha256)).required().doc("Its SHA-256."),
          })))
          .doc("Modules that need not be fetched, by URL or image as policies and EnvoyProxies name them."),
  });
}

translate::Settings settings_of(ControllerOptions options) {
  translate::Settings settings = std::move(options.settings);
  settings.lua_enabled = !options.lua_disabled;
  const std::string& name = options.envoy_proxy_for_gateway_class;
  if (const std::size_t slash = name.find('/'); slash != std::string::npos) {
    settings.class_envoy_proxy = NamespacedName{name.substr(0, slash), name.substr(slash + 1)};
  }
  return settings;
}

Problem problem_of(std::string_view file, std::string message) {
  return {.code = "syntax/options",
          .severity = Severity::kError,
          .where = {.file = std::string(file), .line = 0, .column = 0},
          .object = {},
          .path = "",
          .message = std::move(message),
          .suggestion = "",
          .also = {}};
}

}  // namespace

const Type& options_type() {
  static const Type kType = declare();
  return kType;
}

ReadOptions read_options(std::string text, std::string_view file) {
  ReadOptions read;
  read.text = std::move(text);
  const std::vector<Document> documents = parse(read.text, file, &read.problems);
  if (!read.problems.empty()) return read;
  if (documents.size() > 1) {
    Problem problem = problem_of(file, "options are one YAML map, not several documents");
    problem.where.line = documents[1].line;
    problem.where.column = 1;
    read.problems.push_back(std::move(problem));
    return read;
  }
  if (documents.empty() || documents.front().tree.is_null()) {
    read.settings.emplace();
    return read;
  }
  const Tree& tree = documents.front().tree;
  if (!tree.is_map()) {
    Problem problem = problem_of(file, "options are a YAML map");
    problem.where.line = tree.line();
    problem.where.column = tree.column();
    read.problems.push_back(std::move(problem));
    return read;
  }
  schema::check(tree, options_type(), &read.problems);
  for (Problem& problem : read.problems) problem.where.file = file;
  ControllerOptions options;
  std::vector<Problem> unbound;  // check() has said them
  if (schema::bind(tree, options_type(), &options, &unbound)) read.settings = settings_of(std::move(options));
  return read;
}

ReadOptions read_options_file(const std::string& file) {
  if (std::optional<std::string> text = read_file(file)) return read_options(*std::move(text), file);
  return {.settings = std::nullopt, .problems = {problem_of(file, "the file cannot be read")}, .text = ""};
}

}  // namespace sluice::control
