#include "xds/tracing.h"

#include <utility>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "xds/render.h"
#include "xds/testing.h"

namespace sluice::xds {
namespace {

using nlohmann::json;

json manager_of(const json& listener) { return listener["defaultFilterChain"]["filters"][0]["typedConfig"]; }

json rendered(const ir::HttpChain& chain) {
  const ir::Listener listener{.name = "http", .address = "0.0.0.0", .port = 10080, .chains = {chain}};
  return manager_of(without_choices(as_json(ResourceType::kListener, render_listener(listener))));
}

ir::HttpChain chain_with(ir::Tracing tracing) {
  ir::HttpChain chain{.name = "http", .route_table = "http", .stat_prefix = "http"};
  chain.tracing = std::move(tracing);
  return chain;
}

TEST(Tracing, ToACollectorAsEnvoyGateway) {
  for (const json& proxy : parity("gateway-with-infrastructure-parametersref")) {
    const ir::Tracing tracing{
        .provider = ir::TraceCollector{.call = {.cluster = "tracing",
                                                .authority = "otel-collector.monitoring.svc.cluster.local"}},
        .service_name = "gateway-1.envoy-gateway"};
    for (const json& listener : proxy["listeners"]) {
      if (listener["name"] != "envoy-gateway/gateway-1/http") continue;
      EXPECT_EQ(rendered(chain_with(tracing))["tracing"], manager_of(without_choices(listener))["tracing"]);
    }
  }
}

TEST(Tracing, KeepsSixOfAThousand) {
  const ir::Tracing tracing{.provider = ir::TraceCollector{
                                .sampler = ir::Sampler{.parent_based = true, .ratio = ir::Percentage{0.6}}}};
  const json config = rendered(chain_with(tracing))["tracing"]["provider"]["typedConfig"];
  EXPECT_EQ(config["sampler"]["typedConfig"]["wrappedSampler"]["typedConfig"]["samplingPercentage"],
            (json{{"numerator", 6'000}, {"denominator", "MILLION"}}));
}

TEST(Tracing, LetsTheIdOfARequestAlone) {
  ir::HttpChain chain{.name = "http", .route_table = "http", .stat_prefix = "http"};
  chain.request_id = ir::RequestId{.packs_decision = false, .samples = true};
  const json config = rendered(chain)["requestIdExtension"]["typedConfig"];
  EXPECT_EQ(config["packTraceReason"], false);
  EXPECT_EQ(config["useRequestIdForTraceSampling"], true);
}

}  // namespace
}  // namespace sluice::xds
