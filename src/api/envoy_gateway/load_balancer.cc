#include <vector>

#include "api/envoy_gateway/cluster_settings.h"
#include "api/envoy_gateway/shared.h"
#include "api/gateway_api/shared.h"
#include "api/patterns.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr Pattern kOneLine{R"(^[^\x00\n\r]*$)", "one line without NUL characters"};

Type backend_utilization() {
  const Type out_of_band = object({
      field("authority", string().length(1, 259).matches(kOneLine))
          .doc("The host that requests for reports name."),
      field("port", port_number()).doc("The port that reports come from, by default the endpoint's."),
      field("reportingPeriod",
            gateway_duration().with({.name = "load-balancing",
                                     .cel = "duration(self) > duration('0s')",
                                     .message = "`reportingPeriod` must be more than nothing"}))
          .doc("How often endpoints report."),
  });
  return object({
      field("blackoutPeriod", gateway_duration()).doc("How long reports of a new endpoint are not used."),
      field("errorUtilizationPenaltyPercent", int32().at_least(0))
          .doc("How much errors lessen a weight: 100 adds the share of errors to the utilisation."),
      field("keepResponseHeaders", boolean())
          .defaults_to(false)
          .doc("Whether clients see the headers with the reports."),
      field("metricNamesForComputingUtilization", list(string()))
          .doc("The metrics whose highest value is the utilisation where endpoints report none."),
      field("outOfBand", out_of_band).doc("Reports in a stream of their own, beside those in responses."),
      field("weightExpirationPeriod", gateway_duration())
          .doc("How long a weight is used without new reports."),
      field("weightUpdatePeriod", gateway_duration()).doc("How often weights are computed."),
  });
}

Type consistent_hash() {
  constexpr int kMaxTableSize = 5'000'011;
  const Type cookie = object({
      field("attributes", map(string())).doc("More attributes of the cookie."),
      field("name", string()).required().doc("The name of the cookie."),
      field("ttl", gateway_duration()).doc("How long the cookie lives. Without, Envoy makes none."),
  });
  const Type named = object({field("name", string()).required().doc("The name.")});
  return object({
                    field("cookie", cookie).doc("A cookie, which Envoy makes where it is missing."),
                    field("header", named).doc("A header. `headers` replaces it."),
                    field("headers", list(named)).doc("Headers."),
                    field("queryParams", list(named)).doc("Parameters of the query."),
                    field("tableSize", int64().range(2, kMaxTableSize))
                        .defaults_to(65'537)
                        .doc("How many entries the table of hashes has: a prime."),
                    field("type", enumeration({"SourceIP", "Header", "Headers", "Cookie", "QueryParams"}))
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
      field("config", any()).doc("What the module is told."),
      field("lbPolicyName", string().length(1, 253)).required().doc("The policy of the module to use."),
      field("name", string().length(1, 253).matches(kModuleName))
          .required()
          .doc("The module, one of `dynamicModules` of the EnvoyProxy."),
  });
}

Type zone_aware() {
  const Type force =
      object({field("minEndpointsInZoneThreshold", int32()).doc("How many endpoints of the zone it takes.")});
  const Type prefer_local = object({
      field("force", force)
          .doc("Keeps all requests in the zone, also where its endpoints get more than their share."),
      field("minEndpointsThreshold", int64()).doc("How many endpoints it takes in all."),
      field("percentageEnabled", percentage()).doc("For how many requests of a hundred it is done."),
  });
  const Type weighted_zone = object({
      field("weight", int32()).required().doc("The share, in proportion to the weights of the others."),
      field("zone", string()).required().doc("The zone."),
  });
  return object({
      field("preferLocal", prefer_local).doc("Prefers endpoints of Envoy's own zone."),
      field("weightedZones", list(weighted_zone).keyed_by({"zone"})).doc("The shares of zones."),
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
  const Type source = object({field("header", string()).doc("The header with the address.")});
  const Type endpoint_override = object({
      field("extractFrom", list(source).items(1, 10)).required().doc("Where the address is taken from."),
  });
  return object(
             {
                 field("backendUtilization", backend_utilization())
                     .doc("Weights by what endpoints report about their load."),
                 field("consistentHash", consistent_hash())
                     .doc("Requests that are alike in something go to one endpoint."),
                 field("dynamicModule", dynamic_module_policy()).doc("A module chooses."),
                 field("endpointOverride", endpoint_override).doc("Requests that name an endpoint go there."),
                 field("slowStart", object({field("window", gateway_duration())
                                                .required()
                                                .doc("How long a new endpoint gets fewer requests.")}))
                     .doc("Gives new endpoints time to warm up."),
                 field("type", enumeration({"ConsistentHash", "LeastRequest", "Random", "RoundRobin",
                                            "BackendUtilization", "DynamicModule"}))
                     .required()
                     .doc("How an endpoint is chosen."),
                 field("zoneAware", zone_aware()).doc("What zones of endpoints mean."),
             })
      .with(load_balancer_rules());
}

}  // namespace sluice::api
