#include <algorithm>

#include "envoy/service/discovery/v3/discovery.pb.h"

#include "ads/protocol.h"
#include "xds/wire.h"

namespace sluice::ads {
namespace {

// envoy.service.discovery.v3.DeltaDiscoveryResponse and its Resource.
constexpr int kSystemVersionInfo = 1;
constexpr int kResources = 2;
constexpr int kTypeUrl = 4;
constexpr int kNonce = 5;
constexpr int kRemovedResources = 6;
constexpr int kResourceVersion = 1;
constexpr int kResourceAny = 2;
constexpr int kResourceName = 3;

}  // namespace

std::optional<Parsed<DeltaRequest>> parse_delta(google::protobuf::io::ZeroCopyInputStream* bytes) {
  envoy::service::discovery::v3::DeltaDiscoveryRequest message;
  if (!message.ParseFromZeroCopyStream(bytes)) return std::nullopt;
  Parsed<DeltaRequest> parsed;
  parsed.node = node_of(message);
  const std::optional<xds::ResourceType> type = type_of(message.type_url());
  if (!type) return parsed;

  DeltaRequest& request = parsed.request.emplace();
  request.type = *type;
  request.answer = answer_of(message);
  request.subscribe.assign(message.resource_names_subscribe().begin(),
                           message.resource_names_subscribe().end());
  request.unsubscribe.assign(message.resource_names_unsubscribe().begin(),
                             message.resource_names_unsubscribe().end());
  for (const auto& [name, version] : message.initial_resource_versions()) {
    request.initial_versions.emplace_back(name, version);
  }
  std::ranges::sort(request.initial_versions);
  return parsed;
}

std::vector<Piece> serialize_delta(const Response& response) {
  const std::string_view type_url = xds::type_url(response.type);
  Frame frame;
  xds::append_field(frame.text(), kSystemVersionInfo, std::string_view(response.version));
  xds::append_field(frame.text(), kTypeUrl, type_url);
  xds::append_field(frame.text(), kNonce, std::string_view(response.nonce));
  for (const std::string& name : response.removed) {
    xds::append_field(frame.text(), kRemovedResources, std::string_view(name));
  }
  std::string head;
  for (const ResourcePtr& resource : response.resources) {
    head.clear();
    xds::append_field(head, kResourceName, std::string_view(resource->name));
    xds::append_field(head, kResourceVersion, std::string_view(version_text(resource->version)));
    const std::size_t any = Frame::any_size(type_url, *resource->bytes);
    frame.open_field(kResources, head.size() + 1 + varint_size(any) + any);
    frame.text() += head;
    frame.append_any(kResourceAny, type_url, resource->bytes);
  }
  return frame.take();
}

}  // namespace sluice::ads
