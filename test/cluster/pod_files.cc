// What an Envoy in a pod starts with, as infra makes it for the Gateway default/web, for tests in other
// languages.
//
// pod-files FOLDER: writes FOLDER/bootstrap.json, and the files of its ConfigMap into FOLDER/sds.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include "infra/objects.h"

int main(int argc, char** argv) {
  using namespace sluice;
  if (argc != 2) {
    std::cerr << "usage: pod-files FOLDER\n";
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder / "sds");
  const infra::Request request{
      .proxy = {.key = "default/web"},
      .gateway_class = "sluice",
      .gateways = {{.name = {Interned("default"), "web"}}},
      .sockets = {{.protocol = "HTTP", .port = 80, .container_port = 10'080}}};
  for (const auto& [key, document] : infra::make_objects(request, {}).objects) {
    if (key.kind.kind() == "ConfigMap") {
      for (const auto& [file, text] : document.at("data").items()) {
        std::ofstream(folder / "sds" / file) << text.get<std::string>();
      }
    }
    if (key.kind.kind() != "Deployment") continue;
    const auto arguments = document.at(nlohmann::json::json_pointer("/spec/template/spec/containers/0/args"));
    for (std::size_t i = 0; i + 1 < arguments.size(); ++i) {
      if (arguments[i] == "--config-yaml") {
        std::ofstream(folder / "bootstrap.json") << arguments[i + 1].get<std::string>();
      }
    }
  }
}
