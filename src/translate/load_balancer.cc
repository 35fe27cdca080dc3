#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "translate/setting_reader.h"
#include "tree/write.h"

namespace sluice::translate {

namespace {

constexpr char kIn[] = "loadBalancer";

bool is_prime(std::uint64_t number) {
  if (number < 2) return false;
  for (std::uint64_t d = 2; d * d <= number; ++d) {
    if (number % d == 0) return false;
  }
  return true;
}

ir::LoadBalancing::Kind kind_of(api::LoadBalancerType type) {
  switch (type) {
    case api::LoadBalancerType::kConsistentHash:
      return ir::LoadBalancing::Kind::kHash;
    case api::LoadBalancerType::kLeastRequest:
      return ir::LoadBalancing::Kind::kLeastRequest;
    case api::LoadBalancerType::kRandom:
      return ir::LoadBalancing::Kind::kRandom;
    case api::LoadBalancerType::kRoundRobin:
      return ir::LoadBalancing::Kind::kRoundRobin;
    case api::LoadBalancerType::kBackendUtilization:
      return ir::LoadBalancing::Kind::kUtilization;
    case api::LoadBalancerType::kDynamicModule:
      return ir::LoadBalancing::Kind::kModule;
  }
  return ir::LoadBalancing::Kind::kLeastRequest;
}

std::uint64_t read_table_size(std::int64_t size, SettingReader& reader) {
  const auto entries = static_cast<std::uint64_t>(size);
  if (size < 0 || !is_prime(entries)) {
    const std::string path = fmt::format("{}.consistentHash.tableSize", kIn);
    std::uint64_t next = size < 0 ? 2 : entries;
    while (!is_prime(next)) ++next;
    reader.error(path, fmt::format("{} is no prime, and the hashes need one", size),
                 fmt::format("the next is {}", next));
  }
  return entries;
}

ir::Utilization read_utilization(const api::BackendUtilization& from, SettingReader& reader) {
  ir::Utilization to;
  to.blackout = from.blackout_period;
  to.weight_expiration = from.weight_expiration_period;
  to.weight_update = from.weight_update_period;
  to.error_penalty_percent =
      reader.count(fmt::format("{}.backendUtilization.errorUtilizationPenaltyPercent", kIn),
                   from.error_utilization_penalty_percent);
  to.metrics = from.metric_names_for_computing_utilization;
  if (from.out_of_band) {
    to.out_of_band = {
        .period = reader.positive(fmt::format("{}.backendUtilization.outOfBand.reportingPeriod", kIn),
                                  from.out_of_band->reporting_period),
        .authority = from.out_of_band->authority.value_or(""),
        .port = static_cast<std::uint16_t>(from.out_of_band->port.value_or(0))};
  }
  return to;
}

std::optional<ir::BalancingModule> read_module(const api::LoadBalancerModule& from,
                                               const FindModule& find_module, SettingReader& reader) {
  std::optional<ir::BalancingModule> module;
  if (find_module) module = find_module(from.name);
  if (!module) {
    reader.add({.code = "reference/module",
                .path = fmt::format("{}.dynamicModule.name", kIn),
                .message = fmt::format("no dynamic module `{}` is registered", from.name),
                .suggestion = "add it to `spec.dynamicModules` of the EnvoyProxy"});
    return std::nullopt;
  }
  module->policy = from.lb_policy_name;
  if (from.config) module->config = to_json(*from.config);
  return module;
}

ir::PreferLocal read_prefer_local(const api::PreferLocalZone& from, SettingReader& reader) {
  const std::string in = fmt::format("{}.zoneAware.preferLocal", kIn);
  ir::PreferLocal to;
  if (from.min_endpoints_threshold) {
    to.min_endpoints = reader.count(in + ".minEndpointsThreshold", *from.min_endpoints_threshold);
  }
  to.percent = reader.count(in + ".percentageEnabled", from.percentage_enabled);
  if (from.force) {
    to.min_in_zone = reader.count(in + ".force.minEndpointsInZoneThreshold",
                                  std::int64_t{from.force->min_endpoints_in_zone_threshold.value_or(1)});
  }
  return to;
}

}  // namespace

ir::LoadBalancing read_load_balancer(const api::LoadBalancer& from, const FindModule& find_module,
                                     SettingReader& reader) {
  ir::LoadBalancing to;
  to.kind = kind_of(from.type);
  to.slow_start = from.slow_start_window;
  if (to.kind == ir::LoadBalancing::Kind::kHash && from.consistent_hash) {
    to.table_size = read_table_size(from.consistent_hash->table_size, reader);
  }
  if (from.backend_utilization) to.utilization = read_utilization(*from.backend_utilization, reader);
  if (from.dynamic_module) to.module = read_module(*from.dynamic_module, find_module, reader);
  for (std::size_t i = 0; i < from.endpoint_override.size(); ++i) {
    const std::string header = from.endpoint_override[i].header.value_or("");
    if (header.empty()) {
      reader.error(fmt::format("{}.endpointOverride.extractFrom[{}]", kIn, i),
                   "it is not said which header names the endpoint", "add `header`");
    }
    to.override_headers.push_back(header);
  }
  if (!from.zone_aware) return to;
  if (from.zone_aware->prefer_local) {
    to.prefer_local = read_prefer_local(*from.zone_aware->prefer_local, reader);
  }
  const auto& weights = from.zone_aware->weighted_zones;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    to.zone_weights.push_back(
        {.zone = weights[i].zone,
         .weight = reader.count(fmt::format("{}.zoneAware.weightedZones[{}].weight", kIn, i),
                                std::int64_t{weights[i].weight})});
  }
  std::ranges::sort(to.zone_weights, {}, &ir::ZoneWeight::zone);
  return to;
}

std::vector<ir::HashKey> read_hash(const api::LoadBalancer& from, SettingReader& reader) {
  if (from.type != api::LoadBalancerType::kConsistentHash || !from.consistent_hash) return {};
  const api::ConsistentHash& hash = *from.consistent_hash;
  const std::string in = fmt::format("{}.consistentHash", kIn);
  const auto named = [&](ir::HashKey::Kind kind, const std::string& name, const std::string& path) {
    reader.require(path + ".name", name);
    return ir::HashKey{.kind = kind, .name = name};
  };
  const auto all = [&](ir::HashKey::Kind kind, const std::vector<api::HashedName>& names,
                       std::string_view list) {
    std::vector<ir::HashKey> keys;
    for (std::size_t i = 0; i < names.size(); ++i) {
      keys.push_back(named(kind, names[i].name, fmt::format("{}.{}[{}]", in, list, i)));
    }
    if (keys.empty()) {
      reader.error(in, fmt::format("nothing of a request is hashed: `{}` is empty", list),
                   fmt::format("add names to `{}`", list));
    }
    return keys;
  };
  switch (hash.type) {
    case api::ConsistentHashType::kSourceIP:
      return {{.kind = ir::HashKey::Kind::kSourceAddress}};
    case api::ConsistentHashType::kHeader:
      if (!hash.header) return {};
      return {named(ir::HashKey::Kind::kHeader, hash.header->name, in + ".header")};
    case api::ConsistentHashType::kHeaders:
      return all(ir::HashKey::Kind::kHeader, hash.headers, "headers");
    case api::ConsistentHashType::kQueryParams:
      return all(ir::HashKey::Kind::kQueryParameter, hash.query_params, "queryParams");
    case api::ConsistentHashType::kCookie:
      break;
  }
  if (!hash.cookie) return {};
  ir::HashKey cookie = named(ir::HashKey::Kind::kCookie, hash.cookie->name, in + ".cookie");
  cookie.ttl = hash.cookie->ttl;
  for (const auto& [name, value] : hash.cookie->attributes) {
    reader.require(in + ".cookie.attributes", name);
    cookie.attributes.emplace_back(name, value);
  }
  return {std::move(cookie)};
}

}  // namespace sluice::translate
