#include "xds/wire.h"

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/struct.pb.h"

namespace sluice::xds {
namespace {

// Of an entry of a map.
constexpr int kKey = 1;
constexpr int kValue = 2;
constexpr int kFields = google::protobuf::Struct::kFieldsFieldNumber;
constexpr int kStringValue = google::protobuf::Value::kStringValueFieldNumber;
constexpr std::string_view kSluice = "sluice";

// Of a field of so many bytes, whose number is below 16.
std::size_t field_size(std::size_t bytes) { return 1 + varint_size(bytes) + bytes; }

// What comes before them.
void append_head(std::string& out, int number, std::size_t bytes) {
  append_bytes_tag(out, number);
  append_varint(out, bytes);
}

}  // namespace

void append_serialized(std::string& out, const google::protobuf::MessageLite& message) {
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
}

std::string serialize(const google::protobuf::MessageLite& message) {
  std::string out;
  append_serialized(out, message);
  return out;
}

void pack(const google::protobuf::Message& message, google::protobuf::Any* any) {
  any->set_type_url("type.googleapis.com/" + message.GetTypeName());
  any->set_value(serialize(message));
}

void append_field(std::string& out, int number, const google::protobuf::MessageLite& message) {
  append_head(out, number, message.ByteSizeLong());
  append_serialized(out, message);
}

void append_metadata(std::string& out, int number, std::string_view filter,
                     std::span<const std::pair<std::string_view, std::string_view>> fields) {
  // Every route and cluster has one, so the sizes are counted beforehand: nothing is moved.
  const auto entry_size = [](std::string_view key, std::string_view value) {
    return field_size(key.size()) + field_size(field_size(value.size()));
  };
  std::size_t struct_size = 0;
  for (const auto& [key, value] : fields) {
    if (!value.empty()) struct_size += field_size(entry_size(key, value));
  }
  const std::size_t filter_size = field_size(filter.size()) + field_size(struct_size);
  append_head(out, number, field_size(filter_size));
  append_head(out, envoy::config::core::v3::Metadata::kFilterMetadataFieldNumber, filter_size);
  append_field(out, kKey, filter);
  append_head(out, kValue, struct_size);
  for (const auto& [key, value] : fields) {
    if (value.empty()) continue;
    append_head(out, kFields, entry_size(key, value));
    append_field(out, kKey, key);
    append_head(out, kValue, field_size(value.size()));
    append_field(out, kStringValue, value);
  }
}

void append_owner(std::string& out, int number, const ObjectKey& owner, std::string_view section) {
  // In the order of the keys, as a sorted map has them.
  const std::pair<std::string_view, std::string_view> fields[] = {{"kind", owner.kind.kind()},
                                                                  {"name", owner.name.name},
                                                                  {"namespace", owner.name.namespace_},
                                                                  {"sectionName", section}};
  append_metadata(out, number, kSluice, fields);
}

}  // namespace sluice::xds
