#include "control/launch_check.h"

#include <algorithm>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "proxy/command_line.h"
#include "translate/proxy_plan.h"
#include "xds/bootstrap.h"

namespace sluice::control {
namespace {

// A field, Envoy's option for the same, and what the field gives it; nothing where that is the default.
struct Field {
  std::string_view path;
  std::string_view option;
  std::optional<std::string> value;
};

std::vector<Field> fields_of(const ir::Proxy& proxy) {
  std::vector<Field> fields{{"spec.concurrency", proxy::kConcurrency, std::nullopt},
                            {"spec.logging.level.default", proxy::kLogLevel, std::nullopt},
                            {"spec.logging.level", proxy::kComponentLogLevel, std::nullopt}};
  if (proxy.concurrency) fields[0].value = fmt::to_string(*proxy.concurrency);
  std::string components;
  for (const auto& [component, level] : proxy.log_levels) {
    if (component == "default") {
      if (level != "warn") fields[1].value = level;
    } else {
      components += fmt::format("{}{}:{}", components.empty() ? "" : ",", component, level);
    }
  }
  if (!components.empty()) fields[2].value = std::move(components);
  return fields;
}

}  // namespace

translate::PolicyProblems check_launch(const NamespacedName& name, const api::EnvoyProxy& envoy_proxy,
                                       const std::vector<std::string>& envoy_args) {
  translate::PolicyProblems checked;
  const ObjectKey self{.kind = api::kind_of<api::EnvoyProxy>(), .name = name};
  const ir::Proxy proxy = translate::proxy_of(name.to_string(), &envoy_proxy, checked.problems);
  // Where its Envoys will find us makes no difference to whether the changes apply.
  const std::expected<std::string, Problem> bootstrap = xds::render_bootstrap(
      proxy, {.node_id = proxy.key + "/0", .xds_socket = "xds.sock", .admin_socket = "admin"});
  if (!bootstrap) {
    checked.problems.push_back(bootstrap.error());
    checked.problems.back().object = self;
  }

  const auto warn = [&](std::string path, std::string_view option, std::string_view who,
                        std::string_view value) {
    checked.problems.push_back(
        {.code = "conflict/argument",
         .severity = Severity::kWarning,
         .where = {},
         .object = self,
         .path = std::move(path),
         .message = fmt::format("Envoys are started with `{} {}`, for {} says so: this has no effect", option,
                                value, who),
         .suggestion = "remove one of the two"});
  };
  for (const Field& field : fields_of(proxy)) {
    const auto given = proxy::find_option(envoy_args, field.option);
    const auto own = proxy::find_option(proxy.extra_args, field.option);
    const std::string_view who = given ? "`--envoy-arg`" : "`extraArgs`";
    const auto& counts = given ? given : own;
    if (counts && field.value && *counts != *field.value) {
      warn(std::string(field.path), field.option, who, *counts);
    }
    if (given && own && *given != *own) warn("spec.extraArgs", field.option, who, *given);
  }
  return checked;
}

}  // namespace sluice::control
