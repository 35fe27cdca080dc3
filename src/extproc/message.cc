#include "extproc/message.h"

#include <bit>

#include "base/wire.h"
#include "extproc/wire.h"

namespace sluice::extproc {
namespace {

// Field numbers, by message.
enum : std::uint8_t {
  kRequestMetadataContext = 8,
  kRequestAttributes = 9,
  kRequestObservabilityMode = 10,
  kRequestProtocolConfig = 11,
  kProtocolRequestBodyMode = 1,
  kProtocolResponseBodyMode = 2,

  kHttpHeadersHeaders = 1,
  kHttpHeadersEndOfStream = 3,
  kHttpBodyBody = 1,
  kHttpBodyEndOfStream = 2,
  kHttpBodyEndOfStreamWithoutMessage = 3,
  kHttpTrailersTrailers = 1,
  kHeaderMapHeaders = 1,
  kHeaderValueKey = 1,
  kHeaderValueValue = 2,
  kHeaderValueRawValue = 3,

  kMapKey = 1,
  kMapValue = 2,
  kMetadataFilterMetadata = 1,
  kStructFields = 1,
  kValueNumber = 2,
  kValueString = 3,
  kValueBool = 4,
  kValueStruct = 5,
  kValueList = 6,
  kListValues = 1,

  kResponseImmediate = 7,
  kResponseDynamicMetadata = 8,
  kResponseModeOverride = 9,
  kModeResponseHeaders = 2,
  kModeRequestBody = 3,
  kModeResponseBody = 4,
  kModeRequestTrailers = 5,
  kModeResponseTrailers = 6,
  kCommonHeaderMutation = 2,
  kCommonBodyMutation = 3,
  kCommonClearRouteCache = 5,
  kPartResponse = 1,  // of HeadersResponse and BodyResponse; a TrailersResponse has the mutation there
  kMutationSetHeaders = 1,
  kMutationRemoveHeaders = 2,
  kOptionHeader = 1,
  kOptionAppendAction = 3,
  kOptionKeepEmptyValue = 4,
  kBodyMutationBody = 1,
  kBodyMutationClear = 2,
  kBodyMutationStreamed = 3,
  kStreamedBody = 1,
  kStreamedEndOfStream = 2,
  kImmediateStatus = 1,
  kImmediateHeaders = 2,
  kImmediateBody = 3,
  kImmediateGrpcStatus = 4,
  kImmediateDetails = 5,
  kHttpStatusCode = 1,
  kGrpcStatusStatus = 1,
};

// A ProcessingRequest has the part as field 2 to 7, a ProcessingResponse as 1 to 6, in the order of Part.
constexpr int kFirstRequestPart = 2;
constexpr int kFirstResponsePart = 1;
constexpr int kParts = 6;
constexpr std::uint64_t kTrue = 1;
// ProcessingMode.HeaderSendMode
constexpr std::uint64_t kSend = 1;
constexpr std::uint64_t kSkip = 2;

bool is_trailers(Part part) { return part == Part::kRequestTrailers || part == Part::kResponseTrailers; }
bool is_body(Part part) { return part == Part::kRequestBody || part == Part::kResponseBody; }

bool read_headers(std::string_view header_map, std::vector<Header>& headers) {
  FieldReader fields(header_map);
  while (fields.next()) {
    if (fields.number() != kHeaderMapHeaders) continue;
    Header& header = headers.emplace_back();
    FieldReader entry(fields.bytes());
    while (entry.next()) {
      if (entry.number() == kHeaderValueKey) header.name = entry.bytes();
      // Envoy fills in one of the two.
      if (entry.number() == kHeaderValueValue || entry.number() == kHeaderValueRawValue) {
        if (!entry.bytes().empty()) header.value = entry.bytes();
      }
    }
    if (!entry.ok()) return false;
  }
  return fields.ok();
}

bool read_part(std::string_view bytes, Request& request) {
  FieldReader fields(bytes);
  while (fields.next()) {
    if (is_body(request.part)) {
      if (fields.number() == kHttpBodyBody) request.body = fields.bytes();
      if (fields.number() == kHttpBodyEndOfStream || fields.number() == kHttpBodyEndOfStreamWithoutMessage) {
        request.end_of_stream |= fields.integer() != 0;
      }
      continue;
    }
    if (fields.number() == (is_trailers(request.part) ? kHttpTrailersTrailers : kHttpHeadersHeaders)) {
      if (!read_headers(fields.bytes(), request.headers)) return false;
    } else if (fields.number() == kHttpHeadersEndOfStream) {
      request.end_of_stream = fields.integer() != 0;
    }
  }
  return fields.ok();
}

// A mode that is none leaves it open, as a client that says nothing does.
void read_body_modes(std::string_view protocol, Request& request) {
  const auto mode = [](std::uint64_t value) -> std::optional<BodyMode> {
    if (value > static_cast<std::uint64_t>(BodyMode::kGrpc)) return std::nullopt;
    return static_cast<BodyMode>(value);
  };
  request.request_body_mode = request.response_body_mode = BodyMode::kNone;  // which has no field
  FieldReader fields(protocol);
  while (fields.next()) {
    if (fields.number() == kProtocolRequestBodyMode) request.request_body_mode = mode(fields.integer());
    if (fields.number() == kProtocolResponseBodyMode) request.response_body_mode = mode(fields.integer());
  }
}

// The value of a map's entry if its key is this one.
std::optional<std::string_view> value_of_entry(std::string_view entry, std::string_view key) {
  FieldReader fields(entry);
  bool found = key.empty();
  std::string_view value;
  while (fields.next()) {
    if (fields.number() == kMapKey) found = fields.bytes() == key;
    if (fields.number() == kMapValue) value = fields.bytes();
  }
  if (!fields.ok() || !found) return std::nullopt;
  return value;
}

// The value of a key in the map that is the field `number` of a message. Of several the last counts.
std::optional<std::string_view> value_of_key(std::string_view message, int number, std::string_view key) {
  std::optional<std::string_view> found;
  FieldReader fields(message);
  while (fields.next()) {
    if (fields.number() != number) continue;
    if (const auto value = value_of_entry(fields.bytes(), key)) found = value;
  }
  return fields.ok() ? found : std::nullopt;
}

// The oneof of a Value.
FieldReader kind_of(std::string_view value) {
  FieldReader last(value);
  FieldReader fields(value);
  while (fields.next()) last = fields;
  return last;
}

void append_header_mutation(std::string& out, int field, std::span<const HeaderChange> set,
                            std::span<const std::string_view> remove) {
  if (set.empty() && remove.empty()) return;
  const NestedField mutation(out, field);
  for (const HeaderChange& change : set) {
    const NestedField option(out, kMutationSetHeaders);
    {
      const NestedField header(out, kOptionHeader);
      append_field(out, kHeaderValueKey, change.name);
      append_field(out, kHeaderValueRawValue, change.value);
    }
    if (change.action != HeaderChange::Action::kAppend) {
      append_field(out, kOptionAppendAction, static_cast<std::uint64_t>(change.action));
    }
    if (change.value.empty()) append_field(out, kOptionKeepEmptyValue, kTrue);
  }
  for (const std::string_view name : remove) append_field(out, kMutationRemoveHeaders, name);
}

void append_body_mutation(std::string& out, const BodyChange& change) {
  if (std::holds_alternative<KeepBody>(change)) return;
  const NestedField mutation(out, kCommonBodyMutation);
  if (const auto* replace = std::get_if<ReplaceBody>(&change)) {
    append_field(out, kBodyMutationBody, replace->body);
  } else if (const auto* stream = std::get_if<StreamBody>(&change)) {
    const NestedField streamed(out, kBodyMutationStreamed);
    append_field(out, kStreamedBody, stream->body);
    if (stream->end_of_stream) append_field(out, kStreamedEndOfStream, kTrue);
  } else {
    append_field(out, kBodyMutationClear, kTrue);
  }
}

// dynamic_metadata is a Struct of Structs, by namespace.
void append_metadata(std::string& out, std::span<const MetadataEntry> entries) {
  if (entries.empty()) return;
  const NestedField metadata(out, kResponseDynamicMetadata);
  for (std::size_t i = 0; i < entries.size();) {
    const std::string_view name_space = entries[i].name_space;
    const NestedField entry(out, kStructFields);
    append_field(out, kMapKey, name_space);
    const NestedField value(out, kMapValue);
    const NestedField inner(out, kValueStruct);
    for (; i < entries.size() && entries[i].name_space == name_space; ++i) {
      const NestedField field(out, kStructFields);
      append_field(out, kMapKey, entries[i].field);
      const NestedField string(out, kMapValue);
      append_field(out, kValueString, entries[i].value);
    }
  }
}

void append_mode(std::string& out, const ModeOverride& mode) {
  const NestedField nested(out, kResponseModeOverride);
  const auto append_sent = [&out](int field, std::optional<bool> sent) {
    if (sent) append_field(out, field, *sent ? kSend : kSkip);
  };
  append_sent(kModeResponseHeaders, mode.response_headers);
  append_field(out, kModeRequestBody, static_cast<std::uint64_t>(mode.request_body));
  append_field(out, kModeResponseBody, static_cast<std::uint64_t>(mode.response_body));
  append_sent(kModeRequestTrailers, mode.request_trailers);
  append_sent(kModeResponseTrailers, mode.response_trailers);
}

}  // namespace

std::optional<std::string_view> ValueView::as_string() const {
  const FieldReader kind = kind_of(bytes_);
  if (!kind.ok() || kind.number() != kValueString) return std::nullopt;
  return kind.bytes();
}

std::optional<double> ValueView::as_number() const {
  const FieldReader kind = kind_of(bytes_);
  if (!kind.ok() || kind.number() != kValueNumber) return std::nullopt;
  return std::bit_cast<double>(kind.integer());
}

std::optional<bool> ValueView::as_bool() const {
  const FieldReader kind = kind_of(bytes_);
  if (!kind.ok() || kind.number() != kValueBool) return std::nullopt;
  return kind.integer() != 0;
}

std::optional<ValueView> ValueView::field(std::string_view name) const {
  const FieldReader kind = kind_of(bytes_);
  if (!kind.ok() || kind.number() != kValueStruct) return std::nullopt;
  const auto value = value_of_key(kind.bytes(), kStructFields, name);
  if (!value) return std::nullopt;
  return ValueView(*value);
}

std::vector<ValueView> ValueView::elements() const {
  std::vector<ValueView> elements;
  const FieldReader kind = kind_of(bytes_);
  if (!kind.ok() || kind.number() != kValueList) return elements;
  FieldReader fields(kind.bytes());
  while (fields.next()) {
    if (fields.number() == kListValues) elements.emplace_back(fields.bytes());
  }
  if (!fields.ok()) elements.clear();
  return elements;
}

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const Header& header : headers) {
    if (header.name == name) return header.value;
  }
  return std::nullopt;
}

std::optional<ValueView> Request::metadata(std::string_view name_space, std::string_view field) const {
  const auto fields = value_of_key(encoded_metadata, kMetadataFilterMetadata, name_space);
  if (!fields) return std::nullopt;
  const auto value = value_of_key(*fields, kStructFields, field);
  if (!value) return std::nullopt;
  return ValueView(*value);
}

std::optional<ValueView> Request::attribute(std::string_view name) const {
  // A map from the filter that computed them (it is always this filter) to a Struct.
  for (const std::string_view entry : encoded_attributes) {
    FieldReader fields(entry);
    while (fields.next()) {
      if (fields.number() != kMapValue) continue;
      if (const auto value = value_of_key(fields.bytes(), kStructFields, name)) return ValueView(*value);
    }
  }
  return std::nullopt;
}

bool decode(std::string_view bytes, Request& request) {
  request.headers.clear();
  request.encoded_attributes.clear();
  request.body = {};
  request.encoded_metadata = {};
  request.end_of_stream = request.observability_mode = false;
  request.request_body_mode = request.response_body_mode = std::nullopt;
  std::optional<std::string_view> part;
  FieldReader fields(bytes);
  while (fields.next()) {
    const int number = fields.number();
    if (number >= kFirstRequestPart && number < kFirstRequestPart + kParts) {
      if (!fields.is_bytes()) return false;
      request.part = static_cast<Part>(number - kFirstRequestPart);
      part = fields.bytes();
    } else if (number == kRequestMetadataContext) {
      request.encoded_metadata = fields.bytes();
    } else if (number == kRequestAttributes) {
      request.encoded_attributes.push_back(fields.bytes());
    } else if (number == kRequestObservabilityMode) {
      request.observability_mode = fields.integer() != 0;
    } else if (number == kRequestProtocolConfig) {
      read_body_modes(fields.bytes(), request);
    }
  }
  return fields.ok() && part && read_part(*part, request);
}

void encode(const Response& response, std::string& out) {
  {
    const NestedField part(out, static_cast<int>(response.part) + kFirstResponsePart);
    if (is_trailers(response.part)) {
      append_header_mutation(out, kPartResponse, response.set_headers, response.remove_headers);
    } else {
      const NestedField common(out, kPartResponse);
      append_header_mutation(out, kCommonHeaderMutation, response.set_headers, response.remove_headers);
      append_body_mutation(out, response.body);
      if (response.clear_route_cache) append_field(out, kCommonClearRouteCache, kTrue);
    }
  }
  append_metadata(out, response.metadata);
  if (response.mode) append_mode(out, *response.mode);
}

void encode(const ImmediateResponse& response, std::string& out) {
  const NestedField immediate(out, kResponseImmediate);
  {
    const NestedField status(out, kImmediateStatus);
    append_field(out, kHttpStatusCode, std::uint64_t{response.status});
  }
  append_header_mutation(out, kImmediateHeaders, response.headers, {});
  if (!response.body.empty()) append_field(out, kImmediateBody, response.body);
  if (response.grpc_status) {
    const NestedField status(out, kImmediateGrpcStatus);
    append_field(out, kGrpcStatusStatus, std::uint64_t{*response.grpc_status});
  }
  if (!response.details.empty()) append_field(out, kImmediateDetails, response.details);
}

}  // namespace sluice::extproc
