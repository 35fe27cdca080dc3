#include "infra/bootstrap.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "infra/quantity.h"
#include "tree/write.h"
#include "xds/bootstrap.h"

namespace sluice::infra {

using nlohmann::json;
using xds::PodPlaces;
using namespace nlohmann::literals;  // NOLINT: the only way to a pointer in one word

namespace {

constexpr char kSecretType[] = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

// Of the limit of the container: the rest is for what is not on Envoy's heap. Envoy Gateway's.
constexpr double kHeapShare = 0.8;

json metrics_of(const Request& request) {
  return request.metrics ? to_document(*request.metrics) : json::object();
}

PodPlaces::Family family_of(const api::EnvoyProxy* envoy_proxy) {
  if (envoy_proxy == nullptr || !envoy_proxy->spec.ip_family) return PodPlaces::Family::kIpv4;
  switch (*envoy_proxy->spec.ip_family) {
    case api::IPFamily::kIPv4:
      return PodPlaces::Family::kIpv4;
    case api::IPFamily::kIPv6:
      return PodPlaces::Family::kIpv6;
    case api::IPFamily::kDualStack:
      return PodPlaces::Family::kDualStack;
  }
  return PodPlaces::Family::kIpv4;
}

PodPlaces::Prometheus prometheus_of(const json& metrics) {
  using Compression = PodPlaces::Prometheus::Compression;
  static constexpr std::pair<const char*, Compression> kForms[] = {
      {"Gzip", Compression::kGzip}, {"Brotli", Compression::kBrotli}, {"Zstd", Compression::kZstd}};
  PodPlaces::Prometheus prometheus;
  const json compression = metrics.value("/prometheus/compression"_json_pointer, json::object());
  for (const auto& [name, form] : kForms) {
    if (compression.value("type", "") == name) prometheus.compression = form;
  }
  if (const auto size = compression.find("minContentLength"); size != compression.end()) {
    const auto bytes = bytes_of(size->is_string() ? size->get<std::string>() : size->dump());
    if (bytes) prometheus.min_content_length = static_cast<std::uint32_t>(*bytes);
  }
  return prometheus;
}

std::vector<PodPlaces::StatName> stat_names_of(const json& metrics) {
  static constexpr std::pair<const char*, ir::MatchKind> kKinds[] = {
      {"Exact", ir::MatchKind::kExact},
      {"Prefix", ir::MatchKind::kPrefix},
      {"Suffix", ir::MatchKind::kSuffix},
      {"RegularExpression", ir::MatchKind::kRegex}};
  std::vector<PodPlaces::StatName> names;
  for (const json& match : metrics.value("matches", json::array())) {
    PodPlaces::StatName& name = names.emplace_back();
    name.value = match.value("value", "");
    for (const auto& [text, kind] : kKinds) {
      if (match.value("type", "Exact") == text) name.kind = kind;
    }
  }
  return names;
}

std::uint64_t heap_limit_of(const Provider& provider) {
  const json limit = provider.workload.value.value("/container/resources/limits/memory"_json_pointer, json());
  if (limit.is_null()) return 0;
  const auto bytes = bytes_of(limit.is_string() ? limit.get<std::string>() : limit.dump());
  return bytes ? static_cast<std::uint64_t>(static_cast<double>(*bytes) * kHeapShare) : 0;
}

std::string secret_path(const char* file) { return fmt::format("{}/{}", kSecretsFolder, file); }

// A file as Envoy reads it where a secret's source is a path.
std::string secret_file(const char* name, const char* kind, json secret) {
  const json resource = {{"@type", kSecretType}, {"name", name}, {kind, std::move(secret)}};
  return json{{"resources", json::array({resource})}}.dump();
}

json in_file(const char* folder, const char* file) {
  return {{"filename", fmt::format("{}/{}", folder, file)}};
}

}  // namespace

bool has_prometheus(const Request& request) {
  return !metrics_of(request).value("/prometheus/disable"_json_pointer, false);
}

std::string service_host(const Settings& settings) {
  return fmt::format("{}.{}.svc.{}", settings.service, settings.controller_namespace, settings.dns_domain);
}

std::expected<std::string, Problem> bootstrap_of(const Request& request, const Settings& settings,
                                                 const Provider& provider, const Identity& identity) {
  const json metrics = metrics_of(request);
  PodPlaces places{.node_id = "$(ENVOY_POD_NAME)",
                   .zone = "$(ENVOY_SERVICE_ZONE)",
                   .xds_host = service_host(settings) + '.',  // no search domains
                   .xds_port = settings.xds_port,
                   .ca_file = secret_path(kCaSecret),
                   .certificate_file = identity.with_gateway ? "" : secret_path(kCertificateSecret),
                   .token_file = identity.with_gateway ? secret_path(kTokenSecret) : "",
                   .family = family_of(request.envoy_proxy.get()),
                   .stat_names = stat_names_of(metrics),
                   .heap_limit = heap_limit_of(provider)};
  if (has_prometheus(request)) places.prometheus = prometheus_of(metrics);
  std::expected<std::string, Problem> text = xds::render_pod_bootstrap(request.proxy, places);
  if (text) *text = json::parse(*text).dump();
  return text;
}

json secret_files(const Settings& settings, const Identity& identity) {
  const json name = {{"san_type", "DNS"}, {"matcher", {{"exact", settings.service}}}};
  json files = {{kCaSecret, secret_file(xds::kTrustedCa, "validation_context",
                                        {{"trusted_ca", in_file(kCertificatesFolder, kCaFile)},
                                         {"match_typed_subject_alt_names", json::array({name})}})}};
  if (identity.with_gateway) {
    files[kTokenSecret] =
        secret_file(xds::kToken, "generic_secret", {{"secret", in_file(kTokenFolder, kTokenFile)}});
    files[kCaFile] = settings.ca_pem;
  } else {
    files[kCertificateSecret] = secret_file(xds::kCertificate, "tls_certificate",
                                            {{"certificate_chain", in_file(kCertificatesFolder, "tls.crt")},
                                             {"private_key", in_file(kCertificatesFolder, "tls.key")}});
  }
  return files;
}

}  // namespace sluice::infra
