#include "observe/metrics.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "observe/process.h"
#include "version.h"

namespace sluice::observe {
namespace {

using prometheus::ClientMetric;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::map<std::string, std::string>;
using Buckets = Histogram::BucketBoundaries;

struct Definition {
  const char* name;
  const char* help;
};

// Counted as it happens.
constexpr Definition kBatches{"sluice_source_batches_total", "Batches of changes that the source has read"};
constexpr Definition kChanges{"sluice_source_objects_changed_total",
                              "Objects that the source has read anew, or that went"};
constexpr Definition kCommits{"sluice_commits_total", "Commits of the pipeline"};
constexpr Definition kCommitCpu{"sluice_commit_cpu_seconds", "CPU time of a commit on the control thread"};
constexpr Definition kRuns{"sluice_stage_runs_total", "Rows that a stage has computed"};
constexpr Definition kRowsChanged{"sluice_stage_rows_changed_total",
                                  "Rows of a stage that came out different, were added or went"};
constexpr Definition kArrival{
    "sluice_change_to_acknowledgement_seconds",
    "From the first sign of a change of the files to the first acknowledgement of a proxy"};
constexpr Definition kResponses{"sluice_xds_responses_total", "Responses that nodes were sent"};
constexpr Definition kResources{"sluice_xds_resources_total",
                                "Resources in these responses, removals included"};
constexpr Definition kBytes{"sluice_xds_bytes_total", "Bytes of the resources in these responses"};
constexpr Definition kRejections{"sluice_xds_rejections_total", "Resources that nodes refused"};
constexpr Definition kObjectRejections{
    "sluice_object_rejections_total",
    "Times that an object was held back because a proxy refused what comes of it"};
// Made when asked for.
constexpr Definition kBuild{"sluice_build_info", "The versions of sluice and of the Envoy it was made for"};
constexpr Definition kReady{"sluice_ready", "1 where /readyz says so"};
constexpr Definition kBusy{"sluice_control_busy_seconds",
                           "How long the control thread has been at what it is doing"};
constexpr Definition kObjects{"sluice_objects", "Objects by kind"};
constexpr Definition kRows{"sluice_table_rows", "Rows of a table"};
constexpr Definition kProblems{"sluice_problems", "Problems by severity and code"};
constexpr Definition kHeldBack{"sluice_objects_held_back",
                               "Objects in whose place an older version is served"};
constexpr Definition kExpiry{"sluice_certificate_nearest_expiry_timestamp_seconds",
                             "When the first of the certificates that are shown runs out, since the epoch"};
constexpr Definition kState{"sluice_proxy_state", "1 for the state that the process of a proxy is in"};
constexpr Definition kStarts{"sluice_proxy_starts_total", "Processes that a proxy has had"};
constexpr Definition kFailures{"sluice_proxy_failures_total",
                               "Times that the process of a proxy ended though it was to go on"};
constexpr Definition kNodes{"sluice_nodes_connected", "Nodes of a proxy that are connected"};
constexpr Definition kAcknowledged{"sluice_node_acknowledged_commit", "The newest commit that a node serves"};
constexpr Definition kCommitsBehind{"sluice_node_commits_behind", "Commits that a node has not acknowledged"};
constexpr Definition kSecondsBehind{"sluice_node_seconds_behind",
                                    "Age of the oldest commit that a node has not acknowledged"};
constexpr Definition kCpu{"process_cpu_seconds_total", "CPU time of sluice"};
constexpr Definition kMemory{"process_resident_memory_bytes", "Resident memory of sluice"};
constexpr Definition kStartTime{"process_start_time_seconds", "When sluice was started, since the epoch"};
constexpr Definition kFiles{"process_open_fds", "Open files of sluice"};

constexpr std::array kAll{
    kBatches,      kChanges,       kCommits,       kCommitCpu, kRuns,       kRowsChanged,
    kArrival,      kResponses,     kResources,     kBytes,     kRejections, kObjectRejections,
    kBuild,        kReady,         kBusy,          kObjects,   kRows,       kProblems,
    kHeldBack,     kExpiry,        kState,         kStarts,    kFailures,   kNodes,
    kAcknowledged, kCommitsBehind, kSecondsBehind, kCpu,       kMemory,     kStartTime,
    kFiles};

const Buckets kCpuBuckets{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                          0.025,  0.05,    0.1,    0.25,  0.5,    1,     5};
const Buckets kArrivalBuckets{0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1,
                              0.25,  0.5,  1,     2.5,  5,    10,   30,    60};

// "Cluster" of "type.googleapis.com/envoy.config.cluster.v3.Cluster".
std::string short_type(xds::ResourceType type) {
  const std::string_view url = xds::type_url(type);
  return std::string(url.substr(url.rfind('.') + 1));
}

std::string_view severity_name(Severity severity) {
  return severity == Severity::kError ? "error" : "warning";
}

// A family that is made anew each time.
class Made {
 public:
  Made(std::vector<MetricFamily>& all, const Definition& definition, MetricType type = MetricType::Gauge)
      : family_(all.emplace_back()) {
    family_.name = definition.name;
    family_.help = definition.help;
    family_.type = type;
  }
  void add(double value, const Labels& labels = {}) {
    ClientMetric& metric = family_.metric.emplace_back();
    for (const auto& [name, text] : labels) metric.label.push_back({name, text});
    metric.gauge.value = metric.counter.value = value;
  }

 private:
  MetricFamily& family_;
};

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;

  Family<Counter>& counters(const Definition& definition) {
    return prometheus::BuildCounter().Name(definition.name).Help(definition.help).Register(registry);
  }
  Family<Histogram>& histograms(const Definition& definition) {
    return prometheus::BuildHistogram().Name(definition.name).Help(definition.help).Register(registry);
  }

  Counter& batches = counters(kBatches).Add({});
  Counter& changes = counters(kChanges).Add({});
  Counter& commits = counters(kCommits).Add({});
  Histogram& commit_cpu = histograms(kCommitCpu).Add({}, kCpuBuckets);
  Family<Counter>& runs = counters(kRuns);
  Family<Counter>& rows_changed = counters(kRowsChanged);
  Histogram& arrival = histograms(kArrival).Add({}, kArrivalBuckets);
  // By type. Looking a counter up by its labels costs more than a commit of one endpoint.
  using ByType = std::array<Counter*, xds::kResourceTypes>;
  ByType responses = by_type(kResponses);
  ByType resources = by_type(kResources);
  ByType bytes = by_type(kBytes);
  ByType rejections = by_type(kRejections);
  Family<Counter>& object_rejections = counters(kObjectRejections);
  // By position among the stages: runs, and rows changed.
  std::vector<std::pair<Counter*, Counter*>> stages;

  // What has not happened yet is 0, not absent: rates need a start.
  ByType by_type(const Definition& definition) {
    Family<Counter>& family = counters(definition);
    ByType all{};
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i] = &family.Add({{"type", short_type(static_cast<xds::ResourceType>(i))}});
    }
    return all;
  }

  std::mutex mutex;  // guards what follows
  std::set<ObjectKey> named;
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::read(std::size_t upserted, std::size_t deleted) {
  impl_->batches.Increment();
  impl_->changes.Increment(static_cast<double>(upserted + deleted));
}

void Metrics::committed(const flow::CommitStats& stats, std::chrono::microseconds cpu) {
  impl_->commits.Increment();
  impl_->commit_cpu.Observe(std::chrono::duration<double>(cpu).count());
  for (std::size_t i = impl_->stages.size(); i < stats.stages.size(); ++i) {
    const Labels label{{"stage", std::string(stats.stages[i].name)}};
    impl_->stages.emplace_back(&impl_->runs.Add(label), &impl_->rows_changed.Add(label));
  }
  for (std::size_t i = 0; i < stats.stages.size(); ++i) {
    impl_->stages[i].first->Increment(stats.stages[i].runs);
    impl_->stages[i].second->Increment(stats.stages[i].changed);
  }
}

void Metrics::arrived(std::chrono::steady_clock::duration after) {
  impl_->arrival.Observe(std::chrono::duration<double>(after).count());
}

void Metrics::sent(const ads::Sent& response) {
  const auto type = static_cast<std::size_t>(response.type);
  impl_->responses.at(type)->Increment();
  impl_->resources.at(type)->Increment(static_cast<double>(response.resources));
  impl_->bytes.at(type)->Increment(static_cast<double>(response.bytes));
}

void Metrics::rejected(const ads::Rejected& rejected) {
  impl_->rejections.at(static_cast<std::size_t>(rejected.type))->Increment();
}

void Metrics::held_back(const ObjectKey& object) {
  bool by_name = false;
  {
    const std::lock_guard lock(impl_->mutex);
    by_name = impl_->named.contains(object) || impl_->named.size() < kMostObjects;
    if (by_name) impl_->named.insert(object);
  }
  const Labels labels = by_name ? Labels{{"kind", object.kind.kind()},
                                         {"namespace", object.name.namespace_},
                                         {"name", object.name.name}}
                                : Labels{{"kind", "(others)"}, {"namespace", ""}, {"name", ""}};
  impl_->object_rejections.Add(labels).Increment();
}

std::string Metrics::text(const Now& now) const {
  std::vector<MetricFamily> all = impl_->registry.Collect();
  const auto seconds = [](auto duration) { return std::chrono::duration<double>(duration).count(); };

  Made(all, kBuild)
      .add(1, {{"version", std::string(kSluiceVersion)}, {"envoy_version", std::string(kEnvoyVersion)}});
  Made(all, kReady).add(now.ready ? 1 : 0);
  Made(all, kBusy).add(seconds(now.busy));
  Made(all, kHeldBack).add(static_cast<double>(now.held_back));
  if (now.nearest_expiry) Made(all, kExpiry).add(static_cast<double>(*now.nearest_expiry));
  {
    Made objects(all, kObjects);
    for (const auto& [kind, count] : now.objects)
      objects.add(static_cast<double>(count), {{"kind", kind.kind()}});
  }
  {
    Made rows(all, kRows);
    for (const auto& [table, count] : now.rows)
      rows.add(static_cast<double>(count), {{"table", std::string(table)}});
  }
  {
    Made problems(all, kProblems);
    for (const auto& [what, count] : now.problems) {
      problems.add(static_cast<double>(count),
                   {{"severity", std::string(severity_name(what.first))}, {"code", what.second}});
    }
  }

  const auto of_proxies = [&](const Definition& definition, MetricType type, auto value) {
    Made made(all, definition, type);
    for (const Fleet::Proxy& proxy : now.proxies) {
      made.add(static_cast<double>(value(proxy)), {{"proxy", proxy.key}});
    }
  };
  of_proxies(kStarts, MetricType::Counter, [](const auto& proxy) { return proxy.starts; });
  of_proxies(kFailures, MetricType::Counter, [](const auto& proxy) { return proxy.failures; });
  of_proxies(kNodes, MetricType::Gauge, [](const auto& proxy) { return proxy.nodes.size(); });
  {
    Made made(all, kState);
    for (const Fleet::Proxy& proxy : now.proxies) {
      for (const auto state : {proxy::State::kStarting, proxy::State::kReady, proxy::State::kDraining,
                               proxy::State::kExited, proxy::State::kBackingOff}) {
        made.add(state == proxy.state ? 1 : 0,
                 {{"proxy", proxy.key}, {"state", std::string(state_name(state))}});
      }
    }
  }
  const auto of_nodes = [&](const Definition& definition, auto value) {
    Made made(all, definition);
    for (const Fleet::Proxy& proxy : now.proxies) {
      for (const Fleet::Node& node : proxy.nodes) {
        made.add(static_cast<double>(value(node)), {{"proxy", proxy.key}, {"node", node.name}});
      }
    }
  };
  of_nodes(kAcknowledged, [](const auto& node) { return node.acknowledged; });
  of_nodes(kCommitsBehind, [](const auto& node) { return node.commits_behind; });
  of_nodes(kSecondsBehind, [&](const auto& node) {
    return node.behind_since ? std::max(seconds(now.time - *node.behind_since), 0.0) : 0.0;
  });

  const ProcessNumbers process = read_process();
  Made(all, kCpu, MetricType::Counter).add(process.cpu_seconds);
  Made(all, kMemory).add(static_cast<double>(process.resident_bytes));
  Made(all, kStartTime).add(process.start_time);
  Made(all, kFiles).add(static_cast<double>(process.open_files));

  std::erase_if(all, [](const MetricFamily& family) { return family.metric.empty(); });
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, all);
  return out.str();
}

std::vector<std::string_view> metric_names() {
  std::vector<std::string_view> names;
  for (const Definition& definition : kAll) names.emplace_back(definition.name);
  std::ranges::sort(names);
  return names;
}

}  // namespace sluice::observe
