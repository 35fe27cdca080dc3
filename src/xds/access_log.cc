#include "xds/access_log.h"

#include <utility>

#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"

#include "xds/wire.h"

namespace sluice::xds {
namespace {

constexpr std::pair<const char*, const char*> kFields[] = {
    {":authority", "%REQ(:AUTHORITY)%"},
    {"bytes_received", "%BYTES_RECEIVED%"},
    {"bytes_sent", "%BYTES_SENT%"},
    {"connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"},
    {"downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"},
    {"downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"},
    {"duration", "%DURATION%"},
    {"method", "%REQ(:METHOD)%"},
    {"protocol", "%PROTOCOL%"},
    {"requested_server_name", "%REQUESTED_SERVER_NAME%"},
    {"response_code", "%RESPONSE_CODE%"},
    {"response_code_details", "%RESPONSE_CODE_DETAILS%"},
    {"response_flags", "%RESPONSE_FLAGS%"},
    {"route_name", "%ROUTE_NAME%"},
    {"start_time", "%START_TIME%"},
    {"upstream_cluster", "%UPSTREAM_CLUSTER%"},
    {"upstream_host", "%UPSTREAM_HOST%"},
    {"upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"},
    {"upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"},
    {"user-agent", "%REQ(USER-AGENT)%"},
    {"x-envoy-origin-path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"},
    {"x-envoy-upstream-service-time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"},
    {"x-forwarded-for", "%REQ(X-FORWARDED-FOR)%"},
    {"x-request-id", "%REQ(X-REQUEST-ID)%"},
};

}  // namespace

void fill_access_log(const ir::AccessLog& log, envoy::config::accesslog::v3::AccessLog* to) {
  envoy::extensions::access_loggers::file::v3::FileAccessLog file;
  file.set_path(log.path);
  auto& fields = *file.mutable_log_format()->mutable_json_format()->mutable_fields();
  for (const auto& [name, format] : kFields) fields[name].set_string_value(format);
  to->set_name("envoy.access_loggers.file");
  pack(file, to->mutable_typed_config());
}

}  // namespace sluice::xds
