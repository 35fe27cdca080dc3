// TLS as a view shows it: what can be said of it without secrets, certificates as SHA-256 fingerprints.
//
// Threads: pure functions.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "ir/ir.h"

namespace sluice::explain {

// Settings of a thing by name, as people read them.
using Settings = std::map<std::string, std::string>;

// What is in SDS under a name.
using SecretOf = std::function<ir::Secret(const std::string& name)>;

// What a listener ends TLS with, and whom it lets in.
Settings view_of(const ir::DownstreamTls& tls, const SecretOf& secret);

// How connections to a backend speak TLS, and whom they trust.
Settings view_of(const ir::UpstreamTls& tls, const SecretOf& secret);

}  // namespace sluice::explain
