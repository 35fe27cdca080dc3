#include "translate/header_value.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/closest.h"

namespace sluice::translate {
namespace {

// What may follow a command's name in parentheses.
enum class Argument : unsigned char { kNone, kOptional, kRequired };

struct Command {
  std::string_view name;
  Argument argument;
};

// Those of Envoy 1.40, sorted. To find out those of another: `envoy --mode validate` of a header with each.
constexpr Command kCommands[] = {
    {"ACCESS_LOG_TYPE", Argument::kNone},
    {"BYTES_RECEIVED", Argument::kNone},
    {"BYTES_RETRANSMITTED", Argument::kNone},
    {"BYTES_SENT", Argument::kNone},
    {"CEL", Argument::kRequired},
    {"CLUSTER_METADATA", Argument::kRequired},
    {"COALESCE", Argument::kRequired},
    {"COMMON_DURATION", Argument::kRequired},
    {"CONNECTION_ID", Argument::kNone},
    {"CONNECTION_TERMINATION_DETAILS", Argument::kNone},
    {"CUSTOM_FLAGS", Argument::kNone},
    {"DOWNSTREAM_CX_RTT", Argument::kNone},
    {"DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", Argument::kNone},
    {"DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", Argument::kNone},
    {"DOWNSTREAM_DETECTED_CLOSE_TYPE", Argument::kNone},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS", Argument::kNone},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID", Argument::kNone},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT", Argument::kOptional},
    {"DOWNSTREAM_DIRECT_LOCAL_PORT", Argument::kNone},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Argument::kNone},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Argument::kOptional},
    {"DOWNSTREAM_DIRECT_REMOTE_PORT", Argument::kNone},
    {"DOWNSTREAM_HANDSHAKE_DURATION", Argument::kNone},
    {"DOWNSTREAM_HEADER_BYTES_RECEIVED", Argument::kNone},
    {"DOWNSTREAM_HEADER_BYTES_SENT", Argument::kNone},
    {"DOWNSTREAM_LOCAL_ADDRESS", Argument::kNone},
    {"DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", Argument::kNone},
    {"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Argument::kOptional},
    {"DOWNSTREAM_LOCAL_CLOSE_REASON", Argument::kNone},
    {"DOWNSTREAM_LOCAL_DNS_SAN", Argument::kNone},
    {"DOWNSTREAM_LOCAL_EMAIL_SAN", Argument::kNone},
    {"DOWNSTREAM_LOCAL_IP_SAN", Argument::kNone},
    {"DOWNSTREAM_LOCAL_OTHERNAME_SAN", Argument::kNone},
    {"DOWNSTREAM_LOCAL_PORT", Argument::kNone},
    {"DOWNSTREAM_LOCAL_SUBJECT", Argument::kNone},
    {"DOWNSTREAM_LOCAL_URI_SAN", Argument::kNone},
    {"DOWNSTREAM_PEER_CERT", Argument::kNone},
    {"DOWNSTREAM_PEER_CERT_V_END", Argument::kOptional},
    {"DOWNSTREAM_PEER_CERT_V_START", Argument::kOptional},
    {"DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1", Argument::kNone},
    {"DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256", Argument::kNone},
    {"DOWNSTREAM_PEER_CHAIN_SERIALS", Argument::kNone},
    {"DOWNSTREAM_PEER_DNS_SAN", Argument::kNone},
    {"DOWNSTREAM_PEER_EMAIL_SAN", Argument::kNone},
    {"DOWNSTREAM_PEER_FINGERPRINT_1", Argument::kNone},
    {"DOWNSTREAM_PEER_FINGERPRINT_256", Argument::kNone},
    {"DOWNSTREAM_PEER_IP_SAN", Argument::kNone},
    {"DOWNSTREAM_PEER_ISSUER", Argument::kNone},
    {"DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256", Argument::kNone},
    {"DOWNSTREAM_PEER_ISSUER_SERIAL", Argument::kNone},
    {"DOWNSTREAM_PEER_OTHERNAME_SAN", Argument::kNone},
    {"DOWNSTREAM_PEER_SERIAL", Argument::kNone},
    {"DOWNSTREAM_PEER_SUBJECT", Argument::kNone},
    {"DOWNSTREAM_PEER_URI_SAN", Argument::kNone},
    {"DOWNSTREAM_REMOTE_ADDRESS", Argument::kNone},
    {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Argument::kOptional},
    {"DOWNSTREAM_REMOTE_PORT", Argument::kNone},
    {"DOWNSTREAM_TLS_CIPHER", Argument::kNone},
    {"DOWNSTREAM_TLS_GROUP", Argument::kNone},
    {"DOWNSTREAM_TLS_SESSION_ID", Argument::kNone},
    {"DOWNSTREAM_TLS_VERSION", Argument::kNone},
    {"DOWNSTREAM_TRANSPORT_FAILURE_REASON", Argument::kNone},
    {"DOWNSTREAM_WIRE_BYTES_RECEIVED", Argument::kNone},
    {"DOWNSTREAM_WIRE_BYTES_SENT", Argument::kNone},
    {"DURATION", Argument::kNone},
    {"DYNAMIC_METADATA", Argument::kRequired},
    {"EMIT_TIME", Argument::kOptional},
    {"EMIT_TIME_LOCAL", Argument::kOptional},
    {"ENVIRONMENT", Argument::kRequired},
    {"FILTER_CHAIN_NAME", Argument::kNone},
    {"FILTER_STATE", Argument::kRequired},
    {"GRPC_STATUS", Argument::kOptional},
    {"GRPC_STATUS_NUMBER", Argument::kNone},
    {"HOSTNAME", Argument::kNone},
    {"LISTENER_NAME", Argument::kOptional},
    {"LOCAL_REPLY_BODY", Argument::kNone},
    {"METADATA", Argument::kRequired},
    {"PACKETS_RETRANSMITTED", Argument::kOptional},
    {"PATH", Argument::kOptional},
    {"PROTOCOL", Argument::kNone},
    {"QUERY_PARAM", Argument::kRequired},
    {"QUERY_PARAMS", Argument::kOptional},
    {"REQ", Argument::kRequired},
    {"REQUESTED_SERVER_NAME", Argument::kOptional},
    {"REQUEST_DURATION", Argument::kNone},
    {"REQUEST_HEADER", Argument::kRequired},
    {"REQUEST_HEADERS_BYTES", Argument::kNone},
    {"REQUEST_TX_DURATION", Argument::kNone},
    {"RESP", Argument::kRequired},
    {"RESPONSE_CODE", Argument::kNone},
    {"RESPONSE_CODE_DETAILS", Argument::kOptional},
    {"RESPONSE_DURATION", Argument::kNone},
    {"RESPONSE_FLAGS", Argument::kNone},
    {"RESPONSE_FLAGS_LONG", Argument::kNone},
    {"RESPONSE_HEADER", Argument::kRequired},
    {"RESPONSE_HEADERS_BYTES", Argument::kNone},
    {"RESPONSE_TRAILER", Argument::kRequired},
    {"RESPONSE_TRAILERS_BYTES", Argument::kNone},
    {"RESPONSE_TX_DURATION", Argument::kNone},
    {"ROUNDTRIP_DURATION", Argument::kNone},
    {"ROUTE_NAME", Argument::kNone},
    {"ROUTE_RESOLUTION_COUNT", Argument::kOptional},
    {"ROUTE_RESOLUTION_TIME_US", Argument::kOptional},
    {"SPAN_ID", Argument::kNone},
    {"START_TIME", Argument::kOptional},
    {"START_TIME_LOCAL", Argument::kOptional},
    {"STREAM_ID", Argument::kNone},
    {"STREAM_INFO_REQ", Argument::kRequired},
    {"TLS_JA3_FINGERPRINT", Argument::kNone},
    {"TLS_JA4_FINGERPRINT", Argument::kNone},
    {"TRACE_ID", Argument::kNone},
    {"TRAILER", Argument::kRequired},
    {"TYPED_CEL", Argument::kRequired},
    {"UNIQUE_ID", Argument::kNone},
    {"UPSTREAM_CLUSTER", Argument::kNone},
    {"UPSTREAM_CLUSTER_RAW", Argument::kNone},
    {"UPSTREAM_CONNECTION_ID", Argument::kNone},
    {"UPSTREAM_CONNECTION_IDS_ATTEMPTED", Argument::kNone},
    {"UPSTREAM_CONNECTION_POOL_READY_DURATION", Argument::kNone},
    {"UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", Argument::kNone},
    {"UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", Argument::kNone},
    {"UPSTREAM_DETECTED_CLOSE_TYPE", Argument::kNone},
    {"UPSTREAM_FILTER_STATE", Argument::kRequired},
    {"UPSTREAM_HEADER_BYTES_RECEIVED", Argument::kNone},
    {"UPSTREAM_HEADER_BYTES_SENT", Argument::kNone},
    {"UPSTREAM_HOST", Argument::kNone},
    {"UPSTREAM_HOSTS_ATTEMPTED", Argument::kNone},
    {"UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT", Argument::kNone},
    {"UPSTREAM_HOST_NAME", Argument::kNone},
    {"UPSTREAM_HOST_NAMES_ATTEMPTED", Argument::kNone},
    {"UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT", Argument::kNone},
    {"UPSTREAM_HOST_NAME_WITHOUT_PORT", Argument::kNone},
    {"UPSTREAM_LOCAL_ADDRESS", Argument::kNone},
    {"UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Argument::kOptional},
    {"UPSTREAM_LOCAL_CLOSE_REASON", Argument::kNone},
    {"UPSTREAM_LOCAL_DNS_SAN", Argument::kNone},
    {"UPSTREAM_LOCAL_IP_SAN", Argument::kNone},
    {"UPSTREAM_LOCAL_PORT", Argument::kNone},
    {"UPSTREAM_LOCAL_URI_SAN", Argument::kNone},
    {"UPSTREAM_METADATA", Argument::kRequired},
    {"UPSTREAM_PEER_CERT", Argument::kNone},
    {"UPSTREAM_PEER_CERT_V_END", Argument::kOptional},
    {"UPSTREAM_PEER_CERT_V_START", Argument::kOptional},
    {"UPSTREAM_PEER_DNS_SAN", Argument::kNone},
    {"UPSTREAM_PEER_IP_SAN", Argument::kNone},
    {"UPSTREAM_PEER_ISSUER", Argument::kNone},
    {"UPSTREAM_PEER_SUBJECT", Argument::kNone},
    {"UPSTREAM_PEER_URI_SAN", Argument::kNone},
    {"UPSTREAM_PROTOCOL", Argument::kNone},
    {"UPSTREAM_REMOTE_ADDRESS", Argument::kNone},
    {"UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID", Argument::kNone},
    {"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Argument::kOptional},
    {"UPSTREAM_REMOTE_PORT", Argument::kNone},
    {"UPSTREAM_REQUEST_ATTEMPT_COUNT", Argument::kNone},
    {"UPSTREAM_SERVER_NAME", Argument::kNone},
    {"UPSTREAM_TLS_CIPHER", Argument::kNone},
    {"UPSTREAM_TLS_GROUP", Argument::kNone},
    {"UPSTREAM_TLS_SESSION_ID", Argument::kNone},
    {"UPSTREAM_TLS_VERSION", Argument::kNone},
    {"UPSTREAM_TRANSPORT_FAILURE_REASON", Argument::kNone},
    {"UPSTREAM_WIRE_BYTES_RECEIVED", Argument::kNone},
    {"UPSTREAM_WIRE_BYTES_SENT", Argument::kNone},
    {"VIRTUAL_CLUSTER_NAME", Argument::kNone},
};
static_assert(std::ranges::is_sorted(kCommands, {}, &Command::name));

bool of_name(char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// The length of ":12%" or "%" at the start of the text; 0: it is neither.
std::size_t end_of_command(std::string_view text) {
  std::size_t at = 0;
  if (text.starts_with(':')) {
    at = std::min(text.find_first_not_of("0123456789", 1), text.size());
    if (at == 1) return 0;
  }
  return at < text.size() && text[at] == '%' ? at + 1 : 0;
}

struct Written {
  std::string_view name;
  bool has_argument = false;
  bool has_length = false;
  std::size_t size = 0;  // with both percent signs
};

// The command at the start of the text, which is a percent sign; nothing where there is none.
std::optional<Written> read_command(std::string_view text) {
  const auto name_end = static_cast<std::size_t>(std::ranges::find_if_not(text.substr(1), of_name) -
                                                 text.substr(1).begin() + 1);
  Written command{.name = text.substr(1, name_end - 1)};
  if (command.name.empty()) return std::nullopt;
  std::size_t at = name_end;
  // An argument ends with the first parenthesis that the end of a command follows.
  if (text.substr(at).starts_with('(')) {
    std::size_t close = text.find(')', at);
    while (close != text.npos && end_of_command(text.substr(close + 1)) == 0)
      close = text.find(')', close + 1);
    if (close == text.npos) return std::nullopt;
    command.has_argument = true;
    at = close + 1;
  }
  const std::size_t end = end_of_command(text.substr(at));
  if (end == 0) return std::nullopt;
  command.has_length = end > 1;
  command.size = at + end;
  return command;
}

std::optional<HeaderFault> fault_of(const Written& written) {
  const auto* known = std::ranges::lower_bound(kCommands, written.name, {}, &Command::name);
  if (known == std::end(kCommands) || known->name != written.name) {
    std::vector<std::string_view> names;
    for (const Command& command : kCommands) names.push_back(command.name);
    const std::string_view near = closest(written.name, names);
    return HeaderFault{.message = fmt::format("`%{}%` is no command of Envoy's", written.name),
                       .suggestion = near.empty()
                                         ? fmt::format("write `%%{}%%` for the text itself", written.name)
                                         : did_you_mean(fmt::format("%{}%", near))};
  }
  if (known->argument == Argument::kRequired && !written.has_argument) {
    return HeaderFault{.message = fmt::format("the command `%{}%` needs an argument", written.name),
                       .suggestion = fmt::format("write it as in `%{}(NAME)%`", written.name)};
  }
  if (known->argument == Argument::kNone && (written.has_argument || written.has_length)) {
    return HeaderFault{.message = fmt::format("the command `%{}%` takes no argument", written.name),
                       .suggestion = fmt::format("write `%{}%`", written.name)};
  }
  return std::nullopt;
}

}  // namespace

std::optional<HeaderFault> fault_of_header_value(std::string_view value) {
  if (auto fault = fault_of_head(value)) return fault;
  return fault_of_commands(value);
}

std::optional<HeaderFault> fault_of_head(std::string_view text) {
  using namespace std::string_view_literals;
  if (text.find_first_of("\0\r\n"sv) == text.npos) return std::nullopt;
  return HeaderFault{.message = "a value in the head of a message has one line, and no character NUL",
                     .suggestion = ""};
}

std::optional<HeaderFault> fault_of_commands(std::string_view text) {
  for (std::size_t at = text.find('%'); at != text.npos; at = text.find('%', at)) {
    if (text.substr(at).starts_with("%%")) {
      at += 2;
      continue;
    }
    const std::optional<Written> command = read_command(text.substr(at));
    if (!command) {
      return HeaderFault{.message = "a `%` stands for the begin of a command of Envoy's, and there is none",
                         .suggestion = "write `%%` for a percent sign"};
    }
    if (auto fault = fault_of(*command)) return fault;
    at += command->size;
  }
  return std::nullopt;
}

}  // namespace sluice::translate
