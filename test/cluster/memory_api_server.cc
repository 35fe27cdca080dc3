// An API server in memory (kube/testing/api_server.h) with all kinds that we know, for tests in other
// languages.
//
// memory-api-server KUBECONFIG: writes the file, says "ready", and then does what lines on standard input
// say, a JSON map each, and answers each with a line of JSON:
//
//   {"do": "put", "objects": […]}                     true; each is created or replaced
//   {"do": "get", "kind": …, "namespace": …, "name": …}   the object, or null
//   {"do": "remove", "kind": …, "namespace": …, "name": …}  true
//   {"do": "requests"}                                [method, target] of all requests of clients
//   {"do": "writes"}                                  those that are not to read
//   {"do": "stop"}, {"do": "start"}, {"do": "forget"} true; an outage, its end, and forgetting all requests
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kube/testing/api_server.h"
#include "source/cluster/testing/served_kinds.h"

namespace {

using namespace sluice;
using kube_testing::ApiServer;
using kube_testing::Json;

Json answer(ApiServer& server, const Json& asked) {
  const std::string what = asked.at("do");
  const auto text = [&asked](const char* name) { return asked.value(name, ""); };
  if (what == "put") {
    for (const Json& object : asked.at("objects")) server.put(object);
  } else if (what == "get") {
    return server.get(text("kind"), text("namespace"), text("name"));
  } else if (what == "remove") {
    server.remove(text("kind"), text("namespace"), text("name"));
  } else if (what == "requests" || what == "writes") {
    Json told = Json::array();
    for (const auto& request : server.requests()) {
      if (what == "requests" || request.method != "GET") told.push_back({request.method, request.target});
    }
    return told;
  } else if (what == "stop") {
    server.stop();
  } else if (what == "start") {
    server.start();
  } else if (what == "forget") {
    server.forget_requests();
  } else {
    return fmt::format("`{}` is nothing that can be done", what);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: memory-api-server KUBECONFIG\n";
    return 2;
  }
  ApiServer server(source_testing::all_kinds_of_a_cluster(), {.bookmarks = std::chrono::seconds(5)});
  const Json config{
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"current-context", "memory"},
      {"clusters", {{{"name", "memory"}, {"cluster", {{"server", server.url()}}}}}},
      {"users", {{{"name", "somebody"}, {"user", Json::object()}}}},
      {"contexts", {{{"name", "memory"}, {"context", {{"cluster", "memory"}, {"user", "somebody"}}}}}}};
  std::ofstream(argv[1]) << config.dump() << "\n";
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << answer(server, Json::parse(line)).dump() << std::endl;
  }
}
