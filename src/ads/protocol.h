// The two protocols on the wire: requests parsed into plain structs, responses serialised by hand (the
// resources are serialised already, and large).
//
// delta.cc and sotw.cc each have one of them, protocol.cc what both need.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"

#include "ads/frame.h"
#include "ads/session.h"

namespace google::protobuf::io {
class ZeroCopyInputStream;
}

namespace sluice::ads {

struct Node {
  std::string id;
  std::string cluster;  // the proxy's key
};

template <typename Request>
struct Parsed {
  std::optional<Node> node;        // in the first request of a stream
  std::optional<Request> request;  // nothing where it asks for a type that is not served
};

// Nothing where the bytes are no such message.
std::optional<Parsed<DeltaRequest>> parse_delta(google::protobuf::io::ZeroCopyInputStream* bytes);
std::optional<Parsed<SotwRequest>> parse_sotw(google::protobuf::io::ZeroCopyInputStream* bytes);

std::vector<Piece> serialize_delta(const Response& response);
std::vector<Piece> serialize_sotw(const Response& response);

// Nothing for types that are not served.
std::optional<xds::ResourceType> type_of(std::string_view type_url);

// The fields that both requests have.
template <typename Message>
std::optional<Node> node_of(const Message& message) {
  if (!message.has_node()) return std::nullopt;
  return Node{message.node().id(), message.node().cluster()};
}
template <typename Message>
Answer answer_of(const Message& message) {
  Answer answer;
  answer.nonce = message.response_nonce();
  if (message.has_error_detail()) {
    // Envoy ends some of them with a line break.
    answer.error = std::string(absl::StripTrailingAsciiWhitespace(message.error_detail().message()));
  }
  return answer;
}

}  // namespace sluice::ads
