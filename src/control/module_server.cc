#include "control/module_server.h"

#include <chrono>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/file.h"
#include "wasm/digest.h"

namespace sluice::control {
namespace {

// Each has a module in memory while it is sent.
constexpr std::size_t kMaxConnections = 8;
// Of a module of 256 MiB, over 10 Mbit/s.
constexpr std::chrono::minutes kTimeout{5};

bool is_name_of_module(std::string_view name) {
  for (const std::string_view suffix : {".wasm", ".so"}) {
    if (name.ends_with(suffix)) return wasm::is_sha256(name.substr(0, name.size() - suffix.size()));
  }
  return false;
}

admin::Response module_of(const std::string& folder, const OwnModule& own, std::string_view path) {
  std::ifstream file;
  if (path.starts_with('/') && is_name_of_module(path.substr(1))) {
    const bool is_own = !own.sha256.empty() && path == fmt::format("/{}.so", own.sha256);
    file.open(is_own ? own.path : folder + std::string(path), std::ios::binary);
  }
  if (!file.is_open()) return {.status = 404, .body = "there is no such module\n", .etag = {}};
  return {.content_type = "application/octet-stream",
          .body = {std::istreambuf_iterator<char>(file), {}},
          .etag = {}};
}

}  // namespace

OwnModule own_module(const std::string& path) {
  const std::optional<std::string> bytes = path.empty() ? std::nullopt : read_file(path);
  if (!bytes) return {};
  return {.path = path, .sha256 = wasm::sha256_of(*bytes)};
}

std::expected<std::unique_ptr<admin::Server>, Problem> start_module_server(
    std::string address, std::vector<std::string> host_names, std::string folder, OwnModule own) {
  auto server = admin::start_server(
      {.socket_path = {},
       .tcp_address = std::move(address),
       .host_names = std::move(host_names),
       .handlers = {},
       .otherwise =
           [folder = std::move(folder), own = std::move(own)](const admin::Request& request,
                                                              const admin::Respond& respond) {
             respond([folder, own, path = request.path] { return module_of(folder, own, path); });
           },
       .max_connections = kMaxConnections,
       .timeout = kTimeout,
       .answer_timeout = kTimeout});
  if (!server) {
    server.error().code = "value/modules-address";
    server.error().suggestion = "an IP address of this machine and a free port, as 10.0.0.1:18002";
  }
  return server;
}

}  // namespace sluice::control
