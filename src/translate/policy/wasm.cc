#include <algorithm>

#include <fmt/format.h>

#include "api/annotations.h"
#include "translate/ca_bundle.h"
#include "translate/near.h"
#include "translate/policy/extension_reader.h"
#include "translate/reference.h"
#include "tree/write.h"
#include "wasm/image_reference.h"
#include "wasm/source.h"

namespace sluice::translate {
namespace {

using Failed = std::unexpected<ExtensionFailure>;

constexpr char kCredentials[] = "value/credentials";

// What sources are read with.
struct SourceReader {
  const NamespacedName& policy;
  const ModuleEnvironment environment;
  flow::Reads& reads;
};

// The object that a reference of the policy leads to, which has to be permitted.
std::expected<ObjectKey, ExtensionFailure> follow(const SourceReader& reader,
                                                  const api::SecretObjectReference& ref,
                                                  const std::string& field) {
  ObjectKey key{.kind = GroupKind(ref.group, ref.kind),
                .name = {ref.namespace_.value_or(reader.policy.namespace_), ref.name}};
  if (!permitted({api::kind_of<api::EnvoyExtensionPolicy>(), reader.policy.namespace_}, key.kind, key.name,
                 reader.environment.tables, reader.reads)) {
    return Failed(
        {.field = field + ".namespace",
         .code = "reference/not-permitted",
         .message =
             fmt::format("no ReferenceGrant in namespace {} lets EnvoyExtensionPolicy of {} refer to {} {}",
                         key.name.namespace_, reader.policy.namespace_, ref.kind, ref.name),
         .suggestion = missing_grant({api::kind_of<api::EnvoyExtensionPolicy>(), reader.policy.namespace_},
                                     key.kind, key.name, reader.environment.tables, reader.reads)});
  }
  return key;
}

std::expected<std::string, ExtensionFailure> read_authorities(const SourceReader& reader,
                                                              const std::optional<api::WasmTLS>& tls,
                                                              const std::string& field) {
  if (!tls) return std::string();
  const std::string at = field + ".tls.caCertificateRef";
  auto key = follow(reader, tls->ca_certificate_ref, at);
  if (!key) return Failed(std::move(key.error()));
  auto pem = read_ca(*key, reader.environment.inputs, reader.environment.tables, reader.reads);
  if (!pem) {
    return Failed({.field = at + ".name",
                   .code = pem.error().code,
                   .message = pem.error().message,
                   .suggestion = pem.error().suggestion});
  }
  return *std::move(pem);
}

// One that is none has been told when the policy was read: nothing can have it.
std::expected<void, ExtensionFailure> check_digest(const std::optional<std::string>& digest) {
  if (!digest || digest->empty() || api::is_wasm_digest(*digest)) return {};
  return Failed({.field = {}, .code = {}, .message = "`sha256` is no SHA-256", .suggestion = {}});
}

std::expected<std::optional<wasm::Credentials>, ExtensionFailure> read_credentials(
    const SourceReader& reader, const api::SecretObjectReference& ref, const std::string& image) {
  const std::string field = "code.image.pullSecretRef";
  const auto key = follow(reader, ref, field);
  if (!key) return Failed(key.error());
  const api::Secret* secret = reader.reads.get(reader.environment.inputs.secrets, key->name);
  if (secret == nullptr) {
    return Failed({.field = field + ".name",
                   .code = "reference/not-found",
                   .message = fmt::format("there is no {}", key->to_string()),
                   .suggestion = near_object(*key, {}, reader.environment.tables, reader.reads)});
  }
  const auto at = secret->data.find(".dockerconfigjson");
  if (at == secret->data.end()) {
    return Failed({.field = field + ".name",
                   .code = "reference/key",
                   .message = fmt::format("{} has no key `.dockerconfigjson`", key->to_string()),
                   .suggestion = "make it with `kubectl create secret docker-registry`"});
  }
  const auto reference = wasm::parse_image_reference(image);
  if (!reference)
    return Failed({.field = "code.image.url",
                   .code = "value/image",
                   .message = reference.error().message,
                   .suggestion = {}});
  auto credentials = wasm::credentials_for(*reference, at->second);
  if (!credentials) {
    return Failed({.field = field + ".name",
                   .code = kCredentials,
                   .message = credentials.error().message,
                   .suggestion = {}});
  }
  return *std::move(credentials);
}

std::expected<wasm::Source, ExtensionFailure> read_source(const SourceReader& reader,
                                                          const api::WasmCode& code) {
  const auto policy = [&code](wasm::PullPolicy by_default) {
    if (!code.pull_policy) return by_default;
    return *code.pull_policy == api::WasmPullPolicy::kAlways ? wasm::PullPolicy::kAlways
                                                             : wasm::PullPolicy::kIfNotPresent;
  };
  if (code.http) {
    const api::WasmHTTPSource& http = *code.http;
    if (auto good = check_digest(http.sha256); !good) return Failed(good.error());
    auto ca = read_authorities(reader, http.tls, "code.http");
    if (!ca) return Failed(std::move(ca.error()));
    return wasm::HttpSource{.url = http.url,
                            .sha256 = http.sha256.value_or(""),
                            .pull_policy = policy(wasm::PullPolicy::kIfNotPresent),
                            .ca_pem = *std::move(ca)};
  }
  if (!code.image) {
    return Failed({.field = "code",
                   .code = "value/wasm",
                   .message = "there is neither `http` nor `image`",
                   .suggestion = {}});
  }
  const api::WasmImageSource& image = *code.image;
  if (auto good = check_digest(image.sha256); !good) return Failed(good.error());
  auto ca = read_authorities(reader, image.tls, "code.image");
  if (!ca) return Failed(std::move(ca.error()));
  wasm::ImageSource source{.reference = image.url,
                           .credentials = {},
                           .sha256 = image.sha256.value_or(""),
                           .pull_policy = policy(wasm::default_pull_policy(image.url)),
                           .ca_pem = *std::move(ca)};
  if (image.pull_secret_ref) {
    auto credentials = read_credentials(reader, *image.pull_secret_ref, image.url);
    if (!credentials) return Failed(std::move(credentials.error()));
    source.credentials = *std::move(credentials);
  }
  return source;
}

// A source that can be asked.
std::expected<wasm::Source, ExtensionFailure> read_good_source(const SourceReader& reader,
                                                               const api::WasmCode& code) {
  auto source = read_source(reader, code);
  if (!source) return source;
  if (const auto good = wasm::check(*source); !good) {
    return Failed({.field = code.http ? "code.http.url" : "code.image.url",
                   .code = "value/module",
                   .message = good.error().message,
                   .suggestion = {}});
  }
  return source;
}

bool is_set(const api::StringMap& annotations, std::string_view name) {
  const auto at = annotations.find(name);
  return at != annotations.end() && at->second == "true";
}

// As the user wrote it.
const std::string& url_of(const api::WasmCode& code) { return code.http ? code.http->url : code.image->url; }

}  // namespace

std::string plugin_name(const NamespacedName& policy, std::size_t index) {
  return upstream_own_name(policy, "wasm", index);
}

WantedModules wanted_modules(const NamespacedName& name, const api::EnvoyExtensionPolicy& policy,
                             Version version, const ModuleEnvironment& environment, flow::Reads& reads) {
  WantedModules wanted;
  for (std::size_t i = 0; i < policy.spec.wasm.size(); ++i) {
    const api::WasmCode& code = policy.spec.wasm[i].code;
    auto source = read_good_source({name, environment, reads}, code);
    if (!source || environment.settings.known_modules.contains(url_of(code))) continue;
    wanted.emplace_back(slot_name(name, version, i), *std::move(source));
  }
  return wanted;
}

PolicyExtension read_wasm(ExtensionReader& reader, std::size_t index, const api::Wasm& wasm) {
  const auto broken = [&](ExtensionFailure failure) {
    return reader.broken("wasm", index, std::move(failure), wasm.fail_open);
  };
  const ExtensionEnvironment& in = reader.environment;
  const std::string slot = slot_name(reader.policy, reader.version, index);
  const std::string url_field = wasm.code.http ? "code.http.url" : "code.image.url";
  const auto serve = [&](const wasm::Ready& module) -> PolicyExtension {
    const std::string own_name = plugin_name(reader.policy, index);
    ModulePlace place = reader.place_of(module);
    ir::Wasm filter{.vm = own_name,
                    .name = wasm.name.value_or(own_name),
                    .root_id = wasm.root_id.value_or(""),
                    .config = wasm.config ? to_json(*wasm.config) : std::string(),
                    .path = std::move(place.path),
                    .uri = std::move(place.uri),
                    .cluster = place.cluster_name(),
                    .sha256 = std::move(place.sha256),
                    .host_env_keys = wasm.env ? wasm.env->host_keys : std::vector<std::string>(),
                    .fail_open = wasm.fail_open,
                    .body_behind_held_headers = is_set(reader.annotations, api::kWasmBodyBehindHeldHeaders)};
    return {.filter = reader.filter("wasm", "wasm", index, std::move(filter)),
            .cluster = std::move(place.cluster),
            .fail_open = wasm.fail_open,
            .pending = false};
  };

  const ModuleState* state = reader.reads.get(in.modules, slot);
  if (state == nullptr) {  // nothing is wanted: it is known, or its source is no good
    const auto& known = in.settings.known_modules;
    const auto source =
        read_good_source({reader.policy, {in.settings, in.inputs, in.tables}, reader.reads}, wasm.code);
    const auto at = known.find(url_of(wasm.code));
    // What is not fetched needs no password.
    const bool needless = at != known.end() && !source && source.error().code == kCredentials;
    if (!source && !needless) return broken(source.error());
    if (at == known.end()) return reader.late(wasm.fail_open);
    if (wasm.code.http && !wasm.code.http->sha256.value_or("").empty() &&
        at->second.sha256 != *wasm.code.http->sha256) {
      return broken({.field = "code.http.sha256",
                     .code = "module/digest-mismatch",
                     .message = fmt::format("the module has the SHA-256 {}", at->second.sha256),
                     .suggestion = {}});
    }
    return serve(at->second);
  }
  auto module = reader.module("wasm", index, url_field, "", *state, wasm.fail_open);
  return module ? serve(*module) : std::move(module.error());
}

}  // namespace sluice::translate
