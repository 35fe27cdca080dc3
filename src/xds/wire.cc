#include "xds/wire.h"

#include <array>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

#include "google/protobuf/any.pb.h"

namespace sluice::xds {
namespace {

// Of a field with a tag of one byte (numbers up to 15).
std::size_t field_size(std::size_t length) { return 1 + varint_size(length) + length; }

// Number 1 of an entry of a map and of Struct, 2 the entry's value, 3 Value::string_value.
constexpr int kKey = 1;
constexpr int kValue = 2;
constexpr int kStringValue = 3;
constexpr std::string_view kSluice = "sluice";

std::size_t entry_size(std::string_view key, std::string_view value) {
  return field_size(key.size()) + field_size(field_size(value.size()));
}

void append_entry(std::string& out, std::string_view key, std::string_view value) {
  append_bytes_tag(out, kKey);
  append_varint(out, entry_size(key, value));
  append_field(out, kKey, key);
  append_bytes_tag(out, kValue);
  append_varint(out, field_size(value.size()));
  append_field(out, kStringValue, value);
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
  append_bytes_tag(out, number);
  append_varint(out, message.ByteSizeLong());
  append_serialized(out, message);
}

void append_owner(std::string& out, int number, const ObjectKey& owner, std::string_view section) {
  // In the order of the keys, as a sorted map has them.
  const std::array<std::pair<std::string_view, std::string_view>, 4> entries{{
      {"kind", owner.kind.kind()},
      {"name", owner.name.name},
      {"namespace", owner.name.namespace_},
      {"sectionName", section},
  }};
  std::size_t fields = 0;
  for (const auto& [key, value] : entries) {
    if (!value.empty()) fields += field_size(entry_size(key, value));
  }
  const std::size_t entry = field_size(kSluice.size()) + field_size(fields);
  append_bytes_tag(out, number);
  append_varint(out, field_size(entry));
  append_bytes_tag(out, 1);  // Metadata::filter_metadata
  append_varint(out, entry);
  append_field(out, kKey, kSluice);
  append_bytes_tag(out, kValue);
  append_varint(out, fields);
  for (const auto& [key, value] : entries) {
    if (!value.empty()) append_entry(out, key, value);
  }
}

}  // namespace sluice::xds
