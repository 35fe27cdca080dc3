#include "ads/protocol.h"

#include <string>

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

#include "envoy/service/discovery/v3/discovery.pb.h"

namespace sluice::ads {
namespace {

template <typename Message>
std::string refusal() {
  Message request;
  request.set_type_url(std::string(xds::type_url(xds::ResourceType::kCluster)));
  request.set_response_nonce("1");
  request.mutable_error_detail()->set_message("Error adding/updating cluster(s) a: no such file\n\n");
  return request.SerializeAsString();
}

constexpr char kWords[] = "Error adding/updating cluster(s) a: no such file";

TEST(Protocol, WordsOfADeltaRefusalEndWithoutALineBreak) {
  const std::string bytes = refusal<envoy::service::discovery::v3::DeltaDiscoveryRequest>();
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  EXPECT_EQ(parse_delta(&stream)->request->answer.error, kWords);
}

TEST(Protocol, WordsOfASotwRefusalEndWithoutALineBreak) {
  const std::string bytes = refusal<envoy::service::discovery::v3::DiscoveryRequest>();
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  EXPECT_EQ(parse_sotw(&stream)->request->answer.error, kWords);
}

}  // namespace
}  // namespace sluice::ads
