#include "xds/testing.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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

json expected_cluster(const json& proxy, const std::string& name) {
  for (const json& cluster : proxy["clusters"]) {
    if (cluster["name"] != name) continue;
    json made = without_choices(cluster);
    if (made.contains("edsClusterConfig"))
      made["edsClusterConfig"].erase("serviceName");  // the name, by default
    if (made.contains("loadAssignment")) {
      for (json& group : made["loadAssignment"]["endpoints"]) group["locality"] = json::object();
    }
    if (made.contains("transportSocketMatches")) {
      made["transportSocketMatches"][0]["name"] = "tls";
      made["transportSocketMatches"][0]["match"]["name"] = "tls";
    }
    return made;
  }
  return {};
}

std::vector<json> parity(const std::string& name) {
  namespace fs = std::filesystem;
  const fs::path cases = "../shared/parity/cases";
  if (!fs::exists(cases)) {
    static const int printed =
        std::printf("skipped: comparisons with %s, which is not there\n", cases.c_str());
    static_cast<void>(printed);
    return {};
  }
  std::set<fs::path> files;
  for (const auto& entry : fs::directory_iterator(cases / name / "xds")) files.insert(entry.path());
  std::vector<json> proxies;
  for (const fs::path& file : files) {
    std::ifstream in(file);
    proxies.push_back(json::parse(in));
  }
  return proxies;
}

std::vector<json> expected_clusters(const std::string& parity_case, const std::string& name) {
  const std::vector<json> proxies = parity(parity_case);
  std::vector<json> clusters;
  for (const json& proxy : proxies) {
    json cluster = expected_cluster(proxy, name);
    if (!cluster.is_null()) clusters.push_back(std::move(cluster));  // else it is of another gateway
  }
  EXPECT_TRUE(!clusters.empty() || proxies.empty()) << "no proxy has the cluster " << name;
  return clusters;
}

}  // namespace sluice::xds
