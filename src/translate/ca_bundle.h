// CA certificates: where references to them lead, and what is there.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "translate/tables.h"

namespace sluice::translate {

// A reference that gives no CA certificates.
struct CaFailure {
  std::string field;   // below what holds the references: "caCertificateRefs[1].name"
  std::string reason;  // of a ResolvedRefs condition
  std::string code;    // of a Problem
  std::string message;
  std::string suggestion;
};

struct CaReferences {
  Authorities authorities;  // what is good
  std::vector<CaFailure> failures;

  // Those of all failures.
  std::string message() const;
};

// What `caCertificateRefs` and `wellKnownCACertificates` of an object in the namespace name. References are
// to ConfigMaps and Secrets beside the object, and to ClusterTrustBundles.
CaReferences resolve_ca(const std::vector<api::LocalObjectReference>& refs, const std::string& well_known,
                        const std::string& namespace_, const Inputs& inputs, const Projections& tables,
                        flow::Reads& reads);

// The certificates of the object, in PEM, or what is wrong with them: of a ConfigMap or Secret those under
// `ca.crt`, else `tls.crt`, else its only key; of a ClusterTrustBundle its bundle. A text without a
// certificate is wrong: the proxy would refuse it, and could not say whose it is.
std::expected<std::string, CaFailure> read_ca(const ObjectKey& object, const Inputs& inputs,
                                              const Projections& tables, flow::Reads& reads);

// Those of several objects, one after the other. What is missing is left out.
std::string join_ca(const std::vector<ObjectKey>& objects, const Inputs& inputs, flow::Reads& reads);

}  // namespace sluice::translate
