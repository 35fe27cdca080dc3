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
std::optional<ExtensionFailure> check_digest(const std::optional<std::string>& digest) {
  if (!digest || digest->empty() || api::is_wasm_digest(*digest)) return std::nullopt;
  return ExtensionFailure{.field = {}, .code = {}, .message = "`sha256` is no SHA-256", .suggestion = {}};
}

// Nothing where it cannot be said of which registry they would have to be: that is the URL's fault.
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
  if (!reference) return std::nullopt;
  auto credentials = wasm::credentials_for(*reference, at->second);
  if (!credentials) {
    return Failed({.field = field + ".name",
                   .code = kCredentials,
                   .message = credentials.error().message,
                   .suggestion = {}});
  }
  return *std::move(credentials);
}

// A source that can be asked, or all that is wrong with it.
std::expected<wasm::Source, std::vector<ExtensionFailure>> read_source(const SourceReader& reader,
                                                                       const api::WasmCode& code) {
  std::vector<ExtensionFailure> failures;
  // The value, or an empty one whose failure is noted.
  const auto take = [&failures]<typename T>(std::expected<T, ExtensionFailure> value) {
    if (!value) failures.push_back(std::move(value.error()));
    return value ? *std::move(value) : T();
  };
  const auto take_digest = [&failures](const std::optional<std::string>& digest) {
    auto failure = check_digest(digest);
    if (!failure) return digest.value_or("");
    failures.push_back(*std::move(failure));
    return std::string();
  };
  const auto policy = [&code](wasm::PullPolicy by_default) {
    if (!code.pull_policy) return by_default;
    return *code.pull_policy == api::WasmPullPolicy::kAlways ? wasm::PullPolicy::kAlways
                                                             : wasm::PullPolicy::kIfNotPresent;
  };
  wasm::Source source;
  if (code.http) {
    const api::WasmHTTPSource& http = *code.http;
    source = wasm::HttpSource{.url = http.url,
                              .sha256 = take_digest(http.sha256),
                              .pull_policy = policy(wasm::PullPolicy::kIfNotPresent),
                              .ca_pem = take(read_authorities(reader, http.tls, "code.http"))};
  } else if (code.image) {
    const api::WasmImageSource& image = *code.image;
    wasm::ImageSource made{.reference = image.url,
                           .credentials = {},
                           .sha256 = take_digest(image.sha256),
                           .pull_policy = policy(wasm::default_pull_policy(image.url)),
                           .ca_pem = take(read_authorities(reader, image.tls, "code.image"))};
    if (image.pull_secret_ref) {
      made.credentials = take(read_credentials(reader, *image.pull_secret_ref, image.url));
    }
    source = std::move(made);
  } else {
    return std::unexpected(std::vector{ExtensionFailure{.field = "code",
                                                        .code = "value/wasm",
                                                        .message = "there is neither `http` nor `image`",
                                                        .suggestion = {}}});
  }
  if (const auto good = wasm::check(source); !good) {
    failures.push_back({.field = code.http ? "code.http.url" : "code.image.url",
                        .code = code.http ? "value/module" : "value/image",
                        .message = good.error().message,
                        .suggestion = {}});
  }
  if (!failures.empty()) return std::unexpected(std::move(failures));
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
    auto source = read_source({name, environment, reads}, code);
    if (!source || environment.settings.known_modules.contains(url_of(code))) continue;
    wanted.emplace_back(slot_name(name, version, i), *std::move(source));
  }
  return wanted;
}

PolicyExtension read_wasm(ExtensionReader& reader, std::size_t index, const api::Wasm& wasm) {
  const auto broken = [&](std::vector<ExtensionFailure> failures) {
    return reader.broken("wasm", index, std::move(failures), wasm.fail_open);
  };
  const ExtensionEnvironment& in = reader.environment;
  const std::string slot = slot_name(reader.policy, reader.version, index);
  const std::string url_field = wasm.code.http ? "code.http.url" : "code.image.url";
  const std::string digest_field = wasm.code.http ? "code.http.sha256" : "code.image.sha256";
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
    auto source = read_source({reader.policy, {in.settings, in.inputs, in.tables}, reader.reads}, wasm.code);
    const auto at = known.find(url_of(wasm.code));
    std::vector<ExtensionFailure> failures =
        source ? std::vector<ExtensionFailure>() : std::move(source.error());
    // What is not fetched needs no password.
    if (at != known.end()) {
      std::erase_if(failures, [](const ExtensionFailure& failure) { return failure.code == kCredentials; });
    }
    if (!failures.empty()) return broken(std::move(failures));
    if (at == known.end()) return reader.late(wasm.fail_open);
    if (wasm.code.http && !wasm.code.http->sha256.value_or("").empty() &&
        at->second.sha256 != *wasm.code.http->sha256) {
      return broken({{.field = digest_field,
                      .code = "module/digest-mismatch",
                      .message = fmt::format("the module has the SHA-256 {}", at->second.sha256),
                      .suggestion = {}}});
    }
    return serve(at->second);
  }
  const auto* failed = std::get_if<wasm::Failed>(&state->state);
  const std::string& field = failed != nullptr && failed->failure.of_sha256 ? digest_field : url_field;
  auto module = reader.module("wasm", index, field, "", *state, wasm.fail_open);
  return module ? serve(*module) : std::move(module.error());
}

}  // namespace sluice::translate
