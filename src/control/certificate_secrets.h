// The certificates of certificates.h as Secrets of an API server: renewed by whoever leads, and told to
// whoever serves.
//
// A pod reads them here rather than from a mounted volume: it can start before the Secret is there (on the
// first install it makes it itself), and learns of a new one at once.
//
// Secrets are replaced as the versions that were read, one after the other and the authority first, so of
// several who renew at the same time one wins, and the others read again. That is why this does not go
// through a kube::Writer, which sends what is wanted whatever has become of the object.
//
// Threads: events are told on the client's thread, and set_leads() is called there. The rest from any. The
// client must outlive it, though it may have been stopped.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/problem.h"
#include "control/certificates.h"
#include "kube/client.h"
#include "kube/object.h"

namespace sluice::control {

inline constexpr char kSecretPlural[] = "secrets";
kube::Resource secret_resource();

// Reads the Secrets, and writes what is to be renewed; `done` gets what was done, or a sentence.
void renew_secrets(kube::Client& client, const CertificateOptions& options,
                   std::function<void(std::expected<Renewal, std::string>)> done);

class CertificateSecrets {
 public:
  struct Events {
    // What the server's Secret has; each time that it changes. It may be no good.
    std::function<void(pki::Credentials)> credentials;
    // What was renewed, and why: sentences.
    std::function<void(std::vector<std::string>)> renewed;
    // All that is wrong with the Secrets, or with reading and writing them; each time that it changes.
    std::function<void(std::vector<Problem>)> problems;
  };

  CertificateSecrets(kube::Client& client, CertificateOptions options, Events events);
  CertificateSecrets(const CertificateSecrets&) = delete;
  CertificateSecrets& operator=(const CertificateSecrets&) = delete;
  ~CertificateSecrets();

  // Whether to renew.
  void set_leads(bool leads);

 private:
  class Work;
  kube::Client& client_;
  std::shared_ptr<Work> work_;
};

}  // namespace sluice::control
