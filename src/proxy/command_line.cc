#include "proxy/command_line.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

namespace sluice::proxy {
namespace {

using std::chrono::seconds;

// Envoy takes whole seconds and divides by them.
seconds drain_time(const ir::Proxy& proxy) {
  return std::max(seconds(1), std::chrono::ceil<seconds>(proxy.drain_timeout));
}

// With the words up to the next one; without a name, words that come before any.
struct Option {
  std::string name;
  std::vector<std::string> values;
};

// Envoy refuses an option that comes twice, and these of ours say nothing but what is wanted: who has another
// wish may say so himself.
constexpr std::string_view kReplaceable[] = {kConcurrency, kLogLevel, kComponentLogLevel, "--socket-mode",
                                             "--skip-hot-restart-on-no-parent"};

bool is_replaceable(std::string_view name) {
  return std::ranges::find(kReplaceable, name) != std::end(kReplaceable);
}

// "-l" is taken for what it stands for. "--name=value", which Envoy does not know, for "--name value" where
// the option is one of the above.
std::vector<Option> read_options(const std::vector<std::string>& arguments) {
  std::vector<Option> options;
  for (const std::string& argument : arguments) {
    if (!argument.starts_with('-')) {
      if (options.empty()) options.emplace_back();
      options.back().values.push_back(argument);
      continue;
    }
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    if (argument == "-l") {
      options.push_back({std::string(kLogLevel), {}});
    } else if (equals != std::string::npos && is_replaceable(name)) {
      options.push_back({name, {argument.substr(equals + 1)}});
    } else {
      options.push_back({argument, {}});
    }
  }
  return options;
}

bool has_option(const std::vector<Option>& options, const std::string& name) {
  return std::ranges::find(options, name, &Option::name) != options.end();
}

// Takes those that `winners` have too out of the others.
void leave_out(const std::vector<Option>& winners, std::vector<Option>& others) {
  std::erase_if(others, [&winners](const Option& option) {
    return is_replaceable(option.name) && has_option(winners, option.name);
  });
}

// What fields say, for as long as nobody says otherwise.
void append_fields(const ir::Proxy& proxy, std::vector<Option>& options) {
  if (proxy.concurrency) options.push_back({std::string(kConcurrency), {fmt::to_string(*proxy.concurrency)}});
  std::vector<std::string> components;
  for (const auto& [component, level] : proxy.log_levels) {
    if (component == "default") {
      options.push_back({std::string(kLogLevel), {level}});
    } else {
      components.push_back(fmt::format("{}:{}", component, level));
    }
  }
  if (!components.empty()) {
    options.push_back({std::string(kComponentLogLevel), {fmt::format("{}", fmt::join(components, ","))}});
  }
}

void append_words(const std::vector<Option>& options, std::vector<std::string>& result) {
  for (const auto& [name, values] : options) {
    if (!name.empty()) result.push_back(name);
    result.insert(result.end(), values.begin(), values.end());
  }
}

}  // namespace

ir::Duration parent_shutdown_time(const ir::Proxy& proxy) { return drain_time(proxy) + seconds(2); }

std::optional<std::string> find_option(const std::vector<std::string>& arguments, std::string_view name) {
  for (const auto& [option, values] : read_options(arguments)) {
    if (option == name) return fmt::format("{}", fmt::join(values, " "));
  }
  return std::nullopt;
}

std::vector<std::string> make_arguments(const ir::Proxy& proxy, const std::vector<std::string>& common_args,
                                        const Launch& launch) {
  std::vector<Option> options = {
      {"--config-path", {launch.bootstrap_path}},
      {"--base-id", {fmt::to_string(launch.base_id)}},
      {"--restart-epoch", {fmt::to_string(launch.restart_epoch)}},
      // Sockets in a folder of the owner's, rather than abstract ones that everybody on the host may talk to.
      {"--socket-path", {launch.hot_restart_path}},
      {"--socket-mode", {"600"}},
      {"--drain-time-s", {fmt::to_string(drain_time(proxy).count())}},
      {"--parent-shutdown-time-s",
       {fmt::to_string(std::chrono::duration_cast<seconds>(parent_shutdown_time(proxy)).count())}}};
  // The old epoch may die at any moment; then the new one starts as if it were the first.
  if (launch.restart_epoch > 0) options.push_back({"--skip-hot-restart-on-no-parent", {}});
  append_fields(proxy, options);
  const std::vector<Option> common = read_options(common_args);
  std::vector<Option> own = read_options(proxy.extra_args);
  leave_out(common, own);
  leave_out(common, options);
  leave_out(own, options);
  options.insert(options.end(), common.begin(), common.end());
  options.insert(options.end(), own.begin(), own.end());

  std::vector<std::string> result;
  append_words(options, result);
  return result;
}

std::vector<std::string> make_pod_arguments(const ir::Proxy& proxy, std::vector<std::string> own) {
  std::vector<Option> options = {{"--cpuset-threads", {}}, {"--drain-strategy", {"immediate"}}};
  append_fields(proxy, options);
  if (!has_option(options, std::string(kLogLevel))) options.push_back({std::string(kLogLevel), {"warn"}});
  // What Envoy says in `misc` below an error is about deprecated fields of its own configuration.
  if (!has_option(options, std::string(kComponentLogLevel))) {
    options.push_back({std::string(kComponentLogLevel), {"misc:error"}});
  }
  options.push_back({"--drain-time-s", {fmt::to_string(drain_time(proxy).count())}});
  const std::vector<Option> extra = read_options(proxy.extra_args);
  std::erase_if(options, [&extra](const Option& option) { return has_option(extra, option.name); });
  append_words(options, own);
  append_words(extra, own);
  return own;
}

std::uint32_t concurrency_of(const std::vector<std::string>& arguments) {
  if (const std::optional<std::string> value = find_option(arguments, kConcurrency)) {
    std::uint32_t result = 0;
    std::from_chars(value->data(), value->data() + value->size(), result);
    if (result > 0) return result;
  }
  cpu_set_t own;
  const bool known = ::sched_getaffinity(0, sizeof own, &own) == 0;
  return known ? static_cast<std::uint32_t>(CPU_COUNT(&own)) : 1;
}

}  // namespace sluice::proxy
