// Secrets as certificates.
#pragma once

#include <string_view>

#include "api/kinds.h"
#include "translate/rows.h"

namespace sluice::translate {

// Reads the certificate chain and key of a kubernetes.io/tls Secret (fields tls.crt and tls.key). What Envoy
// would refuse is refused here, where the message can name the user's object.
CertificateRow read_certificate(const api::Secret& secret);

// True where the text has certificates in PEM, one at least, and all of them can be read: Envoy takes all or
// none.
bool holds_certificates(std::string_view pem);

}  // namespace sluice::translate
