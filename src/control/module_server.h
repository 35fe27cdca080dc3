// Modules over HTTP, for proxies on other machines: `GET /<sha256>.wasm`, `GET /<sha256>.so`, of the files
// that a wasm::Store keeps in its folder, and of our own library with the picker.
//
// Whoever can reach the address and knows the digest of a module gets it: the digest is the right to it, as
// it is only told to proxies. What it is asked for besides is not there, whatever the folder has.
//
// Threads: one of the server's own, which reads the files.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "admin/server.h"

namespace sluice::control {

// A library of ours.
struct OwnModule {
  std::string path;
  std::string sha256;  // empty: there is none
};
// Nothing where it cannot be read.
OwnModule own_module(const std::string& path);

// At an address as "10.0.0.1:18002", which `host_names` may call by these names too; port 0 is any. Fails
// where the address is none or is taken.
std::expected<std::unique_ptr<admin::Server>, Problem> start_module_server(
    std::string address, std::vector<std::string> host_names, std::string folder, OwnModule own = {});

}  // namespace sluice::control
