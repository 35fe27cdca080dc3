#include "xds/document.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <nlohmann/json.hpp>

namespace sluice::xds {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string listener_bytes() {
  ir::Listener listener{.name = "l", .address = "0.0.0.0", .port = 80};
  listener.chains.push_back({.name = "c", .route_table = "table", .stat_prefix = "http"});
  return render_listener(listener);
}

DocumentError error_of(ResourceType type, const char* text) {
  const auto resource = from_document(type, json::parse(text));
  return resource ? DocumentError() : resource.error();
}

TEST(Document, OfAResourceSaysTheSame) {
  const json document = to_document(ResourceType::kListener, listener_bytes());
  EXPECT_EQ(document["per_connection_buffer_limit_bytes"], 32'768);
  const auto resource = from_document(ResourceType::kListener, document);
  ASSERT_TRUE(resource.has_value());
  EXPECT_EQ(resource->name, "l");
  EXPECT_EQ(to_document(ResourceType::kListener, resource->bytes), document);
}

TEST(Document, TakesFieldsInBothSpellings) {
  const auto resource = from_document(
      ResourceType::kListener,
      json::parse(R"({"name":"l","perConnectionBufferLimitBytes":1,"ignore_global_conn_limit":true})"));
  ASSERT_TRUE(resource.has_value());
  EXPECT_EQ(to_document(ResourceType::kListener, resource->bytes)["per_connection_buffer_limit_bytes"], 1);
}

TEST(Document, TellsWhichClustersAndRouteTablesItNames) {
  const auto resource = from_document(ResourceType::kRoutes, json::parse(R"({"name":"t","virtual_hosts":[
      {"name":"h","domains":["*"],"routes":[
        {"match":{"prefix":"/a"},"route":{"cluster":"one","request_mirror_policies":[{"cluster":"two"}]}},
        {"match":{"prefix":"/"},"route":{"weighted_clusters":{"clusters":[{"name":"three","weight":1,
          "request_headers_to_add":[{"header":{"key":"name","value":"no"}}]}]}}}]}]})"));
  ASSERT_TRUE(resource.has_value());
  EXPECT_THAT(resource->clusters, ElementsAre("one", "three", "two"));
  const auto listener =
      from_document(ResourceType::kListener, to_document(ResourceType::kListener, listener_bytes()));
  EXPECT_THAT(listener->route_tables, ElementsAre("table"));
}

TEST(Document, NamesTheFieldThatIsNone) {
  const DocumentError error = error_of(ResourceType::kCluster, R"({"name":"c","load_asignment":{}})");
  EXPECT_EQ(error.message, "`/load_asignment` is no field of envoy.config.cluster.v3.Cluster");
  EXPECT_EQ(error.suggestion, "did you mean `load_assignment`?");
}

TEST(Document, NamesTheFieldInsideAnAny) {
  const DocumentError error = error_of(ResourceType::kCluster, R"({"name":"c","transport_socket":{"name":"t",
      "typed_config":{"@type":"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                      "snii":"x"}}})");
  EXPECT_EQ(error.message,
            "`/transport_socket/typed_config/snii` is no field of "
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext");
}

TEST(Document, TakesAnAnyOfNothing) {
  EXPECT_EQ(
      error_of(ResourceType::kCluster, R"({"name":"c","transport_socket":{"typed_config":{}}})").message, "");
}

TEST(Document, NamesTheTypeThatIsUnknown) {
  const DocumentError error =
      error_of(ResourceType::kCluster,
               R"({"name":"c","transport_socket":{"typed_config":{"@type":"x/no.such.Thing"}}})");
  EXPECT_EQ(error.message,
            "`/transport_socket/typed_config` is of the type `x/no.such.Thing`, which is unknown here");
}

TEST(Document, TellsNothingOfASecret) {
  const DocumentError error = error_of(
      ResourceType::kSecret, R"({"name":"s","generic_secret":{"secret":{"inline_bytes":"hidden!"}}})");
  EXPECT_THAT(error.message, HasSubstr("the result is no Secret"));
  EXPECT_THAT(error.message, ::testing::Not(HasSubstr("hidden")));
}

}  // namespace
}  // namespace sluice::xds
