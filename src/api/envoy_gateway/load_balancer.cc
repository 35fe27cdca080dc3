#include <vector>

#include "api/envoy_gateway/cluster_settings_fields.h"
#include "api/envoy_gateway/shared.h"
#include "api/gateway_api/shared.h"
#include "api/patterns.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kOneLine{R"(^[^\x00\n\r]*$)", "one line without NUL characters"};

Type backend_utilization() {
  const Type out_of_band = object({
      field<&OutOfBandReports::authority>("authority", string().length(1, 259).matches(kOneLine))
          .doc("The host that requests for reports name."),
      field<&OutOfBandReports::port>("port", port_number())
          .doc("The port that reports come from, by default the endpoint's."),
      field<&OutOfBandReports::reporting_period>(
          "reportingPeriod",
          gateway_duration().with({.name = "load-balancing",
                                   .cel = "duration(self) > duration('0s')",
                                   .message = "`reportingPeriod` must be more than nothing"}))
          .doc("How often endpoints report."),
  });
  return object({
      field<&BackendUtilization::blackout_period>("blackoutPeriod", gateway_duration())
          .doc("How long reports of a new endpoint are not used."),
      field<&BackendUtilization::error_utilization_penalty_percent>("errorUtilizationPenaltyPercent",
                                                                    int32().at_least(0))
          .doc("How much errors lessen a weight: 100 adds the share of errors to the utilisation."),
      field<&BackendUtilization::keep_response_headers>("keepResponseHeaders", boolean())
          .defaults_to(false)
          .doc("Whether clients see the headers with the reports."),
      field<&BackendUtilization::metric_names_for_computing_utilization>("metricNamesForComputingUtilization",
                                                                         list(string()))
          .doc("The metrics whose highest value is the utilisation where endpoints report none."),
      field<&BackendUtilization::out_of_band>("outOfBand", out_of_band)
          .doc("Reports in a stream of their own, beside those in responses."),
      field<&BackendUtilization::weight_expiration_period>("weightExpirationPeriod", gateway_duration())
          .doc("How long a weight is used without new reports."),
      field<&BackendUtilization::weight_update_period>("weightUpdatePeriod", gateway_duration())
          .doc("How often weights are computed."),
  });
}

Type consistent_hash() {
  constexpr int kMaxTableSize = 5'000'011;
  const Type cookie = object({
      field<&HashCookie::attributes>("attributes", map(string())).doc("More attributes of the cookie."),
      field<&HashCookie::name>("name", string()).required().doc("The name of the cookie."),
      field<&HashCookie::ttl>("ttl", gateway_duration())
          .doc("How long the cookie lives. Without, Envoy makes none."),
  });
  const Type named = object({field<&HashedName::name>("name", string()).required().doc("The name.")});
  return object({
                    field<&ConsistentHash::cookie>("cookie", cookie)
                        .doc("A cookie, which Envoy makes where it is missing."),
                    field<&ConsistentHash::header>("header", named).doc("A header. `headers` replaces it."),
                    field<&ConsistentHash::headers>("headers", list(named)).doc("Headers."),
                    field<&ConsistentHash::query_params>("queryParams", list(named))
                        .doc("Parameters of the query."),
                    field<&ConsistentHash::table_size>("tableSize", int64().range(2, kMaxTableSize))
                        .defaults_to(65'537)
                        .doc("How many entries the table of hashes has: a prime."),
                    field<&ConsistentHash::type>(
                        "type", enumeration({"SourceIP", "Header", "Headers", "Cookie", "QueryParams"}))
                        .required()
                        .doc("What of a request is hashed."),
                })
      .with({
          goes_with_type("consistent-hash", "Header", "header"),
          goes_with_type("consistent-hash", "Headers", "headers"),
          goes_with_type("consistent-hash", "Cookie", "cookie"),
          goes_with_type("consistent-hash", "QueryParams", "queryParams"),
      });
}

Type dynamic_module_policy() {
  return object({
      field<&LoadBalancerModule::config>("config", any()).doc("What the module is told."),
      field<&LoadBalancerModule::lb_policy_name>("lbPolicyName", string().length(1, 253))
          .required()
          .doc("The policy of the module to use."),
      field<&LoadBalancerModule::name>("name", string().length(1, 253).matches(kModuleName))
          .required()
          .doc("The module, one of `dynamicModules` of the EnvoyProxy."),
  });
}

Type zone_aware() {
  const Type force =
      object({field<&LocalZoneForce::min_endpoints_in_zone_threshold>("minEndpointsInZoneThreshold", int32())
                  .doc("How many endpoints of the zone it takes.")});
  const Type prefer_local = object({
      field<&PreferLocalZone::force>("force", force)
          .doc("Keeps all requests in the zone, also where its endpoints get more than their share."),
      field<&PreferLocalZone::min_endpoints_threshold>("minEndpointsThreshold", int64())
          .doc("How many endpoints it takes in all."),
      field<&PreferLocalZone::percentage_enabled>("percentageEnabled", percentage())
          .doc("For how many requests of a hundred it is done."),
  });
  const Type weighted_zone = object({
      field<&WeightedZone::weight>("weight", int32())
          .required()
          .doc("The share, in proportion to the weights of the others."),
      field<&WeightedZone::zone>("zone", string()).required().doc("The zone."),
  });
  return object({
      field<&ZoneAware::prefer_local>("preferLocal", prefer_local)
          .doc("Prefers endpoints of Envoy's own zone."),
      field<&ZoneAware::weighted_zones>("weightedZones", list(weighted_zone).keyed_by({"zone"}))
          .doc("The shares of zones."),
  });
}

std::vector<Rule> load_balancer_rules() {
  return {
      goes_with_type("load-balancing", "ConsistentHash", "consistentHash"),
      goes_with_type("load-balancing", "BackendUtilization", "backendUtilization"),
      goes_with_type("load-balancing", "DynamicModule", "dynamicModule"),
      {.name = "load-balancing",
       .cel = "self.type in ['Random', 'ConsistentHash', 'DynamicModule'] ? !has(self.slowStart) : true",
       .message = "`slowStart` needs the type `RoundRobin`, `LeastRequest` or `BackendUtilization`",
       .blame = "slowStart"},
      {.name = "load-balancing",
       .cel =
           "self.type == 'ConsistentHash' && has(self.zoneAware) ? !has(self.zoneAware.preferLocal) : true",
       .message = "the type `ConsistentHash` cannot prefer a zone",
       .suggestion = "use `weightedZones`",
       .blame = "zoneAware.preferLocal"},
      {.name = "load-balancing",
       .cel = "self.type == 'BackendUtilization' && has(self.zoneAware) ? !has(self.zoneAware.preferLocal) : "
              "true",
       .message = "the type `BackendUtilization` cannot prefer a zone",
       .suggestion = "use `weightedZones`",
       .blame = "zoneAware.preferLocal"},
      {.name = "load-balancing",
       .cel = "self.type == 'DynamicModule' ? !has(self.zoneAware) : true",
       .message = "the type `DynamicModule` knows no zones",
       .suggestion = "remove `zoneAware`",
       .blame = "zoneAware"},
      {.name = "load-balancing",
       .cel = "has(self.zoneAware) ? !(has(self.zoneAware.preferLocal) && has(self.zoneAware.weightedZones)) "
              ": true",
       .message = "`preferLocal` and `weightedZones` are both set",
       .suggestion = "keep one of the two",
       .blame = "zoneAware"},
      {.name = "load-balancing",
       .cel = "self.type == 'DynamicModule' ? !has(self.endpointOverride) : true",
       .message = "the type `DynamicModule` knows no `endpointOverride`",
       .suggestion = "remove it",
       .blame = "endpointOverride"},
  };
}

}  // namespace

Type load_balancer() {
  const Type source = object(
      {field<&EndpointOverrideSource::header>("header", string()).doc("The header with the address.")});
  const Type endpoint_override = object({
      field<&LoadBalancer::endpoint_override>("extractFrom", list(source).items(1, 10))
          .required()
          .doc("Where the address is taken from."),
  });
  return object({
                    field<&LoadBalancer::backend_utilization>("backendUtilization", backend_utilization())
                        .doc("Weights by what endpoints report about their load."),
                    field<&LoadBalancer::consistent_hash>("consistentHash", consistent_hash())
                        .doc("Requests that are alike in something go to one endpoint."),
                    field<&LoadBalancer::dynamic_module>("dynamicModule", dynamic_module_policy())
                        .doc("A module chooses."),
                    flattened("endpointOverride", endpoint_override)
                        .doc("Requests that name an endpoint go there."),
                    flattened("slowStart",
                              object({field<&LoadBalancer::slow_start_window>("window", gateway_duration())
                                          .required()
                                          .doc("How long a new endpoint gets fewer requests.")}))
                        .doc("Gives new endpoints time to warm up."),
                    field<&LoadBalancer::type>(
                        "type", enumeration({"ConsistentHash", "LeastRequest", "Random", "RoundRobin",
                                             "BackendUtilization", "DynamicModule"}))
                        .required()
                        .doc("How an endpoint is chosen."),
                    field<&LoadBalancer::zone_aware>("zoneAware", zone_aware())
                        .doc("What zones of endpoints mean."),
                })
      .with(load_balancer_rules());
}

}  // namespace sluice::api
