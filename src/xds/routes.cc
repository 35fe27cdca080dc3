#include <algorithm>
#include <optional>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

#include "envoy/config/route/v3/route.pb.h"

#include "xds/render.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace route_v3 = envoy::config::route::v3;

using google::protobuf::internal::WireFormatLite;

namespace {

// Direct responses up to this size need no leave; those allowed at all end at the second.
constexpr std::size_t kFreeBodySize = 4'096;
constexpr std::uint32_t kMaxBodySize = 1'048'576;

// Calls `see` with the content of each field `number` of a message that our own renderers wrote.
template <typename See>
void each_field(std::string_view message, int number, See see) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(message.data()),
                                            static_cast<int>(message.size()));
  while (const std::uint32_t tag = in.ReadTag()) {
    std::uint32_t size = 0;
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED ||
        !in.ReadVarint32(&size)) {
      if (!WireFormatLite::SkipField(&in, tag)) return;
      continue;
    }
    const auto position = static_cast<std::size_t>(in.CurrentPosition());
    if (!in.Skip(static_cast<int>(size))) return;
    if (WireFormatLite::GetTagFieldNumber(tag) == number) see(message.substr(position, size));
  }
}

// Only what is long enough to hold a large body is looked into, so this costs nothing where there is none.
bool has_large_body(std::string_view virtual_host) {
  bool found = false;
  if (virtual_host.size() <= kFreeBodySize) return false;
  each_field(virtual_host, route_v3::VirtualHost::kRoutesFieldNumber, [&](std::string_view bytes) {
    if (found || bytes.size() <= kFreeBodySize) return;
    route_v3::Route route;
    if (!route.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
    found = route.direct_response().body_format().text_format_source().inline_bytes().size() > kFreeBodySize;
  });
  return found;
}

}  // namespace

std::string assemble_routes(std::string_view route_table, std::span<const std::string_view> virtual_hosts) {
  using Routes = route_v3::RouteConfiguration;
  std::size_t size = route_table.size() + 32;
  for (const std::string_view host : virtual_hosts) size += host.size() + 8;
  std::string out;
  out.reserve(size);
  append_field(out, Routes::kNameFieldNumber, route_table);
  for (const std::string_view host : virtual_hosts) append_field(out, Routes::kVirtualHostsFieldNumber, host);
  append_field(out, Routes::kIgnorePortInHostMatchingFieldNumber, std::uint64_t{1});
  if (std::any_of(virtual_hosts.begin(), virtual_hosts.end(), has_large_body)) {
    route_v3::RouteConfiguration limit;
    limit.mutable_max_direct_response_body_size_bytes()->set_value(kMaxBodySize);
    append_serialized(out, limit);
  }
  return out;
}

}  // namespace sluice::xds
