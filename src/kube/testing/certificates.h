// For tests: an authority, and certificates by it.
//
// Threads: plain values; making them takes no other thread's anything.
#pragma once

#include <string>
#include <vector>

namespace sluice::kube_testing {

struct Certificate {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

// One that signs itself; lasts an hour, as all here.
Certificate make_authority(const std::string& name);
// For a server of these names and addresses ("localhost", "127.0.0.1").
Certificate make_server_certificate(const Certificate& authority, const std::vector<std::string>& names);
// For a client: the name is a user's.
Certificate make_client_certificate(const Certificate& authority, const std::string& user);

}  // namespace sluice::kube_testing
