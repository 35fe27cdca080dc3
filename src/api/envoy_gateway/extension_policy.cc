#include "api/envoy_gateway/extension_policy.h"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "api/declarations.h"
#include "api/envoy_gateway/cluster_settings_fields.h"
#include "api/envoy_gateway/policy_targets_fields.h"
#include "api/envoy_gateway/shared.h"
#include "api/gateway_api/shared.h"
#include "api/gateway_api/status.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

constexpr int kMaxExtensions = 16;
constexpr Pattern kAttribute{
    R"(^(connection\.|source\.|destination\.|request\.|response\.|upstream\.|xds\.route_)[a-z_1-9]*$)",
    "an attribute of Envoy's, as in `request.path` or `xds.route_name`"};
constexpr Pattern kModuleUrl{
    R"(^((https?:)(\/\/\/?)([\w]*(?::[\w]*)?@)?([\d\w\.-]+)(?::(\d+))?)?([\/\\\w\.()-]*)?(?:([?][^#]*)?(#.*)?)*)",
    "a URL"};

// ---- external processing ----------------------------------------------------------------------------

Type processing_options() {
  return object({
      field<&ProcessingOptions::attributes>("attributes", list(string().matches(kAttribute)))
          .doc("Attributes that the service is told besides."),
      field<&ProcessingOptions::body>(
          "body", enumeration({"Streamed", "Buffered", "BufferedPartial", "FullDuplexStreamed"}))
          .doc("How the service gets the body: in pieces, whole, as much as fits, or in pieces that it may "
               "answer as it likes. By default not at all."),
  });
}

Type processing_mode() {
  return object({
      field<&ProcessingMode::allow_mode_override>("allowModeOverride", boolean())
          .doc("Whether the service may change this for each request. It cannot where a body is "
               "`FullDuplexStreamed`."),
      field<&ProcessingMode::request>("request", processing_options())
          .doc("What the service gets of requests: headers, where this is there, and what it says. By "
               "default nothing."),
      field<&ProcessingMode::response>("response", processing_options()).doc("The same of responses."),
  });
}

Type ext_proc_metadata() {
  return object({
      field<&ExtProcMetadata::accessible_namespaces>("accessibleNamespaces", list(string()))
          .doc("Namespaces of dynamic metadata that the service is told."),
      field<&ExtProcMetadata::writable_namespaces>(
          "writableNamespaces",
          list(string()).max_items(8).with(
              {.name = "ext-proc",
               .cel = "self.all(f, !f.startsWith('envoy.filters.http'))",
               .message = "the namespaces `envoy.filters.http…` are those of Envoy's own filters"}))
          .doc("Namespaces of dynamic metadata that the service may write."),
  });
}

Type ext_proc() {
  const Type status = int32().one_of({400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412,
                                      413, 414, 415, 416, 417, 421, 422, 423, 424, 426, 428, 429, 431,
                                      500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511});
  std::vector<Field> fields = backend_fields<&ExtProc::backends>();
  fields.push_back(field<&ExtProc::fail_open>("failOpen", boolean())
                       .defaults_to(false)
                       .doc("Whether requests go on when the service fails."));
  fields.push_back(field<&ExtProc::message_timeout>("messageTimeout", gateway_duration())
                       .doc("How long the service may take to answer one message. By default 200ms."));
  fields.push_back(field<&ExtProc::metadata>("metadata", ext_proc_metadata())
                       .doc("Dynamic metadata that the service sees and writes."));
  fields.push_back(field<&ExtProc::processing_mode>("processingMode", processing_mode())
                       .doc("What the service gets to see. By default nothing."));
  fields.push_back(field<&ExtProc::shadow_mode>("shadowMode", boolean())
                       .doc("Whether the service only looks on: nobody waits for it, and what it answers "
                            "changes nothing."));
  fields.push_back(field<&ExtProc::status_on_error>("statusOnError", status)
                       .doc("The status of the response when the service fails. By default 500."));
  return object(std::move(fields))
      .with(policy_backend_rules())
      .with({
          {.name = "ext-proc",
           .cel = "!(has(self.failOpen) && self.failOpen == true && has(self.processingMode) && "
                  "((has(self.processingMode.request) && has(self.processingMode.request.body) && "
                  "self.processingMode.request.body == 'FullDuplexStreamed') || "
                  "(has(self.processingMode.response) && has(self.processingMode.response.body) && "
                  "self.processingMode.response.body == 'FullDuplexStreamed')))",
           .message =
               "`failOpen` and a body of mode `FullDuplexStreamed` exclude each other: what the service "
               "has seen of it is gone when it fails",
           .suggestion = "remove `failOpen`, or choose another mode",
           .blame = "failOpen"},
          {.name = "ext-proc",
           .cel = "!(has(self.shadowMode) && self.shadowMode == true && has(self.processingMode) && "
                  "((has(self.processingMode.request) && has(self.processingMode.request.body) && "
                  "self.processingMode.request.body != 'Streamed') || (has(self.processingMode.response) && "
                  "has(self.processingMode.response.body) && self.processingMode.response.body != "
                  "'Streamed')))",
           .message = "with `shadowMode` a body is `Streamed` or not sent at all",
           .suggestion = "write `body: Streamed`, or remove `body`",
           .blame = "processingMode"},
      });
}

// ---- WebAssembly ------------------------------------------------------------------------------------

Type wasm_tls() {
  return object({field<&WasmTLS::ca_certificate_ref>("caCertificateRef", secret_object_reference())
                     .required()
                     .doc("The object with the certificates of the authorities to trust.")});
}

bool is_hexadecimal(std::string_view text) {
  return text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

// The digest that a text of another form says, or nothing.
std::string digest_in(std::string_view text) {
  constexpr std::string_view kAlgorithm = "sha256:";
  if (text.starts_with(kAlgorithm)) text.remove_prefix(kAlgorithm.size());
  std::string digest(text);
  for (char& c : digest) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  return is_wasm_digest(digest) ? digest : "";
}

// `source` says where the digest is to be had.
std::optional<Fault> digest_fault(std::string_view text, std::string_view source) {
  constexpr std::size_t kSha1Digits = 40;
  if (is_wasm_digest(text)) return std::nullopt;
  const std::string meant = digest_in(text);
  if (!meant.empty())
    return Fault{"a SHA-256 is 64 lower-case hexadecimal digits", fmt::format("write `{}`", meant)};
  if (text.empty()) return Fault{"the SHA-256 is empty", fmt::format("remove it, or write it: {}", source)};
  if (!is_hexadecimal(text))
    return Fault{"a SHA-256 is 64 hexadecimal digits, and this is none", std::string(source)};
  return Fault{fmt::format("a SHA-256 is 64 hexadecimal digits, and this has {}", text.size()),
               fmt::format("{}{}", text.size() == kSha1Digits ? "40 are those of a SHA-1; " : "", source)};
}

Rule digest_rule() { return {.name = "sha256", .message = "a SHA-256 is 64 lower-case hexadecimal digits"}; }

Type file_digest() {
  Rule rule = digest_rule();
  rule.fault = [](const Value& self) {
    return digest_fault(self.text(), "`sha256sum` prints that of a file");
  };
  return string().with(std::move(rule));
}

Type image_digest() {
  Rule rule = digest_rule();
  rule.fault = [](const Value& self) {
    return digest_fault(self.text(), "that of an image is what stands behind `@sha256:`");
  };
  return string().with(std::move(rule));
}

Type wasm_code() {
  const Type http = object({
      field<&WasmHTTPSource::sha256>("sha256", file_digest())
          .doc("The SHA-256 of the module, as `sha256sum` prints it. What has another is refused."),
      field<&WasmHTTPSource::tls>("tls", wasm_tls())
          .doc("Whom to trust, besides the authorities of the host."),
      field<&WasmHTTPSource::url>("url", string().matches(kModuleUrl)).required().doc("The URL."),
  });
  const Type pull_secret = secret_object_reference().with({.name = "wasm-code",
                                                           .cel = "self.kind == 'Secret'",
                                                           .message = "only a Secret can be referred to",
                                                           .suggestion = "write `kind: Secret`",
                                                           .blame = "kind"});
  const Type image = object({
      field<&WasmImageSource::pull_secret_ref>("pullSecretRef", pull_secret)
          .doc("The Secret with the credentials for the registry."),
      field<&WasmImageSource::sha256>("sha256", image_digest())
          .doc("The SHA-256 of the image, as it stands behind `@sha256:`. What has another is refused."),
      field<&WasmImageSource::tls>("tls", wasm_tls())
          .doc("Whom to trust, besides the authorities of the host."),
      field<&WasmImageSource::url>("url", string())
          .required()
          .doc("The image, as in `registry.example.com/module:v1`, with or without `oci://` in front."),
  });
  return object({
                    field<&WasmCode::http>("http", http).doc("A URL from which it is fetched."),
                    field<&WasmCode::image>("image", image).doc("An image of a registry that holds it."),
                    field<&WasmCode::pull_policy>("pullPolicy", enumeration({"IfNotPresent", "Always"}))
                        .doc("Whether it is fetched anew where it is there already. By default `Always` for "
                             "what has the tag `latest`, else `IfNotPresent`."),
                    field<&WasmCode::type>("type", said_twice(enumeration({"HTTP", "Image"}), {"ConfigMap"}))
                        .required()
                        .doc("Where the module is."),
                })
      .with({
          goes_with_type("wasm-code", "HTTP", "http"),
          goes_with_type("wasm-code", "Image", "image"),
      });
}

Type wasm() {
  return object({
      field<&Wasm::code>("code", wasm_code()).required().doc("The module."),
      field<&Wasm::config>("config", any()).doc("What the module is told when it starts."),
      field<&Wasm::env>("env", object({field<&WasmEnv::host_keys>("hostKeys", list(string()))
                                           .doc("Environment variables of Envoy that it may read.")}))
          .doc("The environment of the module."),
      field<&Wasm::fail_open>("failOpen", boolean())
          .defaults_to(false)
          .doc("Whether requests go on when the module fails."),
      field<&Wasm::name>("name", string()).doc("A name for it, which the module is told."),
      field<&Wasm::root_id>("rootID", string())
          .doc("The root id of the plugin, by which a module with several kinds of filters tells them apart; "
               "by default none."),
  });
}

// ---- scripts and modules ----------------------------------------------------------------------------

Type lua() {
  const Type value_ref =
      local_object_reference("ConfigMap")
          .with({.name = "lua-source",
                 .cel = "self.kind == 'ConfigMap' && (self.group == 'v1' || self.group == '')",
                 .message = "only a ConfigMap can be referred to",
                 .suggestion = "write `group: \"\"` and `kind: ConfigMap`"});
  return object({
                    field<&Lua::filter_context>("filterContext", any())
                        .doc("What the script is told: `filterContext()` gives it."),
                    field<&Lua::inline_>("inline", string()).doc("The script."),
                    field<&Lua::type>("type", enumeration({"Inline", "ValueRef"}))
                        .required()
                        .defaults_to("Inline")
                        .doc("Whether the script is here or in a ConfigMap."),
                    field<&Lua::value_ref>("valueRef", value_ref)
                        .doc("The ConfigMap with the script: under the key `lua`, or else its first."),
                })
      .with({.name = "lua-source",
             .cel = "(self.type == 'Inline' && has(self.inline) && !has(self.valueRef)) || (self.type == "
                    "'ValueRef' && !has(self.inline) && has(self.valueRef))",
             .message =
                 "the type `Inline` goes with the field `inline`, the type `ValueRef` with `valueRef`, "
                 "and only one of them can be there",
             .blame = "type"});
}

Type dynamic_module() {
  return object({
      field<&DynamicModule::config>("config", any()).doc("What the module is told when it starts."),
      field<&DynamicModule::filter_name>("filterName", string().max_length(253))
          .doc("The filter of the module to use, where it has several."),
      field<&DynamicModule::name>("name", string().length(1, 253).matches(kModuleName))
          .required()
          .doc("The module, one of `dynamicModules` of the EnvoyProxy."),
      // Who answers does so, whether it has said so before or not.
      field<&DynamicModule::terminal_filter>("terminalFilter", boolean())
          .defaults_to(false)
          .passive()
          .doc("Whether the module answers requests itself, so that none goes to a backend."),
  });
}

}  // namespace

bool is_wasm_digest(std::string_view text) {
  constexpr std::size_t kDigits = 64;
  return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Type envoy_extension_policy_type() {
  using Spec = EnvoyExtensionPolicySpec;
  std::vector<Field> fields = policy_target_fields<&Spec::targets>();
  fields.push_back(
      field<&Spec::dynamic_module>("dynamicModule", list(dynamic_module()).max_items(kMaxExtensions))
          .doc("Dynamic modules that requests go through."));
  fields.push_back(field<&Spec::ext_proc>("extProc", list(ext_proc()).max_items(kMaxExtensions))
                       .doc("Services that see requests and responses, and may change them."));
  fields.push_back(field<&Spec::lua>("lua", list(lua()).max_items(kMaxExtensions))
                       .doc("Lua scripts that requests go through."));
  fields.push_back(field<&Spec::merge_type>("mergeType", merge_type("EnvoyExtensionPolicy"))
                       .doc("How a policy about a route goes together with that about its Gateway: "
                            "`StrategicMerge` or `JSONMerge`. By default it replaces it."));
  fields.push_back(field<&Spec::wasm>("wasm", list(wasm()).max_items(kMaxExtensions))
                       .doc("WebAssembly modules that requests go through."));
  const PolicyTargetKinds targets{
      .all = {"Gateway", "ListenerSet", "HTTPRoute", "GRPCRoute", "UDPRoute", "TCPRoute", "TLSRoute"},
      .mergeable = {"HTTPRoute", "GRPCRoute", "UDPRoute", "TCPRoute", "TLSRoute"}};
  return resource<EnvoyExtensionPolicy>(metadata_type(kSubdomain, 253),
                                        object(std::move(fields)).with(policy_target_rules(targets)),
                                        field("status", policy_status()))
      .doc("Code of your own in the way of requests: services, WebAssembly, Lua, dynamic modules.");
}

}  // namespace sluice::api
