// What Envoy's external processing filter says, and what it is answered.
//
// An ext_proc stream carries one HTTP request. Envoy sends a Request for each part that its processing mode
// names (headers, chunks of the body, trailers, of the request and then of the response) and waits for a
// Response to each, except that chunks of a body in FULL_DUPLEX_STREAMED mode are answered when and in as
// many pieces as the service likes. An ImmediateResponse ends the HTTP request with an answer of the
// service's own.
//
// Both are views: a Request of the received bytes, a Response of whatever the caller holds until encode()
// has returned. Source: envoy/service/ext_proc/v3/external_processor.proto of Envoy 1.40.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sluice::extproc {

// The part of the HTTP exchange that a message is about.
enum class Part : std::uint8_t {
  kRequestHeaders,
  kResponseHeaders,
  kRequestBody,
  kResponseBody,
  kRequestTrailers,
  kResponseTrailers,
};

struct Header {
  std::string_view name;  // in lower case, as Envoy has them; ":path", ":authority", … too
  std::string_view value;

  bool operator==(const Header&) const = default;
};

// How the filter sends bodies (envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode).
enum class BodyMode : std::uint8_t {
  kNone = 0,
  kStreamed = 1,
  kBuffered = 2,
  kBufferedPartial = 3,
  kFullDuplexStreamed = 4,
  kGrpc = 5,
};

// A google.protobuf.Value as it lies in the message.
class ValueView {
 public:
  explicit ValueView(std::string_view bytes) : bytes_(bytes) {}

  std::optional<std::string_view> as_string() const;
  std::optional<double> as_number() const;
  std::optional<bool> as_bool() const;
  // The value of a field of a Struct; nothing where this is no Struct or has no such field.
  std::optional<ValueView> field(std::string_view name) const;
  // The elements of a list; empty where this is none.
  std::vector<ValueView> elements() const;

 private:
  std::string_view bytes_;
};

struct Request {
  Part part = Part::kRequestHeaders;
  std::vector<Header> headers;      // of a headers or trailers part, in Envoy's order
  std::string_view body;            // of a body part
  bool end_of_stream = false;       // of headers and body: nothing follows in this direction
  bool observability_mode = false;  // Envoy does not wait for answers, and ignores them
  // Said by a stream's first message alone, and not by every client.
  std::optional<BodyMode> request_body_mode;
  std::optional<BodyMode> response_body_mode;

  // The value of the first header of this name (in lower case), or nothing.
  std::optional<std::string_view> header(std::string_view name) const;
  // Dynamic metadata of the HTTP request: a field of a namespace that the filter forwards.
  std::optional<ValueView> metadata(std::string_view name_space, std::string_view field) const;
  // An attribute that the filter was configured to send: "request.path", "xds.route_name", ….
  std::optional<ValueView> attribute(std::string_view name) const;

  // The encoded envoy.config.core.v3.Metadata, and the encoded entries of the attributes' map.
  std::string_view encoded_metadata;
  std::vector<std::string_view> encoded_attributes;
};

// Reads a ProcessingRequest into `request`, whose vectors keep their memory. False where the bytes are no
// such message, or say none of the parts. The views are of `bytes`.
bool decode(std::string_view bytes, Request& request);

// A header that the service sets.
struct HeaderChange {
  enum class Action : std::uint8_t {  // envoy.config.core.v3.HeaderValueOption.HeaderAppendAction
    kAppend = 0,
    kAddIfAbsent = 1,
    kOverwrite = 2,  // or add
    kOverwriteIfPresent = 3,
  };
  std::string_view name;
  std::string_view value;
  Action action = Action::kOverwrite;
};

// A string in the dynamic metadata of the HTTP request, where later filters and Envoy's load balancer find
// it.
struct MetadataEntry {
  std::string_view name_space;
  std::string_view field;
  std::string_view value;
};

// What becomes of the body.
struct KeepBody {};  // it stays as it is
struct ReplaceBody {
  std::string_view body;
};  // by this one (BUFFERED modes, or one chunk)
struct ClearBody {};
struct StreamBody {  // the next piece in FULL_DUPLEX_STREAMED mode
  std::string_view body;
  bool end_of_stream = false;
};
using BodyChange = std::variant<KeepBody, ReplaceBody, ClearBody, StreamBody>;

// Which parts of this HTTP exchange are still to come, whatever the filter was configured to send. It counts
// with an answer to headers only, where the filter allows it (allow_mode_override) and was to send no body in
// FULL_DUPLEX_STREAMED mode; else Envoy ignores it.
struct ModeOverride {
  BodyMode request_body = BodyMode::kNone;
  BodyMode response_body = BodyMode::kNone;
  // Nothing: as configured.
  std::optional<bool> response_headers = {};
  std::optional<bool> request_trailers = {};
  std::optional<bool> response_trailers = {};
};

struct Response {
  Part part = Part::kRequestHeaders;
  std::span<const HeaderChange> set_headers = {};
  std::span<const std::string_view> remove_headers = {};
  BodyChange body = KeepBody{};
  bool clear_route_cache = false;  // the route is chosen anew, from the changed headers
  std::span<const MetadataEntry> metadata = {};
  std::optional<ModeOverride> mode = {};
};

// An answer to the client instead of the upstream's.
struct ImmediateResponse {
  std::uint16_t status = 500;
  std::span<const HeaderChange> headers = {};
  std::string_view body;
  std::string_view details;                       // %RESPONSE_CODE_DETAILS% of the access log
  std::optional<std::uint32_t> grpc_status = {};  // sent to gRPC clients
};

// Appends the ProcessingResponse to `out`. Entries of one metadata namespace stand side by side.
void encode(const Response& response, std::string& out);
void encode(const ImmediateResponse& response, std::string& out);

}  // namespace sluice::extproc
