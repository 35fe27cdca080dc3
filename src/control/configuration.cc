#include "control/configuration.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/file.h"
#include "schema/bind.h"
#include "schema/check.h"
#include "schema/deprecation.h"
#include "schema/effect.h"
#include "tree/parse.h"

namespace sluice::control {
namespace {

Level level_of(api::ConfigurationLevel level) {
  switch (level) {
    case api::ConfigurationLevel::kDebug:
      return Level::kDebug;
    case api::ConfigurationLevel::kInfo:
      return Level::kInfo;
    case api::ConfigurationLevel::kError:
      return Level::kError;
    case api::ConfigurationLevel::kWarn:
      return Level::kWarning;
  }
  return Level::kInfo;
}

Problem problem_of(std::string_view file, std::string message) {
  Problem problem;
  problem.code = "syntax/options";
  problem.where.file = file;
  problem.message = std::move(message);
  return problem;
}

const schema::Type& type() {
  static const schema::Type kType = api::envoy_gateway_configuration_type();
  return kType;
}

}  // namespace

void Configuration::apply_to(translate::Settings& settings) const {
  if (!file.controller_name.empty()) settings.controller_name = file.controller_name;
  settings.patch_policies_enabled = file.enable_envoy_patch_policy;
  settings.backend_enabled = file.enable_backend;
  settings.lua_enabled = !file.disable_lua;
}

void Configuration::apply_to(ClusterProvider& provider) const {
  provider.namespaces = file.watch.namespaces;
  if (!provider.namespaces.empty()) provider.namespaces.push_back(provider.access.name_space);
  if (file.watch.namespace_selector)
    provider.namespace_selector = selector_text(*file.watch.namespace_selector);
  const api::LeaderElection& election = file.leader_election;
  provider.elects = !election.disable;
  provider.lease.lease_duration = election.lease_duration.value_or(provider.lease.lease_duration);
  provider.lease.renew_deadline = election.renew_deadline.value_or(provider.lease.renew_deadline);
  provider.lease.retry_period = election.retry_period.value_or(provider.lease.retry_period);
  if (file.rate_limit.qps) provider.writes.rate = *file.rate_limit.qps;
  if (file.rate_limit.burst) provider.writes.burst = *file.rate_limit.burst;
}

void Configuration::apply_to(infra::Settings& settings) const {
  if (file.deploy == api::DeployType::kGatewayNamespace) settings.mode = infra::Mode::kGatewayNamespace;
  if (!file.shutdown_image.empty()) settings.shutdown_image = file.shutdown_image;
}

std::string selector_text(const api::LabelSelector& selector) {
  std::vector<std::string> terms;
  for (const auto& [key, value] : selector.match_labels) terms.push_back(key + "=" + value);
  for (const api::LabelSelectorRequirement& each : selector.match_expressions) {
    const std::string values = fmt::format("({})", fmt::join(each.values, ","));
    if (each.operator_ == "In") terms.push_back(fmt::format("{} in {}", each.key, values));
    if (each.operator_ == "NotIn") terms.push_back(fmt::format("{} notin {}", each.key, values));
    if (each.operator_ == "Exists") terms.push_back(each.key);
    if (each.operator_ == "DoesNotExist") terms.push_back("!" + each.key);
  }
  return fmt::format("{}", fmt::join(terms, ","));
}

ReadConfiguration read_configuration(std::string text, std::string_view file) {
  ReadConfiguration read;
  read.text = std::move(text);
  const std::vector<Document> documents = parse(read.text, file, &read.problems);
  if (!read.problems.empty()) return read;
  if (documents.size() != 1 || !documents.front().tree.is_map()) {
    read.problems.push_back(problem_of(file, "a configuration is one YAML map of kind EnvoyGateway"));
    return read;
  }
  const Tree& tree = documents.front().tree;
  schema::check(tree, type(), &read.problems);
  // A newer Envoy Gateway may have it.
  for (Problem& problem : read.problems) {
    if (problem.code == "schema/unknown-field") problem.severity = Severity::kWarning;
  }
  const bool usable = std::ranges::none_of(
      read.problems, [](const Problem& problem) { return problem.severity == Severity::kError; });
  Configuration configuration;
  std::vector<Problem> unbound;  // check() has said them
  if (usable && schema::bind(tree, type(), &configuration.file, &unbound)) {
    schema::report_deprecated(tree, type(), &read.problems);
    schema::report_ineffective(tree, type(), &read.problems);
    if (configuration.file.provider == api::ConfigurationProvider::kCustom) {
      configuration.paths = configuration.file.file_paths;
    }
    if (configuration.file.log_level) configuration.log_level = level_of(*configuration.file.log_level);
    read.configuration = std::move(configuration);
  }
  for (Problem& problem : read.problems) problem.where.file = file;
  return read;
}

ReadConfiguration read_configuration_file(const std::string& file) {
  if (std::optional<std::string> text = read_file(file)) return read_configuration(*std::move(text), file);
  return {
      .configuration = std::nullopt, .problems = {problem_of(file, "the file cannot be read")}, .text = ""};
}

}  // namespace sluice::control
