#include "xds/load_balancing.h"

#include <optional>
#include <string>
#include <string_view>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/load_balancing_policies/client_side_weighted_round_robin/v3/client_side_weighted_round_robin.pb.h"
#include "envoy/extensions/load_balancing_policies/dynamic_modules/v3/dynamic_modules.pb.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb.h"
#include "envoy/extensions/load_balancing_policies/maglev/v3/maglev.pb.h"
#include "envoy/extensions/load_balancing_policies/override_host/v3/override_host.pb.h"
#include "envoy/extensions/load_balancing_policies/random/v3/random.pb.h"
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.pb.h"
#include "envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality.pb.h"
#include "google/protobuf/wrappers.pb.h"

#include "ir/extension.h"
#include "xds/duration.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace policies = envoy::extensions::load_balancing_policies;
namespace common = policies::common::v3;
using HashPolicy = envoy::config::route::v3::RouteAction_HashPolicy;
using Policy = envoy::config::cluster::v3::LoadBalancingPolicy;

namespace {

constexpr double kPercent = 100;

void add(const char* name, const google::protobuf::Message& config, Policy* to) {
  auto* extension = to->add_policies()->mutable_typed_extension_config();
  extension->set_name(std::string("envoy.load_balancing_policies.") + name);
  pack(config, extension->mutable_typed_config());
}

void fill_prefer_local(const ir::PreferLocal& from, common::LocalityLbConfig::ZoneAwareLbConfig* to) {
  to->mutable_min_cluster_size()->set_value(from.min_endpoints);
  if (from.percent) to->mutable_routing_enabled()->set_value(*from.percent);
  if (from.min_in_zone) to->mutable_force_local_zone()->mutable_min_size()->set_value(*from.min_in_zone);
}

// The policy that chooses among endpoints, with what localities mean to it.
class Chooser {
 public:
  Chooser(const ir::LoadBalancing& from, std::optional<ir::PreferLocal> prefer_local)
      : from_(from), prefer_local_(prefer_local) {}

  void add_to(Policy* to) const {
    switch (from_.kind) {
      case ir::LoadBalancing::Kind::kLeastRequest:
        add("least_request", balanced<policies::least_request::v3::LeastRequest>(), to);
        break;
      case ir::LoadBalancing::Kind::kRoundRobin:
        add("round_robin", balanced<policies::round_robin::v3::RoundRobin>(), to);
        break;
      case ir::LoadBalancing::Kind::kRandom: {
        policies::random::v3::Random random;
        fill_localities(&random);
        add("random", random, to);
        break;
      }
      case ir::LoadBalancing::Kind::kHash: {
        policies::maglev::v3::Maglev maglev;
        if (from_.table_size) maglev.mutable_table_size()->set_value(*from_.table_size);
        if (!from_.zone_weights.empty()) maglev.mutable_locality_weighted_lb_config();
        add("maglev", maglev, to);
        break;
      }
      case ir::LoadBalancing::Kind::kUtilization:
        add_utilization(to);
        break;
      case ir::LoadBalancing::Kind::kModule:
        add_module(to);
        break;
    }
  }

 private:
  template <typename Message>
  void fill_localities(Message* to) const {
    if (prefer_local_) {
      fill_prefer_local(*prefer_local_, to->mutable_locality_lb_config()->mutable_zone_aware_lb_config());
    } else if ((from_.override_headers.empty() && !from_.picked) || !from_.zone_weights.empty()) {
      to->mutable_locality_lb_config()->mutable_locality_weighted_lb_config();
    }
  }

  template <typename Message>
  void fill_slow_start(Message* to) const {
    if (!from_.slow_start) return;
    fill_duration(*from_.slow_start, to->mutable_slow_start_config()->mutable_slow_start_window());
  }

  template <typename Message>
  Message balanced() const {
    Message message;
    fill_localities(&message);
    fill_slow_start(&message);
    return message;
  }

  void add_utilization(Policy* to) const {
    policies::client_side_weighted_round_robin::v3::ClientSideWeightedRoundRobin weighted;
    fill_slow_start(&weighted);
    if (from_.utilization) fill_utilization(*from_.utilization, &weighted);
    constexpr char kName[] = "client_side_weighted_round_robin";
    if (from_.zone_weights.empty()) {
      add(kName, weighted, to);
      return;
    }
    policies::wrr_locality::v3::WrrLocality by_zone;
    add(kName, weighted, by_zone.mutable_endpoint_picking_policy());
    add("wrr_locality", by_zone, to);
  }

  static void fill_utilization(
      const ir::Utilization& from,
      policies::client_side_weighted_round_robin::v3::ClientSideWeightedRoundRobin* to) {
    if (from.blackout) fill_duration(*from.blackout, to->mutable_blackout_period());
    if (from.weight_expiration) {
      fill_duration(*from.weight_expiration, to->mutable_weight_expiration_period());
    }
    if (from.weight_update) fill_duration(*from.weight_update, to->mutable_weight_update_period());
    if (from.error_penalty_percent) {
      to->mutable_error_utilization_penalty()->set_value(
          static_cast<float>(*from.error_penalty_percent / kPercent));
    }
    for (const std::string& metric : from.metrics) to->add_metric_names_for_computing_utilization(metric);
    if (!from.out_of_band) return;
    const ir::Utilization::OutOfBand& reports = *from.out_of_band;
    to->mutable_enable_oob_load_report()->set_value(true);
    if (reports.period) fill_duration(*reports.period, to->mutable_oob_reporting_period());
    if (reports.port == 0 && reports.authority.empty()) return;
    to->mutable_oob_reporting_config()->set_port_value(reports.port);
    to->mutable_oob_reporting_config()->set_authority(reports.authority);
  }

  void add_module(Policy* to) const {
    policies::dynamic_modules::v3::DynamicModulesLoadBalancerConfig config;
    if (from_.module) {
      const ir::BalancingModule& module = *from_.module;
      auto* library = config.mutable_dynamic_module_config();
      library->set_name(module.name);
      if (!module.path.empty()) library->mutable_module()->mutable_local()->set_filename(module.path);
      library->set_do_not_close(module.do_not_close);
      library->set_load_globally(module.load_globally);
      config.set_lb_policy_name(module.policy);
      if (!module.config.empty()) {
        google::protobuf::StringValue text;
        text.set_value(module.config);
        pack(text, config.mutable_lb_policy_config());
      }
    }
    add("dynamic_modules", config, to);
  }

  const ir::LoadBalancing& from_;
  std::optional<ir::PreferLocal> prefer_local_;
};

void fill_metadata_key(std::string_view name, envoy::type::metadata::v3::MetadataKey* to) {
  to->set_key(std::string(ir::kPickedNamespace));
  to->add_path()->set_key(std::string(name));
}

void fill_key(const ir::HashKey& from, HashPolicy* to) {
  switch (from.kind) {
    case ir::HashKey::Kind::kSourceAddress:
      to->mutable_connection_properties()->set_source_ip(true);
      break;
    case ir::HashKey::Kind::kHeader:
      to->mutable_header()->set_header_name(from.name);
      break;
    case ir::HashKey::Kind::kCookie: {
      HashPolicy::Cookie* cookie = to->mutable_cookie();
      cookie->set_name(from.name);
      if (from.ttl) fill_duration(*from.ttl, cookie->mutable_ttl());
      for (const auto& [name, value] : from.attributes) {
        auto* attribute = cookie->add_attributes();
        attribute->set_name(name);
        attribute->set_value(value);
      }
      break;
    }
    case ir::HashKey::Kind::kQueryParameter:
      to->mutable_query_parameter()->set_name(from.name);
      break;
  }
}

}  // namespace

void fill_load_balancing(const ir::LoadBalancing& from, bool prefer_local_zone, Policy* to) {
  std::optional<ir::PreferLocal> prefer_local = from.prefer_local;
  if (prefer_local_zone && !from.by_zone()) prefer_local = ir::PreferLocal{.min_endpoints = 1};
  const Chooser chooser(from, prefer_local);
  if (from.override_headers.empty() && !from.picked) {
    chooser.add_to(to);
    return;
  }
  policies::override_host::v3::OverrideHost override_host;
  if (from.picked) {
    // Clients can write the header, but no metadata.
    fill_metadata_key(ir::kPickedEndpoint, override_host.add_override_host_sources()->mutable_metadata());
    fill_metadata_key(ir::kServedEndpoint, override_host.mutable_selected_host_key());
  }
  for (const std::string& header : from.override_headers) {
    override_host.add_override_host_sources()->set_header(header);
  }
  chooser.add_to(override_host.mutable_fallback_policy());
  add("override_host", override_host, to);
}

void fill_hash(std::span<const ir::HashKey> from, google::protobuf::RepeatedPtrField<HashPolicy>* to) {
  for (const ir::HashKey& key : from) fill_key(key, to->Add());
}

}  // namespace sluice::xds
