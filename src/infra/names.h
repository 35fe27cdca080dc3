// What the objects of a proxy are called, and by which labels they are found.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "infra/objects.h"

namespace sluice::infra {

// What all objects of a proxy have in common.
struct Identity {
  std::string namespace_;
  std::string name;           // of each object, unless the EnvoyProxy has another
  std::string service_name;   // the same of the Service, which has to be a DNS label
  bool with_gateway = false;  // it is in the Gateway's namespace
  // Says whose pods they are, and stays as long as the proxy is there.
  api::StringMap selector;
  api::StringMap labels;  // of every object: the users', and the selector
  nlohmann::json owners;  // metadata.ownerReferences; empty: there are none
};

Identity identity_of(const Request& request, const Settings& settings);

// Envoy Gateway's name for a key as "default/web": "envoy-default-web-" and the first 8 hexadecimal digits of
// its SHA-256; what is in between has 48 bytes at most.
std::string hashed_name(std::string_view key);

}  // namespace sluice::infra
