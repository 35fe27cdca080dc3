// `sluice certgen`: the certificates by which sluice and Envoys in pods know each other (control/
// certificates.h), as Secrets or in a folder.
//
// Threads: blocks until it is done.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "cli/console.h"
#include "control/certificates.h"
#include "kube/access.h"

namespace sluice::cli {

struct CertgenOptions {
  control::CertificateOptions certificates;
  // FOLDER/sluice, FOLDER/envoy and FOLDER/ca get the three files each; empty: they are Secrets.
  std::string folder;
  kube::Access access;  // of the API server then
};

int certgen(const CertgenOptions& options, Console& console);

}  // namespace sluice::cli
