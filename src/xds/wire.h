// Bytes of protobuf messages.
//
// Rendering is mostly protobuf's own classes. What every route, cluster and endpoint has in the same form is
// written by hand, or serialised once and copied: fields of a message may come in any order and concatenate
// on the wire. The tests parse the result and compare it with what the classes alone would make.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/object_key.h"
#include "base/wire.h"

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

// A field of a message; the overloads for others are those of base/wire.h.
using sluice::append_field;
using sluice::append_nested;
void append_field(std::string& out, int number, const google::protobuf::MessageLite& message);

// The field `number` with an envoy.config.core.v3.Metadata: filter_metadata {filter: {key: value…}}, without
// what is empty. The fields are to be sorted by their keys.
void append_metadata(std::string& out, int number, std::string_view filter,
                     std::span<const std::pair<std::string_view, std::string_view>> fields);

// Metadata that names the object: {sluice: {kind, name, namespace, sectionName}}, of which the last is a
// named part of it.
void append_owner(std::string& out, int number, const ObjectKey& owner, std::string_view section = {});

}  // namespace sluice::xds
