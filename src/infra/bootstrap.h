// What an Envoy in a pod starts with, and the files by which it gets its certificates.
//
// Threads: pure functions.
#pragma once

#include <expected>
#include <string>

#include "infra/names.h"
#include "infra/objects.h"
#include "infra/provider.h"

namespace sluice::infra {

// One line of JSON. Kubernetes fills in $(ENVOY_POD_NAME) and $(ENVOY_SERVICE_ZONE), and in what users add to
// it whatever else is in the container's environment. The error is that of xds::render_pod_bootstrap.
std::expected<std::string, Problem> bootstrap_of(const Request& request, const Settings& settings,
                                                 const Provider& provider, const Identity& identity);

bool has_prometheus(const Request& request);

// The data of the ConfigMap: secrets as files for Envoy, which reads them again when the files that they name
// change.
nlohmann::json secret_files(const Settings& settings, const Identity& identity);

// "sluice.sluice-system.svc.cluster.local": what tokens are for.
std::string service_host(const Settings& settings);

inline constexpr char kSecretsFolder[] = "/sds";
inline constexpr char kCaSecret[] = "xds-trusted-ca.json";
inline constexpr char kCertificateSecret[] = "xds-certificate.json";
inline constexpr char kTokenSecret[] = "xds_service_account_token.json";
inline constexpr char kCertificatesFolder[] = "/certs";
inline constexpr char kCaFile[] = "ca.crt";
inline constexpr char kTokenFolder[] = "/var/run/secrets/token";
inline constexpr char kTokenFile[] = "sa-token";

}  // namespace sluice::infra
