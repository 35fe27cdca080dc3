#include "envoy/service/discovery/v3/discovery.pb.h"

#include "ads/protocol.h"
#include "xds/wire.h"

namespace sluice::ads {
namespace {

// envoy.service.discovery.v3.DiscoveryResponse.
constexpr int kVersionInfo = 1;
constexpr int kResources = 2;
constexpr int kTypeUrl = 4;
constexpr int kNonce = 5;

}  // namespace

std::optional<Parsed<SotwRequest>> parse_sotw(google::protobuf::io::ZeroCopyInputStream* bytes) {
  envoy::service::discovery::v3::DiscoveryRequest message;
  if (!message.ParseFromZeroCopyStream(bytes)) return std::nullopt;
  Parsed<SotwRequest> parsed;
  parsed.node = node_of(message);
  const std::optional<xds::ResourceType> type = type_of(message.type_url());
  if (!type) return parsed;

  SotwRequest& request = parsed.request.emplace();
  request.type = *type;
  request.answer = answer_of(message);
  request.version = message.version_info();
  request.names.assign(message.resource_names().begin(), message.resource_names().end());
  return parsed;
}

std::vector<Piece> serialize_sotw(const Response& response) {
  const std::string_view type_url = xds::type_url(response.type);
  Frame frame;
  xds::append_field(frame.text(), kVersionInfo, std::string_view(response.version));
  xds::append_field(frame.text(), kTypeUrl, type_url);
  xds::append_field(frame.text(), kNonce, std::string_view(response.nonce));
  for (const ResourcePtr& resource : response.resources)
    frame.append_any(kResources, type_url, resource->bytes);
  return frame.take();
}

}  // namespace sluice::ads
