#include "xds/testing.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

namespace sluice::xds {

using nlohmann::json;

json without_choices(json node) {
  if (node.is_object()) {
    node.erase("metadata");
    node.erase("initialFetchTimeout");
  }
  if (node.is_structured()) {
    for (json& child : node) child = without_choices(std::move(child));
  }
  return node;
}

json as_json(ResourceType type, std::string_view bytes) { return json::parse(to_json(type, bytes)); }

std::vector<json> parity(const std::string& name) {
  std::set<std::filesystem::path> files;
  std::error_code absent;
  for (const auto& entry :
       std::filesystem::directory_iterator("../shared/parity/cases/" + name + "/xds", absent)) {
    files.insert(entry.path());
  }
  if (files.empty()) std::printf("skipped: no parity case %s\n", name.c_str());
  std::vector<json> proxies;
  for (const auto& file : files) {
    std::ifstream in(file);
    proxies.push_back(json::parse(in));
  }
  return proxies;
}

}  // namespace sluice::xds
