#include "xds/filters/endpoint_picker.h"

#include <memory>

#include "google/protobuf/util/json_util.h"
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "envoy/config/route/v3/route_components.pb.h"

#include "xds/filters/extension.h"
#include "xds/render.h"
#include "xds/testing.h"

namespace sluice::xds {
namespace {

using nlohmann::json;

// The filters of a chain with this picker, the last of which is the router.
json filters_with(ir::EndpointPicker picker) {
  ir::HttpChain chain{.name = "chain", .route_table = "table"};
  chain.extensions.push_back(std::make_shared<const ir::Extension>(ir::Extension{
      .name = "envoy.filters.http.ext_proc.endpoint_picker/default/llama", .filter = std::move(picker)}));
  const ir::Listener listener{.name = "http", .address = "0.0.0.0", .port = 80, .chains = {chain}};
  const json made = as_json(ResourceType::kListener, render_listener(listener));
  return made["defaultFilterChain"]["filters"][0]["typedConfig"]["httpFilters"];
}

TEST(EndpointPicker, IsTheLastThatIsAskedAndOffUntilARouteWantsIt) {
  const json filters = filters_with({.cluster = "picker/default/llama", .authority = "picker"});
  ASSERT_EQ(filters.size(), 3U);
  EXPECT_EQ(filters[1]["name"], "envoy.filters.http.ext_proc.endpoint_picker/default/llama");
  EXPECT_EQ(filters[1]["disabled"], true);
  EXPECT_EQ(filters[2]["name"], "envoy.filters.http.router");
}

TEST(EndpointPicker, AloneSaysWhatItSays) {
  const json guard = filters_with({.cluster = "p", .authority = "picker"})[0];
  EXPECT_EQ(guard["name"], kPickerGuard);
  EXPECT_EQ(guard["disabled"], true);
  EXPECT_EQ(
      guard["typedConfig"]["mutations"]["requestMutations"],
      json::parse(R"([{"remove": "x-gateway-destination-endpoint"}, {"remove": "x-prefiller-host-port"}])"));
}

TEST(EndpointPicker, IsAskedByTheProtocol) {
  json config =
      filters_with({.cluster = "picker/default/llama", .authority = "epp.default:9002"})[1]["typedConfig"];
  config.erase("@type");
  EXPECT_EQ(config, json::parse(R"({
    "grpcService": {"envoyGrpc": {"clusterName": "picker/default/llama", "authority": "epp.default:9002"}},
    "processingMode": {"requestHeaderMode": "SEND", "responseHeaderMode": "SEND",
      "requestBodyMode": "FULL_DUPLEX_STREAMED", "responseBodyMode": "FULL_DUPLEX_STREAMED",
      "requestTrailerMode": "SEND", "responseTrailerMode": "SEND"},
    "messageTimeout": "30s",
    "statusOnError": {"code": "ServiceUnavailable"},
    "metadataOptions": {"forwardingNamespaces": {"untyped": ["envoy.lb", "envoy.lb.subset_hint"]},
      "receivingNamespaces": {"untyped": ["envoy.lb"]}}})"));
}

TEST(EndpointPicker, FailsOpenAtAnyTimeWhereEnvoyKeepsTheRequest) {
  const json config = filters_with(
      {.cluster = "p", .authority = "picker", .fail_open = true, .streamed = false})[1]["typedConfig"];
  EXPECT_EQ(config["failureModeAllow"], true);
  EXPECT_EQ(config["processingMode"]["requestBodyMode"], "BUFFERED");
  EXPECT_EQ(config["processingMode"]["requestTrailerMode"], "SKIP");
  EXPECT_EQ(config["processingMode"]["responseBodyMode"], "STREAMED");
}

// What a route says of the picker.
json on_route(ir::ExtensionUse use) {
  std::string bytes;
  ir::Route route;
  auto action = std::make_shared<ir::RouteAction>();
  use.name = "envoy.filters.http.ext_proc.endpoint_picker/default/llama";
  action->extensions = std::vector{use};
  route.action = action;
  append_extensions("", route, bytes);
  envoy::config::route::v3::Route made;
  EXPECT_TRUE(made.ParseFromString(bytes));
  std::string text;
  EXPECT_TRUE(
      google::protobuf::util::MessageToJsonString(made.typed_per_filter_config().at(use.name), &text).ok());
  return json::parse(text);
}

TEST(EndpointPicker, OfWhomTheRouteSaysThatItNeedsNoBodiesOfAnswersSeesTheirHeaders) {
  const json ours = on_route({.name = {}, .answers = ir::AnswersShown::kHeaders});
  EXPECT_EQ(ours["overrides"]["processingMode"],
            json::parse(R"({"requestHeaderMode": "SEND", "responseHeaderMode": "SEND",
                            "requestBodyMode": "BUFFERED", "requestTrailerMode": "SKIP",
                            "responseTrailerMode": "SKIP"})"));
  const json theirs = on_route({.name = {}, .answers = ir::AnswersShown::kHeaders, .streamed = true});
  EXPECT_EQ(theirs["overrides"]["processingMode"],
            json::parse(R"({"requestHeaderMode": "SEND", "responseHeaderMode": "SEND",
                            "requestBodyMode": "FULL_DUPLEX_STREAMED", "requestTrailerMode": "SEND",
                            "responseTrailerMode": "SKIP"})"));
}

TEST(EndpointPicker, OfWhomTheRouteSaysThatItNeedsNothingOfAnswersSeesNone) {
  const json mode = on_route({.name = {}, .answers = ir::AnswersShown::kNone})["overrides"]["processingMode"];
  EXPECT_EQ(mode["responseHeaderMode"], "SKIP");
  EXPECT_FALSE(mode.contains("responseBodyMode"));  // NONE
  EXPECT_EQ(mode["responseTrailerMode"], "SKIP");
}

TEST(EndpointPicker, SeesAllUnlessTheRouteSaysOtherwise) {
  EXPECT_EQ(on_route({.name = {}})["@type"], "type.googleapis.com/envoy.config.route.v3.FilterConfig");
}

TEST(EndpointPicker, IsAModuleWhereItIsInsideEnvoy) {
  json config =
      filters_with({.module = "/lib/libsluice_picker.so", .config = R"({"pool":"a"})"})[0]["typedConfig"];
  EXPECT_EQ(config["@type"],
            "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter");
  config.erase("@type");
  EXPECT_EQ(config, json::parse(R"({
    "dynamicModuleConfig": {"doNotClose": true, "module": {"local": {"filename": "/lib/libsluice_picker.so"}}},
    "filterName": "picker",
    "filterConfig": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "{\"pool\":\"a\"}"}})"));
}

TEST(EndpointPicker, OfOneThatIsDiscoveredTheListenerHasNoMoreThanTheName) {
  const json filter =
      filters_with({.module = "/lib/libsluice_picker.so", .config = "{}", .discovered = true})[0];
  EXPECT_EQ(filter["name"], "envoy.filters.http.ext_proc.endpoint_picker/default/llama");
  EXPECT_EQ(filter["disabled"], true);
  EXPECT_FALSE(filter.contains("typedConfig"));
  EXPECT_EQ(filter["configDiscovery"]["configSource"]["ads"], json::object());
  EXPECT_EQ(filter["configDiscovery"]["typeUrls"],
            json::array({"type.googleapis.com/"
                         "envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter"}));
}

TEST(EndpointPicker, OneThatIsDiscoveredIsAResourceWithTheModuleAndItsConfiguration) {
  const ir::Extension extension{.name = "picker/a",
                                .filter = ir::EndpointPicker{.uri = "http://sluice/1.so",
                                                             .uri_cluster = "sluice",
                                                             .sha256 = "1",
                                                             .config = R"({"pool":"a"})",
                                                             .discovered = true}};
  const json made = as_json(ResourceType::kExtension, render_extension(extension));
  EXPECT_EQ(made["name"], "picker/a");
  const json& config = made["typedConfig"];
  EXPECT_EQ(config["dynamicModuleConfig"]["module"]["remote"]["sha256"], "1");
  EXPECT_EQ(config["dynamicModuleConfig"]["module"]["remote"]["httpUri"]["cluster"], "sluice");
  EXPECT_EQ(config["filterConfig"]["value"], R"({"pool":"a"})");
}

}  // namespace
}  // namespace sluice::xds
