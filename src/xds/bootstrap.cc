#include "xds/bootstrap.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.pb.h"
#include "envoy/extensions/stat_sinks/open_telemetry/v3/open_telemetry.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

#include "xds/bootstrap_pod.h"
#include "xds/duration.h"
#include "xds/grpc_call.h"
#include "xds/message_json.h"
#include "xds/render.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace pb = google::protobuf;
namespace core = envoy::config::core::v3;

using Bootstrap = envoy::config::bootstrap::v3::Bootstrap;
using nlohmann::json;

namespace {

constexpr char kXdsCluster[] = "xds_cluster";

template <typename List>
auto find_named(List& list, std::string_view name) {
  return std::find_if(list.begin(), list.end(), [name](const auto& item) { return item.name() == name; });
}

// One of the name, without what had it before.
template <typename List>
auto* make_named(const std::string& name, List* list) {
  list->erase(
      std::remove_if(list->begin(), list->end(), [&](const auto& item) { return item.name() == name; }),
      list->end());
  auto* made = list->Add();
  made->set_name(name);
  return made;
}

// ---- ours ------------------------------------------------------------------------------------

void fill_socket(const std::string& path, core::Pipe* to) {
  to->set_path(path);
  if (!path.starts_with('@')) to->set_mode(0600);  // an abstract socket has no mode
}

void fill_ads(core::ConfigSource* to) {
  to->mutable_ads();
  to->set_resource_api_version(core::ApiVersion::V3);
  // Without the first answer there is nothing to serve: wait for it.
  fill_duration(ir::Duration::zero(), to->mutable_initial_fetch_timeout());
}

void fill_dynamic_resources(Bootstrap::DynamicResources* to) {
  core::ApiConfigSource* ads = to->mutable_ads_config();
  ads->set_api_type(core::ApiConfigSource::DELTA_GRPC);
  ads->set_transport_api_version(core::ApiVersion::V3);
  ads->set_set_node_on_first_message_only(true);
  core::GrpcService::EnvoyGrpc* grpc = ads->add_grpc_services()->mutable_envoy_grpc();
  grpc->set_cluster_name(kXdsCluster);
  // The default goes up to 30 s; a control plane that restarts is back in less than one.
  auto* back_off = grpc->mutable_retry_policy()->mutable_retry_back_off();
  fill_duration(ir::Duration(100), back_off->mutable_base_interval());
  fill_duration(ir::Duration(1'000), back_off->mutable_max_interval());
  fill_ads(to->mutable_lds_config());
  fill_ads(to->mutable_cds_config());
}

// ADS over HTTP/2, wherever it is.
void fill_xds_cluster(envoy::config::cluster::v3::Cluster* to) {
  to->mutable_load_assignment()->set_cluster_name(kXdsCluster);
  envoy::extensions::upstreams::http::v3::HttpProtocolOptions options;
  auto* keepalive = options.mutable_explicit_http_config()
                        ->mutable_http2_protocol_options()
                        ->mutable_connection_keepalive();
  fill_duration(ir::Duration(30'000), keepalive->mutable_interval());
  fill_duration(ir::Duration(5'000), keepalive->mutable_timeout());
  pack(options, &(*to->mutable_typed_extension_protocol_options())
                    ["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]);
}

void fill_runtime(envoy::config::bootstrap::v3::LayeredRuntime* to) {
  auto* layer = to->add_layers();
  layer->set_name("global_config");
  auto& values = *layer->mutable_static_layer()->mutable_fields();
  // A user's regex is checked when it is translated; the size of its program is no reason to reject the rest.
  values["re2.max_program_size.error_level"].set_number_value(4'294'967'295);
  values["re2.max_program_size.warn_level"].set_number_value(1'000);
}

void fill_overload_manager(envoy::config::overload::v3::OverloadManager* to) {
  envoy::extensions::resource_monitors::downstream_connections::v3::DownstreamConnectionsConfig connections;
  connections.set_max_active_downstream_connections(50'000);
  fill_duration(ir::Duration(250), to->mutable_refresh_interval());
  auto* monitor = to->add_resource_monitors();
  monitor->set_name("envoy.resource_monitors.global_downstream_max_connections");
  pack(connections, monitor->mutable_typed_config());
}

// ---- on a host -------------------------------------------------------------------------------

void fill_admin_address(const BootstrapPlaces& places, core::Address* to) {
  fill_socket(places.admin_socket, to->mutable_pipe());
}

void fill_xds_endpoint(const BootstrapPlaces& places, envoy::config::cluster::v3::Cluster* to) {
  to->set_type(envoy::config::cluster::v3::Cluster::STATIC);
  fill_duration(ir::Duration(1'000), to->mutable_connect_timeout());
  to->mutable_load_assignment()
      ->add_endpoints()
      ->add_lb_endpoints()
      ->mutable_endpoint()
      ->mutable_address()
      ->mutable_pipe()
      ->set_path(places.xds_socket);
}

// ---- in both ---------------------------------------------------------------------------------

template <typename Places>
constexpr bool kInPod = std::is_same_v<Places, PodPlaces>;

// Static ones that must be there.
template <typename Places>
std::vector<envoy::config::listener::v3::Listener> own_listeners(const Places& places) {
  std::vector<envoy::config::listener::v3::Listener> listeners;
  if constexpr (kInPod<Places>) fill_ready_listener(places, &listeners.emplace_back());
  return listeners;
}

// What no bootstrap does without, whoever wrote it.
template <typename Places>
void fill_places(const ir::Proxy& proxy, const Places& places, Bootstrap* to) {
  to->mutable_node()->set_id(places.node_id);
  to->mutable_node()->set_cluster(proxy.key);
  to->mutable_admin()->clear_address();
  fill_admin_address(places, to->mutable_admin()->mutable_address());
  to->clear_dynamic_resources();
  fill_dynamic_resources(to->mutable_dynamic_resources());
  auto* cluster = make_named(kXdsCluster, to->mutable_static_resources()->mutable_clusters());
  fill_xds_cluster(cluster);
  fill_xds_endpoint(places, cluster);
  for (const auto& listener : own_listeners(places)) {
    *make_named(listener.name(), to->mutable_static_resources()->mutable_listeners()) = listener;
  }
  if constexpr (kInPod<Places>) to->mutable_node()->mutable_locality()->set_zone(places.zone);
}

// Envoy wants their clusters in its bootstrap: their endpoints and secrets come by ADS all the same.
void fill_metrics_sinks(const ir::Proxy& proxy, Bootstrap* to) {
  for (const ir::Proxy::MetricsSink& sink : proxy.metrics_sinks) {
    auto* cluster = to->mutable_static_resources()->add_clusters();
    if (!cluster->ParseFromString(render_cluster(sink.cluster))) std::abort();  // it is ours
    cluster->clear_metadata();
    envoy::extensions::stat_sinks::open_telemetry::v3::SinkConfig config;
    fill_grpc_call(sink.call, config.mutable_grpc_service());
    config.set_report_counters_as_deltas(sink.counter_deltas);
    config.set_report_histograms_as_deltas(sink.histogram_deltas);
    if (!sink.resource.empty()) fill_resource(sink.resource, config.add_resource_detectors());
    auto* stats_sink = to->add_stats_sinks();
    stats_sink->set_name("envoy.stat_sinks.open_telemetry");
    pack(config, stats_sink->mutable_typed_config());
  }
}

template <typename Places>
void fill_defaults(const ir::Proxy& proxy, const Places& places, Bootstrap* to) {
  fill_runtime(to->mutable_layered_runtime());
  fill_overload_manager(to->mutable_overload_manager());
  // Statistics of a cluster cost memory from its first request on, not before.
  to->mutable_deferred_stat_options()->set_enable_deferred_creation_stats(true);
  if constexpr (kInPod<Places>) fill_pod_defaults(places, to);
  fill_metrics_sinks(proxy, to);
}

// ---- the user's ------------------------------------------------------------------------------

std::unexpected<Problem> problem(std::string message) {
  return std::unexpected(
      Problem{.code = "value/bootstrap", .path = std::string(kBootstrapPath), .message = std::move(message)});
}

// Fields are spelled as in Envoy's documentation, and so in users' patches.
std::string to_text(const Bootstrap& bootstrap) {
  std::optional<std::string> text = message_to_json(bootstrap, FieldNames::kProto);
  if (!text) std::abort();  // everything in it came from classes or was parsed
  return *std::move(text);
}

std::expected<Bootstrap, Problem> parse(const std::string& text) {
  Bootstrap bootstrap;
  const pb::util::Status status = pb::util::JsonStringToMessage(text, &bootstrap);
  if (!status.ok()) {
    std::string_view why(status.message().data(), status.message().size());
    if (why.ends_with('.')) why.remove_suffix(1);
    return problem(fmt::format("not a bootstrap of Envoy: {}", why));
  }
  return bootstrap;
}

// Both sides take fields in either spelling, so they meet as messages: maps and messages merge, lists grow,
// the rest is replaced.
std::expected<Bootstrap, Problem> merge(Bootstrap ours, const std::string& text) {
  std::expected<Bootstrap, Problem> theirs = parse(text);
  if (theirs) ours.MergeFrom(*theirs);
  return theirs ? std::move(ours) : theirs;
}

std::expected<Bootstrap, Problem> patch(const Bootstrap& ours, const std::string& text) {
  const json operations = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!operations.is_array()) return problem("JSON patches are a list of operations");
  json document = json::parse(to_text(ours));
  for (std::size_t i = 0; i < operations.size(); ++i) {
    // One by one, so that the message names the operation.
    try {
      document = document.patch(json::array({operations[i]}));
    } catch (const json::exception& e) {
      std::string_view why = e.what();
      why.remove_prefix(std::min(why.size(), why.find("] ") == why.npos ? 0 : why.find("] ") + 2));
      return problem(fmt::format("JSON patch {} does not apply: {}", i + 1, why));
    }
  }
  return parse(document.dump());
}

// Those of `ours` are in `changed` once each, as they are.
template <typename List>
bool keeps(const List& ours, const List& changed, const std::string& name) {
  const auto is_named = [&](const auto& item) { return item.name() == name; };
  return std::count_if(changed.begin(), changed.end(), is_named) == 1 &&
         pb::util::MessageDifferencer::Equals(*find_named(changed, name), *find_named(ours, name));
}

// What a merge or patch must leave alone, for without it the proxy would not reach us, or not be found.
template <typename Places>
std::expected<Bootstrap, Problem> keep_places(const Bootstrap& ours, const Places& places,
                                              std::expected<Bootstrap, Problem> changed) {
  if (!changed) return changed;
  using pb::util::MessageDifferencer;
  if (!MessageDifferencer::Equals(changed->dynamic_resources(), ours.dynamic_resources())) {
    return problem("dynamic_resources must stay as they are");
  }
  if (!MessageDifferencer::Equals(changed->admin().address(), ours.admin().address())) {
    return problem("the address of the admin interface must stay as it is");
  }
  if (changed->node().id() != ours.node().id() || changed->node().cluster() != ours.node().cluster()) {
    return problem("id and cluster of the node must stay as they are");
  }
  if (!keeps(ours.static_resources().clusters(), changed->static_resources().clusters(), kXdsCluster)) {
    return problem(fmt::format("the cluster `{}` must stay as it is", kXdsCluster));
  }
  for (const auto& listener : own_listeners(places)) {
    if (!keeps(ours.static_resources().listeners(), changed->static_resources().listeners(),
               listener.name())) {
      return problem(fmt::format("the listener `{}` must stay as it is", listener.name()));
    }
  }
  return changed;
}

template <typename Places>
std::expected<std::string, Problem> render(const ir::Proxy& proxy, const Places& places) {
  using Change = ir::Proxy::BootstrapChange;
  Bootstrap ours;
  // Users' patches count clusters and listeners: the places of those of Envoy Gateway are kept.
  fill_defaults(proxy, places, &ours);
  fill_places(proxy, places, &ours);
  std::expected<Bootstrap, Problem> result = ours;
  switch (proxy.bootstrap_change) {
    case Change::kNone:
      break;
    case Change::kMerge:
      result = keep_places(ours, places, merge(ours, proxy.bootstrap));
      break;
    case Change::kJsonPatch:
      result = keep_places(ours, places, patch(ours, proxy.bootstrap));
      break;
    case Change::kReplace:
      result = parse(proxy.bootstrap);
      if (result) fill_places(proxy, places, &*result);
      break;
  }
  if (!result) return std::unexpected(std::move(result.error()));
  return to_text(*result);
}

}  // namespace

std::expected<std::string, Problem> render_bootstrap(const ir::Proxy& proxy, const BootstrapPlaces& places) {
  return render(proxy, places);
}

std::expected<std::string, Problem> render_pod_bootstrap(const ir::Proxy& proxy, const PodPlaces& places) {
  return render(proxy, places);
}

}  // namespace sluice::xds
