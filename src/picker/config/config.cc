#include "picker/config/config.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/closest.h"
#include "base/letter_case.h"
#include "base/quote.h"
#include "picker/config/plugins.h"
#include "schema/bind.h"
#include "schema/effect.h"
#include "schema/plain_check.h"
#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::picker {
namespace {

struct PluginSpec {
  std::string name;
  std::string type;
  std::optional<Tree> parameters;
};
struct PluginRef {
  std::string plugin;
  std::optional<double> weight;
};
struct SchedulingProfile {
  std::string name;
  std::vector<PluginRef> plugins;
};
struct DataSource {
  std::string plugin;
};
struct Written {
  std::string api_version;
  std::vector<std::string> gates;
  std::vector<PluginSpec> plugins;
  std::vector<SchedulingProfile> profiles;
  double queue_depth = 5;
  double kv_usage = 0.8;
  std::string detector;
  std::optional<std::variant<std::int32_t, std::string>> max_bytes;
  std::optional<std::variant<std::int32_t, std::string>> max_requests;
  std::chrono::milliseconds request_ttl{0};
  std::vector<DataSource> sources;
};

constexpr const char* kApiVersion = "llm-d.ai/v1alpha1";

schema::Type config_type() {
  using namespace schema;  // NOLINT: as in api
  const Type plugin = object({
      field<&PluginSpec::name>("name", string()),
      field<&PluginSpec::type>("type", string().min_length(1)).required(),
      field<&PluginSpec::parameters>("parameters", any()),
  });
  const Type reference = object({
      field<&PluginRef::plugin>("pluginRef", string().min_length(1)).required(),
      field<&PluginRef::weight>("weight", number()),
  });
  const Type profile = object({
      field<&SchedulingProfile::name>("name", string().min_length(1)).required(),
      field<&SchedulingProfile::plugins>("plugins", list(reference)),
  });
  const auto detector = [] {
    return object({
        field<&Written::detector>("pluginRef", string()),
        field<&Written::queue_depth>("queueDepthThreshold", number()),
        field<&Written::kv_usage>("kvCacheUtilThreshold", number()),
        field("metricsStalenessThreshold", string()),
    });
  };
  const Type named = object({field("pluginRef", string()).passive()});
  const Type data_layer = object({
      field<&Written::sources>("sources", list(object({
                                              field<&DataSource::plugin>("pluginRef", string()),
                                              field("interval", string()),
                                              field("extractors", list(named)).passive(),
                                          }))),
      field("discovery", any()),
  });
  const Type flow_control = object({
      field<&Written::max_bytes>("maxBytes", int_or_string()),
      field<&Written::max_requests>("maxRequests", int_or_string()),
      field<&Written::request_ttl>("defaultRequestTTL", string().formatted("duration")),
      field("priorityBands", any()),
      field("defaultPriorityBand", any()),
      field("usageLimitPolicyPluginRef", string()),
      flattened("saturationDetector", detector()),
  });
  return object({
      field<&Written::api_version>(
          "apiVersion", enumeration({kApiVersion, "llm-d.ai/v1", "inference.networking.x-k8s.io/v1alpha1"}))
          .required(fmt::format("add `apiVersion: {}`", kApiVersion)),
      field("kind", enumeration({"EndpointPickerConfig"}))
          .required("add `kind: EndpointPickerConfig`")
          .passive(),
      field<&Written::gates>("featureGates", list(string())),
      field<&Written::plugins>("plugins", list(plugin)).required(),
      field<&Written::profiles>("schedulingProfiles", list(profile)),
      flattened("saturationDetector", detector()),
      flattened("flowControl", flow_control),
      flattened("dataLayer", data_layer),
      flattened("data", data_layer),
      field("requestHandler", any()),
      field("parser", any()),
  });
}

// Kubernetes' quantities, as far as whole things are counted by them.
std::optional<std::uint64_t> quantity(const std::variant<std::int32_t, std::string>& written) {
  if (const auto* number = std::get_if<std::int32_t>(&written)) {
    return *number < 0 ? std::nullopt : std::optional<std::uint64_t>(static_cast<std::uint64_t>(*number));
  }
  static constexpr std::pair<std::string_view, double> kUnits[] = {
      {"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30},
  };
  const std::string& text = std::get<std::string>(written);
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits == 0 || digits > 12) return std::nullopt;
  const auto unit = std::ranges::find(kUnits, std::string_view(text).substr(digits),
                                      &std::pair<std::string_view, double>::first);
  if (unit == std::end(kUnits)) return std::nullopt;
  return static_cast<std::uint64_t>(std::stod(text.substr(0, digits)) * unit->second);
}

// A plugin of the file: what it is, and its parameters.
struct Instance {
  const Plugin* plugin = nullptr;  // nullptr: left out
  Parameters parameters;
  bool used = false;
};

class Reader {
 public:
  Reader(const Tree& tree, std::string_view file, std::vector<Problem>* problems)
      : tree_(tree), file_(file), problems_(problems) {}

  std::optional<Config> read();

 private:
  Problem& report(std::string code, Severity severity, std::string path, std::string message,
                  std::string suggestion = {});
  void no_effect(std::string path, std::string message) {
    report("support/no-effect", Severity::kWarning, std::move(path), std::move(message));
  }
  void instantiate(const PluginSpec& spec, std::size_t index);
  void read_parameters(const PluginSpec& spec, const Plugin& plugin, const std::string& path,
                       Parameters& parameters);
  Instance* find(const std::string& name, const std::string& path);
  Stage stage(const SchedulingProfile& profile, std::size_t index);
  const SchedulingProfile* profile(const std::string& name, const std::string& path);
  void read_profiles(Profile& made);
  void read_admission(Profile& made);
  void read_limits(Profile& made);
  std::optional<Source> read_source(Part part);
  void check_session(const Parameters& parameters, const std::string& path);
  void read_session_header(Profile& made);

  const Tree& tree_;
  std::string_view file_;
  std::vector<Problem>* problems_;
  Written config_;
  std::map<std::string, Instance, std::less<>> instances_;
};

Problem& Reader::report(std::string code, Severity severity, std::string path, std::string message,
                        std::string suggestion) {
  Problem& problem = problems_->emplace_back();
  problem.code = std::move(code);
  problem.severity = severity;
  problem.where.file = file_;
  if (const Tree* at = tree_.at(path)) {
    problem.where.line = at->line();
    problem.where.column = at->column();
  }
  problem.path = std::move(path);
  problem.message = std::move(message);
  problem.suggestion = std::move(suggestion);
  return problem;
}

void Reader::read_parameters(const PluginSpec& spec, const Plugin& plugin, const std::string& path,
                             Parameters& parameters) {
  const Tree given = spec.parameters && !spec.parameters->is_null() ? *spec.parameters : Tree::map({});
  if (plugin.parameters == nullptr) return;
  const schema::Type type = plugin.parameters();
  const std::size_t first = problems_->size();
  if (schema::check_plain(given, type, problems_)) {
    schema::bind(given, type, &parameters, problems_);
    schema::report_ineffective(given, type, problems_);
  }
  for (std::size_t i = first; i < problems_->size(); ++i) {
    Problem& problem = (*problems_)[i];
    problem.where.file = file_;
    if (problem.where.line == 0) {
      if (const Tree* at = tree_.at(path)) problem.where = {std::string(file_), at->line(), at->column()};
    }
    problem.path = path + ".parameters" + (problem.path.empty() ? "" : ".") + problem.path;
    if (problem.code == "support/no-effect") {
      problem.message = fmt::format("a parameter of {} that has no effect here", quote(spec.type));
    }
  }
  if (plugin.type == "session-affinity-scorer") check_session(parameters, path);
}

void Reader::check_session(const Parameters& parameters, const std::string& path) {
  const auto by_token = [&](const std::string& value, const char* name) {
    if (value.empty() || value == "encoded_endpoint_header") return;
    no_effect(fmt::format("{}.parameters.{}", path, name),
              fmt::format("sessions are known here by their token alone, and not by {}", quote(value)));
  };
  by_token(parameters.session_strategy, "strategy");
  by_token(parameters.session_algorithm, "algorithm");
}

void Reader::instantiate(const PluginSpec& spec, std::size_t index) {
  const std::string path = fmt::format("plugins[{}]", index);
  const std::string& name = spec.name.empty() ? spec.type : spec.name;
  const auto [place, is_new] = instances_.try_emplace(name);
  if (!is_new) {
    report("schema/duplicate", Severity::kError, path, fmt::format("a second plugin named {}", quote(name)),
           "give one of them a `name`");
    return;
  }
  place->second.plugin = find_plugin(spec.type);
  if (place->second.plugin != nullptr) {
    read_parameters(spec, *place->second.plugin, path, place->second.parameters);
    return;
  }
  if (std::ranges::find(missing_plugins(), spec.type) != missing_plugins().end()) {
    report("support/plugin", Severity::kWarning, path + ".type",
           fmt::format("llm-d's plugin {} is missing here and left out", quote(spec.type)));
    return;
  }
  std::vector<std::string_view> types(missing_plugins().begin(), missing_plugins().end());
  for (const Plugin& plugin : plugins()) types.push_back(plugin.type);
  report("reference/plugin", Severity::kError, path + ".type",
         fmt::format("there is no plugin of type {}", quote(spec.type)),
         did_you_mean(closest(spec.type, types)));
}

Instance* Reader::find(const std::string& name, const std::string& path) {
  const auto found = instances_.find(name);
  if (found != instances_.end()) {
    found->second.used = true;
    return &found->second;
  }
  std::vector<std::string_view> names;
  for (const auto& [known, instance] : instances_) names.push_back(known);
  report("reference/plugin", Severity::kError, path,
         fmt::format("there is no plugin named {} in this file", quote(name)),
         find_plugin(name) != nullptr ? fmt::format("add `- type: {}` to `plugins`", name)
                                      : did_you_mean(closest(name, names)));
  return nullptr;
}

Stage Reader::stage(const SchedulingProfile& profile, std::size_t index) {
  Stage stage;
  stage.choice = Choice::kMaxScore;
  std::vector<std::string> scorer_paths;
  for (std::size_t i = 0; i < profile.plugins.size(); ++i) {
    const PluginRef& reference = profile.plugins[i];
    const std::string path = fmt::format("schedulingProfiles[{}].plugins[{}]", index, i);
    const Instance* instance = find(reference.plugin, path + ".pluginRef");
    if (instance == nullptr || instance->plugin == nullptr) continue;
    const Plugin& plugin = *instance->plugin;
    if (reference.weight && plugin.part != Part::kScorer) {
      no_effect(path + ".weight", "only scorers have a weight");
    }
    if (plugin.add == nullptr) {
      if (plugin.part != Part::kOther) {
        no_effect(path, fmt::format("{} is no filter, scorer or picker", quote(plugin.type)));
      }
      continue;
    }
    if (plugin.part == Part::kScorer) scorer_paths.push_back(path);
    plugin.add(instance->parameters, reference.weight.value_or(1), stage);
  }
  if (stage.choice == Choice::kLowestCost || stage.choice == Choice::kRandom) {
    for (const std::string& path : scorer_paths) {
      no_effect(path, "the picker of this profile does not look at scores");
    }
    stage.scorers.clear();
  }
  return stage;
}

const SchedulingProfile* Reader::profile(const std::string& name, const std::string& path) {
  const auto found = std::ranges::find(config_.profiles, name, &SchedulingProfile::name);
  if (found != config_.profiles.end()) return &*found;
  // Of parameters that are no good there is no name, and they have been told.
  if (name.empty() && std::ranges::find(*problems_, Severity::kError, &Problem::severity) != problems_->end())
    return nullptr;
  std::vector<std::string_view> names;
  for (const SchedulingProfile& profile : config_.profiles) names.push_back(profile.name);
  report("reference/profile", Severity::kError, path,
         fmt::format("there is no scheduling profile named {}", quote(name)),
         did_you_mean(closest(name, names)));
  return nullptr;
}

void Reader::read_profiles(Profile& made) {
  if (config_.profiles.empty()) {
    // As llm-d: one profile of all plugins.
    SchedulingProfile all{"default", {}};
    for (const auto& [name, instance] : instances_) {
      if (instance.plugin != nullptr && instance.plugin->add != nullptr) all.plugins.push_back({name, {}});
    }
    config_.profiles.push_back(std::move(all));
  }
  const Plugin* handler = nullptr;
  const Parameters* parameters = nullptr;
  std::string path;
  for (std::size_t i = 0; i < config_.plugins.size(); ++i) {
    const PluginSpec& spec = config_.plugins[i];
    const auto found = instances_.find(spec.name.empty() ? spec.type : spec.name);
    if (found == instances_.end() || found->second.plugin == nullptr) continue;
    if (found->second.plugin->part != Part::kHandler) continue;
    handler = found->second.plugin;
    parameters = &found->second.parameters;
    path = fmt::format("plugins[{}]", i);
  }
  const auto index_of = [&](const SchedulingProfile* profile) {
    return static_cast<std::size_t>(profile - config_.profiles.data());
  };
  if (handler == nullptr || handler->type == "single-profile-handler") {
    made.serve = stage(config_.profiles.front(), 0);
    for (std::size_t i = 1; i < config_.profiles.size(); ++i) {
      no_effect(fmt::format("schedulingProfiles[{}]", i),
                handler == nullptr ? "without a profile handler, only the first profile is used"
                                   : "`single-profile-handler` uses only the first profile");
    }
    return;
  }

  const SchedulingProfile* decode = profile(parameters->decode_profile, path);
  if (decode == nullptr) return;
  made.serve = stage(*decode, index_of(decode));
  const bool unified = handler->type == "disagg-profile-handler";
  if (unified && parameters->decider.empty()) return;
  const SchedulingProfile* prefill = profile(parameters->prefill_profile, path);
  if (prefill == nullptr) return;
  made.prefill = stage(*prefill, index_of(prefill));
  double threshold = parameters->pd_threshold;
  if (!parameters->decider.empty()) {
    const Instance* decider = find(parameters->decider, path);
    if (decider != nullptr && decider->plugin != nullptr) threshold = decider->parameters.pd_threshold;
  }
  made.prefill_threshold = static_cast<std::uint32_t>(std::clamp(threshold, 0.0, 4e9));
}

void Reader::read_admission(Profile& made) {
  Admission& admission = made.admission;
  admission.queue = false;
  for (std::size_t i = 0; i < config_.gates.size(); ++i) {
    if (config_.gates[i] == "flowControl") {
      admission.queue = true;
    } else {
      no_effect(fmt::format("featureGates[{}]", i), "a feature gate that has no effect here");
    }
  }
  admission.queue_depth = config_.queue_depth;
  admission.kv_usage = config_.kv_usage;
  const auto detect = [&](const Instance& instance) {
    if (instance.plugin == nullptr || instance.plugin->part != Part::kDetector) return;
    admission.queue_depth = instance.parameters.queue_depth;
    admission.kv_usage = instance.parameters.kv_usage;
  };
  for (const auto& [name, instance] : instances_) {
    detect(instance);
    if (instance.parameters.first_token_objective.count() > 0) {
      admission.objective = instance.parameters.first_token_objective;
    }
    if (instance.parameters.token_objective.count() > 0) {
      admission.token_objective = instance.parameters.token_objective;
    }
  }
  if (!config_.detector.empty()) {
    if (const Instance* instance = find(config_.detector, "")) detect(*instance);
  }
  if (admission.queue_depth <= 0 || admission.kv_usage <= 0) {
    report("schema/range", Severity::kError, "", "thresholds of the saturation detector must be more than 0");
  }
  const auto limit = [&](const auto& written, const char* name, auto& into) {
    if (!written) return;
    if (const auto value = quantity(*written)) {
      into = static_cast<std::remove_reference_t<decltype(into)>>(*value);
    } else {
      report("schema/format", Severity::kError, fmt::format("flowControl.{}", name),
             "expected a whole number, as in `1000`, `1k` or `1Gi`");
    }
  };
  limit(config_.max_bytes, "maxBytes", admission.max_queued_bytes);
  limit(config_.max_requests, "maxRequests", admission.max_queued);
  admission.time_to_live = config_.request_ttl;
}

// In the order of the file.
void Reader::read_limits(Profile& made) {
  for (std::size_t i = 0; i < config_.plugins.size(); ++i) {
    const PluginSpec& spec = config_.plugins[i];
    const auto found = instances_.find(spec.name.empty() ? spec.type : spec.name);
    if (found == instances_.end() || found->second.plugin == nullptr) continue;
    if (found->second.plugin->part != Part::kLimit) continue;
    const Parameters& given = found->second.parameters;
    const std::string path = fmt::format("plugins[{}]", i);
    const auto below_zero = [&](double value, const char* name) {
      if (value >= 0) return;
      report("schema/range", Severity::kError, fmt::format("{}.parameters.{}", path, name),
             fmt::format("{} must be more than 0", quote(name)));
    };
    below_zero(given.requests_per_second, "requestsPerSecond");
    below_zero(given.tokens_per_second, "tokensPerSecond");
    if (given.requests_per_second == 0 && given.tokens_per_second == 0) {
      report("schema/required", Severity::kError, path, "a rate limit that limits nothing",
             "set `requestsPerSecond`, `tokensPerSecond` or both to more than 0");
    }
    if (given.burst.count() <= 0) {
      report("schema/range", Severity::kError, path + ".parameters.burst", "`burst` must be more than 0s");
    }
    made.limits.push_back({given.model, given.fairness_id, given.requests_per_second, given.tokens_per_second,
                           std::chrono::duration<double>(given.burst).count()});
  }
}

void Reader::read_session_header(Profile& made) {
  for (const PluginSpec& spec : config_.plugins) {
    const auto found = instances_.find(spec.name.empty() ? spec.type : spec.name);
    if (found == instances_.end() || !made.session_header.empty()) continue;
    made.session_header = lower_case(found->second.parameters.session_header);
  }
}

// That of the first such plugin.
std::optional<Source> Reader::read_source(Part part) {
  std::optional<Source> source;
  for (std::size_t i = 0; i < config_.plugins.size(); ++i) {
    const PluginSpec& spec = config_.plugins[i];
    const auto found = instances_.find(spec.name.empty() ? spec.type : spec.name);
    if (found == instances_.end() || found->second.plugin == nullptr) continue;
    if (found->second.plugin->part != part) continue;
    const std::string path = fmt::format("plugins[{}]", i);
    if (source) {
      no_effect(path, "servers are asked at one place: at that of the plugin before");
      continue;
    }
    const Parameters& given = found->second.parameters;
    // As a URL has it.
    const auto read = parse_source(given.path.starts_with('/') ? given.path : "/" + given.path);
    if (!read) {
      report("schema/format", Severity::kError, path + ".parameters.path",
             fmt::format("{} is no path", quote(given.path)), "write one as `/metrics`");
      return std::nullopt;
    }
    if (given.certificate.empty() != given.key.empty()) {
      report("schema/required", Severity::kError, path, "`clientCertPath` and `clientKeyPath` go together",
             "write both, or none");
    }
    const bool tls = given.scheme == "https";
    const std::pair<bool, const char*> of_tls[] = {{!given.authorities.empty(), "caCertPath"},
                                                   {!given.certificate.empty(), "clientCertPath"}};
    for (const auto& [is_set, name] : of_tls) {
      if (is_set && !tls) no_effect(fmt::format("{}.parameters.{}", path, name), "without `scheme: https`");
    }
    if (tls && given.skip_verify && !given.authorities.empty()) {
      no_effect(path + ".parameters.caCertPath", "without `insecureSkipVerify: false`");
    }
    source = Source{.tls = tls,
                    .port = static_cast<std::uint16_t>(given.port),
                    .path = read->path,
                    .verify = !given.skip_verify,
                    .authorities = given.authorities,
                    .certificate = given.certificate,
                    .key = given.key,
                    .interval = given.interval};
  }
  return source;
}

std::optional<Config> Reader::read() {
  const std::size_t first = problems_->size();
  const schema::Type type = config_type();
  if (schema::check_plain(tree_, type, problems_) && schema::bind(tree_, type, &config_, problems_)) {
    schema::report_ineffective(tree_, type, problems_);
  }
  for (std::size_t i = first; i < problems_->size(); ++i) (*problems_)[i].where.file = file_;
  const auto failed = [&] {
    return std::any_of(problems_->begin() + static_cast<std::ptrdiff_t>(first), problems_->end(),
                       [](const Problem& problem) { return problem.severity == Severity::kError; });
  };
  if (failed()) return std::nullopt;

  Config made;
  for (std::size_t i = 0; i < config_.plugins.size(); ++i) instantiate(config_.plugins[i], i);
  read_profiles(made.profile);
  read_admission(made.profile);
  read_session_header(made.profile);
  made.metrics = read_source(Part::kMetrics);
  made.models = read_source(Part::kModels);
  if (failed()) return std::nullopt;
  read_limits(made.profile);
  if (failed()) return std::nullopt;
  return made;
}

}  // namespace

std::optional<Config> read_config(const Tree& tree, std::string_view file, std::vector<Problem>* problems) {
  return Reader(tree, file, problems).read();
}

Sources sources_of(const Config& config, const Sources& otherwise) {
  Sources sources = config.metrics ? sources_with(*config.metrics) : otherwise;
  if (config.models) sources.models = *config.models;
  return sources;
}

}  // namespace sluice::picker
