// Bytes of protobuf messages.
//
// Rendering is mostly protobuf's own classes. What every route, cluster and endpoint has in the same form is
// written by hand, or serialised once and copied: fields of a message may come in any order and concatenate
// on the wire. The tests parse the result and compare it with what the classes alone would make.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/object_key.h"

namespace google::protobuf {
class Any;
class Message;
class MessageLite;
}  // namespace google::protobuf

namespace sluice::xds {

// Maps sorted: equal messages make equal bytes.
std::string serialize(const google::protobuf::MessageLite& message);
void append_serialized(std::string& out, const google::protobuf::MessageLite& message);

// The message inside an Any, serialised like that.
void pack(const google::protobuf::Message& message, google::protobuf::Any* any);

// A varint; the number of bytes that it takes.
void append_varint(std::string& out, std::uint64_t value);
std::size_t varint_size(std::uint64_t value);

// A field of a string, bytes or message; of an integer, bool or enum.
void append_field(std::string& out, int number, std::string_view bytes);
void append_field(std::string& out, int number, std::uint64_t value);
void append_field(std::string& out, int number, const google::protobuf::MessageLite& message);
// A bool or enum is no string of bytes.
void append_field(std::string& out, int number, const char* bytes) = delete;

// The field `number` with a serialised envoy.config.core.v3.Metadata that names the object:
// filter_metadata {sluice: {kind, name, namespace, sectionName}}, of which the last is a named part of it.
void append_owner(std::string& out, int number, const ObjectKey& owner, std::string_view section = {});

}  // namespace sluice::xds
