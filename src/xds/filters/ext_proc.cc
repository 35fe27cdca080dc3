#include "xds/filters/ext_proc.h"

#include "envoy/extensions/filters/http/ext_proc/v3/ext_proc.pb.h"

#include "xds/duration.h"
#include "xds/filters/extension.h"
#include "xds/retry.h"

namespace sluice::xds {
namespace {

namespace ext_proc_v3 = envoy::extensions::filters::http::ext_proc::v3;
using Mode = ext_proc_v3::ProcessingMode;

// Of the call, which is as long as the request where the service wants it so. Envoy Gateway's.
constexpr ir::Duration kCallTimeout{10'000};

Mode::BodySendMode body_mode(ir::ExtProc::Body body) {
  switch (body) {
    case ir::ExtProc::Body::kNone:
      return Mode::NONE;
    case ir::ExtProc::Body::kStreamed:
      return Mode::STREAMED;
    case ir::ExtProc::Body::kBuffered:
      return Mode::BUFFERED;
    case ir::ExtProc::Body::kBufferedPartial:
      return Mode::BUFFERED_PARTIAL;
    case ir::ExtProc::Body::kFullDuplexStreamed:
      return Mode::FULL_DUPLEX_STREAMED;
  }
  return Mode::NONE;
}

Mode::HeaderSendMode header_mode(bool sent) { return sent ? Mode::SEND : Mode::SKIP; }

// A body that is streamed both ways ends with its trailers.
Mode::HeaderSendMode trailer_mode(const ir::ExtProc::Direction& direction) {
  return header_mode(direction.body == ir::ExtProc::Body::kFullDuplexStreamed);
}

void render(const ir::ExtProc& from, ext_proc_v3::ExternalProcessor* to) {
  auto* service = to->mutable_grpc_service();
  service->mutable_envoy_grpc()->set_cluster_name(from.cluster);
  service->mutable_envoy_grpc()->set_authority(from.authority);
  if (from.retry) fill_service_retry(*from.retry, service->mutable_retry_policy());
  fill_duration(kCallTimeout, service->mutable_timeout());
  to->set_failure_mode_allow(from.fail_open);
  to->set_observability_mode(from.shadow);
  Mode* mode = to->mutable_processing_mode();
  mode->set_request_header_mode(header_mode(from.request.headers));
  mode->set_response_header_mode(header_mode(from.response.headers));
  mode->set_request_body_mode(body_mode(from.request.body));
  mode->set_response_body_mode(body_mode(from.response.body));
  mode->set_request_trailer_mode(trailer_mode(from.request));
  mode->set_response_trailer_mode(trailer_mode(from.response));
  for (const std::string& name : from.request.attributes) to->add_request_attributes(name);
  for (const std::string& name : from.response.attributes) to->add_response_attributes(name);
  to->set_allow_mode_override(from.allow_mode_override);
  if (from.message_timeout) fill_duration(*from.message_timeout, to->mutable_message_timeout());
  if (from.status_on_error) {
    to->mutable_status_on_error()->set_code(static_cast<envoy::type::v3::StatusCode>(*from.status_on_error));
  }
  for (const std::string& name : from.accessible_namespaces) {
    to->mutable_metadata_options()->mutable_forwarding_namespaces()->add_untyped(name);
  }
  for (const std::string& name : from.writable_namespaces) {
    to->mutable_metadata_options()->mutable_receiving_namespaces()->add_untyped(name);
  }
}

}  // namespace

void add_ext_proc(const ir::HttpChain& chain, HttpConnectionManager* to) {
  add_extensions(chain, to, render);
}

}  // namespace sluice::xds
