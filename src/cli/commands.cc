#include "cli/commands.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <sstream>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "base/closest.h"
#include "base/letter_case.h"
#include "base/log.h"
#include "base/quote.h"
#include "cli/certgen.h"
#include "cli/check.h"
#include "cli/diff.h"
#include "cli/envoy.h"
#include "cli/explain.h"
#include "cli/picker.h"
#include "cli/report.h"
#include "cli/schema.h"
#include "cli/status.h"
#include "cli/translate.h"
#include "control/configuration.h"
#include "control/dump.h"
#include "control/host_addresses.h"
#include "control/options.h"
#include "control/run.h"
#include "infra/bootstrap.h"
#include "schema/codec.h"
#include "version.h"

namespace sluice::cli {

namespace {

using Action = std::function<int(Console&)>;

struct Command {
  std::string_view name;
  std::string_view summary;
  std::string_view examples;
  // Adds the command's options, and gives what is to be done when they are parsed.
  Action (*declare)(CLI::App& app);
};

void fail(Console& console, const std::string& message) {
  console.err << paint("error:", kRed, console.err_color) << " " << message << "\n";
}

// CLI11's own, without its remarks on types, numbers and defaults: the descriptions say what matters.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(24); }
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_name();
    return type.empty() ? "" : " " + type.substr(0, type.find(':'));
  }
  std::string make_option_usage(const CLI::Option* option) const override {
    const std::string type = option->get_type_name();
    const std::string name = type.empty() ? option->get_name(true) : type;
    return option->get_required() ? name : fmt::format("[{}]", name);
  }
};

// An option that takes one of some words, each for a value.
template <typename T>
void add_choice(CLI::App& app, const std::string& flags, T& chosen,
                std::vector<std::pair<std::string_view, T>> choices, const std::string& description,
                const std::string& type) {
  const std::string name = flags.substr(flags.find("--"));
  const auto take = [&chosen, name, choices = std::move(choices)](const std::string& word) {
    const auto at = std::ranges::find(choices, word, [](const auto& choice) { return choice.first; });
    if (at == choices.end()) {
      std::vector<std::string_view> words;
      for (const auto& choice : choices) words.push_back(choice.first);
      const std::string_view meant = closest(word, words);
      throw CLI::ValidationError(name, fmt::format("{} is none of {}{}", quote(word), fmt::join(words, ", "),
                                                   meant.empty() ? "" : "; " + did_you_mean(meant)));
    }
    chosen = at->second;
  };
  app.add_option_function<std::string>(flags, take, description)->type_name(type);
}

void add_output(CLI::App& app, bool& json) {
  add_choice<bool>(app, "-o,--output", json, {{"text", false}, {"json", true}},
                   "text or json (default: text)", "FORMAT");
}

// What is wrong with a command line, in a sentence: words that nobody asked for come before what is missing.
std::string explain_usage(const CLI::App& whole, const CLI::ParseError& error) {
  const std::vector<CLI::App*> parsed = whole.get_subcommands();
  const CLI::App& app = parsed.empty() ? whole : *parsed.front();
  std::vector<std::string> subcommands;
  for (const CLI::App* each : app.get_subcommands({})) subcommands.push_back(each->get_name());
  const std::vector<std::string> extras = app.remaining();
  if (extras.empty()) {
    return subcommands.empty() ? error.what() : fmt::format("say which: {}", fmt::join(subcommands, ", "));
  }
  const std::string word = extras.front().substr(0, extras.front().find('='));
  if (!word.starts_with("-")) {
    if (!subcommands.empty()) {
      const std::string_view meant = closest(word, {subcommands.begin(), subcommands.end()});
      return fmt::format("{} is none of {}{}", quote(word), fmt::join(subcommands, ", "),
                         meant.empty() ? "" : "; " + did_you_mean(meant));
    }
    const bool takes_files = app.get_option_no_throw("--file") != nullptr;
    return fmt::format("{} is not expected here{}", quote(word),
                       takes_files ? fmt::format("; files are named by `-f {}`", word) : "");
  }
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  const std::string_view meant = closest(word, {names.begin(), names.end()});
  return fmt::format("there is no option {}{}", quote(word), meant.empty() ? "" : "; " + did_you_mean(meant));
}

CLI::Option* add_optional_paths(CLI::App& app, std::vector<std::string>& paths) {
  return app
      .add_option(
          "-f,--file", paths,
          "A file, a folder (all *.yaml, *.yml and *.json in it), a pattern\n('conf/**/*.yaml'), or - "
          "for standard input; one or more")
      ->type_name("PATH...")
      ->check([](const std::string& path) {
        // Of an unset variable: it would be the whole current folder.
        return path.empty() ? std::string("a path must not be empty; the current folder is .")
                            : std::string();
      });
}

void add_paths(CLI::App& app, std::vector<std::string>& paths) { add_optional_paths(app, paths)->required(); }

// The Envoy that the build has put beside this program, or that of our package, or else the one that $PATH
// finds.
std::string default_envoy() {
  std::error_code error;
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const std::string_view candidate : {"envoy/envoy", "../envoy/envoy", "../lib/sluice/envoy"}) {
    const std::filesystem::path path = (here / candidate).lexically_normal();
    if (access(path.c_str(), X_OK) == 0) return path.string();
  }
  return "envoy";
}

// The module with our own picker, beside this program or where installations have libraries; empty: there is
// none.
std::string default_picker_module() {
  std::error_code error;
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const std::string_view folder : {".", "../lib", "../lib/sluice"}) {
    const std::filesystem::path path = (here / folder / "libsluice_picker.so").lexically_normal();
    if (access(path.c_str(), R_OK) == 0) return path.string();
  }
  return "";
}

std::string default_run_dir() {
  if (const char* const dir = std::getenv("XDG_RUNTIME_DIR"); dir != nullptr && *dir != '\0') {
    return std::string(dir) + "/sluice";
  }
  return geteuid() == 0 ? "/run/sluice" : fmt::format("/tmp/sluice-{}", geteuid());
}

template <typename T>  // Level, or one that may be absent
void add_log_level(CLI::App& app, T& level) {
  add_choice<T>(app, "--log-level", level,
                {{"debug", Level::kDebug},
                 {"info", Level::kInfo},
                 {"warning", Level::kWarning},
                 {"error", Level::kError}},
                "debug, info, warning or error (default: info)", "LEVEL");
}

void add_settings(CLI::App& app, std::string& file) {
  app.add_option("--options", file, "A YAML file of controller options")->type_name("FILE");
}

void tell(const std::vector<Problem>& problems, const std::string& text, Console& console) {
  const LineOf line_of = [&text](const std::string&, unsigned line) {
    std::istringstream lines(text);
    std::string found;
    for (unsigned i = 0; i < line; ++i) std::getline(lines, found);
    return found;
  };
  console.err << print_problems(problems, line_of, console.err_color);
}

// False, and said so, where the file is no good. An empty name gives the defaults.
bool read_settings(const std::string& file, translate::Settings& settings, Console& console) {
  if (file.empty()) return true;
  control::ReadOptions read = control::read_options_file(file);
  if (read.problems.empty()) {
    settings = *std::move(read.settings);
    return true;
  }
  tell(read.problems, read.text, console);
  return false;
}

// Where the objects of `run` come from, if not from files.
struct ClusterOptions {
  bool kubernetes = false;
  std::string kubeconfig;
  std::string context;
  std::vector<std::string> namespaces;
  std::string namespace_selector;
  std::string configuration_file;
  std::string envoys;              // "cluster", "host", or empty
  std::string former_deploy_type;  // "GatewayNamespace", or empty
  infra::Settings infrastructure;
};

void add_cluster(CLI::App& app, ClusterOptions& cluster) {
  auto* const kubernetes =
      app.add_flag("--kubernetes", cluster.kubernetes, "Serve the objects of a cluster instead of files");
  kubernetes->excludes(app.get_option("--file"));
  app.add_option("--kubeconfig", cluster.kubeconfig,
                 "How to reach its API server (default: $KUBECONFIG, then the\nservice account of this pod, "
                 "then ~/.kube/config)")
      ->type_name("FILE")
      ->needs(kubernetes);
  app.add_option("--context", cluster.context, "The context in that file (default: its current one)")
      ->type_name("NAME")
      ->needs(kubernetes);
  auto* const namespaces =
      app.add_option("--namespace", cluster.namespaces, "Only objects of these namespaces; one or more")
          ->type_name("NAME...")
          ->needs(kubernetes);
  app.add_option("--namespace-selector", cluster.namespace_selector,
                 "Only objects of namespaces with these labels: 'team=web,!old'")
      ->type_name("SELECTOR")
      ->needs(kubernetes)
      ->excludes(namespaces);
  app.add_option(
         "--envoys", cluster.envoys,
         "Where Envoys run: cluster, as Deployments that are made for them, or\nhost, as processes here "
         "(default: cluster for who runs in one, or has an\nEnvoyGateway configuration for one)")
      ->type_name("WHERE")
      ->check(CLI::IsMember({"cluster", "host"}))
      ->needs(kubernetes);
  app.add_option("--former-deploy-type", cluster.former_deploy_type,
                 "GatewayNamespace, where Envoys ran with their Gateways and run with us\nnow: what is left "
                 "there is deleted when it is replaced")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"ControllerNamespace", "GatewayNamespace"}))
      ->needs(kubernetes);
  app.add_option("--envoy-image", cluster.infrastructure.envoy_image,
                 "Their image there (default: " + cluster.infrastructure.envoy_image + ")")
      ->type_name("IMAGE")
      ->needs(kubernetes);
  app.add_option("--sluice-image", cluster.infrastructure.shutdown_image,
                 "That of the container beside each, which has it drain\n(default: " +
                     cluster.infrastructure.shutdown_image + ")")
      ->type_name("IMAGE")
      ->needs(kubernetes);
  app.add_option("--service", cluster.infrastructure.service,
                 "The Service in our namespace at which they find us (default: " +
                     cluster.infrastructure.service + ")")
      ->type_name("NAME")
      ->needs(kubernetes);
  app.add_option("--cluster-domain", cluster.infrastructure.dns_domain,
                 "The domain of names of Services (default: " + cluster.infrastructure.dns_domain + ")")
      ->type_name("NAME")
      ->needs(kubernetes);
  app.add_option(
         "--config", cluster.configuration_file,
         "Envoy Gateway's configuration, kind EnvoyGateway: which objects, who\nleads, what is allowed; "
         "options here come before it")
      ->type_name("FILE");
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Whether we are a pod, and nothing names another cluster than ours.
bool is_in_cluster(const ClusterOptions& cluster) {
  return cluster.kubeconfig.empty() && environment("KUBECONFIG").empty() && cluster.context.empty() &&
         !environment("KUBERNETES_SERVICE_HOST").empty();
}

// As controllers find it: what is named, or the pod's own, or what kubectl has.
std::expected<kube::Access, std::vector<Problem>> find_access(const ClusterOptions& cluster) {
  if (!cluster.kubeconfig.empty()) return kube::read_kubeconfig({cluster.kubeconfig}, cluster.context);
  if (is_in_cluster(cluster)) {
    auto access = kube::in_cluster();
    if (!access) return std::unexpected(std::vector{std::move(access).error()});
    return *std::move(access);
  }
  return kube::read_kubeconfig(kube::default_kubeconfigs(), cluster.context);
}

// False, and said so, where the file is no good.
bool read_configuration(const std::string& file, std::optional<control::Configuration>& configuration,
                        Console& console) {
  if (file.empty()) return true;
  control::ReadConfiguration read = control::read_configuration_file(file);
  tell(read.problems, read.text, console);
  configuration = std::move(read.configuration);
  return configuration.has_value();
}

// Where Envoys run is said, or else they run where we do, or where Envoy Gateway would have them.
void place_envoys(const ClusterOptions& cluster, const std::optional<control::Configuration>& configuration,
                  control::RunOptions& run) {
  const bool configured = configuration && !configuration->paths;
  const bool there =
      cluster.envoys.empty() ? configured || is_in_cluster(cluster) : cluster.envoys == "cluster";
  if (!there) return;
  run.settings.on_host = false;
  run.cluster->ran_with_gateways = cluster.former_deploy_type == "GatewayNamespace";
  infra::Settings& settings = run.cluster->infrastructure.emplace(cluster.infrastructure);
  const std::string image = settings.shutdown_image;
  if (configuration) configuration->apply_to(settings);
  if (image != infra::Settings().shutdown_image) settings.shutdown_image = image;
  settings.controller_namespace = run.cluster->access.name_space;
  settings.controller = infra::controller_label(run.settings.controller_name);
}

// What to run, of the options and the configuration; kOk, or it is said what is wrong.
int choose_source(const ClusterOptions& cluster, const std::optional<control::Configuration>& configuration,
                  control::RunOptions& run, Console& console) {
  if (!cluster.kubernetes && run.paths.empty() && configuration && configuration->paths) {
    run.paths = *configuration->paths;
  }
  if (!run.paths.empty()) return kOk;
  if (!cluster.kubernetes && !(configuration && !configuration->paths)) {
    fail(console, "there is nothing to serve: -f names files, --kubernetes takes the objects of a cluster");
    return kUsage;
  }
  auto access = find_access(cluster);
  if (!access) {
    tell(access.error(), "", console);
    return kProblems;
  }
  control::ClusterProvider& provider = run.cluster.emplace();
  provider.access = *std::move(access);
  provider.pod_name = environment("POD_NAME");
  provider.pod_uid = environment("POD_UID");
  if (configuration) configuration->apply_to(provider);
  if (!cluster.namespaces.empty() || !cluster.namespace_selector.empty()) {
    provider.namespaces = cluster.namespaces;
    provider.namespace_selector = cluster.namespace_selector;
  }
  place_envoys(cluster, configuration, run);
  if (const std::string fault = kube::Election::fault_of(provider.lease); !fault.empty()) {
    fail(console, fault);
    return kProblems;
  }
  return kOk;
}

// Where ADS over TLS has its certificate from; kOk, or it is said what is missing.
int choose_certificates(control::RunOptions& run, Console& console) {
  if (run.cluster && run.cluster->infrastructure && run.xds_address.empty()) {
    run.xds_address = fmt::format("0.0.0.0:{}", run.cluster->infrastructure->xds_port);
  }
  if (run.xds_address.empty()) return kOk;
  if (!run.cluster && run.xds_certificates.empty()) {
    fail(console,
         "--xds needs a certificate: --xds-certificates names the folder, `sluice certgen --out` makes one");
    return kUsage;
  }
  if (!run.cluster) return kOk;
  control::ClusterProvider& provider = *run.cluster;
  infra::Settings settings = provider.infrastructure.value_or(infra::Settings());
  settings.controller_namespace = provider.access.name_space;
  provider.token_audience = infra::service_host(settings);
  if (run.xds_certificates.empty()) provider.certificates = control::certificate_options(settings);
  return kOk;
}

Action declare_run(CLI::App& app) {
  struct Options {
    control::RunOptions run;
    ClusterOptions cluster;
    std::string settings_file;
    std::optional<Level> level;
  };
  const auto options = std::make_shared<Options>();
  options->run.envoy_path = default_envoy();
  options->run.picker_module = default_picker_module();
  options->run.run_dir = default_run_dir();
  add_optional_paths(app, options->run.paths);
  add_cluster(app, options->cluster);
  app.add_option("--envoy", options->run.envoy_path,
                 "The Envoy to run (default: the one of this build, then $PATH)")
      ->type_name("FILE");
  app.add_option("--envoy-arg", options->run.envoy_args, "One more argument for Envoy's command line")
      ->type_name("ARG")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  app.add_option(
         "--envoy-launcher", options->run.envoy_launcher,
         "The Unix socket of who starts Envoys for us (see `sluice envoy keep`), so\nthat they do not "
         "belong to our service")
      ->type_name("PATH");
  app.add_flag(
      "--leave-envoys", options->run.leave_envoys,
      "SIGTERM ends sluice alone, for the next to go on with its Envoys; SIGINT\ndrains them, as ever");
  app.add_option("--run-dir", options->run.run_dir,
                 "Sockets, logs and state; one sluice a folder\n(default: " + options->run.run_dir + ")")
      ->type_name("DIR");
  app.add_option(
         "--admin", options->run.admin_address,
         "Where metrics, health and the page are, beside the socket in the\nrun folder; none: nowhere "
         "(default: " +
             options->run.admin_address + ", a free port)")
      ->type_name("ADDRESS:PORT");
  app.add_option("--admin-host", options->run.admin_hosts, "One more name by which that address is asked for")
      ->type_name("NAME")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  app.add_option("--metrics", options->run.metrics_address,
                 "Metrics and health alone, for others than may see the page")
      ->type_name("ADDRESS:PORT");
  app.add_option("--look-again", options->run.look_again_seconds,
                 "How often WebAssembly modules that may change where they are from\nare looked at again "
                 "(default: 600)")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  app.add_option("--modules", options->run.modules_address,
                 "Serve fetched modules here, by their digests, for Envoys that are not\non this machine")
      ->type_name("ADDRESS:PORT");
  app.add_option("--modules-url", options->run.modules_url,
                 "By which those Envoys reach it (default: that of the address)")
      ->type_name("URL");
  auto* const xds =
      app.add_option("--xds", options->run.xds_address,
                     "Serve Envoys here that are not on this machine, over TLS 1.3, as\n0.0.0.0:18000")
          ->type_name("ADDRESS:PORT");
  app.add_option("--xds-certificates", options->run.xds_certificates,
                 "A folder with the certificate for that: tls.crt, tls.key and ca.crt\n(default: the Secret "
                 "`sluice` of the cluster)")
      ->type_name("FOLDER")
      ->needs(xds);
  add_settings(app, options->settings_file);
  add_log_level(app, options->level);
  return [options](Console& console) {
    control::RunOptions& run = options->run;
    std::optional<control::Configuration> configuration;
    if (!read_settings(options->settings_file, run.settings, console)) return kProblems;
    if (!read_configuration(options->cluster.configuration_file, configuration, console)) return kProblems;
    if (configuration) configuration->apply_to(run.settings);
    if (const int code = choose_source(options->cluster, configuration, run, console); code != kOk)
      return code;
    if (run.admin_address == "none") run.admin_address.clear();
    if (const int code = choose_certificates(run, console); code != kOk) return code;
    const auto configured = configuration ? configuration->log_level : std::nullopt;
    set_log_level(options->level.value_or(configured.value_or(Level::kInfo)));
    return control::run(run);
  };
}

Action declare_check(CLI::App& app) {
  struct Options {
    CheckOptions check;
    std::string settings_file;
    bool any_host = false;
  };
  const auto options = std::make_shared<Options>();
  add_paths(app, options->check.paths);
  app.add_flag("--any-host", options->any_host, "The addresses of Gateways may be those of another machine");
  add_output(app, options->check.json);
  add_settings(app, options->settings_file);
  return [options](Console& console) {
    translate::Settings settings;
    if (!read_settings(options->settings_file, settings, console)) return kProblems;
    std::optional<translate::HostAddresses> host;
    if (!options->any_host) host = control::read_host_addresses();
    const Translate translate = [&](const source::Batch& batch) {
      return control::translate_all(batch, settings, control::Secrets::kShown, host ? &*host : nullptr,
                                    std::chrono::system_clock::now())
          .problems;
    };
    return check(options->check, translate, console);
  };
}

Action declare_translate(CLI::App& app) {
  struct Options {
    TranslateOptions translate;
    std::string settings_file;
  };
  const auto options = std::make_shared<Options>();
  add_paths(app, options->translate.paths);
  add_settings(app, options->settings_file);
  app.add_option("-o,--output", options->translate.output,
                 "A folder for xds/<proxy>.json and status.yaml, or - for standard output\n(default: -)")
      ->type_name("DIR");
  app.add_flag("--show-secrets", options->translate.show_secrets,
               "Print private keys to standard output too; files have them");
  return [options](Console& console) {
    if (!read_settings(options->settings_file, options->translate.settings, console)) return kProblems;
    return translate(options->translate, console);
  };
}

// The request of `explain`; nothing, and said so, where it is none.
struct RequestWords {
  std::vector<std::string> method_and_url;
  std::vector<std::string> headers;
  std::string gateway;
  std::optional<std::string> sni;  // empty: none is sent
};

// "-f PATH... METHOD URL": what follows the paths is read as paths too. A URL has "://"; the word before it
// is a method if it is one that Envoy takes, or else a path if that exists, or else a method if it is in
// capitals. False, and said so, where it is none of these.
bool take_from_paths(std::vector<std::string>& paths, RequestWords& words, Console& console) {
  if (!words.method_and_url.empty() || paths.size() < 2 || paths.back().find("://") == std::string::npos)
    return true;
  words.method_and_url = {paths.back()};
  paths.pop_back();
  if (paths.size() < 2) return true;
  const std::string word = paths.back();
  if (!explain::is_known_method(word)) {
    std::error_code error;
    const bool is_path =
        word.find_first_of("*?[") != std::string::npos || word == "-" || std::filesystem::exists(word, error);
    if (is_path) return true;
    if (!std::ranges::all_of(word, [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; })) {
      fail(console,
           fmt::format("`{}` is neither a path that exists nor a method, which are in capitals", word));
      return false;
    }
  }
  words.method_and_url.insert(words.method_and_url.begin(), word);
  paths.pop_back();
  return true;
}

std::optional<explain::Request> read_request(const RequestWords& words, Console& console) {
  const auto bad = [&console](const std::string& message) {
    fail(console, message);
    return std::nullopt;
  };
  if (words.method_and_url.empty())
    return bad("explain needs a URL, as in `sluice explain -f conf/ GET http://www.example.com/`");
  auto request = explain::read_url(words.method_and_url.back());
  if (!request)
    return bad(fmt::format("{}: {}", explain::without_user(words.method_and_url.back()), request.error()));
  if (words.method_and_url.size() == 2) request->method = words.method_and_url.front();
  for (const std::string& header : words.headers) {
    if (const auto added = explain::add_header(header, *request); !added) return bad(added.error());
  }
  if (words.sni && !request->tls()) {
    return bad(fmt::format("--sni is for https:// and tls://: {}:// has no server name",
                           explain::name_of(request->scheme)));
  }
  if (words.sni) request->sni = lower_case(*words.sni);
  if (!words.gateway.empty()) {
    const std::size_t slash = words.gateway.find('/');
    if (slash == std::string::npos) return bad("--gateway takes a namespace and a name: 'default/web'");
    request->gateway = {words.gateway.substr(0, slash), words.gateway.substr(slash + 1)};
  }
  return *std::move(request);
}

Action declare_explain(CLI::App& app) {
  struct Options {
    ExplainOptions explain;
    RequestWords request;
    std::string settings_file;
    bool batch = false;
  };
  const auto options = std::make_shared<Options>();
  add_paths(app, options->explain.paths);
  app.add_option("request", options->request.method_and_url,
                 "The request: GET http://app.example.com/path; https, too; or tls://HOST:PORT,\n"
                 "tcp://HOST:PORT and udp://HOST:PORT without a method")
      ->type_name("[METHOD] URL")
      ->expected(0, 2);
  app.add_option("-H,--header", options->request.headers, "A header: 'Name: value'; may be repeated")
      ->type_name("HEADER")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  app.add_option("--gateway", options->request.gateway, "Only through this Gateway")->type_name("NS/NAME");
  // CLI11 takes an empty text for the absence of an optional one.
  app.add_option_function<std::string>(
         "--sni", [options](const std::string& name) { options->request.sni = name; },
         "The server name of TLS (default: the URL's host); '': none")
      ->type_name("NAME");
  app.add_flag("--batch", options->batch,
               "Read requests from standard input, a JSON object a line: {\"method\", \"url\",\n"
               "\"headers\": [[name, value], ...], \"sni\"}; write a JSON list a line");
  add_output(app, options->explain.json);
  add_settings(app, options->settings_file);
  return [options](Console& console) {
    if (!read_settings(options->settings_file, options->explain.settings, console)) return kProblems;
    if (!take_from_paths(options->explain.paths, options->request, console)) return kUsage;
    if (options->batch) {
      if (std::ranges::find(options->explain.paths, "-") != options->explain.paths.end()) {
        fail(console, "--batch reads requests from standard input: the files cannot come from there too");
        return kUsage;
      }
      options->explain.batch = &std::cin;
    } else {
      auto request = read_request(options->request, console);
      if (!request) return kUsage;
      options->explain.request = *std::move(request);
    }
    return explain_request(options->explain, console);
  };
}

Action declare_diff(CLI::App& app) {
  struct Options {
    DiffOptions diff;
    std::vector<std::string> paths;
    std::string settings_file;
  };
  const auto options = std::make_shared<Options>();
  app.add_option("-f,--file", options->paths,
                 "A file, a folder or a pattern: first as it is, then as it will be")
      ->type_name("OLD -f NEW")
      ->required();
  add_output(app, options->diff.json);
  add_settings(app, options->settings_file);
  return [options](Console& console) {
    // As with diff(1), 1 says that something differs.
    if (!read_settings(options->settings_file, options->diff.settings, console)) return kUsage;
    if (options->paths.size() != 2) {
      fail(console, fmt::format("diff compares two paths, and there {} {}",
                                options->paths.size() == 1 ? "is" : "are", options->paths.size()));
      return kUsage;
    }
    options->diff.before = options->paths[0];
    options->diff.after = options->paths[1];
    return diff(options->diff, console);
  };
}

Action declare_status(CLI::App& app) {
  using Output = StatusOptions::Output;
  const auto options = std::make_shared<StatusOptions>();
  options->run_dir = default_run_dir();
  app.add_option("KIND", options->kind, "Only objects of this kind: HTTPRoute, httproutes")->type_name("");
  app.add_option("NAME", options->name, "Only the one of this name: default/web, web")->type_name("");
  add_choice<Output>(
      app, "-o,--output", options->output,
      {{"table", Output::kTable}, {"wide", Output::kWide}, {"json", Output::kJson}, {"yaml", Output::kYaml}},
      "table, wide (a row for each listener and parent), json or yaml\n(default: table)", "FORMAT");
  app.add_option("--run-dir", options->run_dir,
                 "The run folder of the sluice to ask\n(default: " + options->run_dir + ")")
      ->type_name("DIR");
  return [options](Console& console) { return status(*options, console); };
}

// An option that may be there several times, with one word each time.
CLI::Option* add_words(CLI::App& app, const std::string& flags, std::vector<std::string>& words,
                       const std::string& description) {
  return app.add_option(flags, words, description)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

Action declare_picker(CLI::App& app) {
  struct Options {
    PickerOptions picker;
    ClusterOptions cluster;
    Level level = Level::kInfo;
  };
  const auto options = std::make_shared<Options>();
  PickerOptions& picker = options->picker;
  app.add_option("--listen", picker.listen,
                 "Where Envoy asks: IP:PORT, [IPv6]:PORT or unix:PATH\n(default: " + picker.listen + ")")
      ->type_name("ADDRESS");
  add_words(app, "-e,--endpoints", picker.endpoints, "The model servers: 10.0.0.1:8000,10.0.0.2:8000")
      ->type_name("IP:PORT,...");
  app.add_option("--endpoints-file", picker.endpoints_file,
                 "A file of them, one a line, with labels: 10.0.0.1:8000 role=decode;\n"
                 "read again when it changes")
      ->type_name("FILE");
  auto* const files =
      add_words(app, "-f,--file", picker.paths,
                "Files and folders with an InferencePool, its Pods, objectives and rewrites,\n"
                "instead of endpoints; read again when they change; may be repeated")
          ->type_name("PATH");
  auto* const kubernetes =
      app.add_flag("--kubernetes", options->cluster.kubernetes,
                   "A cluster's InferencePool, its Pods, objectives and rewrites, instead of files")
          ->excludes(files);
  app.add_option("--kubeconfig", options->cluster.kubeconfig,
                 "How to reach the API server (default: $KUBECONFIG, then the service\naccount of this pod, "
                 "then ~/.kube/config)")
      ->type_name("FILE")
      ->needs(kubernetes);
  app.add_option("--context", options->cluster.context, "The context in that file (default: its current one)")
      ->type_name("NAME")
      ->needs(kubernetes);
  app.add_option("--pool", picker.pool,
                 "Which InferencePool of these (default: the only one of the files; of a\n"
                 "cluster one has to be named)")
      ->type_name("[NAMESPACE/]NAME");
  app.add_option("--config", picker.config_file,
                 "An EndpointPickerConfig of llm-d (default: costs, without tuning)")
      ->type_name("FILE");
  auto* const metrics_at =
      app.add_option("--metrics-at", picker.metrics_at,
                     "Where servers have their metrics, if not at /metrics of their own port:\n"
                     "/prometheus/metrics, :8002, https://:8443/metrics")
          ->type_name("[SCHEME://][:PORT][/PATH]");
  app.add_option("--metrics-ca", picker.metrics_ca,
                 "PEM file: who signs the certificates of servers that are asked by https; or `system`.\n"
                 "Without it any certificate will do")
      ->type_name("FILE")
      ->needs(metrics_at);
  app.add_option("--metrics-interval", picker.metrics_interval_ms,
                 "How often servers are asked for their metrics (default: 50)")
      ->type_name("MS")
      ->check(CLI::Range(1, 3'600'000));
  app.add_option("--metrics-idle-interval", picker.metrics_idle_interval_ms,
                 "The same where there has been no request for 5 s (default: 1000)")
      ->type_name("MS")
      ->check(CLI::Range(1, 3'600'000));
  add_words(app, "--metric", picker.metrics,
            "A metric of the servers instead of the usual ones; may be repeated:\n"
            "waiting=my_queue, running=a{kind=busy}, blocks=info@blocks")
      ->type_name("WHAT=NAME");
  add_words(app, "--objective", picker.objectives,
            "The priority of requests with this objective; may be repeated: batch=-1")
      ->type_name("NAME=NUMBER");
  app.add_flag("--refuse-unknown", picker.refuse_unknown,
               "Answer with 400 where the body names no model; otherwise any server may\nhave it");
  app.add_flag("--buffered", picker.buffered,
               "Bodies come as a whole (BUFFERED) from gateways that do not say how;\n"
               "otherwise in FULL_DUPLEX_STREAMED mode");
  app.add_option("--max-body", picker.max_body_mib, "The largest body of a request (default: 16)")
      ->type_name("MIB")
      ->check(CLI::Range(1, 1024));
  auto* const certificate =
      app.add_option("--certificate", picker.certificate, "PEM file: speak TLS, with this chain")
          ->type_name("FILE");
  auto* const key =
      app.add_option("--key", picker.key, "PEM file: the certificate's private key")->type_name("FILE");
  certificate->needs(key);
  key->needs(certificate);
  app.add_option("--client-ca", picker.client_ca,
                 "PEM file: who signs the certificates of clients, which need one then")
      ->type_name("FILE")
      ->needs(certificate);
  app.add_option(
         "--admin", picker.admin_address,
         "Where metrics and health are; none: nowhere\n(default: " + picker.admin_address + ", a free port)")
      ->type_name("ADDRESS:PORT");
  add_log_level(app, options->level);
  return [options](Console& console) {
    const PickerOptions& given = options->picker;
    const bool named = !given.endpoints.empty() || !given.endpoints_file.empty();
    const bool of_cluster = options->cluster.kubernetes;
    const bool of_pool = !given.paths.empty() || of_cluster;
    if (!named && !of_pool) {
      fail(console,
           "there are no endpoints: --endpoints or --endpoints-file names them, or -f a pool's files");
      return kUsage;
    }
    if (of_pool && (named || !given.objectives.empty())) {
      fail(console, fmt::format("with {}, endpoints and objectives come from {}: leave out --endpoints, "
                                "--endpoints-file and --objective",
                                of_cluster ? "--kubernetes" : "-f", of_cluster ? "there" : "files"));
      return kUsage;
    }
    if (given.pool.empty() ? of_cluster : !of_pool) {
      fail(console, given.pool.empty()
                        ? "with --kubernetes, --pool says which InferencePool"
                        : "--pool is one of the files of -f, or with --kubernetes of a cluster");
      return kUsage;
    }
    if (of_cluster) {
      auto access = find_access(options->cluster);
      if (!access) {
        tell(access.error(), "", console);
        return kProblems;
      }
      if (!given.pool.contains('/'))
        options->picker.pool = fmt::format("{}/{}", access->name_space, given.pool);
      options->picker.cluster = *std::move(access);
    }
    if (options->picker.admin_address == "none") options->picker.admin_address.clear();
    set_log_level(options->level);
    return serve_picker(options->picker, console);
  };
}

Action declare_certgen(CLI::App& app) {
  struct Options {
    CertgenOptions certgen;
    ClusterOptions cluster;
    std::string name_space;
    std::optional<int> days;
  };
  const auto options = std::make_shared<Options>();
  control::CertificateOptions& certificates = options->certgen.certificates;
  auto* const folder =
      app.add_option(
             "--out", options->certgen.folder,
             "Write FOLDER/sluice, FOLDER/envoy and FOLDER/ca, each with tls.crt, tls.key\nand ca.crt, "
             "instead of Secrets")
          ->type_name("FOLDER");
  app.add_option("--kubeconfig", options->cluster.kubeconfig,
                 "How to reach the API server (default: $KUBECONFIG, then the service\naccount of this pod, "
                 "then ~/.kube/config)")
      ->type_name("FILE")
      ->excludes(folder);
  app.add_option("--context", options->cluster.context, "The context in that file (default: its current one)")
      ->type_name("NAME")
      ->excludes(folder);
  app.add_option("--namespace", options->name_space,
                 "Where sluice runs, and the Secrets are (default: that of the context,\nor with --out " +
                     certificates.name_space + ")")
      ->type_name("NAME");
  app.add_option("--domain", certificates.domain, "Of the cluster (default: " + certificates.domain + ")")
      ->type_name("NAME");
  app.add_option("--days", options->days,
                 "How long certificates last (default: 90, which a running sluice renews;\nwith --out 1825)")
      ->type_name("DAYS")
      ->check(CLI::Range(1, 36'500));
  app.add_flag(
      "--overwrite", certificates.overwrites,
      "Make all anew, though they last: Envoys that trust the old ones cannot\nconnect until they see "
      "the new ones");
  return [options](Console& console) {
    CertgenOptions& certgen_options = options->certgen;
    control::CertificateOptions& given = certgen_options.certificates;
    const bool to_folder = !certgen_options.folder.empty();
    const std::chrono::days days = to_folder ? control::kAuthorityLasts : control::kCertificateLasts;
    given.lasts = options->days ? std::chrono::days(*options->days) : days;
    if (!to_folder) {
      auto access = find_access(options->cluster);
      if (!access) {
        tell(access.error(), "", console);
        return kProblems;
      }
      certgen_options.access = *std::move(access);
      given.name_space = certgen_options.access.name_space;
    }
    if (!options->name_space.empty()) given.name_space = options->name_space;
    return certgen(certgen_options, console);
  };
}

CLI::Option* add_duration(CLI::App& app, const std::string& flag, std::chrono::milliseconds& duration,
                          const std::string& description) {
  return app
      .add_option_function<std::string>(
          flag,
          [&duration, flag](const std::string& text) {
            const auto parsed = schema::parse_duration(text);
            if (!parsed) {
              throw CLI::ValidationError(
                  flag, fmt::format("{} is no duration, as 60s, 500ms or 1m30s", quote(text)));
            }
            duration = *parsed;
          },
          description)
      ->type_name("DURATION");
}

// What runs beside Envoy, each a command of its own.
Action declare_envoy(CLI::App& app) {
  struct Options {
    std::chrono::milliseconds ready_timeout{70'000};
    drain::Times times;
  };
  const auto options = std::make_shared<Options>();
  app.require_subcommand(1);
  CLI::App* const manager = app.add_subcommand(
      "shutdown-manager", "Tell Kubernetes when the Envoy of this pod may end: it asks on port 19002");
  add_duration(*manager, "--ready-timeout", options->ready_timeout,
               "How long that waits where nobody drains Envoy (default: 70s)");
  CLI::App* const shutdown =
      app.add_subcommand("shutdown", "Drain the Envoy of this pod, and wait for its connections to end");
  add_duration(*shutdown, "--health-check-failure-delay", options->times.health_check_failure_delay,
               "Between failing health checks and draining listeners (default: 0s)");
  add_duration(*shutdown, "--drain-timeout", options->times.drain_timeout,
               "How long it waits for connections at most (default: 60s)");
  add_duration(*shutdown, "--min-drain-duration", options->times.min_drain,
               "How long it waits at least (default: 10s)");
  const CLI::App* const keep = app.add_subcommand(
      "keep",
      "Start an Envoy for `sluice run --envoy-launcher`, which says on standard input how,\nand wait for "
      "its end: for a service of systemd's, a connection each");
  return [options, manager, keep](Console& console) {
    if (keep->parsed()) return keep_envoy(console);
    return manager->parsed() ? run_shutdown_manager(options->ready_timeout, console)
                             : shut_down_envoy(options->times, console);
  };
}

Action declare_schema(CLI::App& app) {
  const auto options = std::make_shared<SchemaOptions>();
  app.add_option("form", options->form,
                 "crd: CustomResourceDefinitions; json: JSON Schema for editors; docs: reference pages")
      ->type_name("crd|json|docs")
      ->required()
      ->check([](const std::string& form) {
        const bool known = form == "crd" || form == "json" || form == "docs";
        return known ? std::string() : fmt::format("{} is none of crd, json and docs", quote(form));
      });
  app.add_option("kind", options->kind, "A kind: HTTPRoute, httproutes, gtw (default: all)")
      ->type_name("KIND");
  app.add_option("-o,--output", options->output,
                 "A folder for a file each, or - for standard output (default: -)")
      ->type_name("DIR");
  return [options](Console& console) { return schema(*options, console); };
}

Action declare_version(CLI::App&) {
  return [](Console& console) {
    console.out << fmt::format("sluice {} for Envoy {}\n", kSluiceVersion, kEnvoyVersion);
    return kOk;
  };
}

constexpr Command kCommands[] = {
    {"run", "Serve what files or a cluster say through Envoy, and follow their changes",
     "  sluice run -f conf/\n"
     "  sluice run -f gateway.yaml routes/ --envoy-arg --concurrency --envoy-arg 2\n"
     "  sluice run --kubernetes --context staging --namespace web shop\n",
     declare_run},
    {"check", "Report what is wrong with files",
     "  sluice check -f conf/\n"
     "  kubectl get gateways,httproutes -A -o yaml | sluice check -f -\n"
     "  sluice check -f 'conf/**/*.yaml' -o json | jq '.[].message'\n",
     declare_check},
    {"translate", "Write what Envoy would be told, and the statuses, as files",
     "  sluice translate -f conf/ -o out/\n"
     "  sluice translate -f conf/ | less\n",
     declare_translate},
    {"explain", "Tell the way of a request: listener, route, filters, backends, and why not others",
     "  sluice explain -f conf/ GET http://www.example.com/cart\n"
     "  sluice explain -f conf/ POST https://api.example.com/v1 -H 'Content-Type: text/plain'\n"
     "  sluice explain -f conf/ -o json GET http://www.example.com/ | jq '.[0].rule'\n",
     declare_explain},
    {"diff", "Tell what a change of files does to what is served",
     "  sluice diff -f conf/ -f conf.new/\n"
     "  git worktree add /tmp/before main && sluice diff -f /tmp/before/conf -f conf\n",
     declare_diff},
    {"status", "Print the conditions of objects that a running sluice serves",
     "  sluice status\n"
     "  sluice status httproutes\n"
     "  sluice status HTTPRoute default/web -o wide\n"
     "  sluice status -o json | jq '.problems[].message'\n",
     declare_status},
    {"picker", "Pick the model server for each request, for an Envoy that asks (ext_proc)",
     "  sluice picker --endpoints 10.0.0.1:8000,10.0.0.2:8000\n"
     "  sluice picker --endpoints-file pool.txt --listen unix:/run/picker.sock --objective batch=-1\n"
     "  sluice picker -f pools/ --pool llama\n"
     "  sluice picker --kubernetes --pool llm/llama --listen 0.0.0.0:9002\n",
     declare_picker},
    {"certgen", "Make the certificates by which sluice and Envoys in pods know each other",
     "  sluice certgen --namespace sluice-system\n"
     "  sluice certgen --out certs/ && sluice run -f conf/ --xds 0.0.0.0:18000 --xds-certificates "
     "certs/sluice\n",
     declare_certgen},
    {"envoy", "Beside an Envoy: drain it before its pod ends, or keep it as a service",
     "  sluice envoy shutdown-manager --ready-timeout=70s\n"
     "  sluice envoy shutdown --drain-timeout=60s --min-drain-duration=10s\n",
     declare_envoy},
    {"schema", "Print the schemas of all kinds: for API servers, editors and readers",
     "  sluice schema crd | kubectl apply --server-side -f -\n"
     "  sluice schema json > sluice.schema.json\n"
     "  sluice schema docs httproute | less\n",
     declare_schema},
    {"version", "Print the versions of sluice and of the Envoy it was made for", "  sluice version\n",
     declare_version},
};

std::string overview() {
  std::string text =
      "sluice - a Gateway API control plane for Envoy\n"
      "\n"
      "Usage: sluice COMMAND [OPTIONS]\n"
      "\n"
      "Commands:\n";
  for (const Command& command : kCommands)
    text += fmt::format("  {:<11} {}\n", command.name, command.summary);
  return text +
         "\n"
         "Examples:\n"
         "  sluice check -f conf/\n"
         "  sluice run -f conf/\n"
         "\n"
         "`sluice COMMAND --help` tells more. Exit codes: 0 all is well, 1 problems were found, 2 wrong "
         "usage.\n";
}

int unknown_command(const std::string& name, Console& console) {
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) names.push_back(command.name);
  const std::string_view meant = closest(name, names);
  fail(console, fmt::format("unknown command `{}`", name));
  console.err << (meant.empty() ? "`sluice --help` lists the commands\n" : did_you_mean(meant) + "\n");
  return kUsage;
}

int run_with(const Command& command, std::vector<std::string> arguments, Console& console) {
  CLI::App app(std::string(command.summary), fmt::format("sluice {}", command.name));
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h,--help", "Print this");
  app.footer(fmt::format("Examples:\n{}", command.examples));
  const Action action = command.declare(app);
  try {
    std::ranges::reverse(arguments);  // as CLI11 wants them
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    console.out << app.help();
    return kOk;
  } catch (const CLI::ParseError& error) {
    fail(console, explain_usage(app, error));
    console.err << fmt::format("`sluice {} --help` lists the options\n", command.name);
    return kUsage;
  }
  return action(console);
}

int dispatch(std::vector<std::string> arguments, Console& console) {
  if (arguments.empty()) {
    console.err << overview();
    return kUsage;
  }
  std::string name = arguments.front();
  arguments.erase(arguments.begin());
  if (name == "--version") name = "version";
  if (name == "help" && !arguments.empty()) {
    name = arguments.front();
    arguments = {"--help"};
  }
  if (name == "help" || name == "--help" || name == "-h") {
    console.out << overview();
    return kOk;
  }
  const auto command = std::ranges::find(kCommands, name, &Command::name);
  if (command == std::end(kCommands)) return unknown_command(name, console);
  return run_with(*command, std::move(arguments), console);
}

}  // namespace

bool wants_color(bool is_terminal, const char* no_color, const char* term) {
  return is_terminal && (no_color == nullptr || *no_color == '\0') && term != nullptr &&
         std::string_view(term) != "dumb";
}

int run_command(std::vector<std::string> arguments, Console& console) {
  const int code = dispatch(std::move(arguments), console);
  console.out.flush();
  if (console.out) return code;
  fail(console, "the output cannot be written");
  return std::max(code, kProblems);
}

int main_program(int argc, char** argv) {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const term = std::getenv("TERM");
  Console console{.out_color = wants_color(isatty(STDOUT_FILENO) == 1, no_color, term),
                  .err_color = wants_color(isatty(STDERR_FILENO) == 1, no_color, term)};
  return run_command({argv + 1, argv + argc}, console);
}

}  // namespace sluice::cli
