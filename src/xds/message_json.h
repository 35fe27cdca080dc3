// Protobuf messages as JSON text.
#pragma once

#include <optional>
#include <string>

namespace google::protobuf {
class Message;
}

namespace sluice::xds {

enum class FieldNames { kLowerCamel, kProto };

// Every Any spelled out, maps sorted, indented by two spaces; nothing if a type inside an Any is unknown.
std::optional<std::string> message_to_json(const google::protobuf::Message& message, FieldNames names);

}  // namespace sluice::xds
