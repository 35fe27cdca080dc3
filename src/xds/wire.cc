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
  append_bytes_tag(out, number);
  append_varint(out, message.ByteSizeLong());
  append_serialized(out, message);
}

void append_metadata(std::string& out, int number, std::string_view filter,
                     std::span<const std::pair<std::string_view, std::string_view>> fields) {
  append_nested(out, number, [&] {
    append_nested(out, envoy::config::core::v3::Metadata::kFilterMetadataFieldNumber, [&] {
      append_field(out, kKey, filter);
      append_nested(out, kValue, [&] {
        for (const auto& [key, value] : fields) {
          if (value.empty()) continue;
          append_nested(out, kFields, [&] {
            append_field(out, kKey, key);
            append_nested(out, kValue, [&] { append_field(out, kStringValue, value); });
          });
        }
      });
    });
  });
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
