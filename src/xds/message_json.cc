#include "xds/message_json.h"

#include <algorithm>
#include <string_view>

#include "google/protobuf/message.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/type_resolver_util.h"

#include "xds/wire.h"

namespace sluice::xds {

namespace pb = google::protobuf;

namespace {

// Protobuf indents by one space; no string spans lines. Of an empty string inside an Any it leaves out the
// value, which the mapping to JSON has (protobuf.dev/programming-guides/json).
std::string tidy(std::string_view json) {
  constexpr std::string_view kEmptyString =
      "\"@type\": \"type.googleapis.com/google.protobuf.StringValue\"\n";
  std::string out;
  out.reserve(json.size() + json.size() / 4);
  while (!json.empty()) {
    const std::size_t spaces = std::min(json.find_first_not_of(' '), json.size());
    const std::size_t end = std::min(json.find('\n'), json.size() - 1) + 1;
    out.append(spaces, ' ').append(json.substr(0, end));
    if (json.substr(0, end).ends_with(kEmptyString)) {
      out.pop_back();
      out.append(",\n").append(2 * spaces, ' ').append("\"value\": \"\"\n");
    }
    json.remove_prefix(end);
  }
  return out;
}

}  // namespace

std::optional<std::string> message_to_json(const pb::Message& message, FieldNames names) {
  static pb::util::TypeResolver* const types =
      pb::util::NewTypeResolverForDescriptorPool("type.googleapis.com", pb::DescriptorPool::generated_pool());
  pb::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = names == FieldNames::kProto;
  // From bytes, for only they have maps in a fixed order.
  std::string json;
  const pb::util::Status status = pb::util::BinaryToJsonString(
      types, "type.googleapis.com/" + message.GetTypeName(), serialize(message), &json, options);
  if (!status.ok()) return std::nullopt;
  return tidy(json);
}

}  // namespace sluice::xds
