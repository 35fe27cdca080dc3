#include "control/launch_check.h"

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

// A field, and Envoy's option for the same.
struct Field {
  std::string_view path;
  std::string_view option;
};
constexpr Field kFields[] = {{"spec.concurrency", proxy::kConcurrency},
                             {"spec.logging.level.default", proxy::kLogLevel},
                             {"spec.logging.level", proxy::kComponentLogLevel}};
constexpr std::string_view kDefaultLevel = "warn";

// What the fields give their options; nothing where that is the default.
std::optional<std::string> value_of(const std::vector<std::string>& of_fields, std::string_view option) {
  auto value = proxy::find_option(of_fields, option);
  if (option == proxy::kLogLevel && value == kDefaultLevel) return std::nullopt;
  return value;
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
  ir::Proxy plain = proxy;
  plain.extra_args.clear();
  const std::vector<std::string> of_fields = proxy::make_arguments(plain, {}, {});
  for (const Field& field : kFields) {
    const auto value = value_of(of_fields, field.option);
    const auto given = proxy::find_option(envoy_args, field.option);
    const auto own = proxy::find_option(proxy.extra_args, field.option);
    const std::string_view who = given ? "`--envoy-arg`" : "`extraArgs`";
    const auto& counts = given ? given : own;
    if (counts && value && *counts != *value) {
      warn(std::string(field.path), field.option, who, *counts);
    }
    if (given && own && *given != *own) warn("spec.extraArgs", field.option, who, *given);
  }
  return checked;
}

}  // namespace sluice::control
