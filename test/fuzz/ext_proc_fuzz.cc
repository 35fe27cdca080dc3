// Any bytes as what Envoy's external processing filter sends on a gRPC stream: how they are cut does not
// matter, what is shown of a message lies in it, and what protobuf writes we read as it does.
//
// The first byte says where the stream is cut.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "envoy/service/ext_proc/v3/external_processor.pb.h"

#include "extproc/frame.h"
#include "extproc/message.h"
#include "fuzz.h"

namespace sluice::fuzz {
namespace {

namespace pb = envoy::service::ext_proc::v3;
using extproc::FrameReader;

constexpr std::size_t kMaxMessage = 1'024;

// The messages of a stream, and what ended it.
std::pair<std::vector<std::string>, FrameReader::Result> read(std::string_view stream, std::size_t size) {
  std::vector<std::string> messages;
  FrameReader reader;
  for (; !stream.empty(); stream.remove_prefix(std::min(size, stream.size()))) {
    // Memory of its own, so that views that outlive it are found.
    const std::string piece(stream.substr(0, size));
    for (std::string_view chunk = piece; !chunk.empty();) {
      std::string_view message;
      const FrameReader::Result result = reader.next(chunk, kMaxMessage, message);
      if (result == FrameReader::Result::kMessage) {
        require(message.size() <= kMaxMessage, "no message is longer than it may be");
        messages.emplace_back(message);
      } else if (result != FrameReader::Result::kMore) {
        return {std::move(messages), result};
      }
      require(reader.partial_bytes() <= kMaxMessage + extproc::kFramePrefix, "what waits is bounded");
    }
  }
  return {std::move(messages), FrameReader::Result::kMore};
}

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void require_views(const extproc::Request& request, std::string_view bytes) {
  for (const extproc::Header& header : request.headers) {
    require(lies_in(header.name, bytes) && lies_in(header.value, bytes), "headers lie in the message");
  }
  require(lies_in(request.body, bytes), "the body lies in the message");
  for (const auto& value : {request.metadata("envoy.lb", "a"), request.attribute("request.path")}) {
    if (!value) continue;
    require(lies_in(value->as_string().value_or(""), bytes), "values lie in the message");
    for (const extproc::ValueView& each : value->elements()) (void)each.as_number();
    (void)value->field("a");
    (void)value->as_bool();
  }
}

void compare_headers(const envoy::config::core::v3::HeaderMap& theirs, const extproc::Request& ours) {
  require(ours.headers.size() == static_cast<std::size_t>(theirs.headers_size()),
          "both find as many headers");
  for (int i = 0; i < theirs.headers_size(); ++i) {
    const auto& want = theirs.headers(i);
    const extproc::Header& got = ours.headers[static_cast<std::size_t>(i)];
    require(got.name == want.key(), "both read the same name", want.key());
    // Envoy fills in one of the two.
    if (!want.value().empty() && !want.raw_value().empty()) continue;
    require(got.value == want.value() + want.raw_value(), "both read the same value", want.key());
  }
}

void compare_body(const pb::HttpBody& theirs, const extproc::Request& ours) {
  require(ours.body == theirs.body(), "both read the same body");
  require(ours.end_of_stream == (theirs.end_of_stream() || theirs.end_of_stream_without_message()),
          "both know whether it ends");
}

void compare(pb::ProcessingRequest& theirs) {
  theirs.DiscardUnknownFields();
  const std::string bytes = theirs.SerializeAsString();
  extproc::Request ours;
  const bool has_part = theirs.request_case() != pb::ProcessingRequest::REQUEST_NOT_SET;
  require(extproc::decode(bytes, ours) == has_part, "what has a part is read, and nothing else");
  if (!has_part) return;
  require(ours.observability_mode == theirs.observability_mode(), "both know whether anybody waits");
  switch (theirs.request_case()) {
    case pb::ProcessingRequest::kRequestHeaders:
      return compare_headers(theirs.request_headers().headers(), ours);
    case pb::ProcessingRequest::kResponseHeaders:
      return compare_headers(theirs.response_headers().headers(), ours);
    case pb::ProcessingRequest::kRequestTrailers:
      return compare_headers(theirs.request_trailers().trailers(), ours);
    case pb::ProcessingRequest::kResponseTrailers:
      return compare_headers(theirs.response_trailers().trailers(), ours);
    case pb::ProcessingRequest::kRequestBody:
      return compare_body(theirs.request_body(), ours);
    case pb::ProcessingRequest::kResponseBody:
      return compare_body(theirs.response_body(), ours);
    case pb::ProcessingRequest::REQUEST_NOT_SET:
      return;
  }
}

void run(std::string_view text) {
  if (text.empty()) return;
  const std::size_t size = 1 + static_cast<unsigned char>(text.front()) % 64;
  text.remove_prefix(1);
  const auto whole = read(text, text.size() + 1);
  require(whole == read(text, size), "cuts do not matter");
  extproc::Request request;
  for (const std::string& message : whole.first) {
    if (extproc::decode(message, request)) require_views(request, message);
    pb::ProcessingRequest theirs;
    if (theirs.ParseFromString(message)) compare(theirs);
  }
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::fuzz::Watch watch;
  sluice::fuzz::run(sluice::fuzz::text_of(data, size));
  return 0;
}
