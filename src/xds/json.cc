#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "google/protobuf/message.h"

#include "xds/message_json.h"
#include "xds/render.h"
#include "xds/resource_message.h"

namespace sluice::xds {

namespace pb = google::protobuf;

namespace {

[[noreturn]] void give_up(ResourceType type, std::string_view what) {
  std::fprintf(stderr, "bug: %.*s: %.*s\n", static_cast<int>(type_url(type).size()), type_url(type).data(),
               static_cast<int>(what.size()), what.data());
  std::abort();
}

bool has_unknown_fields(const pb::Message& message) {
  const pb::Reflection& reflection = *message.GetReflection();
  if (!reflection.GetUnknownFields(message).empty()) return true;
  std::vector<const pb::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const pb::FieldDescriptor* field : fields) {
    if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      if (has_unknown_fields(reflection.GetMessage(message, field))) return true;
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      if (has_unknown_fields(reflection.GetRepeatedMessage(message, field, i))) return true;
    }
  }
  return false;
}

}  // namespace

std::string_view type_url(ResourceType type) {
  switch (type) {
    case ResourceType::kCluster:
      return "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    case ResourceType::kEndpoints:
      return "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    case ResourceType::kSecret:
      return "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    case ResourceType::kListener:
      return "type.googleapis.com/envoy.config.listener.v3.Listener";
    case ResourceType::kRoutes:
      return "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
    case ResourceType::kExtension:
      return "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
  }
  std::abort();
}

std::string to_json(ResourceType type, std::string_view bytes) {
  const std::unique_ptr<pb::Message> message = new_message(type);
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) give_up(type, "does not parse");
  if (has_unknown_fields(*message)) give_up(type, "has unknown fields");
  std::optional<std::string> json = message_to_json(*message, FieldNames::kLowerCamel);
  if (!json) give_up(type, "has an Any of an unknown type");
  return *std::move(json);
}

}  // namespace sluice::xds
